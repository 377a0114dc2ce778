"""Security middleware of the review page: token, host and origin checks, strict response headers."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_FORM_BYTES = 8 << 20  # two texts of a megabyte fit, percent-encoded

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_READS = frozenset(("GET", "HEAD"))


def new_token() -> str:
    """An unguessable part of the page's address: 24 random bytes, URL-safe."""
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Whether an address or name is a loopback one."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class SecurityMiddleware:
    """Refuses requests that do not come from the page itself, and sets strict headers on every response.

    Host names other than loopback ones are refused (DNS rebinding), except `hosts`, under which the page is served on
    purpose. `token` is the first part of every path: no cookie is needed, which the browser would also send to other
    programs on this machine's ports.
    """

    app: ASGIApp
    token: str
    hosts: Collection[str] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # no web sockets and no lifespan events

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        reason = self._refusal_reason(scope)
        if reason is None:
            await self.app(scope, receive, send_with_headers)
        else:
            await PlainTextResponse(f"Refused: {reason}\n", 403)(scope, receive, send_with_headers)

    def _refusal_reason(self, scope: Scope) -> str | None:
        """Why a request is refused; None if it is allowed."""
        headers, method = Headers(scope=scope), scope["method"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_allowed_host(hosts[0]):
            return "this page is served under its own address only."
        if not self._has_token(scope["path"]):
            return "the token is missing from the address. Copy the whole address that the terminal shows."
        if method not in _READS and method != "POST":
            return "only GET and POST are supported."
        return self._foreign_reason(headers, reads=method in _READS, own_origin=f"http://{hosts[0]}")

    def _foreign_reason(self, headers: Headers, reads: bool, own_origin: str) -> str | None:
        """Why a request seems to come from another page. A POST must prove by its origin that it does not."""
        site, origins = headers.get("sec-fetch-site"), headers.getlist("origin")
        if site is not None and site not in (("same-origin", "none") if reads else ("same-origin",)):
            return "the request comes from another page. Open the address that the terminal shows in a new tab."
        if origins != [own_origin] and (origins or not reads):
            return "the request comes from another page, or names no origin."
        return None

    def _is_allowed_host(self, host: str) -> bool:
        name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
        name, port = (name, port) if name else (port, "")
        name = name.removeprefix("[").removesuffix("]") if name.startswith("[") else name
        return (is_loopback(name) or name in self.hosts) and (not port or port.isdigit())

    def _has_token(self, path: str) -> bool:
        first = path.removeprefix("/").partition("/")[0]
        return secrets.compare_digest(first.encode("utf-8", "replace"), self.token.encode())
