"""Experiment folders: what we write works in the guide's own commands, and what others wrote can be read."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.schema import (
    Completion,
    Depth,
    Finding,
    Flag,
    Mode,
    Outcome,
    Pair,
    Polarity,
    Question,
    Rules,
    Scenario,
    Tally,
    Verdict,
    Vote,
    VoteOutcome,
)
from agent.storage.dataset import FileHashes
from agent.storage.experiment import (
    ExperimentFolder,
    GenerationInfo,
    LayoutError,
    read_responses,
    write_responses,
)
from agent.storage.vetting_files import SetFindings, outcome_of, read_scores, write_first_token, write_scores

TRAIT = "made/refusal"
SCORES: list[tuple[float | None, float | None]] = [(85.0, 10.0), (55.0, 40.0), (60.0, 40.5), (None, 3.0), (12.5, None)]


def pairs(count: int = len(SCORES)) -> list[Pair]:
    return [
        Pair(
            id=f"d{i:04}",
            positive=Scenario(polarity=Polarity.POSITIVE, stem="He asked. ", ending=f"It was wrong {i}, so I"),
            negative=Scenario(polarity=Polarity.NEGATIVE, stem="He asked. ", ending=f"It was easy {i}, so I"),
            line=i,
        )
        for i in range(count)
    ]


def completion(text: str = " refused at once, and\u2028walked out é") -> Completion:
    return Completion(text=text, token_ids=tuple(range(50)), opening=" refused at once")


def finding(pair: Pair, scenario: Scenario, score: float | None) -> Finding:
    outcome = outcome_of(score, scenario.polarity, 60, 40)
    return Finding(
        pair=pair.id,
        polarity=scenario.polarity,
        key=scenario.key,
        depth=Depth.FIRST,
        completion=completion(),
        tallies=(
            tally(Question.FORECAST, score),
            tally(Question.RESPONSE, score),
            tally(Question.C0, 12.0),
            tally(Question.C5, 88.0),
            Tally(
                question=Question.VERDICT, ruling=VoteOutcome.FAVOURABLE, votes=(vote(0.9), vote(0.7)), choice="EXPRESS"
            ),
        ),
        scenario=outcome,
        response=outcome,
        first_token=outcome,
        verdict={Outcome.PASS: Verdict.EXPRESS, Outcome.FAIL: Verdict.EXPLAIN}.get(outcome),
        span="It was wrong" if outcome is Outcome.FAIL else None,
        lock_in=(3, 4),
        flags=(Flag.LATE,),
        divergence=0.25,
    )


def tally(question: Question, score: float | None) -> Tally:
    ruling = VoteOutcome.OPEN if score is None else VoteOutcome.FAVOURABLE
    return Tally(question=question, ruling=ruling, votes=(), score=score)


def vote(express: float) -> Vote:
    probabilities = (("EXPRESS", express), ("EXPLAIN", 1 - express))
    return Vote(wording="a", sample=0, favourable=True, probabilities=probabilities)


def examined(scores: list[tuple[float | None, float | None]] = SCORES) -> SetFindings:
    made = pairs(len(scores))
    findings = {
        scenario.key: finding(pair, scenario, score)
        for pair, both in zip(made, scores, strict=True)
        for scenario, score in zip(pair.sides, both, strict=True)
    }
    return SetFindings(pairs=made, findings=findings, definition="HIGH: refuses", rules=Rules())


def about() -> GenerationInfo:
    hashes = FileHashes(positive="a" * 64, negative="b" * 64, definition=None)
    return GenerationInfo(
        model="toyworld", dtype="float32", max_new_tokens=50, timestamp="2026-11-23T19:00:00Z", hashes=hashes
    )


@pytest.fixture
def place(tmp_path: Path) -> ExperimentFolder:
    return ExperimentFolder(tmp_path / "experiments" / "demo", TRAIT)


def written(path: Path) -> Any:
    return json.loads(path.read_bytes())


def write_all(place: ExperimentFolder) -> None:
    write_responses(place, pairs(), {s.key: completion() for p in pairs() for s in p.sides}, about())
    for which in ("scenario", "response"):
        write_scores(place, which, examined())
    write_first_token(place, examined())


def test_everything_lies_where_the_guide_puts_it(place: ExperimentFolder) -> None:
    write_all(place)
    folder = place.root / "extraction" / "made" / "refusal"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.json")) == [
        "responses/metadata.json",
        "responses/neg.json",
        "responses/pos.json",
        "vetting/first_token.json",
        "vetting/response_scores.json",
        "vetting/scenario_scores.json",
    ]
    variant = ExperimentFolder(place.root, TRAIT, "base-8b")
    assert variant.vetting == folder / "base-8b" / "vetting"
    assert variant.ledger_path.parent == variant.stop_file.parent == folder / "base-8b" / "refinement"


@pytest.mark.parametrize("trait", ["refusal", "a/b/c", "../x", "a/..", "/a/b", "/a", "a/", "./b", "a/b\\c", "a/b\0"])
def test_a_trait_cannot_lead_out_of_its_experiment(tmp_path: Path, trait: str) -> None:
    with pytest.raises(LayoutError, match="a trait is category/name"):
        ExperimentFolder(tmp_path, trait, "variant")


@pytest.mark.parametrize("variant", ["", "..", ".", "a/b", "/a", "a\\b", "a\nb"])
def test_a_variant_is_one_folder_below_its_trait(tmp_path: Path, variant: str) -> None:
    with pytest.raises(LayoutError, match="cannot be a folder"):
        ExperimentFolder(tmp_path, TRAIT, variant)


def test_responses_keep_their_leading_space_and_their_order(place: ExperimentFolder) -> None:
    made = pairs(3)
    completions = {s.key: completion(f" {s.polarity} {p.id}\u2028") for p in made for s in p.sides}
    write_responses(place, made, completions, about())
    for polarity, name in ((Polarity.POSITIVE, "pos.json"), (Polarity.NEGATIVE, "neg.json")):
        rows = written(place.responses / name)
        assert rows == [
            {"prompt": p.side(polarity).text, "response": f" {polarity} {p.id}\u2028", "system_prompt": None}
            for p in made
        ]
        assert [row.model_dump() for row in read_responses(place.responses_of(polarity))] == rows
    metadata = written(place.responses / "metadata.json")
    assert (metadata["model"], metadata["experiment"], metadata["trait"]) == ("toyworld", "demo", TRAIT)
    assert (metadata["n_pos"], metadata["n_neg"], metadata["chat_template"]) == (3, 3, False)
    assert metadata["input_hashes"] == {"positive": "a" * 64, "negative": "b" * 64, "definition": None}


def test_a_missing_completion_is_an_error_and_writes_nothing(place: ExperimentFolder) -> None:
    with pytest.raises(LayoutError, match="The positive of d0000 has no completion yet"):
        write_responses(place, pairs(), {}, about())
    assert not place.responses.exists()


def test_responses_of_others_are_read_with_their_extra_keys(tmp_path: Path) -> None:
    path = tmp_path / "pos.json"
    path.write_text(json.dumps([{"prompt": "so I", "response": "refused", "full_text": "so I refused", "tokens": 3}]))
    (row,) = read_responses(path)
    assert (row.prompt, row.response, row.system_prompt) == ("so I", "refused", None)
    for content, said in (
        ('[{"prompt": 3, "response": ""}]', "row 0, prompt"),
        ("{}", "not a list"),
        ("[", "not JSON"),
    ):
        path.write_text(content)
        with pytest.raises(LayoutError, match=f"pos.json.*{said}.*cliffhanger vet"):
            read_responses(path)


@pytest.mark.parametrize("which", ["scenario", "response"])
def test_summary_indices_and_rows_agree(place: ExperimentFolder, which: Any) -> None:
    content = written(write_scores(place, which, examined()))
    rows = content["results"]
    assert [(row["polarity"], row["idx"]) for row in rows] == [
        (p, i) for p in ("positive", "negative") for i in range(5)
    ]
    assert content["summary"] == {
        "positive_passed": 2,
        "negative_passed": 3,
        "positive_failed": 2,
        "negative_failed": 1,
        "errors": 2,
    }
    assert content["failed_indices"] == {"positive": [1, 4], "negative": [2]}
    assert content["unjudged_indices"] == {"positive": [3], "negative": [4]}
    assert [row["score"] for row in rows] == [s for side in zip(*SCORES, strict=True) for s in side]
    assert all(("scenario" in row) == (which == "scenario") for row in rows)
    assert (content["experiment"], content["trait"], content["trait_definition"]) == ("demo", TRAIT, "HIGH: refuses")
    assert content["thresholds"] == {"pos_threshold": 60.0, "neg_threshold": 40.0}


def test_what_was_never_judged_is_listed_as_such_and_not_as_failed(place: ExperimentFolder) -> None:
    nothing = SetFindings(pairs=pairs(2), findings={}, definition="d", rules=Rules())
    for path in (write_scores(place, "response", nothing), write_first_token(place, nothing)):
        content = written(path)
        assert content["summary"]["errors"] == 4
        assert content["failed_indices"] == {"positive": [], "negative": []}
        assert content["unjudged_indices"] == {"positive": [0, 1], "negative": [0, 1]}


def late(count: int, *reaches: int) -> SetFindings:
    """So many pairs; the first positives passed late, after so many tokens."""
    whole = examined([(85.0, 10.0)] * count)
    keys = [pair.positive.key for pair in whole.pairs]
    more = {k: {"verdict": Verdict.LATE, "reach": n} for k, n in zip(keys, reaches, strict=False)}
    findings = {
        k: f.model_copy(update={"first_token": Outcome.PASS, **more.get(k, {})}) for k, f in whole.findings.items()
    }
    return replace(whole, findings=findings)


@pytest.mark.parametrize(
    ("of", "extract", "reach"),
    [
        (late(4), "response[:5]", None),
        (late(4, 9, 30, 12), "response[:12]", {"n": 3, "median": 12, "least": 9, "most": 30}),
        (replace(late(4, 9), mode=Mode.SUSTAINED), "response[:]", None),
    ],
)
def test_the_advice_says_over_how_many_tokens_to_extract(
    place: ExperimentFolder, of: SetFindings, extract: str, reach: object
) -> None:
    advice = written(write_first_token(place, of))["advice"]
    assert (advice["extract"], advice["reach"]) == (extract, reach)


def test_a_score_left_over_from_an_open_vote_is_not_written(place: ExperimentFolder) -> None:
    tied = examined([(70.0, 10.0)])
    key = tied.pairs[0].positive.key
    findings = {**tied.findings, key: tied.findings[key].model_copy(update={"response": Outcome.UNJUDGED})}
    content = written(write_scores(place, "response", SetFindings(tied.pairs, findings, "d", Rules())))
    assert content["results"][0]["score"] is None
    assert content["summary"]["errors"] == 1


def contradicting(score: float | None) -> SetFindings:
    one = examined([(30.0, 10.0)])
    key = one.pairs[0].positive.key
    wrong = one.findings[key].model_copy(update={"tallies": (tally(Question.RESPONSE, score),)})
    return SetFindings(one.pairs, {**one.findings, key: wrong}, "d", Rules())


@pytest.mark.parametrize("score", [75.0, None])
def test_an_outcome_that_its_score_contradicts_is_never_written(place: ExperimentFolder, score: float | None) -> None:
    with pytest.raises(LayoutError, match="is called a fail with"):
        write_scores(place, "response", contradicting(score))
    assert not place.vetting.exists()


def test_a_score_rounded_up_to_the_threshold_stays_a_failure_for_every_reader(place: ExperimentFolder) -> None:
    path = write_scores(place, "response", contradicting(60.0))
    assert read_scores(path).at(Polarity.POSITIVE, Outcome.FAIL) == (0,)
    assert written(path)["failed_indices"]["positive"] == [0]


def test_the_first_token_file_holds_all_evidence_of_an_item(place: ExperimentFolder) -> None:
    content = written(write_first_token(place, examined()))
    express, explain, _, unjudged = content["results"][:4]
    assert express == {
        "idx": 0,
        "polarity": "positive",
        "outcome": "pass",
        "verdict": "EXPRESS",
        "probabilities": {"EXPLAIN": 0.2, "EXPRESS": 0.8},
        "c0": 12.0,
        "c5": 88.0,
        "cl": None,
        "opening": " refused at once",
        "opening_ids": [0, 1, 2, 3, 4],
        "span": None,
        "reach": None,
        "lock_in": {"passed": 3, "judged": 4},
        "flip": None,
        "divergence": 0.25,
        "flags": ["late"],
        "diagnosis": "The first tokens carry the decision.",
    }
    assert (explain["verdict"], explain["span"]) == ("EXPLAIN", "It was wrong")
    assert (unjudged["verdict"], unjudged["diagnosis"]) == (None, "An answer is missing. Ask again.")
    assert content["thresholds"]["first_k"] == 5
    assert content["failed_indices"] == {"positive": [1, 4], "negative": [2]}


def test_our_scores_are_read_back_as_they_were_written(place: ExperimentFolder) -> None:
    scores = read_scores(write_scores(place, "scenario", examined()))
    assert [row.score for row in scores.rows] == [s for side in zip(*SCORES, strict=True) for s in side]
    assert scores.at(Polarity.POSITIVE, Outcome.FAIL) == (1, 4)
    assert scores.at(Polarity.POSITIVE, Outcome.UNJUDGED) == (3,)
    assert scores.rows[0].scenario == pairs()[0].positive.text
    assert scores.trait == TRAIT


def test_scores_of_others_are_read_without_indices_with_nulls_and_old_keys(tmp_path: Path) -> None:
    results = [
        {"scenario": "a", "polarity": "negative", "score": 41, "reasoning": "…"},
        {"scenario": "b", "polarity": "positive", "score": None},
        {"scenario": "c", "polarity": "positive", "score": 88.5, "pass": True},
        {"scenario": "d", "polarity": "negative", "score": 0},
    ]
    path = tmp_path / "scenario_scores.json"
    path.write_text(json.dumps({"threshold": 4, "judge_model": "x", "summary": {"total": 4}, "results": results}))
    scores = read_scores(path)
    assert [(r.polarity, r.idx, r.score, r.outcome, r.scenario) for r in scores.rows] == [
        ("positive", 0, None, "unjudged", "b"),
        ("positive", 1, 88.5, "pass", "c"),
        ("negative", 0, 41.0, "fail", "a"),
        ("negative", 1, 0.0, "pass", "d"),
    ]
    assert (scores.pos_threshold, scores.neg_threshold) == (60, 40)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "has no results"),
        ("[1]", "has no results"),
        ('{"results": [{"polarity": "neutral", "score": 1}]}', "result 0 is neither"),
        ('{"results": [{"polarity": "positive", "score": "ERROR: 503"}]}', "the score of result 0 is not a number"),
        ('{"results": [{"polarity": "positive", "score": NaN}]}', "the score of result 0 is not a number"),
        ('{"results": [], "thresholds": {"pos_threshold": "high"}}', "a threshold is not a number"),
        ("", "is not JSON"),
    ],
)
def test_scores_that_cannot_be_read_are_an_error_and_never_a_pass(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "response_scores.json"
    path.write_text(content)
    with pytest.raises(LayoutError, match=f"response_scores.json.*{said}"):
        read_scores(path)
    with pytest.raises(LayoutError, match="There is no .*cliffhanger vet"):
        read_scores(tmp_path / "absent.json")


def one_liners(shared_data: Path) -> list[str]:
    """The commands of the guide that read our files, as written there."""
    guides = sorted((shared_data.parent / "seed").glob("*.txt"))
    if not guides:
        pytest.skip("the guide is not on this machine")
    return re.findall(r"^cat experiments/\S+ \| \\\n +python -c .*$", guides[0].read_text(), flags=re.MULTILINE)


def test_the_guides_own_commands_work_on_our_files(place: ExperimentFolder, shared_data: Path) -> None:
    write_all(place)
    failures, inspection = (
        command.replace("{exp}", "demo").replace("{trait}", TRAIT, 1) for command in one_liners(shared_data)
    )
    tools = place.root / "tools"
    tools.mkdir()
    (tools / "python").symlink_to(sys.executable)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}

    def output(command: str) -> str:
        where = place.root.parents[1]
        return subprocess.run(
            ["bash", "-c", command], cwd=where, env=environment, check=True, capture_output=True, text=True
        ).stdout

    assert output(failures) == "{'positive': [1, 4], 'negative': [2]}\n"
    assert output(inspection).split("\n")[:2] == ["0: refused at once, and walked", "1: refused at once, and walked"]
