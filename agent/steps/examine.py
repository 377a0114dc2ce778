"""Of what comes late: how many tokens it takes. The advice is to extract over so many, and not over the first few."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.schema import (
    Completion,
    Depth,
    Finding,
    Flag,
    Flip,
    Outcome,
    Question,
    Request,
    Role,
    Shape,
    Verdict,
    VoteOutcome,
)
from agent.steps.context import StepContext
from agent.steps.flip_test import flip_ruling, flip_test
from agent.steps.lock_in import LockIn, is_tied, lock_in, tie_break
from agent.steps.questions import WORDINGS, JudgeQuestion
from agent.steps.screening import divergence, pair_flags
from agent.steps.verdict import VerdictInput, verdict
from agent.steps.vet import Case, Tallies, ask_second_votes, extend_single_dissent, greedy, vet
from agent.steps.voting import Ballot, collect_votes
from agent.text import find_quotation


def tokens_until_expressed(
    context: StepContext, cases: Sequence[Case], completions: Sequence[Completion], verdicts: Sequence[Verdict | None]
) -> dict[int, int]:
    """For each LATE case the fewest first tokens that display its behaviour; all of them where fewer never do.

    Found by halving, one vote at each step: a display that has begun is taken to stay.
    """
    late = [i for i, v in enumerate(verdicts) if v is Verdict.LATE and len(completions[i].ends) > context.rules.first_k]
    spans = {i: (context.rules.first_k, len(completions[i].ends)) for i in late}  # not yet displayed, displayed
    while wanted := [i for i, (low, high) in spans.items() if high - low > 1]:
        middles = {i: sum(spans[i]) // 2 for i in wanted}
        asked = [JudgeQuestion(Question.CL, cases[i].scenario, _first(completions[i], middles[i])) for i in wanted]
        tallies = collect_votes(context, [Ballot(one, WORDINGS[:1], appeal=False) for one in asked])
        for i, found in zip(wanted, tallies, strict=True):
            (low, high), displayed = spans[i], (found.votes[0].score or 0.0) >= context.rules.committed
            spans[i] = (low, middles[i]) if displayed else (middles[i], high)
    return {i: high for i, (_, high) in spans.items()}


def _first(made: Completion, tokens: int) -> Completion:
    return made.model_copy(update={"text": made.text[: made.ends[tokens - 1]]})


_OUTCOME = {VoteOutcome.FAVOURABLE: Outcome.PASS, VoteOutcome.ADVERSE: Outcome.FAIL}


@dataclass(frozen=True)
class CaseResult:
    """All that was seen of one case, before it is put into a finding."""

    case: Case
    completion: Completion
    twin: Completion
    tallies: Tallies
    verdict: Verdict | None
    span: str | None
    lock_in: LockIn | None
    flip: Flip | None
    reach: int | None = None
    of_pair: tuple[Flag, ...] = ()


def examine(context: StepContext, cases: Sequence[Case], depth: Depth) -> list[Finding]:
    """One finding per case, in order. `cases` come in twos: the positive and the negative of a pair."""
    completions = greedy(context, [case.scenario for case in cases])
    tallies = vet(context, cases, completions, depth)
    tallies = extend_single_dissent(context, cases, completions, tallies, depth)
    verdicts = _verdicts(context, cases, tallies)
    if unsure := {i for i, v in enumerate(verdicts) if v is Verdict.UNSURE}:
        tallies = ask_second_votes(context, cases, completions, tallies, unsure)
        verdicts = _verdicts(context, cases, tallies)
    doubtful = [i for i, v in enumerate(verdicts) if is_tied(v, tallies[i], _may_pass(cases[i], v))]
    held = _lock_in(context, cases, doubtful)
    tallies = tie_break(context, cases, tallies, held)
    verdicts = _verdicts(context, cases, tallies)
    if depth is not Depth.FIRST:
        held |= _lock_in(context, cases, [i for i, v in enumerate(verdicts) if _may_pass(cases[i], v)])
    of_all = depth is Depth.AUDIT and context.rules.flip_in_audit
    torn = {
        i: own
        for i, own in held.items()
        if own.holds is VoteOutcome.FAVOURABLE and (of_all or verdicts[i] is Verdict.UNSURE)
    }
    flips = flip_test(context, cases, completions, tallies, torn)
    verdicts = [_overruled(context, v, flips.get(i)) for i, v in enumerate(_verdicts(context, cases, tallies, flips))]
    spans = committed_spans(context, cases, completions, verdicts)
    late = tokens_until_expressed(context, cases, completions, verdicts)
    seen = [
        CaseResult(
            case=case,
            completion=completions[i],
            twin=completions[i ^ 1],
            tallies=tallies[i],
            verdict=verdicts[i],
            span=spans[i],
            lock_in=held.get(i),
            flip=flips.get(i),
            reach=late.get(i),
            of_pair=pair_flags(context.trait.mode, (case.scenario, cases[i ^ 1].scenario), _both(completions, i)),
        )
        for i, case in enumerate(cases)
    ]
    return [_finding(one, depth) for one in seen]


def _overruled(context: StepContext, found: Verdict | None, flip: Flip | None) -> Verdict | None:
    """EXPRESS is not believed where the subject goes its way whatever its first tokens say: the human is asked."""
    if flip is None or found is not Verdict.EXPRESS or flip_ruling(context, flip) is not VoteOutcome.ADVERSE:
        return found
    return Verdict.UNSURE


def _both(completions: Sequence[Completion], i: int) -> tuple[Completion, Completion]:
    return completions[i], completions[i ^ 1]


def _lock_in(context: StepContext, cases: Sequence[Case], which: Sequence[int]) -> dict[int, LockIn]:
    return dict(zip(which, lock_in(context, [cases[i] for i in which]), strict=True))


def _verdicts(
    context: StepContext, cases: Sequence[Case], tallies: Sequence[Tallies], flips: Mapping[int, Flip] | None = None
) -> list[Verdict | None]:
    measured = flips or {}
    return [_verdict(context, cases[i], tallies[i], tallies[i ^ 1], measured.get(i)) for i in range(len(cases))]


def _verdict(context: StepContext, case: Case, tallies: Tallies, twin: Tallies, flip: Flip | None) -> Verdict | None:
    trait = context.trait
    return verdict(
        VerdictInput(
            mode=trait.mode,
            negative_test=trait.negative_test,
            polarity=case.scenario.polarity,
            tallies=tallies,
            limit=context.rules.limit(trait.mode),
            committed=context.rules.committed,
            twin_failed=twin[Question.RESPONSE].ruling is VoteOutcome.ADVERSE,
            topic_failed=case.topic_failed,
            flip=flip_ruling(context, flip) if flip else None,
        )
    )


_SPAN_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"span": {"type": "string"}},
        "required": ["span"],
        "additionalProperties": False,
    }
)


def committed_spans(
    context: StepContext, cases: Sequence[Case], completions: Sequence[Completion], verdicts: Sequence[Verdict | None]
) -> list[str | None]:
    """For each EXPLAIN the words of the prefix that already commit, verbatim; asked for at most twice, then None."""
    spans: dict[int, str] = {}
    for sample in (0, 1):
        missing = [i for i, v in enumerate(verdicts) if v is Verdict.EXPLAIN and i not in spans]
        requests = [span_request(context, cases[i], completions[i], sample) for i in missing]
        for i, reply in zip(missing, context.ask(requests), strict=True):
            found = find_quotation(quoted_span(reply.data), cases[i].scenario.text)
            if found:
                spans[i] = found
    return [spans.get(i) for i in range(len(cases))]


def quoted_span(data: str | None) -> str:
    """The words in a reply to `span_request`; empty where there are none."""
    span = json.loads(data).get("span") if data else None
    return span if isinstance(span, str) else ""


def span_request(context: StepContext, case: Case, completion: Completion, sample: int) -> Request:
    """The question for the words of the prefix that already commit."""
    scenario = case.scenario
    prompt = context.prompts.render(
        "span", behaviour=context.behaviour(scenario.polarity), prefix=scenario.text, opening=completion.opening
    )
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


def _may_pass(case: Case, found: Verdict | None) -> bool:
    """EXPRESS passes, LATE may, and so may EXPLAIN where the text is a flagged extended lock-in."""
    return found in (Verdict.EXPRESS, Verdict.LATE) or (
        found is Verdict.EXPLAIN and Flag.EXTENDED in case.scenario.flags
    )


def _final_verdict(seen: CaseResult) -> Verdict | None:
    """The table's verdict; what else would pass, or is undecided, fails where its lock-in does not hold.

    Where both sides go on alike the topic decides, and not what either of them says.
    """
    if Flag.ALIKE in seen.of_pair and _may_pass(seen.case, seen.verdict):
        return Verdict.TOPIC
    open_or_passing = seen.verdict is Verdict.UNSURE or _may_pass(seen.case, seen.verdict)
    if not open_or_passing or seen.lock_in is None or seen.lock_in.holds is VoteOutcome.FAVOURABLE:
        return seen.verdict
    return None if seen.lock_in.holds is VoteOutcome.OPEN else Verdict.UNSTABLE


def _finding(seen: CaseResult, depth: Depth) -> Finding:
    case, tallies = seen.case, seen.tallies
    final = _final_verdict(seen)
    late = final is Verdict.LATE and case.shortened
    fallback = final is Verdict.EXPLAIN and Flag.EXTENDED in case.scenario.flags
    return Finding(
        pair=case.pair,
        polarity=case.scenario.polarity,
        key=case.scenario.key,
        depth=depth,
        completion=seen.completion.model_copy(update={"next_tokens": (), "ends": ()}),
        tallies=tuple(tallies.values()),
        scenario=_OUTCOME.get(tallies[Question.FORECAST].ruling, Outcome.UNJUDGED),
        response=_OUTCOME.get(tallies[Question.RESPONSE].ruling, Outcome.UNJUDGED),
        first_token=_first_token_outcome(final, late or fallback),
        verdict=final,
        span=seen.span,
        lock_in=seen.lock_in.counts if seen.lock_in else None,
        flip=seen.flip,
        reach=seen.reach if final is Verdict.LATE else None,
        flags=_flags(seen, final, late),
        divergence=divergence(dict(seen.completion.next_tokens), dict(seen.twin.next_tokens)),
    )


def _first_token_outcome(final: Verdict | None, passes_flagged: bool) -> Outcome:
    if final is None or final is Verdict.UNSURE:
        return Outcome.UNJUDGED
    return Outcome.PASS if final is Verdict.EXPRESS or passes_flagged else Outcome.FAIL


def _flags(seen: CaseResult, final: Verdict | None, late: bool) -> tuple[Flag, ...]:
    flags = [*seen.case.scenario.flags, *seen.of_pair]
    if late:
        flags.append(Flag.LATE)
    if final is Verdict.EXPLAIN and seen.span is None:
        flags.append(Flag.UNGROUNDED)
    if not seen.completion.exact_boundary:
        flags.append(Flag.BOUNDARY)
    return tuple(flags)
