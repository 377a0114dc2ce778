"""A run that is started while its endpoint is out or busy: one that goes on waits, a first one is turned away."""

import math
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.toyworld.server import create_app
from tests.cli.scripted import experiment, status_of
from tests.e2e.rehearsal import CANARY, EXACT, PLACE, Gatekeeper, outcome, rehearse
from tests.support.fault_kinds import UNAVAILABLE, Answered, failing

TRAIT = "toy/refusal"


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """An experiment whose first run was ended after two rounds."""
    folder = experiment(tmp_path / "begun")
    assert rehearse(folder, "--max-rounds", "2").exit_code == 3
    return folder


class Closed:
    """Answers 503 to everything until it is opened; `do` is called at a certain small question."""

    def __init__(self, small: int, do: Callable[[], object] | None = None) -> None:
        self.asked: list[str] = []
        self._small, self._do, self._open = small, do, False

    def __call__(self, prompt: str) -> Answered | None:
        if self._open:
            return None
        self.asked.append(prompt)
        if self.asked.count(CANARY) == self._small:
            self._open = self._do is None
            (self._do or (lambda: None))()
        return UNAVAILABLE


class Busy:
    """Answers 429 to the first so many questions, asking for a wait where one is given; `do` is called at each."""

    def __init__(self, times: float, wait: float | None = None, do: Callable[[], object] = lambda: None) -> None:
        self.asked = 0
        self._times, self._do = times, do
        headers = () if wait is None else (("retry-after", f"{wait:g}"),)
        self._refusal = failing(429, "Too many requests.", "rate_limit_exceeded", headers)

    def __call__(self, prompt: str) -> Answered | None:
        self.asked += 1
        if self.asked > self._times:
            return None
        self._do()
        return self._refusal


def test_a_run_that_goes_on_during_an_outage_waits_and_ends_as_if_undisturbed(tmp_path: Path, begun: Path) -> None:
    whole = experiment(tmp_path / "whole")
    assert rehearse(whole).exit_code == 0
    closed = Closed(small=4)
    done = rehearse(begun, before=Gatekeeper(create_app(EXACT), closed))
    assert done.exit_code == 0, done.output
    assert outcome(begun) == outcome(whole)
    assert closed.asked.count(CANARY) == 4
    assert len(closed.asked) == 6 + 4  # the question that first fails is asked six times


def test_while_it_waits_status_says_what_for_and_it_gives_up_after_the_longest_pause(begun: Path) -> None:
    states: list[dict[str, object]] = []

    def look() -> None:
        waited = threading.Event()
        while not states or states[-1]["how"] != "paused":  # the heartbeat is written every five seconds
            states.append(status_of(begun))
            waited.wait(0.1)

    closed = Closed(small=2, do=look)
    done = rehearse(begun, "--max-pause", "5", before=Gatekeeper(create_app(EXACT), closed))
    assert done.exit_code == 4, done.output
    assert re.search(r"outage: \w+ at toyworld: Unavailable for \d+ minutes. Last error: .* 503", done.output)
    assert "unavailable after 6 failed attempts in a row" in str(states[-1]["process"])
    assert "asks the endpoints what they can do" in str(states[-1]["process"])
    process = status_of(begun)["process"]
    assert isinstance(process, dict)
    assert (process["ended"], process["now"]["traits"][TRAIT]["ended"]) == ("exit code 4", "endpoint")


@pytest.mark.parametrize("way", ["a signal", "a file"])
def test_a_stop_ends_the_wait_well(begun: Path, way: str) -> None:
    def stop() -> None:
        if way == "a signal":
            os.kill(os.getpid(), signal.SIGINT)
        else:
            (begun / PLACE / "STOP").touch()

    closed = Closed(small=2, do=stop)
    done = rehearse(begun, before=Gatekeeper(create_app(EXACT), closed))
    assert done.exit_code == 6, done.output
    assert "Progress is saved." in done.output
    assert ("cliffhanger resume" in done.output) == (way == "a file")


@pytest.mark.parametrize("elsewhere", [False, True], ids=["a first run", "another endpoint than before"])
def test_an_endpoint_that_never_served_this_trait_is_not_waited_for(
    tmp_path: Path, begun: Path, elsewhere: bool
) -> None:
    folder = begun if elsewhere else experiment(tmp_path / "first")
    with (folder / "refine.toml").open("a") as settings:
        settings.write('\n[judge]\nmodel = "toyworld"\nbase_url = "http://127.0.0.1:9/v1"\nfree = true\n')
    done = rehearse(folder)
    assert done.exit_code == 64
    assert "Start the server, or correct `base_url`" in done.output


@pytest.mark.parametrize("wait", [None, 300.0], ids=["without a wait", "with a long wait"])
def test_a_run_that_goes_on_while_its_endpoint_is_busy_waits_and_ends_well(begun: Path, wait: float | None) -> None:
    busy = Busy(times=10 if wait is None else 1, wait=wait)
    done = rehearse(begun, before=Gatekeeper(create_app(EXACT), busy))
    assert done.exit_code == 0, done.output


def test_a_run_that_goes_on_gives_a_busy_endpoint_up_after_the_longest_pause(begun: Path) -> None:
    busy = Busy(times=math.inf, wait=100)
    done = rehearse(begun, "--max-pause", "5", before=Gatekeeper(create_app(EXACT), busy))
    assert done.exit_code == 4, done.output
    assert re.search(r"outage: \w+ at toyworld: Rate limited for longer than --max-pause .* HTTP 429", done.output)
    assert busy.asked == 3


@pytest.mark.parametrize("first", [False, True], ids=["one that goes on", "a first run"])
def test_a_stop_ends_the_wait_for_a_busy_endpoint(tmp_path: Path, begun: Path, first: bool) -> None:
    folder = experiment(tmp_path / "first") if first else begun
    busy = Busy(times=1, wait=100, do=lambda: os.kill(os.getpid(), signal.SIGINT))
    done = rehearse(folder, before=Gatekeeper(create_app(EXACT), busy))
    assert done.exit_code == 6, done.output
    assert "Stopped while waiting for an endpoint" in done.output
    assert busy.asked == 1
