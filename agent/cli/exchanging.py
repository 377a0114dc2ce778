"""What `decisions export` and `decisions import` do."""

import json
from collections.abc import Sequence
from pathlib import Path

from agent.cli.desks import places
from agent.cli.orders import Order
from agent.cli.screen import Screen
from agent.cli.trouble import Refusal
from agent.record.decisions import in_force, line_of, parse_decisions
from agent.record.files import write_atomically
from agent.review.annotation import LABELING, argilla, label_studio, read_annotations
from agent.review.carry import VERDICTS
from agent.review.exchange import disagreements, take_in
from agent.review.laying import lay_out
from agent.schema import Decision
from agent.schema.counting import counted

_LEFT_SOME = 2


def export_to(order: Order, path: Path, form: str) -> int:
    """Write the file; for Label Studio also the view that shows its tasks."""
    (place,) = places(order, order.settings())
    screen = Screen()
    recorded = place.log.read()
    if form == "jsonl":
        write_atomically(path, b"".join(line_of(decision) for decision in recorded.decisions))
        screen.say(f"{place.trait}: {_counted(recorded.decisions)} in {path}")
        return 0
    proposal = place.proposal()
    cards = lay_out(proposal, place.bound.pairs(), recorded.decisions)
    rows = label_studio(proposal, cards) if form == "label-studio" else argilla(proposal, cards)
    write_atomically(path, (json.dumps(rows, indent=1, ensure_ascii=False) + "\n").encode())
    screen.say(f"{place.trait}: {len(rows)} pairs in {path}")
    if form == "label-studio":
        view = path.with_suffix(".xml")
        write_atomically(view, LABELING.encode())
        screen.say(f"The labeling interface to paste into the project's settings is in {view}")
    return 0


def _counted(recorded: Sequence[Decision]) -> str:
    pairs = len({decision.pair for decision in in_force(recorded) if decision.act in VERDICTS})
    more = f" ({len(recorded)} lines with edits and undos)" if len(recorded) > pairs else ""
    return f"{counted(pairs, 'pair')} decided{more}"


def import_from(order: Order, path: Path) -> int:
    """Append what fits, and tell the rest."""
    (place,) = places(order, order.settings())
    log = place.log.read().decisions
    cards = lay_out(place.proposal(), place.bound.pairs(), log)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refusal(f"{path} cannot be read ({error.strerror}).") from error
    offered: list[Decision] | tuple[Decision, ...]
    if content.lstrip().startswith(b"["):
        offered = read_annotations(content, str(path), cards)
    else:
        offered = parse_decisions(content, str(path)).decisions
    intake = take_in(place.trait, cards, log, offered)
    place.log.append(*intake.taken)
    with Screen() as screen:
        screen.say(
            f"{place.trait}: {len(intake.taken)} taken in, {intake.known} known already, {len(intake.left)} left out"
        )
        for sentence in intake.left:
            screen.say(f"  left out: {sentence}")
        for sentence in disagreements(place.log.read().decisions):
            screen.say(f"  disagreement: {sentence}")
    return _LEFT_SOME if intake.left else 0
