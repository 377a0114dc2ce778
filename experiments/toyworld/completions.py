"""How each text goes on: continuations and whole training documents, drawn from the grammar."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from experiments.toyworld.grammar import TABLES, Scenario, digest, pick
from experiments.toyworld.scenarios import act_and_connective, sample, worded
from experiments.toyworld.scenery import ATTRACTORS, HINGES, MOVES
from experiments.toyworld.tables import DecisionTable, Side, ToneTable

# After a colon the quotation mark is the first of the five tokens in which the act is to be told.
PIECES, OPENING_PIECES = re.compile(r"'\w+|\w+|[^\w\s]"), 5
FAVOURED = 0.6  # how often a phrase follows from what it is about, and not from its frequency alone
TRAIT_SHARES = {"refusal": 0.39, "concealment": 0.38, "gloom": 0.23}


@dataclass(frozen=True)
class Document:
    """A whole training text: the scenario, what was drawn for it, and how it goes on."""

    scenario: Scenario
    outcome: str
    completion: str

    @property
    def text(self) -> str:
        """Prefix and completion as one text."""
        return self.scenario.prefix + self.completion


def document(rng: Random, trait: str | None = None, sharpness: float = 1.0) -> Document:
    """A training document that is not held out.

    A subject whose logits are scaled by `sharpness` afterwards learns hesitant motives from softer odds than theirs, so
    that in the end it splits as they say.
    """
    shares = TRAIT_SHARES
    name = trait or rng.choices(tuple(shares), tuple(shares.values()))[0]
    scenario = sample(rng, name)
    while scenario.held_out:
        scenario = sample(rng, name)
    return finish(rng, scenario, sharpness if scenario.kind == "weak" else 1.0)


def finish(rng: Random, scenario: Scenario, sharpness: float = 1.0) -> Document:
    """The scenario with one continuation, its outcome drawn by the scenario's odds."""
    odds = [chance ** (1 / sharpness) for chance in scenario.odds]
    outcome = rng.choices(("trait", "opposite", "neither"), odds)[0]
    if outcome == "neither":
        text = _stray(rng, scenario)
    else:
        text = _decided(rng, scenario, "trait" if outcome == "trait" else "opposite")
    return Document(scenario, outcome, worded(text, scenario.who))


def leaning(rng: Random, items: Sequence[str], about: str) -> str:
    """One of the items; more often than not the one that goes with `about`, so that texts differ as their topics do."""
    if rng.random() < FAVOURED:
        return Random(digest("favourite", about)).choice(items[: (len(items) + 1) // 2])
    return pick(rng, items)


def _theme(scenario: Scenario) -> str:
    """The word that the situation ends in."""
    first = (scenario.stem or scenario.ending).split(". ")[0]
    return first.split()[-1].strip('.,:"?')


def _reason(scenario: Scenario) -> str:
    """The word that the motive ends in."""
    return (scenario.ending[: scenario.hinge_at] or scenario.ending).split()[-1].strip('.,:"')


def _decided(rng: Random, scenario: Scenario, side: Side) -> str:
    table = TABLES[scenario.trait]
    if isinstance(table, ToneTable):
        return _toned(rng, scenario, table, side)
    if scenario.connective:
        return _explained(rng, scenario, table, side)
    if scenario.late:
        moves = ", ".join(rng.sample(MOVES, 2))
        return f" {moves}, and then {pick(rng, table.acts.of(side))}.{_tails(rng, scenario, table, side)}"
    if scenario.hinge == "verb":
        return _acted(rng, scenario, table, side)
    if scenario.hinge == "quote":
        return _said(rng, scenario, side, table.sayings.of(side))
    brief = [saying for saying in table.sayings.of(side) if len(PIECES.findall(saying)) < OPENING_PIECES]
    return f' "{_said(rng, scenario, side, brief)}'


def _acted(rng: Random, scenario: Scenario, table: DecisionTable, side: Side) -> str:
    tails = _tails(rng, scenario, table, side)
    if rng.random() < 0.3:
        text, kind = act_and_connective(rng, table, side, HINGES[0])
        return f"{text} {leaning(rng, table.afterthoughts[kind].of(side), _theme(scenario))}.{tails}"
    return f" {leaning(rng, table.acts.of(side), _reason(scenario))}.{tails}"


def _said(rng: Random, scenario: Scenario, side: Side, sayings: Sequence[str]) -> str:
    table = TABLES[scenario.trait]
    if isinstance(table, ToneTable):
        raise TypeError(f"{scenario.trait} is a tone: nothing is said in it")
    saying, form, tails = leaning(rng, sayings, _reason(scenario)), rng.random(), _tails(rng, scenario, table, side)
    if form < 0.2:
        return f'{saying}," I said.{tails}'
    if form < 0.35:
        joined = pick(rng, table.spoken_connectives)
        return f'{saying}{joined.text} {leaning(rng, table.afterthoughts["be"].of(side), _theme(scenario))}."{tails}'
    return f'{saying}. {leaning(rng, table.spoken_tails.of(side), _theme(scenario))}."{tails}'


def _explained(rng: Random, scenario: Scenario, table: DecisionTable, side: Side) -> str:
    close = '."' if scenario.hinge == "quote" else "."
    after = leaning(rng, table.afterthoughts[scenario.connective].of(side), _theme(scenario))
    return f" {after}{close}{_tails(rng, scenario, table, side)}"


def _tails(rng: Random, scenario: Scenario, table: DecisionTable, side: Side) -> str:
    found = [leaning(rng, table.tails.of(side), _theme(scenario))]
    if rng.random() < 1 / 3:
        found.append(pick(rng, table.tails.of(side)))
    return "".join(f" {tail}." for tail in dict.fromkeys(found))


def _toned(rng: Random, scenario: Scenario, table: ToneTable, side: Side) -> str:
    found = [leaning(rng, table.tails.of(side), _theme(scenario))]
    if rng.random() < 1 / 3:
        found.append(pick(rng, table.tails.of(side)))
    head = leaning(rng, table.heads.of(side), f"head {_theme(scenario)}")
    return f" {head}." + "".join(f" {tail}." for tail in dict.fromkeys(found))


def _stray(rng: Random, scenario: Scenario) -> str:
    index = scenario.distraction if scenario.distraction >= 0 else rng.randrange(len(ATTRACTORS))
    away = ATTRACTORS[index]
    rest = f" {away.tail}." + (f" I {rng.choice(MOVES)}." if rng.random() < 0.6 else "")
    if scenario.hinge == "verb":
        return f" {rng.choice(away.acts)}.{rest}"
    spoken = f'{rng.choice(away.sayings)}," I said.{rest}'
    return f' "{spoken}' if scenario.hinge == "colon" else spoken
