"""What an experiment's settings are: strict, frozen, every default filled in."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agent.schema import BudgetConfig, Caps, FrozenModel, Mode, NegativeTest, Rules, digest

TOYWORLD = "toyworld"
ROLES = ("judge", "author", "auditor")

_PART = r"\.{0,2}[A-Za-z0-9_-][A-Za-z0-9_.-]*"
Share = Annotated[float, Field(ge=0, le=1)]
TraitId = Annotated[str, Field(pattern=f"^{_PART}/{_PART}$")]


def is_trait_id(name: str) -> bool:
    """Whether it is category/name, of characters that are safe as the names of folders."""
    return re.fullmatch(f"{_PART}/{_PART}", name) is not None


class SubjectSettings(FrozenModel):
    """The model under study; `batch_tokens` bounds one batch of completions."""

    model: Annotated[str, Field(min_length=1)]
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$")] = "auto"
    batch_tokens: Annotated[int, Field(ge=64)] = 4096


class EndpointSettings(FrozenModel):
    """Where one LLM role is reached. Prices are US dollars per million tokens; None means not stated."""

    model: Annotated[str, Field(min_length=1)]
    base_url: Annotated[str, Field(pattern=r"^(toyworld|https?://[^\s@]+)$")]
    key_variable: Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 32
    input_price: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    output_price: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    free: bool = False

    @property
    def meaning(self) -> str:
        return digest(self.model, self.base_url)


class ToyworldSettings(FrozenModel):
    """How well the embedded author and judge play: rates of their mistakes, and what their endpoint lacks."""

    flips: Share = 0.02
    systematic: Share = 0.02
    committed: Share = 0.2
    weak: Share = 0.15
    logprobs: bool = True
    json_schema: bool = True
    split_digits: bool = False
    seed: Annotated[int, Field(ge=0)] = 0


class TraitSettings(FrozenModel):
    """What is said of one trait; None leaves it to the trait's own files and to the defaults."""

    mode: Mode | None = None
    opposite: Annotated[str, Field(min_length=1)] | None = None
    negative_test: NegativeTest | None = None


class Settings(FrozenModel):
    """All settings of one experiment, with every default filled in. Paths are absolute."""

    version: Literal[1]
    experiment: Path
    traits: Annotated[tuple[TraitId, ...], Field(min_length=1)]
    datasets: Path
    seed: Annotated[int, Field(ge=0)] = 0
    variant: Annotated[str, Field(pattern=f"^{_PART}$")] | None = None
    subject: SubjectSettings
    judge: EndpointSettings
    author: EndpointSettings
    auditor: EndpointSettings
    caps: Caps = Caps()
    rules: Rules = Rules()
    budget: BudgetConfig = BudgetConfig()
    toyworld: ToyworldSettings = ToyworldSettings()
    trait: dict[TraitId, TraitSettings] = {}

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        problems = list(_impossible(self))
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def of(self, trait_id: str) -> TraitSettings:
        """What the file says of one trait."""
        return self.trait.get(trait_id, TraitSettings())

    def meaning(self, trait_id: str | None = None) -> str:
        """Digest of what a verdict depends on: rules, seed, subject, roles, and one trait's own settings."""
        roles = [self.judge.meaning, self.author.meaning, self.auditor.meaning]
        embedded = TOYWORLD in (self.judge.base_url, self.author.base_url, self.auditor.base_url)
        toyworld = self.toyworld.model_dump_json() if embedded else ""
        own = self.of(trait_id).model_dump_json() if trait_id else ""
        subject = [self.subject.model, self.subject.dtype]
        return digest(self.rules.model_dump_json(), str(self.seed), *subject, *roles, toyworld, own)


def _impossible(settings: Settings) -> Iterator[str]:
    caps, rules = settings.caps, settings.rules
    for low, high in (
        ("rules.lock_in_needed", "rules.lock_in_samples"),
        ("rules.first_k", "rules.max_new_tokens"),
        ("rules.commitment_limit", "rules.committed"),
        ("rules.primed_limit", "rules.committed"),
    ):
        a, b = (getattr(caps if key.startswith("caps") else rules, key.partition(".")[2]) for key in (low, high))
        if a > b:
            yield f"`{low}` is {a} and `{high}` is {b}: lower the first or raise the second."
    if rules.neg_threshold >= rules.pos_threshold:
        yield (
            f"`rules.neg_threshold` is {rules.neg_threshold:g} and `rules.pos_threshold` {rules.pos_threshold:g}: "
            "no score could tell the sides apart. Set the negative threshold below the positive one."
        )
    if len(set(settings.traits)) < len(settings.traits):
        yield "`traits` names a trait twice. Remove one of them."
