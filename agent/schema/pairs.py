"""Traits, scenarios, pairs and what the subject makes of them."""

import hashlib
import json
import re
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class FrozenModel(BaseModel):
    """Base of all nouns. Parse stored ones with `model_validate_json`: strict mode takes enums from JSON only."""

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
    """What a negative must show: an act of its own, or merely no trait."""

    OPPOSITE = "opposite"
    ABSENCE = "absence"

    def is_met_by_absence(self, polarity: Polarity) -> bool:
        """Whether a scenario of this polarity passes by merely not showing the trait."""
        return polarity is Polarity.NEGATIVE and self is NegativeTest.ABSENCE


class Flag(StrEnum):
    """What a human should know of a scenario that passed."""

    EXTENDED = "extended"
    LATE = "late"
    UNGROUNDED = "span not found"
    BOUNDARY = "token boundary not exact"
    UNMATCHED = "sides not matched"
    ALIKE = "both sides continue alike"


def digest(*parts: str) -> str:
    """SHA-256 (hex) of several texts, framed by a JSON list so that no two different lists collide."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()


@lru_cache(maxsize=1 << 13)
def _key(*parts: str) -> str:
    """The digest of a set's texts, which is asked for over and over; whole requests are not to be kept for it."""
    return digest(*parts)


class Trait(FrozenModel):
    """What is extracted. `id` is category/name; `opposite` says in words what a negative shows."""

    id: str
    definition: str
    opposite: str
    mode: Mode = Mode.DECISION
    negative_test: NegativeTest = NegativeTest.OPPOSITE


_SENTENCE_END = re.compile(r"""(?:[.!?…]["'”’)\]]*\s+|[。！？]["'”’」』)\]]*\s*)""")  # noqa: RUF001 - full-width marks are meant


def split_ending(text: str) -> tuple[str, str]:
    """(stem, ending): the ending is the last, usually unfinished, sentence. Joined they are the text, byte for byte."""
    cut = 0
    for match in _SENTENCE_END.finditer(text):
        if match.end() < len(text):
            cut = match.end()
    return text[:cut], text[cut:]


class Scenario(FrozenModel):
    """The unfinished text that the subject continues."""

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
        """The first sentence, which edits of the ending leave alone; empty where the text has only one."""
        first = _SENTENCE_END.search(self.text)
        return self.text[: first.end()] if first else ""

    @property
    def key(self) -> str:
        """Identity of what is judged: polarity, system prompt and text."""
        return _key(self.polarity, self.system_prompt or "", self.text)


class Pair(FrozenModel):
    """A positive and a negative scenario, matched. `id`: d0007 for line 8 of a dataset, n0003 for the fourth draft."""

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
    """How the subject continues: greedy (`samples` = 0) or `samples` draws at `temperature`, noise seeded by `seed`."""

    samples: int = 0
    temperature: float = 1.0
    seed: int = 0
    max_new_tokens: int = 50
    first_k: int = 5


class Opener(FrozenModel):
    """First words that a text's continuation is made to begin with, and how many samples are drawn of what follows."""

    text: str
    samples: Annotated[int, Field(ge=1)]


class Completion(FrozenModel):
    """What the subject generated. `text` keeps its leading space; `opening` is the text of the first k tokens.

    `ends`: of a greedy one, how many characters of the text its first token makes, its first two, and so on.
    """

    text: str
    token_ids: tuple[int, ...]
    opening: str
    sample: int | None = None
    entropy: float = 0.0
    next_tokens: tuple[tuple[int, float], ...] = ()
    exact_boundary: bool = True
    ends: tuple[int, ...] = ()
