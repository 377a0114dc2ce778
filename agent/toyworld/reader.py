"""How the toy judge reads: the phrases it knows, found in a text at word boundaries, the longest one first."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Side = Literal["trait", "opposite"]
Sort = Literal["act", "sign", "motive", "weak", "neutral"]
SIDES: tuple[Side, Side] = ("trait", "opposite")

_WORD = re.compile(r"[\w'’-]+")  # noqa: RUF001 - a typographic apostrophe is meant
_NEGATED = re.compile(r"(?:\bnot|\bnever|n't)\s+(?:\w+\s+)?$")
_OPENING_END = re.compile(r"(?:^I|(?<!because)(?<!since)(?<!that)(?<!as)(?<!if)\sI|[“:])$")
_SENTENCE_END = re.compile(r"[.?!]")
_LONGEST_TAIL = 12
_SHORTEST_PART = 4
_LEAST_SHARE = 0.4
_SUFFIX_WORDS = (8, 7, 6, 5, 4)


@dataclass(frozen=True)
class Hit:
    """A known phrase in a text. `odds`: the trait's chance behind a weak motive; `share`: how much of an act stands."""

    start: int
    end: int
    sort: Sort
    side: Side | None
    odds: float = 0.5
    share: float = 1.0


@dataclass(frozen=True)
class _Meaning:
    sort: Sort
    side: Side | None
    odds: float = 0.5


class TraitReader:
    """What the lexicon says of one trait, indexed for reading. Nothing else is known to it."""

    def __init__(self, name: str, entry: Mapping[str, Any]) -> None:
        self.name = name
        self.entry = entry
        self.sustained = entry["mode"] == "sustained"
        self.hinges: tuple[str, ...] = tuple(hinge["text"] for hinge in entry["hinges"])
        self.late: tuple[str, ...] = tuple(entry["late"])
        self._hinge = _any_of(self.hinges)
        self._phrases: dict[str, _Meaning] = {}
        self._lengths: dict[str, tuple[int, ...]] = {}
        self._parts: dict[str, tuple[Side | None, int]] = {}
        self._suffixes: dict[str, Side | None] = {}
        self._index_phrases()
        self._index_parts()
        self._index_stems()

    def hits(self, text: str) -> list[Hit]:
        """All known phrases in their order, none overlapping another."""
        spans = [match.span() for match in _WORD.finditer(text)]
        found: list[Hit] = []
        at = 0
        while at < len(spans):
            hit, words = self._longest(text, spans, at)
            if hit is not None:
                found.append(hit)
            at += words
        return found

    def displayed(self, text: str, whole: bool = True) -> Hit | None:
        """The first act, or sign of one, that stands in the text; else an act that begins at its very end.

        `whole` texts begin with the situation: there a sign counts only behind a hinge or an act.
        """
        hits = self.hits(text)
        first = self._hinge.search(text) if whole else None
        opened = first.end() if first else len(text) if whole else 0
        for hit in hits:
            if hit.sort == "act" and not _NEGATED.search(text[max(0, hit.start - 24) : hit.start]):
                return hit
            if hit.sort == "sign" and hit.start >= opened:
                return hit
        return self._begun(text, hits[-1].end if hits else 0)

    def is_open(self, text: str) -> bool:
        """Whether the text stops on a hinge, a late runway, an open quotation or a bare subject."""
        if text.endswith('"'):
            return text.count('"') % 2 == 1
        return text.endswith((*self.hinges, *self.late)) or _OPENING_END.search(text) is not None

    def hinge_before(self, text: str, place: int) -> int:
        """Where the last hinge before `place` ends, -1 where the same sentence has none."""
        end = max((match.end() for match in self._hinge.finditer(text, 0, place)), default=-1)
        return end if end >= 0 and not _SENTENCE_END.search(text, end, place) else -1

    def situation(self, text: str) -> Side | None:
        """The side of the first sentence whose end is known from the lexicon's stems and belongs to one side only."""
        ends = (self._suffix_side(text[: match.start()]) for match in _SENTENCE_END.finditer(text))
        return next((side for side, known in ends if known and side is not None), None)

    def has_known_end(self, sentence: str) -> bool:
        """Whether a sentence ends as a stem of the lexicon does."""
        return self._suffix_side(sentence.rstrip(" .?!"))[1]

    def balance(self, text: str) -> tuple[int, int]:
        """How many phrases of the trait's register, and of its opposite's, stand in the text."""
        sides = [hit.side for hit in self.hits(text) if hit.sort in ("act", "sign", "motive")]
        return sides.count("trait"), sides.count("opposite")

    def _longest(self, text: str, spans: list[tuple[int, int]], at: int) -> tuple[Hit | None, int]:
        start, end = spans[at]
        for words in self._lengths.get(text[start:end], ()):
            if at + words <= len(spans):
                last = spans[at + words - 1][1]
                meaning = self._phrases.get(text[start:last])
                if meaning is not None:
                    return Hit(start, last, meaning.sort, meaning.side, meaning.odds), words
        return None, 1

    def _begun(self, text: str, read: int) -> Hit | None:
        """An act that the text breaks off in, where all known acts that begin so are of one side."""
        bare = text.rstrip()
        for match in list(_WORD.finditer(bare, read))[-_LONGEST_TAIL:]:
            tail = bare[match.start() :]
            side, length = self._parts.get(tail, (None, 0))
            if side is not None and len(tail) >= max(_SHORTEST_PART, _LEAST_SHARE * length):
                return Hit(match.start(), len(bare), "act", side, share=len(tail) / length)
        return None

    def _suffix_side(self, sentence: str) -> tuple[Side | None, bool]:
        starts = [match.start() for match in _WORD.finditer(sentence, max(0, len(sentence) - 120))]
        for words in _SUFFIX_WORDS:
            if len(starts) >= words and sentence[starts[-words] :] in self._suffixes:
                return self._suffixes[sentence[starts[-words] :]], True
        return None, False

    def _index_phrases(self) -> None:
        entry = self.entry
        for phrase in entry["neutral"]:
            self._learn(phrase, _Meaning("neutral", None))
        for weak in entry["weak"]:
            self._learn(weak["phrase"], _Meaning("weak", None, weak["trait_odds"]))
        for side in SIDES:
            self._learn_all(entry["motives"][side], _Meaning("motive", side))
            self._learn_all(entry.get("endings", {}).get(side, ()), _Meaning("motive", side))
            self._learn_all(entry["signs"][side], _Meaning("sign", side))
        for side in SIDES:
            self._learn_all(entry["acts"][side], _Meaning("act", side))
        lengths: dict[str, set[int]] = {}
        for phrase in self._phrases:
            words = _WORD.findall(phrase)
            lengths.setdefault(words[0], set()).add(len(words))
        self._lengths = {word: tuple(sorted(counts, reverse=True)) for word, counts in lengths.items()}

    def _learn_all(self, phrases: Iterable[str], meaning: _Meaning) -> None:
        for phrase in phrases:
            self._learn(phrase, meaning)

    def _learn(self, phrase: str, meaning: _Meaning) -> None:
        words = list(_WORD.finditer(phrase))
        if words:
            self._phrases[phrase[words[0].start() : words[-1].end()]] = meaning

    def _index_parts(self) -> None:
        """Every beginning of every act: its side, or None where both sides begin so, and the shortest such act."""
        for side in () if self.sustained else SIDES:
            for act in self.entry["acts"][side]:
                for length in range(1, len(act)):
                    known, shortest = self._parts.get(act[:length], (side, len(act)))
                    self._parts[act[:length]] = (side if known == side else None, min(shortest, len(act)))

    def _index_stems(self) -> None:
        for stem in self.entry["stems"]:
            for side in SIDES:
                for sentence in sentences(stem[side]):
                    self._learn_suffixes(sentence.rstrip(" .?!"), side)

    def _learn_suffixes(self, sentence: str, side: Side) -> None:
        starts = [match.start() for match in _WORD.finditer(sentence)]
        for words in _SUFFIX_WORDS:
            if len(starts) >= words:
                suffix = sentence[starts[-words] :]
                self._suffixes[suffix] = side if self._suffixes.get(suffix, side) == side else None


def _any_of(hinges: Iterable[str]) -> re.Pattern[str]:
    """Any of the hinges, the longest first; none ends inside a word."""
    ordered = sorted(hinges, key=len, reverse=True)
    return re.compile("|".join(re.escape(h) + (r"(?!\w)" if h[-1].isalnum() else "") for h in ordered) or r"(?!)")


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with the blank behind it; together they are the text."""
    return re.findall(r".*?[.?!][\"']?(?:\s+|$)|.+$", text, re.DOTALL)


class Lexicon:
    """The toy world's lexicon: one reader per trait."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.readers = {name: TraitReader(name, entry) for name, entry in document["traits"].items()}
        self._recognised: dict[str, TraitReader | None] = {}

    @classmethod
    def load(cls, path: Path) -> "Lexicon":
        """Read a lexicon file of version 1."""
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("version") != 1:
            raise ValueError(
                f"{path} is not a lexicon of version 1: write it again (python -m agent.toyworld.lexicon)."
            )
        return cls(document)

    def reader(self, definition: str) -> TraitReader | None:
        """The trait that a definition or a name speaks of most; None where no cue of any trait occurs in it."""
        if definition not in self._recognised:
            text = definition.lower()
            cues = {r: sum(text.count(cue) for cue in r.entry["definition_cues"]) for r in self.readers.values()}
            best = max(cues, key=lambda reader: cues[reader])
            self._recognised[definition] = best if cues[best] else None
        return self._recognised[definition]


def side_of(reader: TraitReader, behaviour: str) -> Side:
    """Which side a behaviour's words name: the one whose cue comes first; the trait where there is none."""
    text = behaviour.lower()
    first = {
        side: min((at for cue in reader.entry[cues] if (at := text.find(cue)) >= 0), default=len(text) + 1)
        for side, cues in (("trait", "definition_cues"), ("opposite", "opposite_cues"))
    }
    return "opposite" if first["opposite"] < first["trait"] else "trait"


@cache
def shipped_lexicon() -> Lexicon:
    """The lexicon that lies beside this module, read once."""
    return Lexicon.load(Path(__file__).with_name("lexicon.json"))
