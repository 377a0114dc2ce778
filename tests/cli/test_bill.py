"""What a night can cost at most, and what forgetting would have cost."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli import app
from agent.cli.bill import afresh, by_role, upper_bound
from agent.config import load_settings
from agent.record.ledger import Ledger
from agent.schema import Caps, Cost, Mode, Outcome, Question, Round, Rules, Ruling, Tally, Vote
from tests.cli.scripted import ReadingSubject, experiment
from tests.loop.histories import CONFIRM, FIRST, NEGATIVE, POSITIVE, adopted, confirmed, finding, history, pair


def tally(question: Question, *wordings: str) -> Tally:
    votes = tuple(Vote(wording=wording, sample=0, favourable=True) for wording in wordings)
    return Tally(question=question, ruling=Ruling.FAVOURABLE, votes=votes)


def costed(done: Round, **calls: int) -> Round:
    return done.model_copy(update={"cost": Cost(calls=tuple(sorted(calls.items())))})


def test_forgetting_asks_every_vote_again_in_every_round_and_candidates_as_often_as_now() -> None:
    of = pair()
    first = [
        finding(of, p).model_copy(update={"tallies": (tally(Question.FORECAST, "a"),)}) for p in (POSITIVE, NEGATIVE)
    ]
    again = [
        finding(of, p, Outcome.PASS, CONFIRM).model_copy(
            update={"tallies": (tally(Question.FORECAST, "a", "b"),), "lock_in": (3, 4)}
        )
        for p in (POSITIVE, NEGATIVE)
    ]
    assert {f.depth for f in first} == {FIRST}
    told = history(
        costed(adopted([of], first), judge=5),  # 2 votes and 3 calls that are no examination
        costed(confirmed([of]).model_copy(update={"findings": tuple(again)}), judge=10, subject=8),
    )
    assert by_role(told) == {"judge": 15, "subject": 8}
    assert afresh(told) == 2 + (2 * (2 + 4)) + 3


def test_an_empty_history_costs_nothing() -> None:
    assert afresh(()) == 0


def test_the_bound_grows_with_every_cap_and_never_falls() -> None:
    base = upper_bound(Caps(), Rules(), Mode.DECISION, 16)
    for caps in (Caps(max_rounds=80), Caps(max_pairs=400), Caps(max_repairs=8), Caps(target=400)):
        more = upper_bound(caps, Rules(), Mode.DECISION, 16)
        assert all(getattr(more, role) >= getattr(base, role) for role in ("judge", "auditor", "author", "subject"))
    nothing = upper_bound(Caps(max_rounds=0), Rules(), Mode.DECISION, 16)
    assert (nothing.judge, nothing.author, nothing.subject) == (0, 0, 0)


@pytest.mark.parametrize("rounds", [1, 2, 40])
def test_a_real_run_stays_under_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    monkeypatch.setattr("agent.cli.preflight.open_subject", lambda settings: ReadingSubject())
    folder = experiment(tmp_path)
    CliRunner().invoke(app, ["run", "-e", str(folder), "--max-rounds", str(rounds)])
    settings = load_settings(folder, {"caps.max_rounds": rounds})
    bound = upper_bound(settings.caps, settings.rules, Mode.DECISION, 4)
    with Ledger.read(folder / "extraction/toy/refusal/refinement/ledger.sqlite") as ledger:
        calls = dict(ledger.spend().calls)
    assert calls
    assert all(count <= getattr(bound, role) for role, count in calls.items())
