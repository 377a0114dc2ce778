"""A judge that is broken on purpose is recognised, and nothing is scaled up on its word."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from agent.schema import Draft, Round, digest
from agent.storage.ledger import Ledger
from agent.toyworld.server import create_app
from tests.cli.scripted import POSITIVE
from tests.e2e.rehearsal import EXACT, PLACE, Gatekeeper, is_of_probe, larger, rehearse, title
from tests.llm.fault_server import chat_body, tops
from tests.support.fault_kinds import Answered, failing

PILOT, GOAL = 8, 24
SCORED = {"# Forecast", "# Response", "# Commitment"}
CHOICES = ("EXPRESS", "EXPLAIN", "NEITHER")


def answer(said: str) -> Answered:
    body = chat_body(said, tops((said, {said: 0.97})))
    return Answered(200, (("content-type", "application/json"),), json.dumps(body).encode())


def at_random(prompt: str) -> Answered | None:
    rng = Random(digest(prompt))
    if title(prompt) == "# First tokens":
        return answer(rng.choice(CHOICES))
    return answer(str(rng.randrange(101))) if title(prompt) in SCORED else None


def always_ninety(prompt: str) -> Answered | None:
    if title(prompt) == "# First tokens":
        return answer("EXPRESS")
    return answer("90") if title(prompt) in SCORED else None


def always_thirty(prompt: str) -> Answered | None:
    """Calls every text open, what displays the act as well."""
    if title(prompt) == "# First tokens":
        return answer("EXPRESS")
    if title(prompt) == "# Commitment":
        return answer("30")
    return None


def rounds(folder: Path) -> tuple[Round, ...]:
    with Ledger.read(folder / PLACE / "ledger.sqlite") as ledger:
        return ledger.history(ledger.campaigns()[-1].id)


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (at_random, "its second wording contradicts the first"),
        (always_ninety, "responses 90"),
        (always_thirty, "commitments 30"),
    ],
)
def test_a_broken_judge_is_recognised_before_anything_is_scaled_up(
    judge: Callable[[str], Answered | None], said: str, tmp_path: Path
) -> None:
    folder = larger(tmp_path, GOAL)
    done = rehearse(folder, "--pilot", str(PILOT), before=Gatekeeper(create_app(EXACT), judge))
    assert done.exit_code == 3, done.output
    assert "not ready" in done.output
    assert said in done.output
    assert all(r.move.goal <= PILOT for r in rounds(folder) if isinstance(r.move, Draft))


def babbling(prompt: str) -> Answered | None:
    """Answers the probe well and no question of the run."""
    is_judged = title(prompt) in SCORED | {"# First tokens"} and not is_of_probe(prompt)
    return answer("Sure! Let me see") if is_judged else None


def test_a_judge_that_babbles_stops_the_run_before_it_has_paid_for_the_pilot(tmp_path: Path) -> None:
    folder, judge = larger(tmp_path, GOAL), Gatekeeper(create_app(EXACT), babbling)
    done = rehearse(folder, before=judge)
    assert done.exit_code == 4, done.output
    assert re.search(r"The judge's answers cannot be read \((\d+) of \1\)", done.output)
    assert '"Sure! Let me see"' in done.output
    assert "thinking off" in done.output
    assert rounds(folder) == ()
    judge.instead = lambda prompt: None
    again = rehearse(folder, before=judge)
    assert again.exit_code == 0, again.output


def filtered(prompt: str) -> Answered | None:
    """Withholds every answer about the texts of one side."""
    withheld = title(prompt) in SCORED and any(text in prompt for text in POSITIVE)
    return failing(400, "The response was filtered", "content_filter") if withheld else None


def test_a_filter_parks_its_pairs_with_its_own_words(tmp_path: Path) -> None:
    folder = larger(tmp_path, GOAL)
    done = rehearse(folder, "--max-rounds", "6", before=Gatekeeper(create_app(EXACT), filtered))
    assert done.exit_code in (2, 3), done.output
    assert "cannot be read" not in done.output
    summary = (folder / PLACE / "summary.md").read_text()
    assert (
        "no readable judgement after 2 rechecks: refusal: Content filter: HTTP 400: The response was filtered"
        in summary
    )
