"""How sure one may be of a passed set: audit results and flap rates, each with its n and Wilson interval."""

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
    outcome_of,
    vote_order,
)

UNCONDITIONAL = (*WORDINGS[:2], AUDIT)


def audit_rate(findings: Iterable[Finding]) -> Rate:
    """How many of the scenarios passed their first audit that came to a judgement."""
    first: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        if finding.depth is Depth.AUDIT and finding.outcome is not Outcome.UNJUDGED:
            first.setdefault((finding.pair, finding.polarity, finding.key), finding)
    return wilson(sum(f.outcome is Outcome.PASS for f in first.values()), len(first))


def flaps(findings: Sequence[Finding]) -> tuple[WordingDisagreement, ...]:
    """Per question and wording: how often it contradicts the first wording on the same text and completion.

    Only votes that were asked for whatever the first one said are counted (confirmation and audit): an appeal is heard
    where the first vote was adverse, so it would count the judge's errors at their worst.
    """
    latest: dict[tuple[str, Question], Tally] = {}
    for finding in findings:
        for tally in finding.tallies if finding.depth is not Depth.FIRST else ():
            latest[finding.key, tally.question] = tally
    counted = [(t.question, *told) for t in latest.values() for told in _contradictions(t)]
    pairs = sorted(
        {(q, wording) for q, wording, _ in counted}, key=lambda pair: (list(Question).index(pair[0]), pair[1])
    )
    said = {pair: [against for q, wording, against in counted if (q, wording) == pair] for pair in pairs}
    return tuple(WordingDisagreement(question=q, wording=w, k=sum(own), n=len(own)) for (q, w), own in said.items())


def _contradictions(tally: Tally) -> list[tuple[str, bool]]:
    """(wording, whether it contradicts the first) of the votes that were asked for anyway and could be read."""
    asked_anyway = [v for v in tally.votes if v.wording in UNCONDITIONAL and v.sample == 0]
    read = [v for v in asked_anyway if v.favourable is not None]
    return [(vote.wording, vote.favourable != read[0].favourable) for vote in read[1:]]


def flap_rates(findings: Sequence[Finding]) -> dict[Question, Rate]:
    """The flaps of each question, all its wordings together."""
    sums: dict[Question, tuple[int, int]] = {}
    for one in flaps(findings):
        k, n = sums.get(one.question, (0, 0))
        sums[one.question] = (k + one.k, n + one.n)
    return {question: wilson(k, n) for question, (k, n) in sums.items()}


_CLAUSE_END = re.compile(r"[,.;:!?…]")
_FEWEST_WORDS = 3  # "No," is no clause yet
_NOTHING = Completion(text="", token_ids=(), opening="")


def measure_controls(context: StepContext, expressing: Sequence[tuple[Scenario, Completion]]) -> Controls | None:
    """C0 of both kinds of control, made from scenarios whose first tokens express: the median of three wordings, since
    the instrument never rests on one answer either.

    A committed control is the prefix with its own completion's first clause; an open one is the stem, where it is more
    than a sentence. None where one of the kinds is missing or could not be scored.
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
    """A completion up to the end of its first clause, without the mark; all but its last word where it has no end."""
    for mark in _CLAUSE_END.finditer(completion):
        if len(completion[: mark.start()].split()) >= _FEWEST_WORDS:
            return completion[: mark.start()]
    whole = completion.rstrip()
    return whole[: whole.rfind(" ")] if " " in whole.strip() else whole


def _has_long_stem(scenario: Scenario) -> bool:
    """Whether the stem holds more than its first sentence."""
    return len(scenario.stem.strip()) > len(scenario.situation.strip()) > 0


def _with_text(scenario: Scenario, text: str) -> Scenario:
    return scenario.model_copy(update={"stem": text, "ending": ""})


def _scores(context: StepContext, texts: Sequence[Scenario]) -> list[float | None]:
    ballots = [Ballot(JudgeQuestion(Question.C0, text, _NOTHING), WORDINGS, escalate=False) for text in texts]
    read = [[vote.score for vote in tally.votes if vote.score is not None] for tally in collect_votes(context, ballots)]
    return [median(scores) if scores else None for scores in read]


_SIDES = 2


def measure_noise(findings: Sequence[Finding], most: int, mode: Mode) -> JudgeNoise | None:
    """The flaps of all votes so far and what they lead to; `most` votes are cast on a question. None without any."""
    found = flaps(findings)
    known = flap_rates(findings)
    rates = [known[q] for q in gating_questions(mode) if q in known]
    if not rates:
        return None
    usual, least = ([error_rate(of(rate)) for rate in rates] for of in (_measured, _lower))
    return JudgeNoise(
        flaps=found,
        accepted=_rounded(max(_chance(error, most, NEEDED_LEAD, False, VoteOutcome.FAVOURABLE) for error in usual)),
        edited=_rounded(_of_pair(usual, most, VoteOutcome.ADVERSE)),
        edited_at_least=_rounded(_of_pair(least, most, VoteOutcome.ADVERSE)),
        undecided=_rounded(_of_pair(usual, most, VoteOutcome.TIE)),
    )


def _measured(rate: Rate) -> float:
    return rate.k / rate.n


def _lower(rate: Rate) -> float:
    return rate.low


def _of_pair(errors: Sequence[float], most: int, ending: VoteOutcome) -> float:
    """The chance that a vote on a good pair ends so: any of its questions, on either side."""
    spared = math.prod(1 - _chance(error, most, LEAD_OF_SINGLE_DISSENT, True, ending) for error in errors)
    return 1 - spared**_SIDES


@lru_cache(maxsize=256)
def _chance(error: float, most: int, against: int, favourable: bool, ending: VoteOutcome) -> float:
    """How often the audit's vote on one question ends so, when each answer errs so often. Every course of it is added.

    `favourable` is the answer that is right.
    """
    initial = INITIAL_WORDINGS[Depth.AUDIT]
    last = len(vote_order(initial, most))

    def courses(sides: tuple[bool, ...], chance: float) -> float:
        if len(sides) >= len(initial):
            decided = outcome_of(sides, len(initial), against) or (VoteOutcome.TIE if len(sides) >= last else None)
            if decided is not None:
                return chance if decided is ending else 0.0
        right, wrong = (*sides, favourable), (*sides, not favourable)
        return courses(right, chance * (1 - error)) + courses(wrong, chance * error)

    return courses((), 1.0)


def _rounded(chance: float) -> float:
    return round(chance, 6)
