"""The toy world behind a real port."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli import app
from tests.cli.scripted import SETTINGS, ReadingSubject, experiment


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def server() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A served toy world without log-probabilities, and its base URL."""
    port = free_port()
    options = ["--port", str(port), "--no-logprobs", "--no-json-schema", "--flips", "0", "--systematic", "0"]
    program = "from agent.cli import main; main()"
    command = [sys.executable, "-c", program, "toyworld", "serve", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}/v1"
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"{url}/models", timeout=5) as reply:  # noqa: S310 - loopback
                assert json.load(reply)["data"][0]["id"] == "toyworld"
            break
        except urllib.error.URLError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
    yield url, process
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=30)


def test_a_served_toy_world_is_vetted_over_the_network_and_stops_on_a_signal(
    server: tuple[str, subprocess.Popen[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, process = server
    monkeypatch.setattr("agent.cli.preflight.open_subject", lambda settings: ReadingSubject())
    folder = experiment(tmp_path, SETTINGS + f'\n[judge]\nmodel = "toy"\nbase_url = "{url}"\n')
    done = CliRunner().invoke(app, ["vet", "-e", str(folder), "--only-stage", "2"])
    assert done.exit_code == 0, done.output
    assert f"judge: toy at {url}, scores by samples." in done.output
    assert "It has no JSON schema" in done.output
    assert "4 of 4 positive, 4 of 4 negative pass" in done.output
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
