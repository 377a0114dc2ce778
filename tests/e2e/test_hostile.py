"""One corpus of hostile texts through all that is stored: prompts, replies, ledger, datasets, exchanged files, names.

Nothing is obeyed and nothing is lost: what is kept comes back to the byte, no text becomes a name that leads outside.
The same corpus on screens: test_hostile_shown.py.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from os.path import normpath
from pathlib import Path

import pytest

from agent.calibration.labels import LabelDefaults, LabelError, read_endings, read_openers
from agent.config.load import SettingsError, load_settings
from agent.config.settings import Settings
from agent.export.annotation import argilla_records, label_studio_tasks
from agent.export.import_file import ExchangeError, read_import
from agent.llm.batch import read_answers, write_batch, write_prompts
from agent.llm.response import canonical, clean, read_reply
from agent.prompts import PromptBook
from agent.review.apply import plan_changes, undo, write
from agent.review.exchange import merge_decisions
from agent.review.file_transaction import read_files
from agent.review.report.markdown import markdown_text
from agent.schema import Act, Completion, Decision, Pair, Role, digest
from agent.storage.dataset import FileHashes, load_dataset, read_definition, write_dataset
from agent.storage.decision_log import DecisionLog, parse_decisions
from agent.storage.experiment import ExperimentFolder, GenerationInfo, LayoutError, read_responses, write_responses
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Answer, LedgerError
from agent.text import safe_text
from tests.cli.scripted import experiment
from tests.hostile import HALVES, TEXTS
from tests.loop.histories import NEGATIVE, POSITIVE, adopted, history
from tests.review.example import ReviewExample, change, pair, proposal
from tests.support.bases import basis
from tests.test_prompts import CASES

# Prompts, replies and the ledger


OURS = ("mode", "scale", "goal", "polarity", "kind", "count", "milder", "trait_id", "name", "domain")


def test_the_corpus_is_large_and_each_text_is_another() -> None:
    assert len(set(TEXTS)) == len(TEXTS) > 200
    assert "".join(TEXTS).encode()
    for half in HALVES:
        with pytest.raises(UnicodeEncodeError):
            half.encode()


def replaced(value: object, text: str) -> object:
    """A variable of a prompt with this text in place of every text in it."""
    if isinstance(value, list):
        return [replaced(one, text) for one in value[:1]]
    if isinstance(value, dict):
        return {**value, "ending": text}
    return text if isinstance(value, str) else value


def framed(rendered: str) -> tuple[str, list[str]]:
    """A prompt without what its blocks hold, and what they hold: read as a strict reader would, from the top."""
    frame, held, at = "", [], 0
    while opened := re.compile(r"^<([a-z]+)-[0-9a-f]{6}>\n", re.M).search(rendered, at):
        close = "\n</" + opened[0][1:-1]
        end = rendered.index(close, opened.end() - 1)
        frame += rendered[at : opened.start()] + f"<{opened[1]}>"
        held.append(rendered[opened.end() : end])
        at = end + len(close)
    return frame + rendered[at:], held


def test_no_text_leaves_its_block_in_a_prompt_and_each_stands_there_to_the_letter() -> None:
    book = PromptBook.load()
    for prompt, variables in {prompt: (prompt, variables) for prompt, variables in CASES.values()}.values():

        def read(text: str, prompt: str = prompt, variables: Mapping[str, object] = variables) -> object:
            given = {name: value if name in OURS else replaced(value, text) for name, value in variables.items()}
            return framed(book.render(prompt, **given).text)

        frame, held = read("HARMLESS")  # type: ignore[misc]
        assert "HARMLESS" not in frame
        for text in (*TEXTS, *HALVES):
            assert read(text) == (frame, [block.replace("HARMLESS", text) for block in held]), (prompt, text[:80])


def reply(text: str) -> bytes:
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "model": text, "usage": None}).encode()


def answer(key: str, content: str) -> Answer:
    return Answer(
        key=key,
        role=Role.JUDGE,
        prompt_id="p",
        sample=0,
        content=content,
        evidence="",
        finish_reason="stop",
        tokens_in=1,
        tokens_out=1,
        micro_usd=1,
        model=content,
    )


def test_what_a_model_says_is_read_and_comes_back_from_the_ledger_to_the_letter(tmp_path: Path) -> None:
    said = {text: read_reply(reply(text)).content for text in (*TEXTS, *HALVES)}
    assert all(said[text] == text for text in TEXTS)
    assert all(said[half] == half.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for half in HALVES)
    schema = json.dumps({"required": ["ending"]})
    for text in (*TEXTS, *HALVES):
        assert json.loads(canonical(f"Sure: {json.dumps({'ending': text})} !", schema)) == {"ending": clean(text)}
    texts = list(said.values())
    pairs = [pair(f"d{i:04d}", text, f"{text} not", i) for i, text in enumerate(texts)]
    done = history(adopted(pairs).model_copy(update={"notes": tuple(texts)}))
    keys = {digest(text): text for text in texts}
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        campaign = ledger.campaign(basis("".join(texts)))
        ledger.append(campaign, done[0])
        ledger.store_completions({k: Completion(text=t, token_ids=(1,), opening=t[:9]) for k, t in keys.items()})
        for key, text in keys.items():
            ledger.record_answer(ledger.begin_attempt(key, Role.JUDGE, text), answer(key, text))
    with Ledger.read(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.history(campaign) == done
        assert ledger.campaigns()[0].basis == basis("".join(texts))
        assert {key: made.text for key, made in ledger.completions(keys).items()} == keys
        assert [ledger.answer(key) for key in keys] == [answer(key, text) for key, text in keys.items()]


def test_half_a_character_is_refused_by_the_ledger_with_a_sentence_and_spelt_out_in_its_failures(
    tmp_path: Path,
) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for number, half in enumerate(HALVES):
            attempt = ledger.begin_attempt("key", Role.JUDGE, half)
            with pytest.raises(LedgerError, match="surrogate"):
                ledger.record_answer(attempt, answer("key", half))
            with pytest.raises(LedgerError, match="surrogate"):
                ledger.store_completions({"key": Completion(text=half, token_ids=(), opening="")})
            ledger.record_failure(attempt, "Malformed", half)
            assert ledger.answer("key") is None
            assert ledger.attempt_counts() == {"Malformed": number + 1}


# Datasets, completions, summaries and names of files


ABOUT = GenerationInfo(
    model="m",
    dtype="d",
    max_new_tokens=1,
    timestamp="t",
    hashes=FileHashes(positive=None, negative=None, definition=None),
)


def both(pairs: Sequence[Pair]) -> list[tuple[str, str, str | None]]:
    return [(one.positive.text, one.negative.text, one.positive.system_prompt) for one in pairs]


def hostile_pairs(first: str = "d") -> list[Pair]:
    """A pair for each text, with a system prompt where the text's number is odd."""
    found = [pair(f"{first}{i:04d}", text, f"{text} not", i if first == "d" else None) for i, text in enumerate(TEXTS)]
    return [with_system(one, one.positive.text) if i % 2 else one for i, one in enumerate(found)]


def with_system(of: Pair, system: str) -> Pair:
    sides = {side.polarity.value: side.model_copy(update={"system_prompt": system}) for side in of.sides}
    return of.model_copy(update=sides)


def test_a_dataset_gives_back_each_text_to_the_letter_alone_and_among_all(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    for text in TEXTS:
        alone = [pair("d0000", text, f"{text} not", 0)]
        write_dataset(folder, alone)
        assert both(load_dataset(folder, "toy/x").pairs) == both(alone)
    pairs = hostile_pairs()
    write_dataset(tmp_path, pairs)
    assert both(load_dataset(tmp_path, "toy/x").pairs) == both(pairs)
    (tmp_path / "definition.txt").write_text("\n".join(TEXTS), encoding="utf-8", newline="")
    assert read_definition(tmp_path) == "\n".join(TEXTS).replace("\r\n", "\n").strip()


def test_completions_in_the_users_own_format_come_back_to_the_letter(tmp_path: Path) -> None:
    place, pairs = ExperimentFolder(tmp_path, "toy/x"), hostile_pairs()
    made = {s.key: Completion(text=f" {s.text}", token_ids=(), opening="") for one in pairs for s in one.sides}
    write_responses(place, pairs, made, ABOUT)
    for polarity in (POSITIVE, NEGATIVE):
        found = read_responses(place.responses_of(polarity))
        sides = [one.side(polarity) for one in pairs]
        assert [(r.prompt, r.response, r.system_prompt) for r in found] == [
            (s.text, f" {s.text}", s.system_prompt) for s in sides
        ]


CALM = [pair(f"d{i:04d}", f"Calm {i}, so I", f"Quiet {i}, so I", i) for i in range(len(TEXTS))]
ON_ONE_LINE = [
    i for i, text in enumerate(TEXTS) if text.splitlines() == [text] == [text.strip()] and text[0] not in "{\ufeff"
]


def changed(root: Path, of: Sequence[int]) -> ReviewExample:
    """Calm pairs in a dataset, and a proposal that puts a hostile text in place of each and adds another."""
    example = ReviewExample(root)
    before = [CALM[i].model_copy(update={"id": f"d{n:04d}", "line": n}) for n, i in enumerate(of)]
    example.write(before)
    after = [pair(old.id, TEXTS[i], f"{TEXTS[i]} not", old.line) for i, old in zip(of, before, strict=True)]
    more = [pair(f"n{n:04d}", f"And {TEXTS[i]}", f"Nor {TEXTS[i]}") for n, i in enumerate(of)]
    changes = [change("changed", old, new) for old, new in zip(before, after, strict=True)]
    example.proposal = proposal([*changes, *(change("added", None, one) for one in more)])
    return example


def approve_all(example: ReviewExample) -> None:
    """A line of the log for each card, as the session would store it."""
    binding = {"trait": "toy/refusal", "campaign": 1, "act": Act.APPROVE, "who": "ann"}
    cards = enumerate(example.session().cards())
    times = {card.pair: f"2026-11-24T05:00:00.{n:06d}+00:00" for n, card in cards}
    example.log.append(
        *(
            Decision(**binding, pair=c.pair, key=c.key, proposed=c.proposed, base=c.base, when=times[c.pair])  # type: ignore[arg-type]
            for c in example.session().cards()
        )
    )


def wanted(of: Sequence[int]) -> list[tuple[str, str]]:
    return [(TEXTS[i], f"{TEXTS[i]} not") for i in of] + [(f"And {TEXTS[i]}", f"Nor {TEXTS[i]}") for i in of]


@pytest.mark.parametrize("of", [ON_ONE_LINE, range(len(TEXTS))], ids=["lines of text", "lines of JSON"])
def test_what_was_approved_is_applied_and_undone_to_the_byte(tmp_path: Path, of: Sequence[int]) -> None:
    example = changed(tmp_path / "here", of)
    example.refinement.mkdir()
    before = read_files(example.folder)
    approve_all(example)
    plan = plan_changes(example.folder, load_dataset(example.folder, "toy/refusal"), example.session().cards())
    write(plan, example.refinement)
    assert example.texts() == wanted(of)
    undo(example.folder, example.refinement)
    assert read_files(example.folder) == before


def test_each_reason_is_one_line_of_words_in_the_summary_and_no_markdown() -> None:
    for text in TEXTS:
        said = markdown_text(text)
        assert re.sub(r"\\([\\\[\]<&*])", r"\1", said).removesuffix("…") == safe_text(text[:320]).removesuffix("…")
        assert not set(re.sub(r"\\[\\\[\]<&*]", "", said)) & set("[]<&*\n")


def test_no_text_becomes_a_folder_outside_the_experiment(tmp_path: Path) -> None:
    root = experiment(tmp_path)
    taken = 0
    for text in (*TEXTS, *HALVES):
        for trait, variant in ((text, None), (f"toy/{text}", None), (f"{text}/toy", None), ("toy/refusal", text)):
            settings, place = settled(root, trait, variant), placed(root, trait, variant)
            assert place is None or Path(normpath(place.refinement)).is_relative_to(root / "extraction")
            if settings is not None:
                taken += 1
                assert place is not None
                folder = settings.datasets / settings.traits[0]
                assert Path(normpath(folder)).is_relative_to(settings.datasets)
                assert re.fullmatch(r"[\w.-]+/[\w.-]+(/[\w.-]+)?", "/".join(filter(None, (trait, variant))), re.ASCII)
    assert 20 < taken < 100


def settled(root: Path, trait: str, variant: str | None) -> Settings | None:
    """The settings with this trait, or None where they are refused with a sentence that does not repeat it."""
    try:
        return load_settings(root, {"traits": [trait], "variant": variant})
    except SettingsError as error:
        if "letters, digits" not in str(error):
            raise
        return None


def placed(root: Path, trait: str, variant: str | None) -> ExperimentFolder | None:
    try:
        return ExperimentFolder(root, trait, variant)
    except LayoutError:
        return None


# Files that people hand to each other


def decisions(of: Sequence[Pair], texts: Sequence[str]) -> list[Decision]:
    """An edit of each pair to a text, by somebody of that name and with that note."""
    binding = {"trait": "toy/refusal", "campaign": 1, "proposed": "p", "base": None, "act": Act.EDIT}
    moments = (f"2026-11-24T05:00:00.{i:06d}+00:00" for i in range(len(texts)))
    return [
        Decision(**binding, pair=one.id, key="k", positive=text, negative=f"{text} not", who=text, note=text, when=when)  # type: ignore[arg-type]
        for one, text, when in zip(of, texts, moments, strict=True)
    ]


def test_decisions_come_back_to_the_letter_from_the_log_and_from_a_colleagues_file(tmp_path: Path) -> None:
    made, log = decisions(CALM, TEXTS), DecisionLog(tmp_path / "decisions.jsonl")
    log.append(*made)
    assert log.read().decisions == tuple(made)
    assert log.read().torn == ()
    assert parse_decisions(log.path.read_bytes(), "x").decisions == tuple(made)


def label_studio_answer(task: dict[str, object], texts: Mapping[str, str]) -> dict[str, object]:
    result = [{"from_name": name, "value": {"text": [text]}} for name, text in texts.items()]
    return {**task, "annotations": [{"result": result, "completed_by": texts["note"]}]}


def argilla_answer(record: dict[str, object], texts: Mapping[str, str]) -> dict[str, object]:
    return {**record, "responses": {name: [{"value": text, "user_id": "u"}] for name, text in texts.items()}}


EXCHANGES: Mapping[str, tuple[Callable[..., list[dict[str, object]]], Callable[..., dict[str, object]]]] = {
    "Label Studio": (label_studio_tasks, label_studio_answer),
    "Argilla": (argilla_records, argilla_answer),
}


@pytest.mark.parametrize("tool", EXCHANGES)
def test_texts_go_to_another_tool_and_come_back_as_edits_to_the_letter(tmp_path: Path, tool: str) -> None:
    export, answered = EXCHANGES[tool]
    example = ReviewExample(tmp_path)
    example.write([])
    example.proposal = proposal([change("added", None, one) for one in hostile_pairs("n")])
    cards = example.session().cards()
    rows = json.loads(json.dumps(export(example.proposal, cards), ensure_ascii=False).encode())
    assert [(about(row)["positive"], about(row)["negative"]) for row in rows] == [(t, f"{t} not") for t in TEXTS]
    said = [{"positive": f"{text} more", "negative": f"{text} less", "note": text} for text in TEXTS]
    content = json.dumps([answered(row, texts) for row, texts in zip(rows, said, strict=True)]).encode()
    read = read_import(content, "x", cards)
    assert read.left_out == ()
    assert [(o.decision.positive, o.decision.negative, o.decision.note) for o in read.offered] == [
        (s["positive"], s["negative"], s["note"]) for s in said
    ]
    merge = merge_decisions("toy/refusal", cards, (), read.offered)
    assert (len(merge.accepted), merge.refused) == (len(TEXTS), ())
    example.log.append(*merge.accepted)
    assert [card.ours.positive.text for card in example.session().cards()] == [f"{text} more" for text in TEXTS]
    for half in HALVES:
        halved = json.dumps([answered(rows[0], {"positive": half, "negative": "x", "note": "x"})]).encode()
        with pytest.raises(ExchangeError):
            read_import(halved, "x", cards)


def about(row: Mapping[str, object]) -> dict[str, str]:
    """What a task or a record says of its pair."""
    return row.get("data") or row["metadata"]  # type: ignore[return-value]


def gold(text: str, number: int) -> dict[str, object]:
    told = {"trait": text, "definition": text, "opposite": text, "prefix": text, "opener": text, "span": text}
    return {**told, "id": f"{number} {text}", "mode": "decision", "polarity": "positive", "label": "EXPRESS"}


def test_labelled_endings_and_files_for_and_from_a_judge_keep_each_text(tmp_path: Path) -> None:
    rows = [gold(text, number) for number, text in enumerate(TEXTS)]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    beside = LabelDefaults(lambda name: pytest.fail(name))
    assert [(g.prefix, g.opener, g.span, g.trait) for g in read_endings(content, "x", beside)] == [
        (t,) * 4 for t in TEXTS
    ]
    bodies = {text: json.dumps({"messages": [{"role": "user", "content": text}]}).encode() for text in TEXTS}
    for name, make in (("batch", write_batch), ("prompts", write_prompts)):
        make(tmp_path / name, bodies)
    asked = [json.loads(line) for line in (tmp_path / "batch").read_text(encoding="ascii").split("\n")[:-1]]
    told = [json.loads(line) for line in (tmp_path / "prompts").read_text(encoding="ascii").split("\n")[:-1]]
    assert {row["custom_id"]: row["body"]["messages"][0]["content"] for row in asked} == dict(
        zip(TEXTS, TEXTS, strict=True)
    )
    assert {row["custom_id"]: row["prompt"] for row in told} == dict(zip(TEXTS, TEXTS, strict=True))
    lines = [json.dumps({"custom_id": text, "text": text}, ensure_ascii=False) for text in TEXTS]
    (tmp_path / "answers").write_bytes("\n".join(lines).encode())
    found, problems = read_answers(tmp_path / "answers")
    assert ([(row.custom_id, row.text) for row in found], problems) == ([(text, text) for text in TEXTS], ())


def test_half_a_character_in_labelled_endings_and_openers_is_refused_with_a_sentence() -> None:
    for half in HALVES:
        with pytest.raises(LabelError):
            read_endings(json.dumps(gold(half, 0)).encode(), "x", LabelDefaults(lambda name: pytest.fail(name)))
        with pytest.raises(LabelError):
            read_openers(json.dumps({"id": "x", "opener": half}).encode(), "x")
