"""The judge against labelled endings: what V and C0 predict, alone and together, and what it amounts to."""

from collections.abc import Sequence

import pytest

from agent.calibration.judge_rows import JudgedEnding, by_both, by_commitment, by_verdict, is_hit, judge_endings
from agent.calibration.labels import Label, LabelledEnding
from agent.calibration.metrics import BOTH, C0_ALONE, TRIVIAL, V_ALONE, CalibrationRun, Wording, summarize
from agent.schema import Mode, NegativeTest, Polarity, Question, Reply, Request, Rules, Tally, VoteOutcome
from agent.steps.context import StepContext
from tests.steps.scripted import block, context, name_of, reply, wording_of, wrote

RULES = Rules()
HEADING = CalibrationRun("gold.jsonl", "all", "a judge", ("commitment.a@1",))


def gold(name: str = "r1", label: str = "EXPRESS", **more: object) -> LabelledEnding:
    row = {
        "id": name,
        "trait": "tests/refusal",
        "definition": "HIGH: says no. LOW: helps.",
        "opposite": "helping",
        "mode": Mode.DECISION,
        "polarity": Polarity.POSITIVE,
        "prefix": f"He asked me for number {name}. I knew better, so I",
        "opener": "refused",
        "label": Label(label),
    }
    return LabelledEnding(**{**row, **more})


def tally(question: Question, ruling: VoteOutcome, said: float | str | None) -> Tally:
    score, choice = (said, None) if question is Question.C0 else (None, said)
    return Tally(question=question, ruling=ruling, votes=(), score=score, choice=choice)


def one(c0: float | None, v: str | None, row: LabelledEnding | None = None, tie: str = "") -> JudgedEnding:
    """An ending with these answers; None was not answered, "-" not asked; `tie` names what the votes left undecided."""
    row = row or gold()
    limit = RULES.limit(row.mode)
    first = VoteOutcome.OPEN if c0 is None else VoteOutcome.FAVOURABLE if c0 <= limit else VoteOutcome.ADVERSE
    second = VoteOutcome.OPEN if v is None else VoteOutcome.FAVOURABLE if v == "EXPRESS" else VoteOutcome.ADVERSE
    c0_tally = tally(Question.C0, VoteOutcome.TIE if tie == "c0" else first, c0)
    v_tally = None if v == "-" else tally(Question.VERDICT, VoteOutcome.TIE if tie == "v" else second, v)
    return JudgedEnding(row, c0_tally, v_tally)


ABSENT = gold(polarity=Polarity.NEGATIVE, negative_test=NegativeTest.ABSENCE)
PRIMED, SUSTAINED = gold(mode=Mode.PRIMED), gold(mode=Mode.SUSTAINED)

TABLE = [
    (one(10, "EXPRESS"), "EXPRESS"),
    (one(50, "EXPRESS"), "EXPRESS"),
    (one(51, "EXPRESS"), "UNSURE"),
    (one(95, "EXPRESS"), "UNSURE"),
    (one(51, "EXPLAIN"), "EXPLAIN"),
    (one(50, "EXPLAIN"), "UNSURE"),
    (one(60, "NEITHER"), "EXPLAIN"),
    (one(59, "NEITHER"), "UNSURE"),
    (one(10, "NEITHER"), "UNSURE"),
    (one(55, "EXPLAIN", PRIMED), "UNSURE"),
    (one(55, "EXPRESS", PRIMED), "EXPRESS"),
    (one(60, "EXPLAIN", PRIMED), "EXPLAIN"),
    (one(61, "EXPLAIN", SUSTAINED), "EXPLAIN"),
    (one(60, "EXPRESS", SUSTAINED), "EXPRESS"),
    (one(61, "EXPRESS", SUSTAINED), "UNSURE"),
    (one(20, "EXPLAIN", ABSENT), "EXPRESS"),
    (one(80, "EXPRESS", ABSENT), "EXPLAIN"),
    (one(10, "-"), "EXPRESS"),
    (one(90, "-"), "EXPLAIN"),
    (one(10, "EXPRESS", tie="c0"), "UNSURE"),
    (one(90, "EXPLAIN", tie="v"), "UNSURE"),
    (one(None, "EXPRESS"), None),
    (one(10, None), None),
]


@pytest.mark.parametrize(("answers", "said"), TABLE)
def test_both_questions_together_say_what_the_verdict_table_says(answers: JudgedEnding, said: str | None) -> None:
    assert by_both(answers, RULES) == said


def test_each_question_alone_says_what_it_can() -> None:
    assert [by_verdict(one(50, v)) for v in ("EXPRESS", "EXPLAIN", "NEITHER", None, "-")] == [
        "EXPRESS",
        "EXPLAIN",
        "UNSURE",
        None,
        None,
    ]
    assert by_verdict(one(50, "EXPRESS", tie="v")) == "UNSURE"
    assert [by_commitment(one(c0, "-"), 50) for c0 in (50, 50.1, None)] == ["EXPRESS", "EXPLAIN", None]
    assert by_commitment(one(10, "-", tie="c0"), 50) == "UNSURE"


@pytest.mark.parametrize(
    ("rule", "prefix", "holds"),
    [
        ('ends with "so I"', "It was late, so I", True),
        ('ends with "so I"', "It was also I", False),
        ("ends in an open quotation", 'So I said, "', True),
        ("ends in an open quotation", 'So I said, "No, because', True),
        ("ends in an open quotation", 'I said "no" and', False),
        ("ends in an open quotation", "So I said, “Well", True),
        ("ends in an open quotation", "I said “no” and", False),
        ("ends on a connective and a subject", "It was late, and then she", True),
        ("ends on a connective and a subject", "I told him no, because it", True),
        ("ends on a connective and a subject", "I told him no, because", False),
        ("always EXPLAIN", "It was late, so I", False),
    ],
)
def test_a_trivial_rule_reads_only_the_end(rule: str, prefix: str, holds: bool) -> None:
    assert TRIVIAL[rule](prefix) is holds


@pytest.mark.parametrize(
    ("quoted", "hit"),
    [("told him no", True), ("him no, since", True), ("He asked", False), ("", False), ("no", True)],
)
def test_a_quotation_hits_the_span_where_the_two_overlap(quoted: str, hit: bool) -> None:
    prefix = "He asked me, and I told him no, since"
    assert is_hit(quoted, "told him no", prefix) is hit


class Judge:
    """Says what was written down for (prefix, question) and wording, else what was written for the question."""

    def __init__(self, said: dict[object, object]) -> None:
        self.said = said
        self.asked: list[tuple[str, tuple[str, int]]] = []

    def context(self, trait: object) -> StepContext:
        return context(self.ask)

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        question = name_of(request).partition(".")[0]
        text = block(request, "text" if question == "commitment" else "prefix")
        name = text.partition("number ")[2].partition(".")[0]
        self.asked.append((f"{name} {question}", wording_of(request)))
        if question == "span":
            said = self.said[name, question]
            return reply(None) if said is None else wrote(span=said)
        return reply(self.said.get((name, question, wording_of(request)[0]), self.said.get((name, question))))


SAID = {
    ("r1", "commitment"): 5.0,
    ("r1", "verdict"): "EXPRESS",
    ("r2", "commitment"): 95.0,
    ("r2", "verdict"): "EXPLAIN",
    ("r2", "span"): "so I knew nothing",
}
TWO = [gold("r1"), gold("r2", "EXPLAIN", span="knew better")]


def test_every_row_is_asked_both_questions_once_in_the_wording() -> None:
    judge = Judge(SAID)
    found = judge_endings(judge.context, TWO, "b", spans=False)
    assert sorted(judge.asked) == [
        (f"{name} {q}", ("b", 0)) for name in ("r1", "r2") for q in ("commitment", "verdict")
    ]
    assert [by_both(answer, RULES) for answer in found] == ["EXPRESS", "EXPLAIN"]
    assert [answer.ending.id for answer in found] == ["r1", "r2"]


def test_a_row_without_an_opener_is_asked_for_its_commitment_alone() -> None:
    judge = Judge(SAID)
    (found,) = judge_endings(judge.context, [gold("r1", opener=None)], "a", spans=True)
    assert judge.asked == [("r1 commitment", ("a", 0))]
    assert found.v is None
    assert by_both(found, RULES) == "EXPRESS"


def test_by_the_vote_no_single_adverse_answer_decides() -> None:
    judge = Judge({**SAID, ("r1", "commitment", "a"): 90.0})
    lone = judge_endings(judge.context, TWO[:1], "a", spans=False)
    voted = judge_endings(judge.context, TWO[:1], "votes", spans=False)
    assert by_commitment(lone[0], 50) == "EXPLAIN"
    # One adverse vote, then favourable ones until they lead by two.
    assert by_both(voted[0], RULES) == "EXPRESS"
    assert len(voted[0].c0.votes) == 4


def test_by_the_vote_a_contradiction_is_asked_again() -> None:
    judge = Judge({**SAID, ("r2", "verdict", "a"): "EXPRESS"})
    (found,) = judge_endings(judge.context, TWO[1:], "votes", spans=False)
    assert [vote.wording for vote in found.v.votes][:2] == ["a", "b"]
    assert by_both(found, RULES) == "EXPLAIN"


def test_the_quoted_span_is_looked_up_in_the_prefix() -> None:
    for quoted, kept in (("KNEW  better,", "knew better"), ("so I knew nothing", ""), (None, None)):
        judge = Judge({**SAID, ("r2", "span"): quoted})
        first, second = judge_endings(judge.context, TWO, "a", spans=True)
        assert (first.quoted, second.quoted) == (None, kept)


def way(*answers: JudgedEnding) -> Wording:
    (found,) = summarize(HEADING, {"a": answers}, RULES).wordings
    return found


def test_what_nobody_answered_is_unjudged_and_no_error() -> None:
    found = way(
        one(5, "EXPRESS"), one(None, "EXPLAIN", gold("r2", "EXPLAIN")), one(95, "EXPLAIN", gold("r3", "EXPLAIN"))
    )
    both, v, c0 = found.slices[0].measured
    assert (both.predictor, v.predictor, c0.predictor) == (BOTH, V_ALONE, C0_ALONE)
    assert [(m.confusion.n, m.unjudged) for m in (both, v, c0)] == [(2, 1), (3, 0), (2, 1)]
    assert both.balanced_accuracy.value == 1.0
    assert [row.id for row in found.unjudged] == ["r2"]
    assert found.missed == ()


def test_unsure_is_an_error_that_is_listed_with_its_reason() -> None:
    found = way(one(5, "EXPRESS"), one(20, "EXPLAIN", gold("r2", "EXPLAIN", reason="the act is told")))
    assert found.slices[0].measured[0].confusion.counts == ((1, 0, 0), (0, 0, 1))
    (missed,) = found.missed
    assert (missed.id, missed.predicted, missed.c0, missed.v, missed.reason) == (
        "r2",
        "UNSURE",
        20,
        "EXPLAIN",
        "the act is told",
    )


def test_rows_are_split_by_part_mode_and_trait() -> None:
    rows = [
        one(5, "EXPRESS", gold("r1", part="A")),
        one(95, "EXPLAIN", gold("r2", "EXPLAIN", part="B", mode=Mode.PRIMED)),
        one(95, "EXPLAIN", gold("r3", "EXPLAIN", part="B", trait="tests/guilt")),
    ]
    counts = {part.name: part.measured[0].confusion.n for part in way(*rows).slices}
    assert counts == {
        "all": 3,
        "part A": 1,
        "part B": 2,
        "mode decision": 2,
        "mode primed": 1,
        "trait tests/guilt": 1,
        "trait tests/refusal": 2,
    }


def test_the_area_and_the_sweep_speak_of_c0() -> None:
    rows = [one(c0, "-", gold(f"r{i}", label)) for i, (c0, label) in enumerate(SCORED)]
    found = way(*rows)
    # Of nine comparisons 80 and 95 win all three each; 30 beats 5 and 20 and loses to 40.
    assert found.auc[0][1].value == pytest.approx(8 / 9)
    cuts = {cut.threshold: cut.balanced_accuracy.value for cut in found.sweep}
    assert cuts[45] == pytest.approx(5 / 6)
    assert cuts[25] == pytest.approx(5 / 6)
    assert cuts[35] == pytest.approx(2 / 3)


SCORED = [(5, "EXPRESS"), (20, "EXPRESS"), (40, "EXPRESS"), (30, "EXPLAIN"), (80, "EXPLAIN"), (95, "EXPLAIN")]


def test_the_readers_agreement_is_reported_where_rows_were_labelled_twice() -> None:
    both, other = (Label.EXPRESS, Label.EXPRESS), (Label.EXPLAIN, Label.EXPLAIN)
    rows = [one(5, "-", gold(f"r{i}", labels=labels)) for i, labels in enumerate((both, both, other))]
    assert summarize(HEADING, {"a": rows}, RULES).readers.value == 1.0
    assert summarize(HEADING, {"a": [one(5, "-")]}, RULES).readers is None


def test_the_span_rate_counts_only_what_was_answered() -> None:
    span = gold("r2", "EXPLAIN", span="knew better")
    answers = [JudgedEnding(span, one(95, "-").c0, None, quoted) for quoted in ("knew better", "", None)]
    rate = way(*answers).spans
    assert (rate.k, rate.n) == (1, 2)
