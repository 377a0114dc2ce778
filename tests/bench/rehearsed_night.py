"""A night rehearsed: `make rehearse`, or `python -m tests.bench.rehearsed_night [--quick] [--seed N]`.

The demo's three traits over HTTP on loopback, twice. Once undisturbed. Once by an endpoint that caps the rate, is out
twice, leaves two requests in a hundred without an answer, slows down, fails, breaks off and answers nonsense, while
the run is killed after every so many seconds of work and started again by the same command, until it ends by itself.
Then sets, histories and money are compared, and the endpoint's own counters tell how often each fault struck.
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
from agent.storage.ledger_database import ANSWERED, REPEATED
from agent.supervision.heartbeat import HeartbeatRecord
from tests.bench.report import Row, met, tell
from tests.cli.scripted import cliffhanger
from tests.e2e.demo_run import TRAITS, copy_demo
from tests.e2e.killing import ROOT

PROGRAM = str(Path(sys.executable).with_name("cliffhanger"))
LONGEST = 3600.0  # seconds after which a night that does not end is given up
AT_THE_DOOR = 64  # the exit code of a first run whose endpoint is out: later ones wait, since it has served them
LONGER = 1.05  # each time than before a run may work: on a machine too busy to write a report in time it ends as well
NEXT_TRY = 5.0  # seconds until such a run is started again
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
    """How many of the demo's pairs are taken, how large the sets are to be, when the endpoint is out (START:LENGTH in
    seconds), when the run is killed."""

    pairs: int
    sizes: tuple[str, ...]
    outages: tuple[str, ...]
    rate_cap: str
    kills: tuple[float, float]  # seconds from the end of a run's pre-flight to its kill, at least and at most, at first
    rates: Mapping[str, float] = RATES


NIGHT = Plan(6, ("--pilot", "6", "--batch", "4", "--target", "8"), ("40:15", "120:30"), "100:50", (20.0, 60.0))
QUICK = Plan(3, ("--pilot", "3", "--batch", "2", "--target", "4"), ("14:5", "40:8"), "80:40", (5.0, 15.0))


class Money(NamedTuple):
    """What a ledger says of its calls; money in millionths of a dollar.

    `listed`: attempts left open by kills. `again`: of those, the ones whose call was sent once more. `bought_twice`:
    attempts begun after their call's answer was stored. `wasted`: what attempts without a stored answer cost.
    """

    answers: int = 0
    attempts: int = 0
    listed: int = 0
    again: int = 0
    bought_twice: int = 0
    paid: int = 0
    wasted: int = 0
    reserved: int = 0


class Dawn(NamedTuple):
    """What a night has come to. `told`: after each kill, `status` listed just the attempts that were left open."""

    code: int
    seconds: float
    kills: int
    turned_away: int
    told: bool
    ends: Mapping[str, Mapping[str, bytes]]  # by trait and name: the final set, and the canonical history
    money: Money
    counts: Mapping[str, Any]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def serving(port: int, options: Sequence[str]) -> Iterator[None]:
    """`cliffhanger toyworld serve`, once it answers."""
    command = [PROGRAM, "toyworld", "serve", "--port", str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
    """The endpoint's own counters."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/faults", timeout=10) as reply:  # noqa: S310 - loopback
        return dict(json.load(reply))


def misbehaviour(plan: Plan) -> list[str]:
    """The plan's faults as options of `toyworld serve`, whose seed stays: with another, other answers are wrong."""
    rates = [f"{name}={rate}" for name, rate in plan.rates.items()]
    return [
        *(word for rate in rates for word in ("--fault", rate)),
        *(word for outage in plan.outages for word in ("--outage", outage)),
        *("--rate-cap", plan.rate_cap, "--retry-after", "0.3"),
    ]


def over_http(to: Path, port: int, pairs: int) -> Path:
    """A copy of the demo with so many pairs of each trait, whose judge and author are at this port, and cost money."""
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


def night(folder: Path, port: int, plan: Plan, moments: Iterator[float] | None) -> Dawn:
    """The same command over and over, killed so many seconds after each start, until it ends by itself."""
    began, kills, turned_away, told = time.monotonic(), 0, 0, True
    with (folder / "log").open("a") as log:
        while True:
            code = _part(folder, plan, log, next(moments) * LONGER**kills if moments else LONGEST)
            tell(f"{time.monotonic() - began:5.0f} s: {'killed' if code == -signal.SIGKILL else f'exit code {code}'}")
            if time.monotonic() - began > LONGEST:
                raise RuntimeError(f"The night does not end; see {folder / 'log'}.")
            if code == -signal.SIGKILL:
                kills += 1
                told &= is_told(folder)
            elif code == AT_THE_DOOR and moments:
                turned_away += 1
                time.sleep(NEXT_TRY)
            else:
                break
    ends = {trait: outcome(folder, trait) for trait in TRAITS}
    money = Money(*map(sum, zip(*(spent(folder, trait) for trait in TRAITS), strict=True)))
    return Dawn(code, time.monotonic() - began, kills, turned_away, told, ends, money, counts(port))


def _part(folder: Path, plan: Plan, log: IO[str], seconds: float) -> int:
    """One process, killed so many seconds after its pre-flight; its exit code."""
    command = [PROGRAM, "run", "--experiment", str(folder), *plan.sizes]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while process.poll() is None and not is_checked(heartbeat_file(folder, process.pid)):
            time.sleep(0.1)
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL
    finally:
        process.kill()
        process.wait()


def is_checked(beats: Path) -> bool:
    """Whether a process has passed its pre-flight: a kill during every start-up would let none of them work."""
    return beats.exists() and HeartbeatRecord.model_validate_json(beats.read_bytes()).checked is not None


def refinement(folder: Path, trait: str) -> Path:
    return folder / "extraction" / trait / "refinement"


def outcome(folder: Path, trait: str) -> dict[str, bytes]:
    """The final set and the canonical history, as far as they are there."""
    place = refinement(folder, trait)
    files = [*sorted((place / "final").glob("*")), *place.glob("history.jsonl")]
    return {file.name: file.read_bytes() for file in files}


def rows_of(folder: Path, trait: str, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a ledger; none where a kill came before its tables."""
    path = refinement(folder, trait) / "ledger.sqlite"
    if not path.is_file():
        return []
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        made = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'attempts'").fetchone()[0]
        return connection.execute(sql).fetchall() if made else []


def is_told(folder: Path) -> bool:
    """Whether `status` lists just those attempts as possibly paid that the ledgers hold open."""
    states = cliffhanger("status", folder, "--json")
    sql = "SELECT role, purpose, begun FROM attempts WHERE outcome IS NULL ORDER BY id"
    return states.exit_code == 0 and all(
        [(one["role"], one["purpose"], one["begun"]) for one in state["possibly_paid"]]
        == rows_of(folder, state["trait"], sql)
        for state in json.loads(states.output)
    )


def spent(folder: Path, trait: str) -> Money:
    """One trait's calls and money, by its ledger."""
    attempts = rows_of(folder, trait, "SELECT key, outcome, charged, reserved FROM attempts ORDER BY id")
    answers = dict(rows_of(folder, trait, "SELECT key, micro_usd FROM answers"))
    left, bought, again, twice = Counter[str](), set[str](), 0, 0
    for key, outcome, *_ in attempts:
        twice += key in bought
        again += left[key] > 0
        left[key] = 1 if outcome is None else 0
        bought |= {key} if outcome == ANSWERED else set()
    return Money(
        answers=len(answers),
        attempts=len(attempts),
        listed=sum(outcome is None for _, outcome, *_ in attempts),
        again=again,
        bought_twice=twice + sum(outcome == REPEATED for _, outcome, *_ in attempts),
        paid=sum(answers.values()),
        wasted=sum(charged for _, outcome, charged, _ in attempts if outcome is not None),
        reserved=sum(reserved for _, outcome, _, reserved in attempts if outcome is None),
    )


def rehearsed(plan: Plan, seed: int, place: Path) -> tuple[Dawn, Dawn]:
    """The undisturbed night, and the same with all that can happen to it."""
    port = free_port()  # the same for both: where an answer comes from is a part of its key
    rng = random.Random(seed)
    tell("undisturbed")
    with serving(port, ()):
        undisturbed = night(over_http(place / "undisturbed", port, plan.pairs), port, plan, None)
    tell("troubled, and killed")
    with serving(port, misbehaviour(plan)):
        moments = iter(lambda: rng.uniform(*plan.kills), None)
        return undisturbed, night(over_http(place / "troubled", port, plan.pairs), port, plan, moments)


def is_same(undisturbed: Dawn, troubled: Dawn) -> bool:
    """Whether exit code, sets, histories and what the answers cost are the undisturbed night's."""
    return (undisturbed.code, undisturbed.ends, undisturbed.money.paid) == (
        troubled.code,
        troubled.ends,
        troubled.money.paid,
    )


def is_covered(troubled: Dawn) -> bool:
    """Whether `status` had listed every call that may have been paid for in vain, and none was bought twice."""
    return troubled.told and not troubled.money.bought_twice and troubled.money.again <= troubled.money.listed


def figures(undisturbed: Dawn, troubled: Dawn) -> dict[str, str]:
    """What is printed, by name."""
    calm, money, server = undisturbed.money, troubled.money, troubled.counts
    struck = ", ".join(f"{name} {count}" for name, count in server["faults"].items())
    return {
        **{f"{trait}: set and history identical": _identical(undisturbed, troubled, trait) for trait in TRAITS},
        "exit code, undisturbed and troubled": f"{undisturbed.code}, {troubled.code}",
        "seconds, undisturbed and troubled": f"{undisturbed.seconds:.0f}, {troubled.seconds:.0f}",
        "kills survived": str(troubled.kills),
        "first starts that an outage turned away": str(troubled.turned_away),
        "faults that struck, by the endpoint's counters": f"{sum(server['faults'].values())}: {struck}",
        "requests, by the endpoint's counters": f"{server['requests']}, {server['unique']} different; "
        f"undisturbed {undisturbed.counts['requests']}",
        "attempts, by the ledgers": f"{money.attempts} for {money.answers} answers; undisturbed {calm.attempts}",
        "left open by kills": f"{money.listed}, {'all' if troubled.told else 'NOT all'} listed by status at the kill",
        "of these sent again": str(money.again),
        "sent again after the answer was stored": str(money.bought_twice),
        "paid for answers": f"{money.paid / 1e6:.4f} USD, undisturbed {calm.paid / 1e6:.4f}",
        "paid for replies of no use": f"{money.wasted / 1e6:.4f} USD",
        "at most paid for what was left open": f"{money.reserved / 1e6:.4f} USD",
    }


def _identical(undisturbed: Dawn, troubled: Dawn, trait: str) -> str:
    ours, theirs = troubled.ends[trait], undisturbed.ends[trait]
    other = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return "yes" if theirs and not other else f"NO: {', '.join(other)}"


def rows(quick: bool = False, seed: int = 0) -> list[Row]:
    """The night for the table of all figures."""
    with tempfile.TemporaryDirectory() as place:
        undisturbed, troubled = rehearsed(QUICK if quick else NIGHT, seed, Path(place))
    same, covered = is_same(undisturbed, troubled), is_covered(troubled)
    ours = (
        f"{troubled.kills} kills, {sum(troubled.counts['faults'].values())} faults: "
        f"{'identical' if same else 'NOT identical'}; {troubled.money.listed} calls left open, "
        f"{'all listed' if covered else 'NOT all listed'}"
    )
    wanted = "sets and histories identical"
    return [Row("Night", "3 traits, faults and kills", "-", ours, wanted, "1 night", met(same and covered))]


def main() -> None:
    """Rehearse, and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="smaller sets, more kills, shorter outages")
    options.add_argument("--seed", type=int, default=0, help="other moments to kill at")
    options.add_argument("--keep", type=Path, help="leave both nights in this folder, which must not be there yet")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        nights = rehearsed(QUICK if given.quick else NIGHT, given.seed, given.keep or Path(place))
    found = figures(*nights)
    width = max(map(len, found))
    sys.stdout.write("".join(f"{name:<{width}}  {figure}\n" for name, figure in found.items()))
    sys.exit(0 if is_same(*nights) and is_covered(nights[1]) else 1)


if __name__ == "__main__":
    main()
