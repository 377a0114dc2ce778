"""Reliability of the judge: audit results, disagreement of wordings, controls, and what its noise leads to."""

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from statistics import median

from agent.schema import (
    Completion,
    Controls,
    Depth,
    Finding,
    JudgeNoise,
    Mode,
    Outcome,
    Question,
    Scenario,
    Tally,
    VoteOutcome,
    WordingDisagreement,
    gating_questions,
    unit_starts,
    word_count,
)
from agent.stats import Rate, auc, error_rate, wilson
from agent.steps.context import StepContext
from agent.steps.questions import AUDIT, WORDINGS, JudgeQuestion
from agent.steps.voting import (
    INITIAL_WORDINGS,
    LEAD_OF_SINGLE_DISSENT,
    NEEDED_LEAD,
    Ballot,
    collect_votes,
    outcome_of_votes,
    vote_order,
)

UNCONDITIONAL = (*WORDINGS[:2], AUDIT)


def audit_rate(findings: Iterable[Finding]) -> Rate:
    """How many scenarios passed their first audit, of those that were judged there."""
    first: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        if finding.depth is Depth.AUDIT and finding.outcome is not Outcome.UNJUDGED:
            first.setdefault((finding.pair, finding.polarity, finding.key), finding)
    return wilson(sum(f.outcome is Outcome.PASS for f in first.values()), len(first))


def wording_disagreements(findings: Sequence[Finding]) -> tuple[WordingDisagreement, ...]:
    """Per question and wording, how often it contradicts the first wording on the same text and completion.

    Only votes that are asked for whatever the first one says are counted (confirmation and audit). Votes that were
    added because the first one was adverse would overstate the judge's errors.
    """
    latest = {(f.key, t.question): t for f in findings if f.depth is not Depth.FIRST for t in f.tallies}
    counted: dict[tuple[Question, str], list[bool]] = {}
    for tally in latest.values():
        for wording, contradicts in _comparisons(tally):
            counted.setdefault((tally.question, wording), []).append(contradicts)
    order = sorted(counted, key=lambda pair: (list(Question).index(pair[0]), pair[1]))
    return tuple(
        WordingDisagreement(question=q, wording=w, k=sum(counted[q, w]), n=len(counted[q, w])) for q, w in order
    )


def _comparisons(tally: Tally) -> list[tuple[str, bool]]:
    """(wording, whether it contradicts the first) of the unconditional votes that could be read."""
    unconditional = [v for v in tally.votes if v.wording in UNCONDITIONAL and v.sample == 0]
    read = [v for v in unconditional if v.favourable is not None]
    return [(vote.wording, vote.favourable != read[0].favourable) for vote in read[1:]]


def disagreement_rates(disagreements: Iterable[WordingDisagreement]) -> dict[Question, Rate]:
    """The rate of each question, all its wordings together."""
    sums: dict[Question, tuple[int, int]] = {}
    for one in disagreements:
        k, n = sums.get(one.question, (0, 0))
        sums[one.question] = (k + one.k, n + one.n)
    return {question: wilson(k, n) for question, (k, n) in sums.items()}


_CLAUSE_END = re.compile("[,.;:!?…，。、；：！？،؛؟۔।։።။]")  # noqa: RUF001 - full-width marks are meant
_FEWEST_WORDS = 3  # "No," is no clause yet
_NOTHING = Completion(text="", token_ids=(), opening="")


def measure_controls(context: StepContext, expressing: Sequence[tuple[Scenario, Completion]]) -> Controls | None:
    """C0 of committed and open control texts, made from scenarios with verdict EXPRESS.

    The score is the mean of two wordings, or the median of three where the first two lie on two sides of the middle.

    A committed control is the prefix plus the first clause of its completion; an open one is the stem, if it is longer
    than a sentence. None where one kind is missing or could not be scored.
    """
    committed = [_with_text(scenario, scenario.text + first_clause(made.text)) for scenario, made in expressing]
    is_open = [_with_text(scenario, scenario.stem.rstrip()) for scenario, _ in expressing if _has_long_stem(scenario)]
    if not committed or not is_open:
        return None
    scores = _scores(context, [*committed, *is_open])
    upper = [score for score in scores[: len(committed)] if score is not None]
    lower = [score for score in scores[len(committed) :] if score is not None]
    if not upper or not lower:
        return None
    area = auc(upper, lower)
    return Controls(committed=tuple(upper), open=tuple(lower), auc=area.value, low=area.low, high=area.high)


def first_clause(completion: str) -> str:
    """A completion up to the end of its first clause, without the mark; all but its last word if no clause ends."""
    for mark in _CLAUSE_END.finditer(completion):
        if word_count(completion[: mark.start()]) >= _FEWEST_WORDS:
            return completion[: mark.start()]
    whole = completion.rstrip()
    if " " in whole.strip():
        return whole[: whole.rfind(" ")]
    starts = unit_starts(whole)
    return whole[: starts[-1]] if len(starts) > 1 else whole


def _has_long_stem(scenario: Scenario) -> bool:
    """Whether the stem holds more than its first sentence."""
    return len(scenario.stem.strip()) > len(scenario.situation.strip()) > 0


def _with_text(scenario: Scenario, text: str) -> Scenario:
    return scenario.model_copy(update={"stem": text, "ending": ""})


def _scores(context: StepContext, texts: Sequence[Scenario]) -> list[float | None]:
    read = _asked(context, texts, WORDINGS[:2])
    split = [i for i, scores in enumerate(read) if len(scores) > 1 and min(scores) < _MIDDLE <= max(scores)]
    third = _asked(context, [texts[i] for i in split], WORDINGS)
    for i, scores in zip(split, third, strict=True):
        read[i] = scores
    return [median(scores) if scores else None for scores in read]


_MIDDLE = 50.0


def _asked(context: StepContext, texts: Sequence[Scenario], wordings: tuple[str, ...]) -> list[list[float]]:
    """The scores of each text in these wordings that could be read."""
    ballots = [Ballot(JudgeQuestion(Question.C0, text, _NOTHING), wordings, escalate=False) for text in texts]
    return [[v.score for v in found.votes if v.score is not None] for found in collect_votes(context, ballots)]


_SIDES = 2


def measure_noise(findings: Sequence[Finding], max_votes: int, mode: Mode) -> JudgeNoise | None:
    """The judge's disagreements so far and what the vote makes of them; None while no gating question has any."""
    disagreements = wording_disagreements(findings)
    known = disagreement_rates(disagreements)
    rates = [known[question] for question in gating_questions(mode) if question in known]
    if not rates:
        return None
    usual, least = [error_rate(rate.k / rate.n) for rate in rates], [error_rate(rate.low) for rate in rates]
    accepted = max(_chance(error, max_votes, NEEDED_LEAD, False, VoteOutcome.FAVOURABLE) for error in usual)
    return JudgeNoise(
        flaps=disagreements,
        accepted=round(accepted, 6),
        edited=_chance_of_pair(usual, max_votes, VoteOutcome.ADVERSE),
        edited_at_least=_chance_of_pair(least, max_votes, VoteOutcome.ADVERSE),
        undecided=_chance_of_pair(usual, max_votes, VoteOutcome.TIE),
    )


def _chance_of_pair(errors: Sequence[float], max_votes: int, outcome: VoteOutcome) -> float:
    """The chance that the vote on any question of a good pair, on either side, has this outcome."""
    none = math.prod(1 - _chance(error, max_votes, LEAD_OF_SINGLE_DISSENT, True, outcome) for error in errors)
    return round(1 - none**_SIDES, 6)


@lru_cache(maxsize=256)
def _chance(error: float, max_votes: int, lead_to_reject: int, favourable: bool, outcome: VoteOutcome) -> float:
    """The chance that the audit's vote on one question has this outcome, if each answer is wrong with chance `error`.

    The sum over all sequences of answers. `favourable` is the right answer.
    """
    initial = INITIAL_WORDINGS[Depth.AUDIT]
    last = len(vote_order(initial, max_votes))

    def courses(votes: tuple[bool, ...], chance: float) -> float:
        if len(votes) >= len(initial):
            decided = outcome_of_votes(votes, len(initial), lead_to_reject) or (
                VoteOutcome.TIE if len(votes) >= last else None
            )
            if decided is not None:
                return chance if decided is outcome else 0.0
        right, wrong = (*votes, favourable), (*votes, not favourable)
        return courses(right, chance * (1 - error)) + courses(wrong, chance * error)

    return courses((), 1.0)
