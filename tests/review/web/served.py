"""The page served on loopback, and requests as a browser or anybody else would send them."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import uvicorn

from agent.review.session import ReviewSession
from agent.review.web.routes import create_app
from agent.review.web.views import ApplyActions

TOKEN = "a-token-for-this-test"


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Served:
    """A page that is being served."""

    port: int

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"{self.origin}/{TOKEN}/0/"

    def raw(
        self, method: str, path: str, body: str | bytes = b"", headers: Mapping[str, str | None] | None = None
    ) -> Answer:
        """A request with exactly these headers; None leaves one out that would be there."""
        content = body.encode() if isinstance(body, str) else body
        given = {"Host": f"127.0.0.1:{self.port}", "Content-Length": str(len(content)), **(headers or {})}
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        line.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in given.items():
            if value is not None:
                line.putheader(name, value)
        line.endheaders(content)
        answer = line.getresponse()
        found = Answer(answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()})
        line.close()
        return found

    def get(self, path: str = "") -> Answer:
        """As the page itself asks."""
        return self.raw("GET", f"/{TOKEN}/0/{path}", headers={"Sec-Fetch-Site": "same-origin"})

    def post(self, path: str, headers: Mapping[str, str | None] | None = None, **fields: str) -> Answer:
        """As the page itself acts."""
        own = {
            "Origin": self.origin,
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self.raw("POST", f"/{TOKEN}/0/{path}", urlencode(fields), own | dict(headers or {}))


@contextmanager
def serving(sessions: Sequence[ReviewSession], apply_actions: ApplyActions | None = None) -> Iterator[Served]:
    """The review of these sessions on a free port."""
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(sessions, TOKEN, apply_actions)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield Served(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(20)
