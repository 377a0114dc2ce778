"""Status from files alone: of running, blocked, dead and finished runs, and with files that cannot be read."""

import fcntl
import json
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from agent.app.status import TraitState, read_states
from agent.cli.status import trait_lines
from agent.config.load import load_settings
from agent.config.settings import Settings
from agent.review.proposal import Proposal
from agent.schema import Controls, Ending, JudgeNoise, Question, Role, Stop, WordingDisagreement
from agent.storage.dataset import FileHashes
from agent.storage.durable import write_atomically
from agent.storage.experiment import ExperimentFolder, heartbeat_file
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Answer
from agent.supervision.heartbeat import Heartbeat, HeartbeatTiming
from agent.supervision.progress import Progress
from agent.text import RESUME
from tests.cli.scripted import cliffhanger, experiment
from tests.loop.histories import FAIL, adopted, confirmed, findings, history, pairs
from tests.supervision.worker import TRAIT, ManualClock, read_heartbeat, running_worker, wait_until
from tests.support.bases import basis

MINUTE = 60.0
NO_DATASET = FileHashes(positive=None, negative=None, definition=None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return experiment(tmp_path)


@pytest.fixture
def place(folder: Path) -> ExperimentFolder:
    return ExperimentFolder(folder, TRAIT)


@pytest.fixture
def settings(folder: Path) -> Settings:
    return load_settings(folder)


def output(folder: Path, *options: str) -> str:
    done = cliffhanger("status", folder, *options)
    assert done.exit_code == 0, done.output
    return done.output


def add_trait(folder: Path, trait: str) -> None:
    file = folder / "refine.toml"
    file.write_text(file.read_text().replace('["toy/refusal"]', f'["toy/refusal", "{trait}"]'))


def state(settings: Settings, now: float | None = None) -> TraitState:
    (found,) = read_states(settings, time.time if now is None else ManualClock(now))
    return found


def answer(key: str, role: Role = Role.JUDGE) -> Answer:
    return Answer(
        key=key,
        role=role,
        prompt_id="vet",
        sample=0,
        content="70",
        evidence="",
        finish_reason="stop",
        tokens_in=100,
        tokens_out=2,
        micro_usd=5_000,
        model="m",
    )


def buy(ledger: Ledger, *keys: str, role: Role = Role.JUDGE) -> None:
    for key in keys:
        ledger.record_answer(ledger.begin_attempt(key, role, "vet"), answer(key, role))


def record(ledger: Ledger, *when: float, clock: ManualClock) -> int:
    """A campaign of two rounds: three pairs of which two pass, then one of them confirmed."""
    campaign = ledger.campaign(basis())
    some = pairs(3)
    rounds = history(adopted(some, findings(some[:2]) + findings(some[2:], FAIL)), confirmed(some[:1]))
    for clock.now, done in zip(when, rounds, strict=False):
        ledger.append(campaign, done)
    return campaign


def propose(place: ExperimentFolder, campaign: int, rounds: int) -> None:
    stop = Stop(ending=Ending.CAP, why="2 rounds were played")
    proposal = Proposal(trait=TRAIT, dataset=NO_DATASET, campaign=campaign, rounds=rounds, stop=stop, changes=())
    write_atomically(place.refinement / "proposal.json", proposal.model_dump_json().encode())


def test_before_the_first_run_there_is_no_run_yet(folder: Path, settings: Settings) -> None:
    assert output(folder) == "toy/refusal: no run yet\n"
    assert state(settings).how == "not begun"


def test_a_run_is_running_then_stale_when_its_heartbeat_is_old_then_dead_when_it_is_killed(
    folder: Path, place: ExperimentFolder, settings: Settings
) -> None:
    with Ledger(place.ledger_path) as ledger:
        campaign = record(ledger, 1.0, 2.0, clock=ManualClock())
    propose(place, campaign, rounds=2)
    with running_worker(folder) as process:
        path = heartbeat_file(folder, process.pid)
        wait_until(lambda: "step" in read_heartbeat(path).now.traits[TRAIT].stage)
        assert f"running, process {process.pid}: step " in output(folder)
        found = json.loads(output(folder, "--json"))[0]
        assert (found["how"], found["running"], found["process"]["pid"]) == ("running", True, process.pid)
        assert state(settings).stop is None
        process.send_signal(signal.SIGSTOP)
        written = read_heartbeat(path).written
        assert [state(settings, written + age).how for age in (29.0, 31.0)] == ["running", "stale"]
    process.wait()
    printed = output(folder)
    assert f"process {process.pid} died. {RESUME} Last heartbeat 2" in printed
    assert ": step " in printed
    assert (state(settings).how, state(settings).running) == ("died", False)
    propose(place, campaign, rounds=2)  # it had still written why it stopped
    assert state(settings).how == "stopped"


def test_an_orderly_end_is_shown_with_its_reason(folder: Path, place: ExperimentFolder, settings: Settings) -> None:
    with Ledger(place.ledger_path) as ledger:
        campaign = record(ledger, 1.0, 2.0, clock=ManualClock())
    propose(place, campaign, rounds=2)
    assert "  cap: 2 rounds were played" in output(folder)
    propose(place, campaign, rounds=1)
    assert f"  interrupted. {RESUME}" in output(folder)


def test_a_run_that_ended_before_its_first_round_says_why(folder: Path, settings: Settings) -> None:
    heartbeat = Heartbeat(heartbeat_file(folder, 1), Progress((TRAIT,)))
    with pytest.raises(ValueError, match="no"), heartbeat:
        raise ValueError("no key")
    assert f"the last run ended: ValueError: no key. {RESUME}" in output(folder)
    assert state(settings).how == "interrupted"


def test_a_paused_trait_does_not_make_another_one_paused(folder: Path) -> None:
    add_trait(folder, "toy/gloom")
    progress = Progress((TRAIT, "toy/gloom"))
    progress.pause(TRAIT, "the file PAUSE")
    with Heartbeat(heartbeat_file(folder, 1), progress):
        assert [one.how for one in read_states(load_settings(folder))] == ["paused", "running"]
        assert "process" in output(folder)
    progress.pause(TRAIT, None)
    progress.pause("judge", "the endpoint is out")
    with Heartbeat(heartbeat_file(folder, 1), progress):
        assert [one.how for one in read_states(load_settings(folder))] == ["paused", "paused"]


def test_calls_tokens_cost_and_pass_rate_are_shown_by_role(folder: Path, place: ExperimentFolder) -> None:
    with Ledger(place.ledger_path) as ledger:
        record(ledger, 1.0, 2.0, clock=ManualClock())
        buy(ledger, "a", "b")
        buy(ledger, "c", role=Role.AUTHOR)
    printed = output(folder)
    assert "3 pairs of 6 wanted (1 confirmed, 1 failing, 1 passed), 67% pass, 0 parked" in printed
    assert "calls: 1 author, 2 judge\n" in printed
    assert "tokens: author 100 in and 2 out, judge 200 in and 4 out; spent: 0.0150 USD" in printed


def test_the_reliability_of_the_judge_is_shown_with_its_intervals(folder: Path, place: ExperimentFolder) -> None:
    flaps = (
        WordingDisagreement(question=Question.C0, wording="b", k=3, n=60),
        WordingDisagreement(question=Question.C5, wording="b", k=2, n=40),
    )
    noise = JudgeNoise(flaps=flaps, accepted=0.004, edited=0.0125, edited_at_least=0.001, undecided=0.03)
    controls = Controls(committed=(90.0, 95.0), open=(5.0, 10.0), auc=1.0, low=0.342, high=1.0)
    (done,) = history(adopted(pairs(1), findings(pairs(1))))
    with Ledger(place.ledger_path) as ledger:
        measured = done.model_copy(update={"noise": noise, "controls": controls})
        ledger.append(ledger.campaign(basis()), measured)
    printed = output(folder)
    assert "judge: its wordings disagree in 5/100 = 5.0% [2.2%, 11.2%]; expected of the vote: " in printed
    assert "false accept 0.40%, false reject 1.25% of good pairs" in printed
    assert "controls: AUC of C0 1.000 [0.342, 1.000] over 2 + 2 texts, " in printed
    assert "committed ones score 90 to 95 and open ones score 5 to 10" in printed
    (as_json,) = json.loads(output(folder, "--json"))
    assert (as_json["noise"]["edited"], as_json["controls"]["auc"]) == (0.0125, 1.0)


def test_calls_without_an_answer_are_in_flight_during_a_run_and_possibly_paid_after_it(
    folder: Path, place: ExperimentFolder
) -> None:
    with Ledger(place.ledger_path) as ledger:
        for key in "abcde":
            ledger.begin_attempt(key, Role.JUDGE, f"vet {key}", 20_000)
        assert "in flight: 5 calls (5 judge), at most 0.1000 USD" in output(folder)
    printed = output(folder)
    assert "possibly paid without an answer: 5 calls (5 judge), at most 0.1000 USD" in printed
    assert "judge vet a since 2" in printed
    assert "and 2 more" in printed
    calls = json.loads(output(folder, "--json"))[0]["possibly_paid"]
    assert [(call["purpose"], call["micro_usd"]) for call in calls] == [(f"vet {key}", 20_000) for key in "abcde"]


def test_the_last_failures_are_shown_without_control_characters(folder: Path, place: ExperimentFolder) -> None:
    with Ledger(place.ledger_path) as ledger:
        for number in range(7):
            ledger.record_failure(
                ledger.begin_attempt(f"k{number}", Role.JUDGE, "vet"), "rate", f"no. {number} \x1b[2J"
            )
        buy(ledger, "k0")
    printed = output(folder)
    assert "calls: 8 judge; unanswered attempts: 7 rate\n" in printed
    lines = [line for line in printed.split("\n") if "judge vet: " in line]
    assert [line[22:] for line in lines] == [f"judge vet: rate: no. {number} ␛[2J" for number in range(2, 7)]


def test_equal_failures_are_one_line(folder: Path, place: ExperimentFolder) -> None:
    with Ledger(place.ledger_path) as ledger:
        for key in "abc":
            ledger.record_failure(ledger.begin_attempt(key, Role.JUDGE, "vet"), "transient", "no connection")
    printed = output(folder)
    assert printed.count("no connection") == 1
    assert "judge vet: transient: no connection (3 times)\n" in printed


def test_pace_and_eta_are_measured_over_this_run_alone(
    folder: Path, place: ExperimentFolder, settings: Settings
) -> None:
    clock = ManualClock()
    began = 100 * MINUTE
    with Ledger(place.ledger_path, clock=clock) as ledger:
        record(ledger, 1 * MINUTE, began + 5 * MINUTE, clock=clock)
        clock.now = began + 3 * MINUTE
        buy(ledger, "early")
        clock.now = began + 7 * MINUTE
        buy(ledger, *"0123456789")
        started = ManualClock(began)
        with Heartbeat(heartbeat_file(folder, 1), Progress((TRAIT,), started), timing=HeartbeatTiming(started)):
            found = state(settings, began + 10 * MINUTE)
        assert "ETA 3 h 0 min at the current rate" in "\n".join(trait_lines(found, began + 10 * MINUTE))
    assert found.pace == 2.0  # ten answers in the last five minutes
    # Six audited pairs are 24 steps; round 1 made 1 + 2 + 2 of them in an earlier run, round 2 one more in ten minutes.
    assert found.eta == (24 - 6) * 10 * MINUTE
    assert state(settings, began + 10 * MINUTE).eta is None


def test_a_ledger_is_read_while_another_thread_writes_it(place: ExperimentFolder, settings: Settings) -> None:
    with Ledger(place.ledger_path) as ledger:
        done = threading.Event()

        def write() -> None:
            number = 0
            while not done.is_set():
                buy(ledger, f"k{number}")
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            counts = [state(settings).calls.get("judge", 0) for _ in range(40)]
        finally:
            done.set()
            writer.join()
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_a_ledger_without_tables_has_no_calls(place: ExperimentFolder, settings: Settings) -> None:
    place.refinement.mkdir(parents=True)
    with closing(sqlite3.connect(place.ledger_path)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
    assert (state(settings).trouble, state(settings).calls) == (None, {})


def test_a_ledger_that_is_just_being_created_is_waited_for(place: ExperimentFolder, settings: Settings) -> None:
    place.refinement.mkdir(parents=True)
    place.ledger_path.write_bytes(b"torn" * 1000)
    assert "not a database" in str(state(settings).trouble)
    whole = place.refinement / "whole.sqlite"
    with Ledger(whole) as ledger:
        buy(ledger, "a")
    with Path(f"{place.ledger_path}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        making = threading.Timer(0.1, lambda: whole.replace(place.ledger_path))
        making.start()
        found = state(settings)
        making.join()
    assert (found.trouble, found.calls) == (None, {"judge": 1})


@pytest.mark.parametrize("name", ["ledger.sqlite", "proposal.json"])
def test_a_file_that_cannot_be_read_is_a_problem_and_the_rest_is_shown(
    folder: Path, place: ExperimentFolder, name: str
) -> None:
    place.refinement.mkdir(parents=True)
    (place.refinement / name).write_bytes(b"torn \x1b[2J" * 100)
    printed = output(folder)
    assert "its files cannot be read" in printed
    assert f"problem: {place.refinement / name}" in printed
    assert json.loads(output(folder, "--json"))[0]["how"] == "unreadable"


def test_a_heartbeat_that_cannot_be_read_is_shown_once_for_all_traits(folder: Path, place: ExperimentFolder) -> None:
    add_trait(folder, "toy/gloom")
    heartbeat_file(folder, 7).write_text("{")
    with Ledger(place.ledger_path) as ledger:
        buy(ledger, "a")
    printed = output(folder)
    assert printed.count("heartbeat-7.json cannot be read") == 1
    assert "calls: 1 judge" in printed


def test_limits_and_errors_of_a_process_are_shown_once_for_all_of_its_traits(folder: Path) -> None:
    add_trait(folder, "toy/gloom")
    progress = Progress((TRAIT, "toy/gloom"))
    progress.error("judge: 502")
    with Heartbeat(heartbeat_file(folder, 1), progress, limits=lambda: ["judge: 12/32 in flight"]):
        printed = output(folder)
    assert printed.count("  limit: judge: 12/32 in flight\n") == 1
    assert printed.count("  error: judge: 502\n") == 1
