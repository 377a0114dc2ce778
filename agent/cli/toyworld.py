"""`cliffhanger toyworld`: the embedded world behind a real port, to rehearse a night over the network."""

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.toyworld.endpoint_faults_settings import (
    FAULTS,
    Faults,
    latency_from,
    outages_from,
    rate_cap_from,
    rates_from,
)

if TYPE_CHECKING:
    from agent.toyworld.endpoint import ToySettings

_HOST = "127.0.0.1"

app = typer.Typer(help="The embedded toy world: an endpoint that plays author and judge.")


@app.callback()
def toyworld() -> None:
    """The embedded toy world: an endpoint that plays author and judge."""


def _night(metavar: str | None, text: str) -> Any:
    """An option of the panel about misbehaving. Its bounds are those of Faults, whose errors name the remedy."""
    return typer.Option(metavar=metavar, help=text, rich_help_panel="Rehearse a night")


_Rates = Annotated[
    list[str] | None,
    _night(
        "NAME=RATE",
        "Let this share of the requests, from 0 to 1, meet a fault; once per fault. "
        + "; ".join(f"{name}: {meaning}" for name, meaning in FAULTS.items())
        + ".",
    ),
]
_Poison = Annotated[list[str] | None, _night("TEXT", "Answer 500 for ever where a prompt contains this.")]
_Outages = Annotated[
    list[str] | None,
    _night("START:LENGTH[:EVERY]", "Answer 503 from second START on for LENGTH seconds; with EVERY, in bursts."),
]
_Cap = Annotated[
    str | None,
    _night("RATE[:BURST]", "Let in so many requests per second, BURST at once (else one second's); over it 429."),
]
_Quota = Annotated[int | None, _night("COUNT", "Out of credit after so many requests.")]
_Latency = Annotated[str, _night("SECONDS[:SPREAD]", "Take so long for each reply, and up to SPREAD more.")]
_Drip = Annotated[float, _night("SECONDS", "Per byte of the fault drip.")]
_Wait = Annotated[float, _night("SECONDS", "What the fault 429 asks to wait.")]


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
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other mistakes and draws other faults.")] = 0,
    fault: _Rates = None,
    poison: _Poison = None,
    outage: _Outages = None,
    rate_cap: _Cap = None,
    quota_after: _Quota = None,
    latency: _Latency = "0",
    drip: _Drip = 1.0,
    retry_after: _Wait = 1.0,
) -> int:
    """Serve the toy endpoint on 127.0.0.1 until it is interrupted: to rehearse a night over the network.

    It prints what to write into refine.toml, and what is to go wrong. With --port 0 it says which port it took.

    It can misbehave as providers do at night. The same requests meet the same drawn faults, in whatever order they
    come. http://127.0.0.1:8765/v1/faults counts requests, answers, calls in flight and faults; a POST to
    /v1/faults/reset begins anew.

    Examples; the last three rehearse a night: a troubled endpoint; a cap and an outage of three minutes; one request
    that never works, and then no more credit:

        cliffhanger toyworld serve --port 8765 --no-logprobs

        cliffhanger toyworld serve --fault 429=0.05 --fault hang=0.02 --latency 0.2:0.8

        cliffhanger toyworld serve --rate-cap 20:20 --outage 120:180

        cliffhanger toyworld serve --poison "night nurse" --quota-after 500
    """
    from agent.toyworld.endpoint import ToySettings

    settings = ToySettings(
        flips, systematic, committed, weak, not no_logprobs, not no_json_schema, split_digits, seed=seed
    )
    try:
        fixed, spread = latency_from(latency)
        faults = Faults(
            rates=rates_from(fault or ()),
            poison=tuple(poison or ()),
            outages=outages_from(outage or ()),
            rate_cap=None if rate_cap is None else rate_cap_from(rate_cap),
            quota_after=quota_after,
            latency=fixed,
            spread=spread,
            drip=drip,
            retry_after=retry_after,
            seed=seed,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    _serve(settings, faults, port)
    return 0


def _serve(settings: "ToySettings", faults: Faults, port: int) -> None:
    import uvicorn

    from agent.cli.screen import Screen
    from agent.cli.toys import served
    from agent.toyworld.endpoint import create_app
    from agent.toyworld.endpoint_faults import misbehaving
    from agent.toyworld.endpoint_faults_server import BreakableConnection

    taken = _taken(port)
    app = misbehaving(create_app(settings), faults)
    config = uvicorn.Config(app, http=BreakableConnection, log_level="warning", access_log=False)
    Screen().say(*served(f"http://{_HOST}:{taken.getsockname()[1]}/v1", faults))
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([taken])


def _taken(port: int) -> socket.socket:
    """A socket that takes connections at once. Raises Refusal."""
    from agent.cli.trouble import Refusal

    try:
        return socket.create_server((_HOST, port), backlog=2048)
    except OSError as error:
        raise Refusal(
            f"Port {port} cannot be had: {os.strerror(error.errno or 0)}. Try another --port, or 0 for any."
        ) from error
