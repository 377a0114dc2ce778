"""Advice and interpretation: what to do next, and what the numbers of a report mean, in sentences."""

from collections import Counter
from collections.abc import Iterator

from agent.review.endings import next_step
from agent.review.report.model import RELIABLE_AUC, Report, flags_of, is_in_set
from agent.schema import ADVICE, Ending, Flag, Outcome
from agent.stats import error_rate
from agent.text import is_same_model, pluralize, verb_for, with_period


def headline(report: Report) -> str:
    """How the run ended, as one sentence."""
    if report.stop is None:
        return f"Not finished: {with_period(report.state or 'no run of this campaign has ended yet')}"
    return f"{report.stop.ending.value.capitalize()}: {with_period(report.stop.why)}"


def reliability_warning(report: Report) -> str | None:
    """The warning shown first if the judge failed its self-check."""
    if report.controls is None or not report.is_judge_unreliable:
        return None
    return (
        "The verdicts of this run are advice, not measurements. On control texts whose answer is known, the judge "
        f"separated committed from open ones with an AUC of {report.controls.auc:.2f} (at most "
        f"{report.controls.high:.2f}; {RELIABLE_AUC:g} is required, 0.5 is chance). Read the pairs yourself, or run "
        "again with a better judge."
    )


def model_warning(report: Report) -> str | None:
    """Which models answered, where they are others than the one asked for or changed during the run; else None."""
    asked = {role: model.partition(" at ")[0] for role, model in report.asked.models}
    found = []
    for role in dict.fromkeys(role for role, _, _ in report.answered_by):
        names = [(name, count) for one, name, count in report.answered_by if one == role]
        if all(is_same_model(asked.get(role, ""), name) for name, _ in names):
            continue
        counts = ", ".join(f"{name} ({pluralize(count, 'answer')})" for name, count in names)
        found.append(f"Asked for {asked[role]}, the {role} was {counts}.")
    return " ".join(found) or None


def advice(report: Report, where: str = "below") -> list[str]:
    """What to do next, the most urgent first. `where` says where the pairs are shown."""
    return list(_advice(report, where))


def _advice(report: Report, where: str) -> Iterator[str]:
    if report.stop is None:
        yield "Rerun the command to continue; this report is then rewritten."
    else:
        yield next_step(report.stop, where)
    parked = report.latest.parked
    if parked and (report.stop is None or report.stop.ending is not Ending.READY_WITH_PARKED):
        waits = verb_for(parked, "waits", "wait")
        yield f"{pluralize(parked, 'pair')} {waits} for your decision: parked pairs are not in the set."
    yield from _problems(report)
    if inflated := inflation_warning(report):
        yield inflated
    if others := model_warning(report):
        yield others
    yield _extraction(report)


def _problems(report: Report) -> Iterator[str]:
    kept = [change for change in report.changes if is_in_set(change)]
    failing = Counter(
        side.after.evidence.verdict
        for change in kept
        for side in change.sides
        if side.after.evidence and side.after.evidence.outcome is Outcome.FAIL and side.after.evidence.verdict
    )
    if failing:
        verdict, count = failing.most_common(1)[0]
        total = sum(failing.values())
        share = f"{count} of them with {verdict}" if total > 1 else f"with {verdict}"
        fails = verb_for(total, "fails", "fail")
        yield f"{pluralize(total, 'scenario')} of the set {fails}, {share}: {ADVICE[verdict]}."
    extended = sum(Flag.EXTENDED in flags_of(change) for change in kept)
    if extended:
        keeps = verb_for(extended, "keeps", "keep")
        pairs = f"{pluralize(extended, 'pair')} {keeps} part of the trait in the text (flagged extended)"
        yield f"{pairs}: approve only those that you need."


def inflation_warning(report: Report) -> str | None:
    """A warning if edits raised the scores by showing more of the trait in the text; None otherwise."""
    if report.drift is None or not report.drift.is_inflated or report.is_sustained:
        return None
    forecast, commitment = report.drift.forecast, report.drift.commitment
    return (
        f"Edits raised the forecast by {forecast[0]:.0f} points and C0 by {commitment[0]:.0f} (both beyond chance, "
        f"over {pluralize(report.drift.n, 'edited text')}): the scores may have improved only because the endings show "
        "more of the trait before the cut. Check the map: dots should not move to the right."
    )


def controls_note(report: Report) -> str | None:
    """How many controls of each kind lie on their side of the threshold, which the AUC does not tell."""
    if report.controls is None:
        return None
    controls, rules = report.controls, report.asked.plan.rules
    limit = rules.limit(report.asked.trait.mode)
    right_open = sum(score <= limit for score in controls.open)
    right_committed = sum(score >= rules.committed for score in controls.committed)
    counts = (
        f"{right_open} of {pluralize(len(controls.open), 'open control')} {verb_for(right_open, 'scores', 'score')} "
        f"{limit:g} or less, up to which a text counts as open; {right_committed} of "
        f"{pluralize(len(controls.committed), 'committed one')} {verb_for(right_committed, 'scores', 'score')} "
        f"{rules.committed:g} or more."
    )
    wrong = [
        kind
        for kind, right, total in (
            ("open", right_open, len(controls.open)),
            ("committed", right_committed, len(controls.committed)),
        )
        if right * 2 < total
    ]
    if not wrong:
        return counts
    kinds = " and of the ".join(wrong)
    return f"{counts} The AUC measures only their order: fewer than half of the {kinds} ones are on the right side."


def noise_note(report: Report) -> str | None:
    """What the measured disagreement of the wordings leads to under the rules of the vote; None if not measured."""
    if report.noise is None:
        return None
    noise = report.noise
    return (
        "Under the rules of the vote, and if the wordings err independently, a text that one question should fail "
        f"passes its audit at most {_share(noise.accepted)} of the time (false accept); a good pair is edited "
        f"needlessly {_share(noise.edited)} of the time (false reject), and some vote on it is tied "
        f"{_share(noise.undecided)} of the time; more samples, the flip test or you then decide."
    )


def _share(chance: float) -> str:
    return f"{chance:.2%}" if chance >= 0.00005 else "less than 0.01%"


def _extraction(report: Report) -> str:
    if report.is_sustained:
        return "Extract over the whole response: response[:]. In this mode the tone runs through the text."
    k = report.asked.plan.rules.first_k
    window = f"Extract over the first tokens: response[:{k}]. The trait was tested on this window."
    late = sum(Flag.LATE in flags_of(change) for change in report.changes if is_in_set(change))
    if not late:
        return window
    remedy = verb_for(late, "it, or leave it out", "these, or leave them out")
    return (
        f"{window} {pluralize(late, 'pair')} {verb_for(late, 'is', 'are')} flagged late: take more tokens for {remedy}."
    )


def flap_note(report: Report) -> str | None:
    """What the flap rates imply for a single answer, and what they cannot show; None if none was measured.

    A rate of one half or more is a coin's, from which no error rate follows.
    """
    rates = [rate.k / rate.n for _, rate in report.measured.flaps if rate.n and rate.k / rate.n < 0.5]
    if not rates:
        return None
    error = error_rate(max(rates))
    return (
        f"If the wordings err independently, one answer to the least reliable question is wrong {100 * error:.1f} "
        f"times in 100, and all three answers that an audited text rests on are wrong {_per_million(error**3)}. "
        "This is why there are three wordings. It is an estimate, not a guarantee: an error that all wordings share "
        "causes no disagreement. Only endings labelled by people can show such errors."
    )


def _per_million(share: float) -> str:
    count = round(share * 1_000_000)
    return "less than once in a million" if count < 1 else f"about {count:,} times in a million"
