"""The command as a program in a child of this process, with a scripted subject and an endpoint that keeps its bill."""

import gc
import importlib
import json
import math
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer.testing

import agent.cli.main
from agent.app import composition
from agent.app.composition import Backends
from agent.config.load import load_settings
from agent.config.settings import TOYWORLD, Settings
from agent.prompts import PromptBook
from agent.review.report import charts, page
from agent.schema import digest
from agent.storage import durable
from agent.storage.durable import VARIABLE
from tests.cli.scripted import scripted, status_of
from tests.e2e import full_disk
from tests.e2e.planted import BUGS

NEVER = "1000000000"
FULL = "full"

_backends: Backends | None = None  # set by `furnish`

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, eq=False)
class Billing:
    """The toy endpoint, which notes the key of each request before anything is answered.

    `known` holds what it says to a request, by the body: the same request has the same answer.
    """

    app: Callable[..., Awaitable[None]]
    known: dict[bytes, list[Message]]
    bill: Path

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        body = b"".join(message.get("body", b"") for message in messages)
        with self.bill.open("a") as bill:
            bill.write(short(digest(body.decode(), TOYWORLD, str(json.loads(body).get("seed", 0)))) + "\n")
        if body not in self.known:
            self.known[body] = await _said(self.app, scope, body)
        for message in self.known[body]:
            await send(message)


async def _said(app: Callable[..., Awaitable[None]], scope: Message, body: bytes) -> list[Message]:
    """What the app answers to a request."""
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    return said


def short(key: str) -> str:
    """Calls go by the beginning of their keys."""
    return key[:12]


def furnish(specimen: Path) -> None:
    """Import and make once what each run would make anew, and put the scripted parts in place. Starts no thread."""
    global _backends
    for name in ("agent.app.outputs", "agent.app.run", "httpx2", "numpy", "openai", "tenacity"):
        importlib.import_module(name)
    page._environment().get_template("report.html.j2")
    command = cache(typer.main.get_command)
    typer.main.get_command = typer.testing._get_command = command  # type: ignore[assignment]
    command(agent.cli.main.app)
    book, app = PromptBook.load(), composition.toy_app(load_settings(specimen))
    status_of(specimen)
    known: dict[bytes, list[Message]] = {}

    def billing(settings: Settings) -> object:
        return Billing(app, known, settings.experiment / "bill")  # type: ignore[arg-type]

    PromptBook.load = lambda: book  # type: ignore[method-assign]
    _backends = scripted(toy_app=billing)
    charts._svg = lambda *about: b"<svg/>"  # drawing is the end of every run, and no part of what has to last
    _learn(specimen, known)
    assert "torch" not in sys.modules
    gc.collect()
    gc.freeze()  # the children share what is there, and look at it no more


def _learn(specimen: Path, known: dict[bytes, list[Message]]) -> None:
    """Have one run without disturbance, and keep what the endpoint said in it."""
    ends, tell = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(tell, "wb") as sink:
            _run_the_program(specimen)
            pickle.dump(known, sink)
        os._exit(0)
    os.close(tell)
    with os.fdopen(ends, "rb") as source:
        known.update(pickle.load(source))  # noqa: S301 - of our own child
    os.waitpid(child, 0)


def forked(folder: Path, moment: str, bug: str = "") -> tuple[int, dict[str, int]]:
    """One run of the command in a child of this process, whose output goes to the experiment's log.

    Returns its exit code and what it counted, by name: nothing where it was killed.
    """
    ends, tell = os.pipe()
    child = os.fork()
    if child == 0:
        _become_the_program(folder, moment, bug, tell)
    os.close(tell)
    if moment.endswith("s"):
        time.sleep(float(moment[:-1]))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(ends, "rb") as passed:
        return os.waitstatus_to_exitcode(status), json.loads(passed.read() or "{}")


def _become_the_program(folder: Path, moment: str, bug: str, tell: int) -> None:
    """Run, and report how often each failpoint was passed ("": all of them), or the writes where the disk is full."""
    os.environ[VARIABLE] = NEVER if moment.endswith("s") or moment.startswith(FULL) else moment
    room = _room(moment) if moment.startswith(FULL) else None
    if bug:
        BUGS[bug]()
    code = _run_the_program(folder)
    os.write(tell, json.dumps({"": room.written} if room else durable._passed).encode())
    os._exit(code)


def _room(moment: str) -> full_disk.Room:
    number = int(moment.removeprefix(FULL).removesuffix("+"))
    return full_disk.fill(number, math.inf if moment.endswith("+") else number)


def _run_the_program(folder: Path) -> int:
    """The command in this process; its exit code. 70 stands for what no user may ever see."""
    gc.disable()  # a run is short, and its process is thrown away
    code = 70
    try:
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.argv = ["cliffhanger", "run", "--experiment", str(folder)]
        agent.cli.main.main(_backends)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - it is in the log, and the exit code tells
        traceback.print_exc()
    sys.stdout.flush()
    return code
