"""Phrase matching of the toy judge: known phrases in a text, at word boundaries, longest first."""

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
_LONGEST_TAIL = 12  # words at the end of a text that may be an unfinished act
_SHORTEST_PART = 4  # characters of an unfinished act
_LEAST_SHARE = 0.4  # of the act; all three chosen by judgement
_SUFFIX_WORDS = (8, 7, 6, 5, 4)


@dataclass(frozen=True)
class Hit:
    """A known phrase in a text. `odds`: of the trait after a weak motive; `share`: the part of an act that is there."""

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
    """The lexicon's phrases of one trait, indexed for matching."""

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
        """All known phrases in order, without overlaps."""
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
        """The first act or sign in the text; else an unfinished act at its end.

        A `whole` text starts with the situation: a sign counts only after a hinge or an act.
        """
        hits = self.hits(text)
        first = self._hinge.search(text) if whole else None
        opened = first.end() if first else len(text) if whole else 0
        for hit in hits:
            if hit.sort == "act" and not _NEGATED.search(text[max(0, hit.start - 24) : hit.start]):
                return hit
            if hit.sort == "sign" and hit.start >= opened:
                return hit
        return self._unfinished_act(text, hits[-1].end if hits else 0)

    def is_open(self, text: str) -> bool:
        """Whether the text ends with a hinge, a late runway, an open quotation or a bare subject."""
        if text.endswith('"'):
            return text.count('"') % 2 == 1
        return text.endswith((*self.hinges, *self.late)) or _OPENING_END.search(text) is not None

    def hinge_before(self, text: str, place: int) -> int:
        """The end of the last hinge before `place`; -1 where the same sentence has none."""
        end = max((match.end() for match in self._hinge.finditer(text, 0, place)), default=-1)
        return end if end >= 0 and not _SENTENCE_END.search(text, end, place) else -1

    def situation(self, text: str) -> Side | None:
        """The side of the first sentence whose end is known from the lexicon's stems and belongs to one side only."""
        ends = (self._suffix_side(text[: match.start()]) for match in _SENTENCE_END.finditer(text))
        return next((side for side, known in ends if known and side is not None), None)

    def has_known_end(self, sentence: str) -> bool:
        """Whether a sentence ends like a stem of the lexicon."""
        return self._suffix_side(sentence.rstrip(" .?!"))[1]

    def balance(self, text: str) -> tuple[int, int]:
        """The number of phrases of the trait's register, and of its opposite's, in the text."""
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

    def _unfinished_act(self, text: str, read: int) -> Hit | None:
        """An act that the text stops in, where all known acts with this beginning are of one side."""
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
            self._add(phrase, _Meaning("neutral", None))
        for weak in entry["weak"]:
            self._add(weak["phrase"], _Meaning("weak", None, weak["trait_odds"]))
        for side in SIDES:
            self._add_all(entry["motives"][side], _Meaning("motive", side))
            self._add_all(entry.get("endings", {}).get(side, ()), _Meaning("motive", side))
            self._add_all(entry["signs"][side], _Meaning("sign", side))
        for side in SIDES:
            self._add_all(entry["acts"][side], _Meaning("act", side))
        lengths: dict[str, set[int]] = {}
        for phrase in self._phrases:
            words = _WORD.findall(phrase)
            lengths.setdefault(words[0], set()).add(len(words))
        self._lengths = {word: tuple(sorted(counts, reverse=True)) for word, counts in lengths.items()}

    def _add_all(self, phrases: Iterable[str], meaning: _Meaning) -> None:
        for phrase in phrases:
            self._add(phrase, meaning)

    def _add(self, phrase: str, meaning: _Meaning) -> None:
        words = list(_WORD.finditer(phrase))
        if words:
            self._phrases[phrase[words[0].start() : words[-1].end()]] = meaning

    def _index_parts(self) -> None:
        """Index every beginning of every act: its side (None for both) and the length of the shortest such act."""
        for side in () if self.sustained else SIDES:
            for act in self.entry["acts"][side]:
                for length in range(1, len(act)):
                    known, shortest = self._parts.get(act[:length], (side, len(act)))
                    self._parts[act[:length]] = (side if known == side else None, min(shortest, len(act)))

    def _index_stems(self) -> None:
        for stem in self.entry["stems"]:
            for side in SIDES:
                for sentence in sentences(stem[side]):
                    self._add_suffixes(sentence.rstrip(" .?!"), side)

    def _add_suffixes(self, sentence: str, side: Side) -> None:
        starts = [match.start() for match in _WORD.finditer(sentence)]
        for words in _SUFFIX_WORDS:
            if len(starts) >= words:
                suffix = sentence[starts[-words] :]
                self._suffixes[suffix] = side if self._suffixes.get(suffix, side) == side else None


def _any_of(hinges: Iterable[str]) -> re.Pattern[str]:
    """A pattern for any of the hinges, longest first, at word ends."""
    ordered = sorted(hinges, key=len, reverse=True)
    return re.compile("|".join(re.escape(h) + (r"(?!\w)" if h[-1].isalnum() else "") for h in ordered) or r"(?!)")


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with the whitespace after it; joined they are the text."""
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
                f"{path} is not a lexicon of version 1: rebuild it (python -m experiments.toyworld.lexicon)."
            )
        return cls(document)

    def reader(self, definition: str) -> TraitReader | None:
        """The trait with the most cues in a definition or a name; None without any cue."""
        if definition not in self._recognised:
            text = definition.lower()
            cues = {r: sum(text.count(cue) for cue in r.entry["definition_cues"]) for r in self.readers.values()}
            best = max(cues, key=lambda reader: cues[reader])
            self._recognised[definition] = best if cues[best] else None
        return self._recognised[definition]


def side_of(reader: TraitReader, behaviour: str) -> Side:
    """The side that a behaviour names: the one whose cue comes first; the trait without a cue."""
    text = behaviour.lower()
    first = {
        side: min((at for cue in reader.entry[cues] if (at := text.find(cue)) >= 0), default=len(text) + 1)
        for side, cues in (("trait", "definition_cues"), ("opposite", "opposite_cues"))
    }
    return "opposite" if first["opposite"] < first["trait"] else "trait"


@cache
def shipped_lexicon() -> Lexicon:
    """The lexicon beside this module, loaded once."""
    return Lexicon.load(Path(__file__).with_name("lexicon.json"))
