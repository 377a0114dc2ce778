"""One corpus of hostile texts through every prompt, every reply and the ledger: nothing is obeyed, nothing is lost.

The same corpus: files in test_hostile_files.py, other people's files in test_hostile_exchange.py, terminals in
test_hostile_terminal.py, browsers in test_hostile_shown.py.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.llm.response import canonical, clean, read_reply
from agent.prompts import PromptBook
from agent.schema import Completion, Role, digest
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Answer, LedgerError
from tests.hostile import HALVES, TEXTS
from tests.loop.histories import adopted, history
from tests.review.example import pair
from tests.support.bases import basis
from tests.test_prompts import CASES

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
            assert ledger.attempts() == {"Malformed": number + 1}
