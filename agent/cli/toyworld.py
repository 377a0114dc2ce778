"""`cliffhanger toyworld`: the embedded world behind a real port, to rehearse a night over the network."""

from typing import Annotated

import typer

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
    """Serve the toy endpoint on 127.0.0.1 until it is interrupted.

    Point base_url of [judge] and [author] in refine.toml at http://127.0.0.1:8765/v1 to rehearse the network path.

    Example:

        cliffhanger toyworld serve --port 8765 --no-logprobs
    """
    import uvicorn

    from agent.toyworld.endpoint import ToySettings, create_app

    settings = ToySettings(
        flips=flips,
        systematic=systematic,
        committed=committed,
        weak=weak,
        logprobs=not no_logprobs,
        json_schema=not no_json_schema,
        split_digits=split_digits,
        seed=seed,
    )
    uvicorn.run(create_app(settings), host="127.0.0.1", port=port, log_level="info", access_log=False)
    return 0
