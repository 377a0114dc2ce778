"""`cliffhanger review`: where a human decides."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.run import Experiment, Similarity, Traits, Variant

if TYPE_CHECKING:
    from agent.cli.orders import Order
    from agent.review.desk import Desk

_WEB = "On a page"


def review(  # noqa: PLR0913 - every option of the command is a parameter
    experiment: Experiment,
    traits: Traits = None,
    model_variant: Variant = None,
    pair_by_similarity: Similarity = False,
    name: Annotated[str | None, typer.Option("--as", help="Decide under this name, not under your user's.")] = None,
    no_recheck: Annotated[
        bool, typer.Option("--no-recheck", help="Store edits unchecked: no model is loaded and nothing is asked.")
    ] = False,
    web: Annotated[
        bool, typer.Option("--web", help="Decide on a page in the browser, not here.", rich_help_panel=_WEB)
    ] = False,
    host: Annotated[
        str,
        typer.Option(
            help="Serve the page at this address; other machines reach only what you open to them.",
            rich_help_panel=_WEB,
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Serve it at this port; 0 takes a free one.", rich_help_panel=_WEB)] = 0,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Print the page's address, start no browser.", rich_help_panel=_WEB)
    ] = False,
) -> int:
    """Decide about what a run proposes, pair by pair: each diff with its evidence, in this terminal or on a page.

    Approve, reject, edit, drop, skip, undo; ? shows all keys. An edited text is checked on the spot, by the run's own
    path. Every decision is stored at once, so quit whenever you like: the same command goes on where you were. No
    dataset is changed before `cliffhanger apply`.

    Examples:

        cliffhanger review --experiment experiments/demo

        cliffhanger review --experiment experiments/demo --traits toy/refusal --as ann

        cliffhanger review --experiment experiments/demo --web
    """
    from agent.cli.desks import open_desks
    from agent.cli.orders import Order
    from agent.cli.screen import Screen

    order, heard = Order(experiment, traits, model_variant, pair_by_similarity), [""]
    desks = open_desks(order, name, heard.append, recheck=not no_recheck)

    def doing() -> str:
        return heard[-1]

    if web:
        from agent.cli.review_web import serve_review

        return serve_review(desks, order, host, port, show=not no_open, doing=doing)
    _require_terminal(order)
    from agent.review.terminal.app import Review

    Review(desks, doing, f"{_apply(order)} writes what was approved.").run()
    Screen().say(*_parting(desks, order))
    return 0


def _require_terminal(order: "Order") -> None:
    """Raise Refusal where no keys can be read or nothing can be drawn."""
    from agent.cli.trouble import Refusal

    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise Refusal(
            f"To review takes a terminal, and this is none. In a browser: `cliffhanger review -e {order.experiment} "
            "--web`. From and to files: `cliffhanger decisions export` and `cliffhanger decisions import`."
        )


def _parting(desks: "Sequence[Desk]", order: "Order") -> list[str]:
    """Where each trait stands, and what comes next."""
    told, left, approved = [], 0, 0
    for desk in desks:
        cards = desk.cards()
        states = Counter(card.state.value for card in cards)
        told.append(f"{desk.proposal.trait}: {', '.join(f'{n} {state}' for state, n in states.items())}")
        left += sum(card.waits for card in cards)
        approved += sum(card.effect is not None for card in cards)
    if left:
        told.append(f"{left} still to decide: the same command goes on there.")
    else:
        told.append("Everything is decided.")
    if approved:
        told.append(f"{_apply(order)} writes what was approved.")
    return told


def _apply(order: "Order") -> str:
    traits = f" --traits {order.traits}" if order.traits else ""
    variant = f" --model-variant {order.variant}" if order.variant else ""
    return f"`cliffhanger apply -e {order.experiment}{traits}{variant}`"
