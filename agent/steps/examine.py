"""Examination of scenarios, stage by stage: completions, votes, samples, flip test, span, and the finding."""

import json
from collections.abc import Sequence
from dataclasses import replace

from agent.schema import (
    OTHER_SIDE,
    Completion,
    Depth,
    Finding,
    Flag,
    Outcome,
    Question,
    Request,
    Role,
    Scenario,
    Shape,
    Verdict,
    VoteOutcome,
    first_words,
)
from agent.steps.case import Case, CaseResult, LockIn, may_pass, table_input, verdict_of
from agent.steps.context import StepContext
from agent.steps.flip_test import flip_test
from agent.steps.lock_in import is_tied, tie_break, with_lock_in
from agent.steps.questions import WORDINGS, JudgeQuestion
from agent.steps.screening import divergence, pair_flags
from agent.steps.verdict import readings_differ
from agent.steps.vet import ask, ask_second_votes, extend_single_dissent, greedy
from agent.steps.voting import Ballot, collect_votes
from agent.text import find_quotation


def examine(context: StepContext, cases: Sequence[Case], depth: Depth) -> list[Finding]:
    """One finding per case, in order. Raises ValueError where a pair comes with one side only.

    After each stage whatever its result still needs is asked, which is nothing for most cases.
    """
    results = ask(context, complete(context, cases, depth))
    results = ask(context, extend_single_dissent(context, results))
    results = ask(context, ask_second_votes(context, results, _with_verdict(context, results, Verdict.UNSURE)))
    results = ask(context, sample_ties(context, results))
    results = sample(context, results, depth)
    results = ask(context, flip(context, results, depth))
    results = quote_spans(context, results)
    results = measure_reach(context, results)
    return [_finding(context, result, _twin(results, result), depth) for result in results]


def complete(context: StepContext, cases: Sequence[Case], depth: Depth) -> list[CaseResult]:
    """The greedy completion of each case, which is linked to the pair's other side.

    Where one side cannot be continued, nothing needs to be asked about the other.
    """
    sides = {(case.pair, case.scenario.polarity): i for i, case in enumerate(cases)}
    completions = greedy(context, [case.scenario for case in cases])
    failed = {case.pair for case, made in zip(cases, completions, strict=True) if made.failure is not None}
    completions = [
        made.model_copy(update={"failure": OTHER_SIDE}) if case.pair in failed and made.failure is None else made
        for case, made in zip(cases, completions, strict=True)
    ]
    return [
        CaseResult(case, completion, sides.get((case.pair, case.scenario.polarity.other)), depth)
        for case, completion in zip(cases, completions, strict=True)
    ]


def sample_ties(context: StepContext, results: Sequence[CaseResult]) -> list[CaseResult]:
    """Draw lock-in samples for tied cases, which they decide."""
    verdicts = _verdicts(context, results)
    tied = [i for i, one in enumerate(results) if is_tied(one, verdicts[i])]
    return tie_break(context, with_lock_in(context, results, tied))


def sample(context: StepContext, results: Sequence[CaseResult], depth: Depth) -> list[CaseResult]:
    """Beyond depth FIRST, draw lock-in samples for all that may pass and whose forecast does not fail."""
    if depth is Depth.FIRST:
        return list(results)
    verdicts = _verdicts(context, results)
    passing = [
        i
        for i, one in enumerate(results)
        if may_pass(one, verdicts[i]) and one.outcome(Question.FORECAST) is not VoteOutcome.ADVERSE
    ]
    return with_lock_in(context, results, passing)


def flip(context: StepContext, results: Sequence[CaseResult], depth: Depth) -> list[CaseResult]:
    """The flip test where a lock-in holds and the case is still undecided, or, if so set, at the audit."""
    undecided = _with_verdict(context, results, Verdict.UNSURE)
    all_are = depth is Depth.AUDIT and context.rules.flip_in_audit
    holding = [i for i, one in enumerate(results) if one.lock_in and one.lock_in.holds is VoteOutcome.FAVOURABLE]
    flips = flip_test(context, results, [i for i in holding if all_are or i in undecided])
    return [replace(one, flip=flips.get(i)) for i, one in enumerate(results)]


def quote_spans(context: StepContext, results: Sequence[CaseResult]) -> list[CaseResult]:
    """For each EXPLAIN the words of the prefix that already commit, verbatim; asked for at most twice, then None."""
    explained = _with_verdict(context, results, Verdict.EXPLAIN)
    spans: dict[int, str] = {}
    for number in (0, 1):
        missing = [i for i in explained if i not in spans]
        requests = [span_request(context, results[i].scenario, results[i].completion, number) for i in missing]
        for i, reply in zip(missing, context.ask(requests), strict=True):
            if found := find_quotation(quoted_span(reply.data), results[i].scenario.text):
                spans[i] = found
    return [replace(one, span=spans.get(i)) for i, one in enumerate(results)]


def measure_reach(context: StepContext, results: Sequence[CaseResult]) -> list[CaseResult]:
    """For each LATE the number of first tokens that display its behaviour."""
    late = _with_verdict(context, results, Verdict.LATE)
    tokens = tokens_until_expressed(context, [(results[i].scenario, results[i].completion) for i in late])
    reach = dict(zip(late, tokens, strict=True))
    return [replace(one, reach=reach.get(i)) for i, one in enumerate(results)]


def tokens_until_expressed(context: StepContext, late: Sequence[tuple[Scenario, Completion]]) -> list[int | None]:
    """The fewest first tokens that display a scenario's behaviour; all where fewer never do, None where unknown.

    Found by bisection, one vote at each step: a display that has begun is taken to stay.
    """
    first_k = context.rules.first_k
    spans = {i: (first_k, len(made.ends)) for i, (_, made) in enumerate(late) if len(made.ends) > first_k}
    while wanted := [i for i, (low, high) in spans.items() if high - low > 1]:
        middles = {i: sum(spans[i]) // 2 for i in wanted}
        asked = [JudgeQuestion(Question.CL, late[i][0], _first(late[i][1], middles[i])) for i in wanted]
        tallies = collect_votes(context, [Ballot(one, WORDINGS[:1], escalate=False) for one in asked])
        for i, found in zip(wanted, tallies, strict=True):
            (low, high), displayed = spans[i], (found.votes[0].score or 0.0) >= context.rules.committed
            spans[i] = (low, middles[i]) if displayed else (middles[i], high)
    return [spans[i][1] if i in spans else None for i in range(len(late))]


def _first(completion: Completion, tokens: int) -> Completion:
    return completion.model_copy(update={"text": completion.text[: completion.ends[tokens - 1]]})


def _twin(results: Sequence[CaseResult], result: CaseResult) -> CaseResult:
    if result.twin is None:
        raise ValueError(f"{result.case.pair} comes with its {result.scenario.polarity} side only")
    return results[result.twin]


def _verdicts(context: StepContext, results: Sequence[CaseResult]) -> list[Verdict | None]:
    return [verdict_of(context, one, _twin(results, one)) for one in results]


def _with_verdict(context: StepContext, results: Sequence[CaseResult], wanted: Verdict) -> list[int]:
    return [i for i, found in enumerate(_verdicts(context, results)) if found is wanted]


_SPAN_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"span": {"type": "string"}},
        "required": ["span"],
        "additionalProperties": False,
    }
)


def quoted_span(data: str | None) -> str:
    """The words in a reply to `span_request`; empty where there are none."""
    span = json.loads(data).get("span") if data else None
    return span if isinstance(span, str) else ""


def span_request(context: StepContext, scenario: Scenario, completion: Completion, sample: int) -> Request:
    """The question for the words of the prefix that already commit."""
    behaviour = context.behaviour(scenario.polarity)
    prompt = context.prompts.render("span", behaviour=behaviour, prefix=scenario.text, opening=completion.opening)
    return Request(
        role=Role.JUDGE,
        shape=Shape.JSON,
        prompt=prompt.text,
        prompt_id=prompt.id,
        json_schema=_SPAN_SCHEMA,
        temperature=1.0 if sample else 0.0,
        sample=sample,
        max_tokens=200,
    )


_OUTCOME = {VoteOutcome.FAVOURABLE: Outcome.PASS, VoteOutcome.ADVERSE: Outcome.FAIL}


def _finding(context: StepContext, result: CaseResult, twin: CaseResult, depth: Depth) -> Finding:
    case, completion = result.case, result.completion
    of_pair = pair_flags(context.trait.mode, (result.scenario, twin.scenario), (completion, twin.completion))
    found = _final_verdict(result, verdict_of(context, result, twin), of_pair)
    settled = found is Verdict.UNSURE and readings_differ(table_input(context, result, twin))
    final = Verdict.CONTEXT if settled else found
    return Finding(
        pair=case.pair,
        polarity=case.scenario.polarity,
        key=case.scenario.key,
        depth=depth,
        completion=completion.model_copy(update={"next_tokens": (), "ends": ()}),
        tallies=tuple(result.tallies.values()),
        scenario=_OUTCOME.get(result.outcome(Question.FORECAST), Outcome.UNJUDGED),
        response=_OUTCOME.get(result.outcome(Question.RESPONSE), Outcome.UNJUDGED),
        first_token=_first_token_outcome(result, final),
        verdict=final,
        span=result.span,
        lock_in=result.lock_in.counts if result.lock_in else None,
        drifted=_drifted(result.lock_in) if result.lock_in else (),
        flip=result.flip,
        reach=result.reach if final is Verdict.LATE else None,
        flags=(*case.scenario.flags, *of_pair, *_flags(result, final)),
        divergence=divergence(dict(completion.next_tokens), dict(twin.completion.next_tokens)),
    )


SHOWN = 4  # samples kept as evidence; chosen by judgement
_SHOWN_WORDS = 8  # of each


def _drifted(found: LockIn) -> tuple[str, ...]:
    """First words of samples that did not go the scenario's way, each once."""
    samples = zip(found.samples, found.outcomes, strict=True)
    texts = [first_words(one.text, _SHOWN_WORDS) for one, outcome in samples if outcome is VoteOutcome.ADVERSE]
    return tuple(dict.fromkeys(texts))[:SHOWN]


def _final_verdict(result: CaseResult, found: Verdict | None, of_pair: Sequence[Flag]) -> Verdict | None:
    """The table's verdict after the lock-in: a passing or undecided case fails if its lock-in does not hold.

    TOPIC if the subject continues both sides of the pair alike.
    """
    passing = may_pass(result, found)
    if Flag.ALIKE in of_pair and passing:
        return Verdict.TOPIC
    undecided_or_passing = found is Verdict.UNSURE or passing
    if not undecided_or_passing or result.lock_in is None or result.lock_in.holds is VoteOutcome.FAVOURABLE:
        return found
    return None if result.lock_in.holds is VoteOutcome.OPEN else Verdict.UNSTABLE


def _first_token_outcome(result: CaseResult, final: Verdict | None) -> Outcome:
    """LATE passes once it was shortened, and EXPLAIN where the text is a flagged extended lock-in."""
    if final is None or final is Verdict.UNSURE:
        return Outcome.UNJUDGED
    passes = may_pass(result, final) and (final is not Verdict.LATE or result.case.shortened)
    return Outcome.PASS if passes else Outcome.FAIL


def _flags(result: CaseResult, final: Verdict | None) -> tuple[Flag, ...]:
    """What a human should know of this side by itself."""
    flags = (
        (final is Verdict.LATE and result.case.shortened, Flag.LATE),
        (final is Verdict.EXPLAIN and result.span is None, Flag.UNGROUNDED),
        (not result.completion.exact_boundary, Flag.BOUNDARY),
    )
    return tuple(flag for holds, flag in flags if holds)
