"""Answers that lie: a verdict stands on the very text it was given for, and no outage looks like success."""

import json
import re
from pathlib import Path

import pytest

from agent.llm.calls import SMALL_PROMPT
from agent.llm.client import LLMClient
from agent.llm.endpoint import Endpoint
from agent.llm.retry import RetryPolicy
from agent.loop.policy import RECHECKS
from agent.schema import Request, Role, Sampling, Shape
from agent.storage.ledger import Ledger
from agent.toyworld.server import create_app
from tests.cli.scripted import NEGATIVE, POSITIVE, ReadingSubject, cliffhanger, experiment, status_of
from tests.e2e.rehearsal import EXACT, PLACE, Gatekeeper, is_of_probe, larger, rehearse, title
from tests.llm.conftest import ABLE
from tests.llm.fault_server import Answering, number, serving
from tests.support.fault_kinds import Answered, failing

SOUND = POSITIVE[0]
EDITED = SOUND.replace("This crossed a line, so I", "I told him no, since it was wrong, so I")
DATASET = Path("datasets/traits/toy/refusal")
AUTHORS = {"# Draft pairs", "# Rewrite an ending", "# Change the topic"}
ITEMS, JUDGED = 400, 10  # scenarios


def gatekeeper() -> Gatekeeper:
    return Gatekeeper(create_app(EXACT))


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / DATASET / "positive.txt"
    file.write_text(file.read_text().replace(old, new))


def vetted(folder: Path) -> object:
    return json.loads((folder / "extraction/toy/refusal/vetting/first_token.json").read_text())["results"]


def test_after_one_ending_is_rewritten_only_that_texts_questions_are_sent_and_its_verdict_is_its_own(
    tmp_path: Path,
) -> None:
    folder, fresh = experiment(tmp_path / "edited"), experiment(tmp_path / "fresh")
    first, again, whole = gatekeeper(), gatekeeper(), gatekeeper()
    rehearse(folder, "--diagnostic", before=first)
    before = vetted(folder)
    edit(folder, SOUND, EDITED)
    edit(fresh, SOUND, EDITED)
    rehearse(folder, "--diagnostic", before=again)
    rehearse(fresh, "--diagnostic", before=whole)
    assert set(again.questions) == set(whole.questions) - set(first.questions)
    assert 0 < len(again.questions) <= len(first.questions) / 4
    assert not [p for p in again.questions for text in (*POSITIVE, *NEGATIVE) if text in p]
    assert vetted(folder) == vetted(fresh)
    assert vetted(folder) != before


def test_a_repair_is_examined_by_questions_about_that_pair_alone(tmp_path: Path) -> None:
    folder, repairing = larger(tmp_path, 4), gatekeeper()
    rehearse(folder, "--max-rounds", "1")
    rehearse(folder, "--max-rounds", "2", before=repairing)
    repaired = (folder / PLACE / "final/positive.txt").read_text().split("\n")[3]
    assert repaired not in POSITIVE
    about = [p for p in repairing.questions if not title(p).startswith("# Response")]
    assert {title(p) for p in about if repaired in p} >= {"# Forecast", "# Commitment"}
    assert not [p for p in about for text in (*POSITIVE[:3], *NEGATIVE[:3]) if text in p]
    assert not [p for p in repairing.questions if any(said in p for said in completions(*POSITIVE[:3], *NEGATIVE[:3]))]


def completions(*texts: str) -> list[str]:
    made = ReadingSubject().stream([(text, None) for text in texts], Sampling())
    return [completion.text for _, own in made for completion in own]


# The judge is down for most of a large set.


def many(root: Path) -> Path:
    """Two hundred sound pairs, every text another."""
    folder = larger(root, ITEMS // 2)
    settings = folder / "refine.toml"
    settings.write_text(settings.read_text().replace("pilot = 4", f"pilot = {ITEMS // 2}"))
    for side, text in (("positive", POSITIVE[0]), ("negative", NEGATIVE[0])):
        lines = [text.replace("absence note", f"absence note of day {day:03}") for day in range(ITEMS // 2)]
        (folder / DATASET / f"{side}.txt").write_text("\n".join(lines) + "\n")
    return folder


def down_but_for_ten(status: int = 500) -> Gatekeeper:
    """A judge that is down for all texts but those of the first five pairs."""
    known = [f"day {day:03}" for day in range(JUDGED // 2)]

    def instead(prompt: str) -> Answered | None:
        is_known = title(prompt) != "# Forecast" or is_of_probe(prompt) or any(day in prompt for day in known)
        return None if is_known else failing(status, "down")

    return Gatekeeper(create_app(EXACT), instead)


def test_a_judge_down_for_390_of_400_items_is_a_pass_rate_of_two_and_a_half_percent_and_nothing_is_rewritten(
    tmp_path: Path,
) -> None:
    folder, judge = many(tmp_path), down_but_for_ten()
    done = rehearse(folder, "--max-rounds", "1", before=judge, max_same_kind=2)
    assert done.exit_code == 3, done.output
    state = status_of(folder)
    assert state["pass_rate"] == JUDGED / ITEMS == 0.025
    assert state["by_status"] == {"unjudged": (ITEMS - JUDGED) // 2, "passed": JUDGED // 2}
    assert re.search(r"toy/refusal +cap +0/0 +200 ", done.output)
    assert ", 2% pass, " in status_text(folder)
    assert {title(p) for p in judge.questions}.isdisjoint(AUTHORS)


@pytest.fixture(scope="module")
def parked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Gatekeeper, str]:
    """The same set, refused for good and given up by the policy: folder, judge and what the screen said."""
    folder, judge = many(tmp_path_factory.mktemp("parked")), down_but_for_ten(400)
    done = rehearse(folder, before=judge)
    assert done.exit_code == 3, done.output
    return folder, judge, done.output


def test_a_set_that_the_judge_refuses_for_good_is_parked_unrewritten_and_the_run_says_not_ready(
    parked: tuple[Path, Gatekeeper, str],
) -> None:
    folder, judge, said = parked
    assert "195 of 200 pairs had to be parked" in said
    assert status_of(folder)["parked"] == (ITEMS - JUDGED) // 2
    assert {title(p) for p in judge.questions}.isdisjoint(AUTHORS)
    questions = [count for body, count in judge.bodies.items() if SMALL_PROMPT.encode() not in body]
    assert max(questions) <= RetryPolicy().max_refusals * (1 + RECHECKS)


def test_what_an_outage_parked_stays_in_the_pass_rates_denominator(parked: tuple[Path, Gatekeeper, str]) -> None:
    assert status_of(parked[0])["pass_rate"] == JUDGED / ITEMS


def status_text(folder: Path) -> str:
    return cliffhanger("status", folder).output


# What is asked twice, and what only looks as if it were.


def question(prompt: str) -> Request:
    return Request(role=Role.JUDGE, shape=Shape.NUMBER, prompt=prompt, prompt_id="forecast.a@1")


def test_fifty_identical_questions_at_once_are_sent_as_one(tmp_path: Path) -> None:
    with serving(lambda asked: Answering(**{**vars(number(85)), "delay": 0.05})) as server:
        llm = judge_at(server.url)
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            replies = llm.ask_all([question("Say it.")] * 50, ledger)
            assert ledger.attempt_counts() == {"answered": 1}
        llm.close()
    assert len(server.asked) == 1
    assert {reply.score.value for reply in replies if reply.score} == {85.0}


def test_one_model_name_at_two_urls_is_two_judges(tmp_path: Path) -> None:
    with (
        serving(lambda asked: number(85)) as one,
        serving(lambda asked: number(15)) as other,
        Ledger(tmp_path / "ledger.sqlite") as ledger,
    ):
        said = []
        for url in (one.url, other.url, one.url):
            llm = judge_at(url)
            [reply] = llm.ask_all([question("Say it.")], ledger)
            said.append(reply.score.value if reply.score else None)
            llm.close()
    assert said == [85.0, 15.0, 85.0]
    assert (len(one.asked), len(other.asked)) == (1, 1)


def judge_at(url: str) -> LLMClient:
    return LLMClient({Role.JUDGE: Endpoint(model="m", base_url=url, concurrency=50)}, known={Role.JUDGE: ABLE})
