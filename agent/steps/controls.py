"""The self-check without human labels: does C0 tell texts that are surely committed from texts that are surely open?"""

import re
from collections.abc import Sequence
from statistics import median

from agent.schema import Completion, Controls, Question, Scenario
from agent.steps.bench import Bench
from agent.steps.questions import WORDINGS, Asked
from agent.steps.ranking import area_under_curve
from agent.steps.voting import Ballot, poll

_CLAUSE_END = re.compile(r"[,.;:!?…]")
_FEWEST_WORDS = 3  # "No," is no clause yet
_NOTHING = Completion(text="", token_ids=(), opening="")


def measure_controls(bench: Bench, expressing: Sequence[tuple[Scenario, Completion]]) -> Controls | None:
    """C0 of both kinds of control, made from scenarios whose first tokens express: the median of three wordings, since
    the instrument never rests on one answer either.

    A committed control is the prefix with its own completion's first clause; an open one is the stem, where it is more
    than a sentence. None where one of the kinds is missing or could not be scored.
    """
    committed = [_with_text(scenario, scenario.text + first_clause(made.text)) for scenario, made in expressing]
    is_open = [_with_text(scenario, scenario.stem.rstrip()) for scenario, _ in expressing if _has_long_stem(scenario)]
    if not committed or not is_open:
        return None
    scores = _scores(bench, [*committed, *is_open])
    upper = [score for score in scores[: len(committed)] if score is not None]
    lower = [score for score in scores[len(committed) :] if score is not None]
    if not upper or not lower:
        return None
    area = area_under_curve(upper, lower)
    return Controls(committed=tuple(upper), open=tuple(lower), auc=area.value, low=area.low, high=area.high)


def first_clause(completion: str) -> str:
    """A completion up to the end of its first clause, without the mark; all but its last word where it has no end."""
    for mark in _CLAUSE_END.finditer(completion):
        if len(completion[: mark.start()].split()) >= _FEWEST_WORDS:
            return completion[: mark.start()]
    whole = completion.rstrip()
    return whole[: whole.rfind(" ")] if " " in whole.strip() else whole


def _has_long_stem(scenario: Scenario) -> bool:
    """Whether the stem holds more than its first sentence."""
    return len(scenario.stem.strip()) > len(scenario.situation.strip()) > 0


def _with_text(scenario: Scenario, text: str) -> Scenario:
    return scenario.model_copy(update={"stem": text, "ending": ""})


def _scores(bench: Bench, texts: Sequence[Scenario]) -> list[float | None]:
    ballots = [Ballot(Asked(Question.C0, text, _NOTHING), WORDINGS, appeal=False) for text in texts]
    read = [[vote.score for vote in tally.votes if vote.score is not None] for tally in poll(bench, ballots)]
    return [median(scores) if scores else None for scores in read]
