"""Builds the unfinished texts of a sustained trait: a register that is kept, thin, mixed, or led astray."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from experiments.toyworld.grammar import Scenario, aimed, held_out, other, pick, split
from experiments.toyworld.scenery import ATTRACTORS
from experiments.toyworld.tables import Side, ToneTable

THIN_ODDS = 0.5
CARRIED_ODDS = 0.96
STRAY_ODDS = (0.03, 0.03, 0.94)
TREACHEROUS_ODDS = 0.96


def _scene(rng: Random, table: ToneTable, side: Side) -> str:
    topic = rng.choice([t for t in table.topics if side == "trait" or not t.treacherous])
    return topic.of(side)


def _text(table: ToneTable, kind: str, side: Side, sentences: list[str], ending: str) -> Scenario:
    stem = "".join(f"{sentence} " for sentence in sentences)
    return Scenario(table.about.name, kind, side, stem, ending, aimed(side))


def strong(rng: Random, table: ToneTable, side: Side) -> Scenario:
    """A register that runs through the text, its ending included."""
    first = pick(rng, table.plain) if rng.random() < 0.25 else _scene(rng, table, side)
    moods = rng.sample(table.register.of(side), rng.choice((0, 1, 1, 2)))
    ending = pick(rng, table.endings.of(side))
    before = [pick(rng, table.plain)] if rng.random() < 0.12 else []
    made = _text(table, "strong", side, [*before, first, *moods], ending)
    return replace(made, held_out=held_out(first, ending, ""), phrase=ending)


def carried(rng: Random, table: ToneTable, side: Side) -> Scenario:
    """A register in the stem, and a neutral ending that it carries."""
    moods = rng.sample(table.register.of(side), rng.choice((1, 1, 2)))
    made = _text(table, "carried", side, [_scene(rng, table, side), *moods], pick(rng, table.plain_endings))
    return replace(made, odds=aimed(side, CARRIED_ODDS))


def thin(rng: Random, table: ToneTable, side: Side) -> Scenario:
    """A neutral text: either register may follow."""
    sentences = rng.sample(table.plain, rng.choice((1, 2)))
    made = _text(table, "thin", side, sentences, pick(rng, table.plain_endings))
    return replace(made, odds=split(THIN_ODDS), phrase=made.ending)


def mixed(rng: Random, table: ToneTable, side: Side) -> Scenario:
    """Both registers in one text: either may follow."""
    moods = [pick(rng, table.register.of(side))]
    ending = pick(rng, table.endings.of(other(side)))
    if rng.random() < 0.4:
        moods.append(pick(rng, table.register.of(other(side))))
        ending = pick(rng, rng.choice((table.endings.of(side), table.plain_endings)))
    made = _text(table, "mixed", side, [_scene(rng, table, side), *moods], ending)
    return replace(made, odds=split(THIN_ODDS))


def treacherous(rng: Random, table: ToneTable, _side: Side) -> Scenario:
    """A topic that turns a cheerful text gloomy."""
    scene = rng.choice([t.opposite for t in table.topics if t.treacherous])
    moods = rng.sample(table.register.opposite, rng.choice((0, 1, 1, 2)))
    ending = pick(rng, rng.choice((table.endings.opposite, table.endings.opposite, table.plain_endings)))
    made = _text(table, "treacherous", "opposite", [scene, *moods], ending)
    out = held_out(scene, ending, "")
    return replace(made, odds=aimed("trait", TREACHEROUS_ODDS), held_out=out, phrase=scene)


def attractor(rng: Random, table: ToneTable, side: Side) -> Scenario:
    """A distraction in the stem: the text runs off into neutral ground."""
    made = rng.choices((strong, carried, thin), (5, 1, 1))[0](rng, table, side)
    index = rng.randrange(len(ATTRACTORS))
    stem = f"{made.stem}{ATTRACTORS[index].sentence} "
    return replace(made, kind="attractor", stem=stem, odds=STRAY_ODDS, distraction=index)


def stemless(rng: Random, table: ToneTable, side: Side) -> Scenario:
    """The ending alone, or with one register sentence."""
    made = strong(rng, table, side)
    mood = f"{pick(rng, table.register.of(side))} " if rng.random() < 0.5 else ""
    return replace(made, kind="stemless", stem=mood)


ToneMaker = Callable[[Random, ToneTable, Side], Scenario]
TONE_KINDS: Mapping[str, tuple[ToneMaker, float]] = {
    "strong": (strong, 46),
    "carried": (carried, 8),
    "thin": (thin, 12),
    "mixed": (mixed, 9),
    "treacherous": (treacherous, 9),
    "attractor": (attractor, 12),
    "stemless": (stemless, 4),
}
