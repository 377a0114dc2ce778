"""Who may speak to the page: whoever holds its address, from the page itself, on this machine. Nobody else."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 8 << 20  # of one form; two texts of a megabyte in percent signs fit in

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
    """Part of an address that nobody guesses."""
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class SecurityMiddleware:
    """Lets through what comes from the page itself, and puts the same strict headers on every answer.

    A name that is not this machine's own could be led here by whoever owns it (DNS rebinding): `hosts` are the names
    under which the page was told to be found besides. `token` stands first in every path, so no cookie is needed, and
    nothing that another program on this machine's ports could be sent by the browser.
    """

    app: ASGIApp
    token: str
    hosts: Collection[str] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # nothing here speaks over web sockets, and nothing starts or ends with the server

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        why = self._refusal(scope)
        if why is None:
            await self.app(scope, receive, send_with_headers)
        else:
            await PlainTextResponse(f"Refused: {why}\n", 403)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> str | None:
        """Why a request is turned away; None for one that may pass."""
        headers, method = Headers(scope=scope), scope["method"]
        named = headers.getlist("host")
        if len(named) != 1 or not self._is_ours(named[0]):
            return "this page answers under its own address only."
        if not self._has_token(scope["path"]):
            return "the address lacks its token. Copy the whole address that the terminal shows."
        if method not in _READS and method != "POST":
            return "only GET and POST are known here."
        return self._foreign(headers, reads=method in _READS, here=f"http://{named[0]}")

    def _foreign(self, headers: Headers, reads: bool, here: str) -> str | None:
        """Why a request looks like another page's. A change has to prove that it comes from this one."""
        site, origins = headers.get("sec-fetch-site"), headers.getlist("origin")
        if site is not None and site not in (("same-origin", "none") if reads else ("same-origin",)):
            return "another page asked for this. Open the address that the terminal shows in a tab of its own."
        if origins != [here] and (origins or not reads):
            return "another page asked for this, or a program that does not say where it comes from."
        return None

    def _is_ours(self, host: str) -> bool:
        name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
        name, port = (name, port) if name else (port, "")
        name = name.removeprefix("[").removesuffix("]") if name.startswith("[") else name
        return (is_loopback(name) or name in self.hosts) and (not port or port.isdigit())

    def _has_token(self, path: str) -> bool:
        first = path.removeprefix("/").partition("/")[0]
        return secrets.compare_digest(first.encode("utf-8", "replace"), self.token.encode())
