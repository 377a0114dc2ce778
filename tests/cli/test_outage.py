"""An endpoint that fails during a run changes no pair's verdict."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.app.model_calls import raise_if_unavailable
from agent.errors import Interrupted
from agent.llm.client import LLMClient
from agent.schema import Ending, Reply, Request
from agent.storage.ledger import Ledger
from tests.cli.scripted import cliffhanger, experiment, status_of, tree

GOOD = Reply(text="fine")


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("quota", Ending.ENDPOINT), ("auth", Ending.ENDPOINT), ("outage", Ending.ENDPOINT), ("budget", Ending.CAP)],
)
def test_an_unavailable_endpoint_ends_the_run_at_the_first_reply(kind: str, ending: Ending) -> None:
    with pytest.raises(Interrupted, match=f"{kind}: no more") as caught:
        raise_if_unavailable([GOOD, Reply(error=f"{kind}: no more"), GOOD])
    assert caught.value.ending is ending


@pytest.mark.parametrize(
    "kind", ["transient", "rate", "timeout", "unscored", "malformed", "refusal", "truncated", "deterministic"]
)
def test_errors_of_a_single_request_do_not_end_the_run(kind: str) -> None:
    raise_if_unavailable([Reply(error=f"{kind}: …")])


def test_a_run_out_of_credit_exits_with_4_and_resumes_to_the_same_result(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = experiment(tmp_path)
    original, calls = LLMClient.ask_all, []

    def out_of_credit(self: LLMClient, requests: Sequence[Request], ledger: Ledger, *more: Any) -> list[Reply]:
        calls.append(len(requests))
        if len(calls) > 6:
            return [Reply(error="quota: the account is empty")] * len(requests)
        return original(self, requests, ledger, *more)

    monkeypatch.setattr(LLMClient, "ask_all", out_of_credit)
    broke = cliffhanger("run", pieces)
    assert broke.exit_code == 4
    assert "the account is empty" in broke.output
    assert "correct the key or top up the account" in broke.output
    assert status_of(pieces)["parked"] == 0
    monkeypatch.setattr(LLMClient, "ask_all", original)
    assert cliffhanger("run", pieces).exit_code == 0
    for name in ("final/positive.txt", "final/negative.txt"):
        path = f"extraction/toy/refusal/refinement/{name}"
        assert tree(pieces)[path] == tree(finished_run)[path]
