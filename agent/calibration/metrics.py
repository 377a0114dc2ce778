"""Calibration metrics: how well each way of predicting a label does, on all rows and on each part of them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from agent.calibration.judge_rows import UNSURE, JudgedEnding, by_both, by_commitment, by_verdict, is_hit, limit_of
from agent.calibration.labels import Label, LabelledEnding
from agent.schema import FrozenModel, Rules
from agent.stats import Confusion, Estimate, Rate, auc, balanced_accuracy, confusion, kappa, wilson

BOTH, V_ALONE, C0_ALONE = "V and C0", "V alone", "C0 alone"
_LABELS = tuple(Label)
_CUTS = tuple(range(5, 100, 5))

_SUBJECT = r"(?:i|you|he|she|it|we|they)"
_CONNECTIVE = re.compile(rf"\b(?:so|and|but|because|then)\s+{_SUBJECT}$", re.IGNORECASE)

T = TypeVar("T")
Predict = Callable[[JudgedEnding], str | None]


class HitRate(FrozenModel):
    """How often one way of predicting is right. `unjudged` rows had no answer and count nowhere else."""

    predictor: str
    confusion: Confusion
    balanced_accuracy: Estimate
    kappa: Estimate
    unjudged: int


class Slice(FrozenModel):
    """Some of the rows, with the metrics of each way of predicting."""

    name: str
    measured: tuple[HitRate, ...]


class Cut(FrozenModel):
    """Metrics of C0 alone with EXPRESS up to this threshold."""

    threshold: float
    express: Rate
    explain: Rate
    balanced_accuracy: Estimate


class RowResult(FrozenModel):
    """One row with its prediction by V and C0. `unjudged`: why there is none; `answers`: keys in the ledger."""

    id: str
    trait: str
    label: Label
    predicted: str | None
    c0: float | None
    v: str | None
    prefix: str
    opener: str | None
    reason: str
    hard: str | None
    unjudged: str | None
    answers: tuple[str, ...]


class Wording(FrozenModel):
    """All metrics of one wording, or of the vote. `auc`, by name of the rows: C0 of EXPLAIN above C0 of EXPRESS."""

    wording: str
    slices: tuple[Slice, ...]
    auc: tuple[tuple[str, Estimate], ...]
    sweep: tuple[Cut, ...]
    spans: Rate | None
    rows: tuple[RowResult, ...]

    @property
    def missed(self) -> tuple[RowResult, ...]:
        return tuple(row for row in self.rows if row.predicted not in (None, row.label))

    @property
    def unjudged(self) -> tuple[RowResult, ...]:
        return tuple(row for row in self.rows if row.predicted is None)


class Calibration(FrozenModel):
    """One calibration, as stored. `readers`: the agreement of the two readers who labelled the rows.

    `prompts`: the ids of the prompts that were sent, with the hashes of their files.
    """

    version: Literal[1] = 1
    file: str
    part: str
    judge: str
    n: int
    prompts: tuple[str, ...]
    readers: Estimate | None
    trivial: tuple[Slice, ...]
    wordings: tuple[Wording, ...]


@dataclass(frozen=True)
class CalibrationRun:
    """Which endings were judged, by which judge and prompts."""

    file: str
    part: str
    judge: str
    prompts: tuple[str, ...]


def ends_with_so_i(prefix: str) -> bool:
    return prefix.endswith(" so I")


def ends_in_open_quotation(prefix: str) -> bool:
    """Whether the text stops inside a quotation: straight marks are counted, curly ones compared."""
    return prefix.count('"') % 2 == 1 or prefix.rfind("“") > prefix.rfind("”")


def ends_on_connective(prefix: str) -> bool:
    """Whether it stops after a connective and a subject, such as "and then she"."""
    return bool(_CONNECTIVE.search(prefix))


TRIVIAL: Mapping[str, Callable[[str], bool]] = {
    'ends with "so I"': ends_with_so_i,
    "ends in an open quotation": ends_in_open_quotation,
    'ends with "so I" or in an open quotation': lambda text: ends_with_so_i(text) or ends_in_open_quotation(text),
    "ends on a connective and a subject": ends_on_connective,
    "always EXPLAIN": lambda text: False,
}


def summarize(run: CalibrationRun, found: Mapping[str, Sequence[JudgedEnding]], rules: Rules) -> Calibration:
    """All metrics. `found` holds the answers about the same rows, in the same order, by wording."""
    rows = [one.ending for one in next(iter(found.values()))]
    return Calibration(
        file=run.file,
        part=run.part,
        judge=run.judge,
        prompts=run.prompts,
        n=len(rows),
        readers=_readers(rows),
        trivial=tuple(_trivial(name, some) for name, some in _parts(rows, lambda row: row)),
        wordings=tuple(_wording(name, answers, rules) for name, answers in found.items()),
    )


def _readers(rows: Sequence[LabelledEnding]) -> Estimate | None:
    twice = [(row.labels[0].value, row.labels[1].value) for row in rows if len(row.labels) > 1]
    return kappa(confusion(twice, _LABELS)) if twice else None


def _parts(rows: Sequence[T], ending_of: Callable[[T], LabelledEnding]) -> Iterator[tuple[str, list[T]]]:
    """(name, rows) of all rows, and of each part, mode and trait unless it covers all rows."""
    yield "all", list(rows)
    for what, key in (("part", _part), ("mode", _mode), ("trait", _trait)):
        values = dict.fromkeys(key(ending_of(row)) for row in rows)
        for value in sorted(v for v in values if v) if len(values) > 1 else ():
            yield f"{what} {value}", [row for row in rows if key(ending_of(row)) == value]


def _part(row: LabelledEnding) -> str:
    return row.part or ""


def _mode(row: LabelledEnding) -> str:
    return row.mode.value


def _trait(row: LabelledEnding) -> str:
    return row.trait


def _trivial(name: str, rows: Sequence[LabelledEnding]) -> Slice:
    measured = [
        _measured(rule, [(row.label.value, Label.EXPRESS if says(row.prefix) else Label.EXPLAIN) for row in rows], 0)
        for rule, says in TRIVIAL.items()
    ]
    return Slice(name=name, measured=tuple(measured))


def _measured(predictor: str, pairs: Sequence[tuple[str, str]], unjudged: int) -> HitRate:
    table = confusion(pairs, _LABELS, (UNSURE,))
    return HitRate(
        predictor=predictor,
        confusion=table,
        balanced_accuracy=balanced_accuracy(table),
        kappa=kappa(table),
        unjudged=unjudged,
    )


def _wording(name: str, answers: Sequence[JudgedEnding], rules: Rules) -> Wording:
    ways: dict[str, Predict] = {
        BOTH: lambda one: by_both(one, rules),
        V_ALONE: by_verdict,
        C0_ALONE: lambda one: by_commitment(one, limit_of(one.ending, rules)),
    }
    parts = list(_parts(answers, lambda one: one.ending))
    return Wording(
        wording=name,
        slices=tuple(
            Slice(name=what, measured=tuple(_predicted(w, p, some) for w, p in ways.items())) for what, some in parts
        ),
        auc=tuple((what, _auc(some)) for what, some in parts),
        sweep=tuple(_cut(answers, cut) for cut in _CUTS),
        spans=_spans(answers),
        rows=tuple(_judged(one, by_both(one, rules)) for one in answers),
    )


def _predicted(name: str, predict: Predict, answers: Sequence[JudgedEnding]) -> HitRate:
    asked = [one for one in answers if name != V_ALONE or one.v is not None]
    said = [(one.ending.label.value, predict(one)) for one in asked]
    return _measured(name, [(label, what) for label, what in said if what], sum(what is None for _, what in said))


def _scores(answers: Iterable[JudgedEnding], label: Label) -> list[float]:
    return [one.c0.score for one in answers if one.ending.label is label and one.c0.score is not None]


def _auc(answers: Sequence[JudgedEnding]) -> Estimate:
    upper, lower = (_scores(answers, label) for label in (Label.EXPLAIN, Label.EXPRESS))
    n = len(upper) + len(lower)
    if not upper or not lower:
        return Estimate(value=None, n=n)
    area = auc(upper, lower)
    return Estimate(value=area.value, low=area.low, high=area.high, n=n)


def _cut(answers: Sequence[JudgedEnding], threshold: float) -> Cut:
    said = [(one.ending.label.value, by_commitment(one, threshold)) for one in answers]
    table = confusion([(label, what) for label, what in said if what], _LABELS, (UNSURE,))
    return Cut(
        threshold=threshold,
        express=table.recall(Label.EXPRESS),
        explain=table.recall(Label.EXPLAIN),
        balanced_accuracy=balanced_accuracy(table),
    )


def _spans(answers: Sequence[JudgedEnding]) -> Rate | None:
    """How often the quotation overlaps the labelled span, of those that were answered."""
    hits = [
        is_hit(one.quoted, one.ending.span, one.ending.prefix)
        for one in answers
        if one.quoted is not None and one.ending.span
    ]
    return wilson(sum(hits), len(hits)) if hits else None


def _judged(one: JudgedEnding, predicted: str | None) -> RowResult:
    ending, v = one.ending, one.v
    votes = one.votes
    errors = [vote.error for vote in votes if vote.error]
    return RowResult(
        id=ending.id,
        trait=ending.trait,
        label=ending.label,
        predicted=predicted,
        c0=one.c0.score,
        v=v.choice if v else None,
        prefix=ending.prefix,
        opener=ending.opener,
        reason=ending.reason,
        hard=ending.hard,
        unjudged=(errors[0] if errors else "no answer") if predicted is None else None,
        answers=tuple(key for vote in votes for key in vote.answers),
    )
