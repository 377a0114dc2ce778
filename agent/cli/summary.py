"""What a run came to, in words: five lines for the screen, one page for the morning."""

from collections import Counter
from collections.abc import Iterable
from itertools import groupby

from agent.cli.bill import afresh, by_role
from agent.cli.results import Result
from agent.cli.screen import calls_of, safe_text, usd
from agent.loop.standing import Status, after, standing
from agent.review.proposal import PairChange, Proposal
from agent.schema import Change, Cost, Ending, Finding, Round
from agent.steps.audit import audit_rate, flap_rates

HEADINGS = ("trait", "ending", "confirmed/audited", "of", "parked", "dropped", "rounds", "calls", "USD", "minutes")

_SHOWN = 12


def five_lines(result: Result) -> tuple[str, str, str, str, str]:
    """What passed, what left and why, how sure one may be, what it cost, what to do next."""
    trait = result.job.trait.id
    return (
        f"{trait}: {result.stop.ending.value}: {result.stop.why}. {passed(result)}",
        f"  left: {left(result.proposal)}",
        f"  sure: {sureness(result)}",
        f"  cost: {cost(result)}",
        f"  next: {advice(result)}",
    )


def table_row(result: Result, spent: Cost) -> tuple[str, ...]:
    """A trait's row under HEADINGS. Calls and money are all that its ledger has bought, earlier campaigns included."""
    now, counts = result.now, [len(result.proposal.those(what)) for what in ("parked", "dropped")]
    sure = f"{len(now.at(Status.CONFIRMED, Status.AUDITED))}/{len(now.at(Status.AUDITED))}"
    numbers = (result.tools.plan.goal, *counts, len(result.history), calls_of(spent))
    minutes = f"{result.seconds / 60:.1f}"
    return (result.job.trait.id, result.stop.ending.value, sure, *map(str, numbers), usd(spent), minutes)


def passed(result: Result) -> str:
    """Where the set stands."""
    now, proposal = result.now, result.proposal
    confirmed = len(now.at(Status.CONFIRMED, Status.AUDITED))
    kinds = Counter(change.what for change in proposal.changes)
    return (
        f"{confirmed} of {len(now.items)} pairs are confirmed, {len(now.at(Status.AUDITED))} audited; "
        f"against the dataset: {kinds['unchanged']} unchanged, {kinds['changed']} changed, {kinds['added']} added"
    )


def left(proposal: Proposal) -> str:
    """Dropped and parked pairs, counted by reason."""
    said = []
    for what in ("dropped", "parked"):
        gone = [change for change in proposal.changes if change.what == what]
        reasons = Counter(change.why for change in gone)
        if gone:
            said.append(f"{len(gone)} {what} ({'; '.join(f'{n} x {why}' for why, n in reasons.most_common(3))})")
    return ", ".join(said) or "no pair was dropped or parked"


def sureness(result: Result) -> str:
    """The audit and the flap rates, each with its 95 % interval."""
    findings = findings_of(result.history)
    flaps = [f"{question.value} {rate}" for question, rate in flap_rates(findings).items()]
    return f"audit {audit_rate(findings)}; flap rates: {', '.join(flaps) or 'not measured'}"


def cost(result: Result) -> str:
    calls = by_role(result.history)
    told = ", ".join(f"{n} {role}" for role, n in sorted(calls.items())) or "no call"
    judged, full = calls["judge"] + calls["auditor"], afresh(result.history)
    saved = f"; judging the whole set afresh each round: {full} judge calls instead of {judged}" if full else ""
    return f"{told} in {len(result.history)} rounds, {result.seconds:.0f} s{saved}"


_NEXT = {
    Ending.READY: "read {summary}; the proposed set is in {final}, and the dataset is as it was",
    Ending.READY_WITH_PARKED: "look at the parked pairs in {summary}; the proposed set is in {final}",
    Ending.CAP: "the same command goes on where it stopped, with a higher cap if one was reached; see {summary}",
    Ending.NOT_READY: "follow the reason above, then give the same command again; the evidence is in {summary}",
    Ending.ENDPOINT: "mend the endpoint, then give the same command again; nothing that was paid for is lost",
    Ending.STALLED: "give the same command again; it goes on from the last recorded round",
    Ending.STOPPED: "the same command goes on from the last recorded round",
}


def advice(result: Result) -> str:
    folder = result.job.folder.refinement
    return _NEXT[result.stop.ending].format(summary=folder / "summary.md", final=folder / "final")


def findings_of(history: Iterable[Round]) -> list[Finding]:
    return [finding for done in history for finding in done.findings]


def page(result: Result) -> str:
    """The summary as Markdown: the screen's lines, a table of rounds, and the pairs that a human should look at."""
    heading = f"# {result.job.trait.id}: {result.stop.ending.value}"
    lines = [
        heading,
        f"{result.stop.why}. {passed(result)}.",
        f"* Left: {left(result.proposal)}.\n* Sure: {sureness(result)}.\n* Next: {advice(result)}.",
        "## Rounds",
        _rounds(result.history),
        *_section("Changed", result.proposal.those("changed")),
        *_section("Parked: for you to decide", result.proposal.those("parked")),
        *_section("Dropped", result.proposal.those("dropped")),
        *_section("Flagged", tuple(c for c in result.proposal.those("added", "changed", "unchanged") if flags(c))),
    ]
    return "\n\n".join(lines) + "\n"


def _rounds(history: tuple[Round, ...]) -> str:
    rows = ["| round | move | pairs | pass | confirmed | parked | calls |", "|--:|---|--:|--:|--:|--:|---|"]
    now = standing(())
    for done in history:
        now = after(now, done)
        calls = ", ".join(f"{n} {role}" for role, n in done.cost.calls) or "none"
        good = len(now.at(Status.PASSED, Status.CONFIRMED, Status.AUDITED))
        sure = len(now.at(Status.CONFIRMED, Status.AUDITED))
        what = f"{done.move.kind}{_made(done.changes)}"
        rows.append(f"| {done.number} | {what} | {len(now.items)} | {good} | {sure} | {len(now.parked)} | {calls} |")
    return "\n".join(rows)


def _made(changes: Iterable[Change]) -> str:
    made = Counter(change.what for change in changes if change.before != change.after)
    return f" ({', '.join(f'{n} {what}' for what, n in sorted(made.items()))})" if made else ""


def _section(title: str, changes: tuple[PairChange, ...]) -> list[str]:
    if not changes:
        return []
    shown = "\n".join(_item(change) for change in changes[:_SHOWN])
    more = f"\n\n{len(changes) - _SHOWN} more are in proposal.json." if len(changes) > _SHOWN else ""
    return [f"## {title}", shown + more]


def _item(change: PairChange) -> str:
    """A pair with its texts, in code spans: no word of a model's is Markdown here."""
    lines = [f"* {change.pair}{f': {change.why}' if change.why else ''}"]
    for side in change.sides:
        old, new = side.before, side.after
        found = new.evidence
        verdict = f" ({found.verdict})" if found and found.verdict else ""
        rungs = f" by {', '.join(rung for rung, _ in groupby(side.rungs))}" if side.rungs else ""
        was = f"{code(old.text)} → " if old is not None and old.key != new.key else ""
        lines.append(f"  * {side.polarity}{verdict}{rungs}: {was}{code(new.text)}")
    if flags(change):
        lines.append(f"  * flags: {', '.join(sorted(flags(change)))}")
    return "\n".join(lines)


def flags(change: PairChange) -> set[str]:
    return {flag.value for side in change.sides if side.after.evidence for flag in side.after.evidence.flags}


def code(text: str) -> str:
    """A text as a Markdown code span that it cannot leave."""
    shown = safe_text(text)
    longest = max((len(list(run)) for char, run in groupby(shown) if char == "`"), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {shown} {fence}"
