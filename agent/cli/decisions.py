"""`cliffhanger decisions`: a human's decisions, to and from other people and their tools."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.run import Experiment, Variant

OneTrait = Annotated[
    str, typer.Option("--traits", "-t", help="The one trait that it is about, as category/name.", show_default=False)
]

app = typer.Typer(help="Hand decisions to colleagues or to Label Studio and Argilla, and take theirs in.")


class Form(StrEnum):
    """What a file of decisions is written for."""

    JSONL = "jsonl"
    LABEL_STUDIO = "label-studio"
    ARGILLA = "argilla"


@app.command("export")
def export_decisions(
    experiment: Experiment,
    trait: OneTrait,
    to: Annotated[Path, typer.Option(help="The file to write.", show_default=False)],
    form: Annotated[
        Form, typer.Option("--format", help="jsonl is for a colleague's import; the others ask about every pair.")
    ] = Form.JSONL,
    model_variant: Variant = None,
) -> int:
    """Write one trait's decisions, or its proposal as questions for Label Studio or Argilla.

    Examples:

        cliffhanger decisions export -e experiments/demo --traits toy/refusal --to ann.jsonl

        cliffhanger decisions export -e experiments/demo --traits toy/refusal --to tasks.json --format label-studio
    """
    from agent.cli.exchanging import export_to
    from agent.cli.orders import Order

    return export_to(Order(experiment, trait, model_variant), to, form.value)


@app.command("import")
def import_decisions(
    experiment: Experiment,
    trait: OneTrait,
    source: Annotated[Path, typer.Option("--from", help="JSON lines of a colleague, or a JSON export of either tool.")],
    model_variant: Variant = None,
) -> int:
    """Take in decisions that were made elsewhere on exactly these texts. The same file again changes nothing.

    Where two people disagree the later decision stands, and the disagreement is told. Ends with 0, or with 2 when
    something did not fit and was left out.

    Example:

        cliffhanger decisions import -e experiments/demo --traits toy/refusal --from bob.jsonl
    """
    from agent.cli.exchanging import import_from
    from agent.cli.orders import Order

    return import_from(Order(experiment, trait, model_variant), source)
