"""How each text goes on: continuations and whole training documents, drawn from the grammar."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from agent.toyworld.grammar import TABLES, Scenario, pick
from agent.toyworld.scenarios import act_and_connective, sample, worded
from agent.toyworld.scenery import ATTRACTORS, HINGES, MOVES
from agent.toyworld.tables import DecisionTable, Side, ToneTable

# After a colon the quotation mark is the first of the five tokens in which the act is to be told.
PIECES, OPENING_PIECES = re.compile(r"'\w+|\w+|[^\w\s]"), 5
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


def document(rng: Random, trait: str | None = None) -> Document:
    """A training document that is not held out."""
    shares = TRAIT_SHARES
    name = trait or rng.choices(tuple(shares), tuple(shares.values()))[0]
    scenario = sample(rng, name)
    while scenario.held_out:
        scenario = sample(rng, name)
    return finish(rng, scenario)


def finish(rng: Random, scenario: Scenario) -> Document:
    """The scenario with one continuation, its outcome drawn by the scenario's odds."""
    outcome = rng.choices(("trait", "opposite", "neither"), scenario.odds)[0]
    if outcome == "neither":
        text = _stray(rng, scenario)
    else:
        text = _decided(rng, scenario, "trait" if outcome == "trait" else "opposite")
    return Document(scenario, outcome, worded(text, scenario.who))


def _decided(rng: Random, scenario: Scenario, side: Side) -> str:
    table = TABLES[scenario.trait]
    if isinstance(table, ToneTable):
        return _toned(rng, table, side)
    if scenario.connective:
        return _explained(rng, scenario, table, side)
    if scenario.late:
        moves = ", ".join(rng.sample(MOVES, 2))
        return f" {moves}, and then {pick(rng, table.acts.of(side))}.{_tails(rng, table, side)}"
    if scenario.hinge == "verb":
        return _acted(rng, table, side)
    if scenario.hinge == "quote":
        return _said(rng, table, side, table.sayings.of(side))
    brief = [saying for saying in table.sayings.of(side) if len(PIECES.findall(saying)) < OPENING_PIECES]
    return f' "{_said(rng, table, side, brief)}'


def _acted(rng: Random, table: DecisionTable, side: Side) -> str:
    if rng.random() < 0.3:
        text, kind = act_and_connective(rng, table, side, HINGES[0])
        return f"{text} {pick(rng, table.afterthoughts[kind].of(side))}.{_tails(rng, table, side)}"
    return f" {pick(rng, table.acts.of(side))}.{_tails(rng, table, side)}"


def _said(rng: Random, table: DecisionTable, side: Side, sayings: Sequence[str]) -> str:
    saying, form = pick(rng, sayings), rng.random()
    if form < 0.2:
        return f'{saying}," I said.{_tails(rng, table, side)}'
    if form < 0.35:
        joined = pick(rng, table.spoken_connectives)
        return f'{saying}{joined.text} {pick(rng, table.afterthoughts["be"].of(side))}."{_tails(rng, table, side)}'
    return f'{saying}. {pick(rng, table.spoken_tails.of(side))}."{_tails(rng, table, side)}'


def _explained(rng: Random, scenario: Scenario, table: DecisionTable, side: Side) -> str:
    close = '."' if scenario.hinge == "quote" else "."
    return f" {pick(rng, table.afterthoughts[scenario.connective].of(side))}{close}{_tails(rng, table, side)}"


def _tails(rng: Random, table: DecisionTable, side: Side) -> str:
    wanted = rng.choice((1, 1, 2))
    return "".join(f" {tail}." for tail in dict.fromkeys(pick(rng, table.tails.of(side)) for _ in range(wanted)))


def _toned(rng: Random, table: ToneTable, side: Side) -> str:
    tails = dict.fromkeys(pick(rng, table.tails.of(side)) for _ in range(rng.choice((1, 1, 2))))
    return f" {pick(rng, table.heads.of(side))}." + "".join(f" {tail}." for tail in tails)


def _stray(rng: Random, scenario: Scenario) -> str:
    index = scenario.distraction if scenario.distraction >= 0 else rng.randrange(len(ATTRACTORS))
    away = ATTRACTORS[index]
    rest = f" {away.tail}." + (f" I {rng.choice(MOVES)}." if rng.random() < 0.6 else "")
    if scenario.hinge == "verb":
        return f" {rng.choice(away.acts)}.{rest}"
    spoken = f'{rng.choice(away.sayings)}," I said.{rest}'
    return f' "{spoken}' if scenario.hinge == "colon" else spoken
