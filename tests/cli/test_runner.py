"""Several traits in one process neither wait for, change nor end one another."""

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from agent.app import outputs
from agent.app.composition import RunContext, TraitJob
from agent.llm.client import LLMClient
from agent.loop.state import SetState
from agent.schema import Reply, Request
from agent.storage.ledger import Ledger
from tests.cli.scripted import NEGATIVE, POSITIVE, SETTINGS, ReadingSubject, cliffhanger, experiment
from tests.supervision.worker import wait_until

NOISY = SETTINGS.replace("flips = 0.0", "flips = 0.03").replace("weak = 0.0", "weak = 0.1")


def observed(on_request: Callable[[], None]) -> ReadingSubject:
    """A subject that tells of each request of a trait (not of the pre-flight's) before it answers."""

    def watch(continued: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            on_request()

    return ReadingSubject(watch)


def traits(root: Path, count: int, settings: str = SETTINGS) -> Path:
    """An experiment of several traits; each has the same pairs, begun at another one."""
    folder = experiment(root, settings)
    known = folder / "datasets" / "traits" / "toy"
    for number in range(1, count):
        of = known / f"t{number}"
        shutil.copytree(known / "refusal", of)
        for side, lines in (("positive", POSITIVE), ("negative", NEGATIVE)):
            turned = [line.replace("He asked", f"On day {number} he asked") for line in (*lines[1:], lines[0])]
            (of / f"{side}.txt").write_text("\n".join(turned) + "\n")
    return folder


def names(count: int) -> list[str]:
    return ["toy/refusal", *(f"toy/t{number}" for number in range(1, count))]


def run(folder: Path, of: Sequence[str], *options: str, subject: ReadingSubject | None = None) -> Result:
    return cliffhanger("run", folder, "--traits", ",".join(of), *options, subject=subject)


def refinement(folder: Path, trait: str) -> Path:
    return folder / "extraction" / trait / "refinement"


def test_traits_run_side_by_side_have_the_same_results_as_alone(tmp_path: Path) -> None:
    together = traits(tmp_path / "together", 3, NOISY)
    run(together, names(3), "--max-rounds", "5")
    for trait in names(3)[:2]:
        alone = traits(tmp_path / trait.replace("/", "-"), 3, NOISY)
        run(alone, [trait], "--max-rounds", "5")
        for name in ("history.jsonl", "final/positive.txt", "final/negative.txt"):
            assert (refinement(together, trait) / name).read_bytes() == (refinement(alone, trait) / name).read_bytes()
        assert (refinement(alone, trait) / "history.jsonl").read_text().count("\n") > 3


def test_completions_of_one_trait_run_while_another_waits(tmp_path: Path) -> None:
    both, met = threading.Barrier(2), threading.local()

    def meet() -> None:
        if not hasattr(met, "before"):
            met.before = both.wait(60)

    done = run(traits(tmp_path, 2), names(2), "--max-rounds", "1", subject=observed(meet))
    assert done.exit_code == 3, done.output


def test_at_most_eight_traits_run_at_a_time_and_all_are_run(tmp_path: Path) -> None:
    abreast, workers = threading.Barrier(8), set[int]()

    def crowd() -> None:
        if threading.get_ident() not in workers:
            workers.add(threading.get_ident())
            abreast.wait(60)

    done = run(traits(tmp_path, 11), names(11), "--max-rounds", "1", subject=observed(crowd))
    assert len(workers) == 8
    assert [trait for trait in names(11) if f"{trait}: cap: " not in done.output] == []


def test_a_bug_in_one_trait_is_logged_without_keys_and_the_others_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = traits(tmp_path, 2)
    settings = folder / "refine.toml"
    settings.write_text(f'{settings.read_text()}\n[judge]\nbase_url = "toyworld"\nkey_variable = "MY_JUDGE_KEY"\n')
    monkeypatch.setenv("MY_JUDGE_KEY", "hunter2-and-more")

    original = outputs.write_guides_files

    def stumble(workshop: RunContext, job: TraitJob, now: SetState) -> None:
        if job.trait.id == "toy/t1":
            raise ZeroDivisionError("sent \x1b[2J with hunter2-and-more and sk-0123456789abcdef0123456789abcdef")
        original(workshop, job, now)

    monkeypatch.setattr(outputs, "write_guides_files", stumble)
    done = run(folder, names(2))
    assert done.exit_code == 1
    assert "toy/refusal: ready" in done.output
    assert "toy/t1: bug: a bug ended this trait (ZeroDivisionError: sent ␛[2J with [key] and [key])" in done.output
    assert "Traceback" not in done.output
    log = (refinement(folder, "toy/t1") / "error.log").read_text()
    assert "Traceback (most recent call last):" in log
    assert "ZeroDivisionError: sent ␛[2J with [key] and [key]" in log
    assert not (refinement(folder, "toy/refusal") / "error.log").exists()
    table = [line.split() for line in done.output.split("\n") if line.startswith("toy/t1 ")]
    assert [cells[:2] for cells in table] == [["toy/t1", "bug"]]
    assert (refinement(folder, "toy/t1") / "report.html").is_file()


def test_a_bug_is_reported_even_if_its_log_cannot_be_written(tmp_path: Path) -> None:
    folder = traits(tmp_path, 1)
    (refinement(folder, "toy/refusal") / "error.log").mkdir(parents=True)

    def stumble() -> None:
        raise ZeroDivisionError("once")

    done = run(folder, names(1), subject=observed(stumble))
    assert done.exit_code == 1
    assert "ZeroDivisionError: once), and" in done.output
    assert "could not be written" in done.output


def test_a_user_error_of_one_trait_is_a_sentence_and_exit_code_64(tmp_path: Path) -> None:
    folder = traits(tmp_path, 2)
    with Ledger(refinement(folder, "toy/t1") / "ledger.sqlite"):
        done = run(folder, names(2))
    assert done.exit_code == 64
    assert "toy/t1: Another run is writing" in done.output
    assert "toy/refusal: ready" in done.output
    assert not (refinement(folder, "toy/t1") / "error.log").exists()


def test_an_interrupted_trait_does_not_end_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = LLMClient.ask_all

    def out_of_credit(self: LLMClient, requests: Sequence[Request], ledger: Ledger, *more: Any) -> list[Reply]:
        if "t1" in ledger.path.parts:
            return [Reply(error="quota: the account is empty")] * len(requests)
        return original(self, requests, ledger, *more)

    monkeypatch.setattr(LLMClient, "ask_all", out_of_credit)
    done = run(traits(tmp_path, 2), names(2))
    assert done.exit_code == 4
    assert "toy/t1: endpoint: quota: the account is empty" in done.output
    assert "toy/refusal: ready" in done.output


def test_a_pause_file_pauses_only_its_trait(tmp_path: Path) -> None:
    folder = traits(tmp_path, 2)
    held, other = (refinement(folder, trait) for trait in ("toy/t1", "toy/refusal"))
    held.mkdir(parents=True)
    (held / "PAUSE").touch()

    def go_on_when_the_other_is_ready() -> None:
        wait_until((other / "proposal.json").exists)
        with Ledger.read(held / "ledger.sqlite") as ledger:
            rounds.append(len(ledger.history(1)))
        (held / "PAUSE").unlink()

    rounds: list[int] = []
    waiting = threading.Thread(target=go_on_when_the_other_is_ready)
    waiting.start()
    done = run(folder, names(2), "--max-rounds", "3")
    waiting.join()
    assert rounds == [0]
    assert "toy/t1: cap: " in done.output


_ASLEEP = """
import sys, time
from agent.cli.main import main
from tests.cli.scripted import scripted
from tests.cli.test_runner import observed

def sleep():
    print("asleep", flush=True)
    time.sleep(60)

main(scripted(observed(sleep)))
"""


def test_a_signal_is_handled_at_once_while_all_traits_are_busy_and_a_second_ends_the_process(tmp_path: Path) -> None:
    folder = traits(tmp_path, 2)
    command = [sys.executable, "-c", _ASLEEP, "run", "--experiment", str(folder), "--traits", ",".join(names(2))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        asleep = filter("asleep\n".__eq__, process.stdout)
        assert [next(asleep), next(asleep)]
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "\n"
        assert "Press Ctrl-C again to exit immediately" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 6
        assert time.monotonic() - begun < 10
