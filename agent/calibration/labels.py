"""Labelled endings: JSONL files in which people label unfinished texts, for comparison with a judge."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from agent.schema import Completion, FrozenModel, Mode, NegativeTest, Polarity, Scenario, Trait, split_ending
from agent.storage.json_lines import json_lines
from agent.text import is_text

_MOST_SHOWN = 12
_FORM = (
    'Write {"id", "trait", "definition", "opposite", "mode", "polarity", "prefix", "opener", "label"} (and, where '
    'known, "negative_test", "span", "reason", "labels", "part"), or {"trait", "polarity", "explain", "express"} for '
    "two endings of one text."
)
_REWRITE = frozenset(("explain", "express"))


class LabelError(ValueError):
    """Unusable labelled endings; one sentence per line, each with file, line and remedy."""


class Label(StrEnum):
    """Whether the prefix leaves the decision to the next words (EXPRESS) or has shown it (EXPLAIN)."""

    EXPRESS = "EXPRESS"
    EXPLAIN = "EXPLAIN"


NonEmptyText = Annotated[str, Field(min_length=1)]


class LabelledEnding(FrozenModel):
    """One labelled ending. `opener`: first words of a continuation; None where there are none, so V cannot be asked.

    `span` quotes the words of the prefix that commit it; `labels` are two readers' independent labels; `hard` names
    what makes the row difficult; wording is tuned on part A and reported on part B.
    """

    version: Literal[1] = 1
    id: NonEmptyText
    trait: NonEmptyText
    definition: NonEmptyText
    opposite: NonEmptyText
    mode: Mode
    polarity: Polarity
    prefix: NonEmptyText
    opener: str | None
    label: Label
    negative_test: NegativeTest = NegativeTest.OPPOSITE
    span: str | None = None
    reason: str = ""
    labels: tuple[Label, ...] = ()
    part: Literal["A", "B"] | None = None
    hard: str | None = None

    def as_trait(self) -> Trait:
        return Trait(
            id=self.trait,
            definition=self.definition,
            opposite=self.opposite,
            mode=self.mode,
            negative_test=self.negative_test,
        )

    def scenario(self) -> Scenario:
        stem, ending = split_ending(self.prefix)
        return Scenario(polarity=self.polarity, stem=stem, ending=ending)

    def completion(self) -> Completion:
        """What V reads after the prefix: the opener, with a blank before it where two words would otherwise join."""
        opener = self.opener or ""
        joined = opener if not opener or opener[0].isspace() or _joins(self.prefix, opener) else f" {opener}"
        return Completion(text=joined, token_ids=(), opening=joined)


def _joins(prefix: str, opener: str) -> bool:
    """Whether an opener follows the prefix without a blank: after one, after an opening mark, or as punctuation."""
    return prefix[-1].isspace() or prefix[-1] in "“‘([" or opener[0] in ",.;:!?…’" or _quotes(prefix)


def _quotes(prefix: str) -> bool:
    return prefix.endswith('"') and prefix.count('"') % 2 == 1


class Rewrite(FrozenModel):
    """Two endings of one text: one that shows the act, one that stops before it."""

    trait: NonEmptyText
    polarity: Polarity
    explain: NonEmptyText
    express: NonEmptyText
    shared: str = ""


class TraitInfo(FrozenModel):
    """Description of a trait in a file of traits, for rows that only name the trait."""

    definition: NonEmptyText
    opposite: NonEmptyText
    mode: Mode
    negative_test: NegativeTest = NegativeTest.OPPOSITE
    part: Literal["A", "B"] | None = None


@dataclass(frozen=True)
class LabelDefaults:
    """Defaults for rows: openers by an ending's id, traits by name, and `described`, which finds any other trait.

    `described` may raise LabelError.
    """

    described: Callable[[str], Trait]
    traits: Mapping[str, TraitInfo] = field(default_factory=dict)
    openers: Mapping[str, str] = field(default_factory=dict)

    def trait(self, trait: object) -> TraitInfo:
        if not isinstance(trait, str) or not trait:
            raise LabelError(f"`trait` is missing. {_FORM}")
        if trait in self.traits:
            return self.traits[trait]
        found = self.described(trait)
        return TraitInfo(**found.model_dump(exclude={"id", "nature"}))  # no calibration question depends on it


def read_endings(content: bytes, file: str, defaults: LabelDefaults) -> tuple[LabelledEnding, ...]:
    """The endings of a JSONL file, in order. Raises LabelError with a sentence for each of the first wrong lines."""
    rows: list[LabelledEnding] = []
    problems: list[str] = []
    for number, line in _lines(content, file):
        try:
            rows += [_with_opener(row, defaults.openers) for row in _parsed(line, number, defaults)]
        except LabelError as error:
            problems.append(f"{file}:{number}: {error}")
    counts = [row.id for row in rows]
    problems += [
        f"{file}: the id {i} occurs {counts.count(i)} times: give each ending its own id." for i in _twice(counts)
    ]
    if unknown := sorted(defaults.openers.keys() - set(counts)):
        problems.append(f"The openers name endings that {file} does not have: {', '.join(unknown[:5])}.")
    if not rows and not problems:
        problems.append(f"{file} holds no endings. {_FORM}")
    if problems:
        more = [f"… and {len(problems) - _MOST_SHOWN} more."] if len(problems) > _MOST_SHOWN else []
        raise LabelError("\n".join([*problems[:_MOST_SHOWN], *more]))
    return tuple(rows)


def read_traits(content: bytes, file: str) -> dict[str, TraitInfo]:
    """Traits by name, from one JSON object. Raises LabelError."""
    try:
        return TypeAdapter(dict[str, TraitInfo]).validate_json(content)
    except ValidationError as error:
        raise LabelError(
            f'{file}: {_first(error)}. Write {{"category/name": {{"definition", "opposite", "mode", "negative_test", '
            '"part"}}}.'
        ) from error


def read_openers(content: bytes, file: str) -> dict[str, str]:
    """Openers by an ending's id, from lines of {"id", "opener"}. Raises LabelError."""
    found: dict[str, str] = {}
    for number, line in _lines(content, file):
        row = _object(line, f"{file}:{number}: ")
        if row.keys() != {"id", "opener"} or not all(isinstance(value, str) for value in row.values()):
            raise LabelError(
                f'{file}:{number}: This is no opener. Write {{"id": "rewrite-001-express", "opener": "…"}}.'
            )
        found[row["id"]] = row["opener"]
    return found


def _twice(ids: list[str]) -> list[str]:
    return sorted({i for i in ids if ids.count(i) > 1})


def _lines(content: bytes, file: str) -> list[tuple[int, bytes]]:
    try:
        return json_lines(content)
    except UnicodeDecodeError as error:
        raise LabelError(f"{file} is not {error.encoding.upper()}. Save the file as UTF-8.") from error


def _object(line: bytes, where: str = "") -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # covers bytes that are not UTF-8
        raise LabelError(f"{where}This is not JSON ({error}). Write one JSON object per line.") from error
    if not isinstance(row, dict):
        raise LabelError(f"{where}This is no JSON object. {_FORM}")
    if not is_text(json.dumps(row, ensure_ascii=False)):
        raise LabelError(f"{where}It contains half of a surrogate pair, which is no character. Remove it.")
    return row


def _parsed(line: bytes, number: int, defaults: LabelDefaults) -> list[LabelledEnding]:
    row = _object(line)
    try:
        if row.keys() >= _REWRITE:
            return list(_two_endings(Rewrite.model_validate_json(line), number, defaults))
        about = {} if "definition" in row else defaults.trait(row.get("trait")).model_dump(mode="json")
        return [_checked(LabelledEnding.model_validate_json(json.dumps({"opener": None, **about, **row})))]
    except ValidationError as error:
        raise LabelError(f"{_first(error)}. {_FORM}") from error


def _first(error: ValidationError) -> str:
    """Location and message of the first error."""
    first = error.errors()[0]
    return f"`{'.'.join(map(str, first['loc'])) or 'the row'}`: {first['msg']}"


def _checked(ending: LabelledEnding) -> LabelledEnding:
    if ending.span and ending.span not in ending.prefix:
        raise LabelError(
            f"The span {ending.span!r} does not occur in the prefix. Copy it from there, character by character."
        )
    return ending


def _two_endings(row: Rewrite, number: int, defaults: LabelDefaults) -> Iterator[LabelledEnding]:
    about = defaults.trait(row.trait)
    for label, prefix in ((Label.EXPLAIN, row.explain), (Label.EXPRESS, row.express)):
        yield LabelledEnding(
            id=f"rewrite-{number:03d}-{label.lower()}",
            prefix=prefix,
            opener=None,
            label=label,
            polarity=row.polarity,
            trait=row.trait,
            **about.model_dump(),
        )


def _with_opener(row: LabelledEnding, openers: Mapping[str, str]) -> LabelledEnding:
    return row.model_copy(update={"opener": openers[row.id]}) if row.id in openers else row
