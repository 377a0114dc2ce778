"""Probe of endpoints before a run: its attempts, the waiting that it may take, and the remedy where it fails."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from agent.errors import UserError
from agent.llm.admission import LONG_PAUSE, AdmissionController
from agent.llm.capability import ABOUT_ADDRESS, Questions, Unreadable, find_capability
from agent.llm.circuit_breaker import EndpointUnavailable
from agent.llm.concurrency import Clock
from agent.llm.endpoint import Capability
from agent.llm.errors import (
    Auth,
    Cancelled,
    LLMError,
    Loading,
    Malformed,
    NotReady,
    PermanentError,
    Quota,
    RateLimited,
    Truncated,
    Unreachable,
)
from agent.llm.response import ChatCompletion
from agent.llm.retry import RetryPolicy, RetryState, retry
from agent.llm.transport import Transport
from agent.schema import Role
from agent.text import with_period

T = TypeVar("T")

POLL_SECONDS = 0.2  # seconds between checks for a requested stop; by judgement: below what a person notices


class ProbeError(UserError):
    """An endpoint cannot be used as configured. The message names role, endpoint and remedy."""


class ProbeWaitReporter:
    """Reports waits while probing: an endpoint that asks to wait for long, and None when it goes on.

    One reporter serves one question after another. The circuit breaker reports an endpoint that is down.
    """

    def __init__(self, clock: Clock, on_wait: Callable[[str | None], None]) -> None:
        self._clock = clock
        self._on_wait = on_wait
        self._failing_since: float | None = None
        self._is_reported = False

    @property
    def is_waiting(self) -> bool:
        """Whether an attempt at the present question has failed."""
        return self._failing_since is not None

    @contextmanager
    def question(self) -> Iterator[None]:
        """One question with all its attempts."""
        try:
            yield
        finally:
            self._failing_since = None
            if self._is_reported:
                self._is_reported = False
                self._on_wait(None)

    def on_retry(self, who: str, is_new: bool, error: LLMError, seconds: float) -> None:
        """Note a failed attempt at a new or a resumed endpoint, and that the next one follows after so many seconds."""
        now = self._clock.now()
        if self._failing_since is None:
            self._failing_since = now
        is_asked = isinstance(error, RateLimited) or error.retry_after is not None
        if is_new and isinstance(error, NotReady):
            what = (
                "is loading, and is waited for" if isinstance(error, Loading) else "is not ready yet, and is waited for"
            )
        elif is_asked and now + seconds - self._failing_since >= LONG_PAUSE:
            what = "is rate limited"
        else:
            return
        self._is_reported = True
        self._on_wait(f"{who} {what}. Last response: {error.sentence}")


@dataclass(frozen=True)
class ProbeTarget:
    """One endpoint to probe, and a role to name it by. With `is_resumed` it has answered before and is waited for.

    `questions` are those of the run that its model must be able to answer.
    """

    role: Role
    transport: Transport
    admission: AdmissionController
    is_resumed: bool
    questions: Questions

    @property
    def name(self) -> str:
        return f"{self.role} at {self.transport.endpoint.base_url}"


class Prober:
    """Probes endpoints one after another. `on_wait` receives why a probe waits, and None when it goes on."""

    def __init__(self, policy: RetryPolicy, on_wait: Callable[[str | None], None]) -> None:
        self._policy = policy
        self._waits = ProbeWaitReporter(policy.clock, on_wait)

    async def run(self, targets: list[ProbeTarget], should_stop: Callable[[], bool]) -> list[Capability]:
        """The capability of each endpoint, in order.

        Raises ProbeError, EndpointUnavailable, and Cancelled once `should_stop` says so while an endpoint fails.
        """
        return await self._unless(should_stop, self._probe_all(targets))

    async def _unless(self, should_stop: Callable[[], bool], work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(work)
        try:
            while not (await asyncio.wait([task], timeout=POLL_SECONDS))[0]:
                if self._waits.is_waiting and should_stop():
                    raise Cancelled("Stopped while waiting for an endpoint.")
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _probe_all(self, targets: list[ProbeTarget]) -> list[Capability]:
        return [await self._probe(target) for target in targets]

    async def _probe(self, target: ProbeTarget) -> Capability:
        endpoint = target.transport.endpoint
        try:
            return await find_capability(partial(self._ask, target), endpoint, target.questions)
        except EndpointUnavailable as error:
            raise EndpointUnavailable(f"{target.name}: {error.sentence}") from error
        except LLMError as error:
            where = f"{target.role}: the model {endpoint.model} at {endpoint.base_url} cannot be used."
            raise ProbeError(f"{where} {with_period(error.sentence)} {remedy(error, endpoint.model)}") from error

    async def _ask(self, target: ProbeTarget, body: bytes, once: bool = False) -> ChatCompletion:
        """The reply to one question, retried unless it is asked `once`."""
        if once:
            return await target.transport.send_unrecorded(body)
        on_retry = partial(self._waits.on_retry, target.name, not target.is_resumed)
        with self._waits.question():
            if target.is_resumed:
                return await self._ask_resumed(target, body, on_retry)
            state = RetryState(self._policy.for_first_contact(), limited=False)
            return await retry(lambda _: target.transport.send_unrecorded(body), state, (Unreachable,), on_retry)

    async def _ask_resumed(
        self, target: ProbeTarget, body: bytes, on_retry: Callable[[LLMError, float], None]
    ) -> ChatCompletion:
        """The reply of an endpoint that may be down or rate limited meanwhile. Raises EndpointUnavailable."""
        state = RetryState(self._policy.for_resume(), availability=target.admission, limited=False)
        send = partial(target.transport.send_unrecorded, body)
        try:
            return await retry(lambda _: target.admission.breaker.call(send), state, on_retry=on_retry)
        except RateLimited as error:
            raise EndpointUnavailable(
                f"Rate limited for longer than --max-pause allows. Last response: {error.sentence}"
            ) from error


_REMEDIES: tuple[tuple[type[LLMError] | tuple[type[LLMError], ...], str], ...] = (
    (Auth, "Check the key in the environment variable named by `key_variable`, and that it may use the model."),
    (Quota, "Add credit to the account behind the key, or name another endpoint."),
    (RateLimited, "Lower `concurrency`, or wait until the limit is reset."),
    (Unreachable, "Start the server, or correct `base_url`."),
    (
        (Unreadable, Truncated),
        "Start the server with the model's own chat template, with thinking off or with a reasoning parser, or use a "
        "model that keeps to the form it is asked for.",
    ),
)


def remedy(error: LLMError, model: str) -> str:
    """What to do about an endpoint that failed its probe, by the class of the error."""
    found = error.remedy or next((text for kind, text in _REMEDIES if isinstance(error, kind)), None)
    if found is not None:
        return found
    if isinstance(error, PermanentError):
        if ABOUT_ADDRESS.search(error.sentence):
            return f"Check that `model` ({model}) exists there, and that `base_url` has the right ending (often /v1)."
        return f"The address answers, but refuses this request: check what it says about `model` ({model})."
    if isinstance(error, Malformed):
        return "Check that `base_url` is an OpenAI-compatible API (it often ends in /v1)."
    return "Try again later. If it persists, look at the server's log."
