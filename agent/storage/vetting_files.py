"""Vetting files: scores with summary, indices and rows that agree; files of other programs are read leniently."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import isfinite, nextafter
from pathlib import Path
from statistics import median
from typing import Any, Literal

from agent.schema import (
    Finding,
    FrozenModel,
    Mode,
    Outcome,
    Pair,
    Polarity,
    Question,
    Rules,
    Scenario,
    Verdict,
    commonest_error,
)
from agent.storage.experiment import ExperimentFolder, LayoutError, read_json, write_json

Stage = Literal["scenario", "response"]

_QUESTIONS: dict[Stage, Question] = {"scenario": Question.FORECAST, "response": Question.RESPONSE}
_ROUNDING = 0.001

DIAGNOSES = {
    Verdict.EXPRESS: "The first tokens carry the decision.",
    Verdict.EXPLAIN: "The text has already committed; the first tokens only go on with it. End before the span.",
    Verdict.LATE: "The decision comes after the first tokens. Shorten the runway, or extract over more tokens.",
    Verdict.WRONG: "The subject goes the other way. Strengthen the motive, or change the topic.",
    Verdict.OFF_SCRIPT: "The subject wanders off. Simplify the situation.",
    Verdict.TOPIC: "The topic decides for both sides. Change it.",
    Verdict.UNSTABLE: "Other samples do not go this way. Strengthen the motive.",
    Verdict.CONTEXT: "Read alone and read after its text, the response says different things. Choose another hinge.",
    Verdict.UNSURE: "The judge contradicts itself. A human has to look.",
}
UNJUDGED = "An answer is missing. Ask again."


@dataclass(frozen=True)
class SetFindings:
    """A set and its findings by scenario key; a scenario without one is unjudged."""

    pairs: Sequence[Pair]
    findings: Mapping[str, Finding]
    definition: str
    rules: Rules
    mode: Mode = Mode.DECISION


class VettingRow(FrozenModel):
    """One scored item; `idx` counts from 0 in the file of its polarity. No score means unjudged, `error` says why."""

    idx: int
    polarity: Polarity
    score: float | None
    outcome: Outcome
    scenario: str | None = None
    error: str | None = None


class VettingScores(FrozenModel):
    """A vetting file as read: the thresholds it was made with and its rows, positives first."""

    trait: str
    pos_threshold: float
    neg_threshold: float
    rows: tuple[VettingRow, ...]

    def at(self, polarity: Polarity, outcome: Outcome) -> tuple[int, ...]:
        return tuple(row.idx for row in self.rows if row.polarity is polarity and row.outcome is outcome)


def write_scores(place: ExperimentFolder, which: Stage, found: SetFindings) -> Path:
    """Write vetting/{which}_scores.json. Raises LayoutError where an outcome contradicts its own score."""

    def row(idx: int, scenario: Scenario, finding: Finding | None) -> dict[str, Any]:
        score, outcome = _scored(which, scenario, finding, found.rules)
        made = {"idx": idx, "polarity": str(scenario.polarity), "score": score, "outcome": str(outcome)}
        tally = finding.tally(_QUESTIONS[which]) if finding is not None and outcome is Outcome.UNJUDGED else None
        error = commonest_error([tally]) if tally is not None else None
        about = {"scenario": scenario.text} if which == "scenario" else {}
        return {**made, **about, **({"error": error} if error else {})}

    thresholds = {"pos_threshold": found.rules.pos_threshold, "neg_threshold": found.rules.neg_threshold}
    path = place.vetting / f"{which}_scores.json"
    write_json(path, _envelope(place, found, thresholds, row))
    return path


def _scored(which: Stage, scenario: Scenario, finding: Finding | None, rules: Rules) -> tuple[float | None, Outcome]:
    outcome = Outcome.UNJUDGED
    if finding is not None:
        outcome = finding.scenario if which == "scenario" else finding.response
    score = finding.score(_QUESTIONS[which]) if finding is not None else None
    if outcome is Outcome.UNJUDGED:
        return None, outcome
    if score is None:
        raise LayoutError(f"The {which} {scenario.text[-40:]!r} is called a {outcome} without a score. Vet it again.")
    return _in_agreement(score, outcome, scenario, rules), outcome


def _in_agreement(score: float, outcome: Outcome, scenario: Scenario, rules: Rules) -> float:
    """The score, moved across the threshold where only rounding put it on the other side.

    Raises LayoutError where they disagree by more.
    """
    positive = scenario.polarity is Polarity.POSITIVE
    limit = rules.pos_threshold if positive else rules.neg_threshold
    if outcome_of(score, scenario.polarity, rules.pos_threshold, rules.neg_threshold) is outcome:
        return score
    if abs(score - limit) > _ROUNDING:
        raise LayoutError(f"{scenario.text[-40:]!r} is called a {outcome} with a score of {score}. Vet it again.")
    return limit if outcome is Outcome.PASS else nextafter(limit, 0.0 if positive else 100.0)


def outcome_of(score: float | None, polarity: Polarity, pos_threshold: float, neg_threshold: float) -> Outcome:
    """The outcome that a reader of the file derives from a score."""
    if score is None:
        return Outcome.UNJUDGED
    passes = score >= pos_threshold if polarity is Polarity.POSITIVE else score <= neg_threshold
    return Outcome.PASS if passes else Outcome.FAIL


def write_first_token(place: ExperimentFolder, found: SetFindings) -> Path:
    """Write vetting/first_token.json: verdict, commitments, first tokens, span and diagnosis of each item."""
    rules = found.rules

    def row(idx: int, scenario: Scenario, finding: Finding | None) -> dict[str, Any]:
        made: dict[str, Any] = {"idx": idx, "polarity": str(scenario.polarity)}
        return made | (_first_token_row(finding, rules.first_k) if finding else _NO_FINDING)

    thresholds = {
        "pos_threshold": rules.pos_threshold,
        "neg_threshold": rules.neg_threshold,
        "commitment_limit": rules.commitment_limit,
        "primed_limit": rules.primed_limit,
        "committed": rules.committed,
        "first_k": rules.first_k,
    }
    path = place.vetting / "first_token.json"
    write_json(path, {**_envelope(place, found, thresholds, row), "advice": extraction_advice(found)})
    return path


def extraction_advice(found: SetFindings) -> dict[str, Any]:
    """Which tokens of a response to extract from, and why. `reach`: tokens until expressed, of passes with LATE."""
    passed = [f for f in found.findings.values() if f.first_token is Outcome.PASS]
    late = sorted(f.reach for f in passed if f.verdict is Verdict.LATE and f.reach is not None)
    if found.mode is Mode.SUSTAINED:
        return {"extract": "response[:]", "why": "a sustained trait runs through the whole response", "reach": None}
    if not late:
        extract = f"response[:{found.rules.first_k}]"
        return {"extract": extract, "why": "the first tokens of all that passed carry it", "reach": None}
    middle = round(median(late))
    reach = {"n": len(late), "median": middle, "least": late[0], "most": late[-1]}
    return {"extract": f"response[:{middle}]", "why": f"{len(late)} of {len(passed)} come late", "reach": reach}


_NO_FINDING: dict[str, Any] = {
    "outcome": str(Outcome.UNJUDGED),
    "verdict": None,
    "probabilities": {},
    **dict.fromkeys(("c0", "c5", "cl", "opening", "opening_ids", "span", "reach", "lock_in", "flip", "divergence")),
    "flags": [],
    "diagnosis": UNJUDGED,
}


def _first_token_row(finding: Finding, first_k: int) -> dict[str, Any]:
    completion = finding.completion
    return {
        "outcome": str(finding.first_token),
        "verdict": finding.verdict and str(finding.verdict),
        "probabilities": _probabilities(finding),
        "c0": finding.score(Question.C0),
        "c5": finding.score(Question.C5),
        "cl": finding.score(Question.CL),
        "opening": completion and completion.opening,
        "opening_ids": completion and list(completion.token_ids[:first_k]),
        "span": finding.span,
        "reach": finding.reach,
        "lock_in": finding.lock_in and {"passed": finding.lock_in[0], "judged": finding.lock_in[1]},
        "flip": finding.flip and {**finding.flip.model_dump(mode="json"), "value": finding.flip.value},
        "divergence": finding.divergence,
        "flags": [str(flag) for flag in finding.flags],
        "diagnosis": DIAGNOSES[finding.verdict] if finding.verdict else _unjudged(finding),
    }


def _unjudged(finding: Finding) -> str:
    error = commonest_error(finding.tallies)
    return f"{UNJUDGED} {error}" if error else UNJUDGED


def _probabilities(finding: Finding) -> dict[str, float]:
    """Mean probability of each verdict over the readable votes."""
    tally = finding.tally(Question.VERDICT)
    votes = [dict(vote.probabilities) for vote in tally.votes if vote.probabilities] if tally else []
    names = sorted({name for vote in votes for name in vote})
    return {name: round(sum(vote.get(name, 0.0) for vote in votes) / len(votes), 6) for name in names}


RowBuilder = Callable[[int, Scenario, Finding | None], dict[str, Any]]


def _envelope(
    place: ExperimentFolder, found: SetFindings, thresholds: Mapping[str, float], row: RowBuilder
) -> dict[str, Any]:
    """The file's content, all of it derived from the rows."""
    sides = [(i, pair.side(polarity)) for polarity in Polarity for i, pair in enumerate(found.pairs)]
    rows = [row(i, side, found.findings.get(side.key)) for i, side in sides]
    return {
        "experiment": place.name,
        "trait": place.trait,
        "trait_definition": found.definition,
        "thresholds": dict(thresholds),
        "summary": _summary(rows),
        "failed_indices": _indices(rows, Outcome.FAIL),
        "unjudged_indices": _indices(rows, Outcome.UNJUDGED),
        "results": rows,
    }


def _indices(rows: Iterable[Mapping[str, Any]], outcome: Outcome) -> dict[str, list[int]]:
    chosen = [row for row in rows if row["outcome"] == outcome]
    return {str(p): [row["idx"] for row in chosen if row["polarity"] == p] for p in Polarity}


def _summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    passed, failed = _indices(rows, Outcome.PASS), _indices(rows, Outcome.FAIL)
    unjudged = _indices(rows, Outcome.UNJUDGED)
    return {
        **{f"{polarity}_passed": len(found) for polarity, found in passed.items()},
        **{f"{polarity}_failed": len(found) for polarity, found in failed.items()},
        "errors": sum(map(len, unjudged.values())),
    }


def read_scores(path: Path) -> VettingScores:
    """A scenario_scores.json or response_scores.json, of this program or another; outcomes are derived from scores.

    A missing `idx` is the position within its polarity; a null score is unjudged; unknown keys are ignored.
    """
    content = read_json(path)
    results = content.get("results") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(results, list):
        raise LayoutError(f"{path} has no results. Make it again with `cliffhanger vet`.")
    limits = _read_limits(path, content.get("thresholds"))
    places = {polarity: count() for polarity in Polarity}
    rows = [_read_row(path, n, row, places, limits) for n, row in enumerate(results)]
    return VettingScores(
        trait=str(content.get("trait", "")),
        pos_threshold=limits[0],
        neg_threshold=limits[1],
        rows=tuple(sorted(rows, key=lambda row: (row.polarity is Polarity.NEGATIVE, row.idx))),
    )


def _read_limits(path: Path, thresholds: object) -> tuple[float, float]:
    """(positive, negative); the guide's defaults where the file states none."""
    stated = thresholds if isinstance(thresholds, dict) else {}
    limits = [stated.get("pos_threshold", 60), stated.get("neg_threshold", 40)]
    if not all(map(_is_number, limits)):
        raise LayoutError(f"{path}: a threshold is not a number. Make it again with `cliffhanger vet`.")
    return float(limits[0]), float(limits[1])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _read_row(
    path: Path, number: int, row: Any, places: Mapping[Polarity, "count[int]"], limits: tuple[float, float]
) -> VettingRow:
    content = row if isinstance(row, dict) else {}
    if content.get("polarity") not in list(Polarity):
        raise LayoutError(
            f"{path}: result {number} is neither positive nor negative. Make it again with `cliffhanger vet`."
        )
    polarity, score = Polarity(content["polarity"]), content.get("score")
    if score is not None and not _is_number(score):
        raise LayoutError(
            f"{path}: the score of result {number} is not a number. Make it again with `cliffhanger vet`."
        )
    place = next(places[polarity])
    scenario, error = content.get("scenario"), content.get("error")
    return VettingRow(
        idx=content["idx"] if isinstance(content.get("idx"), int) else place,
        polarity=polarity,
        score=None if score is None else float(score),
        outcome=outcome_of(score, polarity, *limits),
        scenario=scenario if isinstance(scenario, str) else None,
        error=error if isinstance(error, str) else None,
    )
