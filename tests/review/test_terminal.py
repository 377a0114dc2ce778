"""The prompt loop in a terminal: each key calls the session, and a card is rendered with its evidence."""

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.review.cards import CardState
from agent.review.session import RecheckFailed, ReviewSession
from agent.review.terminal import TerminalReview
from agent.review.terminal_view import escape, unescape
from agent.schema import Outcome, Pair, Verdict
from agent.text import safe_text
from tests.hostile import TEXTS
from tests.review.example import DATASET, REPAIRED, ReviewExample, change, pair, proposal, review_example

WAIT = 30.0  # seconds; only a hang takes so long
Typed = str | Callable[[], str]


class Keyboard(io.StringIO):
    """Input that yields these lines; a callable is called when its line is read, and gives the line."""

    def __init__(self, lines: Sequence[Typed]) -> None:
        super().__init__()
        self._lines: Iterator[Typed] = iter(lines)

    def readline(self, size: int | None = -1, /) -> str:
        typed = next(self._lines, None)
        return "" if typed is None else f"{typed() if callable(typed) else typed}\n"


@pytest.fixture
def example(tmp_path: Path) -> ReviewExample:
    return review_example(tmp_path)


def play(sessions: ReviewSession | Sequence[ReviewSession], *lines: Typed) -> str:
    """Type these lines, then end the input; everything that was printed."""
    out = io.StringIO()
    given = [sessions] if isinstance(sessions, ReviewSession) else sessions
    TerminalReview(given, lambda: "asking", "`apply` writes it.", Keyboard(lines), out, check_wait=WAIT).run()
    return out.getvalue()


def acts(example: ReviewExample) -> list[tuple[str, str]]:
    """(act, pair) of all that is on disk."""
    return [(d.act.value, d.pair) for d in example.log.read().decisions]


def test_it_opens_at_the_first_undecided_pair_and_shows_its_word_diff_and_evidence(example: ReviewExample) -> None:
    said = play(example.session())
    assert "1 of 6" in said
    assert "to decide  d0001  changed, line 2" in said
    assert "She wanted the exam answers, so I[- refused-]" in said
    assert "Approving replaces line 2 of both files" in said
    assert said.endswith("0 of 6 decided [a,r,e,d,u,x,A,S,n,p,s,/,?,q] ")


@pytest.mark.parametrize(
    ("keys", "stored"),
    [
        ("a", [("approve", "d0001")]),
        ("r", [("reject", "d0001")]),
        ("d", [("drop", "d0001")]),
        ("n a", [("approve", "d0002")]),
        ("s a", [("approve", "d0002")]),
        ("n n a", [("approve", "d0003")]),
        ("n p a", [("approve", "d0001")]),
        ("2 a", [("approve", "d0002")]),
        ("a r", [("approve", "d0001"), ("reject", "d0002")]),
        ("a u", [("approve", "d0001"), ("undo", "d0001")]),
        ("A y", [("approve", "d0001"), ("approve", "n0000"), ("approve", "n0002")]),
        ("A n", []),
        ("n S y", [("approve", "d0001"), ("approve", "d0002")]),
        ("A y u", [(act, name) for act in ("approve", "undo") for name in ("d0001", "n0000", "n0002")]),
        ("/aunt a", [("approve", "n0002")]),
        ("q a", []),
        ("? u t 99 zz", []),
    ],
)  # fmt: skip
def test_each_key_stores_exactly_what_it_says(example: ReviewExample, keys: str, stored: list[tuple[str, str]]) -> None:
    play(example.session(), *keys.split(" "))
    assert acts(example) == stored


def test_enter_moves_on_and_the_next_review_continues_at_the_first_undecided_pair(example: ReviewExample) -> None:
    play(example.session(), "a", "", "a")
    assert acts(example) == [("approve", "d0001"), ("approve", "d0003")]
    assert "to decide  d0002" in play(example.session())


def test_when_all_is_decided_it_says_so_and_names_the_next_command(example: ReviewExample) -> None:
    assert "Everything listed is decided. `apply` writes it." in play(example.session(), *"rrrrrr")
    assert "Everything listed is decided." in play(example.session())


def test_a_search_finds_pairs_by_text_flag_or_verdict_and_an_empty_one_lists_all(example: ReviewExample) -> None:
    said = play(example.session(), "/failing", "/nowhere", "/")
    assert "0 of 6 decided, 2 listed" in said
    assert "No pair has these words." in said
    assert said.endswith("0 of 6 decided [a,r,e,d,u,x,A,S,n,p,s,/,?,q] ")


def test_what_the_session_refuses_is_printed_and_nothing_is_stored(example: ReviewExample) -> None:
    assert "Nothing is proposed for d0000" in play(example.session(), "/vicar", "a")
    assert acts(example) == []


def test_an_edit_keeps_what_is_left_empty_and_is_approved_after_it_passed_its_check(example: ReviewExample) -> None:
    said = play(example.session(), "e", "She wanted the exam answers, so we", "", "a")
    assert "d0001: the edit passed its check. Approve it with a." in said
    assert acts(example) == [("edit", "d0001"), ("recheck", "d0001"), ("approve", "d0001")]
    [checked] = example.rechecked
    assert (checked.positive.text, checked.negative.text) == (
        "She wanted the exam answers, so we",
        REPAIRED.negative.text,
    )


def test_an_edit_without_a_change_stores_nothing(example: ReviewExample) -> None:
    assert "Nothing was changed." in play(example.session(), "e", "", "")
    assert acts(example) == []


def test_a_failed_edit_cannot_be_approved_and_a_failed_check_can_be_repeated(example: ReviewExample) -> None:
    example.outcome = Outcome.FAIL
    assert "fails its check: look at the evidence" in play(example.session(), "e", "Other, so I", "", "a")
    example.outcome = Outcome.PASS
    errors = [RecheckFailed("The judge [/x] is out.")]

    def failing_once(of: Pair) -> object:
        if errors:
            raise errors.pop()
        return example.recheck(of)

    session = ReviewSession(example.proposal, example.pairs, example.log, "ann", failing_once)
    said = play(session, "s", "e", "Other, so I", "", "x", "a")
    assert "d0002: The judge [/x] is out." in said
    assert acts(example)[-3:] == [("edit", "d0002"), ("recheck", "d0002"), ("approve", "d0002")]


def test_the_review_goes_on_while_an_edit_is_checked_and_the_result_is_printed(example: ReviewExample) -> None:
    gate, ended = threading.Event(), threading.Event()

    def slow(of: Pair) -> object:
        assert gate.wait(WAIT)
        ended.set()
        return example.recheck(of)

    def open_gate() -> str:
        gate.set()
        assert ended.wait(WAIT)
        while session.card("d0001").outcome is Outcome.UNJUDGED:
            threading.Event().wait(0.01)
        return "/exam"

    session = ReviewSession(example.proposal, example.pairs, example.log, "ann", slow)
    out = io.StringIO()
    keys = Keyboard(["e", "Other, so I", "", "a", "s", "r", open_gate, "a"])
    TerminalReview([session], lambda: "asking the judge", "", keys, out, check_wait=0.01).run()
    assert "The check of d0001 goes on (asking the judge)." in out.getvalue()
    assert "The edit is being checked. Wait for the result." in out.getvalue()
    assert acts(example) == [("edit", "d0001"), ("reject", "d0002"), ("recheck", "d0001"), ("approve", "d0001")]


def test_an_edit_that_is_cancelled_is_offered_again_and_one_cut_off_is_stored_unchecked(
    example: ReviewExample,
) -> None:
    def interrupt() -> str:
        raise KeyboardInterrupt

    cancelled = play(example.session(), "e", "Other, so I", interrupt, "e", "", "")
    assert "Not stored. Until you quit, e brings your texts back." in cancelled
    assert example.rechecked[0].positive.text == "Other, so I"
    play(example.session(), "/n0000", "e", "Cut off, so I")  # the input ends in the second text
    assert example.session().card("n0000").state is CardState.EDITED
    assert example.log.read().decisions[-1].note == "not finished: the terminal was closed"
    assert [of.id for of in example.rechecked] == ["d0001"]


def test_ctrl_c_at_the_prompt_ends_the_review_with_all_decisions_stored(example: ReviewExample) -> None:
    def interrupt() -> str:
        raise KeyboardInterrupt

    play(example.session(), "a", interrupt, "a")
    assert acts(example) == [("approve", "d0001")]


def test_a_pair_that_another_reviewer_changed_is_shown_again_instead_of_decided(example: ReviewExample) -> None:
    def bob_edits() -> str:
        bob = example.session("bob")
        bob.edit("d0001", "Another text, so I", "One more text, so I", bob.card("d0001").version_token)
        return "a"

    said = play(example.session(), bob_edits)
    assert "d0001 has changed since you saw it" in said
    assert "edited, ready to approve  d0001" in said.rpartition("has changed")[2]
    assert [d.who for d in example.log.read().decisions] == ["bob", "bob"]


def test_a_conflict_shows_three_versions(example: ReviewExample) -> None:
    theirs = pair("d0001", "She wanted the exam answers today, so I", REPAIRED.negative.text, 1)
    example.write([DATASET[0], theirs, *DATASET[2:]])
    said = play(example.session())
    assert "The dataset's pair was changed or removed since the run." in said
    assert "the run's She wanted the exam answers, so I refused" in said
    assert "dataset She wanted the exam answers{+ today+}, so I[- refused-]" in said
    assert "proposed She wanted the exam answers, so I[- refused-]" in said


def test_each_trait_has_its_own_session(tmp_path: Path) -> None:
    one, other = review_example(tmp_path / "one"), review_example(tmp_path / "other")
    other.proposal = other.proposal.model_copy(update={"trait": "toy/gloom"})
    play([one.session(), other.session()], "a", "t", "r")
    assert (acts(one), acts(other)) == ([("approve", "d0001")], [("reject", "d0001")])


def test_the_help_explains_keys_states_and_flags(example: ReviewExample) -> None:
    said = play(example.session(), "?")
    for words in ("undo your last decision", "Nobody has decided", "within 5 points of its", "next pair"):
        assert words in said


def test_the_first_tokens_end_at_a_bar_and_the_committed_words_are_quoted(example: ReviewExample) -> None:
    [changed] = [c for c in example.proposal.changes if c.pair == "d0001"]
    side = changed.sides[0]
    assert side.after.evidence is not None
    found = side.after.evidence.model_copy(
        update={"completion": " said no and went home.", "opening": " said no", "verdict": Verdict.EXPLAIN}
    )
    found = found.model_copy(update={"span": "wanted"})
    side = side.model_copy(update={"after": side.after.model_copy(update={"evidence": found})})
    example.proposal = proposal([changed.model_copy(update={"sides": (side, changed.sides[1])})])
    said = play(example.session())
    assert "continues EXPLAIN  said no│ and went home." in said
    assert "commits at wanted" in said


def test_hostile_texts_are_harmless_and_can_be_edited(tmp_path: Path) -> None:
    example = review_example(tmp_path, [])
    drafts = [pair(f"n{i:04d}", text, f"{text} not") for i, text in enumerate(TEXTS)]
    changes = []
    for draft in drafts:
        made = change("added", None, draft)
        side = made.sides[0]
        assert side.after.evidence is not None
        evil = {"completion": draft.positive.text + "tail", "opening": draft.positive.text, "span": "x"}
        after = side.after.model_copy(update={"evidence": side.after.evidence.model_copy(update=evil)})
        sides = (side.model_copy(update={"after": after}), made.sides[1])
        changes.append(made.model_copy(update={"why": draft.positive.text, "sides": sides}))
    example.proposal = proposal(changes)
    said = play(example.session(TEXTS[0]), *("n" for _ in TEXTS), "1", "r", "u", "/\x1b[31m")
    assert all(safe_text(line) == line for line in said.split("\n"))


@given(st.text(st.characters()))
def test_an_escaped_text_is_one_harmless_line_and_comes_back_exactly(text: str) -> None:
    assert unescape(escape(text)) == text
    assert safe_text(escape(text)) == escape(text)


def test_a_literal_escape_in_a_text_stays_what_it_is() -> None:
    assert unescape(escape(r"print \u{1b} or \u{5c}u{} or \\u{")) == r"print \u{1b} or \u{5c}u{} or \\u{"
