"""The page's addresses. Whoever wants to act has to post; every answer comes from what lies on the disk then."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from agent.review.batch import Many
from agent.review.desk import Desk
from agent.review.web import acts
from agent.review.web.acts import TROUBLE, Answer
from agent.review.web.pages import HERE, Pages
from agent.review.web.safety import MOST_BYTES, Guard
from agent.review.web.words import Doing
from agent.review.web.writing import Writer

_STATIC = {
    "review.css": "text/css",
    "review.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_FIELDS = 16

Handler = Callable[[Request], Awaitable[Response]]
Read = Callable[[Pages, int, int, Mapping[str, str]], str | Answer]


def create_app(
    desks: Sequence[Desk],
    token: str,
    writer: Writer | None = None,
    hosts: Collection[str] = (),
    doing: Doing = lambda: "",
) -> Guard:
    """The review of these desks, under /{token}/. Without a `writer` the page changes no dataset.

    `hosts` are the names, besides this machine's own, under which it may be asked for. `doing` says what a check that
    goes on is doing.
    """
    if not desks:
        raise ValueError("There is nothing to review: no desk was given.")
    routes = Mount(f"/{token}", routes=_routes(Pages(desks, writer, doing)))
    return Guard(Starlette(routes=[routes]), token, hosts)


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
        get("progress", lambda p, n, at, query: Answer(p.around(n, "", p.checked(n)), keep=True)),
        get("unflagged", lambda p, n, at, query: p.many(n, Many.UNFLAGGED)),
        get("seen", lambda p, n, at, query: p.many(n, Many.SEEN)),
        get("apply", lambda p, n, at, query: p.applying(n)),
        get("pair/{place:int}", lambda p, n, at, query: p.panel(n, at)),
        get("pair/{place:int}/edit", lambda p, n, at, query: p.editor(n, at)),
        get("pair/{place:int}/checked", _checked),
        post("pair/{place:int}/decide", acts.decide),
        post("pair/{place:int}/edit", acts.edit),
        post("pair/{place:int}/check", lambda p, n, at, form: acts.check(p, n, at)),
        post("undo", lambda p, n, at, form: acts.undo(p, n)),
        post("pair/{place:int}/seen", acts.see),
        post("unflagged", lambda p, n, at, form: acts.approve_many(p, n, Many.UNFLAGGED, form)),
        post("seen", lambda p, n, at, form: acts.approve_many(p, n, Many.SEEN, form)),
        post("apply", lambda p, n, at, form: acts.apply(p, n, form)),
        post("apply/undo", lambda p, n, at, form: acts.undo_apply(p, n)),
    ]


def _whole(pages: Pages, number: int, place: int, query: Mapping[str, str]) -> Answer:
    try:
        return Answer(pages.whole(number, query))
    except TROUBLE as error:
        return Answer(pages.trouble(str(error), whole=True), 409)


def _checked(pages: Pages, number: int, place: int, query: Mapping[str, str]) -> Answer:
    table = pages.tables[number]
    if pages.checks.running((table.trait, table.card(place).pair)):
        return Answer(pages.around(number, "", [place], checking=True), keep=True)
    return acts.checked(pages, number, place)


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


def _worked(pages: Pages, work: Read, number: int, place: int, form: Mapping[str, str]) -> Answer:
    try:
        made = work(pages, number, place, form)
    except TROUBLE as error:
        return Answer(pages.trouble(str(error)), 409)
    return made if isinstance(made, Answer) else Answer(made)


def _response(answer: Answer) -> Response:
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
