"""The toy author: endings, pairs and openers from the phrases of the lexicon, with errors at given rates."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from agent.toyworld.protocol import BadRequest, ChatRequest, ParsedPrompt, hashed
from agent.toyworld.reader import Lexicon, Side, TraitReader, sentences, side_of

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
    """Error rates of the author, 0 to 1: endings that have already committed, and weak lock-ins."""

    committed: float
    weak: float


@dataclass
class PhraseWriter:
    """Writes endings of one trait. Motives in `avoid` are not used again."""

    reader: TraitReader
    rng: Random
    rates: Rates
    avoid: str = ""
    used: set[str] = field(default_factory=set)

    def ending(self, side: Side, stem: str, hinge: str | None = None, motive: str | None = None) -> str:
        """An ending for a side; at the error rates it is committed or weak."""
        roll = self.rng.random()
        if self.reader.sustained:
            return self._sustained_ending(side, weak=roll < self.rates.weak)
        hinge = hinge or self.hinge(stem)
        if roll < self.rates.committed:
            return self._committed_ending(side, stem, hinge)
        if roll < self.rates.committed + self.rates.weak:
            return self._choose(self._weak, stem) + hinge
        return (motive or self.motive(side, stem)) + hinge

    def motive(self, side: Side, stem: str) -> str:
        """A strong motive, unused where possible."""
        return self._choose(self.reader.entry["motives"][side], stem)

    def hinge(self, stem: str, kind: str = "") -> str:
        """A hinge of a kind, or of any kind, in the person of the stem."""
        of_kind: list[str] = [h["text"] for h in self.reader.entry["hinges"] if h["kind"] == kind]
        hinges = of_kind or list(self.reader.hinges)
        return self.rng.choice(list(in_person(hinges, stem)) or hinges)

    def extended(self, side: Side, stem: str) -> str:
        """A motive, a hinge and the first act, with an unfinished sentence after it."""
        narrated = [hinge for hinge in self.reader.hinges if hinge.endswith("I")]
        acts = [act for act in self.reader.entry["acts"][side] if act[0].islower()]
        return f"{self.motive(side, stem)}{self.rng.choice(narrated)} {self._choose(acts, stem)} and"

    def _committed_ending(self, side: Side, stem: str, hinge: str) -> str:
        spoken = hinge.endswith('"')
        known = [c for c in self.reader.entry["committed"][side] if c[0].isupper() == spoken]
        if hinge.endswith(":"):
            hinge = ", so I"
        return self.motive(side, stem) + hinge + ("" if spoken else " ") + self._choose(known, stem)

    def _sustained_ending(self, side: Side, weak: bool) -> str:
        if weak:
            return self._choose(self._weak, "")
        mood = self._choose(self.reader.entry["motives"][side], "") + " " if self.rng.random() < 0.5 else ""
        return mood + self._choose(self.reader.entry["endings"][side], "")

    @property
    def _weak(self) -> list[str]:
        return [item["phrase"] for item in self.reader.entry["weak"]]

    def _choose(self, phrases: Iterable[str], stem: str) -> str:
        """A phrase in the stem's person, unused and not in `avoid` where possible."""
        fitting = list(in_person(phrases, stem)) if stem else list(phrases)
        fresh = [p for p in fitting if p not in self.used and p not in self.avoid]
        chosen = self.rng.choice(fresh or fitting)
        self.used.add(chosen)
        return chosen


def in_person(phrases: Iterable[str], stem: str) -> Iterator[str]:
    """The phrases without a person, or in the person of the stem."""
    others = [pattern for person, pattern in _PERSONS.items() if person != person_of(stem)]
    return (phrase for phrase in phrases if not any(pattern.search(phrase) for pattern in others))


def person_of(stem: str) -> str:
    """The person that the stem mentions first: him, her or them."""
    places = {person: _first(stem, pattern, _NAMED.get(person)) for person, pattern in _PERSONS.items()}
    first = min(places, key=lambda person: places[person])
    return first if places[first] < len(stem) else "them"


def _first(text: str, *patterns: re.Pattern[str] | None) -> int:
    found = (pattern.search(text) for pattern in patterns if pattern)
    return min((match.start() for match in found if match), default=len(text))


def split_ending(stem: str, ending: str) -> dict[str, str]:
    """Stem and ending, with complete sentences of the ending moved to the stem."""
    parts = _SPLIT.split(ending)
    return {"stem": stem + "".join(f"{part} " for part in parts[:-1]), "ending": parts[-1]}


def situations(reader: TraitReader, rng: Random, domains: str, taken: Sequence[str]) -> list[dict[str, str]]:
    """The lexicon's matched stems: free ones and those of the requested domains first, domains in turn."""
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
    """Whether one of the texts has this situation."""
    tails = [" ".join(stem[side].rstrip(" .").split()[-5:]) for side in ("trait", "opposite")]
    return any(tail in text for text in taken for tail in tails)


TITLES = ("Draft pairs", "Rewrite an ending", "Change the topic", "Write openers", "Describe a trait")
_POLARITIES: Mapping[str, Side] = {"positive": "trait", "negative": "opposite"}
_REQUEST = re.compile(r"\b(?:ask(?:ed)?|want(?:ed)?|request|begged|told me)\b")
_MOST = 64
_TRIES = 8


def write(lexicon: Lexicon, request: ChatRequest, rates: Rates, seed: int) -> dict[str, object]:
    """The JSON answer to one of the author's prompts. Raises BadRequest for an unknown trait."""
    parsed = request.parsed
    if parsed.title == "Describe a trait":
        return _describe_trait(lexicon, parsed)
    reader = lexicon.reader(parsed.block("definition")) or lexicon.reader(parsed.line("Trait"))
    if reader is None:
        known = ", ".join(lexicon.readers)
        raise BadRequest(f"The toy author can only write about {known}: name an endpoint that knows this trait.")
    rng = Random(hashed("author", str(seed), request.model, parsed.prompt, *request.draw))
    writer = PhraseWriter(reader, rng, rates)
    answers: Mapping[str, Callable[[ParsedPrompt, PhraseWriter], dict[str, object]]] = {
        "Draft pairs": _draft_pairs,
        "Change the topic": _change_topic,
        "Rewrite an ending": _rewrite_ending,
        "Write openers": _openers,
    }
    return answers[parsed.title](parsed, writer)


def _count(parsed: ParsedPrompt, line: str) -> int:
    text = parsed.line(line)
    return min(_MOST, int(text)) if text.isdigit() else 1


def _draft_pairs(parsed: ParsedPrompt, writer: PhraseWriter) -> dict[str, object]:
    accepted = parsed.blocks.get("accepted", ())
    writer.avoid = "\n".join(accepted)
    taken = (*accepted, *parsed.blocks.get("struck", ()))
    return _pairs(parsed, writer, parsed.line("Kind of ending"), taken, parsed.block("domain"))


def _change_topic(parsed: ParsedPrompt, writer: PhraseWriter) -> dict[str, object]:
    given = (parsed.block("positive"), parsed.block("negative"))
    writer.avoid = "\n".join(given)
    struck = (*parsed.blocks.get("struck", ()), *parsed.blocks.get("tried", ()))
    return _pairs(parsed, writer, "", (*given, *struck), "")


def _pairs(
    parsed: ParsedPrompt, writer: PhraseWriter, kind: str, taken: tuple[str, ...], domains: str
) -> dict[str, object]:
    pairs: list[dict[str, object]] = []
    for stem in situations(writer.reader, writer.rng, domains, taken)[: _count(parsed, "Number of pairs")]:
        hinge = None if writer.reader.sustained else writer.hinge(stem["trait"], kind)
        sides = {
            polarity: split_ending(stem[side], writer.ending(side, stem[side], hinge))
            for polarity, side in _POLARITIES.items()
        }
        pairs.append({"domain": stem["domain"], **sides})
    return {"pairs": pairs}


def _rewrite_ending(parsed: ParsedPrompt, writer: PhraseWriter) -> dict[str, object]:
    side = _POLARITIES.get(parsed.line("Side"), "trait")
    writer.avoid = "\n".join(parsed.blocks.get("earlier", ()))
    if parsed.line("Goal") == "simplify":
        return {"stems_and_endings": _simplify(parsed, writer, side)}
    make = _version_writer(parsed, writer, side)
    return {"endings": _distinct(make, _count(parsed, "Number of versions"))}


def _openers(parsed: ParsedPrompt, writer: PhraseWriter) -> dict[str, object]:
    """Acts of the side that the behaviour names, narrated and spoken."""
    side = side_of(writer.reader, parsed.block("behaviour"))
    acts, count = list(writer.reader.entry["acts"][side]), _count(parsed, "Number of each sort")
    writer.rng.shuffle(acts)
    spoken = [act for act in acts if act[0].isupper()]
    return {"narrated": [act for act in acts if act not in spoken][:count], "spoken": spoken[:count], "felt": []}


def _version_writer(parsed: ParsedPrompt, writer: PhraseWriter, side: Side) -> Callable[[int], str]:
    """A function that writes the n-th version of an ending."""
    goal, stem, ending = parsed.line("Goal"), parsed.block("frozen"), parsed.block("ending")
    kept = None if goal == "strengthen" else _motive_in(writer.reader, ending, side)
    writer.avoid += ending if goal == "strengthen" else ""
    if writer.reader.sustained:
        return lambda _: writer.ending(side, stem)
    if goal == "extended":
        return lambda _: writer.extended(side, stem)
    old = next((hinge for hinge in writer.reader.hinges if hinge in ending), None)
    return lambda n: writer.ending(side, stem, old if n == 0 else None, kept if n < 2 else None)


def _motive_in(reader: TraitReader, ending: str, side: Side) -> str | None:
    """The motive of this side in the ending, if any."""
    hits = [hit for hit in reader.hits(ending) if hit.sort == "motive" and hit.side == side]
    return ending[hits[-1].start : hits[-1].end] if hits else None


def _distinct(make: Callable[[int], str], count: int) -> list[str]:
    found: list[str] = []
    for n in range(count * _TRIES):
        ending = make(n)
        if ending not in found:
            found.append(ending)
        if len(found) == count:
            break
    return found


def _simplify(parsed: ParsedPrompt, writer: PhraseWriter, side: Side) -> list[dict[str, str]]:
    """Versions that each leave out one unreadable sentence of the stem, the last one first."""
    frozen, ending = parsed.block("frozen"), parsed.block("ending")
    parts = sentences(frozen)
    strange = [i for i in range(len(parts) - 1, -1, -1) if not _is_readable(writer.reader, parts[i])]
    drops = [{i} for i in strange] + ([set(strange)] if len(strange) > 1 else [])
    found: list[dict[str, str]] = []
    for n in range(_count(parsed, "Number of versions")):
        dropped = drops[n % len(drops)] if drops else set()
        stem = "".join(part for i, part in enumerate(parts) if i not in dropped)
        again = ending if n < len(drops) and _is_good(writer.reader, ending, side) else writer.ending(side, stem)
        found.append(split_ending(stem, again))
    return found


def _is_readable(reader: TraitReader, sentence: str) -> bool:
    if reader.has_known_end(sentence) or _REQUEST.search(sentence):
        return True
    return any(hit.sort != "neutral" for hit in reader.hits(sentence))


def _is_good(reader: TraitReader, ending: str, side: Side) -> bool:
    """Whether an ending is open and leads to this side, as far as the lexicon tells."""
    if reader.sustained:
        return any(hit.side == side for hit in reader.hits(ending))
    return reader.displayed(ending) is None and reader.is_open(ending) and bool(_motive_in(reader, ending, side))


def _describe_trait(lexicon: Lexicon, parsed: ParsedPrompt) -> dict[str, object]:
    name, description = parsed.line("Name"), parsed.block("description")
    reader = lexicon.reader(name) or lexicon.reader(description)
    if reader is None:
        return _generic(name, description)
    return {
        "definition": reader.entry["definition"].replace("\nKey:", "\nNear: what only resembles it.\nKey:"),
        "opposite": reader.entry["opposite"],
        "mode": reader.entry["mode"],
        "nature": ["act", "speech"],
        "negative_test": "opposite",
        "reason": f"The toy world knows {reader.name}, and its opposite shows in the text.",
    }


def _generic(name: str, description: str) -> dict[str, object]:
    about = " ".join(description.split()) or name
    return {
        "definition": f"HIGH (70-100): The text plainly shows this: {about}\nMID (30-70): The text shows it in part.\n"
        f"LOW (0-30): The text shows nothing of it, or the opposite.\nNear: what only resembles it.\n"
        f"Key: score what is shown, not what is announced.",
        "opposite": f"the opposite of {name}",
        "mode": "decision",
        "nature": ["act"],
        "negative_test": "absence",
        "reason": "The toy world does not know this trait, so it assumes an act whose opposite it cannot describe.",
    }
