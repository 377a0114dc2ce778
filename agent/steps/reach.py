"""Of what comes late: how many tokens it takes. The advice is to extract over so many, and not over the first few."""

from collections.abc import Sequence

from agent.schema import Completion, Question, Verdict
from agent.steps.bench import Bench
from agent.steps.questions import WORDINGS, Asked
from agent.steps.vet import Case
from agent.steps.voting import Ballot, poll


def reaches(
    bench: Bench, cases: Sequence[Case], completions: Sequence[Completion], verdicts: Sequence[Verdict | None]
) -> dict[int, int]:
    """For each LATE case the fewest first tokens that display its behaviour; all of them where fewer never do.

    Found by halving, one vote at each step: a display that has begun is taken to stay.
    """
    late = [i for i, v in enumerate(verdicts) if v is Verdict.LATE and len(completions[i].ends) > bench.rules.first_k]
    spans = {i: (bench.rules.first_k, len(completions[i].ends)) for i in late}  # not yet displayed, displayed
    while wanted := [i for i, (low, high) in spans.items() if high - low > 1]:
        middles = {i: sum(spans[i]) // 2 for i in wanted}
        asked = [Asked(Question.CL, cases[i].scenario, _first(completions[i], middles[i])) for i in wanted]
        tallies = poll(bench, [Ballot(one, WORDINGS[:1], appeal=False) for one in asked])
        for i, found in zip(wanted, tallies, strict=True):
            (low, high), displayed = spans[i], (found.votes[0].score or 0.0) >= bench.rules.committed
            spans[i] = (low, middles[i]) if displayed else (middles[i], high)
    return {i: high for i, (_, high) in spans.items()}


def _first(made: Completion, tokens: int) -> Completion:
    return made.model_copy(update={"text": made.text[: made.ends[tokens - 1]]})
