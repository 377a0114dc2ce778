"""The toy world behind a real port."""

import json
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from tests.cli.scripted import SETTINGS, cliffhanger, experiment


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`cliffhanger toyworld serve` with these options: its base URL and its process."""
    port = free_port()
    program = "from agent.cli.main import main; main()"
    command = [sys.executable, "-c", program, "toyworld", "serve", "--port", str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}/v1"
    try:
        await_models(url, process)
        yield url, process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def await_models(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            assert get(f"{url}/models")["data"][0]["id"] == "toyworld"
            return
        except urllib.error.URLError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310 - loopback
        return json.load(reply)


def post(url: str, body: object) -> int:
    """The status of the reply."""
    request = urllib.request.Request(url, json.dumps(body).encode())  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:  # noqa: S310 - loopback
            return int(reply.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_vet_uses_a_served_toy_world_which_stops_on_a_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("--no-logprobs", "--no-json-schema", "--flips", "0", "--systematic", "0") as (url, process):
        vet_over(url, tmp_path)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def vet_over(url: str, tmp_path: Path) -> None:
    folder = experiment(tmp_path, SETTINGS + f'\n[judge]\nmodel = "toy"\nbase_url = "{url}"\nfree = true\n')
    done = cliffhanger("vet", folder, "--only-stage", "2")
    assert done.exit_code == 0, done.output
    assert f"judge: toy at {url}, scores by samples." in done.output
    assert "No JSON schema" in done.output
    assert "4 of 4 positive, 4 of 4 negative pass" in done.output


def test_serve_prints_its_address_and_the_lines_for_refine_toml() -> None:
    with serving() as (url, process):
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=30)
    lines = told.split("\n")
    begin = lines.index("[judge]")
    written = tomllib.loads("\n".join(lines[begin : lines.index("", begin)]))
    assert written == {"judge": {"model": "toyworld", "base_url": url, "free": True}}


def test_a_used_port_is_refused_with_a_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = CliRunner().invoke(app, ["toyworld", "serve", "--port", port])
    assert done.exit_code == 64
    assert f"port {port}: Address already in use" in done.output
    assert "or 0 for a free one" in done.output
