"""Keys go to their endpoints and nowhere else: six canaries, and no byte of them in anything the program leaves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.schema import Act
from agent.toyworld.server import create_app
from tests.cli.finished_run import TRAIT, dataset_of, session_of
from tests.cli.scripted import cliffhanger, experiment
from tests.e2e.rehearsal import EXACT
from tests.support.test_faults_served import served

KEYS = {
    "JUDGE_KEY": "sk-canary-judge-5c1f",
    "AUTHOR_KEY": "sk-canary-author-77ab",
    "AUDITOR_KEY": "sk-canary-auditor-90de",
    "OPENAI_API_KEY": "sk-canary-openai-3e3e",
    "HF_TOKEN": "hf_canaryHuggingFace41",
    "SOME_SECRET": "canary-of-somebody-else-8d",
}


class KeyRecorder:
    """An endpoint that notes the keys it is shown, and now and then repeats one in an error."""

    def __init__(self, endpoint: ASGIApp) -> None:
        self.endpoint, self.shown, self.asked = endpoint, set[str](), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shown = dict(scope.get("headers", ())).get(b"authorization", b"").decode().removeprefix("Bearer ")
        self.shown |= {shown} - {""}
        self.asked += 1
        if self.asked % 20 == 0:
            body = f'{{"error": {{"message": "trouble with {shown}", "code": "server_error"}}}}'.encode()
            await send(
                {"type": "http.response.start", "status": 500, "headers": [(b"content-type", b"application/json")]}
            )
            await send({"type": "http.response.body", "body": body})
            return
        await self.endpoint(scope, receive, send)


@pytest.fixture
def recorder_and_port() -> Iterator[tuple[KeyRecorder, int]]:
    recorder: Any = KeyRecorder(create_app(EXACT))
    with served(recorder) as port:
        yield recorder, port


def roles(port: int) -> str:
    return "".join(
        f'\n[{role}]\nmodel = "toyworld"\nbase_url = "http://127.0.0.1:{port}/v1"\n'
        f'key_variable = "{role.upper()}_KEY"\nfree = true\n'
        for role in ("judge", "author", "auditor")
    )


def test_no_byte_of_six_canary_keys_is_left_by_a_run_and_its_review(
    tmp_path: Path, recorder_and_port: tuple[KeyRecorder, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    recorder, port = recorder_and_port
    folder = experiment(tmp_path)
    with (folder / "refine.toml").open("a") as settings:
        settings.write(roles(port))
    said = []

    def said_by(command: str, *options: str) -> None:
        done = cliffhanger(command, folder, *options)
        assert done.exit_code == 0, done.output
        said.append(done.output)

    said_by("run", "--dry-run")
    said_by("run")
    said_by("status", "--json")
    said_by("report")
    session = session_of(folder)
    for card in session.cards():
        if card.what == "added":
            session.decide(card.pair, Act.APPROVE, card.version_token, note="good")
    said_by("apply")
    said_by("decisions export", "--traits", TRAIT, "--to", str(tmp_path / "handed.jsonl"))
    assert dataset_of(folder).is_dir()
    assert recorder.shown == {KEYS["JUDGE_KEY"], KEYS["AUTHOR_KEY"], KEYS["AUDITOR_KEY"]}
    left = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(left) > 15
    for value in KEYS.values():
        assert not [path.name for path, content in left.items() if value.encode() in content]
        assert not [text for text in said if value in text]
