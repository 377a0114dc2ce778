"""Local servers: a bound socket, and the served toy world."""

import socket
from contextlib import suppress

import uvicorn

from agent.app.init_trait import served_lines
from agent.errors import UserError
from agent.supervision.display import RunDisplay
from agent.toyworld.server import ToySettings, create_app

_HOST = "127.0.0.1"
_BACKLOG = 2048  # as uvicorn's own default


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, so that a client may connect before the server runs. Port 0 takes a free one.

    Raises UserError if the port cannot be used.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        raise UserError(
            f"Cannot listen on {host}, port {port}: {error.strerror or error}. Try another --port, or 0 for a free one."
        ) from error
    return bound


def serve_toyworld(settings: ToySettings, port: int) -> int:
    """Serve the toy world on 127.0.0.1 until Ctrl-C, and print its address. Raises UserError."""
    bound = bind(_HOST, port)
    config = uvicorn.Config(create_app(settings), log_level="warning", access_log=False)
    RunDisplay().print(*served_lines(f"http://{_HOST}:{bound.getsockname()[1]}/v1"))
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([bound])
    return 0
