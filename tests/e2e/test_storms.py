"""Storms: one request that never works, credit that ends, minutes of outage, a fifth of all requests gone wrong."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from agent.loop.policy import RECHECKS
from agent.toyworld.server import create_app
from tests.cli.scripted import POSITIVE, status_of
from tests.e2e.rehearsal import (
    CANARY,
    EXACT,
    PLACE,
    Gatekeeper,
    larger,
    outcome,
    quick_now,
    quick_sleep,
    rehearse,
    title,
)
from tests.support.fault_kinds import UNAVAILABLE, Answered, Faults, failing
from tests.support.faults import with_faults

IN_FLIGHT = 32  # what an endpoint of refine.toml takes at once by default
TRIES = 6
OUTAGE = 180.0  # seconds
POISON = POSITIVE[0]
TROUBLED = {
    **{"429": 0.03, "429-bare": 0.02, "5xx": 0.06, "reset": 0.02, "reset-amid": 0.01, "hang": 0.002, "html": 0.01},
    **{"error-200": 0.01, "cut": 0.01, "malformed": 0.01, "no-choices": 0.006, "no-logprobs": 0.01, "model": 0.005},
    **{"content-type": 0.005},
}


Undisturbed = Callable[[int], dict[str, bytes]]


def faulty(faults: Faults) -> Gatekeeper:
    return Gatekeeper(with_faults(create_app(EXACT), faults, quick_now, quick_sleep))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """undisturbed(target) is the outcome of a run in which nothing goes wrong."""

    @cache
    def ended(target: int) -> dict[str, bytes]:
        folder = larger(tmp_path_factory.mktemp("undisturbed"), target)
        done = rehearse(folder)
        assert done.exit_code == 0, done.output
        return outcome(folder)

    return ended


def test_a_request_that_never_works_costs_its_own_pair_and_no_other(tmp_path: Path) -> None:
    folder, endpoint = larger(tmp_path, 12), faulty(Faults(poison=(POISON,)))
    done = rehearse(folder, before=endpoint)
    assert done.exit_code == 2, done.output
    state = status_of(folder)
    assert (state["pairs"], state["by_status"], state["parked"]) == (12, {"audited": 12}, 1)
    poisoned = Counter({body: n for body, n in endpoint.bodies.items() if POISON in body.decode()})
    assert 0 < max(poisoned.values()) <= TRIES * (1 + RECHECKS)
    assert "no readable judgement" in (folder / PLACE / "summary.md").read_text()


def test_one_look_at_a_request_that_never_works_is_six_requests_and_a_reason(tmp_path: Path) -> None:
    folder, endpoint = larger(tmp_path, 12), faulty(Faults(poison=(POISON,)))
    done = rehearse(folder, "--diagnostic", before=endpoint)
    assert done.exit_code == 2
    assert "6 of 8 scenarios pass, 1 could not be judged" in done.output
    assert {n for body, n in endpoint.bodies.items() if POISON in body.decode()} == {TRIES}
    assert status_of(folder)["attempts"]["transient"] % TRIES == 0


def test_when_the_credit_ends_the_run_pauses_with_four_at_once_and_the_same_command_goes_on(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    folder, endpoint = larger(tmp_path / "credit", 12), faulty(Faults(quota_after=200))
    out_of_credit = rehearse(folder, before=endpoint)
    assert out_of_credit.exit_code == 4, out_of_credit.output
    assert 200 < len(endpoint.prompts) <= 200 + IN_FLIGHT
    assert status_of(folder)["parked"] == 0
    assert rehearse(folder).exit_code == 0
    assert outcome(folder) == undisturbed(12)


class Blackout:
    """Answers 503 for three minutes, from a certain request on."""

    def __init__(self, after: int) -> None:
        self._left = after
        self.began: float | None = None
        self.refused: list[tuple[float, str]] = []

    def __call__(self, prompt: str) -> Answered | None:
        self._left -= 1
        if self._left > 0:
            return None
        self.began = quick_now() if self.began is None else self.began
        since = quick_now() - self.began
        if since >= OUTAGE:
            return None
        self.refused.append((since, prompt))
        return UNAVAILABLE

    def probes(self) -> list[float]:
        return [since for since, prompt in self.refused if prompt == CANARY]


@pytest.mark.parametrize("after", [7, 150])  # the probe takes six requests
def test_three_minutes_of_503_are_waited_for_with_a_small_question_now_and_then_and_no_item_is_lost(
    tmp_path: Path, undisturbed: Undisturbed, after: int
) -> None:
    folder, blackout = larger(tmp_path / "out", 12), Blackout(after)
    done = rehearse(folder, before=Gatekeeper(create_app(EXACT), blackout))
    assert done.exit_code == 0, done.output
    assert outcome(folder) == undisturbed(12)
    assert len(blackout.refused) <= TRIES * IN_FLIGHT + len(blackout.probes())
    first, *later = blackout.probes()
    assert 1 <= len(later) <= 3  # after 30 s, and twice as long each time; a busy machine makes the quick clock jump
    assert all(b - a >= 30.0 for a, b in zip(later, later[1:], strict=False))
    assert {prompt for since, prompt in blackout.refused if since >= first + 30.0} == {CANARY}


@pytest.mark.parametrize(("seed", "target", "calls"), [(0, 48, 1400), (1, 12, 400), (2, 12, 400)])
def test_a_fifth_of_all_requests_gone_wrong_changes_no_byte_of_the_set_and_its_history(
    tmp_path: Path, undisturbed: Undisturbed, seed: int, target: int, calls: int
) -> None:
    folder, endpoint = larger(tmp_path, target), faulty(Faults(rates=TROUBLED, retry_after=0.2, seed=seed))
    done = rehearse(folder, before=endpoint, attempt_timeout=0.5, deadline=1e6)
    assert done.exit_code == 0, done.output
    assert outcome(folder) == undisturbed(target)
    counts = endpoint.app.counts
    assert counts.requests > counts.answers >= calls
    assert sum(counts.faults.values()) >= 0.18 * counts.requests


def test_an_item_that_had_to_be_asked_again_leaves_no_trace_in_the_history(
    tmp_path: Path, undisturbed: Undisturbed
) -> None:
    failures = dict.fromkeys([POISON], TRIES)

    def instead(prompt: str) -> Answered | None:
        text = next((text for text in failures if text in prompt and title(prompt) == "# Forecast"), None)
        if text is None or not failures[text]:
            return None
        failures[text] -= 1
        return failing(500, "trouble")

    folder = larger(tmp_path, 12)
    done = rehearse(folder, before=Gatekeeper(create_app(EXACT), instead))
    assert "recheck" in done.output
    assert outcome(folder) == undisturbed(12)
