"""Runs the command with a scripted subject and an endpoint that keeps its own bill, and kills it as planned.

`python -m tests.e2e.killing PAIRS TARGET` reads plans, one a line, and answers each with a line of JSON: a PlanResult.
A plan says how successive runs are disturbed. "12" and "round:2": killed at the 12th failpoint, at the second of that
name. "0.3s": killed from outside after so many seconds. "full12": the 12th write to the disk finds no room; "full12+":
nor does any after it. "bug:late-answer": the program has that bug of planted.py in all runs. A last run goes on to its
end. One process forks all runs, so imports are paid for once.
"""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from agent.schema import FrozenModel
from agent.storage.durable import VARIABLE
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from tests.cli.scripted import NEGATIVE, POSITIVE, SETTINGS, experiment, status_of
from tests.e2e.forking import FULL, NEVER, forked, furnish, short

ROOT = Path(__file__).parents[2]
# A killed process leaves the same files in memory as on a disk, without the waits.
MEMORY = next((place for place in ("/dev/shm",) if Path(place).is_dir()), None)  # noqa: S108
TRAIT = "toy/refusal"
IN_FLIGHT = 3  # fewer than are asked at once, so that the limit is felt
JUDGE = f'\n[judge]\nmodel = "toyworld"\nconcurrency = {IN_FLIGHT}\ninput_price = 1.0\noutput_price = 4.0\n'
RULES = "\n[rules]\nlock_in_samples = 1\nlock_in_needed = 1\n"  # fewer calls: one campaign is run hundreds of times
REAL = ("--traits", TRAIT, "--pilot", "6", "--batch", "4", "--target", "8")  # of the demo, with the real subject

BUG = "bug:"

# An experiment and when to kill the run; its exit code, and how often each failpoint was passed ("": all of them).
Run = Callable[[Path, str], tuple[int, dict[str, int]]]


class Kill(FrozenModel):
    """What a killed run left, or one whose disk was full: its exit code, how many writes it had made (0 where killed),
    how many calls were billed so far, which are stored, which `status` lists, and the end of its log."""

    code: int
    written: int
    billed: int
    stored: tuple[str, ...]
    listed: tuple[str, ...]
    listed_exactly: bool  # `status` lists just the attempts that the ledger holds open
    how: str
    log: str


class PlanResult(FrozenModel):
    """The result of one plan. Calls go by the beginning of their keys, money in millionths of a dollar.

    `passed` says how often the last run passed each failpoint ("": all of them). `spent` is what the ledger's answers
    and failed attempts cost, `reserved` what its open ones may have cost besides.
    """

    plan: str
    kills: tuple[Kill, ...]
    code: int
    passed: dict[str, int]
    seconds: float
    files: dict[str, str]
    guides: dict[str, str]
    billed: tuple[str, ...]
    prices: dict[str, int]
    attempts: int
    spent: int
    reserved: int
    log: str

    @property
    def points(self) -> int:
        """How many failpoints the last run passed; 0 where they are not counted."""
        return self.passed.get("", 0)

    @property
    def listed(self) -> tuple[str, ...]:
        """Every call that some kill left open: what was listed once stays listed."""
        return self.kills[-1].listed if self.kills else ()

    @property
    def repeated(self) -> Counter[str]:
        """How often each call was sent once more. Probes, which are not in the ledger, do not count."""
        sent = Counter(key for key in self.billed if key in self.prices)
        return Counter({key: count - 1 for key, count in sent.items() if count > 1})

    @property
    def above(self) -> int:
        """What the endpoint was paid for repeated calls."""
        return sum(count * self.prices[key] for key, count in self.repeated.items())


def scripted_experiment(root: Path, pairs: int, target: int) -> Path:
    """An experiment of so many pairs that is to grow to `target`; only the last of four has committed already."""
    settings = SETTINGS.replace("pilot = 4", f"pilot = {pairs}").replace("target = 6", f"target = {target}")
    folder = experiment(root, settings.replace("weak = 0.0", "weak = 0.0\ncommitted = 0.0") + JUDGE + RULES)
    for name, lines in (("positive", POSITIVE), ("negative", NEGATIVE)):
        (folder / "datasets" / "traits" / TRAIT / f"{name}.txt").write_text("\n".join(lines[:pairs]) + "\n")
    return folder


def moments_of(plan: str) -> list[str]:
    """How successive runs are disturbed."""
    return [word for word in plan.split() if not word.startswith(BUG)]


def follow(plan: str, folder: Path, run: Run) -> PlanResult:
    """Follow a plan in a fresh experiment, to the end of the run after the last disturbance."""
    kills: list[Kill] = []
    for moment in (*moments_of(plan), NEVER):
        began = time.monotonic()
        code, passed = run(folder, moment)
        if code != -signal.SIGKILL and not moment.startswith(FULL):
            break
        kills.append(_state_after_kill(folder, code, passed.get("", 0)))
    seconds = time.monotonic() - began
    refinement = ExperimentFolder(folder, TRAIT).refinement
    guides = [p for p in sorted((folder / "extraction").rglob("*.json")) if refinement not in p.parents]
    with Ledger.read(refinement / "ledger.sqlite") as ledger:
        return PlanResult(
            plan=plan,
            kills=tuple(kills),
            code=code,
            passed=passed,
            seconds=seconds,
            files=_digests([*sorted((refinement / "final").glob("*")), *refinement.glob("history.jsonl")]),
            guides=_digests(guides),
            billed=_billed(folder),
            prices={short(key): price for key, price in _rows(folder, "SELECT key, micro_usd FROM answers")},
            attempts=sum(ledger.attempt_counts().values()),
            spent=ledger.total_usage().micro_usd,
            reserved=sum(attempt.reserved for attempt in ledger.pending()),
            log=_log(folder),
        )


def _log(folder: Path) -> str:
    """The end of the experiment's log."""
    log = folder / "log"
    return log.read_text(errors="replace")[-2000:] if log.exists() else ""


def _rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the ledger, if it is that far."""
    path = ExperimentFolder(folder, TRAIT).ledger_path
    if not path.is_file():
        return []
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        made = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'answers'").fetchone()[0]
        return connection.execute(sql).fetchall() if made else []


def _billed(folder: Path) -> tuple[str, ...]:
    """What was sent, by the endpoint's own bill; by the ledger's attempts where the endpoint keeps none."""
    bill = folder / "bill"
    if bill.exists():
        return tuple(bill.read_text().split())
    return tuple(short(key) for (key,) in _rows(folder, "SELECT key FROM attempts ORDER BY id"))


def _state_after_kill(folder: Path, code: int, written: int) -> Kill:
    """What lies on disk after a kill, and what `status` says of it."""
    state: dict[str, Any] = status_of(folder)
    listed = [(one["role"], one["purpose"], one["begun"], one["micro_usd"]) for one in state["possibly_paid"]]
    sql = "SELECT role, purpose, begun, reserved, key FROM attempts WHERE outcome IS NULL ORDER BY id"
    left_open = _rows(folder, sql)
    return Kill(
        code=code,
        written=written,
        billed=len(_billed(folder)),
        stored=tuple(short(key) for (key,) in _rows(folder, "SELECT key FROM answers")),
        listed=tuple(short(key) for *_, key in left_open),
        listed_exactly=listed == [(*about, reserved or None) for *about, reserved, _ in left_open],
        how=state["how"],
        log=_log(folder),
    )


def _digests(paths: Sequence[Path]) -> dict[str, str]:
    """By name; a line that says when the file was written does not count."""
    lines = {path.name: path.read_bytes().split(b"\n") for path in paths}
    timeless = {name: b"\n".join(line for line in text if b'"timestamp"' not in line) for name, text in lines.items()}
    return {name: hashlib.sha256(text).hexdigest() for name, text in timeless.items()}


def answer_plans(pairs: int, target: int) -> None:
    """Write a line of JSON for each plan on standard input."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        furnish(scripted_experiment(Path(place), pairs, target))
    for line in sys.stdin:
        sys.stdout.write(_result(line.strip(), pairs, target).model_dump_json() + "\n")
        sys.stdout.flush()


def _result(plan: str, pairs: int, target: int) -> PlanResult:
    """The result of a plan in a new experiment; a kill from outside that came too late is repeated in half the time."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        bug = next((word.removeprefix(BUG) for word in plan.split() if word.startswith(BUG)), "")
        result = follow(plan, scripted_experiment(Path(place), pairs, target), partial(forked, bug=bug))
    too_late = plan.endswith("s") and not result.kills
    return _result(f"{float(plan[:-1]) / 2}s", pairs, target) if too_late else result


def results(plans: Sequence[str], pairs: int, target: int, abreast: int | None = None) -> list[PlanResult]:
    """The result of each plan, in their order; some processes work at them side by side."""
    width = min(abreast or os.cpu_count() or 1, len(plans))
    command = [sys.executable, "-m", "tests.e2e.killing", str(pairs), str(target)]
    with tempfile.TemporaryDirectory() as place:
        started = []
        for part in range(width):
            given, out = Path(place, f"{part}.plans"), Path(place, f"{part}.results")
            given.write_text("\n".join(plans[part::width]) + "\n")
            with given.open() as source, out.open("w") as sink:
                started.append((subprocess.Popen(command, cwd=ROOT, stdin=source, stdout=sink), out))
        codes = [process.wait() for process, _ in started]
        if any(codes):
            raise RuntimeError(f"the runner of plans itself failed: {codes}")
        parts = [[PlanResult.model_validate_json(line) for line in out.read_text().splitlines()] for _, out in started]
    return [parts[i % width][i // width] for i in range(len(plans))]


def real(folder: Path, moment: str, options: Sequence[str] = ()) -> tuple[int, dict[str, int]]:
    """A small run of the demo with the real subject, killed at a failpoint or from outside; counts no points."""
    is_timed = moment.endswith("s")
    command = [sys.executable, "-m", "tests.support.pictures", "run", "--experiment", str(folder), *REAL, *options]
    environment = {**os.environ, VARIABLE: NEVER if is_timed else moment}
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            return process.wait(float(moment[:-1]) if is_timed else None), {}
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return process.wait(), {}


if __name__ == "__main__":
    answer_plans(int(sys.argv[1]), int(sys.argv[2]))
