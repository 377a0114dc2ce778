"""Edits, checks, conflicts, a second reviewer and hostile texts on the page. The rules are in test_session."""

import re
import threading
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from agent.review.session import RecheckFailed
from agent.schema import Act, Finding, Outcome, Pair
from tests.review.web.answers import edit, listed, plain, until_checked, version_token
from tests.review.web.served import Served, serving
from tests.review.web.sessions import (
    COMMITTED_ENDING,
    NEGATIVE_ENDING,
    REPAIRED_ENDING,
    STEM,
    TYPED_ENDING,
    ReviewedRun,
    drafted_run,
    findings_for,
    pair_of,
)


def test_a_decision_on_texts_that_changed_is_refused_and_the_new_texts_are_shown(
    page: Served, run: ReviewedRun
) -> None:
    mine = version_token(page.get("pair/1"))
    bob = run.session("bob")
    bob.edit("d0001", STEM + TYPED_ENDING, STEM + NEGATIVE_ENDING, bob.card("d0001").version_token)
    answer = page.post("pair/1/decide", act="approve", version_token=mine)
    assert answer.status == 409
    assert "d0001 has changed since you saw it" in plain(answer)
    assert TYPED_ENDING in plain(answer)
    assert "bob" in plain(answer)
    assert [act for act, _ in run.stored_acts()] == ["edit", "recheck"]


def test_another_reviewers_decision_is_shown(page: Served, run: ReviewedRun) -> None:
    page.get("pair/1")
    bob = run.session("bob")
    bob.decide("d0001", Act.REJECT, bob.card("d0001").version_token, "no")
    assert "Rejected by bob" in plain(page.get("pair/1"))
    assert listed(page.get("list?state=rejected")) == [1]


def test_a_conflict_shows_three_texts_and_can_be_decided(page: Served, run: ReviewedRun) -> None:
    page.get("pair/1")
    theirs = pair_of("d0001", COMMITTED_ENDING + " himself")
    run.dataset = (run.dataset[0], theirs, *run.dataset[2:])
    answer = page.get("pair/1")
    assert "conflict" in plain(answer)
    for text in (COMMITTED_ENDING, COMMITTED_ENDING + " himself", REPAIRED_ENDING):
        assert STEM + text in plain(answer)
    assert page.post("pair/1/decide", act="approve", version_token=version_token(answer)).status == 200
    assert run.session().card("d0001").effect == "replace"


def conflict_over_an_edit(run: ReviewedRun) -> None:
    """d0001 was edited and not checked, then changed in the dataset."""
    session = replace(run.session(), recheck=None)
    session.edit("d0001", STEM + TYPED_ENDING, STEM + NEGATIVE_ENDING, session.card("d0001").version_token)
    run.dataset = (run.dataset[0], pair_of("d0001", COMMITTED_ENDING + " himself"), *run.dataset[2:])


def test_a_conflict_over_an_unchecked_edit_offers_its_check(page: Served, run: ReviewedRun) -> None:
    conflict_over_an_edit(run)
    answer = page.get("pair/1")
    assert "This edit has not been checked. Check it" in plain(answer)
    assert "Reject it first, which keeps the dataset's text. Then edit it." in unescape(answer.text)
    answer = page.post("pair/1/check")
    assert "the edit passed its check. Approve it with a." in plain(answer)
    assert page.post("pair/1/decide", act="approve", version_token=version_token(answer)).status == 200
    assert run.session().card("d0001").effect == "replace"


def test_without_a_proposal_the_buttons_say_why_they_are_disabled(page: Served) -> None:
    shown = unescape(page.get("pair/0").text)
    assert shown.count('disabled title="Nothing is proposed for this pair."') == 2
    assert "Approving replaces" not in shown


def test_an_edit_is_stored_checked_and_then_approved(page: Served, run: ReviewedRun) -> None:
    answer = edit(page, 1, STEM + TYPED_ENDING, note="shorter")
    assert "passed their check" in plain(answer)
    assert [pair.positive.text for pair in run.checked_pairs] == [STEM + TYPED_ENDING]
    assert page.post("pair/1/decide", act="approve", version_token=version_token(answer)).status == 200
    assert [act for act, _ in run.stored_acts()] == ["edit", "recheck", "approve"]
    assert run.session().card("d0001").ours.positive.text == STEM + TYPED_ENDING


def test_an_edit_that_fails_its_check_disables_approve(page: Served, run: ReviewedRun) -> None:
    run.recheck = lambda pair: findings_for(pair, Outcome.FAIL)
    answer = edit(page, 1, STEM + TYPED_ENDING)
    assert "fail their check" in plain(answer)
    assert "edited, fails its check" in plain(answer)
    assert "edited, ready to approve" not in plain(answer)
    assert re.search(r'data-key="a"[^>]* disabled', answer.text)


def test_during_a_long_check_other_pairs_can_be_decided(page: Served, run: ReviewedRun) -> None:
    may_end = threading.Event()

    def slow_check(pair: Pair) -> list[Finding]:
        may_end.wait(20)
        return findings_for(pair)

    run.recheck = slow_check
    answer = edit(page, 1, STEM + TYPED_ENDING)
    try:
        assert "Checking the edit" in plain(answer)
        assert 'hx-get="pair/1/checked"' in answer.text
        assert page.get("pair/1/checked").headers["hx-reswap"] == "none"
        assert page.post("pair/1/decide", act="reject", version_token=version_token(answer)).status == 409
        assert edit(page, 1, STEM + "Again, so he").status == 409
        other = page.post("pair/2/decide", act="reject", version_token=version_token(page.get("pair/2")))
        assert (other.status, 'hx-get="progress"' in other.text) == (200, True)
    finally:
        may_end.set()
    assert "passed its check" in plain(until_checked(page, 1))
    assert [act for act, _ in run.stored_acts()] == ["edit", "reject", "recheck"]


def test_a_check_that_raises_shows_its_error_and_can_be_repeated(page: Served, run: ReviewedRun) -> None:
    def fail(pair: Pair) -> list[Finding]:
        raise RecheckFailed("The judge does not answer. Your edit is stored; check it again later.")

    run.recheck = fail
    answer = edit(page, 1, STEM + TYPED_ENDING)
    assert "The judge does not answer" in plain(answer)
    assert "Check it" in plain(answer)
    run.recheck = None
    assert "passed their check" in plain(page.post("pair/1/check"))
    assert [act for act, _ in run.stored_acts()] == ["edit", "recheck"]


def test_typed_texts_are_kept_when_the_pair_changed_meanwhile(page: Served, run: ReviewedRun) -> None:
    shown = page.get("pair/1/edit")
    bob = run.session("bob")
    bob.edit("d0001", STEM + "Bob was first, so he", STEM + NEGATIVE_ENDING, bob.card("d0001").version_token)
    answer = page.post(
        "pair/1/edit", positive=STEM + TYPED_ENDING, negative=STEM + NEGATIVE_ENDING, version_token=version_token(shown)
    )
    assert answer.status == 409
    assert "Your text is kept below: review the pair as it is now, then save again." in plain(answer)
    assert f"{STEM}{TYPED_ENDING}</textarea>" in unescape(answer.text)
    assert [decision.who for decision in run.log.read().decisions] == ["bob", "bob"]
    again = page.post(
        "pair/1/edit",
        positive=STEM + TYPED_ENDING,
        negative=STEM + NEGATIVE_ENDING,
        version_token=version_token(answer),
    )
    assert again.status == 200
    assert run.session().card("d0001").ours.positive.text == STEM + TYPED_ENDING


@pytest.mark.parametrize("positive", ["", STEM + REPAIRED_ENDING])
def test_an_empty_or_unchanged_text_is_not_stored(page: Served, run: ReviewedRun, positive: str) -> None:
    assert edit(page, 1, positive).status == 409
    assert run.stored_acts() == []


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
    "' hx-get='/evil' data-index='",
)


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_escaped(tmp_path: Path, hostile: str) -> None:
    run = drafted_run(tmp_path, 1)
    session = run.session(f"<b>{hostile[:40]}")
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


def test_an_edit_of_a_hostile_text_keeps_its_invisible_characters(tmp_path: Path) -> None:
    run, hostile = drafted_run(tmp_path, 1), "Once \x1b[31m\u202e and\u2028 \x00 so I"
    session = run.session()
    first = session.cards()[0]
    session.edit(first.pair, hostile, "Once. So I", first.version_token)
    with serving([session]) as page:
        shown = page.get("pair/0/edit")
        field = re.search(r'name="positive"[^>]*>\n(.*?)</textarea>', shown.text, re.S)
        assert field
        typed = unescape(field.group(1)).replace("so I", "so we")
        page.post("pair/0/edit", positive=typed, negative="Once. So I", version_token=version_token(shown))
    assert session.cards()[0].ours.positive.text == hostile.replace("so I", "so we")
