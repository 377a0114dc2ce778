"""An endpoint that fails in mid-run costs no pair its verdict."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli import app
from agent.cli.compose import require_endpoint
from agent.cli.trouble import Interrupted
from agent.models.capability import ProbeError
from agent.models.llm import Llm
from agent.record.ledger import Ledger
from agent.schema import Reply, Request
from tests.cli.scripted import ReadingSubject, experiment, status_of, tree

GOOD = Reply(text="fine")


class Probing:
    """An endpoint that is asked how it is, as often as the test says."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)

    def probe(self) -> None:
        answer = self._answers.pop(0)
        if answer != "up":
            raise ProbeError(answer)


@pytest.mark.parametrize("kind", ["quota", "auth"])
def test_an_account_that_cannot_buy_stops_the_run_at_the_first_reply(kind: str) -> None:
    with pytest.raises(Interrupted, match=f"{kind}: no more"):
        require_endpoint(Probing(), [GOOD, Reply(error=f"{kind}: no more"), GOOD])  # type: ignore[arg-type]


def test_trouble_with_some_calls_is_no_outage() -> None:
    require_endpoint(Probing(), [GOOD, Reply(error="transient: 500"), Reply(error="timeout: 180 s")])  # type: ignore[arg-type]


def test_trouble_with_all_calls_is_an_outage_only_if_the_probe_fails_too() -> None:
    troubled = [Reply(error="transient: 500"), Reply(error="rate: 429"), Reply(error="timeout: 180 s")]
    require_endpoint(Probing("up"), troubled)  # type: ignore[arg-type]
    with pytest.raises(Interrupted, match="nobody there"):
        require_endpoint(Probing("nobody there"), troubled)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["unscored", "malformed", "refusal", "truncated", "deterministic"])
def test_replies_that_cannot_be_read_are_the_texts_own_matter(kind: str) -> None:
    require_endpoint(Probing(), [Reply(error=f"{kind}: …")])  # type: ignore[arg-type]


def test_a_run_whose_credit_ends_exits_with_four_and_goes_on_later_as_if_undisturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.cli.preflight.open_subject", lambda settings: ReadingSubject())
    whole, pieces = experiment(tmp_path / "whole"), experiment(tmp_path / "pieces")
    assert CliRunner().invoke(app, ["run", "-e", str(whole)]).exit_code == 0
    original, calls = Llm.ask_all, []

    def poor(self: Llm, requests: Sequence[Request], ledger: Ledger) -> list[Reply]:
        calls.append(len(requests))
        if len(calls) > 6:
            return [Reply(error="quota: the account is empty")] * len(requests)
        return original(self, requests, ledger)

    monkeypatch.setattr(Llm, "ask_all", poor)
    broke = CliRunner().invoke(app, ["run", "-e", str(pieces)])
    assert broke.exit_code == 4
    assert "the account is empty" in broke.output
    assert "mend the endpoint" in broke.output
    assert status_of(pieces)["parked"] == 0
    monkeypatch.setattr(Llm, "ask_all", original)
    assert CliRunner().invoke(app, ["run", "-e", str(pieces)]).exit_code == 0
    for name in ("final/positive.txt", "final/negative.txt"):
        path = f"extraction/toy/refusal/refinement/{name}"
        assert tree(pieces)[path] == tree(whole)[path]
