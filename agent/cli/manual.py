"""Commands for manual steps: `vet`, `failures`, `first-tokens`, `calibrate`."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.options import Experiment, Similarity, Traits, Variant, backends_of


def vet(
    context: typer.Context,
    experiment: Experiment,
    traits: Traits = None,
    only_stage: Annotated[
        str, typer.Option(help="Stages to run: 0 scores the scenarios, 1 generates responses, 2 scores the responses.")
    ] = "0,1,2",
    vet_scenarios: Annotated[
        bool, typer.Option("--vet-scenarios", help="Run stage 0 whatever --only-stage says (the guide's option).")
    ] = False,
    base_model: Annotated[
        bool, typer.Option("--base-model", help="Accepted for the guide's sake; a chat template is never used.")
    ] = False,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="Length of a response in the subject's tokens. [50]")
    ] = None,
    model_variant: Variant = None,
    pair_by_similarity: Similarity = False,
) -> int:
    """Vet datasets as they are: stages 0, 1 and 2 of the guide, with its files. Repairs nothing.

    Writes vetting/scenario_scores.json, responses/ and vetting/response_scores.json. `cliffhanger run --diagnostic`
    adds the first-token test. Exit code 0, or 2 if something could not be judged.

    Example:

        cliffhanger vet --experiment experiments/mine --traits chirp/refusal --only-stage 0,1,2 --vet-scenarios
        --base-model --max-new-tokens 50
    """
    from agent.app.manual_steps import stages_of
    from agent.app.manual_steps import vet as run_stages
    from agent.app.run import ExperimentOptions

    stages = stages_of(only_stage, vet_scenarios)
    overrides = {"rules.max_new_tokens": max_new_tokens}
    options = ExperimentOptions(experiment, traits, model_variant, pair_by_similarity, overrides)
    return run_stages(options, stages, backends_of(context))


def failures(experiment: Experiment, traits: Traits = None, model_variant: Variant = None) -> int:
    """Print the failed and unjudged items of each vetting file, with their texts.

    Example:

        cliffhanger failures --experiment experiments/demo --traits toy/refusal
    """
    from agent.app.manual_steps import print_failures
    from agent.app.run import ExperimentOptions

    return print_failures(ExperimentOptions(experiment, traits, model_variant))


def first_tokens(
    experiment: Experiment,
    traits: Traits = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Items to print per side.")] = 10,
    model_variant: Variant = None,
) -> int:
    """Print the end of each text, the subject's first tokens, and the verdict: prefix ¦ first tokens ¦ verdict.

    Example:

        cliffhanger first-tokens --experiment experiments/demo --traits toy/refusal -n 10
    """
    from agent.app.manual_steps import print_first_tokens
    from agent.app.run import ExperimentOptions

    return print_first_tokens(ExperimentOptions(experiment, traits, model_variant), count)


_GOLD, _FILES = "Defaults for incomplete rows", "Batch files"


def _of(panel: str, help_text: str, *names: str) -> object:
    return typer.Option(*names, help=help_text, rich_help_panel=panel, show_default=False)


def calibrate(
    context: typer.Context,
    gold: Annotated[Path, typer.Argument(help="Labelled endings, one JSON object per line.", show_default=False)],
    experiment: Experiment,
    part: Annotated[str, typer.Option(help="Rows to use: A (for tuning wordings), B (for reporting) or all.")] = "all",
    wordings: Annotated[str, typer.Option(help="Prompt wordings to evaluate separately: any of a,b,c,audit.")] = "a",
    votes: Annotated[
        bool, typer.Option("--votes", help="Also evaluate the vote over several wordings, as a run uses it.")
    ] = False,
    spans: Annotated[bool, typer.Option(help="Also ask for the committed span where the label has one.")] = True,
    traits: Annotated[
        Path | None,
        _of(
            _GOLD,
            "JSON file that describes traits which rows only name. Default: traits.json next to the endings.",
            "--trait-file",
        ),
    ] = None,
    definition: Annotated[
        Path | None, _of(_GOLD, "Definition of the one trait that rows name. Default: the experiment's.")
    ] = None,
    opposite: Annotated[str | None, _of(_GOLD, "What a negative shows, for such rows.")] = None,
    openers: Annotated[
        Path | None, _of(_GOLD, 'JSON lines of {"id", "opener"} for rows without one; otherwise V is skipped for them.')
    ] = None,
    export_batch: Annotated[
        Path | None, _of(_FILES, "Write unanswered requests for the OpenAI Batch API; send none.")
    ] = None,
    export_prompts: Annotated[
        Path | None,
        _of(_FILES, 'Write unanswered requests as JSON lines of {"custom_id", "prompt"}; send none.'),
    ] = None,
    import_batch: Annotated[
        list[Path] | None,
        _of(
            _FILES,
            'Read answers: batch results, or JSON lines of {"custom_id", "text"}. Can be repeated.',
            "--import-batch",
            "--import",
        ),
    ] = None,
    plain: Annotated[
        str | None,
        _of(_FILES, "Name of another judge, which answers each question once in plain text."),
    ] = None,
) -> int:
    """Measure the judge on labelled endings. Needs no subject, and neither reads nor changes a dataset.

    Asks C0 about each prefix and V about each prefix with its opener, and reports how often V, C0 and both together
    are right: confusion matrix, balanced accuracy, kappa, AUC with intervals, and a sweep over C0's threshold, by mode,
    part and trait, next to trivial baselines. UNSURE counts as wrong; unanswered items count as unjudged. The report is
    written to the experiment's calibration folder. Exit code 0, or 2 if something is unjudged.

    Examples:

        cliffhanger calibrate tests/gold/endings.jsonl --experiment experiments/demo --part B

        cliffhanger calibrate endings.jsonl --experiment experiments/mine --export-batch requests.jsonl

        cliffhanger calibrate endings.jsonl --experiment experiments/mine --import-batch results.jsonl

        cliffhanger calibrate endings.jsonl -e experiments/mine --plain "some chat" --export-prompts prompts.jsonl
    """
    from agent.app.calibrate import BatchFiles, CalibrationJob, RowDefaults

    files = BatchFiles(export_batch, export_prompts, tuple(import_batch or ()), plain)
    defaults = RowDefaults(traits, definition, opposite, openers)
    return CalibrationJob(experiment, gold, part, wordings, votes, spans, defaults, files, backends_of(context)).run()
