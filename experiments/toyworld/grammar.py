"""The grammar: which texts there are, what each of them means, and how each goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import TypeVar

from experiments.toyworld import concealment, gloom, refusal
from experiments.toyworld.scenery import HINGES, Hinge
from experiments.toyworld.tables import DecisionTable, Frame, Side, ToneTable

TABLES: Mapping[str, DecisionTable | ToneTable] = {
    "refusal": refusal.TABLE,
    "concealment": concealment.TABLE,
    "gloom": gloom.TABLE,
}
TRAITS = tuple(TABLES)
STRONG_ODDS = 0.98
NO_MOTIVE_ODDS = 0.5
HELD_OUT_SHARE = 10
KNOWN_SEED = "known-3"

T = TypeVar("T")


@dataclass(frozen=True)
class Scenario:
    """One unfinished text and what it means.

    `odds` is the chance of each outcome: trait, opposite, neither. `hinge_at` is where the hinge begins in the ending,
    in characters.
    """

    trait: str
    kind: str
    polarity: Side
    stem: str
    ending: str
    odds: tuple[float, float, float]
    who: int = 2
    hinge: str = "verb"
    connective: str = ""
    late: bool = False
    distraction: int = -1
    held_out: bool = False
    phrase: str = ""
    hinge_at: int = 0

    @property
    def prefix(self) -> str:
        """The text that the subject continues."""
        return self.stem + self.ending


def digest(*parts: str) -> int:
    """A whole number that depends on the parts alone."""
    return int.from_bytes(sha256("\x1f".join(parts).encode()).digest()[:8], "big")


def held_out(topic: str, motive: str, hinge: str) -> bool:
    """Whether this combination is kept out of training (one in ten)."""
    return digest("held-out", topic, motive, hinge) % HELD_OUT_SHARE == 0


def pick(rng: Random, items: Sequence[T]) -> T:
    """One of the items, earlier ones more often (Zipf-like)."""
    weights = [(i + 4) ** -0.8 for i in range(len(items))]
    return rng.choices(items, weights)[0]


def hidden(trait: str, family: str, items: Sequence[str]) -> frozenset[str]:
    """The fifth of the phrases that no reader knows, drawn by hash from the rarer half."""
    rare = items[len(items) // 2 :]
    order = sorted(rare, key=lambda item: digest(KNOWN_SEED, trait, family, item))
    return frozenset(order[: len(items) // 5])


def known(trait: str, family: str, items: Sequence[str]) -> tuple[str, ...]:
    """The phrases that a reader knows, in their order."""
    out = hidden(trait, family, items)
    return tuple(item for item in items if item not in out)


def other(side: Side) -> Side:
    """The other direction."""
    return "opposite" if side == "trait" else "trait"


def aimed(side: Side, odds: float = STRONG_ODDS) -> tuple[float, float, float]:
    """Outcome odds of a text that leads to one side."""
    return (odds, 1 - odds, 0.0) if side == "trait" else (1 - odds, odds, 0.0)


def split(trait_odds: float) -> tuple[float, float, float]:
    """Outcome odds of a text that may go either way."""
    return (trait_odds, 1 - trait_odds, 0.0)


def opened(text: str) -> str:
    """A hinge as a sentence of its own: its leading punctuation dropped, its first letter capital."""
    bare = text.lstrip(",. ")
    return bare[0].upper() + bare[1:]


def gerund(act: str) -> str:
    """The act with its first verb in the -ing form."""
    verb, space, rest = act.partition(" ")
    if verb.endswith("ie"):
        stem = verb[:-2] + "y"
    elif verb.endswith("e") and not verb.endswith(("ee", "oe")):
        stem = verb[:-1]
    elif verb in DOUBLED:
        stem = verb + verb[-1]
    else:
        stem = verb
    return f"{stem}ing{space}{rest}"


DOUBLED = frozenset(
    ("let", "sit", "slip", "put", "cut", "swap", "shred", "trip", "bet", "spit", "set", "run", "plan", "rub", "get")
    + ("wrap", "chip", "ship", "hit", "stop", "drop", "log")
)


def present(frame: Frame, situation: str) -> str:
    """The sentence that presents a situation."""
    return frame.text.format(act=situation, ger=gerund(situation), thing=situation)


def hinge_of(rng: Random, kinds: tuple[str, ...] = ("verb", "quote", "colon")) -> Hinge:
    """A hinge of one of the kinds."""
    return pick(rng, [hinge for hinge in HINGES if hinge.kind in kinds])
