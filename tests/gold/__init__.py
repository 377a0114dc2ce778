"""Labelled endings of our own: what a judge of the first-token test is measured against."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import TypeAdapter, model_validator

from agent.schema import FrozenModel, Mode, NegativeTest, Polarity

FOLDER = Path(__file__).parent

Hard = Literal[
    "committed quotation",
    "open quotation",
    "fresh quotation after the act",
    "feeling as motive",
    "feeling as trait",
    "reported speech",
    "general statement",
    "because after the act",
    "because before the act",
    "committed colon",
    "open colon",
    "so I after the act",
    "gesture",
    "negation",
    "intention",
    "hypothetical",
    "habit",
    "two steps",
    "act long before the end",
    "long runway",
    "short prefix",
    "event without tone",
    "minimal pair",
]


Label = Literal["EXPRESS", "EXPLAIN"]


class GoldTrait(FrozenModel):
    """What a judge is told of a trait, and the part its endings belong to: A to tune on, B to report on."""

    definition: str
    opposite: str
    mode: Mode
    negative_test: NegativeTest
    part: Literal["A", "B"]


class Ending(FrozenModel):
    """One prefix with the tokens that came next, what they do, and why we say so.

    `labels` are those of its writer and of a second reader, who saw neither label, span nor reason.
    """

    id: str
    trait: str
    mode: Mode
    polarity: Polarity
    prefix: str
    opener: str
    label: Label
    labels: tuple[Label, Label]
    span: str | None
    reason: str
    hard: Hard | None

    @model_validator(mode="after")
    def _span_proves_the_label(self) -> Self:
        if (self.span is not None) != (self.label == "EXPLAIN"):
            raise ValueError(f"{self.id}: an EXPLAIN row quotes its committed span, an EXPRESS row has none.")
        if self.span is not None and (not self.span or self.span not in self.prefix):
            raise ValueError(f"{self.id}: the span {self.span!r} is not a quotation from the prefix.")
        return self


def gold_traits(text: str | None = None) -> Mapping[str, GoldTrait]:
    """The traits by id, read from `traits.json` or from the text given. Raises ValidationError."""
    found = (FOLDER / "traits.json").read_text(encoding="utf-8") if text is None else text
    return TypeAdapter(dict[str, GoldTrait]).validate_json(found)


def gold_endings(text: str | None = None) -> tuple[Ending, ...]:
    """The endings in file order, read from `endings.jsonl` or from the text given. Raises ValidationError."""
    found = (FOLDER / "endings.jsonl").read_text(encoding="utf-8") if text is None else text
    return tuple(Ending.model_validate_json(line) for line in found.removesuffix("\n").split("\n"))
