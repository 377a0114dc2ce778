"""Both sides of a pair: the texts before and after word by word, their continuations, scores and way; or a conflict."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.review.cards import Card
from agent.review.proposal import Proposal, SideChange, TextEvidence, Version
from agent.review.report.model import twin_note
from agent.review.terminal.words import ADDED, BAD, GONE, LABEL, OUTCOMES, QUIET, continued, marked, plain
from agent.review.text_diff import compare
from agent.schema import Depth, Mode, Outcome, Polarity, Question, Rung, Scenario

ASKED = {
    Question.FORECAST: "S",
    Question.RESPONSE: "J",
    Question.OPENING: "J of the opening",
    Question.C0: "C0",
    Question.C5: "C5",
}
_DEPTHS = {Depth.FIRST: "examined once", Depth.CONFIRM: "confirmed", Depth.AUDIT: "audited"}


def sides(card: Card, proposal: Proposal, three: bool) -> RenderableType:
    """Both sides with their evidence or, with `three`, as base, theirs and ours."""
    shown: list[RenderableType] = []
    for number, polarity in enumerate(Polarity):
        found = card.evidence[number]
        shown += [Text(), _title(polarity, found)]
        shown.append(_three_ways(card, number) if three else _side(card, proposal, number))
    return Group(*shown)


def _title(polarity: Polarity, found: TextEvidence | None) -> Text:
    text = Text(f"{polarity.value.upper()} ", "bold")
    if found is None:
        return text.append(" not examined", OUTCOMES[Outcome.UNJUDGED])
    return text.append(f" {found.outcome.value}", OUTCOMES[found.outcome])


def _side(card: Card, proposal: Proposal, number: int) -> Table:
    """The text before, where there was another; the text at stake; each with its continuation; then the numbers."""
    change, ours, found = card.change.sides[number], card.ours.sides[number], card.evidence[number]
    before = change.before if change.before is not None and change.before.key != ours.key else None
    gone, added = compare(before.text, ours.text) if before else ([], [])
    table = _grid()
    if before:
        span = before.evidence.span if before.evidence else None
        table.add_row("before", marked(before.text, gone, GONE, span))
        table.add_row("went on", continued(before.evidence))
    if card.edited and change.after.key != ours.key:
        table.add_row("the run's", plain(change.after.text, QUIET))
    table.add_row(_name(card, change, before), marked(ours.text, added, ADDED, found.span if found else None))
    table.add_row("goes on", continued(found))
    _add_systems(table, before, ours)
    scores = _scores(proposal, change.polarity, before.evidence if before else None, found)
    if scores:
        table.add_row("scores", scores)
    how = " · ".join(_how(change.rungs, found, twin_note(card.change, change)))
    if how:
        table.add_row("", Text(how, QUIET))
    return table


def _name(card: Card, change: SideChange, before: Version | None) -> str:
    if card.is_removal:
        return "leaves"
    if before:
        return "edited" if card.edited else "after"
    return "as it is" if change.before else "new"


def _add_systems(table: Table, before: Version | None, ours: Scenario) -> None:
    """System prompts, where there are any."""
    if before and before.system_prompt and before.system_prompt != ours.system_prompt:
        table.add_row("system", plain(before.system_prompt, GONE))
    if ours.system_prompt:
        table.add_row("system", plain(ours.system_prompt))


def needs(proposal: Proposal, polarity: Polarity) -> dict[Question, tuple[str, float]]:
    """What a score is held to in this mode: (≥ or ≤, the threshold), by question."""
    rules, positive = proposal.rules, polarity is Polarity.POSITIVE
    own = ("≥", rules.pos_threshold) if positive else ("≤", rules.neg_threshold)
    held = {Question.FORECAST: own, Question.RESPONSE: own}
    if proposal.mode is Mode.SUSTAINED:
        return held | {Question.OPENING: own}
    return held | {Question.C0: ("≤", rules.limit(proposal.mode)), Question.C5: ("≥", rules.committed)}


def _scores(proposal: Proposal, polarity: Polarity, old: TextEvidence | None, new: TextEvidence | None) -> Text:
    """Each score, before → after, red where it misses what is needed, which stands beside it.

    What is only recorded, as the commitment of a text whose tone may show already, is no criterion.
    """
    held, text = needs(proposal, polarity), Text()
    for question, name in ASKED.items():
        was, now = (found.score(question) if found else None for found in (old, new))
        if was is None and now is None:
            continue
        text.append(f"{'   ' if text else ''}{name} ", LABEL)
        for place, score in enumerate(s for s in (was, now) if s is not None):
            text.append(" → " if place else "", LABEL).append(f"{score:.0f}", _colour(score, held.get(question)))
        text.append(" {}{:g}".format(*held[question]) if question in held else " (no criterion)", QUIET)
    return text


def _colour(score: float, need: tuple[str, float] | None) -> str:
    if need is None:
        return "default"
    sign, limit = need
    return "bold" if (score >= limit if sign == "≥" else score <= limit) else f"bold {BAD}"


def _how(rungs: Sequence[Rung], found: TextEvidence | None, twin: str) -> Iterator[str]:
    if found is not None:
        yield _DEPTHS[found.depth]
        if found.lock_in is not None:
            yield "lock-in {} of {} samples".format(*found.lock_in)
        if found.flip is not None and found.flip.value is not None:
            yield f"flip test {found.flip.value:+.2f}"
    if rungs:
        yield f"ladder: {', then '.join(rungs)}"
    if twin:
        yield twin


def _three_ways(card: Card, number: int) -> Table:
    """What the run saw, what the dataset has now, and what would take its place."""
    base, ours = card.change.sides[number].before, card.ours.sides[number]
    theirs = card.now.sides[number].text if card.now else None
    root = base.text if base else ""
    table = _grid()
    table.add_row("base", plain(root) if base else Text("there was none", QUIET))
    table.add_row(
        "theirs", Text("removed", BAD) if theirs is None else marked(theirs, compare(root, theirs)[1], ADDED, None)
    )
    table.add_row("ours", marked(ours.text, compare(root, ours.text)[1], ADDED, None))
    return table


def _grid() -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=9, style=LABEL, justify="right", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    return table
