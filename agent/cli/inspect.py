"""`cliffhanger vet`, `failures`, `first-tokens`: the guide's own steps, by hand."""

from typing import Annotated

import typer

from agent.cli.run import Experiment, Similarity, Traits, Variant


def vet(
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
    from agent.cli.orders import Order
    from agent.cli.vetting import stages_of, vet_by_hand

    stages = stages_of(only_stage, vet_scenarios)
    overrides = {"rules.max_new_tokens": max_new_tokens}
    return vet_by_hand(Order(experiment, traits, model_variant, pair_by_similarity, overrides), stages)


def failures(experiment: Experiment, traits: Traits = None, model_variant: Variant = None) -> int:
    """Print what failed and what could not be judged, file by file, with the texts. Only files are read.

    Example:

        cliffhanger failures --experiment experiments/demo --traits toy/refusal
    """
    from agent.cli.orders import Order
    from agent.cli.reading import tell_failures

    return tell_failures(Order(experiment, traits, model_variant))


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
    from agent.cli.orders import Order
    from agent.cli.reading import tell_first_tokens

    return tell_first_tokens(Order(experiment, traits, model_variant), count)
