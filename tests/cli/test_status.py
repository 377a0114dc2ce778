"""Where every trait stands, told from files: of running, blocked, dead and finished runs, and of torn files."""

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
from tests.cli.scripted import cliffhanger, experiment
from tests.loop.histories import FAIL, adopted, confirmed, findings, history, pairs
from tests.supervision.test_heartbeat import TRAIT, beat_of, until, worker
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


class Hands:
    """A clock that is set by hand."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def told(folder: Path, *options: str) -> str:
    done = cliffhanger("status", folder, *options)
    assert done.exit_code == 0, done.output
    return done.output


def state(settings: Settings, now: float | None = None) -> TraitState:
    (found,) = read_states(settings, time.time if now is None else Hands(now))
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
        ledger.settle(ledger.intend(key, role, "vet"), answer(key, role))


def record(ledger: Ledger, *when: float, clock: Hands) -> int:
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


def test_before_the_first_run_it_says_so(folder: Path, settings: Settings) -> None:
    assert told(folder) == "toy/refusal: no run yet\n"
    assert state(settings).how == "not begun"


def test_a_running_run_is_told_by_its_heartbeat(folder: Path) -> None:
    with worker(folder) as process:
        until(lambda: "step" in beat_of(heartbeat_file(folder, process.pid)).now.traits[TRAIT].stage)
        said = told(folder)
        found = json.loads(told(folder, "--json"))[0]
    assert f"running, process {process.pid}: step " in said
    assert (found["how"], found["running"], found["process"]["pid"]) == ("running", True, process.pid)


def test_a_run_whose_heartbeat_is_old_while_it_lives_is_stale(folder: Path, settings: Settings) -> None:
    with worker(folder) as process:
        process.send_signal(signal.SIGSTOP)
        written = beat_of(heartbeat_file(folder, process.pid)).written
        assert [state(settings, written + age).how for age in (29.0, 31.0)] == ["running", "stale"]


def test_a_killed_run_is_dead_and_its_last_step_is_told(folder: Path, settings: Settings) -> None:
    with worker(folder) as process:
        until(lambda: "step" in beat_of(heartbeat_file(folder, process.pid)).now.traits[TRAIT].stage)
    process.wait()
    said = told(folder)
    assert f"the process {process.pid} died; the same command goes on. Last seen 2" in said
    assert "step " in said
    assert state(settings).running is False


def test_an_orderly_end_is_told_with_its_stop(folder: Path, place: ExperimentFolder, settings: Settings) -> None:
    with Ledger(place.ledger_path) as ledger:
        campaign = record(ledger, 1.0, 2.0, clock=Hands())
    propose(place, campaign, rounds=2)
    assert "  it stopped: cap: 2 rounds were played" in told(folder)
    propose(place, campaign, rounds=1)
    assert "it was interrupted; the same command goes on" in told(folder)


def test_a_run_that_died_after_an_earlier_one_had_stopped_is_dead_and_not_stopped(
    place: ExperimentFolder, settings: Settings
) -> None:
    with Ledger(place.ledger_path) as ledger:
        campaign = record(ledger, 1.0, 2.0, clock=Hands())
    propose(place, campaign, rounds=2)
    with worker(settings.experiment) as process:
        assert state(settings).stop is None
    process.wait()
    assert state(settings).how == "died"
    propose(place, campaign, rounds=2)  # it had come so far as to say why it stopped
    assert state(settings).how == "stopped"


def test_a_run_that_ended_before_its_first_round_says_why(folder: Path, settings: Settings) -> None:
    pulse = Heartbeat(heartbeat_file(folder, 1), Progress((TRAIT,)))
    with pytest.raises(ValueError, match="no"), pulse:
        raise ValueError("no key")
    assert "its last run ended: ValueError: no key; the same command goes on" in told(folder)
    assert state(settings).how == "interrupted"


def test_one_trait_that_waits_does_not_make_another_wait(folder: Path) -> None:
    text = (folder / "refine.toml").read_text()
    (folder / "refine.toml").write_text(text.replace('["toy/refusal"]', '["toy/refusal", "toy/gloom"]'))
    progress = Progress((TRAIT, "toy/gloom"))
    progress.pause(TRAIT, "the file PAUSE")
    with Heartbeat(heartbeat_file(folder, 1), progress):
        assert [one.how for one in read_states(load_settings(folder))] == ["paused", "running"]
        assert "process" in told(folder)
    progress.pause(TRAIT, None)
    progress.pause("judge", "the endpoint is out")
    with Heartbeat(heartbeat_file(folder, 1), progress):
        assert [one.how for one in read_states(load_settings(folder))] == ["paused", "paused"]


def test_calls_tokens_money_and_pass_rate_are_told_by_role(folder: Path, place: ExperimentFolder) -> None:
    with Ledger(place.ledger_path) as ledger:
        record(ledger, 1.0, 2.0, clock=Hands())
        buy(ledger, "a", "b")
        buy(ledger, "c", role=Role.AUTHOR)
    said = told(folder)
    assert "3 pairs of 6 wanted (1 confirmed, 1 failing, 1 passed), 67% pass, 0 parked" in said
    assert "calls: 1 author, 2 judge; attempts: 3 answered" in said
    assert "tokens: author 100 in and 2 out, judge 200 in and 4 out; spent: 0.0150 USD" in said


def test_how_far_the_judge_is_to_be_believed_is_told_with_its_intervals(folder: Path, place: ExperimentFolder) -> None:
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
    said = told(folder)
    assert "judge: its wordings disagree in 5/100 = 5.0% [2.2%, 11.2%]; expected of the vote: " in said
    assert "false accept 0.40%, false reject 1.25% of good pairs" in said
    assert "controls: AUC of C0 1.000 [0.342, 1.000] over 2 + 2 texts; it tells the order only: " in said
    assert "committed ones at 90 to 95 and open ones at 5 to 10" in said
    (as_json,) = json.loads(told(folder, "--json"))
    assert (as_json["noise"]["edited"], as_json["controls"]["auc"]) == (0.0125, 1.0)


def test_calls_that_may_have_been_paid_are_listed_and_in_flight_while_somebody_writes(
    folder: Path, place: ExperimentFolder
) -> None:
    with Ledger(place.ledger_path) as ledger:
        for key in "abcde":
            ledger.intend(key, Role.JUDGE, f"vet {key}", 20_000)
        assert "in flight: 5 calls (5 judge), at most 0.1000 USD" in told(folder)
    said = told(folder)
    assert "possibly paid without an answer: 5 calls (5 judge), at most 0.1000 USD" in said
    assert "judge vet a since 2" in said
    assert "and 2 more" in said
    calls = json.loads(told(folder, "--json"))[0]["possibly_paid"]
    assert [(call["purpose"], call["micro_usd"]) for call in calls] == [(f"vet {key}", 20_000) for key in "abcde"]


def test_the_last_failures_are_told_harmlessly_and_answers_are_none(folder: Path, place: ExperimentFolder) -> None:
    with Ledger(place.ledger_path) as ledger:
        for number in range(7):
            ledger.fail(ledger.intend(f"k{number}", Role.JUDGE, "vet"), "rate", f"no. {number} \x1b[2J")
        buy(ledger, "k0")
    lines = [line for line in told(folder).split("\n") if "judge vet: " in line]
    assert [line[22:] for line in lines] == [f"judge vet: rate: no. {number} ␛[2J" for number in range(2, 7)]


def test_pace_and_time_to_go_are_measured_over_this_run_alone(
    folder: Path, place: ExperimentFolder, settings: Settings
) -> None:
    clock = Hands()
    began = 100 * MINUTE
    with Ledger(place.ledger_path, clock=clock) as ledger:
        record(ledger, 1 * MINUTE, began + 5 * MINUTE, clock=clock)
        clock.now = began + 3 * MINUTE
        buy(ledger, "early")
        clock.now = began + 7 * MINUTE
        buy(ledger, *"0123456789")
        hands = Hands(began)
        with Heartbeat(heartbeat_file(folder, 1), Progress((TRAIT,), hands), timing=HeartbeatTiming(hands)):
            found = state(settings, began + 10 * MINUTE)
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


def test_a_ledger_still_without_tables_has_bought_nothing_yet(place: ExperimentFolder, settings: Settings) -> None:
    place.refinement.mkdir(parents=True)
    with closing(sqlite3.connect(place.ledger_path)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
    assert (state(settings).trouble, state(settings).calls) == (None, {})


def test_a_ledger_that_is_just_being_made_is_waited_for(place: ExperimentFolder, settings: Settings) -> None:
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
def test_a_torn_file_is_a_sentence_and_the_rest_is_told(folder: Path, place: ExperimentFolder, name: str) -> None:
    place.refinement.mkdir(parents=True)
    (place.refinement / name).write_bytes(b"torn \x1b[2J" * 100)
    said = told(folder)
    assert "its files cannot be read" in said
    assert f"trouble: {place.refinement / name}" in said
    assert json.loads(told(folder, "--json"))[0]["how"] == "unreadable"


def test_a_torn_heartbeat_is_a_sentence_and_the_ledger_is_told(folder: Path, place: ExperimentFolder) -> None:
    heartbeat_file(folder, 7).write_text("{")
    with Ledger(place.ledger_path) as ledger:
        buy(ledger, "a")
    said = told(folder)
    assert "heartbeat-7.json cannot be read" in said
    assert "calls: 1 judge" in said
