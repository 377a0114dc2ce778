"""What one trait's loop works with, and the signals it gathers."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.record.ledger import Ledger
from agent.schema import Completion, Opener, Pair, Plan, Sampling, Scenario, Signals, digest
from agent.steps.bench import Bench, Complete


class Continues(Protocol):
    """A subject: continues texts, and yields (place of a text, its completions) as they are made.

    One tuple of completions per text: one greedy, or `samples` draws. With `openers` there is one per text: the text
    and the opener are continued, by as many draws as the opener says.
    """

    @property
    def signature(self) -> str: ...

    def stream(
        self, texts: Sequence[tuple[str, str | None]], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]: ...


@dataclass(frozen=True)
class Tools:
    """Everything `refine` needs for one trait. `dataset` is what the campaign starts from, in file order.

    `rejected` are texts that a human refused; drafts are numbered from `first_draft` on.
    """

    bench: Bench
    ledger: Ledger
    campaign: int
    plan: Plan
    dataset: tuple[Pair, ...] = ()
    signals: Callable[[], Signals] = field(default=Signals)
    rejected: tuple[str, ...] = ()
    first_draft: int = 0


_STORED_TOGETHER = 64  # completions
_STORED_AFTER = 2.0  # seconds


def remembering(subject: Continues, ledger: Ledger, made: Callable[[int], None] = lambda count: None) -> Complete:
    """The subject behind the ledger: a completion is stored when made and never recomputed.

    `made` hears how many have just been stored; what it raises ends the work, with everything made so far kept.
    """

    def complete(
        scenarios: Sequence[Scenario], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> list[tuple[Completion, ...]]:
        of_each: Sequence[Opener | None] = openers or [None] * len(scenarios)
        asked = list(zip(scenarios, of_each, strict=True))
        keys = [_keys(subject.signature, scenario, sampling, opener) for scenario, opener in asked]
        known = ledger.completions([key for own in keys for key in own])
        missing = {own: one for own, one in zip(keys, asked, strict=True) if any(key not in known for key in own)}
        for new in _made(subject, missing, sampling):
            ledger.store_completions({key: c for key, c in new.items() if key not in known})
            known = {**new, **known}
            made(len(new))
        return [tuple(known[key] for key in own) for own in keys]

    return complete


def _made(
    subject: Continues, missing: Mapping[tuple[str, ...], tuple[Scenario, Opener | None]], sampling: Sampling
) -> Iterator[dict[str, Completion]]:
    """Completions by key, some at a time: a commit for each would cost more than a small subject's completion."""
    if not missing:
        return
    own, texts = list(missing), [(s.text, s.system_prompt) for s, _ in missing.values()]
    openers = [opener for _, opener in missing.values() if opener]
    new: dict[str, Completion] = {}
    since = time.monotonic()
    for place, drawn in subject.stream(texts, sampling, openers):
        new |= zip(own[place], drawn, strict=True)
        if len(new) >= _STORED_TOGETHER or time.monotonic() - since > _STORED_AFTER:
            yield new
            new, since = {}, time.monotonic()
    if new:
        yield new


def _keys(signature: str, scenario: Scenario, sampling: Sampling, opener: Opener | None) -> tuple[str, ...]:
    """One key per completion wanted. The number of samples is not in it: the third of four is the third of eight.

    An opener is a part of its own: read apart from its text, it may round otherwise than both read as one.
    """
    samples = opener.samples if opener else sampling.samples
    how = sampling.model_copy(update={"samples": 0}).model_dump_json() if samples else _greedy(sampling)
    draws = range(samples) if samples else (-1,)
    sent = (signature, scenario.system_prompt or "", scenario.text, how)
    forced = (opener.text,) if opener else ()
    return tuple(digest(*sent, str(draw), *forced) for draw in draws)


def _greedy(sampling: Sampling) -> str:
    return f"greedy {sampling.max_new_tokens} {sampling.first_k}"
