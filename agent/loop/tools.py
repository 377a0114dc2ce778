"""What one trait's loop works with, and the signals it gathers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.record.ledger import Ledger
from agent.schema import Completion, Pair, Plan, Sampling, Scenario, Signals, digest
from agent.steps.bench import Bench, Complete


class Continues(Protocol):
    """A subject: continues texts. One tuple of completions per text: one greedy, or `samples` draws."""

    @property
    def signature(self) -> str: ...

    def complete(self, texts: Sequence[tuple[str, str | None]], sampling: Sampling) -> list[tuple[Completion, ...]]: ...


@dataclass(frozen=True)
class Tools:
    """Everything `refine` needs for one trait. `dataset` is what the campaign starts from, in file order."""

    bench: Bench
    ledger: Ledger
    campaign: int
    plan: Plan
    dataset: tuple[Pair, ...] = ()
    signals: Callable[[], Signals] = field(default=Signals)


def remembering(subject: Continues, ledger: Ledger) -> Complete:
    """The subject behind the ledger: a completion is stored when made and never recomputed."""

    def complete(scenarios: Sequence[Scenario], sampling: Sampling) -> list[tuple[Completion, ...]]:
        keys = [_keys(subject.signature, scenario, sampling) for scenario in scenarios]
        known = ledger.completions([key for own in keys for key in own])
        missing = {own: s for own, s in zip(keys, scenarios, strict=True) if any(key not in known for key in own)}
        if missing:
            made = subject.complete([(s.text, s.system_prompt) for s in missing.values()], sampling)
            new = {key: c for own, drawn in zip(missing, made, strict=True) for key, c in zip(own, drawn, strict=True)}
            ledger.store_completions({key: c for key, c in new.items() if key not in known})
            known = {**new, **known}
        return [tuple(known[key] for key in own) for own in keys]

    return complete


def _keys(signature: str, scenario: Scenario, sampling: Sampling) -> tuple[str, ...]:
    """One key per completion wanted. The number of samples is not in it: the third of four is the third of eight."""
    how = sampling.model_copy(update={"samples": 0}).model_dump_json() if sampling.samples else _greedy(sampling)
    draws = range(sampling.samples) if sampling.samples else (-1,)
    return tuple(digest(signature, scenario.system_prompt or "", scenario.text, how, str(draw)) for draw in draws)


def _greedy(sampling: Sampling) -> str:
    return f"greedy {sampling.max_new_tokens} {sampling.first_k}"
