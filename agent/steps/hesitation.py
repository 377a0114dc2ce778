"""Where the votes cannot decide what a scenario's completion shows, its other samples are asked."""

from collections.abc import Mapping, Sequence

from agent.schema import Question, Ruling, Tally, Verdict
from agent.steps.bench import Bench
from agent.steps.lock_in import LockIn, judge
from agent.steps.questions import EXPRESS
from agent.steps.vet import Case, Tallies
from agent.steps.voting import tally


def hesitates(found: Verdict | None, tallies: Tallies, may_pass: bool) -> bool:
    """Whether votes are not enough: they contradict each other, or tie on the forecast of what may pass else.

    LATE although its first tokens are said to express: one question about one opening speaks against all others.
    """
    if found is Verdict.LATE and tallies[Question.VERDICT].choice == EXPRESS:
        return True
    return found is Verdict.UNSURE or (may_pass and tallies[Question.FORECAST].ruling is Ruling.TIE)


def ask_samples(
    bench: Bench, cases: Sequence[Case], tallies: Sequence[Tallies], held: Mapping[int, LockIn]
) -> list[Tallies]:
    """The tallies of all cases; in those of `held`, what ties over the greedy completion is ruled by its samples."""
    question = Question.OPENING if bench.sustained else Question.C5
    unlike = [i for i in held if _is_settled_by_others(tallies[i][question])]
    openings = judge(bench, question, [cases[i] for i in unlike], [held[i].samples for i in unlike])
    displayed = dict(zip(unlike, openings, strict=True))
    ruled = list(tallies)
    for i, found in held.items():
        ruled[i] = {q: _untied(of_question, found, displayed.get(i)) for q, of_question in tallies[i].items()}
    return ruled


def _is_settled_by_others(found: Tally) -> bool:
    """C5 that fails by an opening unlike the others', or a tie on the opening itself."""
    return found.ruling is Ruling.TIE or (found.question is Question.C5 and found.ruling is not Ruling.FAVOURABLE)


def _untied(found: Tally, held: LockIn, openings: Sequence[Tally] | None) -> Tally:
    """The tally, ruled by the other samples where its votes tie - or where C5 fails by an opening unlike theirs.

    `openings` are what is said of the other samples' openings, where the one of the greedy completion is in doubt.
    """
    tied = found.ruling is Ruling.TIE
    if found.question in (Question.FORECAST, Question.RESPONSE) and tied:
        return tally(found.question, held.holds, found.votes)
    if found.question not in (Question.C5, Question.OPENING) or openings is None:
        return found
    ruling = _majority([opening.ruling for opening in openings])
    if ruling not in (Ruling.FAVOURABLE, Ruling.ADVERSE):
        return found
    scores = [opening.score for opening in openings if opening.ruling is ruling and opening.score is not None]
    return found.model_copy(update={"ruling": ruling, "score": round(sum(scores) / len(scores), 3)})


def _majority(rulings: Sequence[Ruling]) -> Ruling:
    return next((side for side in Ruling if rulings.count(side) > len(rulings) / 2), Ruling.TIE)
