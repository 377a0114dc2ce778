"""Traits, scenarios, pairs, and completions of the subject."""

import hashlib
import json
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent.schema.segmentation import first_sentence


class FrozenModel(BaseModel):
    """Base of all models. Parse stored ones with `model_validate_json`: strict mode accepts enums from JSON only."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Polarity(StrEnum):
    POSITIVE = "positive"
    NEGATIVE = "negative"

    @property
    def other(self) -> "Polarity":
        return Polarity.NEGATIVE if self is Polarity.POSITIVE else Polarity.POSITIVE


class Mode(StrEnum):
    DECISION = "decision"
    PRIMED = "primed"
    SUSTAINED = "sustained"


class NegativeTest(StrEnum):
    """What a negative must show: the opposite act, or merely no trait."""

    OPPOSITE = "opposite"
    ABSENCE = "absence"

    def is_met_by_absence(self, polarity: Polarity) -> bool:
        """Whether a scenario of this polarity passes by merely not showing the trait."""
        return polarity is Polarity.NEGATIVE and self is NegativeTest.ABSENCE


class Nature(StrEnum):
    """What a behaviour consists of. It decides on which words a text can stop right before it."""

    ACT = "act"
    SPEECH = "speech"
    FEELING = "feeling"
    THOUGHT = "thought"


class Flag(StrEnum):
    """Something a human should know about a scenario that passed."""

    EXTENDED = "extended"
    LATE = "late"
    UNGROUNDED = "span not found"
    BOUNDARY = "token boundary not exact"
    UNMATCHED = "sides not matched"
    ALIKE = "both sides continue alike"


def digest(*parts: str) -> str:
    """SHA-256 (hex) of several texts, as a JSON list so that no two different lists collide."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()


@lru_cache(maxsize=1 << 13)
def _key(*parts: str) -> str:
    """Cached digest of a set's texts, which is needed often; `digest` caches nothing, since requests are long."""
    return digest(*parts)


class Trait(FrozenModel):
    """The trait to extract. `id` is category/name; `opposite` says in words what a negative shows.

    `nature`: what the behaviour consists of; several may be named, the most frequent one first.
    """

    id: str
    definition: str
    opposite: str
    mode: Mode = Mode.DECISION
    negative_test: NegativeTest = NegativeTest.OPPOSITE
    nature: tuple[Nature, ...] = (Nature.ACT, Nature.SPEECH)


class Scenario(FrozenModel):
    """Unfinished text that the subject continues."""

    polarity: Polarity
    stem: str
    ending: str
    system_prompt: str | None = None
    flags: tuple[Flag, ...] = ()

    @property
    def text(self) -> str:
        return self.stem + self.ending

    @property
    def situation(self) -> str:
        """The first sentence, which edits of the ending keep; empty if the text has only one."""
        return first_sentence(self.text)

    @property
    def key(self) -> str:
        """Identity of the judged text: polarity, system prompt and text."""
        return _key(self.polarity, self.system_prompt or "", self.text)


class Pair(FrozenModel):
    """Pair of a positive and a negative scenario. `id`: d0007 for line 8 of a dataset, n0003 for the fourth draft."""

    id: str
    positive: Scenario
    negative: Scenario
    domain: str = ""
    kind: str = ""
    line: int | None = None

    def side(self, polarity: Polarity) -> Scenario:
        return self.positive if polarity is Polarity.POSITIVE else self.negative

    @property
    def sides(self) -> tuple[Scenario, Scenario]:
        return (self.positive, self.negative)

    @property
    def key(self) -> str:
        return _key(self.positive.key, self.negative.key)


class Sampling(FrozenModel):
    """Sampling of the subject: greedy (`samples` = 0) or `samples` draws at `temperature`, seeded by `seed`."""

    samples: int = 0
    temperature: float = 1.0
    seed: int = 0
    max_new_tokens: int = 50
    first_k: int = 5


class Opener(FrozenModel):
    """First words forced on a continuation, and how many samples are drawn of what follows."""

    text: str
    samples: Annotated[int, Field(ge=1)]


OTHER_SIDE = "the other side of its pair cannot be continued"  # the `failure` of a completion that is of no use


class Completion(FrozenModel):
    """Completion by the subject. `text` keeps its leading space; `opening` is the text of the first k tokens.

    `ends`, of a greedy one: the length of the text in characters after its first token, its second, and so on.
    `failure`: why the subject cannot continue the text; then there are no tokens, and nothing is asked about it.
    """

    text: str
    token_ids: tuple[int, ...]
    opening: str
    sample: int | None = None
    entropy: float = 0.0
    next_tokens: tuple[tuple[int, float], ...] = ()
    exact_boundary: bool = True
    ends: tuple[int, ...] = ()
    failure: Annotated[str | None, Field(exclude_if=lambda failure: failure is None)] = None
