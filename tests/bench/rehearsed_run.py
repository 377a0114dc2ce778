"""A run with faults and kills, compared with one without: `python -m tests.bench.rehearsed_run [--quick] [--seed N]`.

The demo's three traits over HTTP on loopback, twice: once undisturbed, and once with an endpoint that caps the rate,
has two outages, leaves 2% of the requests without an answer, fails, resets connections and answers nonsense, while the
run is killed at random moments and restarted by the same command until it ends by itself. Then sets, histories and
costs are compared, and the endpoint's counters show how often each fault occurred.
"""

import argparse
import json
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from agent.storage.experiment import heartbeat_file
from agent.storage.ledger_database import ANSWERED, DUPLICATE_ANSWER
from agent.supervision.heartbeat import HeartbeatRecord
from tests.bench.report import Row, met, tell
from tests.cli.scripted import cliffhanger
from tests.e2e.demo_run import TRAITS, copy_demo
from tests.e2e.killing import ROOT

PROGRAM = str(Path(sys.executable).with_name("cliffhanger"))
TIMEOUT = 3600.0  # seconds after which a run that does not end is an error
REFUSED = 64  # exit code of a first run that finds its endpoint down; later ones wait, since it has served them
GROWTH = 1.05  # of the time until the next kill, so that the run also ends on a machine too busy to write its report
RETRY = 5.0  # seconds until a refused run is started again
ROLE = """
model = "toyworld"
base_url = "http://127.0.0.1:{port}/v1"
input_price = 1.0
output_price = 4.0
"""
RATES = {
    **{"hang": 0.02, "429": 0.02, "429-bare": 0.01, "5xx": 0.02, "reset": 0.01, "reset-amid": 0.005},
    **{"cut": 0.005, "malformed": 0.005, "html": 0.003, "no-choices": 0.003, "error-200": 0.003},
}


class Plan(NamedTuple):
    """Pairs taken of each trait, options for the sizes, outages (START:LENGTH in seconds), and when to kill the run."""

    pairs: int
    sizes: tuple[str, ...]
    outages: tuple[str, ...]
    rate_cap: str
    kills: tuple[float, float]  # seconds from the end of the pre-flight to the first kill, at least and at most
    rates: Mapping[str, float] = RATES


FULL = Plan(6, ("--pilot", "6", "--batch", "4", "--target", "8"), ("40:15", "120:30"), "100:50", (20.0, 60.0))
QUICK = Plan(3, ("--pilot", "3", "--batch", "2", "--target", "4"), ("14:5", "40:8"), "80:40", (5.0, 15.0))


class Spending(NamedTuple):
    """Calls and costs of a ledger; costs in millionths of a dollar.

    `open`: attempts left without an outcome by kills. `resent`: of those, the ones whose call was sent again.
    `paid_twice`: attempts begun after their call's answer was stored. `wasted`: cost of attempts without a stored
    answer. `reserved`: the most that the open ones can have cost.
    """

    answers: int = 0
    attempts: int = 0
    open: int = 0
    resent: int = 0
    paid_twice: int = 0
    paid: int = 0
    wasted: int = 0
    reserved: int = 0


class RunResult(NamedTuple):
    """The end of a run. `is_listed`: after each kill, `status` listed exactly the attempts that were left open."""

    code: int
    seconds: float
    kills: int
    refused: int
    is_listed: bool
    files: Mapping[str, Mapping[str, bytes]]  # by trait and name: the final set, and the canonical history
    spending: Spending
    counts: Mapping[str, Any]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def serving(port: int, options: Sequence[str]) -> Iterator[None]:
    """The toy endpoint with faults, in a process of its own, once it answers."""
    command = [sys.executable, "-m", "tests.support.faults", "--port", str(port), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                counts(port)
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


def counts(port: int) -> dict[str, Any]:
    """The endpoint's counters."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/faults", timeout=10) as reply:  # noqa: S310 - loopback
        return dict(json.load(reply))


def fault_options(plan: Plan) -> list[str]:
    """The plan's faults as options of tests.support.faults."""
    rates = [f"{name}={rate}" for name, rate in plan.rates.items()]
    return [
        *(word for rate in rates for word in ("--fault", rate)),
        *(word for outage in plan.outages for word in ("--outage", outage)),
        *("--rate-cap", plan.rate_cap, "--retry-after", "0.3"),
    ]


def over_http(to: Path, port: int, pairs: int) -> Path:
    """A copy of the demo with so many pairs of each trait; judge and author are at this port and have prices."""
    settings = copy_demo(ROOT, to) / "refine.toml"
    text = settings.read_text()
    for role in ("judge", "author"):
        text = text.replace(f'[{role}]\nmodel = "toyworld"\n', f"[{role}]{ROLE.format(port=port)}")
    settings.write_text(text)
    for trait in TRAITS:
        for side in ("positive", "negative"):
            file = to / "datasets" / "traits" / trait / f"{side}.txt"
            file.write_text("".join(file.read_text().splitlines(keepends=True)[:pairs]))
    return to


def run_to_end(folder: Path, port: int, plan: Plan, kill_after: Iterator[float] | None) -> RunResult:
    """Run the same command until it ends by itself, each time killed after so many seconds of work."""
    began, kills, refused, is_listed = time.monotonic(), 0, 0, True
    with (folder / "log").open("a") as log:
        while True:
            code = _run_once(folder, plan, log, next(kill_after) * GROWTH**kills if kill_after else TIMEOUT)
            tell(f"{time.monotonic() - began:5.0f} s: {'killed' if code == -signal.SIGKILL else f'exit code {code}'}")
            if time.monotonic() - began > TIMEOUT:
                raise RuntimeError(f"The run does not end; see {folder / 'log'}.")
            if code == -signal.SIGKILL:
                kills += 1
                is_listed &= lists_open_attempts(folder)
            elif code == REFUSED and kill_after:
                refused += 1
                time.sleep(RETRY)
            else:
                break
    files = {trait: outcome(folder, trait) for trait in TRAITS}
    spending = Spending(*map(sum, zip(*(spending_of(folder, trait) for trait in TRAITS), strict=True)))
    return RunResult(code, time.monotonic() - began, kills, refused, is_listed, files, spending, counts(port))


def _run_once(folder: Path, plan: Plan, log: IO[str], seconds: float) -> int:
    """Run one process and kill it so many seconds after its pre-flight; returns its exit code."""
    command = [PROGRAM, "run", "--experiment", str(folder), *plan.sizes]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while process.poll() is None and not has_passed_preflight(heartbeat_file(folder, process.pid)):
            time.sleep(0.1)
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL
    finally:
        process.kill()
        process.wait()


def has_passed_preflight(heartbeat: Path) -> bool:
    """Whether a process has passed its pre-flight. Killed before, a run would never make progress."""
    return heartbeat.exists() and HeartbeatRecord.model_validate_json(heartbeat.read_bytes()).checked is not None


def refinement(folder: Path, trait: str) -> Path:
    return folder / "extraction" / trait / "refinement"


def outcome(folder: Path, trait: str) -> dict[str, bytes]:
    """The final set and the canonical history, as far as they exist."""
    place = refinement(folder, trait)
    files = [*sorted((place / "final").glob("*")), *place.glob("history.jsonl")]
    return {file.name: file.read_bytes() for file in files}


def rows_of(folder: Path, trait: str, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a ledger; none where the run was killed before it made the tables."""
    path = refinement(folder, trait) / "ledger.sqlite"
    if not path.is_file():
        return []
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        made = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'attempts'").fetchone()[0]
        return connection.execute(sql).fetchall() if made else []


def lists_open_attempts(folder: Path) -> bool:
    """Whether `status` lists exactly the open attempts of the ledgers as possibly paid."""
    states = cliffhanger("status", folder, "--json")
    sql = "SELECT role, purpose, begun FROM attempts WHERE outcome IS NULL ORDER BY id"
    return states.exit_code == 0 and all(
        [(one["role"], one["purpose"], one["begun"]) for one in state["possibly_paid"]]
        == rows_of(folder, state["trait"], sql)
        for state in json.loads(states.output)
    )


def spending_of(folder: Path, trait: str) -> Spending:
    """Calls and costs of one trait, from its ledger."""
    attempts = rows_of(folder, trait, "SELECT key, outcome, charged, reserved FROM attempts ORDER BY id")
    answers = dict(rows_of(folder, trait, "SELECT key, micro_usd FROM answers"))
    left, answered, resent, twice = Counter[str](), set[str](), 0, 0
    for key, outcome, *_ in attempts:
        twice += key in answered
        resent += left[key] > 0
        left[key] = 1 if outcome is None else 0
        answered |= {key} if outcome == ANSWERED else set()
    return Spending(
        answers=len(answers),
        attempts=len(attempts),
        open=sum(outcome is None for _, outcome, *_ in attempts),
        resent=resent,
        paid_twice=twice + sum(outcome == DUPLICATE_ANSWER for _, outcome, *_ in attempts),
        paid=sum(answers.values()),
        wasted=sum(charged for _, outcome, charged, _ in attempts if outcome is not None),
        reserved=sum(reserved for _, outcome, _, reserved in attempts if outcome is None),
    )


def run_both(plan: Plan, seed: int, place: Path) -> tuple[RunResult, RunResult]:
    """The undisturbed run, and the one with faults and kills."""
    port = free_port()  # the same for both: the base URL is part of a call's key
    rng = random.Random(seed)
    tell("undisturbed")
    with serving(port, ()):
        undisturbed = run_to_end(over_http(place / "undisturbed", port, plan.pairs), port, plan, None)
    tell("with faults and kills")
    with serving(port, fault_options(plan)):
        kill_after = iter(lambda: rng.uniform(*plan.kills), None)
        return undisturbed, run_to_end(over_http(place / "disturbed", port, plan.pairs), port, plan, kill_after)


def is_same(undisturbed: RunResult, disturbed: RunResult) -> bool:
    """Whether exit code, sets, histories and the cost of the answers are those of the undisturbed run."""
    return (undisturbed.code, undisturbed.files, undisturbed.spending.paid) == (
        disturbed.code,
        disturbed.files,
        disturbed.spending.paid,
    )


def is_covered(disturbed: RunResult) -> bool:
    """Whether `status` listed every call that may have been paid without an answer, and none was paid twice."""
    return (
        disturbed.is_listed
        and not disturbed.spending.paid_twice
        and disturbed.spending.resent <= disturbed.spending.open
    )


def figures(undisturbed: RunResult, disturbed: RunResult) -> dict[str, str]:
    """The printed figures by name."""
    before, spending, server = undisturbed.spending, disturbed.spending, disturbed.counts
    occurred = ", ".join(f"{name} {count}" for name, count in server["faults"].items())
    return {
        **{f"{trait}: set and history identical": _identical(undisturbed, disturbed, trait) for trait in TRAITS},
        "exit code, undisturbed and disturbed": f"{undisturbed.code}, {disturbed.code}",
        "seconds, undisturbed and disturbed": f"{undisturbed.seconds:.0f}, {disturbed.seconds:.0f}",
        "kills survived": str(disturbed.kills),
        "first starts refused in an outage": str(disturbed.refused),
        "faults, by the endpoint's counters": f"{sum(server['faults'].values())}: {occurred}",
        "requests, by the endpoint's counters": f"{server['requests']}, {server['unique']} different; "
        f"undisturbed {undisturbed.counts['requests']}",
        "attempts, by the ledgers": f"{spending.attempts} for {spending.answers} answers; "
        f"undisturbed {before.attempts}",
        "left open by kills": f"{spending.open}, {'all' if disturbed.is_listed else 'NOT all'} listed by status",
        "of these sent again": str(spending.resent),
        "sent again after the answer was stored": str(spending.paid_twice),
        "paid for answers": f"{spending.paid / 1e6:.4f} USD, undisturbed {before.paid / 1e6:.4f}",
        "paid for unusable replies": f"{spending.wasted / 1e6:.4f} USD",
        "at most paid for what was left open": f"{spending.reserved / 1e6:.4f} USD",
    }


def _identical(undisturbed: RunResult, disturbed: RunResult, trait: str) -> str:
    ours, theirs = disturbed.files[trait], undisturbed.files[trait]
    other = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return "yes" if theirs and not other else f"NO: {', '.join(other)}"


def rows(quick: bool = False, seed: int = 0) -> list[Row]:
    """The rows for the table of all figures."""
    with tempfile.TemporaryDirectory() as place:
        undisturbed, disturbed = run_both(QUICK if quick else FULL, seed, Path(place))
    same, covered = is_same(undisturbed, disturbed), is_covered(disturbed)
    ours = (
        f"{disturbed.kills} kills, {sum(disturbed.counts['faults'].values())} faults: "
        f"{'identical' if same else 'NOT identical'}; {disturbed.spending.open} calls left open, "
        f"{'all listed' if covered else 'NOT all listed'}"
    )
    wanted = "sets and histories identical"
    return [Row("Rehearsal", "3 traits, faults and kills", "-", ours, wanted, "1 run", met(same and covered))]


def main() -> None:
    """Run both, and print the figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="smaller sets, more kills, shorter outages")
    options.add_argument("--seed", type=int, default=0, help="other moments to kill at")
    options.add_argument("--keep", type=Path, help="keep both runs in this folder, which must not exist yet")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        results = run_both(QUICK if given.quick else FULL, given.seed, given.keep or Path(place))
    found = figures(*results)
    width = max(map(len, found))
    sys.stdout.write("".join(f"{name:<{width}}  {figure}\n" for name, figure in found.items()))
    sys.exit(0 if is_same(*results) and is_covered(results[1]) else 1)


if __name__ == "__main__":
    main()
