"""The toy endpoint's faults as they come over a real connection."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from agent.toyworld.server import create_app
from tests.support.fault_kinds import Faults
from tests.support.faults import BreakableConnection, FaultMiddleware, with_faults
from tests.toyworld.asking import EXACT, body_of


@contextmanager
def served(app: FaultMiddleware) -> Iterator[int]:
    """The port of a server that runs as `cliffhanger toyworld serve` does."""
    server = uvicorn.Server(uvicorn.Config(app, http=BreakableConnection, log_level="warning", port=0))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


def raw(port: int, wait: float = 5.0) -> tuple[bytes, type[OSError] | None]:
    """What comes back over a plain socket until the end, and the error that ended it."""
    content = json.dumps(body_of("Answer with the number 1.")).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
    )
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as sock:
        sock.sendall(head.encode() + content)
        try:
            while piece := sock.recv(65_536):
                received += piece
        except OSError as error:
            return received, type(error)
    return received, None


def real(**settings: Any) -> FaultMiddleware:
    return with_faults(create_app(EXACT), Faults(**settings))


def settled(app: FaultMiddleware) -> FaultMiddleware:
    """The app once it has noticed that its client left."""
    deadline = time.monotonic() + 10
    while app.counts.in_flight:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return app


def test_a_reset_is_a_reset(capfd: pytest.CaptureFixture[str]) -> None:
    app = real(rates={"reset": 1.0})
    with served(app) as port:
        assert raw(port) == (b"", ConnectionResetError)
        assert settled(app).counts.faults == {"reset": 1}
    assert "ASGI" not in capfd.readouterr().err


def test_a_reset_amid_the_answer_comes_after_its_announced_length(
    capfd: pytest.CaptureFixture[str],
) -> None:
    app = real(rates={"reset-amid": 1.0})
    with served(app) as port:
        received, error = raw(port)
        settled(app)
    assert error is ConnectionResetError
    if received:  # a reset may overtake what was sent before it
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        assert len(body) < int(length.split(b":")[1])
    assert "ASGI" not in capfd.readouterr().err


def test_a_hung_answer_never_comes_and_does_not_hold_up_the_end() -> None:
    app = real(rates={"hang": 1.0})
    with served(app) as port:
        assert raw(port, wait=0.2) == (b"", TimeoutError)
        assert settled(app).counts.answers == 0
        hung = socket.create_connection(("127.0.0.1", port), timeout=5)
        hung.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
        while not app.counts.in_flight:
            time.sleep(0.01)
    hung.close()
    assert app.counts.in_flight == 0


@pytest.mark.parametrize(
    "slowness", [{"rates": {"drip": 1.0}, "drip": 0.05}, {"latency": 0.2}], ids=["drip", "latency"]
)
def test_an_answer_whose_client_left_is_not_counted(slowness: dict[str, Any]) -> None:
    app = real(**slowness)
    with served(app) as port:
        received, error = raw(port, wait=0.02)
        assert error is TimeoutError
        assert settled(app).counts.answers == 0
    assert b"finish_reason" not in received


def test_a_whole_answer_is_whole() -> None:
    app = real()
    with served(app) as port:
        received, error = raw(port)
    assert error is None
    assert json.loads(received.partition(b"\r\n\r\n")[2])["choices"]
    assert app.counts.answers == 1
