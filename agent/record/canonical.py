"""The canonical form of a history: what two runs must share to count as identical."""

from collections import Counter

from agent.schema import Cost, Finding, History, Outcome, Recheck, Round


def canonical_lines(history: History) -> bytes:
    """Rounds as JSON lines. A Recheck is told as part of the round whose questions it closed."""
    rounds: list[Round] = []
    for done in history:
        if isinstance(done.move, Recheck) and rounds:
            rounds[-1] = _closed(rounds[-1], done)
        else:
            rounds.append(done.model_copy(update={"number": len(rounds) + 1}))
    return b"".join(done.model_dump_json().encode() + b"\n" for done in rounds)


def _closed(before: Round, again: Round) -> Round:
    answered = {_subject(finding): finding for finding in again.findings}
    findings = tuple(_settled(finding, answered.get(_subject(finding))) for finding in before.findings)
    return before.model_copy(
        update={
            "changes": before.changes + again.changes,
            "findings": findings,
            "parked": before.parked + again.parked,
            "cost": add_costs(before.cost, again.cost),
        }
    )


def _subject(finding: Finding) -> tuple[str, str, str]:
    return finding.pair, finding.polarity, finding.key


def _settled(finding: Finding, again: Finding | None) -> Finding:
    return again if again is not None and finding.outcome is Outcome.UNJUDGED else finding


def add_costs(*costs: Cost) -> Cost:
    """The sum, calls by role in alphabetical order."""
    calls: Counter[str] = Counter()
    for cost in costs:
        calls.update(dict(cost.calls))
    return Cost(
        calls=tuple(sorted(calls.items())),
        tokens_in=sum(cost.tokens_in for cost in costs),
        tokens_out=sum(cost.tokens_out for cost in costs),
        micro_usd=sum(cost.micro_usd for cost in costs),
    )
