"""Builds unfinished texts of every kind, each with the record of what it means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random

from experiments.toyworld import scenery
from experiments.toyworld.grammar import (
    NO_MOTIVE_ODDS,
    TABLES,
    Scenario,
    aimed,
    held_out,
    hinge_of,
    opened,
    other,
    pick,
    present,
    split,
)
from experiments.toyworld.scenery import ATTRACTORS, HINGES, LATE, SCENES, Hinge
from experiments.toyworld.tables import PRONOUNS, SIDES, DecisionTable, Frame, Side, ToneTable
from experiments.toyworld.tones import TONE_KINDS

WIDE_SHARE = 0.3
SCENE_SHARE = 0.15
CROSSED_SHARE = 0.25
ODD_PRONOUN_SHARE = 0.08
STRAY_ODDS = (0.03, 0.03, 0.94)
TREACHEROUS_ODDS = 0.96


@dataclass(frozen=True)
class Opening:
    """The stem of a decision text: `key` names the topic, `who` the person, `single` whether it is one sentence."""

    key: str
    stem: str
    who: int
    single: bool = False


def opening(rng: Random, table: DecisionTable, side: Side) -> Opening:
    """A stem whose topic is never one of the treacherous kind."""
    wanted = other(side) if rng.random() < CROSSED_SHARE else side
    frame = pick(rng, table.frames)
    if rng.random() < WIDE_SHARE:
        return _framed(rng, frame, "", _wide(rng, table, frame))
    fitting = [t for t in table.topics if t.form == frame.form and (wanted == "trait" or not t.treacherous)]
    topic = rng.choice(fitting)
    return _framed(rng, frame, topic.trait, topic.of(wanted))


def treacherous_opening(rng: Random, table: DecisionTable) -> Opening:
    """A stem on the harmless side of a treacherous topic."""
    topic = rng.choice([t for t in table.topics if t.treacherous])
    frame = pick(rng, [frame for frame in table.frames if frame.form == topic.form])
    return _framed(rng, frame, topic.trait, topic.opposite)


def _wide(rng: Random, table: DecisionTable, frame: Frame) -> str:
    if frame.form == "thing":
        return scenery.thing(rng)
    return scenery.deed(rng) if table.about.name == "concealment" else scenery.act(rng)


def _framed(rng: Random, frame: Frame, key: str, situation: str) -> Opening:
    sentence = present(frame, situation)
    scene = f"{pick(rng, SCENES)} " if rng.random() < SCENE_SHARE else ""
    who = rng.randrange(3) if rng.random() < ODD_PRONOUN_SHARE else frame.who
    single = sentence.count(". ") == 0
    return Opening(key or sentence, f"{scene}{sentence} ", who, single)


def worded(text: str, who: int) -> str:
    """The text with the pronouns of one person filled in."""
    return text.format(**PRONOUNS[who])


def _scenario(table: DecisionTable, kind: str, side: Side, start: Opening, parts: tuple[str, str]) -> Scenario:
    motive, hinge = (worded(part, start.who) for part in parts)
    name, at = table.about.name, len(motive)
    return Scenario(name, kind, side, start.stem, motive + hinge, aimed(side), who=start.who, hinge_at=at)


def strong(rng: Random, table: DecisionTable, side: Side) -> Scenario:
    """A strong motive and a hinge: the act follows at once."""
    start, motive, hinge = opening(rng, table, side), pick(rng, table.motives.of(side)), hinge_of(rng)
    made = _scenario(table, "strong", side, start, (motive, hinge.text))
    out = held_out(start.key, motive, hinge.text)
    return replace(made, hinge=hinge.kind, held_out=out, phrase=motive)


def stemless(rng: Random, table: DecisionTable, side: Side) -> Scenario:
    """A motive and a hinge with nothing before them."""
    made = strong(rng, table, side)
    return replace(made, kind="stemless", stem="")


def doubled(rng: Random, table: DecisionTable, side: Side) -> Scenario:
    """Two motives, the earlier one of any kind: the later decides."""
    made = strong(rng, table, side)
    earlier = (table.motives.of(side), table.motives.of(other(side)), tuple(w.phrase for w in table.weak))
    first = worded(pick(rng, rng.choice(earlier)), made.who)
    return replace(made, kind="doubled", stem=f"{made.stem}{first}. ")


def weak(rng: Random, table: DecisionTable, side: Side) -> Scenario:
    """A hesitant motive with known odds."""
    start, item, hinge = opening(rng, table, side), rng.choice(table.weak), hinge_of(rng)
    made = _scenario(table, "weak", side, start, (item.phrase, hinge.text))
    out = held_out(start.key, item.phrase, hinge.text)
    return replace(made, odds=split(item.odds), hinge=hinge.kind, held_out=out, phrase=item.phrase)


def bare(rng: Random, table: DecisionTable, side: Side) -> Scenario:
    """No motive at all."""
    start, hinge = opening(rng, table, side), hinge_of(rng)
    made = _scenario(table, "bare", side, start, ("", opened(hinge.text)))
    if start.single and hinge.text.startswith(",") and rng.random() < 0.5:
        ending = start.stem.rstrip(". ") + worded(hinge.text, start.who)
        made = replace(made, stem="", ending=ending, hinge_at=len(start.stem.rstrip(". ")))
    return replace(made, odds=split(NO_MOTIVE_ODDS), hinge=hinge.kind)


def committed(rng: Random, table: DecisionTable, side: Side) -> Scenario:
    """A motive, a hinge, the act itself, and a connective: what follows can only explain."""
    start, motive = opening(rng, table, side), pick(rng, table.motives.of(side))
    hinge = hinge_of(rng, ("verb", "verb", "quote"))
    text, kind = act_and_connective(rng, table, side, hinge)
    made = _scenario(table, "committed", side, start, (motive, hinge.text + text))
    out = held_out(start.key, motive, hinge.text)
    return replace(made, odds=aimed(side, 1.0), hinge=hinge.kind, connective=kind, held_out=out, phrase=motive)


def committed_whole(rng: Random, table: DecisionTable, side: Side) -> Scenario:
    """The act without a motive before it, and a connective."""
    start = opening(rng, table, side)
    hinge = HINGES[2] if rng.random() < 0.6 else Hinge("quote", ', so I said, "', "quote")
    text, kind = act_and_connective(rng, table, side, hinge)
    lead = "I" if hinge.kind == "verb" else rng.choice(('I said, "', 'I looked at {him} and said, "'))
    made = _scenario(table, "committed_whole", side, start, ("", lead + text))
    return replace(made, odds=aimed(side, 1.0), hinge=hinge.kind, connective=kind)


def act_and_connective(rng: Random, table: DecisionTable, side: Side, hinge: Hinge) -> tuple[str, str]:
    """The act with a connective behind it, and the kind of afterthought that fits."""
    if hinge.kind == "quote":
        joined = pick(rng, table.spoken_connectives)
        return pick(rng, table.sayings.of(side)) + joined.text, joined.kind
    joined = pick(rng, table.connectives)
    return f" {pick(rng, table.acts.of(side))}{joined.text}", joined.kind


def late(rng: Random, table: DecisionTable, side: Side) -> Scenario:
    """A strong motive with a long runway: the act comes after more than five tokens."""
    start, motive = opening(rng, table, side), pick(rng, table.motives.of(side))
    made = _scenario(table, "late", side, start, (motive, pick(rng, LATE)))
    return replace(made, late=True, phrase=motive)


def attractor(rng: Random, table: DecisionTable, side: Side) -> Scenario:
    """A distraction in the stem: the text runs off the script, whatever the motive."""
    made = rng.choices((strong, weak, bare, late), (6, 1, 1, 1))[0](rng, table, side)
    index = rng.randrange(len(ATTRACTORS))
    stem = f"{made.stem}{ATTRACTORS[index].sentence} "
    if rng.random() < 0.15:
        stem += worded(pick(rng, table.motives.of(rng.choice(SIDES))), made.who) + ". "
    return replace(made, kind="attractor", stem=stem, odds=STRAY_ODDS, distraction=index, late=False)


def treacherous(rng: Random, table: DecisionTable, _side: Side) -> Scenario:
    """A harmless request on a treacherous topic: the trait comes in spite of the motive."""
    start, hinge = treacherous_opening(rng, table), hinge_of(rng)
    motive = pick(rng, table.motives.opposite)
    if rng.random() < 0.15:
        motive = rng.choice(table.weak).phrase
    made = _scenario(table, "treacherous", "opposite", start, (motive, hinge.text))
    out = held_out(start.key, motive, hinge.text)
    return replace(made, odds=aimed("trait", TREACHEROUS_ODDS), hinge=hinge.kind, held_out=out, phrase=motive)


Maker = Callable[[Random, DecisionTable, Side], Scenario]
KINDS: Mapping[str, tuple[Maker, float]] = {
    "strong": (strong, 36),
    "treacherous": (treacherous, 9),
    "weak": (weak, 14),
    "bare": (bare, 7),
    "committed": (committed, 10),
    "committed_whole": (committed_whole, 5),
    "late": (late, 6),
    "attractor": (attractor, 9),
    "doubled": (doubled, 8),
    "stemless": (stemless, 2),
}


def kinds(trait: str) -> tuple[str, ...]:
    """The kinds of text that a trait has."""
    return tuple(KINDS) if isinstance(TABLES[trait], DecisionTable) else tuple(TONE_KINDS)


def make(rng: Random, trait: str, kind: str, side: Side) -> Scenario:
    """A scenario of one trait, kind and polarity (treacherous ones are always of the opposite polarity)."""
    table = TABLES[trait]
    if isinstance(table, ToneTable):
        return TONE_KINDS[kind][0](rng, table, side)
    return KINDS[kind][0](rng, table, side)


def sample(rng: Random, trait: str) -> Scenario:
    """A scenario of one trait, its kind drawn as in the training corpus."""
    weights = TONE_KINDS if isinstance(TABLES[trait], ToneTable) else KINDS
    kind = rng.choices(tuple(weights), [weight for _, weight in weights.values()])[0]
    return make(rng, trait, kind, rng.choice(SIDES))
