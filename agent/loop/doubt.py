"""When a run ends badly: is it the texts, or the judge that reads them?"""

from collections.abc import Iterator

from agent.loop.standing import Standing
from agent.schema import Finding, Polarity, Question, Tally
from agent.schema.rates import wilson

_TEXTS = 4  # on each side, from which on one score for all of them is no accident
_ANSWERS = 20
_TOO_OFTEN = 0.3  # disagreement beyond the interval's lower end; a coin's is 0.5


def doubts(now: Standing) -> str:
    """A sentence to be added to the reason of a stop where the judge itself is broken, else nothing."""
    found = [finding for item in (*now.items.values(), *now.removed) for finding in item.findings]
    why = [*_says_one_thing(found), *_contradicts_itself(found)]
    return f". But it is the judge that cannot be trusted here: {'; '.join(why)}. Take another one" if why else ""


def _says_one_thing(found: list[Finding]) -> Iterator[str]:
    """One score for everything that the subject said, on both sides alike."""
    first = {(f.polarity, f.key): t.votes[0].score for f in found if (t := f.tally(Question.RESPONSE)) and t.votes}
    sides = [[s for (side, _), s in first.items() if side is polarity and s is not None] for polarity in Polarity]
    if min(map(len, sides)) >= _TEXTS and len({*sides[0], *sides[1]}) == 1:
        yield f"it scores all {len(first)} responses {sides[0][0]:g}"


def _contradicts_itself(found: list[Finding]) -> Iterator[str]:
    """Its second wording against its first, wherever both were asked: where a first answer was adverse, too."""
    latest: dict[tuple[str, Question], Tally] = {(f.key, t.question): t for f in found for t in f.tallies}
    both = [tally.votes[:2] for tally in latest.values() if len(tally.votes) > 1]
    read = [(a.favourable, b.favourable) for a, b in both if None not in (a.favourable, b.favourable)]
    rate = wilson(sum(a != b for a, b in read), len(read))
    if rate.n >= _ANSWERS and rate.low > _TOO_OFTEN:
        yield f"its second wording contradicts the first in {rate}"
