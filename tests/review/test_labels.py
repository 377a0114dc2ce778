"""One table of keys: the terminal and the page both do what it says."""

import io
import re
from pathlib import Path

import agent.review.web
from agent.review import labels
from agent.review.cards import CardState, CardWarning
from agent.review.labels import KEYS, verdict_meanings
from agent.review.terminal import TerminalReview
from agent.schema import Depth, Mode, Outcome, Question, Rung, Verdict
from tests.review.example import review_example

_PAGE = {"↓": "ArrowDown", "↑": "ArrowUp", "Space": " ", "Esc": "Escape", "Ctrl+S": "save", "Ctrl+Enter": "save"}
_WEB = Path(agent.review.web.__file__).parent


def shown(*places: str) -> set[str]:
    return {one for key in KEYS if key.where in places for one in key.shown}


def bound_on_the_page() -> set[str]:
    templates = "".join(path.read_text(encoding="utf-8") for path in sorted((_WEB / "templates").glob("*.j2")))
    script = (_WEB / "static" / "review.js").read_text(encoding="utf-8")
    table = script.partition("const KEYS = {")[2].partition("};")[0]
    named = re.findall(r'(?:^|[{,])\s*"?(\w+| )"?:', table, re.MULTILINE)
    return {*re.findall(r'data-key="([^"]+)"', templates), *named, *re.findall(r"[{,] (\w)(?:: |, )", table)}


def test_the_terminal_has_the_keys_of_its_help_and_no_other(tmp_path: Path) -> None:
    review = TerminalReview([review_example(tmp_path).session()], stdin=io.StringIO(), stdout=io.StringIO())
    assert {key or "Enter" for key in review.actions} == shown("both", "terminal") - {"/words", "number"}


def test_the_page_has_the_keys_of_its_help_and_no_other() -> None:
    assert bound_on_the_page() - {"cancel"} == {_PAGE.get(one, one) for one in shown("both", "page")}


def test_no_key_is_listed_twice_in_one_help() -> None:
    for view in ("terminal", "page"):
        every = [one for key in KEYS if key.where in ("both", view) for one in key.shown]
        assert len(every) == len(set(every))


def test_only_where_openness_is_asked_for_is_it_part_of_what_express_means() -> None:
    open_until = "open until its end"
    assert open_until in verdict_meanings(Mode.DECISION)[Verdict.EXPRESS]
    assert open_until in verdict_meanings(Mode.PRIMED)[Verdict.EXPRESS]
    assert open_until not in verdict_meanings(Mode.SUSTAINED)[Verdict.EXPRESS]
    assert "have the tone" in verdict_meanings(Mode.SUSTAINED)[Verdict.EXPRESS]


def test_every_value_that_can_be_shown_has_words() -> None:
    for table, values in (
        (labels.STATES, CardState),
        (labels.WARNINGS, CardWarning),
        (labels.OUTCOMES, Outcome),
        (labels.EDIT_STATES, Outcome),
        (labels.QUESTIONS, Question),
        (labels.DEPTHS, Depth),
        (labels.MODES, Mode),
    ):
        assert set(table) == set(values)
    assert set(Rung) <= set(labels.RUNGS)
    assert all(set(verdict_meanings(mode)) == set(Verdict) for mode in Mode)
