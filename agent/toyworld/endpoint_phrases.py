"""What the toy author writes with: motives, hinges, mistakes and matched situations, taken from the lexicon."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from agent.toyworld.endpoint_reading import Side, TraitReader

_PERSONS = {
    "him": re.compile(r"\b(?:he|him|his)\b", re.IGNORECASE),
    "her": re.compile(r"\b(?:she|her|hers)\b", re.IGNORECASE),
    "them": re.compile(r"\b(?:they|them|their)\b", re.IGNORECASE),
}
_NAMED = {
    "him": re.compile(r"\b(?:brother|father|uncle|boss|man|husband|son|grandfather)\b", re.IGNORECASE),
    "her": re.compile(r"\b(?:sister|mother|aunt|wife|woman|girl|daughter|grandmother)\b", re.IGNORECASE),
}
_SPLIT = re.compile(r"(?<=[.!?]) (?=\S)")


@dataclass(frozen=True)
class Rates:
    """How often the author errs: an ending that is committed already, and a lock-in too weak to hold. From 0 to 1."""

    committed: float
    weak: float


@dataclass
class Pen:
    """Writes endings of one trait. `avoid` holds texts whose motives are not to be used again."""

    reader: TraitReader
    rng: Random
    rates: Rates
    avoid: str = ""
    used: set[str] = field(default_factory=set)

    def ending(self, side: Side, stem: str, hinge: str | None = None, motive: str | None = None) -> str:
        """An ending for a side; by mistake it may be committed or weak."""
        roll = self.rng.random()
        if self.reader.sustained:
            return self._toned(side, weak=roll < self.rates.weak)
        hinge = hinge or self.hinge(stem)
        if roll < self.rates.committed:
            return self._committed(side, stem, hinge)
        if roll < self.rates.committed + self.rates.weak:
            return self._choose(self._weak, stem) + hinge
        return (motive or self.motive(side, stem)) + hinge

    def motive(self, side: Side, stem: str) -> str:
        """A strong motive, one not used so far where there is one."""
        return self._choose(self.reader.entry["motives"][side], stem)

    def hinge(self, stem: str, kind: str = "") -> str:
        """A hinge of a kind, or of any kind, in the person that the stem speaks of."""
        of_kind: list[str] = [h["text"] for h in self.reader.entry["hinges"] if h["kind"] == kind]
        hinges = of_kind or list(self.reader.hinges)
        return self.rng.choice(list(in_person(hinges, stem)) or hinges)

    def extended(self, side: Side, stem: str) -> str:
        """A motive, a hinge, and the first act, broken off behind it."""
        narrated = [hinge for hinge in self.reader.hinges if hinge.endswith("I")]
        acts = [act for act in self.reader.entry["acts"][side] if act[0].islower()]
        return f"{self.motive(side, stem)}{self.rng.choice(narrated)} {self._choose(acts, stem)} and"

    def _committed(self, side: Side, stem: str, hinge: str) -> str:
        spoken = hinge.endswith('"')
        known = [c for c in self.reader.entry["committed"][side] if c[0].isupper() == spoken]
        if hinge.endswith(":"):
            hinge = ", so I"
        return self.motive(side, stem) + hinge + ("" if spoken else " ") + self._choose(known, stem)

    def _toned(self, side: Side, weak: bool) -> str:
        if weak:
            return self._choose(self._weak, "")
        mood = self._choose(self.reader.entry["motives"][side], "") + " " if self.rng.random() < 0.5 else ""
        return mood + self._choose(self.reader.entry["endings"][side], "")

    @property
    def _weak(self) -> list[str]:
        return [item["phrase"] for item in self.reader.entry["weak"]]

    def _choose(self, phrases: Iterable[str], stem: str) -> str:
        """A phrase that fits the stem's person and was neither used here nor stands in what is to be avoided."""
        fitting = list(in_person(phrases, stem)) if stem else list(phrases)
        fresh = [p for p in fitting if p not in self.used and p not in self.avoid]
        chosen = self.rng.choice(fresh or fitting)
        self.used.add(chosen)
        return chosen


def in_person(phrases: Iterable[str], stem: str) -> Iterator[str]:
    """The phrases that speak of nobody, or of the person that the stem speaks of."""
    others = [pattern for person, pattern in _PERSONS.items() if person != person_of(stem)]
    return (phrase for phrase in phrases if not any(pattern.search(phrase) for pattern in others))


def person_of(stem: str) -> str:
    """him, her or them: whom the stem mentions first."""
    places = {person: _first(stem, pattern, _NAMED.get(person)) for person, pattern in _PERSONS.items()}
    first = min(places, key=lambda person: places[person])
    return first if places[first] < len(stem) else "them"


def _first(text: str, *patterns: re.Pattern[str] | None) -> int:
    found = (pattern.search(text) for pattern in patterns if pattern)
    return min((match.start() for match in found if match), default=len(text))


def divided(stem: str, ending: str) -> dict[str, str]:
    """Stem and ending, the whole sentences of the ending moved to the stem."""
    parts = _SPLIT.split(ending)
    return {"stem": stem + "".join(f"{part} " for part in parts[:-1]), "ending": parts[-1]}


def situations(reader: TraitReader, rng: Random, domains: str, taken: Sequence[str]) -> list[dict[str, str]]:
    """The lexicon's matched stems, those not taken and of the asked domains first, the domains in turn."""
    stems = list(reader.entry["stems"])
    rng.shuffle(stems)
    turn: dict[str, int] = {}
    ranked: list[tuple[bool, bool, int, int, dict[str, str]]] = []
    for stem in stems:
        turn[stem["domain"]] = turn.get(stem["domain"], 0) + 1
        away = bool(domains) and stem["domain"] not in domains
        ranked.append((_is_taken(stem, taken), away, turn[stem["domain"]], len(ranked), stem))
    return [stem for *_, stem in sorted(ranked, key=lambda item: item[:4])]


def _is_taken(stem: dict[str, str], taken: Sequence[str]) -> bool:
    """Whether a text is about this situation already, whoever presents it."""
    tails = [" ".join(stem[side].rstrip(" .").split()[-5:]) for side in ("trait", "opposite")]
    return any(tail in text for text in taken for tail in tails)
