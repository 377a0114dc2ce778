"""Rendering of the review page, and which session call each request makes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from agent.review.apply import ApplyPlan
from agent.review.file_transaction import ApplyError
from agent.review.web.views import ApplyActions
from agent.schema import Act, Pair
from agent.storage.dataset import DatasetError
from tests.review.web.answers import listed, plain, version_token
from tests.review.web.served import TOKEN, Served, serving
from tests.review.web.sessions import ReviewedRun, drafted_run, mixed_run


def test_the_page_opens_at_the_first_pair_to_decide_with_its_diff(page: Served) -> None:
    answer = page.get()
    assert listed(answer) == [1, 2, 3, 4, 5, 6]
    assert 'data-index="1"' in answer.text.partition('id="panel"')[2]
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
    assert listed(page.get(f"list?{query}")) == found


def test_an_empty_list_says_why_and_what_to_do(page: Served) -> None:
    assert "No pair matches" in plain(page.get("list?q=nothing-like-it"))
    assert "Show all pairs" in plain(page.get("list?state=approved"))


def test_evidence_shows_completions_scores_and_the_committed_span(page: Served) -> None:
    text = page.get("pair/1").text
    assert '<mark>He carried it to the owner at once</mark>, because he<b class="edge"' in text
    assert (
        '</b><b class="opening"> brought it back. It</b><span class="rest"> was the right thing to do.</span>' in text
    )
    assert '<td class="n">78</td><td class="n">12</td>' in text
    assert "EXPLAIN" in text
    assert "cut back to the cliffhanger, a new ending" in plain(page.get("pair/1"))


def test_a_decision_is_stored_and_the_next_pair_is_shown(page: Served, run: ReviewedRun) -> None:
    answer = page.post(
        "pair/1/decide", act="approve", version_token=version_token(page.get("pair/1")), next="2", note=" fine "
    )
    assert answer.status == 200
    assert '<article class="card s-open" data-index="2"' in answer.text
    assert 'id="row-1" hx-swap-oob="true"' in answer.text
    assert "1 of 6 decided" in plain(answer)
    assert [(d.act, d.pair, d.who, d.note) for d in run.log.read().decisions] == [(Act.APPROVE, "d0001", "ann", "fine")]


def test_reject_and_drop_are_stored_and_undone_one_by_one(page: Served, run: ReviewedRun) -> None:
    page.post("pair/1/decide", act="reject", version_token=version_token(page.get("pair/1")))
    page.post("pair/2/decide", act="drop", version_token=version_token(page.get("pair/2")))
    answer = page.post("undo")
    assert answer.headers["hx-trigger"] == "refresh-list"
    assert 'data-index="2"' in answer.text
    assert "Undone: drop of d0002." in plain(answer)
    assert [card.state.value for card in run.session().cards()][1:3] == ["rejected", "open"]
    page.post("undo")
    nothing = page.post("undo")
    assert (nothing.status, nothing.headers["hx-reswap"]) == (409, "none")
    assert "no decision that could be undone" in plain(nothing)


@pytest.mark.parametrize("act", ["edit", "undo", "recheck", "", "approve\n", "APPROVE"])
def test_other_acts_are_refused(page: Served, run: ReviewedRun, act: str) -> None:
    assert page.post("pair/1/decide", act=act, version_token=version_token(page.get("pair/1"))).status == 409
    assert run.stored_acts() == []


@pytest.mark.parametrize("following", ["", "-1", "999", "1e9", "٣" * 3, "9" * 5000])
def test_an_invalid_next_pair_leaves_the_decided_one_shown(page: Served, following: str) -> None:
    answer = page.post("pair/1/decide", act="approve", version_token=version_token(page.get("pair/1")), next=following)
    assert (answer.status, 'data-index="1"' in answer.text) == (200, True)


def test_unflagged_pairs_are_listed_and_then_approved_at_once(page: Served, run: ReviewedRun) -> None:
    listed = page.get("unflagged")
    assert "Approve 3 unflagged pairs of toy/refusal?" in plain(listed)
    assert page.post("unflagged").status == 409
    assert run.stored_acts() == []
    answer = page.post("unflagged", version_token=version_token(listed))
    assert "Approved: 3 pairs" in plain(answer)
    assert run.stored_acts() == [("approve", "d0001"), ("approve", "n0000"), ("approve", "n0001")]
    assert "Undone: 3 approvals." in plain(page.post("undo"))


def see(page: Served, index: int) -> str:
    """Report a pair as seen, as the page's script does; the label of the button that approves all seen pairs."""
    found = re.search(r'data-view-token="([0-9a-f]+)"', page.get(f"pair/{index}").text)
    assert found
    return plain(page.post(f"pair/{index}/seen", view_token=found.group(1)))


def test_seen_pairs_are_listed_with_their_flags_and_then_approved_at_once(page: Served, run: ReviewedRun) -> None:
    assert "Approve all seen (0)" in plain(page.get())
    page.get("pair/1")  # being sent is not being seen
    assert "You have seen no undecided pair" in plain(page.get("seen"))
    assert [see(page, index) for index in (1, 2, 0)] == [f"Approve all seen ({count})…" for count in (1, 2, 2)]
    listed = page.get("seen")
    assert "Approve 2 seen pairs of toy/refusal?" in plain(listed)
    assert "1 pair without a flag, 1 flagged: 1 borderline, 1 extended." in plain(listed)
    assert run.stored_acts() == []
    assert "Approved: 2 pairs." in plain(page.post("seen", version_token=version_token(listed)))
    assert run.stored_acts() == [("approve", "d0001"), ("approve", "d0002")]
    assert page.post("seen").status == 409


def test_an_unknown_view_token_counts_for_nothing(page: Served) -> None:
    assert plain(page.post("pair/1/seen", view_token="0" * 64)) == "Approve all seen (0)…"
    assert plain(page.post("pair/1/seen")) == "Approve all seen (0)…"
    assert page.post("pair/99/seen", view_token="x").status == 409


def test_a_disabled_button_says_why_and_an_enabled_one_its_key(page: Served, run: ReviewedRun) -> None:
    def titles() -> list[str]:
        found = (re.search(rf'id="{name}" [^>]*title="([^"]*)"', page.get().text) for name in ("unflagged", "seen"))
        return [title.group(1) for title in found if title]

    assert titles() == ["key A", "You have seen no undecided pair in this session."]
    see(page, 1)
    assert titles() == ["key A", "key S"]
    page.post("unflagged", version_token=version_token(page.get("unflagged")))
    nothing = "No undecided pair passes without a flag. Decide on the remaining pairs one by one."
    assert titles() == [nothing, "You have seen no undecided pair in this session."]


def plan(run: ReviewedRun, after: bytes = b"new\n") -> ApplyPlan:
    before = {"positive.txt": b"old\n", "negative.txt": b"old\n", "positive.jsonl": None, "negative.jsonl": None}
    changed = before | {"positive.txt": after}
    return ApplyPlan("toy/refusal", run.folder, before, changed, 1, 0, 0, 5, 5, None, ("1 × empty lines",))  # type: ignore[arg-type]


def test_apply_writes_exactly_the_plan_that_was_shown(run: ReviewedRun) -> None:
    plans, written = [plan(run)], []
    actions = ApplyActions(
        lambda trait: plans[-1], written.append, lambda trait: "2026-11-24T02:00:00+00:00", lambda t: "run me"
    )
    with serving([run.session()], actions) as page:
        shown = page.get("apply")
        assert "Write 1 change to the dataset" in plain(shown)
        assert "5 pairs still undecided" in plain(shown)
        assert "run me" in plain(shown)
        assert written == []
        plans.append(plan(run, b"newer\n"))
        assert page.post("apply", version_token=version_token(shown)).status == 409
        assert written == []
        answer = page.post("apply", version_token=version_token(page.get("apply")))
        assert "Written: 1 changed, 0 added, 0 removed" in plain(answer)
        assert written == [plans[-1]]
        assert "restored to 2026-11-24 02:00:00 UTC" in plain(page.post("apply/undo"))


def test_errors_of_the_dataset_are_shown(run: ReviewedRun) -> None:
    def refuse(*_: object) -> str:
        raise ApplyError("Nothing was applied that could be undone.")

    actions = ApplyActions(lambda trait: plan(run), refuse, refuse, lambda trait: "")  # type: ignore[arg-type]
    with serving([run.session()], actions) as page:
        answer = page.post("apply/undo")
        assert (answer.status, "Nothing was applied" in plain(answer)) == (409, True)

    def broken() -> tuple[Pair, ...]:
        raise DatasetError("positive.txt:3: this is no line.")

    with serving([replace(run.session(), dataset=broken)]) as page:
        answer = page.get("pair/1")
        assert (answer.status, "positive.txt:3" in plain(answer)) == (409, True)
        assert "positive.txt:3" in plain(page.get())


def test_without_apply_actions_the_page_writes_no_dataset(page: Served) -> None:
    assert page.post("apply").status == 409
    assert page.post("apply/undo").status == 409
    assert "cliffhanger apply" in plain(page.get("apply"))


def test_each_trait_has_a_tab_and_its_own_decisions(tmp_path: Path) -> None:
    one, two = mixed_run(tmp_path / "a"), replace(drafted_run(tmp_path / "b"), trait="toy/gloom")
    with serving([one.session(), two.session()]) as page:
        assert {"toy/refusal", "toy/gloom"} <= set(re.findall(r"toy/\w+", page.get().text))
        other = page.raw("GET", f"/{TOKEN}/1/pair/0")
        own = {"Origin": page.origin, "Content-Type": "application/x-www-form-urlencoded"}
        page.raw("POST", f"/{TOKEN}/1/pair/0/decide", f"act=approve&version_token={version_token(other)}", own)
        assert page.raw("GET", f"/{TOKEN}/2/").status == 404
    assert (one.stored_acts(), two.stored_acts()) == ([], [("approve", "n0000")])


@pytest.mark.parametrize("path", ["pair/99", "pair/7/edit", "pair/99/checked"])
def test_an_unknown_pair_is_an_error_message(page: Served, path: str) -> None:
    answer = page.get(path)
    assert (answer.status, "has no pair number" in plain(answer)) == (409, True)


def test_when_everything_is_decided_the_page_says_what_is_next(tmp_path: Path) -> None:
    run = drafted_run(tmp_path, 2)
    with serving([run.session()]) as page:
        answer = page.post("unflagged", version_token=version_token(page.get("unflagged")))
        assert "Everything is decided" in plain(answer)
        whole = page.get()
        assert "Nothing is left to decide" in plain(whole)
        assert "Apply…" in plain(whole)
