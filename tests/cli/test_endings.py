"""Every way a run can end: what it says, what the same command does next, and that the advised step goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from agent.app import run as run_command
from agent.llm.client import LLMClient
from agent.loop import act, refine
from agent.review.endings import ENDING_GUIDES
from agent.schema import (
    EXIT_CODES,
    Act,
    Cause,
    Completion,
    Controls,
    Ending,
    Finding,
    JudgeNoise,
    Opener,
    Outcome,
    Question,
    Reply,
    Request,
    Role,
    Sampling,
    Verdict,
    WordingDisagreement,
)
from agent.storage.ledger import Ledger
from agent.subject.weights import SubjectError
from agent.supervision.stop_control import StopSignals
from tests.cli.finished_run import dataset_of, finished, refinement_of, session_of
from tests.cli.scripted import SETTINGS, ReadingSubject, cliffhanger, experiment, status_of
from tests.cli.test_runner import observed

Patch = pytest.MonkeyPatch
Disturb = Callable[[Patch, Path], ReadingSubject | None]
MARK = "absence note"  # stands in both texts of the first pair


def undisturbed(patch: Patch, folder: Path) -> None:
    """Nothing is in the way."""


# What is in the way


class WanderingSubject(ReadingSubject):
    """Speaks of something else, whatever the text."""

    def stream(
        self, texts: Sequence[tuple[str, str | None]], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        said = " the tea was warm and the rain had stopped."
        for place, drawn in super().stream(texts, sampling, openers):
            yield place, tuple(one.model_copy(update={"text": said, "opening": " the tea was warm"}) for one in drawn)


def wandering(patch: Patch, folder: Path) -> ReadingSubject:
    return WanderingSubject()


def answered(error: str, when: Callable[[Request], bool], after: int = 0) -> Disturb:
    """Requests of which `when` is true get this error, from the one after the first `after` batches on."""

    def disturb(patch: Patch, folder: Path) -> None:
        original, batches = LLMClient.ask_all, []

        def ask_all(self: LLMClient, requests: Sequence[Request], *more: Any) -> list[Reply]:
            batches.append(len(requests))
            replies = original(self, requests, *more)
            hit = [len(batches) > after and when(request) for request in requests]
            return [Reply(error=error) if one else reply for one, reply in zip(hit, replies, strict=True)]

        patch.setattr(LLMClient, "ask_all", ask_all)

    return disturb


def judging_the_first_pair(request: Request) -> bool:
    return request.role is Role.JUDGE and MARK in request.prompt


def undecided(count: int) -> Disturb:
    """The judge stays undecided about the first pairs of the dataset."""

    def disturb(patch: Patch, folder: Path) -> None:
        original = act.examine
        names = [f"d{number:04d}" for number in range(count)]

        def examine(*about: Any) -> list[Finding]:
            unsure = {"verdict": Verdict.UNSURE, "first_token": Outcome.UNJUDGED}
            return [f.model_copy(update=unsure) if f.pair in names else f for f in original(*about)]

        patch.setattr(act, "examine", examine)

    return disturb


def contradictory(patch: Patch, folder: Path) -> None:
    flaps = (WordingDisagreement(question=Question.C0, wording="b", k=31, n=64),)
    noise = JudgeNoise(flaps=flaps, accepted=0.3, edited=0.4, edited_at_least=0.3, undecided=0.9)
    patch.setattr(refine, "measure_noise", lambda *about: noise)


def blind(patch: Patch, folder: Path) -> None:
    controls = Controls(committed=(50.0,) * 20, open=(50.0,) * 20, auc=0.5, low=0.4, high=0.6)
    patch.setattr(refine, "measure_controls", lambda *about: controls)


def at_text(count: int, do: Callable[[Path], object]) -> Disturb:
    """`do` is called once a trait has continued its `count`-th text, and at each later one."""

    def disturb(patch: Patch, folder: Path) -> ReadingSubject:
        begun: list[int] = []

        def on_request() -> None:
            begun.append(1)
            if len(begun) >= count:
                do(folder)

        return observed(on_request)

    return disturb


def raise_(error: Exception) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        raise error

    return do


def past_the_deadline(patch: Patch, folder: Path) -> ReadingSubject | None:
    """The clock jumps beyond the deadline amid the run."""
    jump = [0.0]

    def later(folder: Path) -> None:
        jump[0] = 86_400.0

    signals = partial(StopSignals, time_of_day=lambda: time.time() + jump[0])
    patch.setattr(run_command, "StopSignals", signals)
    return at_text(3, later)(patch, folder)


# How each is walked through


@dataclass(frozen=True)
class Walk:
    """How a cause is brought about, and what the advised step is.

    `stays`: what is in the way is still there when the advised step is taken. `again` is the exit code of the same
    command while it is; None where the same command is the advised step.
    """

    disturb: Disturb = undisturbed
    options: tuple[str, ...] = ()
    advised: tuple[str, ...] | Callable[[Path], Result] = ()
    said: str = ""
    stays: bool = True
    settings: tuple[tuple[str, str], ...] = ()
    target: int = 4
    at_once: bool = True
    again: int | None = field(default=None)


def decide_on_a_pair(folder: Path) -> Result:
    session = session_of(folder)
    session.decide("n0000", Act.APPROVE, session.card("n0000").version_token)
    return cliffhanger("run", folder)


def withdraw_the_request(folder: Path) -> Result:
    done = cliffhanger("resume", folder)
    assert done.exit_code == 0, done.output
    return cliffhanger("run", folder)


TOLERANT = (("[toyworld]", "[rules]\nmax_parked_share = 0.9\n\n[toyworld]"),)
ANYWAY = "--resume-anyway"

WALKS: dict[Cause, Walk] = {
    Cause.AUDITED: Walk(advised=("--target", "5"), said="decide on them with", again=0),
    Cause.PARKED: Walk(undecided(1), advised=decide_on_a_pair, said="decide on the parked", settings=TOLERANT, again=2),
    Cause.PARKED_UNANSWERED: Walk(
        answered("malformed: not a number", judging_the_first_pair),
        said="rerun the command to ask the pairs again",
        stays=False,
        settings=TOLERANT,
    ),
    Cause.ROUNDS: Walk(options=("--max-rounds", "1"), advised=("--max-rounds", "2"), said="--max-rounds", again=3),
    Cause.PAIRS: Walk(
        options=("--max-pairs", "0"), advised=("--max-pairs", "4"), said="--max-pairs", target=5, again=3
    ),
    Cause.USAGE: Walk(options=("--max-calls", "60"), advised=("--max-calls", "500"), said="--max-calls", again=3),
    Cause.MINUTES: Walk(options=("--max-minutes", "0"), advised=("--max-minutes", "9"), said="--max-minutes", again=3),
    Cause.PILOT: Walk(wandering, advised=(ANYWAY,), said="--resume-anyway", again=3),
    Cause.UNRELIABLE: Walk(contradictory, advised=(ANYWAY,), said="--resume-anyway", again=3),
    Cause.CONTROLS: Walk(blind, target=5, advised=(ANYWAY,), said="--min-control-auc 0 or --resume-anyway", again=3),
    Cause.UNDECIDED: Walk(undecided(1), advised=(ANYWAY,), said="--resume-anyway", again=3),
    Cause.UNANSWERED: Walk(
        answered("malformed: not a number", judging_the_first_pair), said="it asks these pairs again", stays=False
    ),
    Cause.PATIENCE: Walk(
        wandering, options=("--patience", "1"), advised=("--patience", "3"), said="a higher --patience", again=3
    ),
    Cause.DRAFTS: Walk(
        answered("malformed: not JSON", lambda request: request.prompt_id.startswith("draft")),
        advised=(ANYWAY,),
        said="--resume-anyway",
        target=5,
        again=3,
    ),
    Cause.ERROR: Walk(
        at_text(3, raise_(SubjectError("no memory is left"))), said="remove the cause named above", stays=False, again=3
    ),
    Cause.OUTAGE: Walk(
        answered("outage: no connection", lambda request: True, after=4),
        said="restore the endpoint",
        stays=False,
        again=4,
        at_once=False,
    ),
    Cause.ACCOUNT: Walk(
        answered("quota: the account is empty", lambda request: True, after=4),
        said="top up the account",
        stays=False,
        again=4,
        at_once=False,
    ),
    Cause.SIGNAL: Walk(
        at_text(3, lambda folder: os.kill(os.getpid(), signal.SIGINT)), said="rerun the command", stays=False
    ),
    Cause.STOP_FILE: Walk(
        at_text(3, lambda folder: (refinement_of(folder) / "STOP").touch()),
        advised=withdraw_the_request,
        said="withdraw the stop request with `",
        stays=False,
        again=6,
    ),
    Cause.UNTIL: Walk(past_the_deadline, options=("--until", "07:00"), said="a later --until", stays=False),
    Cause.BUG: Walk(at_text(3, raise_(ZeroDivisionError("once"))), said="report refinement/error.log", stays=False),
}
ELSEWHERE = {
    Cause.STALLED: "test_a_run_that_stalls_or_is_killed_goes_on_by_the_same_command",
    Cause.UNREADABLE: "test_a_judge_that_babbles_stops_the_run_before_it_has_paid_for_the_pilot",
}


def test_every_cause_is_walked_through() -> None:
    assert {*WALKS, *ELSEWHERE} == set(Cause) == set(ENDING_GUIDES)
    assert {guide.ending for guide in ENDING_GUIDES.values()} == set(Ending)


def record_of(folder: Path) -> tuple[int, dict[str, int]]:
    """The rounds of all campaigns, and the attempts by outcome."""
    with Ledger.read(refinement_of(folder) / "ledger.sqlite") as ledger:
        return sum(campaign.rounds for campaign in ledger.campaigns()), ledger.attempt_counts()


def laid_out(walk: Walk, root: Path) -> Path:
    settings = SETTINGS.replace("target = 6", f"target = {walk.target}")
    for old, new in walk.settings:
        settings = settings.replace(old, new)
    return experiment(root, settings)


def require_ended(done: Result, folder: Path, cause: Cause, said: str) -> None:
    """The run has ended for this cause, says what to do next, and left its files; `status` says the same."""
    assert done.exit_code == EXIT_CODES[ENDING_GUIDES[cause].ending], done.output
    shown = " ".join(done.output.split())
    assert said in shown.rpartition("Next: ")[2], done.output
    assert "Traceback" not in done.output
    about = status_of(folder)
    assert (about["how"], about["stop"]["cause"]) == ("stopped", cause.value), done.output
    assert said.lower() in " ".join(cliffhanger("status", folder).output.lower().split())
    for name in ("report.html", "proposal.json", "history.jsonl"):
        assert (refinement_of(folder) / name).is_file(), name


@pytest.mark.parametrize("cause", WALKS, ids=lambda cause: cause.value)
def test_the_advised_step_goes_on_and_the_same_command_does_what_the_table_says(cause: Cause, tmp_path: Path) -> None:
    walk = WALKS[cause]
    folder = laid_out(walk, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        subject = walk.disturb(patch, folder)
        require_ended(cliffhanger("run", folder, *walk.options, subject=subject), folder, cause, walk.said)
        before = record_of(folder)
        if walk.again is not None:
            again = cliffhanger("run", folder, *walk.options, subject=subject)
            assert again.exit_code == walk.again, again.output
            assert not walk.at_once or record_of(folder) == before, again.output
        if walk.stays:
            require_going_on(walk, folder, before[0], subject)
    if not walk.stays:
        require_going_on(walk, folder, before[0], None)


def require_going_on(walk: Walk, folder: Path, rounds: int, subject: ReadingSubject | None) -> None:
    """The advised step adds rounds."""
    if callable(walk.advised):
        done = walk.advised(folder)
    else:
        done = cliffhanger("run", folder, *(walk.advised or walk.options), subject=subject)
    assert record_of(folder)[0] > rounds, done.output


CHANGED = [cause for cause, guide in ENDING_GUIDES.items() if "definition.txt" in guide.next_step]


@pytest.mark.parametrize("cause", CHANGED, ids=lambda cause: cause.value)
def test_where_the_advice_names_the_definition_a_changed_one_starts_a_new_campaign(
    cause: Cause, tmp_path: Path
) -> None:
    walk = WALKS[cause]
    folder = laid_out(walk, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        subject = walk.disturb(patch, folder)
        cliffhanger("run", folder, *walk.options, subject=subject)
        rounds, _ = record_of(folder)
        definition = dataset_of(folder) / "definition.txt"
        definition.write_text(definition.read_text() + "A promise to refuse later is no refusal.\n")
        done = cliffhanger("run", folder, "--max-rounds", "1", *walk.options, subject=subject)
    assert "new campaign, because dataset definition" in done.output
    assert record_of(folder)[0] == rounds + 1


def test_nothing_is_run_before_the_settings_are_right_and_then_the_same_command_runs(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    definition = (dataset_of(folder) / "definition.txt").read_text()
    (dataset_of(folder) / "definition.txt").unlink()
    refused = cliffhanger("run", folder)
    assert refused.exit_code == 64, refused.output
    assert not (refinement_of(folder) / "ledger.sqlite").exists()
    (dataset_of(folder) / "definition.txt").write_text(definition)
    assert cliffhanger("run", folder).exit_code == 0


def test_resume_anyway_contradicts_a_new_campaign_and_a_diagnosis(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    for other in ("--new", "--diagnostic"):
        done = cliffhanger("run", folder, "--resume-anyway", other)
        assert done.exit_code == 64
        assert "leave --new and --diagnostic out" in " ".join(done.output.replace("│", " ").split())


def test_resume_anyway_changes_nothing_of_a_campaign_that_is_ready(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    before = record_of(folder)
    assert cliffhanger("run", folder, "--resume-anyway").exit_code == 0
    assert record_of(folder) == before


def test_resume_anyway_overrules_the_controls(tmp_path: Path) -> None:
    folder = laid_out(WALKS[Cause.CONTROLS], tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        blind(patch, folder)
        assert cliffhanger("run", folder).exit_code == 3
        assert cliffhanger("run", folder, "--resume-anyway").exit_code == 0


def test_resume_anyway_is_for_one_run_and_the_next_plain_one_may_end_so_again(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        subject = wandering(patch, folder)
        options = ("--patience", "1")
        assert cliffhanger("run", folder, *options, subject=subject).exit_code == 3
        assert cliffhanger("run", folder, *options, "--resume-anyway", subject=subject).exit_code == 3
        rounds, attempts = record_of(folder)
        assert cliffhanger("run", folder, *options, subject=subject).exit_code == 3
        assert record_of(folder) == (rounds, attempts)


def test_what_the_judge_could_not_answer_is_asked_again_at_each_command_and_settled_when_it_can(
    tmp_path: Path,
) -> None:
    folder = experiment(tmp_path)
    unread = answered("malformed: not a number", judging_the_first_pair)
    with pytest.MonkeyPatch.context() as patch:
        unread(patch, folder)
        for expected in (1, 2):  # a command that asks again in vain ends as the one before
            done = cliffhanger("run", folder)
            require_ended(done, folder, Cause.UNANSWERED, "it asks these pairs again")
            assert status_of(folder)["parked"] == 1
            assert record_of(folder)[0] >= expected
    done = cliffhanger("run", folder)
    assert done.exit_code == 0, done.output
    assert "round" in done.output
    assert status_of(folder)["parked"] == 0


_DIES = """
import os, sys, time
from agent.app import run
from agent.cli.main import main
from agent.supervision.watchdog import Watchdog
from tests.cli.scripted import scripted
from tests.cli.test_runner import observed

how, begun, dogs = sys.argv.pop(), [], []

class Impatient(Watchdog):
    def __enter__(self):
        dogs.append(self)
        return super().__enter__()

def end():
    begun.append(1)
    if len(begun) < 3:
        return
    if how == "killed":
        os.kill(os.getpid(), 9)
    dogs[0]._limit = 0.1
    time.sleep(60)

run.Watchdog = Impatient
main(scripted(observed(end)))
"""


@pytest.mark.parametrize(("how", "code"), [("killed", -signal.SIGKILL), ("stalled", 5)])
def test_a_run_that_stalls_or_is_killed_goes_on_by_the_same_command(how: str, code: int, tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    command = [sys.executable, "-c", _DIES, "run", "--experiment", str(folder), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    assert status_of(folder)["how"] == "died"
    assert "Progress is saved; rerun the command to resume." in cliffhanger("status", folder).output
    rounds, _ = record_of(folder)
    assert rounds > 0
    assert cliffhanger("run", folder).exit_code == 0
    assert record_of(folder)[0] > rounds
