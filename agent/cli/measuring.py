"""What a history comes to by the loop's own rules: how the set stood after each round, and how sure one may be."""

from collections import Counter

from agent.cli.bill import afresh
from agent.loop.standing import Standing, Status, after
from agent.review.report.nouns import Measured, RoundFacts
from agent.schema import History, Round
from agent.steps.audit import audit_rate, flap_rates


def measured(history: History) -> Measured:
    """Its rounds, its audit, its flap rates, and what a loop that forgets would have asked."""
    findings = [finding for done in history for finding in done.findings]
    rounds, now = [], Standing()
    for done in history:
        now = after(now, done)
        rounds.append(_round(done, now))
    return Measured(
        rounds=tuple(rounds),
        audit=audit_rate(findings),
        flaps=tuple(flap_rates(findings).items()),
        afresh=afresh(history),
    )


def _round(done: Round, now: Standing) -> RoundFacts:
    made = Counter(change.what for change in done.changes if change.before != change.after)
    return RoundFacts(
        number=done.number,
        move=done.move.kind,
        made=tuple(sorted(made.items())),
        size=len(now.items),
        passing=len(now.at(Status.PASSED, Status.CONFIRMED, Status.AUDITED)),
        confirmed=len(now.at(Status.CONFIRMED, Status.AUDITED)),
        audited=len(now.at(Status.AUDITED)),
        parked=len(now.parked),
        dropped=len(now.removed) - len(now.parked),
        cost=done.cost,
    )
