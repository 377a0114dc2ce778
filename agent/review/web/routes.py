"""HTTP routes of the review page and what they do to a session."""

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
from agent.review.labels import DECISIONS, ActivityFunction
from agent.review.session import BulkKind, NoDecisionToUndo, NotAllowed, ReviewSession, StaleText, undone_message
from agent.review.web.security import MAX_FORM_BYTES, SecurityMiddleware
from agent.review.web.view_models import restored
from agent.review.web.views import HERE, ApplyActions, Pages, version_token_of
from agent.schema import Act
from agent.text import pluralize

_CHECK_WAIT = 1.5  # seconds a reply waits for a check before it says that the check continues; chosen by judgement
_CHANGED = (
    "{pair} has changed since you opened it for editing. Nothing was stored. Your text is kept below: review the pair "
    "as it is now, then save again."
)

FormFields = Mapping[str, str]


@dataclass(frozen=True)
class PageReply:
    """Fragments of HTML. `status` 409 means that nothing was done, for the reason shown.

    `refresh_list` has the page reload the list; `keep_panel` replaces only the fragments outside the panel.
    """

    html: str
    status: int = 200
    refresh_list: bool = False
    keep_panel: bool = False


def decide(pages: Pages, trait: int, index: int, form: FormFields) -> PageReply:
    """Approve, reject or drop a pair; then show the next one."""
    view = pages.traits[trait]
    try:
        card, act = view.card(index), _act(form)
        _require_no_check(pages, view.name, card.pair)
        view.session.decide(card.pair, act, form.get("version_token", ""), form.get("note", "").strip())
    except UserError as error:
        return refused(pages, trait, index, error)
    shown = _next_index(form, len(view.cards()), index)
    message = f"{card.pair} {DECISIONS[act]}."
    if shown == index:
        message += " No pair of this list is left to decide."
    return PageReply(pages.panel(trait, shown) + pages.updates(trait, message, [index]))


def _act(form: FormFields) -> Act:
    try:
        return Act(form.get("act", ""))
    except ValueError:
        raise NotAllowed("That is not a decision. Reload the page.") from None


def _require_no_check(pages: Pages, trait: str, pair: str) -> None:
    if pages.checks.running((trait, pair)):
        raise NotAllowed(f"{pair} is being checked. Nothing was stored; wait for the result.")


def _next_index(form: FormFields, size: int, index: int) -> int:
    """The pair that the page asks for next; this one if the field holds no valid number."""
    wanted = form.get("next", "")
    return int(wanted) if wanted.isdecimal() and len(wanted) < 9 and int(wanted) < size else index


def refused(pages: Pages, trait: int, index: int, error: UserError, typed: tuple[str, str] | None = None) -> PageReply:
    """The pair as it is now, with the reason why nothing was done; `typed` texts stay in their fields."""
    html = pages.panel(trait, index, error=str(error), typed=typed)
    return PageReply(html + pages.updates(trait, "Nothing was stored.", [index]), 409)


def edit(pages: Pages, trait: int, index: int, form: FormFields) -> PageReply:
    """Store other texts and check them. Typed texts are never lost."""
    view = pages.traits[trait]
    typed = (form.get("positive", ""), form.get("negative", ""))
    card = view.card(index)
    positive, negative = (restored(text, side.text) for text, side in zip(typed, card.ours.sides, strict=True))
    version_token, note = form.get("version_token", ""), form.get("note", "").strip()
    try:
        _require_no_check(pages, view.name, card.pair)
        if version_token != card.version_token:
            raise StaleText(_CHANGED.format(pair=card.pair))
        if (positive, negative) == (card.ours.positive.text, card.ours.negative.text):
            raise NotAllowed("The texts are unchanged. Nothing was stored.")
        view.session.store_edit(card.pair, positive, negative, version_token, note)
    except UserError as error:
        return refused(pages, trait, index, error, typed)
    if view.session.recheck is not None:
        pages.checks.start((view.name, card.pair), lambda: view.session.check(card.pair), _CHECK_WAIT)
    return check_result(pages, trait, index)


def check(pages: Pages, trait: int, index: int) -> PageReply:
    """Check an edit again."""
    view = pages.traits[trait]
    card = view.card(index)
    try:
        pages.checks.start((view.name, card.pair), lambda: view.session.check(card.pair), _CHECK_WAIT)
    except UserError as error:
        return refused(pages, trait, index, error)
    return check_result(pages, trait, index)


def check_result(pages: Pages, trait: int, index: int) -> PageReply:
    """The pair with the result of its check, or the message that the check continues."""
    card = pages.traits[trait].card(index)
    message = f"{card.pair}: {_check_message(pages, trait, index)}"
    return PageReply(pages.panel(trait, index) + pages.updates(trait, message, [index]))


def _check_message(pages: Pages, trait: int, index: int) -> str:
    view = pages.traits[trait]
    card = view.card(index)
    if pages.checks.running((view.name, card.pair)):
        return "the edit is stored and is being checked."
    return result_message(card)


def undo(pages: Pages, trait: int) -> PageReply:
    """Take back this reviewer's last decision, and show the pair it was about."""
    view = pages.traits[trait]
    try:
        undone = view.session.undo()
    except NoDecisionToUndo as error:
        return PageReply(pages.updates(trait, str(error)), 409, keep_panel=True)
    first = view.index(undone[0].pair) or 0
    return PageReply(pages.panel(trait, first) + pages.updates(trait, undone_message(undone)), refresh_list=True)


def mark_seen(pages: Pages, trait: int, index: int, form: FormFields) -> PageReply:
    """Record that a pair was on the screen; the reply is the button that approves all seen pairs."""
    view = pages.traits[trait]
    view.session.mark_seen(view.card(index).pair, form.get("view_token", ""))
    return PageReply(pages.seen_button(trait))


def approve_bulk(pages: Pages, trait: int, kind: BulkKind, form: FormFields) -> PageReply:
    """Approve many pairs at once, if they are still those that were listed."""
    view = pages.traits[trait]
    try:
        approved = view.session.approve_bulk(kind, form.get("version_token", ""))
    except StaleText as error:
        return PageReply(pages.bulk_dialog(trait, kind, str(error)) + pages.updates(trait, str(error)), 409)
    pending = next((index for index, card in enumerate(view.cards()) if card.is_pending), None)
    panel = pages.no_selection(trait) if pending is None else pages.panel(trait, pending)
    message = f"Approved: {pluralize(len(approved), 'pair')}. Undo takes back all of them."
    return PageReply(panel + pages.updates(trait, message), refresh_list=True)


def apply(pages: Pages, trait: int, form: FormFields) -> PageReply:
    """Write the approved changes to the dataset, if they are still those that were shown."""
    actions = pages.apply_actions
    if actions is None:
        raise NotAllowed(_READ_ONLY)
    plan = actions.plan(pages.traits[trait].name)
    if form.get("version_token") != version_token_of(plan):
        error = "The decisions or the dataset have changed since this was shown. Nothing was written; review it again."
        return PageReply(pages.apply_dialog(trait, error) + pages.updates(trait, error), 409)
    actions.write(plan)
    message = f"Written: {plan.replaced} changed, {plan.added} added, {plan.removed} removed."
    return PageReply(pages.apply_dialog(trait, done=message) + pages.updates(trait, message), refresh_list=True)


def undo_apply(pages: Pages, trait: int) -> PageReply:
    """Restore the files from before the last apply. Decisions are kept."""
    if pages.apply_actions is None:
        raise NotAllowed(_READ_ONLY)
    when = pages.apply_actions.undo(pages.traits[trait].name)
    message = f"The dataset is restored to {when[:19].replace('T', ' ')} UTC. Your decisions are kept."
    return PageReply(pages.apply_dialog(trait, done=message) + pages.updates(trait, message), refresh_list=True)


_READ_ONLY = "This page cannot write the dataset. Use `cliffhanger apply`."

_STATIC = {
    "review.css": "text/css",
    "review.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_MAX_FIELDS = 16  # of one form; the page sends at most 5

Handler = Callable[[Request], Awaitable[Response]]
Action = Callable[[Pages, int, int, Mapping[str, str]], str | PageReply]  # pages, trait, index of the pair, fields


def create_app(
    sessions: Sequence[ReviewSession],
    token: str,
    apply_actions: ApplyActions | None = None,
    hosts: Collection[str] = (),
    activity: ActivityFunction = lambda: "",
) -> SecurityMiddleware:
    """The review of these sessions, under /{token}/. Without `apply_actions` the page changes no dataset.

    `hosts` are names other than this machine's own under which the page may be requested. `activity` says what a
    running check is doing.
    """
    if not sessions:
        raise ValueError("There is nothing to review: no session was given.")
    routes = Mount(f"/{token}", routes=_routes(Pages(sessions, apply_actions, activity)))
    return SecurityMiddleware(Starlette(routes=[routes]), token, hosts)


def _routes(pages: Pages) -> list[BaseRoute]:
    def get(path: str, action: Action) -> Route:
        return Route(f"/{{trait:int}}/{path}", _handler(pages, action), methods=["GET"])

    def post(path: str, action: Action) -> Route:
        return Route(f"/{{trait:int}}/{path}", _handler(pages, action), methods=["POST"])

    return [
        Route("/", _home, methods=["GET"]),
        Route("/static/{name}", _static, methods=["GET"]),
        get("", _page),
        get("list", lambda p, t, i, query: p.rows(t, query)),
        get("progress", lambda p, t, i, query: PageReply(p.updates(t, "", p.checked_pairs(t)), keep_panel=True)),
        get("unflagged", lambda p, t, i, query: p.bulk_dialog(t, BulkKind.UNFLAGGED)),
        get("seen", lambda p, t, i, query: p.bulk_dialog(t, BulkKind.SEEN)),
        get("apply", lambda p, t, i, query: p.apply_dialog(t)),
        get("pair/{index:int}", lambda p, t, i, query: p.panel(t, i)),
        get("pair/{index:int}/edit", lambda p, t, i, query: p.editor(t, i)),
        get("pair/{index:int}/checked", _checked),
        post("pair/{index:int}/decide", decide),
        post("pair/{index:int}/edit", edit),
        post("pair/{index:int}/check", lambda p, t, i, form: check(p, t, i)),
        post("undo", lambda p, t, i, form: undo(p, t)),
        post("pair/{index:int}/seen", mark_seen),
        post("unflagged", lambda p, t, i, form: approve_bulk(p, t, BulkKind.UNFLAGGED, form)),
        post("seen", lambda p, t, i, form: approve_bulk(p, t, BulkKind.SEEN, form)),
        post("apply", lambda p, t, i, form: apply(p, t, form)),
        post("apply/undo", lambda p, t, i, form: undo_apply(p, t)),
    ]


def _page(pages: Pages, trait: int, index: int, query: Mapping[str, str]) -> PageReply:
    try:
        return PageReply(pages.page(trait, query))
    except UserError as error:
        return PageReply(pages.error(str(error), whole=True), 409)


def _checked(pages: Pages, trait: int, index: int, query: Mapping[str, str]) -> PageReply:
    view = pages.traits[trait]
    if pages.checks.running((view.name, view.card(index).pair)):
        return PageReply(pages.updates(trait, "", [index], checking=True), keep_panel=True)
    return check_result(pages, trait, index)


def _handler(pages: Pages, action: Action) -> Handler:
    async def handler(request: Request) -> Response:
        trait, index = request.path_params["trait"], request.path_params.get("index", -1)
        if trait >= len(pages.traits):
            return PlainTextResponse("There is no such trait here.\n", 404)
        try:
            form = await _form(request) if request.method == "POST" else dict(request.query_params)
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", 400)
        return _response(await run_in_threadpool(_run, pages, action, trait, index, form))

    return handler


def _run(pages: Pages, action: Action, trait: int, index: int, form: Mapping[str, str]) -> PageReply:
    try:
        reply = action(pages, trait, index, form)
    except UserError as error:
        return PageReply(pages.error(str(error)), 409)
    return reply if isinstance(reply, PageReply) else PageReply(reply)


def _response(reply: PageReply) -> Response:
    headers = {"HX-Trigger": "refresh-list"} if reply.refresh_list else {}
    headers |= {"HX-Reswap": "none"} if reply.keep_panel else {}
    return HTMLResponse(reply.html, reply.status, headers)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form. Raises ValueError for a body that the page does not send."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise ValueError("The request is not a URL-encoded form.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise ValueError("The form is larger than a pair can be.")
    return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict"))


async def _home(request: Request) -> Response:
    return RedirectResponse("0/")


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        return PlainTextResponse("There is no such file.\n", 404)
    return FileResponse(HERE / "static" / name, media_type=_STATIC[name])
