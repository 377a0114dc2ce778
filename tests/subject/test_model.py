"""The subject: the completion of a text does not depend on its batch."""

import math
import re
import shutil
import threading
from collections import Counter
from pathlib import Path

import pytest

from agent.schema import Completion, Sampling
from agent.subject.model import HuggingFaceSubject, load_subject
from agent.subject.weights import NoMemoryError, SubjectError
from tests.subject.tiny_model import TEXTS, forward_calls, save_tiny, set_stops

GREEDY = Sampling(max_new_tokens=12)
SAMPLED = Sampling(samples=3, max_new_tokens=12)
BOTH = pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def subject(folder: Path) -> HuggingFaceSubject:
    return load_subject(str(folder))


def asked(*texts: str) -> list[tuple[str, str | None]]:
    return [(text, None) for text in texts]


def alone(subject: HuggingFaceSubject, text: str, sampling: Sampling) -> tuple[Completion, ...]:
    return subject.complete(asked(text), sampling)[0]


@BOTH
@pytest.mark.parametrize("order", [TEXTS, TEXTS[::-1], TEXTS[2:5], TEXTS[5:] + TEXTS[:1]])
def test_a_text_is_continued_alone_as_in_any_batch(subject, sampling, order):
    assert subject.complete(asked(*order), sampling) == [alone(subject, text, sampling) for text in order]


@pytest.mark.parametrize("budget", [1, 100, 100_000])
def test_the_token_budget_changes_the_batches_and_nothing_else(folder, subject, budget):
    other = load_subject(str(folder), batch_tokens=budget)
    assert other.complete(asked(*TEXTS), SAMPLED) == subject.complete(asked(*TEXTS), SAMPLED)


@BOTH
def test_two_loads_give_the_same_completions_and_signature(folder, subject, sampling, tmp_path):
    moved = load_subject(str(shutil.copytree(folder, tmp_path / "moved")))
    assert moved.complete(asked(*TEXTS), sampling) == subject.complete(asked(*TEXTS), sampling)
    assert moved.signature == subject.signature


def test_samples_differ_from_each_other_and_with_the_seed_and_carry_their_index(subject):
    first = alone(subject, TEXTS[0], SAMPLED)
    other = alone(subject, TEXTS[0], SAMPLED.model_copy(update={"seed": 1}))
    assert [made.sample for made in first] == [0, 1, 2]
    assert len({made.token_ids for made in (*first, *other)}) == 6


def test_the_first_samples_are_the_same_however_many_are_asked_for(subject):
    assert alone(subject, TEXTS[1], SAMPLED.model_copy(update={"samples": 5}))[:3] == alone(subject, TEXTS[1], SAMPLED)


def test_the_samples_follow_the_distribution_of_the_model(subject):
    text, draws = TEXTS[0], 3000
    (greedy,) = alone(subject, text, Sampling(max_new_tokens=1))
    counts = Counter(made.token_ids for made in alone(subject, text, Sampling(samples=draws, max_new_tokens=1)))
    for token, share in greedy.next_tokens[:10]:
        assert abs(counts[(token,)] - draws * share) < 4 * math.sqrt(draws * share * (1 - share)) + 1


def test_each_step_of_a_sample_has_noise_of_its_own(subject):
    hot = Sampling(samples=4, temperature=1e4, max_new_tokens=12)
    assert all(len(set(made.token_ids)) > len(made.token_ids) // 2 for made in alone(subject, TEXTS[0], hot))


def test_a_low_temperature_samples_the_greedy_completion(subject):
    cold = Sampling(samples=2, temperature=1e-4, max_new_tokens=12)
    (greedy,) = alone(subject, TEXTS[0], GREEDY)
    assert {made.token_ids for made in alone(subject, TEXTS[0], cold)} == {greedy.token_ids}


def test_samples_at_temperature_zero_are_refused(subject):
    with pytest.raises(SubjectError, match="temperature above 0"):
        alone(subject, TEXTS[0], SAMPLED.model_copy(update={"temperature": 0.0}))


def test_all_samples_of_a_text_share_one_reading_of_it(subject):
    with forward_calls() as seen:
        alone(subject, TEXTS[0], SAMPLED.model_copy(update={"samples": 8}))
    assert [rows for rows, length in seen if length > 1] == [1]
    assert {rows for rows, length in seen if length == 1} == {8}


def test_a_text_that_occurs_twice_is_continued_once(subject):
    with forward_calls() as seen:
        made = subject.complete(asked(TEXTS[0], TEXTS[1], TEXTS[0]), GREEDY)
    assert made[0] == made[2] != made[1]
    assert max(rows for rows, _ in seen) == 2


def test_no_texts_give_no_completions(subject):
    assert subject.complete([], GREEDY) == []


def test_completions_arrive_batch_by_batch_each_with_the_index_of_its_text(folder, subject):
    frugal = load_subject(str(folder), batch_tokens=100)
    with forward_calls() as seen:
        stream = frugal.stream(asked(*TEXTS), GREEDY)
        index, first = next(stream)
        so_far = len(seen)
        rest = dict(stream)
    assert so_far < len(seen)
    assert {index: first, **rest} == dict(enumerate(subject.complete(asked(*TEXTS), GREEDY)))


def test_near_ties_are_decided_as_by_the_row_alone(folder):
    """A batch whose arithmetic is off in the fourth digit would choose the other of two tokens with equal logits."""
    import torch

    subject = load_subject(str(folder))
    (before,) = alone(subject, TEXTS[0], GREEDY)
    winner = before.token_ids[2]
    twin = 399 if winner != 399 else 398

    def off_in_a_batch(module, inputs, output):
        output[..., twin] = output[..., winner]
        if len(output) > 1:
            output[..., twin] += 1e-4
        else:
            output[..., twin] -= 1e-4
        return output

    def hooked(module):
        return isinstance(module, torch.nn.Linear) and module.out_features == 400

    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: off_in_a_batch(module, inputs, output) if hooked(module) else None
    )
    try:
        with forward_calls() as seen:
            together = subject.complete(asked(*TEXTS), GREEDY)
        lone = [alone(subject, text, GREEDY) for text in TEXTS]
    finally:
        handle.remove()
    assert together == lone
    assert together[0][0].token_ids == before.token_ids
    assert (1, 1) in seen, "the row must have been generated again by itself"


def test_the_text_is_what_follows_the_prefix_with_its_leading_space(subject):
    made = [one for each in subject.complete(asked(*TEXTS), SAMPLED) for one in each]
    assert any(one.text.startswith(" ") for one in made)
    assert all(len(one.token_ids) <= 12 for one in made)


def test_a_greedy_completion_knows_where_each_of_its_tokens_ends(subject):
    (long,) = alone(subject, TEXTS[0], Sampling(max_new_tokens=12))
    for count in (1, 4, 11):
        (short,) = alone(subject, TEXTS[0], Sampling(max_new_tokens=count))
        assert long.text[: long.ends[count - 1]] == short.text
    assert len(long.ends) == len(long.token_ids)
    assert not [one for each in subject.complete(asked(*TEXTS), SAMPLED) for one in each if one.ends]


def test_the_opening_is_the_text_of_the_first_k_tokens(subject):
    (long,) = alone(subject, TEXTS[0], Sampling(max_new_tokens=12, first_k=4))
    (short,) = alone(subject, TEXTS[0], Sampling(max_new_tokens=4))
    assert long.opening == short.text
    assert long.token_ids[:4] == short.token_ids


def test_the_recorded_distribution_is_the_models_own(folder, subject):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(folder)(TEXTS[0])["input_ids"]
    with torch.inference_mode():
        logits = network(input_ids=torch.tensor([ids])).logits[0, -1]
    expected = torch.distributions.Categorical(logits=logits)
    (made,) = alone(subject, TEXTS[0], GREEDY)
    assert len(made.next_tokens) == 32
    assert made.next_tokens[0][0] == made.token_ids[0] == int(logits.argmax())
    assert made.entropy == pytest.approx(float(expected.entropy()) / math.log(2), abs=1e-4)
    assert [share for _, share in made.next_tokens] == pytest.approx(expected.probs.topk(32).values.tolist(), rel=1e-4)


@pytest.mark.parametrize("adds_bos", [True, False])
def test_greedy_completions_equal_those_of_the_library_on_the_tokenizers_own_ids(tmp_path, adds_bos):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = save_tiny(tmp_path, adds_bos=adds_bos)
    subject = load_subject(str(folder))
    assert subject.signature.endswith("/float32/1" if adds_bos else "/float32/2"), "earlier runs forced a BOS"
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text, (made,) in zip(TEXTS, subject.complete(asked(*TEXTS), GREEDY), strict=True):
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        out = network.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, pad_token_id=1
        )
        new = [token for token in out[0, ids.shape[1] :].tolist() if token != 1]
        assert list(made.token_ids) == new


def test_a_stop_token_ends_a_row_and_leaves_no_trace(folder, subject, tmp_path):
    (long,) = alone(subject, TEXTS[0], GREEDY)
    stop = long.token_ids[4]
    before = long.token_ids[: long.token_ids.index(stop)]
    set_stops(shutil.copytree(folder, tmp_path / "stops"), [1, stop])
    stopping = load_subject(str(tmp_path / "stops"))
    (made,) = alone(stopping, TEXTS[0], GREEDY)
    assert made.token_ids == before
    assert long.text.startswith(made.text)
    assert stopping.complete(asked(*TEXTS), GREEDY)[0] == (made,)


def test_a_row_that_stops_at_once_is_empty_and_still_has_its_distribution(folder, subject, tmp_path):
    (long,) = alone(subject, TEXTS[0], GREEDY)
    set_stops(shutil.copytree(folder, tmp_path / "stops"), [long.token_ids[0]])
    (made,) = alone(load_subject(str(tmp_path / "stops")), TEXTS[0], GREEDY)
    assert (made.text, made.opening, made.token_ids) == ("", "", ())
    assert made.next_tokens == long.next_tokens
    assert made.exact_boundary


def test_a_system_prompt_stands_before_the_text_with_a_blank_line_between(subject):
    (apart,) = subject.complete([(TEXTS[0], "You are tired.")], GREEDY)[0]
    (joined,) = subject.complete([(f"You are tired.\n\n{TEXTS[0]}", None)], GREEDY)[0]
    (without,) = subject.complete([(TEXTS[0], None)], GREEDY)[0]
    assert apart == joined != without


@BOTH
def test_a_text_longer_than_the_model_holds_fails_with_the_figures_and_the_others_go_on(subject, sampling):
    first, long, last = subject.complete(asked(TEXTS[0], "word " * 600, TEXTS[1]), sampling)
    assert [first, last] == subject.complete(asked(TEXTS[0], TEXTS[1]), sampling)
    assert len(long) == max(1, sampling.samples)
    assert {re.sub("[0-9]+", "N", str(made.failure)) for made in long} == {
        "It takes N tokens, and N new ones exceed the subject's window of N: shorten it, or lower rules.max_new_tokens."
    }
    assert subject.problem("word " * 600, None, 12) == long[0].failure
    assert subject.problem(TEXTS[0], None, 12) is None


def test_a_token_that_the_model_does_not_know_is_a_failure_of_its_text(folder, tmp_path):
    from transformers import AutoTokenizer

    other = shutil.copytree(folder, tmp_path / "other")
    tokenizer = AutoTokenizer.from_pretrained(other)
    tokenizer.add_tokens(["quixotic"])
    tokenizer.save_pretrained(other)
    strange, plain = load_subject(str(other)).complete(asked("He was quixotic and", TEXTS[0]), GREEDY)
    assert str(strange[0].failure).startswith(
        "Its token 'quixotic' has the id 400, and the model knows only those below"
    )
    assert plain[0].failure is None


def test_a_text_on_which_the_model_fails_is_a_failure_of_its_own(folder, subject):
    def fails_on_ninety(rows: int, length: int) -> None:
        if length > 90:
            raise RuntimeError("a kernel failed\nwith details")

    texts = [*TEXTS, "word " * 40]
    broken = load_subject(str(folder))
    with forward_calls(fails_on_ninety):
        *good, bad = broken.complete(asked(*texts), SAMPLED)
    assert good == subject.complete(asked(*TEXTS), SAMPLED)
    assert {made.failure for made in bad} == {"The model fails on it: RuntimeError: a kernel failed"}


def test_running_out_of_memory_halves_the_batch_and_changes_nothing(folder, subject):
    import torch

    def only_two_fit(rows: int, length: int) -> None:
        if rows > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    small = load_subject(str(folder))
    with forward_calls(only_two_fit):
        made = small.complete(asked(*TEXTS), SAMPLED)
    assert made == subject.complete(asked(*TEXTS), SAMPLED)
    with forward_calls() as seen:
        small.complete(asked(*TEXTS), SAMPLED)
    assert max(rows for rows, _ in seen) <= 3, "the halving must last"


def test_where_no_text_fits_into_memory_it_is_an_error_with_the_remedy(folder):
    import torch

    def nothing_fits(rows: int, length: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    small = load_subject(str(folder))
    with forward_calls(nothing_fits), pytest.raises(NoMemoryError, match="choose a smaller model"):
        small.complete(asked(*TEXTS), GREEDY)


def test_an_error_on_every_text_is_a_fault_of_the_device_in_a_sentence(folder):
    def broken(rows: int, length: int) -> None:
        raise RuntimeError("a kernel failed")

    small = load_subject(str(folder))
    with forward_calls(broken), pytest.raises(SubjectError, match="fails on every text .*a kernel failed.*device"):
        small.complete(asked(*TEXTS), GREEDY)
    with forward_calls(broken), pytest.raises(SubjectError, match="device cpu failed .*a kernel failed"):
        load_subject(str(folder))


def test_logits_that_are_not_numbers_are_an_error_and_never_a_completion(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(folder, tmp_path / "broken")
    tensors = load_file(broken / "model.safetensors")
    tensors["lm_head.weight"][7] = float("nan")
    save_file(tensors, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(SubjectError, match="not numbers"):
        load_subject(str(broken)).complete(asked(*TEXTS), GREEDY)


def test_threads_share_one_subject(subject):
    expected = subject.complete(asked(*TEXTS), SAMPLED)
    results: list[list[tuple[Completion, ...]]] = []
    threads = [
        threading.Thread(target=lambda: results.append(subject.complete(asked(*TEXTS), SAMPLED))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_another_dtype_is_another_subject(folder, subject, dtype):
    other = load_subject(str(folder), dtype=dtype)
    assert other.signature != subject.signature
    assert len(other.complete(asked(*TEXTS), SAMPLED)) == len(TEXTS)
