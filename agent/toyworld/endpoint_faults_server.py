"""A connection of the web server that an app may break off: what no message of ASGI can ask for."""

import asyncio
import socket
import struct
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from agent.toyworld.endpoint_faults import RESET

_FAREWELL = 1.0  # seconds for the answers that do come


class BreakableConnection(H11Protocol):
    """Serves the app as usual, and hands it a function that resets this connection. Ends soon after the server."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        served = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            extensions = {**(scope.get("extensions") or {}), RESET: self._reset}
            await served({**scope, "extensions": extensions}, receive, send)

        self.app = app

    def shutdown(self) -> None:
        """End, and do not let the answers that never come hold up the end."""
        super().shutdown()
        self.loop.call_later(_FAREWELL, self.transport.abort)

    def _reset(self) -> None:
        """Close without the farewell of TCP: the client sees a reset, not an end."""
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
