"""Command `toyworld serve`."""

from typing import Annotated

import typer

app = typer.Typer(help="The toy world: a small endpoint that acts as author and judge.")


@app.callback()
def toyworld() -> None:
    """The toy world: a small endpoint that acts as author and judge."""


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8765,
    flips: Annotated[float, typer.Option(min=0.0, max=1.0, help="Rate of random wrong answers.")] = 0.02,
    systematic: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Rate of wrong answers that are fixed per text and wording.")
    ] = 0.02,
    committed: Annotated[float, typer.Option(min=0.0, max=1.0, help="The author's rate of committed endings.")] = 0.2,
    weak: Annotated[float, typer.Option(min=0.0, max=1.0, help="The author's rate of weak lock-ins.")] = 0.15,
    no_logprobs: Annotated[bool, typer.Option("--no-logprobs", help="Return no log-probabilities.")] = False,
    no_json_schema: Annotated[bool, typer.Option("--no-json-schema", help="Reject JSON schemas.")] = False,
    split_digits: Annotated[bool, typer.Option("--split-digits", help="Write numbers digit by digit.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the mistakes.")] = 0,
) -> int:
    """Serve the toy endpoint on 127.0.0.1 until Ctrl-C, to try a run over the network.

    Prints its address and the lines for refine.toml. Stop it during a run and start it again to see how a run waits
    for an unavailable endpoint.

    Examples:

        cliffhanger toyworld serve

        cliffhanger toyworld serve --port 0 --no-logprobs --flips 0.05
    """
    from agent.app.server import serve_toyworld
    from agent.toyworld.server import ToySettings

    settings = ToySettings(
        flips, systematic, committed, weak, not no_logprobs, not no_json_schema, split_digits, seed=seed
    )
    return serve_toyworld(settings, port)
