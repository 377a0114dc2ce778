"""Evidence for the verdict table, put together from plain numbers."""

from functools import cache

from agent.schema import Mode, NegativeTest, Polarity, Question, Tally, Verdict, VoteOutcome
from agent.steps.verdict import VerdictInput, verdict

TIE, OPEN = "tie", "open"
Answer = float | str
DECISION, PRIMED, SUSTAINED = Mode
OPPOSITE, ABSENCE = NegativeTest
POSITIVE, NEGATIVE = Polarity
LIMITS = {DECISION: 50.0, PRIMED: 60.0, SUSTAINED: 100.0}
Q = Question


def speaks_for(question: Question, answer: Answer, mode: Mode, polarity: Polarity) -> bool:
    """Which answers favour a scenario, written down a second time."""
    if question is Q.VERDICT:
        return answer == "EXPRESS"
    assert isinstance(answer, float)
    if question is Q.C0:
        return answer <= LIMITS[mode]
    if question in (Q.C5, Q.CL):
        return answer >= 60
    return answer >= 60 if polarity is POSITIVE else answer <= 40


@cache
def tally(question: Question, answer: Answer, mode: Mode = DECISION, polarity: Polarity = POSITIVE) -> Tally:
    if answer == OPEN:
        return Tally(question=question, ruling=VoteOutcome.OPEN, votes=())
    if answer == TIE:
        choice, score = ("EXPLAIN", None) if question is Q.VERDICT else (None, 55.0)
        return Tally(question=question, ruling=VoteOutcome.TIE, votes=(), choice=choice, score=score)
    ruling = VoteOutcome.FAVOURABLE if speaks_for(question, answer, mode, polarity) else VoteOutcome.ADVERSE
    if question is Q.VERDICT:
        return Tally(question=question, ruling=ruling, votes=(), choice=str(answer))
    return Tally(question=question, ruling=ruling, votes=(), score=float(answer))


def evidence(
    mode: Mode = DECISION,
    test: NegativeTest = OPPOSITE,
    polarity: Polarity = POSITIVE,
    twin_failed: bool = False,
    topic_failed: bool = False,
    flip: VoteOutcome | None = None,
    **answers: Answer,
) -> VerdictInput:
    """Evidence of a scenario that passes, but for the answers given: j, v, c0, c5, cl, opening."""
    good = 80.0 if polarity is POSITIVE else 20.0
    full = {"j": good, "opening": good, "v": "EXPRESS", "c0": 20.0, "c5": 80.0, "cl": 90.0} | answers
    names = {"j": Q.RESPONSE, "opening": Q.OPENING, "v": Q.VERDICT, "c0": Q.C0, "c5": Q.C5, "cl": Q.CL}
    tallies = {names[k]: tally(names[k], answer, mode, polarity) for k, answer in full.items()}
    return VerdictInput(
        mode=mode,
        negative_test=test,
        polarity=polarity,
        tallies=tallies,
        limit=LIMITS[mode],
        committed=60.0,
        twin_failed=twin_failed,
        topic_failed=topic_failed,
        flip=flip,
    )


def said(**evidence_: object) -> Verdict | None:
    return verdict(evidence(**evidence_))
