"""Batches of rows: the budget, the halving, the rows generated again. A scripted generator stands for the model."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.schema import Completion, Sampling
from agent.subject.generation import SLOW_SECONDS, Batch, Batches, GenerationRow, noise_key, plan
from agent.subject.tokenizer import TokenizedPrompt
from agent.subject.weights import NoMemoryError, SubjectError

GREEDY = Sampling(max_new_tokens=5)


def prompts(*lengths: int) -> list[TokenizedPrompt]:
    return [TokenizedPrompt(f"text {i}", (1,) * length, str(i)) for i, length in enumerate(lengths)]


def answer(row: GenerationRow) -> Completion:
    return Completion(text=f"{row.item}", token_ids=(), opening="", sample=row.sample)


class Script:
    """Generates what it is told to, one act per batch; raises when it runs out."""

    def __init__(self, *acts: Callable[[Batch], list[GenerationRow]]) -> None:
        self.acts = list(acts)
        self.batches: list[Batch] = []

    def __call__(
        self, prompts: Sequence[TokenizedPrompt], batch: Batch, sampling: Sampling
    ) -> tuple[dict[GenerationRow, Completion], list[GenerationRow]]:
        self.batches.append(batch)
        again = self.acts.pop(0)(batch)
        return {row: answer(row) for row in batch if row not in again}, again


def done(batch: Batch) -> list[GenerationRow]:
    return []


def does_not_fit(batch: Batch) -> list[GenerationRow]:
    raise NoMemoryError("the model", "scripted")


def fails(batch: Batch) -> list[GenerationRow]:
    raise IndexError("index out of range in self")


def text_fault(error: Exception) -> None:
    """The check of a model that continues a plain text."""


def clock(*times: float) -> Callable[[], float]:
    ticks = iter(times)
    return lambda: next(ticks)


def still() -> float:
    return 0.0


@given(
    lengths=st.lists(st.integers(1, 200), max_size=40),
    samples=st.integers(0, 5),
    budget=st.integers(1, 2000),
)
def test_every_row_is_planned_once_within_the_budget_and_longest_first(lengths, samples, budget):
    sampling = Sampling(samples=samples, max_new_tokens=10)
    batches = plan(prompts(*lengths), sampling, budget)
    rows = [row for batch in batches for row in batch]
    expected = [
        GenerationRow(item, sample)
        for item in range(len(lengths))
        for sample in (range(samples) if samples else [None])
    ]
    assert sorted(rows, key=str) == sorted(expected, key=str)
    assert all(len(batch) == 1 or len(batch) * (lengths[batch[0].item] + 10) <= budget for batch in batches)
    assert [lengths[row.item] for row in rows] == sorted((lengths[row.item] for row in rows), reverse=True)


@given(
    sharing=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 30), st.integers(1, 4)), max_size=20),
    budget=st.integers(1, 2000),
)
def test_prompts_that_share_a_part_follow_one_another_within_the_budget_by_as_many_samples_as_each_wants(
    sharing, budget
):
    own = [
        TokenizedPrompt("text", (kind,) * 20 * kind + (9,) * more, "key", 20 * kind, samples)
        for kind, more, samples in sharing
    ]
    batches = plan(own, GREEDY, budget)
    rows = [row for batch in batches for row in batch]
    assert sorted(rows) == [
        GenerationRow(item, n) for item, (_, _, samples) in enumerate(sharing) for n in range(samples)
    ]
    kinds = [kind for kind, _ in groupby(own[row.item].prefix for row in rows) if kind]
    assert len(kinds) == len(set(kinds))
    longest = [max(len(own[row.item].ids) for row in batch) for batch in batches]
    assert all(len(b) == 1 or len(b) * (n + 5) <= budget for b, n in zip(batches, longest, strict=True))


def test_a_batch_that_does_not_fit_is_halved_and_so_are_all_after_it():
    script = Script(does_not_fit, done, done, done, done)
    batches = Batches(script, 4 * 15, still, text_fault)
    made = dict(batches.run(prompts(10, 10, 10, 10, 10, 10, 10, 10), GREEDY))
    assert made == {item: (answer(GenerationRow(item, None)),) for item in range(8)}
    assert [len(batch) for batch in script.batches] == [4, 2, 2, 2, 2]


def test_one_row_that_does_not_fit_is_a_failure_of_its_text():
    made = dict(Batches(Script(does_not_fit, done), 10, still, text_fault).run(prompts(10, 9), GREEDY))
    assert "not enough memory" in str(made[0][0].failure)
    assert made[1][0].failure is None


def test_a_batch_that_fails_is_halved_until_the_one_bad_row_stands_alone():
    script = Script(fails, done, fails, fails, done)
    made = dict(Batches(script, 4 * 15, still, text_fault).run(prompts(10, 10, 10, 10), GREEDY))
    assert [len(batch) for batch in script.batches] == [4, 2, 2, 1, 1]
    assert made[2][0].failure == "The model fails on it: IndexError: index out of range in self"
    assert [item for item in made if made[item][0].failure is None] == [0, 1, 3]


def test_a_fault_that_a_plain_text_shares_ends_everything():
    def every_text(error: Exception) -> None:
        raise SubjectError("The subject fails on every text.")

    with pytest.raises(SubjectError, match="every text"):
        list(Batches(Script(does_not_fit), 60, still, every_text).run(prompts(10), GREEDY))


def test_a_slow_batch_halves_the_next_so_that_a_stop_drains():
    script = Script(done, done, done, done)
    slow = clock(0, SLOW_SECONDS + 1, 100, 101, 101, 102, 102, 103)
    list(Batches(script, 4 * 15, slow, text_fault).run(prompts(*[10] * 9), GREEDY))
    assert [len(batch) for batch in script.batches] == [4, 2, 2, 1]


def test_rows_given_back_are_generated_by_themselves_before_anything_else():
    script = Script(lambda batch: [batch[1]], done, done)
    made = list(Batches(script, 2 * 15, still, text_fault).run(prompts(10, 10, 10), GREEDY))
    assert script.batches == [
        (GenerationRow(0, None), GenerationRow(1, None)),
        (GenerationRow(1, None),),
        (GenerationRow(2, None),),
    ]
    assert [item for item, _ in made] == [0, 1, 2]


def test_samples_split_over_batches_are_handed_out_together_and_in_order():
    script = Script(lambda batch: [batch[0]], done, done)
    (made,) = list(Batches(script, 2 * 15, still, text_fault).run(prompts(10), Sampling(samples=3, max_new_tokens=5)))
    assert made == (0, tuple(answer(GenerationRow(0, sample)) for sample in range(3)))


def test_one_batch_runs_at_a_time_even_when_threads_ask_at_once():
    inside = threading.Semaphore(1)

    def busy(batch: Batch) -> list[GenerationRow]:
        assert inside.acquire(blocking=False), "two batches at once"
        time.sleep(0.01)
        inside.release()
        return []

    batches = Batches(Script(*[busy] * 8), 15, still, text_fault)
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(lambda: dict(batches.run(prompts(10, 10), GREEDY))) for _ in range(4)]
    assert all(len(run.result()) == 2 for run in runs)


@given(st.data())
def test_the_noise_of_a_row_depends_on_text_sample_step_and_seed_alone(data):
    one = data.draw(st.tuples(st.text("ab12", max_size=3), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20)))
    other = data.draw(
        st.tuples(st.text("ab12", max_size=3), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
    )
    assert (noise_key(*one) == noise_key(*other)) == (one == other)
    assert -(2**63) <= noise_key(*one) < 2**63
