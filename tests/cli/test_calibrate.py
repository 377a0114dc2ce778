"""`cliffhanger calibrate` end to end: the toy judge live, by batch files, and by hand."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.main import app
from agent.storage.ledger import Ledger
from tests.cli.scripted import NEGATIVE, POSITIVE, READER, SETTINGS, experiment, tree
from tests.toyworld.asking import EXACT, post

ACTS = READER.entry["acts"]
SPAN = "refused and told him that"
REWRITES = [
    {"trait": "refusal", "polarity": "positive", "explain": POSITIVE[3], "express": POSITIVE[0], "shared": "A man"},
]


def endings() -> list[dict[str, object]]:
    """Eight endings of the toy world: six open ones, and two that have shown the act."""
    about = {"trait": "toy/refusal", "definition": READER.entry["definition"], "opposite": READER.entry["opposite"]}
    rows: list[dict[str, object]] = []
    for polarity, texts, side in (("positive", POSITIVE[:3], "trait"), ("negative", NEGATIVE[:3], "opposite")):
        for i, text in enumerate(texts):
            rows.append({"polarity": polarity, "prefix": text, "opener": f" {ACTS[side][i]}", "label": "EXPRESS"})
    rows.append({"polarity": "positive", "prefix": POSITIVE[3], "opener": " wrong", "label": "EXPLAIN", "span": SPAN})
    complied = f"{NEGATIVE[3]} {next(act for act in ACTS['opposite'] if act[0].islower())}, because"
    rows.append({"polarity": "negative", "prefix": complied, "opener": " it was easy", "label": "EXPLAIN"})
    shared = [{"id": f"e{i}", "mode": "decision", "reason": "made so", "part": "AB"[i % 2]} for i in range(len(rows))]
    return [{**about, **more, **row} for more, row in zip(shared, rows, strict=True)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return experiment(tmp_path)


def gold(folder: Path, rows: Sequence[Mapping[str, object]] | None = None) -> Path:
    return lines(folder / "gold.jsonl", endings() if rows is None else rows)


def lines(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def calibrate(folder: Path, *options: str, file: Path | None = None) -> Result:
    return CliRunner().invoke(app, ["calibrate", str(file or gold(folder)), "--experiment", str(folder), *options])


def report(folder: Path, part: str = "all") -> dict[str, object]:
    (path,) = (folder / "calibration").glob(f"gold.{part}.*.json")
    found: dict[str, object] = json.loads(path.read_text())
    return found


def measured(folder: Path, wording: int = 0, part: str = "all") -> dict[str, dict[str, object]]:
    """By predictor, what was measured on all rows."""
    first = report(folder, part)["wordings"][wording]["slices"][0]
    return {one["predictor"]: one for one in first["measured"]}


def bought(folder: Path) -> tuple[int, int]:
    """(calls, answers kept) of the calibration's ledger."""
    with Ledger.read(folder / "calibration" / "ledger.sqlite") as ledger:
        return sum(ledger.attempt_counts().values()), dict(ledger.total_usage().calls).get("judge", 0)


def test_the_toy_judge_is_right_on_endings_of_its_world(folder: Path) -> None:
    before = tree(folder / "datasets")
    done = calibrate(folder)
    assert done.exit_code == 0, done.output
    found = measured(folder)
    assert {name: one["confusion"]["counts"] for name, one in found.items()} == dict.fromkeys(
        ("V and C0", "V alone", "C0 alone"), [[6, 0, 0], [0, 2, 0]]
    )
    assert "V and C0: balanced accuracy 1.000" in done.output
    assert "these figures say nothing about a real judge" in done.output
    assert "quoted spans that overlap the labelled one: 1/1" in done.output
    assert report(folder)["judge"] == "toyworld at toyworld by logprobs"
    assert [name.partition("@")[0] for name in report(folder)["prompts"]] == ["commitment.a", "verdict.a"]
    assert tree(folder / "datasets") == before


def test_calibrating_twice_makes_no_further_call(folder: Path) -> None:
    calibrate(folder)
    once = bought(folder)
    assert once == (17, 17)
    assert calibrate(folder).exit_code == 0
    assert bought(folder) == once


def test_an_exhausted_budget_stops_it_and_a_rerun_resumes(folder: Path) -> None:
    capped = "\n[budget.judge]\ncalls = 7\n"
    (folder / "refine.toml").write_text(SETTINGS + capped)
    for _ in range(2):
        done = calibrate(folder)
        assert done.exit_code == 3, done.output
        assert "Progress is saved" in done.output
        assert bought(folder)[1] == 7
    (folder / "refine.toml").write_text(SETTINGS)
    assert calibrate(folder).exit_code == 0
    assert bought(folder)[1] == 17


def test_each_wording_and_the_vote_are_reported_separately(folder: Path) -> None:
    done = calibrate(folder, "--wordings", "a,b,audit", "--votes")
    assert done.exit_code == 0, done.output
    assert [way["wording"] for way in report(folder)["wordings"]] == ["a", "b", "audit", "votes"]
    assert "put to the vote:" in done.output


def test_only_the_requested_part_is_judged(folder: Path) -> None:
    assert calibrate(folder, "--part", "B").exit_code == 0
    assert report(folder, "B")["n"] == 4
    assert bought(folder)[1] == 8


def test_errors_of_the_judge_are_listed(folder: Path) -> None:
    settings = SETTINGS.replace("systematic = 0.0", "systematic = 1.0")
    (folder / "refine.toml").write_text(settings)
    done = calibrate(folder)
    assert done.exit_code == 0
    assert measured(folder)["C0 alone"]["confusion"]["counts"] == [[0, 6, 0], [2, 0, 0]]
    assert "8 wrong: e0 (EXPRESS, taken for" in done.output
    page = next((folder / "calibration").glob("*.md")).read_text()
    assert "| e7 | EXPLAIN |" in page


def answered(requests: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """What the Batch API gives back, from the toy endpoint itself."""
    made = []
    for request in requests:
        reply = post(EXACT, request["body"], str(request["url"]))
        response = {"status_code": reply.status_code, "request_id": "r", "body": reply.json()}
        made.append({"id": "b", "custom_id": request["custom_id"], "response": response, "error": None})
    return made


def test_a_batch_gives_the_same_figures_as_live_calls_and_nothing_is_asked_twice(folder: Path, tmp_path: Path) -> None:
    calibrate(folder)
    live = measured(folder)
    other = experiment(tmp_path / "other")
    requests, results = tmp_path / "requests.jsonl", tmp_path / "results.jsonl"
    done = calibrate(other, "--export-batch", str(requests))
    assert done.exit_code == 0, done.output
    assert "17 unanswered requests written" in done.output
    assert list((other / "calibration").glob("gold*")) == []
    lines(results, answered(read(requests)))
    assert calibrate(other, "--import-batch", str(results)).exit_code == 0
    assert measured(other) == live
    before = bought(other)
    assert before == (17, 17)
    assert calibrate(other).exit_code == 0
    assert bought(other) == before


def test_a_partial_batch_with_failed_duplicate_and_unknown_lines_is_reported(folder: Path, tmp_path: Path) -> None:
    requests, results = tmp_path / "requests.jsonl", tmp_path / "results.jsonl"
    calibrate(folder, "--export-batch", str(requests))
    rows = answered(read(requests))
    rows[0]["response"] = {"status_code": 500, "body": "<html>[bold]busy[/bold]</html>"}
    rows[1] |= {"response": None, "error": {"code": "batch_expired", "message": "too late"}}
    foreign = {"custom_id": "f" * 64, "text": "\x1b[31m85"}
    lines(results, [*rows[:-1], rows[2], foreign])
    results.write_text(results.read_text() + '{"custom_id": "aa", "resp')
    done = calibrate(folder, "--import-batch", str(results), "--export-batch", str(requests))
    assert done.exit_code == 2, done.output
    for said in (
        "14 answers stored, 1 duplicate line",
        "unreadable lines: 1",
        "lines without an answer: 2",
        "batch_expired",
        "lines that match no request: 1",
        "3 unanswered requests written",
        "because nobody has answered yet",
    ):
        assert said in done.output
    assert "\x1b" not in done.output
    assert len(read(requests)) == 3
    lines(results, answered(read(requests)))
    assert calibrate(folder, "--import-batch", str(results)).exit_code == 0


def by_hand(prompts: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """A careful reader's plain answers, by the first line of each prompt."""
    made = []
    for row in prompts:
        reply = post(EXACT, {"model": "toyworld", "messages": [{"role": "user", "content": row["prompt"]}]})
        made.append({"custom_id": row["custom_id"], "text": reply.json()["choices"][0]["message"]["content"]})
    return made


def test_a_plain_text_judge_answers_exported_prompts(folder: Path, tmp_path: Path) -> None:
    prompts, texts = tmp_path / "prompts.jsonl", tmp_path / "texts.jsonl"
    chat = ("--plain", "a chat")
    assert calibrate(folder, *chat, "--export-prompts", str(prompts)).exit_code == 0
    assert {key for row in read(prompts) for key in row} == {"custom_id", "prompt"}
    assert not any("made so" in str(row["prompt"]) for row in read(prompts))
    lines(texts, by_hand(read(prompts)))
    done = calibrate(folder, *chat, "--import", str(texts))
    assert done.exit_code == 0, done.output
    assert "a chat, one plain text per question (samples, n = 1)" in done.output
    assert measured(folder)["V and C0"]["confusion"]["counts"] == [[6, 0, 0], [0, 2, 0]]


def test_a_vote_by_a_plain_text_judge_takes_several_exports(folder: Path, tmp_path: Path) -> None:
    prompts, texts = tmp_path / "prompts.jsonl", tmp_path / "texts.jsonl"
    chat = ("--plain", "a chat", "--votes", "--no-spans")
    calibrate(folder, *chat, "--export-prompts", str(prompts))
    rounds: list[list[dict[str, object]]] = []
    while read(prompts):
        rounds.append(by_hand(read(prompts)))
        lines(texts, rounds[-1])
        done = calibrate(folder, *chat, "--import", str(texts), "--export-prompts", str(prompts))
    assert (len(rounds[0]), done.exit_code) == (16, 0)
    assert 2 <= len(rounds) <= 5
    other = experiment(tmp_path / "other")
    lines(texts, [row for made in reversed(rounds) for row in made])
    assert calibrate(other, *chat, "--import", str(texts)).exit_code == 0
    assert measured(other, wording=1) == measured(folder, wording=1)


def test_rows_without_openers_are_judged_by_c0_alone(folder: Path, tmp_path: Path) -> None:
    file = lines(folder / "gold.jsonl", REWRITES)
    assert calibrate(folder, file=file).exit_code == 0
    found = measured(folder)
    assert (found["C0 alone"]["confusion"]["counts"], found["V alone"]["confusion"]["counts"]) == (
        [[1, 0, 0], [0, 1, 0]],
        [[0, 0, 0], [0, 0, 0]],
    )
    rows = [{"id": "rewrite-001-express", "opener": ACTS["trait"][0]}, {"id": "rewrite-001-explain", "opener": "wrong"}]
    openers = lines(tmp_path / "openers.jsonl", rows)
    assert calibrate(folder, "--openers", str(openers), file=file).exit_code == 0
    assert measured(folder)["V alone"]["confusion"]["counts"] == [[1, 0, 0], [0, 1, 0]]


def test_rows_that_only_name_a_trait_need_its_definition(folder: Path, tmp_path: Path) -> None:
    file = lines(folder / "gold.jsonl", [{**REWRITES[0], "trait": "guilt"}])
    done = calibrate(folder, file=file)
    assert done.exit_code == 64
    assert "gold.jsonl:1: The rows name the trait 'guilt'" in done.output
    definition = tmp_path / "definition.txt"
    definition.write_text(READER.entry["definition"])
    options = ("--definition", str(definition), "--opposite", READER.entry["opposite"])
    assert calibrate(folder, *options, file=file).exit_code == 0


def test_traits_are_read_from_the_file_next_to_the_endings(folder: Path, tmp_path: Path) -> None:
    keys = ("definition", "opposite", "mode", "part")
    rows = [{key: value for key, value in row.items() if key not in keys} for row in endings()]
    rows = [{**row, "trait": "gold/refusal", "label": "EXPLAIN", "hard": "a trap"} for row in rows]
    about = {"definition": READER.entry["definition"], "opposite": "complying", "mode": "decision", "part": "A"}
    traits = folder / "traits.json"
    traits.write_text(json.dumps({"gold/refusal": about}))
    assert calibrate(folder, "--part", "A", file=gold(folder, rows)).exit_code == 0
    assert "| a trap |" in next((folder / "calibration").glob("gold.A.*.md")).read_text()
    elsewhere = traits.rename(tmp_path / "others.json")
    assert "The rows name the trait" in calibrate(folder, file=gold(folder, rows)).output
    assert calibrate(folder, "--trait-file", str(elsewhere), file=gold(folder, rows)).exit_code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--part", "C"), "--part 'C': unknown part"),
        (("--wordings", "z"), "--wordings 'z': unknown wording"),
        (("--wordings", ""), "unknown wording"),
        (("--import", "nowhere.jsonl", "--plain", "x"), "nowhere.jsonl cannot be read"),
        (("--openers", "nowhere.jsonl"), "nowhere.jsonl cannot be read"),
    ],
)
def test_an_invalid_option_is_refused_before_any_call(folder: Path, options: Sequence[str], said: str) -> None:
    done = calibrate(folder, *options)
    assert done.exit_code == 64
    assert said in done.output


def test_an_invalid_row_is_named_with_file_and_line(folder: Path) -> None:
    rows = endings()
    rows[1]["label"] = "PERHAPS"
    done = calibrate(folder, file=gold(folder, rows))
    assert done.exit_code == 64
    assert "gold.jsonl:2: `label`" in done.output
    assert not (folder / "calibration").exists()


def test_hostile_texts_of_a_row_are_made_safe_in_the_report(folder: Path) -> None:
    rows = endings()
    rows[0] |= {"label": "EXPLAIN", "reason": "</td><script>alert(1)</script> | `x` [a](javascript:b) \x1b[2J"}
    assert calibrate(folder, file=gold(folder, rows)).exit_code == 0
    (page,) = (folder / "calibration").glob("*.md")
    text = page.read_text()
    assert "<script>" not in text
    assert "\x1b" not in text
    (row,) = [line for line in text.split("\n") if line.startswith("| e0 |")]
    assert row.replace("\\|", "").count("|") == 9
    assert "[a](" not in row
