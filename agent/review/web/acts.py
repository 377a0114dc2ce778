"""What a reviewer does on the page. Each act is stored before its answer is made, or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.record.decisions import DecisionError
from agent.record.layout import DatasetError
from agent.review.batch import Many
from agent.review.cards import after_failing
from agent.review.desk import DeskError, NotAllowed, NothingToUndo, StaleText, taken_back
from agent.review.journal import ApplyError
from agent.review.web.editing import restored
from agent.review.web.pages import Pages
from agent.review.web.writing import seal_of
from agent.schema import Act, Outcome
from agent.schema.counting import counted

TROUBLE = (DeskError, DecisionError, DatasetError, ApplyError)
_AT_ONCE = 1.5  # seconds that a check may take before the page says that it goes on
_CHANGED = (
    "{pair} has changed since you opened it for editing. Nothing was stored. What you typed still stands below: look "
    "at the pair as it is now, then store again."
)

Form = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """Fragments of HTML. `status` 409 tells that nothing was done, and why; `relist` that the list is to be made anew.

    `keep` leaves the panel as it is and changes only what lies around it.
    """

    html: str
    status: int = 200
    relist: bool = False
    keep: bool = False


_DONE = {Act.APPROVE: "approved", Act.REJECT: "rejected", Act.DROP: "to be dropped"}


def decide(pages: Pages, number: int, place: int, form: Form) -> Answer:
    """Approve, reject or drop; then the next pair is shown."""
    table = pages.tables[number]
    try:
        card, act = table.card(place), _act(form)
        _require_at_rest(pages, table.trait, card.pair)
        table.desk.decide(card.pair, act, form.get("seal", ""), form.get("note", "").strip())
    except TROUBLE as error:
        return refused(pages, number, place, error)
    after = _next(form, len(table.cards()), place)
    said = f"{card.pair} {_DONE[act]}."
    if after == place:
        said += " No pair of this list is left to decide."
    return Answer(pages.panel(number, after) + pages.around(number, said, [place]))


def _act(form: Form) -> Act:
    try:
        return Act(form.get("act", ""))
    except ValueError:
        raise NotAllowed("That is no decision. Reload the page.") from None


def _require_at_rest(pages: Pages, trait: str, pair: str) -> None:
    if pages.checks.running((trait, pair)):
        raise NotAllowed(f"{pair} is being checked: wait for what is found. Nothing was stored.")


def _next(form: Form, size: int, place: int) -> int:
    wanted = form.get("next", "")
    return int(wanted) if wanted.isdecimal() and len(wanted) < 9 and int(wanted) < size else place


def refused(pages: Pages, number: int, place: int, error: Exception) -> Answer:
    """The pair as it stands now, with why nothing was done."""
    html = pages.panel(number, place, trouble=str(error))
    return Answer(html + pages.around(number, "Nothing was stored.", [place]), 409)


def edit(pages: Pages, number: int, place: int, form: Form) -> Answer:
    """Store other texts and have them checked. What was typed is never lost."""
    table = pages.tables[number]
    typed = (form.get("positive", ""), form.get("negative", ""))
    card = table.card(place)
    positive, negative = (restored(one, of.text) for one, of in zip(typed, card.ours.sides, strict=True))
    seal, note = form.get("seal", ""), form.get("note", "").strip()
    try:
        _require_at_rest(pages, table.trait, card.pair)
        if seal != card.seal:
            raise StaleText(_CHANGED.format(pair=card.pair))
        if (positive, negative) == (card.ours.positive.text, card.ours.negative.text):
            raise NotAllowed("You changed nothing: there is nothing to store.")
        table.desk.store_edit(card.pair, positive, negative, seal, note)
    except TROUBLE as error:
        html = pages.panel(number, place, trouble=str(error), typed=typed)
        return Answer(html + pages.around(number, "Nothing was stored.", [place]), 409)
    if table.desk.recheck is not None:
        pages.checks.start((table.trait, card.pair), lambda: table.desk.check(card.pair), _AT_ONCE)
    return checked(pages, number, place)


def check(pages: Pages, number: int, place: int) -> Answer:
    """Check an edit again."""
    table = pages.tables[number]
    card = table.card(place)
    try:
        pages.checks.start((table.trait, card.pair), lambda: table.desk.check(card.pair), _AT_ONCE)
    except TROUBLE as error:
        return refused(pages, number, place, error)
    return checked(pages, number, place)


def checked(pages: Pages, number: int, place: int) -> Answer:
    """The pair with what its check has found, or that it goes on."""
    card = pages.tables[number].card(place)
    said = _found(pages, number, place)
    return Answer(pages.panel(number, place) + pages.around(number, f"{card.pair}: {said}", [place]))


def _found(pages: Pages, number: int, place: int) -> str:
    table = pages.tables[number]
    card = table.card(place)
    if pages.checks.running((table.trait, card.pair)):
        return "the edit is stored and is being checked."
    if card.edited and card.waits and card.outcome is Outcome.PASS:
        return "the edit passed its check. Approve it with a."
    if card.edited and card.waits and card.outcome is Outcome.FAIL:
        return f"the edit is stored, but fails its check: {after_failing(card)}."
    return "the edit is stored, but not checked."


def undo(pages: Pages, number: int) -> Answer:
    """Take back this reviewer's last act, and show the pair it was about."""
    table = pages.tables[number]
    try:
        taken = table.desk.undo()
    except NothingToUndo as error:
        return Answer(pages.around(number, str(error)), 409, keep=True)
    first = table.place(taken[0].pair) or 0
    return Answer(pages.panel(number, first) + pages.around(number, taken_back(taken)), relist=True)


def see(pages: Pages, number: int, place: int, form: Form) -> Answer:
    """Note what the page has brought before the reviewer's eyes; the button that approves all that was seen."""
    table = pages.tables[number]
    table.desk.see(table.card(place).pair, form.get("sight", ""))
    return Answer(pages.seen(number))


def approve_many(pages: Pages, number: int, many: Many, form: Form) -> Answer:
    """Approve many pairs at once, if they are still those that were listed."""
    table = pages.tables[number]
    try:
        approved = table.desk.approve_many(many, form.get("seal", ""))
    except StaleText as error:
        return Answer(pages.many(number, many, str(error)) + pages.around(number, str(error)), 409)
    left = next((place for place, card in enumerate(table.cards()) if card.waits), None)
    shown = pages.empty(number) if left is None else pages.panel(number, left)
    said = f"Approved at once: {counted(len(approved), 'pair')}. One undo takes all of it back."
    return Answer(shown + pages.around(number, said), relist=True)


def apply(pages: Pages, number: int, form: Form) -> Answer:
    """Write what was approved, if it is still what was shown."""
    writer, trait = pages.writer, pages.tables[number].trait
    if writer is None:
        raise NotAllowed("This page cannot write the dataset. Use the command line.")
    plan = writer.plan(trait)
    if form.get("seal") != seal_of(plan):
        why = "The decisions or the dataset have changed since you saw this. Nothing was written; look at it again."
        return Answer(pages.applying(number, why) + pages.around(number, why), 409)
    writer.write(plan)
    said = f"Written: {plan.replaced} changed, {plan.added} added, {plan.removed} removed."
    return Answer(pages.applying(number, done=said) + pages.around(number, said), relist=True)


def undo_apply(pages: Pages, number: int) -> Answer:
    """Put back the bytes from before the last apply. Decisions are kept."""
    if pages.writer is None:
        raise NotAllowed("This page cannot write the dataset. Use the command line.")
    when = pages.writer.undo(pages.tables[number].trait)
    said = f"The dataset is as it was before {when[:19].replace('T', ' ')} UTC. Your decisions are kept."
    return Answer(pages.applying(number, done=said) + pages.around(number, said), relist=True)
