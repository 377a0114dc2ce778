"""HTTP routes of the review page: reads forms, runs actions in a thread pool, turns errors into sentences."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from agent.errors import UserError
from agent.review.bulk_approval import BulkKind
from agent.review.labels import ActivityFunction
from agent.review.session import ReviewSession
from agent.review.web import actions
from agent.review.web.actions import PageReply
from agent.review.web.security import MAX_FORM_BYTES, SecurityMiddleware
from agent.review.web.views import HERE, ApplyActions, Pages

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
        post("pair/{index:int}/decide", actions.decide),
        post("pair/{index:int}/edit", actions.edit),
        post("pair/{index:int}/check", lambda p, t, i, form: actions.check(p, t, i)),
        post("undo", lambda p, t, i, form: actions.undo(p, t)),
        post("pair/{index:int}/seen", actions.mark_seen),
        post("unflagged", lambda p, t, i, form: actions.approve_bulk(p, t, BulkKind.UNFLAGGED, form)),
        post("seen", lambda p, t, i, form: actions.approve_bulk(p, t, BulkKind.SEEN, form)),
        post("apply", lambda p, t, i, form: actions.apply(p, t, form)),
        post("apply/undo", lambda p, t, i, form: actions.undo_apply(p, t)),
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
    return actions.check_result(pages, trait, index)


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
