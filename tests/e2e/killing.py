"""The real command with a scripted subject and a toy endpoint that keeps its own bill, killed as planned and told.

`python -m tests.e2e.killing PAIRS TARGET` reads plans, one a line, and tells what came of each as a line of JSON.
A plan says when successive runs are killed: "12" at the 12th durable point, "0.3s" after so many seconds from outside;
the run after the last kill goes on to its end. One process forks all runs, so importing is paid for once.
"""

import gc
import hashlib
import importlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import agent.cli
from agent.cli import compose, preflight
from agent.config import TOYWORLD, Settings, load_settings
from agent.prompts import PromptBook
from agent.record import points
from agent.record.experiment import ExperimentFolder
from agent.record.ledger import Ledger
from agent.record.points import VARIABLE
from agent.schema import Noun, digest
from tests.cli.scripted import NEGATIVE, POSITIVE, SETTINGS, ReadingSubject, experiment, status_of

ROOT = Path(__file__).parents[2]
# A killed process leaves the same files on any disk, and in memory nobody waits for them.
MEMORY = next((place for place in ("/dev/shm",) if Path(place).is_dir()), None)  # noqa: S108
TRAIT = "toy/refusal"
IN_FLIGHT = 6
NEVER = "1000000000"
JUDGE = f'\n[judge]\nmodel = "toyworld"\nconcurrency = {IN_FLIGHT}\ninput_price = 1.0\noutput_price = 4.0\n'
RULES = "\n[rules]\nlock_in_samples = 1\nlock_in_needed = 1\n"  # fewer calls: one campaign is told hundreds of times

Run = Callable[[Path, str], tuple[int, int]]  # an experiment and a moment to die; the exit code and the points passed
Message = MutableMapping[str, Any]


class Kill(Noun):
    """What a killed run left: how many calls were billed so far, what is stored, what `status` lists."""

    billed: int
    stored: tuple[str, ...]
    listed: tuple[str, ...]
    told: bool  # `status` lists just the attempts that the ledger holds open
    how: str


class Story(Noun):
    """What came of one plan. Calls go by the beginning of their keys, money in millionths of a dollar.

    `spent` is what the ledger's answers and failed attempts cost, `reserved` what its open ones may have cost besides.
    """

    plan: str
    kills: tuple[Kill, ...]
    code: int
    points: int
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
    def listed(self) -> tuple[str, ...]:
        """Every call that some kill left open: what was listed once stays listed."""
        return self.kills[-1].listed if self.kills else ()

    @property
    def repeated(self) -> Counter[str]:
        """How often each call was sent once more; greetings, which the ledger knows nothing of, are no calls."""
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


@dataclass(frozen=True, eq=False)
class Billing:
    """The toy endpoint, which notes the key of each request before anything is answered."""

    app: Callable[..., Awaitable[None]]
    bill: Path

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: object) -> None:
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        body = b"".join(message.get("body", b"") for message in messages)
        with self.bill.open("a") as bill:
            bill.write(_short(digest(body.decode(), TOYWORLD, str(json.loads(body).get("seed", 0)))) + "\n")

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, again, send)


def _short(key: str) -> str:
    return key[:12]


def furnish(specimen: Path) -> None:
    """Import and make once what each run would make anew, and put the scripted parts in place. Starts no thread."""
    for name in ("agent.cli.orders", "httpx2", "numpy", "openai", "tenacity"):
        importlib.import_module(name)
    book, app = PromptBook.load(), compose.toy_app(load_settings(specimen))
    status_of(specimen)

    def billing(settings: Settings) -> object:
        return Billing(app, settings.experiment / "bill")  # type: ignore[arg-type]

    PromptBook.load = lambda: book  # type: ignore[method-assign]
    preflight.open_subject = lambda settings: ReadingSubject()  # type: ignore[assignment, return-value]
    compose.toy_app = billing
    assert "torch" not in sys.modules
    gc.collect()
    gc.freeze()  # the children share what is there, and look at it no more


def forked(folder: Path, moment: str) -> tuple[int, int]:
    """One run of the command in a child of this process. What it says is in the experiment's log."""
    ends, tell = os.pipe()
    child = os.fork()
    if child == 0:
        _become_the_program(folder, NEVER if moment.endswith("s") else moment, tell)
    os.close(tell)
    if moment.endswith("s"):
        time.sleep(float(moment[:-1]))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(ends, "rb") as passed:
        return os.waitstatus_to_exitcode(status), int(passed.read() or 0)


def _become_the_program(folder: Path, moment: str, tell: int) -> None:
    code = 70
    try:
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ[VARIABLE] = moment
        sys.argv = ["cliffhanger", "run", "--experiment", str(folder)]
        agent.cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - it is in the log, and the exit code tells
        traceback.print_exc()
    sys.stdout.flush()
    os.write(tell, str(points._passed.total()).encode())
    os._exit(code)


def told(folder: Path, plan: str, run: Run) -> Story:
    """Follow a plan in a fresh experiment, to the end of the run after the last kill."""
    kills: list[Kill] = []
    for moment in (*plan.split(), NEVER):
        began = time.monotonic()
        code, passed = run(folder, moment)
        if code != -signal.SIGKILL:
            break
        kills.append(_seen(folder))
    seconds, log = time.monotonic() - began, folder / "log"
    refinement = ExperimentFolder(folder, TRAIT).refinement
    guides = [p for p in sorted((folder / "extraction").rglob("*.json")) if refinement not in p.parents]
    with Ledger.read(refinement / "ledger.sqlite") as ledger:
        return Story(
            plan=plan,
            kills=tuple(kills),
            code=code,
            points=passed,
            seconds=seconds,
            files=_digests([*sorted((refinement / "final").glob("*")), *refinement.glob("history.jsonl")]),
            guides=_digests(guides),
            billed=_billed(folder),
            prices={_short(key): price for key, price in _rows(folder, "SELECT key, micro_usd FROM answers")},
            attempts=sum(ledger.attempts().values()),
            spent=ledger.spend().micro_usd,
            reserved=sum(attempt.reserved for attempt in ledger.pending()),
            log=log.read_text(errors="replace")[-2000:] if log.exists() else "",
        )


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
    return tuple(_short(key) for (key,) in _rows(folder, "SELECT key FROM attempts ORDER BY id"))


def _seen(folder: Path) -> Kill:
    """What lies on disk after a kill, and what `status` makes of it."""
    state: dict[str, Any] = status_of(folder)
    listed = [(one["role"], one["purpose"], one["begun"], one["micro_usd"]) for one in state["possibly_paid"]]
    sql = "SELECT role, purpose, begun, reserved, key FROM attempts WHERE outcome IS NULL ORDER BY id"
    left_open = _rows(folder, sql)
    return Kill(
        billed=len(_billed(folder)),
        stored=tuple(_short(key) for (key,) in _rows(folder, "SELECT key FROM answers")),
        listed=tuple(_short(key) for *_, key in left_open),
        told=listed == [tuple(about) for *about, _ in left_open],
        how=state["how"],
    )


def _digests(paths: Sequence[Path]) -> dict[str, str]:
    """By name; a line that says when the file was written does not count."""
    lines = {path.name: path.read_bytes().split(b"\n") for path in paths}
    timeless = {name: b"\n".join(line for line in text if b'"timestamp"' not in line) for name, text in lines.items()}
    return {name: hashlib.sha256(text).hexdigest() for name, text in timeless.items()}


def tell_all(pairs: int, target: int) -> None:
    """A line of JSON for each plan on standard input."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        furnish(scripted_experiment(Path(place), pairs, target))
    for line in sys.stdin:
        sys.stdout.write(_told_afresh(line.strip(), pairs, target).model_dump_json() + "\n")
        sys.stdout.flush()


def _told_afresh(plan: str, pairs: int, target: int) -> Story:
    """The story of a plan; a kill from outside that came too late is tried again in half the time."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        story = told(scripted_experiment(Path(place), pairs, target), plan, forked)
    too_late = plan.endswith("s") and not story.kills
    return _told_afresh(f"{float(plan[:-1]) / 2}s", pairs, target) if too_late else story


def stories(plans: Sequence[str], pairs: int, target: int, abreast: int | None = None) -> list[Story]:
    """What came of each plan, in their order; told by some processes side by side."""
    width = min(abreast or os.cpu_count() or 1, len(plans))
    command = [sys.executable, "-m", "tests.e2e.killing", str(pairs), str(target)]
    with tempfile.TemporaryDirectory() as place:
        started = []
        for part in range(width):
            given, out = Path(place, f"{part}.plans"), Path(place, f"{part}.stories")
            given.write_text("\n".join(plans[part::width]) + "\n")
            with given.open() as source, out.open("w") as sink:
                started.append((subprocess.Popen(command, cwd=ROOT, stdin=source, stdout=sink), out))
        codes = [process.wait() for process, _ in started]
        if any(codes):
            raise RuntimeError(f"the telling itself failed: {codes}")
        parts = [[Story.model_validate_json(line) for line in out.read_text().splitlines()] for _, out in started]
    return [parts[i % width][i // width] for i in range(len(plans))]


if __name__ == "__main__":
    tell_all(int(sys.argv[1]), int(sys.argv[2]))
