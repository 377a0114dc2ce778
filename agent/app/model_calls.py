"""Questions and completions through a trait's ledger: what is stored there is never asked or generated again."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from agent.errors import Interrupted
from agent.llm.client import LLMClient
from agent.llm.readability import Readability
from agent.loop.act import Subject
from agent.schema import (
    Cause,
    Completion,
    Ending,
    ErrorKind,
    Opener,
    Reply,
    Request,
    Role,
    Sampling,
    Scenario,
    digest,
    kind_of,
)
from agent.steps.context import Ask, Complete
from agent.storage.ledger import Ledger
from agent.text import pluralize

OnStage = Callable[[str], None]

# Completions of one commit. A small subject generates a text faster than the disk commits it, so single commits would
# dominate; two seconds bound what a crash can lose of a slow subject. Both chosen by judgement.
_COMMIT_COUNT = 64
_COMMIT_SECONDS = 2.0

# Errors that are no text's fault, and the ending and cause they lead to. The first kind that occurs decides.
_ENDINGS = {
    ErrorKind.BUDGET: (Ending.CAP, Cause.USAGE),
    ErrorKind.QUOTA: (Ending.ENDPOINT, Cause.ACCOUNT),
    ErrorKind.AUTH: (Ending.ENDPOINT, Cause.ACCOUNT),
    ErrorKind.OUTAGE: (Ending.ENDPOINT, Cause.OUTAGE),
}


class Control(Protocol):
    """Stop and pause of one trait's work, as TraitControl implements it."""

    def should_stop(self) -> bool: ...

    def check(self) -> None: ...

    def step(self, kind: str, count: int = 1) -> None: ...


class NoControl:
    """Control that never stops or pauses, for manual steps."""

    def should_stop(self) -> bool:
        return False

    def check(self) -> None:
        """Continue."""

    def step(self, kind: str, count: int = 1) -> None:
        """Ignore progress."""


class ReadabilityMonitor:
    """How well the answers of each role can be read so far, in one trait's run."""

    def __init__(self) -> None:
        self._roles: dict[Role, Readability] = {}

    def note(self, role: Role, reply: Reply) -> None:
        """Take in a reply, in the order in which they come."""
        self._roles[role] = self._roles.get(role, Readability(role)).after(reply)

    @property
    def complaint(self) -> str | None:
        """Why the run should stop; None if it need not."""
        return next((why for one in self._roles.values() if (why := one.complaint)), None)

    def raise_if_unreadable(self) -> None:
        """Raise Interrupted where most answers of a role cannot be read."""
        if why := self.complaint:
            raise Interrupted(Ending.ENDPOINT, why, Cause.UNREADABLE)


def make_ask(llm: LLMClient, ledger: Ledger, on_stage: OnStage, control: Control) -> Ask:
    """A function that asks through the ledger. It raises Interrupted; requests cut off by a pause are asked again.

    It also stops where most answers of a role cannot be read (see `Readability`).
    """
    monitor = ReadabilityMonitor()

    def on_reply(request: Request, reply: Reply) -> None:
        monitor.note(request.role, reply)
        if reply.error is None:
            control.step("answers")

    def should_stop() -> bool:
        return control.should_stop() or monitor.complaint is not None

    def ask(requests: Sequence[Request]) -> list[Reply]:
        if not requests:
            return []
        while True:
            control.check()
            on_stage(f"asks {pluralize(len(requests), 'question')}")
            replies = llm.ask_all(requests, ledger, should_stop, on_reply)
            raise_if_unavailable(replies)
            monitor.raise_if_unreadable()
            if all(kind_of(reply.error) is not ErrorKind.STOPPED for reply in replies):
                return replies

    return ask


def raise_if_unavailable(replies: Sequence[Reply]) -> None:
    """Raise Interrupted when no further call can succeed, so that an outage never counts against a text."""
    errors = dict.fromkeys(reply.error for reply in replies if reply.error)
    for kind, (ending, cause) in _ENDINGS.items():
        if reasons := [error for error in errors if kind_of(error) is kind]:
            others = (one.partition(": ")[2] for one in reasons[1:])
            raise Interrupted(ending, " ".join([reasons[0], *others]), cause)


def make_complete(subject: Subject, ledger: Ledger, on_stage: OnStage, control: Control) -> Complete:
    """A function that completes through the ledger. It raises Interrupted between two commits."""

    def on_stored(count: int) -> None:
        control.step("completions", count)
        control.check()

    cached = cached_completions(subject, ledger, on_stored)

    def complete(
        scenarios: Sequence[Scenario], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> list[tuple[Completion, ...]]:
        if scenarios:
            control.check()
            on_stage(f"continues {pluralize(len(scenarios), 'text')}")
        return cached(scenarios, sampling, openers)

    return complete


def cached_completions(
    subject: Subject, ledger: Ledger, on_stored: Callable[[int], None] = lambda count: None
) -> Complete:
    """A function that generates only completions that the ledger lacks, and stores each batch.

    `on_stored` is called with the size of each stored batch; what it raises ends the work with all batches kept.
    """

    def complete(
        scenarios: Sequence[Scenario], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> list[tuple[Completion, ...]]:
        opener_of: Sequence[Opener | None] = openers or [None] * len(scenarios)
        requested = list(zip(scenarios, opener_of, strict=True))
        keys = [_keys(subject.signature, scenario, sampling, opener) for scenario, opener in requested]
        known = ledger.completions([key for own in keys for key in own])
        missing = {own: one for own, one in zip(keys, requested, strict=True) if any(key not in known for key in own)}
        for new in _generate(subject, missing, sampling):
            stored = {key: made for key, made in new.items() if key not in known and made.failure is None}
            ledger.store_completions(stored)
            known = {**new, **known}
            on_stored(len(new))
        return [tuple(known[key] for key in own) for own in keys]

    return complete


def _generate(
    subject: Subject, missing: Mapping[tuple[str, ...], tuple[Scenario, Opener | None]], sampling: Sampling
) -> Iterator[dict[str, Completion]]:
    """Completions by key, in batches of one commit each."""
    if not missing:
        return
    own, texts = list(missing), [(s.text, s.system_prompt) for s, _ in missing.values()]
    openers = [opener for _, opener in missing.values() if opener]
    new: dict[str, Completion] = {}
    since = time.monotonic()
    for place, drawn in subject.stream(texts, sampling, openers):
        new |= zip(own[place], drawn, strict=True)
        if len(new) >= _COMMIT_COUNT or time.monotonic() - since > _COMMIT_SECONDS:
            yield new
            new, since = {}, time.monotonic()
    if new:
        yield new


def _keys(signature: str, scenario: Scenario, sampling: Sampling, opener: Opener | None) -> tuple[str, ...]:
    """One cache key per completion. The number of samples is not part of it: sample 3 of 4 is sample 3 of 8.

    An opener is hashed apart from the text: tokenized apart, it may round differently than both read as one.
    """
    samples = opener.samples if opener else sampling.samples
    how = sampling.model_copy(update={"samples": 0}).model_dump_json() if samples else _greedy(sampling)
    draws = range(samples) if samples else (-1,)
    sent = (signature, scenario.system_prompt or "", scenario.text, how)
    forced = (opener.text,) if opener else ()
    return tuple(digest(*sent, str(draw), *forced) for draw in draws)


def _greedy(sampling: Sampling) -> str:
    return f"greedy {sampling.max_new_tokens} {sampling.first_k}"
