"""The basis of a campaign: everything that, when it changes, starts another campaign."""

from pydantic import ConfigDict

from agent.schema.pairs import FrozenModel, digest
from agent.schema.requests import Role


class CampaignBasis(FrozenModel):
    """The inputs a campaign depends on, stored with it as a JSON object of strings.

    Field names with underscores are stored with spaces ("dataset positive"); fields that are None are left out.
    """

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", " "), populate_by_name=True)

    dataset_positive: str
    """SHA-256 (hex) of the file; empty where there is none. The same holds for the next two."""
    dataset_negative: str
    dataset_definition: str
    trait: str
    """The Trait as JSON."""
    settings: str
    """Digest of the settings that influence results (`Settings.meaning`)."""
    prompts: str
    """Digest of all prompt files."""
    subject: str
    """The subject's signature: weights, dtype and method."""
    author: str
    """Signature of the role's model: "MODEL at URL by METHOD". The same holds for the next two."""
    judge: str
    auditor: str
    decisions: str | None = None
    """Digest of the human decisions in force at the start; None where there were none."""
    starting_set: str | None = None
    """The StartingSet as JSON, where there were decisions: its proposal is overwritten when the campaign ends."""

    @property
    def items(self) -> dict[str, str]:
        """The stored JSON object."""
        return self.model_dump(by_alias=True, exclude_none=True)

    @property
    def key(self) -> str:
        """Digest of all items in order of their names. Campaigns with the same key continue each other."""
        return digest(*(part for item in sorted(self.items.items()) for part in item))

    @property
    def models(self) -> tuple[tuple[str, str], ...]:
        """The subject and the three roles by name, each with its signature."""
        items = self.items
        return tuple((name, items[name]) for name in ("subject", *(role.value for role in Role)))

    @property
    def addresses(self) -> set[str]:
        """The models of the three roles with their endpoints: "MODEL at URL"."""
        return {self.items[role.value].rpartition(" by ")[0] for role in Role}

    def changed_since(self, earlier: "CampaignBasis") -> tuple[str, ...]:
        """Names of the items whose values differ from an earlier basis, sorted."""
        return tuple(sorted(name for name, value in self.items.items() if earlier.items.get(name) != value))
