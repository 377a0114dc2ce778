"""What every test stands on: no keys, no network but loopback, one thread, the same repository for all."""

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# Read by torch and tokenizers when they are first imported, here and in child processes.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

# A shell starts background jobs with SIGINT ignored, and children inherit that: tests of Ctrl-C need it back.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("cliffhanger", deadline=None)
hypothesis.settings.load_profile("cliffhanger")

ROOT = Path(__file__).resolve().parents[1]
MEMORY = Path("/dev/shm")  # noqa: S108 - only pytest's own folder is made in it
ROOM = 2 << 30  # bytes; a whole session leaves less than 0.5 GB of files, and Chromium shares memory there too
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class ForbiddenConnectionError(AssertionError):
    """A test tried to reach a machine other than its own."""


def pytest_configure() -> None:
    """Put temporary folders in memory where there is room: a scripted run waits for hundreds of writes to a disk."""
    if has_room(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def has_room(folder: Path) -> bool:
    """Whether a folder takes the files and programs of a whole session."""
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        return False
    return shutil.disk_usage(folder).free > ROOM and not os.statvfs(folder).f_flag & os.ST_NOEXEC


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that all workers end together; skip, with the reason, what cannot run here."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, "e2e" not in item.path.parts))
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(900))  # they take a minute on an idle machine
    reasons = {"gpu": no_gpu, "browser": no_browser}
    for marker, reason in reasons.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        why = reason() if marked else None
        for item in marked:
            if why:
                item.add_marker(pytest.mark.skip(reason=why))


def no_gpu() -> str | None:
    """Why the GPU tests cannot run here, or None."""
    import torch

    return None if torch.cuda.is_available() else "torch sees no CUDA device"


def no_browser() -> str | None:
    """Why the browser tests cannot run here, or None."""
    if find_spec("playwright") is None:
        return "playwright is not installed"
    return None if any(map(shutil.which, BROWSERS)) else f"none of {', '.join(BROWSERS)} is on the PATH"


def is_secret_or_detour(name: str) -> bool:
    """Whether an environment variable holds a key, or leads requests to another place than the test names."""
    upper = name.upper()
    return upper.endswith(("_API_KEY", "_PROXY")) or upper.startswith("OPENAI_") or upper == "HF_TOKEN"


def stays_here(host: object) -> bool:
    """Whether a host is this machine: a loopback address, localhost, or nothing (every own address)."""
    text = host.decode() if isinstance(host, bytes) else host
    if text in (None, "", "localhost"):
        return True
    try:
        return ip_address(str(text).partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees a key or a proxy of the machine it runs on, nor do the programs it starts."""
    for name in filter(is_secret_or_detour, list(os.environ)):
        monkeypatch.delenv(name)


def connected_host(sock: socket.socket, address: Any) -> object:
    """The host a socket is asked to connect to; None for a socket that cannot leave the machine."""
    return address[0] if sock.family in (socket.AF_INET, socket.AF_INET6) else None


def looked_up_host(host: object, *_: object, **__: object) -> object:
    """The host whose address is asked for."""
    return host


def guarded(original: Callable[..., Any], host_of: Callable[..., object], attempts: list[str]) -> Callable[..., Any]:
    """The original, refusing every host but this machine and noting what it refused."""

    def call(*args: Any, **kwargs: Any) -> Any:
        host = host_of(*args, **kwargs)
        if not stays_here(host):
            attempts.append(str(host))
            raise ForbiddenConnectionError(f"A test tried to reach {host}. Serve it on 127.0.0.1 inside the test.")
        return original(*args, **kwargs)

    return call


@pytest.fixture(autouse=True)
def outside_attempts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Any connection or look-up beyond loopback is an error, even where the code under test swallows it."""
    attempts: list[str] = []
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, guarded(getattr(socket.socket, name), connected_host, attempts))
    monkeypatch.setattr(socket, "getaddrinfo", guarded(socket.getaddrinfo, looked_up_host, attempts))
    yield attempts
    assert not attempts, f"The test tried to reach {', '.join(attempts)}."


@pytest.fixture(scope="session", autouse=True)
def without_pictures() -> Iterator[None]:
    """Reports have empty pictures, except inside `tests.support.pictures.real()`."""
    from tests.support import pictures

    with pictures.empty():
        yield


@pytest.fixture
def real_pictures() -> Iterator[None]:
    """Reports have the pictures that a user sees."""
    from tests.support import pictures

    with pictures.real():
        yield


@pytest.fixture(scope="session", autouse=True)
def one_command() -> Iterator[None]:
    """The command line is built once, not by each invocation: that takes nine tenths of a refused one."""
    import typer.testing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", cache(typer.testing._get_command))
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real datasets beside the checkout; tests that need it are skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real datasets are not on this machine ({folder} is absent)")
    return folder
