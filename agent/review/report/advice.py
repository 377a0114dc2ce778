"""What to do next, and what the numbers mean, in sentences."""

from collections import Counter
from collections.abc import Iterator

from agent.review.labels import next_step
from agent.review.report.model import Report, flags_of, is_kept
from agent.schema import ADVICE, Ending, Flag, Outcome
from agent.stats import error_rate
from agent.text import pluralize, verb_for, with_period


def headline(report: Report) -> str:
    """How it ended, in one sentence."""
    if report.stop is None:
        return f"Not finished: {with_period(report.state or 'no run of this campaign has ended yet')}"
    return f"{report.stop.ending.value.capitalize()}: {with_period(report.stop.why)}"


def warning(report: Report) -> str | None:
    """What stands before everything else when the self-check failed."""
    if report.controls is None or not report.only_advice:
        return None
    return (
        f"The verdicts of this run are advice, not measurements. On texts whose answer is known, the judge told "
        f"committed from open ones with an AUC of {report.controls.auc:.2f} (at most {report.controls.high:.2f}; "
        "0.9 is needed, 0.5 is chance). Read the pairs yourself, or run again with a better judge."
    )


def advice(report: Report, where: str = "below") -> list[str]:
    """What to do next, the most pressing first. `where` the reader finds the pairs."""
    return list(_advice(report, where))


def _advice(report: Report, where: str) -> Iterator[str]:
    if report.stop is None:
        yield "Give the same command again to go on; then this report is written anew."
    else:
        yield next_step(report.stop.ending, where)
    if report.last.parked and (report.stop is None or report.stop.ending is not Ending.READY_WITH_PARKED):
        wait = verb_for(report.last.parked, "waits", "wait")
        yield f"{pluralize(report.last.parked, 'pair')} {wait} for your decision: what was parked is out of the set."
    yield from _troubles(report)
    if said := bought(report):
        yield said
    yield _extraction(report)


def _troubles(report: Report) -> Iterator[str]:
    kept = [change for change in report.changes if is_kept(change)]
    failing = Counter(
        side.after.evidence.verdict
        for change in kept
        for side in change.sides
        if side.after.evidence and side.after.evidence.outcome is Outcome.FAIL and side.after.evidence.verdict
    )
    if failing:
        verdict, count = failing.most_common(1)[0]
        whole = sum(failing.values())
        named = f"{count} of them {verdict}" if whole > 1 else f"with {verdict}"
        fail = verb_for(whole, "fails", "fail")
        yield f"{pluralize(whole, 'scenario')} of the set {fail}, {named}: {ADVICE[verdict]}."
    extended = sum(Flag.EXTENDED in flags_of(change) for change in kept)
    if extended:
        keep = f"{pluralize(extended, 'pair')} {verb_for(extended, 'keeps', 'keep')} part of the trait in the text"
        yield f"{keep} (flagged extended): approve only what you must."


def bought(report: Report) -> str | None:
    """A set whose scores were improved by letting its texts commit themselves, called out."""
    if report.drift is None or not report.drift.is_bought or report.is_sustained:
        return None
    forecast, commitment = report.drift.forecast, report.drift.commitment
    return (
        f"Edits raised the forecast by {forecast[0]:.0f} points and C0 by {commitment[0]:.0f} (both beyond chance, "
        f"over {pluralize(report.drift.n, 'edited text')}): the scores may have been bought with endings that show more "
        "of the trait before the cut. Look at the map: dots should not move to the right."
    )


def controls_meaning(report: Report) -> str | None:
    """How many controls of each kind lie on their own side, which no AUC tells; None without controls."""
    if report.controls is None:
        return None
    found, rules = report.controls, report.asked.plan.rules
    limit = rules.limit(report.asked.trait.mode)
    kept = sum(score <= limit for score in found.open), sum(score >= rules.committed for score in found.committed)
    said = (
        f"{kept[0]} of {pluralize(len(found.open), 'open control')} {verb_for(kept[0], 'scores', 'score')} {limit:g} or "
        f"less, up to which a text counts as open; {kept[1]} of {pluralize(len(found.committed), 'committed one')} "
        f"{verb_for(kept[1], 'scores', 'score')} {rules.committed:g} or more."
    )
    few = [k * 2 < len(of) for k, of in zip(kept, (found.open, found.committed), strict=True)]
    astray = " and of the ".join(name for name, is_few in zip(("open", "committed"), few, strict=True) if is_few)
    if not astray:
        return said
    return f"{said} The AUC tells their order only: fewer than half of the {astray} ones are on their side of the line."


def noise_meaning(report: Report) -> str | None:
    """What the measured flaps lead to under the rules of the vote, with what that rests on."""
    if report.noise is None:
        return None
    noise = report.noise
    return (
        "By the rules of the vote, and if wordings err independently, a text that one question should fail would pass "
        f"its audit {_share(noise.accepted)} of the time at most (false accept); a good pair would be sent to be "
        f"mended {_share(noise.edited)} of the time (false reject), and some vote on it would end in a tie "
        f"{_share(noise.undecided)} of the time, to be settled by samples, by the flip test, or by you."
    )


def _share(chance: float) -> str:
    return f"{chance:.2%}" if chance >= 0.00005 else "less than 0.01%"


def _extraction(report: Report) -> str:
    k = report.asked.plan.rules.first_k
    late = sum(Flag.LATE in flags_of(change) for change in report.changes if is_kept(change))
    if report.is_sustained:
        return "Extract over the whole response: response[:]. In this mode the register runs through the text."
    cure = verb_for(late, "it, or leave it out", "these, or leave them out")
    flagged = f" {pluralize(late, 'pair')} {verb_for(late, 'is', 'are')} flagged late: take more tokens for {cure}."
    more = flagged if late else ""
    return f"Extract over the first tokens: response[:{k}]. That is the window in which the trait was tested.{more}"


def flap_meaning(report: Report) -> str | None:
    """What the flap rates say of a single answer, and what they cannot say; None where none was measured."""
    rates = [rate for _, rate in report.measured.flaps if rate.n and rate.k / rate.n < _HALF]
    if not rates:
        return None
    worst = max(rate.k / rate.n for rate in rates)
    error = error_rate(worst)
    return (
        f"If the wordings erred independently, one answer to the shakiest question would be wrong {100 * error:.1f} "
        f"times in 100, and the three that an audited text rests on would be wrong together "
        f"{_in_a_million(error**3)}. That is the reason for three wordings. It is a reading and no guarantee: an "
        "error that all wordings share makes no flap. Only endings labelled by people can show such errors."
    )


_HALF = 0.5


def _in_a_million(share: float) -> str:
    count = round(share * 1_000_000)
    return "less than once in a million" if count < 1 else f"about {count:,} times in a million"
