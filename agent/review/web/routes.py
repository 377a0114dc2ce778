"""What a reviewer does on the page. Each act is stored before its answer is made, or not at all."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from agent.errors import UserError
from agent.review.background_checks import result_message
from agent.review.bulk_approval import BulkKind
from agent.review.labels import ActivityFunction
from agent.review.session import (
    NoDecisionToUndo,
    NotAllowed,
    ReviewSession,
    StaleText,
    undone_message,
)
from agent.review.web.security import MOST_BYTES, SecurityMiddleware
from agent.review.web.view_models import restored
from agent.review.web.views import HERE, ApplyActions, Pages, version_token_of
from agent.schema import Act
from agent.text import pluralize

_AT_ONCE = 1.5  # seconds that a check may take before the page says that it goes on
_CHANGED = (
    "{pair} has changed since you opened it for editing. Nothing was stored. What you typed still stands below: look "
    "at the pair as it is now, then store again."
)

FormFields = Mapping[str, str]


@dataclass(frozen=True)
class PageReply:
    """Fragments of HTML. `status` 409 tells that nothing was done, and why; `relist` that the list is to be made anew.

    `keep` leaves the panel as it is and changes only what lies around it.
    """

    html: str
    status: int = 200
    relist: bool = False
    keep: bool = False


_DONE = {Act.APPROVE: "approved", Act.REJECT: "rejected", Act.DROP: "to be dropped"}


def decide(pages: Pages, number: int, place: int, form: FormFields) -> PageReply:
    """Approve, reject or drop; then the next pair is shown."""
    table = pages.tables[number]
    try:
        card, act = table.card(place), _act(form)
        _require_at_rest(pages, table.trait, card.pair)
        table.session.decide(card.pair, act, form.get("version_token", ""), form.get("note", "").strip())
    except UserError as error:
        return refused(pages, number, place, error)
    after = _next(form, len(table.cards()), place)
    said = f"{card.pair} {_DONE[act]}."
    if after == place:
        said += " No pair of this list is left to decide."
    return PageReply(pages.panel(number, after) + pages.around(number, said, [place]))


def _act(form: FormFields) -> Act:
    try:
        return Act(form.get("act", ""))
    except ValueError:
        raise NotAllowed("That is no decision. Reload the page.") from None


def _require_at_rest(pages: Pages, trait: str, pair: str) -> None:
    if pages.checks.running((trait, pair)):
        raise NotAllowed(f"{pair} is being checked: wait for what is found. Nothing was stored.")


def _next(form: FormFields, size: int, place: int) -> int:
    wanted = form.get("next", "")
    return int(wanted) if wanted.isdecimal() and len(wanted) < 9 and int(wanted) < size else place


def refused(pages: Pages, number: int, place: int, error: Exception) -> PageReply:
    """The pair as it stands now, with why nothing was done."""
    html = pages.panel(number, place, trouble=str(error))
    return PageReply(html + pages.around(number, "Nothing was stored.", [place]), 409)


def edit(pages: Pages, number: int, place: int, form: FormFields) -> PageReply:
    """Store other texts and have them checked. What was typed is never lost."""
    table = pages.tables[number]
    typed = (form.get("positive", ""), form.get("negative", ""))
    card = table.card(place)
    positive, negative = (restored(one, of.text) for one, of in zip(typed, card.ours.sides, strict=True))
    version_token, note = form.get("version_token", ""), form.get("note", "").strip()
    try:
        _require_at_rest(pages, table.trait, card.pair)
        if version_token != card.version_token:
            raise StaleText(_CHANGED.format(pair=card.pair))
        if (positive, negative) == (card.ours.positive.text, card.ours.negative.text):
            raise NotAllowed("You changed nothing: there is nothing to store.")
        table.session.store_edit(card.pair, positive, negative, version_token, note)
    except UserError as error:
        html = pages.panel(number, place, trouble=str(error), typed=typed)
        return PageReply(html + pages.around(number, "Nothing was stored.", [place]), 409)
    if table.session.recheck is not None:
        pages.checks.start((table.trait, card.pair), lambda: table.session.check(card.pair), _AT_ONCE)
    return checked(pages, number, place)


def check(pages: Pages, number: int, place: int) -> PageReply:
    """Check an edit again."""
    table = pages.tables[number]
    card = table.card(place)
    try:
        pages.checks.start((table.trait, card.pair), lambda: table.session.check(card.pair), _AT_ONCE)
    except UserError as error:
        return refused(pages, number, place, error)
    return checked(pages, number, place)


def checked(pages: Pages, number: int, place: int) -> PageReply:
    """The pair with what its check has found, or that it goes on."""
    card = pages.tables[number].card(place)
    said = _found(pages, number, place)
    return PageReply(pages.panel(number, place) + pages.around(number, f"{card.pair}: {said}", [place]))


def _found(pages: Pages, number: int, place: int) -> str:
    table = pages.tables[number]
    card = table.card(place)
    if pages.checks.running((table.trait, card.pair)):
        return "the edit is stored and is being checked."
    return result_message(card)


def undo(pages: Pages, number: int) -> PageReply:
    """Take back this reviewer's last act, and show the pair it was about."""
    table = pages.tables[number]
    try:
        taken = table.session.undo()
    except NoDecisionToUndo as error:
        return PageReply(pages.around(number, str(error)), 409, keep=True)
    first = table.place(taken[0].pair) or 0
    return PageReply(pages.panel(number, first) + pages.around(number, undone_message(taken)), relist=True)


def see(pages: Pages, number: int, place: int, form: FormFields) -> PageReply:
    """Note what the page has brought before the reviewer's eyes; the button that approves all that was seen."""
    table = pages.tables[number]
    table.session.mark_seen(table.card(place).pair, form.get("view_token", ""))
    return PageReply(pages.seen(number))


def approve_bulk(pages: Pages, number: int, many: BulkKind, form: FormFields) -> PageReply:
    """Approve many pairs at once, if they are still those that were listed."""
    table = pages.tables[number]
    try:
        approved = table.session.approve_bulk(many, form.get("version_token", ""))
    except StaleText as error:
        return PageReply(pages.many(number, many, str(error)) + pages.around(number, str(error)), 409)
    left = next((place for place, card in enumerate(table.cards()) if card.is_pending), None)
    shown = pages.empty(number) if left is None else pages.panel(number, left)
    said = f"Approved at once: {pluralize(len(approved), 'pair')}. One undo takes all of it back."
    return PageReply(shown + pages.around(number, said), relist=True)


def apply(pages: Pages, number: int, form: FormFields) -> PageReply:
    """Write what was approved, if it is still what was shown."""
    writer, trait = pages.writer, pages.tables[number].trait
    if writer is None:
        raise NotAllowed("This page cannot write the dataset. Use the command line.")
    plan = writer.plan(trait)
    if form.get("version_token") != version_token_of(plan):
        why = "The decisions or the dataset have changed since you saw this. Nothing was written; look at it again."
        return PageReply(pages.applying(number, why) + pages.around(number, why), 409)
    writer.write(plan)
    said = f"Written: {plan.replaced} changed, {plan.added} added, {plan.removed} removed."
    return PageReply(pages.applying(number, done=said) + pages.around(number, said), relist=True)


def undo_apply(pages: Pages, number: int) -> PageReply:
    """Put back the bytes from before the last apply. Decisions are kept."""
    if pages.writer is None:
        raise NotAllowed("This page cannot write the dataset. Use the command line.")
    when = pages.writer.undo(pages.tables[number].trait)
    said = f"The dataset is as it was before {when[:19].replace('T', ' ')} UTC. Your decisions are kept."
    return PageReply(pages.applying(number, done=said) + pages.around(number, said), relist=True)


_STATIC = {
    "review.css": "text/css",
    "review.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_FIELDS = 16

Handler = Callable[[Request], Awaitable[Response]]
Read = Callable[[Pages, int, int, Mapping[str, str]], str | PageReply]


def create_app(
    sessions: Sequence[ReviewSession],
    token: str,
    writer: ApplyActions | None = None,
    hosts: Collection[str] = (),
    doing: ActivityFunction = lambda: "",
) -> SecurityMiddleware:
    """The review of these sessions, under /{token}/. Without a `writer` the page changes no dataset.

    `hosts` are the names, besides this machine's own, under which it may be asked for. `doing` says what a check that
    goes on is doing.
    """
    if not sessions:
        raise ValueError("There is nothing to review: no session was given.")
    routes = Mount(f"/{token}", routes=_routes(Pages(sessions, writer, doing)))
    return SecurityMiddleware(Starlette(routes=[routes]), token, hosts)


def _routes(pages: Pages) -> list[BaseRoute]:
    def get(path: str, read: Read) -> Route:
        return Route(f"/{{number:int}}/{path}", _answering(pages, read), methods=["GET"])

    def post(path: str, act: Read) -> Route:
        return Route(f"/{{number:int}}/{path}", _answering(pages, act), methods=["POST"])

    return [
        Route("/", _home, methods=["GET"]),
        Route("/static/{name}", _static, methods=["GET"]),
        get("", _whole),
        get("list", lambda p, n, at, query: p.rows(n, query)),
        get("progress", lambda p, n, at, query: PageReply(p.around(n, "", p.checked(n)), keep=True)),
        get("unflagged", lambda p, n, at, query: p.many(n, BulkKind.UNFLAGGED)),
        get("seen", lambda p, n, at, query: p.many(n, BulkKind.SEEN)),
        get("apply", lambda p, n, at, query: p.applying(n)),
        get("pair/{place:int}", lambda p, n, at, query: p.panel(n, at)),
        get("pair/{place:int}/edit", lambda p, n, at, query: p.editor(n, at)),
        get("pair/{place:int}/checked", _checked),
        post("pair/{place:int}/decide", decide),
        post("pair/{place:int}/edit", edit),
        post("pair/{place:int}/check", lambda p, n, at, form: check(p, n, at)),
        post("undo", lambda p, n, at, form: undo(p, n)),
        post("pair/{place:int}/seen", see),
        post("unflagged", lambda p, n, at, form: approve_bulk(p, n, BulkKind.UNFLAGGED, form)),
        post("seen", lambda p, n, at, form: approve_bulk(p, n, BulkKind.SEEN, form)),
        post("apply", lambda p, n, at, form: apply(p, n, form)),
        post("apply/undo", lambda p, n, at, form: undo_apply(p, n)),
    ]


def _whole(pages: Pages, number: int, place: int, query: Mapping[str, str]) -> PageReply:
    try:
        return PageReply(pages.whole(number, query))
    except UserError as error:
        return PageReply(pages.trouble(str(error), whole=True), 409)


def _checked(pages: Pages, number: int, place: int, query: Mapping[str, str]) -> PageReply:
    table = pages.tables[number]
    if pages.checks.running((table.trait, table.card(place).pair)):
        return PageReply(pages.around(number, "", [place], checking=True), keep=True)
    return checked(pages, number, place)


def _answering(pages: Pages, work: Read) -> Handler:
    """A handler that reads its form, works off the event loop, and tells trouble in sentences."""

    async def handler(request: Request) -> Response:
        number, place = request.path_params["number"], request.path_params.get("place", -1)
        if number >= len(pages.tables):
            return PlainTextResponse("There is no such trait here.\n", 404)
        try:
            form = await _form(request) if request.method == "POST" else dict(request.query_params)
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", 400)
        return _response(await run_in_threadpool(_worked, pages, work, number, place, form))

    return handler


def _worked(pages: Pages, work: Read, number: int, place: int, form: Mapping[str, str]) -> PageReply:
    try:
        made = work(pages, number, place, form)
    except UserError as error:
        return PageReply(pages.trouble(str(error)), 409)
    return made if isinstance(made, PageReply) else PageReply(made)


def _response(answer: PageReply) -> Response:
    headers = {"HX-Trigger": "relist"} if answer.relist else {}
    headers |= {"HX-Reswap": "none"} if answer.keep else {}
    return HTMLResponse(answer.html, answer.status, headers)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form. Raises ValueError where it is none that the page sends."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise ValueError("The page sends its forms in another way.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise ValueError("That is more text than a pair can hold.")
    return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict"))


async def _home(request: Request) -> Response:
    return RedirectResponse("0/")


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        return PlainTextResponse("There is no such file.\n", 404)
    return FileResponse(HERE / "static" / name, media_type=_STATIC[name])
