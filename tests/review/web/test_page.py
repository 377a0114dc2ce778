"""What the page shows and what it stores, asked as its own script asks."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from agent.review.apply import ApplyPlan
from agent.review.file_transaction import ApplyError
from agent.review.web.views import ApplyActions
from agent.schema import Act, Decision, Pair
from agent.storage.dataset import DatasetError
from tests.review.web.answers import places, plain, version_token
from tests.review.web.served import TOKEN, Served, serving
from tests.review.web.sessions import COMMITTED, HELD, Night, night, of, small


def test_the_page_opens_at_the_first_pair_to_decide_with_its_diff(page: Served) -> None:
    answer = page.get()
    assert places(answer) == [1, 2, 3, 4, 5, 6]
    assert 'data-place="1"' in answer.text.partition('id="panel"')[2]
    assert "<del>. He carried it to the owner at once</del>" in answer.text
    assert "0 of 6 decided" in plain(answer)
    assert "Approve all unflagged (3)" in plain(answer)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=all", [0, 1, 2, 3, 4, 5, 6]),
        ("state=unchanged", [0]),
        ("state=todo&what=added", [5, 6]),
        ("state=todo&flag=extended", [2]),
        ("state=todo&flag=none", [1, 5, 6]),
        ("state=todo&flag=parked", [4]),
        ("state=all&verdict=WRONG", [3]),
        ("state=all&q=umbrella", [0]),
        ("state=all&q=THIEF+purse", [5, 6]),
        ("state=all&q=n0001", [6]),
        ("state=approved", []),
        ("state=nonsense", []),
        ("state=all&q=%00", []),
    ],
)
def test_the_list_is_filtered(page: Served, query: str, found: list[int]) -> None:
    assert places(page.get(f"list?{query}")) == found


def test_an_empty_list_says_why_and_what_to_do(page: Served) -> None:
    assert "No pair is like that" in plain(page.get("list?q=nothing-like-it"))
    assert "Show all pairs" in plain(page.get("list?state=approved"))


def test_evidence_shows_both_completions_at_their_exact_boundary_with_scores_and_span(page: Served) -> None:
    text = page.get("pair/1").text
    assert '<mark>He carried it to the owner at once</mark>, because he<b class="edge"' in text
    assert (
        '</b><b class="opening"> brought it back. It</b><span class="rest"> was the right thing to do.</span>' in text
    )
    assert '<td class="n">78</td><td class="n">12</td>' in text
    assert "EXPLAIN" in text
    assert "cut back to the cliffhanger, a new ending" in plain(page.get("pair/1"))


def test_a_decision_is_stored_and_the_next_pair_is_shown(page: Served, told: Night) -> None:
    answer = page.post(
        "pair/1/decide", act="approve", version_token=version_token(page.get("pair/1")), next="2", note=" fine "
    )
    assert answer.status == 200
    assert '<article class="card s-open" data-place="2"' in answer.text
    assert 'id="row-1" hx-swap-oob="true"' in answer.text
    assert "1 of 6 decided" in plain(answer)
    assert [(d.act, d.pair, d.who, d.note) for d in told.log.read().decisions] == [
        (Act.APPROVE, "d0001", "ann", "fine")
    ]


def test_reject_and_drop_are_stored_and_undone_one_by_one(page: Served, told: Night) -> None:
    page.post("pair/1/decide", act="reject", version_token=version_token(page.get("pair/1")))
    page.post("pair/2/decide", act="drop", version_token=version_token(page.get("pair/2")))
    answer = page.post("undo")
    assert answer.headers["hx-trigger"] == "relist"
    assert 'data-place="2"' in answer.text
    assert "Undone: drop of d0002." in plain(answer)
    assert [card.state.value for card in told.session().cards()][1:3] == ["rejected", "open"]
    page.post("undo")
    nothing = page.post("undo")
    assert (nothing.status, nothing.headers["hx-reswap"]) == (409, "none")
    assert "no decision that could be undone" in plain(nothing)


@pytest.mark.parametrize("act", ["edit", "undo", "recheck", "", "approve\n", "APPROVE"])
def test_only_the_three_decisions_are_decisions(page: Served, told: Night, act: str) -> None:
    assert page.post("pair/1/decide", act=act, version_token=version_token(page.get("pair/1"))).status == 409
    assert told.acts() == []


@pytest.mark.parametrize("following", ["", "-1", "999", "1e9", "٣" * 3, "9" * 5000])
def test_a_next_pair_that_is_none_leaves_the_decided_one_on_show(page: Served, following: str) -> None:
    answer = page.post("pair/1/decide", act="approve", version_token=version_token(page.get("pair/1")), next=following)
    assert (answer.status, 'data-place="1"' in answer.text) == (200, True)


def test_all_unflagged_are_approved_at_once_after_they_were_listed(page: Served, told: Night) -> None:
    listed = page.get("unflagged")
    assert "Approve 3 unflagged pairs of toy/refusal?" in plain(listed)
    assert told.acts() == []
    answer = page.post("unflagged", version_token=version_token(listed))
    assert "Approved at once: 3" in plain(answer)
    assert told.acts() == [("approve", "d0001"), ("approve", "n0000"), ("approve", "n0001")]
    assert "Undone: 3 approvals." in plain(page.post("undo"))


def test_a_list_of_unflagged_pairs_that_has_changed_approves_nothing(page: Served, told: Night) -> None:
    listed = page.get("unflagged")
    bob = told.session("bob")
    bob.decide("n0001", Act.REJECT, bob.card("n0001").version_token)
    answer = page.post("unflagged", version_token=version_token(listed))
    assert answer.status == 409
    assert "Approve 2 unflagged pairs of toy/refusal?" in plain(answer)
    assert told.acts() == [("reject", "n0001")]
    assert page.post("unflagged").status == 409


def see(page: Served, place: int) -> str:
    """What the page does once a pair is on the screen; what the button says then by which all seen are approved."""
    found = re.search(r'data-view-token="([0-9a-f]+)"', page.get(f"pair/{place}").text)
    assert found
    return plain(page.post(f"pair/{place}/seen", view_token=found.group(1)))


def test_all_seen_are_approved_at_once_after_they_were_listed_with_their_flags(page: Served, told: Night) -> None:
    assert "Approve all seen (0)" in plain(page.get())
    page.get("pair/1")  # to have been sent is not to have been seen
    assert "You have seen no undecided pair" in plain(page.get("seen"))
    assert [see(page, place) for place in (1, 2, 0)] == [f"Approve all seen ({count})…" for count in (1, 2, 2)]
    listed = page.get("seen")
    assert "Approve 2 seen pairs of toy/refusal?" in plain(listed)
    assert "1 pair without a flag, 1 flagged: 1 borderline, 1 extended." in plain(listed)
    assert told.acts() == []
    assert "Approved at once: 2 pairs." in plain(page.post("seen", version_token=version_token(listed)))
    assert told.acts() == [("approve", "d0001"), ("approve", "d0002")]
    assert page.post("seen").status == 409


def test_a_sight_that_is_none_counts_for_nothing(page: Served) -> None:
    assert plain(page.post("pair/1/seen", view_token="0" * 64)) == "Approve all seen (0)…"
    assert plain(page.post("pair/1/seen")) == "Approve all seen (0)…"
    assert page.post("pair/99/seen", view_token="x").status == 409


def test_a_button_that_cannot_be_pressed_says_why_and_one_that_can_its_key(page: Served, told: Night) -> None:
    def titles() -> list[str]:
        found = (re.search(rf'id="{name}" [^>]*title="([^"]*)"', page.get().text) for name in ("unflagged", "seen"))
        return [title.group(1) for title in found if title]

    assert titles() == ["key A", "You have seen no undecided pair in this session."]
    see(page, 1)
    assert titles() == ["key A", "key S"]
    page.post("unflagged", version_token=version_token(page.get("unflagged")))
    nothing = "No undecided pair passes without a flag. Decide on the remaining pairs one by one."
    assert titles() == [nothing, "You have seen no undecided pair in this session."]


def plan(told: Night, after: bytes = b"new\n") -> ApplyPlan:
    before = {"positive.txt": b"old\n", "negative.txt": b"old\n", "positive.jsonl": None, "negative.jsonl": None}
    changed = before | {"positive.txt": after}
    return ApplyPlan("toy/refusal", told.folder, before, changed, 1, 0, 0, 5, 5, None, ("1 × empty lines",))  # type: ignore[arg-type]


def test_apply_shows_what_it_will_write_and_writes_exactly_that(told: Night) -> None:
    plans, written = [plan(told)], []
    writer = ApplyActions(
        lambda trait: plans[-1], written.append, lambda trait: "2026-11-24T02:00:00+00:00", lambda t: "run me"
    )
    with serving([told.session()], writer) as page:
        shown = page.get("apply")
        assert "Write 1 change to the dataset" in plain(shown)
        assert "5 pairs still undecided" in plain(shown)
        assert "run me" in plain(shown)
        assert written == []
        plans.append(plan(told, b"newer\n"))
        assert page.post("apply", version_token=version_token(shown)).status == 409
        assert written == []
        answer = page.post("apply", version_token=version_token(page.get("apply")))
        assert "Written: 1 changed, 0 added, 0 removed" in plain(answer)
        assert written == [plans[-1]]
        assert "as it was before 2026-11-24 02:00:00 UTC" in plain(page.post("apply/undo"))


def test_trouble_with_the_dataset_is_told_in_its_own_words(told: Night) -> None:
    def refuse(*_: object) -> str:
        raise ApplyError("Nothing was applied that could be undone.")

    writer = ApplyActions(lambda trait: plan(told), refuse, refuse, lambda trait: "")  # type: ignore[arg-type]
    with serving([told.session()], writer) as page:
        answer = page.post("apply/undo")
        assert (answer.status, "Nothing was applied" in plain(answer)) == (409, True)

    def broken() -> tuple[Pair, ...]:
        raise DatasetError("positive.txt:3: this is no line.")

    with serving([replace(told.session(), dataset=broken)]) as page:
        answer = page.get("pair/1")
        assert (answer.status, "positive.txt:3" in plain(answer)) == (409, True)
        assert "positive.txt:3" in plain(page.get())


def test_without_a_writer_the_page_writes_no_dataset(page: Served) -> None:
    assert page.post("apply").status == 409
    assert page.post("apply/undo").status == 409
    assert "cliffhanger apply" in plain(page.get("apply"))


def test_several_traits_have_a_tab_each_and_their_own_decisions(tmp_path: Path) -> None:
    one, two = night(tmp_path / "a"), replace(small(tmp_path / "b"), trait="toy/gloom")
    with serving([one.session(), two.session()]) as page:
        assert {"toy/refusal", "toy/gloom"} <= set(re.findall(r"toy/\w+", page.get().text))
        other = page.raw("GET", f"/{TOKEN}/1/pair/0")
        own = {"Origin": page.origin, "Content-Type": "application/x-www-form-urlencoded"}
        page.raw("POST", f"/{TOKEN}/1/pair/0/decide", f"act=approve&version_token={version_token(other)}", own)
        assert page.raw("GET", f"/{TOKEN}/2/").status == 404
    assert (one.acts(), two.acts()) == ([], [("approve", "n0000")])


@pytest.mark.parametrize("path", ["pair/99", "pair/7/edit", "pair/99/checked"])
def test_a_pair_that_is_none_is_a_sentence(page: Served, path: str) -> None:
    answer = page.get(path)
    assert (answer.status, "has no pair number" in plain(answer)) == (409, True)


def test_a_night_with_nothing_left_says_what_comes_next(tmp_path: Path) -> None:
    told = small(tmp_path, 2)
    with serving([told.session()]) as page:
        answer = page.post("unflagged", version_token=version_token(page.get("unflagged")))
        assert "Everything is decided" in plain(answer)
        whole = page.get()
        assert "Nothing is left to decide" in plain(whole)
        assert "Apply…" in plain(whole)


def test_decisions_name_the_texts_that_were_seen(page: Served, told: Night) -> None:
    page.post("pair/1/decide", act="approve", version_token=version_token(page.get("pair/1")))
    (stored,) = told.log.read().decisions
    assert isinstance(stored, Decision)
    assert (stored.key, stored.base) == (of("d0001", HELD).key, of("d0001", COMMITTED).key)
