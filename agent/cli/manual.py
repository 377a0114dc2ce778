"""`cliffhanger vet`, `failures`, `first-tokens`: the guide's own steps, by hand."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.options import Experiment, Similarity, Traits, Variant, backends_of


def vet(
    context: typer.Context,
    experiment: Experiment,
    traits: Traits = None,
    only_stage: Annotated[
        str, typer.Option(help="0 scores the scenarios, 1 lets the subject continue them, 2 scores what it said.")
    ] = "0,1,2",
    vet_scenarios: Annotated[
        bool, typer.Option("--vet-scenarios", help="As in the guide: stage 0 is wanted, whatever --only-stage says.")
    ] = False,
    base_model: Annotated[
        bool, typer.Option("--base-model", help="As in the guide. Always so here: no chat template is ever used.")
    ] = False,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="Length of a response, in the subject's tokens. [50]")
    ] = None,
    model_variant: Variant = None,
    pair_by_similarity: Similarity = False,
) -> int:
    """Vet datasets as they are: stages 0, 1 and 2 of the guide, with its files. Nothing is repaired.

    Writes vetting/scenario_scores.json, responses/ and vetting/response_scores.json. For the first-token test as
    well, use `cliffhanger run --diagnostic`. Ends with 0, or with 2 when something could not be judged.

    Example:

        cliffhanger vet --experiment experiments/mine --traits chirp/refusal --only-stage 0,1,2 --vet-scenarios
        --base-model --max-new-tokens 50
    """
    from agent.app.manual_steps import stages_of, vet_by_hand
    from agent.app.run import ExperimentOptions

    stages = stages_of(only_stage, vet_scenarios)
    overrides = {"rules.max_new_tokens": max_new_tokens}
    options = ExperimentOptions(experiment, traits, model_variant, pair_by_similarity, overrides)
    return vet_by_hand(options, stages, backends_of(context))


def failures(experiment: Experiment, traits: Traits = None, model_variant: Variant = None) -> int:
    """Print what failed and what could not be judged, file by file, with the texts. Only files are read.

    Example:

        cliffhanger failures --experiment experiments/demo --traits toy/refusal
    """
    from agent.app.manual_steps import tell_failures
    from agent.app.run import ExperimentOptions

    return tell_failures(ExperimentOptions(experiment, traits, model_variant))


def first_tokens(
    experiment: Experiment,
    traits: Traits = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many of each side.")] = 10,
    model_variant: Variant = None,
) -> int:
    """Print where each text ends and what the subject says first: prefix ¦ first tokens, with the verdict.

    Example:

        cliffhanger first-tokens --experiment experiments/demo --traits toy/refusal -n 10
    """
    from agent.app.manual_steps import tell_first_tokens
    from agent.app.run import ExperimentOptions

    return tell_first_tokens(ExperimentOptions(experiment, traits, model_variant), count)


_GOLD, _FILES = "Rows that are not complete", "A judge that is reached by files"


def _of(panel: str, help_text: str, *names: str) -> object:
    return typer.Option(*names, help=help_text, rich_help_panel=panel, show_default=False)


def calibrate(
    context: typer.Context,
    gold: Annotated[Path, typer.Argument(help="Labelled endings, one JSON object per line.", show_default=False)],
    experiment: Experiment,
    part: Annotated[str, typer.Option(help="A (wording is tuned on it), B (reported on) or all.")] = "all",
    wordings: Annotated[str, typer.Option(help="Wordings to hold up, each by itself: some of a,b,c,audit.")] = "a",
    votes: Annotated[
        bool, typer.Option("--votes", help="Also put each question to the vote, as a run does: no single no decides.")
    ] = False,
    spans: Annotated[bool, typer.Option(help="Also ask for the committed span where the label names one.")] = True,
    traits: Annotated[
        Path | None,
        _of(
            _GOLD,
            "A JSON object of traits that rows only name; else traits.json beside the endings, if there is one.",
            "--trait-file",
        ),
    ] = None,
    definition: Annotated[
        Path | None, _of(_GOLD, "What counts as the one trait that rows name; else that of the experiment's dataset.")
    ] = None,
    opposite: Annotated[str | None, _of(_GOLD, "What a negative shows, for such rows.")] = None,
    openers: Annotated[
        Path | None, _of(_GOLD, 'Lines of {"id", "opener"} for rows without one; there V is left out otherwise.')
    ] = None,
    export_batch: Annotated[
        Path | None, _of(_FILES, "Write what is unanswered as lines of the OpenAI Batch API; ask nothing.")
    ] = None,
    export_prompts: Annotated[
        Path | None, _of(_FILES, 'Write what is unanswered as lines of {"custom_id", "prompt"}; ask nothing.')
    ] = None,
    import_batch: Annotated[
        list[Path] | None,
        _of(
            _FILES,
            'Read answers: batch results, or lines of {"custom_id", "text"}. May be given several times.',
            "--import-batch",
            "--import",
        ),
    ] = None,
    plain: Annotated[
        str | None,
        _of(_FILES, "The judge is this one instead (any name): it answers each question once, in plain text."),
    ] = None,
) -> int:
    """Measure the judge on labelled endings; no subject is needed and no dataset is read or changed.

    Asks C0 of each prefix and V of prefix and opener, and tells how often V alone, C0 alone and both together are
    right: confusion matrix, balanced accuracy, kappa, intervals, AUC, a sweep over C0's threshold, per mode, part and
    trait, beside trivial rules. UNSURE counts as wrong; what is unanswered is told as unjudged. The report lies in the
    experiment's calibration folder. Ends with 0, or with 2 when something is unjudged.

    Examples:

        cliffhanger calibrate tests/gold/endings.jsonl --experiment experiments/demo --part B

        cliffhanger calibrate endings.jsonl --experiment experiments/mine --export-batch requests.jsonl

        cliffhanger calibrate endings.jsonl --experiment experiments/mine --import-batch results.jsonl

        cliffhanger calibrate endings.jsonl -e experiments/mine --plain "some chat" --export-prompts prompts.jsonl
    """
    from agent.app.calibrate import BatchFiles, CalibrationJob, UnusableRows

    files = BatchFiles(export_batch, export_prompts, tuple(import_batch or ()), plain)
    missing = UnusableRows(traits, definition, opposite, openers)
    return CalibrationJob(experiment, gold, part, wordings, votes, spans, missing, files, backends_of(context)).run()
