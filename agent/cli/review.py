"""Commands `review`, `report`, `apply` and `decisions`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.options import Experiment, Similarity, Traits, Variant, backends_of

if TYPE_CHECKING:
    pass


_WEB = "On a page"


def review(  # noqa: PLR0913 - every option of the command is a parameter
    context: typer.Context,
    experiment: Experiment,
    traits: Traits = None,
    model_variant: Variant = None,
    pair_by_similarity: Similarity = False,
    name: Annotated[
        str | None, typer.Option("--as", help="Name to store decisions under; by default your user name.")
    ] = None,
    no_recheck: Annotated[
        bool, typer.Option("--no-recheck", help="Store edits without checking them; no model is loaded or called.")
    ] = False,
    web: Annotated[bool, typer.Option("--web", help="Review on a page in the browser.", rich_help_panel=_WEB)] = False,
    host: Annotated[
        str,
        typer.Option(
            help="Address to serve the page at. By default only this machine can reach it.",
            rich_help_panel=_WEB,
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to serve the page at; 0 takes a free one.", rich_help_panel=_WEB)] = 0,
    no_open: Annotated[
        bool,
        typer.Option("--no-open", help="Print the page's address without opening a browser.", rich_help_panel=_WEB),
    ] = False,
) -> int:
    """Review what a run proposes, pair by pair: the word diff with its evidence, in this terminal or on a page.

    Approve, reject, edit, drop, undo; ? lists all keys. An edited text is checked immediately, as a run would check it.
    Every decision is stored as it is made: quit at any time, and the same command continues from there. No dataset
    changes before `cliffhanger apply`.

    Examples:

        cliffhanger review --experiment experiments/demo

        cliffhanger review --experiment experiments/demo --traits toy/refusal --as ann

        cliffhanger review --experiment experiments/demo --web
    """
    from agent.app.review import open_sessions, review_in_terminal, serve_review
    from agent.app.run import ExperimentOptions

    options, activities = ExperimentOptions(experiment, traits, model_variant, pair_by_similarity), [""]
    sessions = open_sessions(options, name, activities.append, recheck=not no_recheck, backends=backends_of(context))

    def activity() -> str:
        return activities[-1]

    if web:
        return serve_review(sessions, options, host, port, open_browser=not no_open, activity=activity)
    return review_in_terminal(sessions, options, activity)


def report(
    experiment: Experiment,
    traits: Traits = None,
    model_variant: Variant = None,
    show: Annotated[bool, typer.Option("--open", help="Show the pages in the browser.")] = False,
) -> int:
    """Rewrite each trait's report: report.html, report.json and summary.md in its refinement folder.

    A run writes them when it ends; this also works while a run is active, or after it died. No ledger and no dataset
    changes, and no model is called. The page is self-contained: it can be sent to a colleague as one file.

    Examples:

        cliffhanger report --experiment experiments/demo

        cliffhanger report --experiment experiments/demo --traits toy/refusal --open
    """
    from agent.app.report import write_reports
    from agent.app.run import ExperimentOptions
    from agent.supervision.display import RunDisplay
    from agent.text import safe_text

    screen, code = RunDisplay(), 0
    for trait, path, problems in write_reports(ExperimentOptions(experiment, traits, model_variant).settings()):
        screen.print(*(f"{trait}: {line}" for line in (*problems, *([str(path)] if path else []))))
        code = 64 if problems else code
        if path and show and typer.launch(path.as_uri()):
            screen.print(f"No browser could be started: open {safe_text(str(path))} yourself.")
    return code


def apply(  # noqa: PLR0913 - every option of the command is a parameter
    experiment: Experiment,
    traits: Traits = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would change and write nothing.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Restore the exact files from before the last apply.")] = False,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Shuffle the pairs with refine.toml's seed; the seed is recorded.")
    ] = False,
    model_variant: Variant = None,
    pair_by_similarity: Similarity = False,
) -> int:
    """Write what was approved to the dataset, and nothing else: all files of a trait, or none.

    A changed pair replaces its line, an added one is appended, a dropped one is removed from both files; all others
    keep their order. Undecided pairs stay as they are. definition.txt and steering.json are never touched.

    Examples:

        cliffhanger apply --experiment experiments/demo --dry-run

        cliffhanger apply --experiment experiments/demo --traits toy/refusal

        cliffhanger apply --experiment experiments/demo --undo
    """
    from agent.app.apply import ApplyOptions, apply_all
    from agent.app.run import ExperimentOptions

    how = ApplyOptions(dry_run=dry_run, undo=undo, shuffle=shuffle)
    return apply_all(ExperimentOptions(experiment, traits, model_variant, pair_by_similarity), how)


OneTrait = Annotated[str, typer.Option("--traits", "-t", help="The trait, as category/name.", show_default=False)]

app = typer.Typer(help="Exchange decisions with colleagues, Label Studio or Argilla.")


class ExchangeForm(StrEnum):
    """Format of an exported file of decisions."""

    JSONL = "jsonl"
    LABEL_STUDIO = "label-studio"
    ARGILLA = "argilla"


@app.command("export")
def export_decisions(
    experiment: Experiment,
    trait: OneTrait,
    to: Annotated[Path, typer.Option(help="The file to write.", show_default=False)],
    form: Annotated[
        ExchangeForm,
        typer.Option("--format", help="jsonl is for a colleague's import; the others ask about every pair."),
    ] = ExchangeForm.JSONL,
    model_variant: Variant = None,
) -> int:
    """Write one trait's decisions, or its proposal as questions for Label Studio or Argilla.

    Examples:

        cliffhanger decisions export -e experiments/demo --traits toy/refusal --to ann.jsonl

        cliffhanger decisions export -e experiments/demo --traits toy/refusal --to tasks.json --format label-studio
    """
    from agent.app.apply import export_to
    from agent.app.run import ExperimentOptions

    return export_to(ExperimentOptions(experiment, trait, model_variant), to, form.value)


@app.command("import")
def import_decisions(
    experiment: Experiment,
    trait: OneTrait,
    source: Annotated[Path, typer.Option("--from", help="JSON lines of a colleague, or a JSON export of either tool.")],
    model_variant: Variant = None,
) -> int:
    """Import decisions that were made elsewhere on exactly these texts. Importing a file again changes nothing.

    From Label Studio take the export JSON, from Argilla dataset.records(with_responses=True).to_datasets().to_json(…),
    which has each response's status; only submitted answers count. Where two reviewers disagree, the later decision
    counts and the disagreement is printed. Exits with 0, with 2 if something was left out, each with its line and the
    reason, or with 64 if nothing in the file can be read.

    Example:

        cliffhanger decisions import -e experiments/demo --traits toy/refusal --from bob.jsonl
    """
    from agent.app.apply import import_from
    from agent.app.run import ExperimentOptions

    return import_from(ExperimentOptions(experiment, trait, model_variant), source)
