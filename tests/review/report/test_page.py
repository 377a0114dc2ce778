"""The page: it holds everything, obeys nobody, and is the same for the same report."""

import base64
import hashlib
import re
from functools import cache
from html.parser import HTMLParser

import pytest

from agent.review.report.model import Report
from agent.review.report.page import page
from agent.text import safe_text
from tests.hostile import TEXTS
from tests.review.report.examples import STOP, controls, example, rounds, sustained
from tests.review.report.hostile import hostile

VOID = {"meta", "source", "img", "br"}


class PageParser(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, and the text that is shown."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.shown: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.shown.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join("".join(self.shown).split())


shown = cache(page)  # drawing takes seconds, and many tests look at one page


def read(report: Report) -> PageParser:
    reader = PageParser(shown(report))
    assert reader.open == []
    return reader


def test_commands_are_set_as_code() -> None:
    assert "<code>cliffhanger review</code>" in shown(example())


def test_the_same_report_gives_the_same_bytes_also_when_read_from_its_file() -> None:
    report = example()
    assert page(report) == page(report) == page(Report.model_validate_json(report.model_dump_json()))


def test_the_content_security_policy_allows_embedded_pictures_and_this_style_only() -> None:
    html = shown(example())
    (policy,) = [a["content"] for a in PageParser(html).all("meta") if "http-equiv" in a]
    style = html[html.index("<style>") + 7 : html.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


@pytest.mark.parametrize("report", [example(), hostile()], ids=["harmless", "hostile"])
def test_no_script_no_handler_no_style_attribute_and_no_address_outside(report: Report) -> None:
    for tag, attributes in read(report).elements:
        assert tag not in ("script", "iframe", "link", "object", "embed", "form", "base", "foreignobject")
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "action")]
        for name in ("href", "src", "srcset", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/svg+xml;base64,"))
        assert attributes.get("http-equiv", "Content-Security-Policy") == "Content-Security-Policy"


def test_every_hostile_text_is_shown_as_text() -> None:
    shown_text = "".join(read(hostile()).shown)
    for text in TEXTS:
        assert "\n".join(safe_text(line) for line in text.split("\n")) in shown_text


def test_no_character_that_hides_or_turns_text_is_left_in_the_page() -> None:
    assert all(safe_text(line) == line for line in shown(hostile()).split("\n"))


def test_every_scenario_with_scores_is_a_dot_that_leads_to_its_evidence() -> None:
    reader = read(example())
    ids = {attributes["id"] for _, attributes in reader.elements if "id" in attributes}
    dots = [a["href"][1:] for a in reader.all("a") if a["href"].startswith("#s-") and "aria-label" in a]
    assert len(dots) == 8 + 12
    assert set(dots) <= ids
    assert {a["href"][1:] for a in reader.all("a")} <= ids


def test_no_two_things_share_a_name_and_headings_skip_no_level() -> None:
    reader = read(example())
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    levels = [int(tag[1]) for tag, _ in reader.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


def test_pictures_and_tables_can_be_read_without_being_seen() -> None:
    reader = read(example())
    assert all(len(attributes["alt"]) > 40 for attributes in reader.all("img"))
    assert all(attributes.get("scope") in ("col", "row") for attributes in reader.all("th"))


def test_the_page_begins_with_the_ending_the_numbers_and_the_next_step() -> None:
    text = read(example()).text
    first = text[: text.index("Settings")]
    assert "Ready, parked items remain: 4 pairs are audited" in first
    assert "67 % at first examination (4 of 6 pairs)" in first
    assert "3.21 USD 1,200 calls in 6 rounds" in first
    assert "Decide on the parked, changed and added pairs" in first


def test_a_failed_self_check_is_shown_first_and_a_missing_one_is_named() -> None:
    assert "Controls Not measured yet." in read(example()).text
    text = read(example().model_copy(update={"controls": controls(0.85)})).text
    assert text.index("The verdicts of this run are advice") < text.index("Cliffhanger report toy/refusal Ready")
    assert "AUC of 0.800 (95 % interval 0.650 to 0.850" in text
    passed = read(example().model_copy(update={"controls": controls(0.99)})).text
    assert "advice, not measurements" not in passed


def test_an_edit_is_marked_word_by_word_with_the_boundary_and_the_committed_span() -> None:
    html = shown(example())
    pair = html[html.index('id="s-d0001-positive"') : html.index('id="s-d0001-negative"')]
    assert "<del><mark>crossed a line</mark></del>" in pair
    assert '<ins>was too much</ins>, so I<b class="edge"' in pair
    assert '<b class="opening"> refused. It</b><span class="rest"> was wrong.</span>' in pair
    assert "C0 94 → <b>8</b>" in pair
    assert "samples that agree: <b>7/8</b>" in pair


def test_flags_flip_tests_and_reasons_are_shown() -> None:
    text = read(example()).text
    assert "flip test 0.75 (own opening 7/8, opposite 1/8)" in text
    assert "extended" in text
    assert "the wordings disagree" in text
    assert "Not passing yet 1" in text


def test_a_run_without_rounds_has_a_page() -> None:
    nothing = example((), stop=None, state="it is running now")
    text = read(nothing).text
    assert "Not finished: it is running now." in text
    assert "No round has been recorded yet." in text
    first = example(rounds()[:1], stop=None)
    assert "Not finished" in read(first).text


def test_for_a_sustained_trait_the_map_has_no_goal_and_c0_is_not_a_criterion() -> None:
    html, text = shown(sustained()), read(sustained()).text
    for phrase in (
        "open, then decided",
        "open until its end",
        "EXPLAIN",
        "goal corner",
        "open up to",
        "give the trait away",
    ):
        assert phrase in read(example()).text
        assert phrase not in text
    assert "end right before it shows" not in text
    assert '<rect class="goal"' not in html
    assert "C0 and C5 are recorded, but not criteria" in text
    assert "The original dataset: 5 of 6 scenarios pass" in text
    assert "The current set: 6 of 6 scenarios pass" in text
    assert "J5 90" in text


def test_the_label_of_committed_texts_has_room_or_is_left_out() -> None:
    settings = example().asked
    rules = settings.plan.rules.model_copy(update={"commitment_limit": 80.0})
    wide = settings.model_copy(update={"plan": settings.plan.model_copy(update={"rules": rules})})
    assert "EXPLAIN: committed before" in shown(example())
    assert "EXPLAIN: committed before" not in shown(example().model_copy(update={"asked": wide}))


def test_a_text_that_was_changed_for_its_twin_says_so() -> None:
    html = shown(sustained())
    sides = html.partition('id="s-d0000-positive"')[2].partition('id="s-d0000-negative"')
    why = "changed with the positive: another topic for the pair"
    assert why not in sides[0]
    assert why in sides[2].partition("</details>")[0]
    assert html.count(why) == 1


def test_controls_on_the_wrong_side_are_counted_below_the_auc() -> None:
    text = read(example().model_copy(update={"controls": controls(0.99)})).text
    assert "2 of 3 open controls score 50 or less" in text


def test_pairs_that_were_never_examined_are_not_called_unjudged() -> None:
    text = read(example((), stop=STOP)).text
    assert "d0000 not examined" in text.replace("d0000not", "d0000 not")
    assert ">not judged<" not in shown(example((), stop=STOP))
