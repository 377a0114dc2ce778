"""Texts with openers: each text is computed once for all its openers, and results do not depend on that."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.schema import Completion, Opener, Sampling
from agent.subject.model import HuggingFaceSubject, load_subject
from agent.subject.weights import SubjectError
from tests.subject.tiny_model import TEXTS, forward_calls, save_tiny

HOW = Sampling(max_new_tokens=10)
Asked = tuple[str, Opener]


def opener(text: str, samples: int = 2) -> Opener:
    return Opener(text=text, samples=samples)


SAFE, GLAD, SPOKEN = TEXTS[0], TEXTS[1], TEXTS[2]
ASKED: list[Asked] = [
    (SAFE, opener(" refused, and that was it", 5)),
    (GLAD, opener(" said yes", 4)),
    (SAFE, opener(" opened")),
    (SAFE, opener(" told him where")),
    (GLAD, opener(" would not")),
    (SPOKEN, opener("Of course", 3)),
    (SPOKEN, opener("日本")),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def subject(folder: Path) -> HuggingFaceSubject:
    return load_subject(str(folder))


def complete(
    subject: HuggingFaceSubject, asked: Sequence[Asked], system: str | None = None
) -> list[tuple[Completion, ...]]:
    return subject.complete([(text, system) for text, _ in asked], HOW, [own for _, own in asked])


def in_calm(subject: HuggingFaceSubject, asked: Sequence[Asked]) -> list[tuple[Completion, ...]]:
    """At a temperature so low that the noise decides no tie."""
    calm = HOW.model_copy(update={"temperature": 1e-6})
    return subject.complete([(text, None) for text, _ in asked], calm, [own for _, own in asked])


def joined(subject: HuggingFaceSubject, asked: Asked) -> tuple[Completion, ...]:
    """The same text, read as one."""
    text, own = asked
    return subject.complete([(text + own.text, None)], HOW.model_copy(update={"samples": own.samples}))[0]


def tokens(folder: Path, text: str) -> int:
    from transformers import AutoTokenizer

    return len(AutoTokenizer.from_pretrained(folder)(text, add_special_tokens=False)["input_ids"])


def times_read(folder: Path, seen: Sequence[tuple[int, int]]) -> list[int]:
    """How often each of the three texts was read; no opener is as long as any of them."""
    lengths = [1 + tokens(folder, text) for text in (SAFE, GLAD, SPOKEN)]
    assert not {tokens(folder, own.text) for _, own in ASKED} & set(lengths)
    return [seen.count((1, length)) for length in lengths]


def sliding(folder: Path, to: Path) -> Path:
    """A model that keeps only a window of what it has read, with the same tokenizer."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=400, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, initializer_range=0.4, sliding_window=8, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    shutil.copytree(folder, to)
    MistralForCausalLM(config).save_pretrained(to)
    return to


@pytest.mark.parametrize("count", [1, 2, 6])
def test_a_text_is_read_once_however_many_openers_it_has(folder, count):
    openers = [opener(f" did number {n}") for n in range(count)]
    subject = load_subject(str(folder))
    with forward_calls() as seen:
        complete(subject, [(SAFE, own) for own in openers])
    read = [length for rows, length in seen if rows == 1 and length > 1]
    assert read == [1 + tokens(folder, SAFE), *(tokens(folder, own.text) for own in openers)]
    assert {length for rows, length in seen if rows > 1} == {1}, "nothing is read a second time in the batch"


@pytest.mark.parametrize("budget", [1, 150, 100_000])
def test_each_text_is_read_once_even_where_its_openers_do_not_fit_into_one_batch(folder, budget):
    frugal = load_subject(str(folder), batch_tokens=budget)
    with forward_calls() as seen:
        complete(frugal, ASKED)
    assert times_read(folder, seen) == [1, 1, 1]
    assert max(rows for rows, _ in seen) > 1 or budget == 1


@pytest.mark.parametrize("order", [ASKED, ASKED[::-1], ASKED[2:5], ASKED[5:] + ASKED[:2]])
def test_an_opener_is_gone_on_from_alone_as_beside_any_others(subject, order):
    assert complete(subject, order) == [complete(subject, [one])[0] for one in order]


@pytest.mark.parametrize("budget", [1, 150, 100_000])
def test_the_token_budget_changes_no_completion(folder, subject, budget):
    assert complete(load_subject(str(folder), batch_tokens=budget), ASKED) == complete(subject, ASKED)


def test_a_text_read_in_two_parts_goes_on_as_the_same_text_read_as_one(subject):
    for one, drawn in zip(ASKED, complete(subject, ASKED), strict=True):
        for apart, whole in zip(drawn, joined(subject, one), strict=True):
            same = {"entropy", "next_tokens"}
            assert apart.model_dump(exclude=same) == whole.model_dump(exclude=same)
            assert apart.entropy == pytest.approx(whole.entropy, abs=1e-4)
            assert dict(apart.next_tokens) == pytest.approx(dict(whole.next_tokens), rel=1e-3)


def test_an_opener_that_melts_into_its_text_is_read_with_it_as_one(subject):
    melting = ("This crossed a li", opener("ne, so I", 3))
    assert complete(subject, [*ASKED, melting]) == [*complete(subject, ASKED), joined(subject, melting)]


def test_a_model_that_forgets_what_it_read_reads_each_text_as_one(folder, tmp_path):
    forgetful = load_subject(str(sliding(folder, tmp_path / "sliding")))
    made = complete(forgetful, ASKED)
    assert made == [joined(forgetful, one) for one in ASKED]
    assert made == [complete(forgetful, [one])[0] for one in ASKED]


def test_the_system_prompt_is_part_of_what_is_shared(folder, subject):
    with forward_calls() as seen:
        (made, _) = complete(subject, [(SAFE, opener(" opened")), (SAFE, opener(" refused"))], "You are tired.")
    assert seen[0] == (1, 1 + tokens(folder, f"You are tired.\n\n{SAFE}"))
    assert [one.token_ids for one in made] != [
        one.token_ids for one in complete(subject, [(SAFE, opener(" opened"))])[0]
    ]


def test_near_ties_are_decided_as_by_the_row_alone_and_cost_no_second_reading_of_the_text(folder):
    """A batch whose arithmetic is off in the fourth digit would choose the other of two tokens with equal logits."""
    import torch

    subject = load_subject(str(folder))
    winner = in_calm(subject, ASKED[:1])[0][0].token_ids[2]
    subject.complete([(GLAD, None)], HOW)  # nothing is kept beside plain texts
    twin = 399 if winner != 399 else 398

    def off_in_a_batch(module, inputs, output):
        if isinstance(module, torch.nn.Linear) and module.out_features == 400:
            output[..., twin] = output[..., winner] + (1e-4 if len(output) > 1 else -1e-4)
            return output
        return None

    handle = torch.nn.modules.module.register_module_forward_hook(off_in_a_batch)
    try:
        with forward_calls() as seen:
            together = in_calm(subject, ASKED)
        lone = [in_calm(subject, [one])[0] for one in ASKED]
    finally:
        handle.remove()
    assert together == lone
    assert (1, 1) in seen, "a row must have been generated again by itself"
    assert times_read(folder, seen) == [1, 1, 1]


def test_running_out_of_memory_halves_the_batch_and_changes_nothing(folder, subject):
    import torch

    def only_two_fit(rows: int, length: int) -> None:
        if rows > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with forward_calls(only_two_fit):
        made = complete(load_subject(str(folder)), ASKED)
    assert made == complete(subject, ASKED)


def test_after_a_lack_of_memory_and_beside_plain_texts_nothing_read_is_kept(folder):
    import torch

    def too_much(rows: int, length: int) -> None:
        if rows > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    def times(of: HuggingFaceSubject, *fault: object) -> int:
        with forward_calls(*fault) as seen:
            complete(of, [(SAFE, opener(" opened"))])
        return times_read(folder, seen)[0]

    subject = load_subject(str(folder))
    assert times(subject) == 1
    assert times(subject) == 0
    subject.complete([(GLAD, None)], HOW)
    assert times(subject) == 1
    assert times(load_subject(str(folder)), too_much) == 2


def test_the_same_text_and_opener_asked_for_twice_is_continued_once(subject):
    with forward_calls() as seen:
        made = complete(subject, [ASKED[0], ASKED[1], ASKED[0]])
    assert made[0] == made[2]
    assert max(rows for rows, _ in seen) == 9


def test_text_and_opener_together_must_fit(subject):
    long, short = complete(subject, [(SAFE, opener(" word" * 500)), ASKED[0]])
    assert "exceed the subject's window of 512" in str(long[0].failure)
    assert short[0].failure is None


def test_openers_are_never_continued_at_temperature_zero(subject):
    with pytest.raises(SubjectError, match="temperature above 0"):
        subject.complete([(SAFE, None)], HOW.model_copy(update={"temperature": 0.0}), [opener(" opened")])
