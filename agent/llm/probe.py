"""Probe of endpoints: what their models can do, asked before a run, and the waiting that this may take."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from agent.errors import UserError
from agent.llm.admission import LONG_PAUSE, AdmissionController
from agent.llm.calls import canonical_json, options, schema_format
from agent.llm.circuit_breaker import EndpointUnavailable
from agent.llm.concurrency import Clock
from agent.llm.endpoint import Capability, Structure
from agent.llm.errors import (
    Auth,
    Cancelled,
    InvalidJSON,
    LLMError,
    Loading,
    Malformed,
    NotReady,
    PermanentError,
    Quota,
    RateLimited,
    Refused,
    Truncated,
    Unreachable,
)
from agent.llm.response import ChatCompletion, canonical
from agent.llm.retry import RetryPolicy, RetryState, retry
from agent.llm.scoring import strip_token_marks
from agent.llm.transport import Transport
from agent.schema import Role

T = TypeVar("T")
SendBody = Callable[[bytes], Awaitable[ChatCompletion]]

POLL_SECONDS = 0.2  # seconds between checks for a requested stop; by judgement: below what a person notices
LITERALS = ("85", "100")  # scores to write: a tokenizer may split either
UNKNOWN = Capability(logprobs=True, scale="percent", structured="plain")  # assumed until the first answer
_THINKING = 2048  # tokens granted to a model that thinks before it answers; by judgement: a short prompt needs fewer
_MOST_CHANGES = 6  # options that a request can do without: five, and one of them twice
_LOGPROB_REQUESTS = 3  # for log-probabilities: one reply without them may be a fault, and would invalidate all verdicts
_GREETING = '{"type":"object","properties":{"greeting":{"type":"string"}},"required":["greeting"]}'


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
    """One endpoint to probe, and a role to name it by. With `is_resumed` it has answered before and is waited for."""

    role: Role
    transport: Transport
    admission: AdmissionController
    is_resumed: bool

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
            return await find_capability(partial(self._ask, target), endpoint.model)
        except EndpointUnavailable as error:
            raise EndpointUnavailable(f"{target.name}: {error.sentence}") from error
        except LLMError as error:
            where = f"{target.role}: the model {endpoint.model} at {endpoint.base_url} cannot be used."
            raise ProbeError(f"{where} {error.sentence} {remedy(error, endpoint.model)}") from error

    async def _ask(self, target: ProbeTarget, body: bytes) -> ChatCompletion:
        """The reply to one question, retried."""
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


async def find_capability(send: SendBody, model: str) -> Capability:
    """What the model behind `send` can do: 3 requests to a usual endpoint, a dozen at most. Raises LLMError."""
    known, first = await _settle_options(send, model, UNKNOWN)
    first = await _with_logprobs(send, model, known, LITERALS[0], first)
    known = known.model_copy(update={"logprobs": known.logprobs and _has_alternatives(first)})
    if known.logprobs:
        second = await send(_literal(model, known, LITERALS[1]))
        second = await _with_logprobs(send, model, known, LITERALS[1], second)
        is_one_token = _in_one_token(first, LITERALS[0]) and _in_one_token(second, LITERALS[1])
        known = known.model_copy(update={"scale": "percent" if is_one_token else "letters"})
    known = known.model_copy(update={"structured": await _find_structure(send, model, known)})
    return known.model_copy(update={"note": _note(known)})


async def _settle_options(send: SendBody, model: str, known: Capability) -> tuple[Capability, ChatCompletion]:
    """Ask for the first literal, dropping each option that the endpoint calls unsupported, until it answers."""
    for _ in range(_MOST_CHANGES):
        try:
            return known, await send(_literal(model, known, LITERALS[0]))
        except Truncated:
            if known.headroom:
                raise
            known = known.model_copy(update={"headroom": _THINKING, "logprobs": False})
        except (PermanentError, Auth) as error:
            changed = drop_unsupported_option(known, error.sentence)
            if changed is None:
                raise
            known = changed
    raise PermanentError(f"The endpoint still refused the request after {_MOST_CHANGES} changes to it.")


async def _with_logprobs(
    send: SendBody, model: str, known: Capability, literal: str, completion: ChatCompletion
) -> ChatCompletion:
    """The reply; where it lacks log-probabilities, the next one that has them, or the last one asked for."""
    for _ in range(1, _LOGPROB_REQUESTS):
        if not known.logprobs or _has_alternatives(completion):
            break
        completion = await send(_literal(model, known, literal))
    return completion


def _has_alternatives(completion: ChatCompletion) -> bool:
    """Whether the reply has log-probabilities of alternatives."""
    return any(len(position.top) > 1 for position in completion.positions)


def drop_unsupported_option(known: Capability, complaint: str) -> Capability | None:
    """The capability without the option that an error message calls unsupported; None if it names none in use."""
    text = complaint.lower()
    if known.max_tokens_name == "max_tokens" and "max_completion_tokens" in text:
        return known.model_copy(update={"max_tokens_name": "max_completion_tokens"})
    if known.logprobs and "logprob" in text:
        fewer = "top_logprobs" in text and known.top_logprobs > 5
        return known.model_copy(update={"top_logprobs": 5} if fewer else {"logprobs": False})
    if known.temperature and "temperature" in text:
        return known.model_copy(update={"temperature": False})
    if known.seed and "seed" in text:
        return known.model_copy(update={"seed": False})
    return None


async def _find_structure(send: SendBody, model: str, known: Capability) -> Structure:
    """The strongest form of JSON output that the endpoint enforces."""
    if await _gives_json(
        send, model, known, schema_format({"properties": {"greeting": {"type": "string"}}, "type": "object"})
    ):
        return "json_schema"
    if await _gives_json(send, model, known, {"type": "json_object"}):
        return "json_object"
    return "plain"


async def _gives_json(send: SendBody, model: str, known: Capability, form: Mapping[str, Any]) -> bool:
    """Whether a greeting comes as JSON. With a schema the prompt does not mention JSON, so the schema alone counts."""
    by_schema = form["type"] == "json_schema"
    ask = "Say hello." if by_schema else f"Say hello in one JSON object of this schema:\n{_GREETING}"
    body = _body(model, known, ask, 60, logprobs=False) | {"response_format": form}
    try:
        canonical((await send(canonical_json(body))).content, _GREETING)
    except (PermanentError, InvalidJSON, Malformed, Refused, Truncated):  # this form is not supported
        return False
    return True


def health_check_body(model: str, known: Capability) -> bytes:
    """The body of a health check: the smallest request, answered by one token."""
    return canonical_json(_body(model, known, "Say 1.", 1, logprobs=False))


def _literal(model: str, known: Capability, literal: str) -> bytes:
    ask = f"Answer with the number {literal} and nothing else."
    return canonical_json(_body(model, known, ask, 4, logprobs=known.logprobs))


def _body(model: str, known: Capability, prompt: str, max_tokens: int, logprobs: bool) -> dict[str, Any]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        known.max_tokens_name: max_tokens + known.headroom,
        **options(known, 0.0, 0, logprobs),
    }


def _in_one_token(completion: ChatCompletion, literal: str) -> bool:
    tokens = (strip_token_marks(position.token) for position in completion.positions)
    return next((token == literal for token in tokens if token), False)


def _note(known: Capability) -> str:
    """What a user should know about the endpoint's limits; empty for a usual endpoint."""
    notes = []
    if not known.logprobs:
        notes.append("No log-probabilities: each score is the mean of 4 to 16 samples.")
    elif known.scale == "letters":
        notes.append("Numbers are several tokens: scores are read on the letters A to K.")
    if known.structured != "json_schema":
        notes.append(f"No JSON schema: structured replies are requested as {known.structured}.")
    if known.headroom:
        notes.append(f"A reasoning model: {known.headroom} tokens are added to every limit.")
    return " ".join(notes)


def remedy(error: LLMError, model: str) -> str:
    """What to do about an endpoint that failed its probe, by the class of the error."""
    match error:
        case Auth():
            return "Check the key in the environment variable named by `key_variable`, and that it may use the model."
        case Quota():
            return "Add credit to the account behind the key, or name another endpoint."
        case RateLimited():
            return "Lower `concurrency`, or wait until the limit is reset."
        case Unreachable():
            return "Start the server, or correct `base_url`."
        case PermanentError() if "404" in error.sentence or "not found" in error.sentence.lower():
            return f"Check that `model` ({model}) exists there, and that `base_url` has the right ending (often /v1)."
        case Malformed() | PermanentError():
            return "Check that `base_url` is an OpenAI-compatible API (it often ends in /v1) and that `model` is right."
    return "Try again later. If it persists, look at the server's log."
