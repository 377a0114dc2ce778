"""What keeps a probe from its next answer: while it lasts a stop is heeded, and a long wait on request is told."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from agent.errors import UserError
from agent.llm.calls import canonical_json, options, schema_format
from agent.llm.circuit_breaker import LONG, EndpointUnavailable
from agent.llm.concurrency import Clock
from agent.llm.endpoint import Capability, Endpoint, Structure
from agent.llm.errors import (
    Auth,
    InvalidJSON,
    LLMError,
    Malformed,
    PermanentError,
    Quota,
    RateLimited,
    Refused,
    Truncated,
    Unreachable,
)
from agent.llm.response import ChatCompletion, canonical
from agent.llm.scoring import strip_token_marks
from agent.schema import Role


class ProbeWaitReporter:
    """Used for one question after another. `told` hears of an endpoint that asks to wait, and None when it goes on.

    Of one that is out, its outage tells.
    """

    def __init__(self, clock: Clock, told: Callable[[str | None], None]) -> None:
        self._clock = clock
        self._told = told
        self._since: float | None = None
        self._is_told = False

    @property
    def is_on(self) -> bool:
        """Whether an attempt at the present question has failed."""
        return self._since is not None

    @contextmanager
    def question(self) -> Iterator[None]:
        """One question with all its attempts."""
        try:
            yield
        finally:
            self._since = None
            if self._is_told:
                self._is_told = False
                self._told(None)

    def waits(self, who: str, error: LLMError, seconds: float) -> None:
        """An attempt has failed, and the next one is made after so many seconds."""
        now = self._clock.now()
        if self._since is None:
            self._since = now
        is_asked = isinstance(error, RateLimited) or error.wait is not None
        if is_asked and now + seconds - self._since >= LONG:
            self._is_told = True
            self._told(f"{who} asks to wait; the last it said: {error.sentence}")


SendBody = Callable[[bytes], Awaitable[ChatCompletion]]

LITERALS = ("85", "100")
UNKNOWN = Capability(logprobs=True, scale="percent", structured="plain")  # what is supposed before anything is asked
_THINKING = 2048  # tokens granted to a model that thinks before it answers
_MOST_CHANGES = 6
_ASKS = 3  # for log-probabilities: one reply without them says little, and whoever believes it voids every verdict
_GREETING = '{"type":"object","properties":{"greeting":{"type":"string"}},"required":["greeting"]}'


class ProbeError(UserError):
    """An endpoint cannot be used as configured. The message names role, endpoint and remedy."""


async def probed(send: SendBody, role: Role, endpoint: Endpoint) -> Capability:
    """What an endpoint can do. Raises ProbeError with role, endpoint and remedy, and Out where it was waited for."""
    try:
        return await find_capability(send, endpoint.model)
    except EndpointUnavailable as error:
        raise EndpointUnavailable(f"{role} at {endpoint.base_url}: {error.sentence}") from error
    except LLMError as error:
        where = f"{role}: the model {endpoint.model} at {endpoint.base_url} cannot be used."
        raise ProbeError(f"{where} {error.sentence} {remedy(error, endpoint.model)}") from error


async def find_capability(send: SendBody, model: str) -> Capability:
    """What the model behind `send` can do: 3 calls where all is usual, about a dozen at most. Raises LlmError."""
    known, said = await _settle_options(send, model, UNKNOWN)
    said = await _asked_again(send, model, known, LITERALS[0], said)
    known = known.model_copy(update={"logprobs": known.logprobs and _is_weighed(said)})
    if known.logprobs:
        second = await send(_literal(model, known, LITERALS[1]))
        second = await _asked_again(send, model, known, LITERALS[1], second)
        whole = _in_one_token(said, LITERALS[0]) and _in_one_token(second, LITERALS[1])
        known = known.model_copy(update={"scale": "percent" if whole else "letters"})
    known = known.model_copy(update={"structured": await _find_structure(send, model, known)})
    return known.model_copy(update={"note": _note(known)})


async def _settle_options(send: SendBody, model: str, known: Capability) -> tuple[Capability, ChatCompletion]:
    """Ask for the first literal, leaving out what the endpoint names as unsupported, until it answers."""
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


async def _asked_again(
    send: SendBody, model: str, known: Capability, literal: str, said: ChatCompletion
) -> ChatCompletion:
    """The reply, or where it lacks its log-probabilities the next that has them; the last one where none has."""
    for _ in range(1, _ASKS):
        if not known.logprobs or _is_weighed(said):
            break
        said = await send(_literal(model, known, literal))
    return said


def _is_weighed(said: ChatCompletion) -> bool:
    """Whether log-probabilities of alternatives came with a reply."""
    return any(len(position.top) > 1 for position in said.positions)


def drop_unsupported_option(known: Capability, complaint: str) -> Capability | None:
    """The capability without the option that an error sentence complains about; None if it names none in use."""
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
    """The strongest form of JSON output that the endpoint really holds the model to."""
    if await _greets(
        send, model, known, schema_format({"properties": {"greeting": {"type": "string"}}, "type": "object"})
    ):
        return "json_schema"
    if await _greets(send, model, known, {"type": "json_object"}):
        return "json_object"
    return "plain"


async def _greets(send: SendBody, model: str, known: Capability, form: Mapping[str, Any]) -> bool:
    """Whether a greeting comes as JSON. Under a schema the prompt does not mention JSON: the schema alone is tried."""
    by_schema = form["type"] == "json_schema"
    ask = "Say hello." if by_schema else f"Say hello in one JSON object of this schema:\n{_GREETING}"
    body = _body(model, known, ask, 60, logprobs=False) | {"response_format": form}
    try:
        canonical((await send(canonical_json(body))).content, _GREETING)
    except (PermanentError, InvalidJSON, Malformed, Refused, Truncated):  # this form is not to be had here
        return False
    return True


def health_check_body(model: str, known: Capability) -> bytes:
    """The smallest question: whether an endpoint answers at all."""
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


def _in_one_token(said: ChatCompletion, literal: str) -> bool:
    return next((strip_token_marks(p.token) == literal for p in said.positions if strip_token_marks(p.token)), False)


def _note(known: Capability) -> str:
    """What a user should know of the endpoint, in a sentence or two; empty where all is usual."""
    notes = []
    if not known.logprobs:
        notes.append("It gives no log-probabilities: each score is the mean of 4 to 16 samples.")
    elif known.scale == "letters":
        notes.append("It writes numbers in several tokens: scores are read on the letters A to K.")
    if known.structured != "json_schema":
        notes.append(f"It has no JSON schema: structured replies are asked for as {known.structured}.")
    if known.headroom:
        notes.append(f"It thinks before it answers: {known.headroom} tokens are added to every limit.")
    return " ".join(notes)


def remedy(error: LLMError, model: str) -> str:
    """What to do about an endpoint that failed its probe, by the kind of failure."""
    match error:
        case Auth():
            return "Check the key in the environment variable that `key_variable` names, and that it may use the model."
        case Quota():
            return "Add credit to the account behind the key, or name another endpoint."
        case RateLimited():
            return "Lower `concurrency`, or wait until the limit is reset."
        case Unreachable():
            return "Start the server, or correct `base_url`."
        case PermanentError() if "404" in error.sentence or "not found" in error.sentence.lower():
            return (
                f"Check that `model` ({model}) exists there, and that `base_url` ends as the server wants (often /v1)."
            )
        case Malformed() | PermanentError():
            return "Check that `base_url` is an OpenAI-compatible API (it often ends on /v1) and that `model` is right."
    return "Try again later; if it persists, look at the server's log."
