"""The upper bound on a run's calls."""

from pathlib import Path

import pytest

from agent.app.run import upper_bound
from agent.config.load import load_settings
from agent.schema import Caps, Mode, Rules
from agent.storage.ledger import Ledger
from tests.cli.scripted import cliffhanger, experiment


def test_the_bound_never_falls_when_a_cap_is_raised() -> None:
    base = upper_bound(Caps(), Rules(), Mode.DECISION, 16)
    for caps in (Caps(max_rounds=80), Caps(max_pairs=400), Caps(max_repairs=8), Caps(target=400)):
        more = upper_bound(caps, Rules(), Mode.DECISION, 16)
        assert all(getattr(more, role) >= getattr(base, role) for role in ("judge", "auditor", "author", "subject"))
    nothing = upper_bound(Caps(max_rounds=0), Rules(), Mode.DECISION, 16)
    assert (nothing.judge, nothing.author, nothing.subject) == (0, 0, 0)


@pytest.mark.parametrize("rounds", [1, 2, 40])
def test_a_real_run_stays_under_its_bound(tmp_path: Path, rounds: int) -> None:
    folder = experiment(tmp_path)
    cliffhanger("run", folder, "--max-rounds", str(rounds))
    settings = load_settings(folder, {"caps.max_rounds": rounds})
    bound = upper_bound(settings.caps, settings.rules, Mode.DECISION, 4)
    with Ledger.read(folder / "extraction/toy/refusal/refinement/ledger.sqlite") as ledger:
        calls = dict(ledger.total_usage().calls)
    assert calls
    assert all(count <= getattr(bound, role) for role, count in calls.items())
