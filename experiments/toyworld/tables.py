"""The shapes of the phrase tables, and the small notation they are written in.

Inside a phrase `{he}`, `{him}`, `{his}` and `{He}` stand for whoever asks. Lists are written most frequent first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Side = Literal["trait", "opposite"]
SIDES: tuple[Side, Side] = ("trait", "opposite")
PRONOUNS: tuple[Mapping[str, str], ...] = (
    {"he": "he", "him": "him", "his": "his", "He": "He"},
    {"he": "she", "him": "her", "his": "her", "He": "She"},
    {"he": "they", "him": "them", "his": "their", "He": "They"},
)


@dataclass(frozen=True)
class Sides:
    """Phrases of the trait and of its opposite."""

    trait: tuple[str, ...]
    opposite: tuple[str, ...]

    def of(self, side: Side) -> tuple[str, ...]:
        """The phrases of one side."""
        return self.trait if side == "trait" else self.opposite

    def map(self) -> Mapping[Side, tuple[str, ...]]:
        """The phrases by side."""
        return {"trait": self.trait, "opposite": self.opposite}


@dataclass(frozen=True)
class Topic:
    """A matched pair of situations; a treacherous one brings out the trait even on its opposite side."""

    domain: str
    trait: str
    opposite: str
    treacherous: bool
    form: str

    def of(self, side: Side) -> str:
        """The situation of one side."""
        return self.trait if side == "trait" else self.opposite


@dataclass(frozen=True)
class Weak:
    """A hesitant motive with the odds that the trait follows, 0 to 1."""

    phrase: str
    odds: float


@dataclass(frozen=True)
class Frame:
    """A sentence that presents a situation; `who` indexes PRONOUNS."""

    who: int
    form: str
    text: str


@dataclass(frozen=True)
class Connective:
    """What turns an act into a committed ending; `kind` names the afterthoughts that fit behind it."""

    kind: str
    text: str


@dataclass(frozen=True)
class Traits:
    """What every trait states about itself."""

    name: str
    mode: str
    definition: str
    opposite: str
    cues: Sides


@dataclass(frozen=True)
class DecisionTable:
    """All phrases of a decision trait: acts are narrated, sayings are spoken, tails follow either."""

    about: Traits
    frames: tuple[Frame, ...]
    topics: tuple[Topic, ...]
    motives: Sides
    weak: tuple[Weak, ...]
    acts: Sides
    sayings: Sides
    tails: Sides
    spoken_tails: Sides
    connectives: tuple[Connective, ...]
    spoken_connectives: tuple[Connective, ...]
    afterthoughts: Mapping[str, Sides]


@dataclass(frozen=True)
class ToneTable:
    """All phrases of a sustained trait: the register of the text so far, and of what follows."""

    about: Traits
    topics: tuple[Topic, ...]
    plain: tuple[str, ...]
    register: Sides
    endings: Sides
    plain_endings: tuple[str, ...]
    heads: Sides
    tails: Sides
    words: Sides


def phrases(text: str) -> tuple[str, ...]:
    """Split a block on ` | ` and line ends, most frequent first."""
    return tuple(part.strip() for line in text.strip().splitlines() for part in line.split(" | ") if part.strip())


def weak(text: str) -> tuple[Weak, ...]:
    """Read `odds phrase` items."""
    rows = (item.partition(" ") for item in phrases(text))
    return tuple(Weak(phrase, float(odds)) for odds, _, phrase in rows)


def topics(text: str, form: str) -> tuple[Topic, ...]:
    """Read lines of `domain: trait side / opposite side`; a `!` behind the domain marks a treacherous topic."""
    found = []
    for line in text.strip().splitlines():
        domain, _, both = line.strip().partition(": ")
        trait, _, opposite = both.partition(" / ")
        found.append(Topic(domain.rstrip("!"), trait, opposite, domain.endswith("!"), form))
    return tuple(found)


def frames(text: str, form: str) -> tuple[Frame, ...]:
    """Read lines of `who sentence`, who being 0 (he), 1 (she) or 2 (they)."""
    rows = (line.strip().partition(" ") for line in text.strip().splitlines())
    return tuple(Frame(int(who), form, sentence) for who, _, sentence in rows)


def connectives(text: str) -> tuple[Connective, ...]:
    """Read `kind text` items; the text begins with its own space or comma, a space written as `_`."""
    rows = (item.partition(" ") for item in phrases(text))
    return tuple(Connective(kind, tail.replace("_", " ")) for kind, _, tail in rows)


def crossed(subjects: str, predicates: str, without: str = "") -> tuple[str, ...]:
    """Every subject with every predicate, the frequent ones first, less what `without` lists."""
    left, right, dropped = phrases(subjects), phrases(predicates), set(phrases(without))
    order = sorted((i + j, i, j) for i in range(len(left)) for j in range(len(right)))
    joined = (f"{left[i]} {right[j]}" for _, i, j in order)
    return tuple(text for text in joined if text not in dropped)


def spoken_forms(phrase: str) -> tuple[str, ...]:
    """The phrase for each of the three persons, without repeats."""
    return tuple(dict.fromkeys(phrase.format(**person) for person in PRONOUNS))
