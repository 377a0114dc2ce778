"""Edits, conflicts, two reviewers, and texts that mean harm: what was seen is what is stored."""

import re
import threading
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from agent.review.session import RecheckFailed
from agent.schema import Act, Finding, Outcome, Pair
from tests.review.web.answers import edit, places, plain, until_checked, version_token
from tests.review.web.served import Served, serving
from tests.review.web.sessions import COMMITTED, HELD, KEPT, STEM, TYPED, Night, of, seen, small


def test_what_another_reviewer_changed_is_not_decided_unseen(page: Served, told: Night) -> None:
    mine = version_token(page.get("pair/1"))
    bob = told.session("bob")
    bob.edit("d0001", STEM + TYPED, STEM + KEPT, bob.card("d0001").version_token)
    answer = page.post("pair/1/decide", act="approve", version_token=mine)
    assert answer.status == 409
    assert "d0001 has changed since you saw it" in plain(answer)
    assert TYPED in plain(answer)
    assert "bob" in plain(answer)
    assert [act for act, _ in told.acts()] == ["edit", "recheck"]


def test_what_another_reviewer_decided_is_shown_at_the_next_look(page: Served, told: Night) -> None:
    page.get("pair/1")
    bob = told.session("bob")
    bob.decide("d0001", Act.REJECT, bob.card("d0001").version_token, "no")
    assert "Rejected by bob" in plain(page.get("pair/1"))
    assert places(page.get("list?state=rejected")) == [1]


def test_a_conflict_shows_three_texts_and_is_decided(page: Served, told: Night) -> None:
    page.get("pair/1")
    theirs = of("d0001", COMMITTED + " himself")
    told.dataset = (told.dataset[0], theirs, *told.dataset[2:])
    answer = page.get("pair/1")
    assert "conflict" in plain(answer)
    for text in (COMMITTED, COMMITTED + " himself", HELD):
        assert STEM + text in plain(answer)
    assert page.post("pair/1/decide", act="approve", version_token=version_token(answer)).status == 200
    assert told.session().card("d0001").effect == "replace"


def conflict_over_an_edit(told: Night) -> None:
    """d0001 was edited and not checked, and then somebody changed it in the dataset."""
    session = replace(told.session(), recheck=None)
    session.edit("d0001", STEM + TYPED, STEM + KEPT, session.card("d0001").version_token)
    told.dataset = (told.dataset[0], of("d0001", COMMITTED + " himself"), *told.dataset[2:])


def test_a_conflict_over_an_unchecked_edit_is_checked_and_then_approved(page: Served, told: Night) -> None:
    conflict_over_an_edit(told)
    answer = page.get("pair/1")
    assert "This edit has not been checked. Check it" in plain(answer)
    assert "Reject it first, which keeps the dataset's text. Then edit it." in unescape(answer.text)
    answer = page.post("pair/1/check")
    assert "the edit passed its check. Approve it with a." in plain(answer)
    assert page.post("pair/1/decide", act="approve", version_token=version_token(answer)).status == 200
    assert told.session().card("d0001").effect == "replace"


def test_a_conflict_over_an_edit_that_fails_is_rejected_before_it_is_edited(page: Served, told: Night) -> None:
    conflict_over_an_edit(told)
    told.recheck = lambda pair: seen(pair, Outcome.FAIL)
    answer = page.post("pair/1/check")
    assert "see the evidence, and reject it first, then edit it again." in plain(answer)
    assert "fails its check: reject it first, then edit it again." in plain(answer)
    answer = page.post("pair/1/decide", act="reject", version_token=version_token(answer))
    assert "Store and check" in plain(page.get("pair/1/edit"))


def test_a_check_that_comes_to_nothing_in_a_conflict_says_why(page: Served, told: Night) -> None:
    conflict_over_an_edit(told)

    def out(pair: Pair) -> list[Finding]:
        raise RecheckFailed("The judge is out.")

    told.recheck = out
    assert "The judge is out." in plain(page.post("pair/1/check"))


def test_a_pair_that_nobody_would_change_is_not_approved_and_only_a_drop_of_it_is_rejected(
    page: Served, told: Night
) -> None:
    shown = unescape(page.get("pair/0").text)
    assert shown.count('disabled title="Nothing is proposed for this pair."') == 2
    page.post("pair/0/decide", act="drop", version_token=version_token(page.get("pair/0")))
    shown = unescape(page.get("pair/0").text)
    assert shown.count('disabled title="Nothing is proposed for this pair: reject it to leave it as it is."') == 1
    assert "Approving puts" not in shown
    assert page.post("pair/0/decide", act="reject", version_token=version_token(page.get("pair/0"))).status == 200
    assert told.acts() == [("drop", "d0000"), ("reject", "d0000")]


def test_an_edit_is_stored_checked_and_then_approved(page: Served, told: Night) -> None:
    answer = edit(page, 1, STEM + TYPED, note="shorter")
    assert "passed their check" in plain(answer)
    assert [pair.positive.text for pair in told.asked] == [STEM + TYPED]
    assert page.post("pair/1/decide", act="approve", version_token=version_token(answer)).status == 200
    assert [act for act, _ in told.acts()] == ["edit", "recheck", "approve"]
    assert told.session().card("d0001").ours.positive.text == STEM + TYPED


def test_an_edit_that_fails_its_check_cannot_be_approved(page: Served, told: Night) -> None:
    told.recheck = lambda pair: seen(pair, Outcome.FAIL)
    answer = edit(page, 1, STEM + TYPED)
    assert "fail their check" in plain(answer)
    assert "edited, fails its check" in plain(answer)
    assert "edited, to approve" not in plain(answer)
    assert re.search(r'data-key="a"[^>]* disabled', answer.text)
    refused = page.post("pair/1/decide", act="approve", version_token=version_token(answer))
    assert (refused.status, "fails its check: look at the evidence" in plain(refused)) == (409, True)
    assert [act for act, _ in told.acts()] == ["edit", "recheck"]


def test_a_long_check_lets_the_reviewer_go_on_and_is_told_when_it_ends(page: Served, told: Night) -> None:
    gate = threading.Event()

    def patient(pair: Pair) -> list[Finding]:
        gate.wait(20)
        return seen(pair)

    told.recheck = patient
    answer = edit(page, 1, STEM + TYPED)
    try:
        assert "Checking the new texts" in plain(answer)
        assert 'hx-get="pair/1/checked"' in answer.text
        assert page.get("pair/1/checked").headers["hx-reswap"] == "none"
        assert page.post("pair/1/decide", act="reject", version_token=version_token(answer)).status == 409
        assert edit(page, 1, STEM + "Again, so he").status == 409
        other = page.post("pair/2/decide", act="reject", version_token=version_token(page.get("pair/2")))
        assert (other.status, 'hx-get="progress"' in other.text) == (200, True)
    finally:
        gate.set()
    assert "passed its check" in plain(until_checked(page, 1))
    assert [act for act, _ in told.acts()] == ["edit", "reject", "recheck"]


def test_a_check_that_cannot_be_made_keeps_the_edit_and_can_be_repeated(page: Served, told: Night) -> None:
    def out(pair: Pair) -> list[Finding]:
        raise RecheckFailed("The judge does not answer. Your edit is stored; check it again later.")

    told.recheck = out
    answer = edit(page, 1, STEM + TYPED)
    assert "The judge does not answer" in plain(answer)
    assert "Check it" in plain(answer)
    told.recheck = None
    assert "passed their check" in plain(page.post("pair/1/check"))
    assert [act for act, _ in told.acts()] == ["edit", "recheck"]


def test_what_was_typed_is_not_lost_when_the_pair_changed_meanwhile(page: Served, told: Night) -> None:
    shown = page.get("pair/1/edit")
    bob = told.session("bob")
    bob.edit("d0001", STEM + "Bob was first, so he", STEM + KEPT, bob.card("d0001").version_token)
    answer = page.post("pair/1/edit", positive=STEM + TYPED, negative=STEM + KEPT, version_token=version_token(shown))
    assert answer.status == 409
    assert "What you typed still stands below: look at the pair as it is now, then store again." in plain(answer)
    assert f"{STEM}{TYPED}</textarea>" in unescape(answer.text)
    assert [decision.who for decision in told.log.read().decisions] == ["bob", "bob"]
    again = page.post("pair/1/edit", positive=STEM + TYPED, negative=STEM + KEPT, version_token=version_token(answer))
    assert again.status == 200
    assert told.session().card("d0001").ours.positive.text == STEM + TYPED


@pytest.mark.parametrize("positive", ["", "  \r\n ", STEM + KEPT, STEM + HELD])
def test_texts_that_no_dataset_can_hold_are_not_stored(page: Served, told: Night, positive: str) -> None:
    assert edit(page, 1, positive).status == 409
    assert told.acts() == []


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</textarea><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202eevil\u202c",
    "\x1b]0;title\x07",
    "nul\x00byte",
    "\u2028line",
    "x" * 65536,
    "' hx-get='/evil' data-place='",
)


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_shown_as_texts(tmp_path: Path, hostile: str) -> None:
    told = small(tmp_path, 1)
    session = told.session(f"<b>{hostile[:40]}")
    first = session.cards()[0]
    session.edit(first.pair, f"Once. {hostile} so I", "Once. So I", first.version_token, f"<i>{hostile[:100]}")
    with serving([session]) as page:
        for path in ("", "pair/0", "pair/0/edit", "list?state=all", "unflagged", "apply", f"list?q={'%3Cscript%3E'}"):
            text = page.get(path).text
            assert not re.search(r"<(script|img)(?! src=\"\.\./static/)", text), path
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2028\u2029\u200b]", text), path
            assert "<b>" + hostile[:4] not in text
            assert "49" not in re.findall(r">\s*(\d\d)\s*<", text)
        assert edit(page, 0, f"Twice. {hostile} so I", "Once. So I").status == 200


def test_an_edit_of_a_hostile_text_keeps_what_was_not_touched(tmp_path: Path) -> None:
    told, hostile = small(tmp_path, 1), "Once \x1b[31m\u202e and\u2028 \x00 so I"
    session = told.session()
    first = session.cards()[0]
    session.edit(first.pair, hostile, "Once. So I", first.version_token)
    with serving([session]) as page:
        shown = page.get("pair/0/edit")
        field = re.search(r'name="positive"[^>]*>\n(.*?)</textarea>', shown.text, re.S)
        assert field
        typed = unescape(field.group(1)).replace("so I", "so we")
        page.post("pair/0/edit", positive=typed, negative="Once. So I", version_token=version_token(shown))
    assert session.cards()[0].ours.positive.text == hostile.replace("so I", "so we")
