"""`cliffhanger toyworld`: the embedded world behind a real port, to try a run over the network."""

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agent.toyworld.server import ToySettings


_HOST = "127.0.0.1"

app = typer.Typer(help="The embedded toy world: an endpoint that plays author and judge.")


@app.callback()
def toyworld() -> None:
    """The embedded toy world: an endpoint that plays author and judge."""


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on 127.0.0.1; 0 takes any free one.")] = 8765,
    flips: Annotated[float, typer.Option(min=0.0, max=1.0, help="How often an answer is wrong at random.")] = 0.02,
    systematic: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How often it is wrong for ever, fixed per text and wording.")
    ] = 0.02,
    committed: Annotated[float, typer.Option(min=0.0, max=1.0, help="The author's rate of committed endings.")] = 0.2,
    weak: Annotated[float, typer.Option(min=0.0, max=1.0, help="The author's rate of weak lock-ins.")] = 0.15,
    no_logprobs: Annotated[bool, typer.Option("--no-logprobs", help="Give no log-probabilities.")] = False,
    no_json_schema: Annotated[bool, typer.Option("--no-json-schema", help="Refuse JSON schemas.")] = False,
    split_digits: Annotated[bool, typer.Option("--split-digits", help="Write numbers digit by digit.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other mistakes.")] = 0,
) -> int:
    """Serve the toy endpoint on 127.0.0.1 until Ctrl-C, to try a run over the network.

    It prints what to write into refine.toml. With --port 0 it says which port it took. End it during a run and start it
    again to see how an outage is waited out.

    Examples:

        cliffhanger toyworld serve

        cliffhanger toyworld serve --port 0 --no-logprobs --flips 0.05
    """
    from agent.toyworld.server import ToySettings

    settings = ToySettings(
        flips, systematic, committed, weak, not no_logprobs, not no_json_schema, split_digits, seed=seed
    )
    _serve(settings, port)
    return 0


def _serve(settings: "ToySettings", port: int) -> None:
    import uvicorn

    from agent.app.init_trait import served
    from agent.supervision.display import RunDisplay
    from agent.toyworld.server import create_app

    taken = _taken(port)
    config = uvicorn.Config(create_app(settings), log_level="warning", access_log=False)
    RunDisplay().print(*served(f"http://{_HOST}:{taken.getsockname()[1]}/v1"))
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([taken])


def _taken(port: int) -> socket.socket:
    """A socket that takes connections at once. Raises UserError."""
    from agent.errors import UserError

    try:
        return socket.create_server((_HOST, port), backlog=2048)
    except OSError as error:
        raise UserError(
            f"Port {port} cannot be had: {os.strerror(error.errno or 0)}. Try another --port, or 0 for any."
        ) from error
