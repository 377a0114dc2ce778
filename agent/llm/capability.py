"""Capability of an endpoint's model, found by asking it: options, log-probabilities, JSON, and questions of a run."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from agent.llm.calls import THINKING, Call, call_for, canonical_json, options, schema_format, token_limit
from agent.llm.endpoint import Capability, Endpoint, ScaleName, Structure
from agent.llm.errors import (
    Auth,
    Broken,
    InvalidJSON,
    LLMError,
    Malformed,
    PermanentError,
    Refused,
    Transient,
    Truncated,
    Unreachable,
    Unscored,
)
from agent.llm.response import ChatCompletion, canonical, is_cut
from agent.llm.scoring import past_lead, strip_token_marks
from agent.schema import Request, Role, Shape
from agent.text import is_same_model, with_period

Questions = Callable[[ScaleName], Sequence[Request]]  # questions of a run, for the scale that its prompts ask for


class Send(Protocol):
    """Sends a body and returns the completion; with `once` without a second attempt. Raises LLMError."""

    async def __call__(self, body: bytes, once: bool = False) -> ChatCompletion: ...


class Unreadable(LLMError):
    """The model answers the questions of a run in a form that cannot be read."""

    kind = Unscored.kind


LITERALS = ("85", "100")  # scores to write: a tokenizer may split either
UNKNOWN = Capability(logprobs=True, scale="percent", structured="plain")  # assumed until the first answer
_MOST_CHANGES = 8  # to the options of a request: five can be left out, two of them lowered first, one limit raised
_LOGPROB_REQUESTS = 3  # for log-probabilities: one reply without them may be a fault, and would invalidate all verdicts
ABOUT_ADDRESS = re.compile(r"HTTP 40[45]\b|not found", re.I)
_GREETING = '{"type":"object","properties":{"greeting":{"type":"string"}},"required":["greeting"]}'
_GREETING_BEGINS = re.compile(r'\s*\{\s*"greeting"\s*:')


def no_questions(scale: ScaleName) -> Sequence[Request]:
    """No questions: the capability is found by the probe's own requests alone."""
    return ()


async def find_capability(send: Send, endpoint: Endpoint, questions: Questions = no_questions) -> Capability:
    """What the endpoint's model can do. Raises LLMError.

    3 requests to a usual endpoint, and one for each shape of question. Where a shape has several questions, the next
    is asked only if the answer to the one before could not be read.
    """
    model = endpoint.model
    known, first = await _settle_options(send, model, UNKNOWN)
    first = await _with_logprobs(send, model, known, LITERALS[0], first)
    known = known.model_copy(update={"logprobs": known.logprobs and _has_alternatives(first)})
    if known.logprobs:
        second = await send(_literal(model, known, LITERALS[1]))
        second = await _with_logprobs(send, model, known, LITERALS[1], second)
        is_one_token = _in_one_token(first, LITERALS[0]) and _in_one_token(second, LITERALS[1])
        known = known.model_copy(update={"scale": "percent" if is_one_token else "letters"})
    known = known.model_copy(update={"structured": await _find_structure(send, model, known)})
    known = await _try_questions(send, endpoint, known, questions(known.scale))
    answered_by = "" if is_same_model(model, first.model) else first.model
    known = known.model_copy(update={"answered_by": answered_by})
    return known.model_copy(update={"note": _note(model, known)})


async def _settle_options(send: Send, model: str, known: Capability) -> tuple[Capability, ChatCompletion]:
    """Ask for the first literal, dropping each option that the endpoint calls unsupported, until it answers."""
    for _ in range(_MOST_CHANGES):
        try:
            return known, await send(_literal(model, known, LITERALS[0]))
        except Truncated:
            if known.headroom:
                raise
            known = known.model_copy(update={"headroom": THINKING})
        except (PermanentError, Auth, Transient) as error:
            changed = drop_unsupported_option(known, error.sentence)
            changed = changed or await _drop_by_trial(send, model, known, error)
            if changed is None:
                raise
            known = changed
    raise PermanentError(f"The endpoint still refused the request after {_MOST_CHANGES} changes to it.")


async def _drop_by_trial(send: Send, model: str, known: Capability, error: LLMError) -> Capability | None:
    """The capability without the option that the endpoint fails on without naming it; None if that is not it.

    Log-probabilities are also left out where a 5xx comes only with them.
    """
    if isinstance(error, Auth | Unreachable | Broken) or _is_about_address(error):
        return None
    names = ("logprobs",) if isinstance(error, Transient) else ("logprobs", "seed", "temperature")
    used = [name for name in names if getattr(known, name)]
    trials = [[name] for name in used] + ([used] if len(used) > 1 else [])
    for names_left_out in trials:
        changed = known.model_copy(update=dict.fromkeys(names_left_out, False))
        if await _answers(send, _literal(model, changed, LITERALS[0])):
            is_by_chance = await _answers(send, _literal(model, known, LITERALS[0]))
            return known if is_by_chance else changed
    return None


async def _answers(send: Send, body: bytes) -> bool:
    try:
        await send(body, once=True)
    except LLMError as error:
        return isinstance(error, Truncated)
    return True


def _is_about_address(error: LLMError) -> bool:
    """Whether the model or the address is unknown, so that no option can be the cause."""
    return ABOUT_ADDRESS.search(error.sentence) is not None


async def _with_logprobs(
    send: Send, model: str, known: Capability, literal: str, completion: ChatCompletion
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


# How servers name a limit. Sources: vLLM ("greater than max allowed: 5"), OpenAI ("Expected a value >= 16"), Azure
# ("at least 16", "less than or equal to 5"), pydantic ("greater than or equal to 16"), Google ("in the range [0, 5]").
_AT_LEAST = re.compile(r"(?:>=|at least|minimum(?: value)?(?: is| of|:)|(?:greater|larger) than or equal to)\s*(\d+)")
_AT_MOST = re.compile(
    r"(?:<=|at most|less than or equal to|up to|maximum(?: allowed)?(?: value)?(?: is| of|:)|max allowed:"
    r"|(?:between|from|range)\s*[\[(]?\d+\s*(?:and|to|,))\s*(\d+)"
)
_FEW = 5  # alternatives where more are refused and no number is named: vLLM's and Azure's limit
_LARGEST_MINIMUM = 1024  # tokens; a larger number in a message is not a minimum of this sort


def drop_unsupported_option(known: Capability, complaint: str) -> Capability | None:
    """The capability without what an error message refuses, or within the limit it names; None if it names neither."""
    text = complaint.lower()
    least = _AT_LEAST.search(text)
    if least and "token" in text and known.min_tokens < int(least[1]) <= _LARGEST_MINIMUM:
        return known.model_copy(update={"min_tokens": int(least[1])})
    if known.max_tokens_name == "max_tokens" and "max_completion_tokens" in text:
        return known.model_copy(update={"max_tokens_name": "max_completion_tokens"})
    if known.logprobs and "logprob" in text:
        return known.model_copy(update=_fewer_alternatives(known, text))
    if known.temperature and "temperature" in text:
        return known.model_copy(update={"temperature": False})
    if known.seed and "seed" in text:
        return known.model_copy(update={"seed": False})
    return None


def _fewer_alternatives(known: Capability, text: str) -> dict[str, Any]:
    """As many alternatives as the message allows; no log-probabilities where it allows fewer than two."""
    most = _AT_MOST.search(text)
    allowed = int(most[1]) if most else _FEW if "top_logprobs" in text else 0
    return {"top_logprobs": allowed} if 2 <= allowed < known.top_logprobs else {"logprobs": False}


async def _find_structure(send: Send, model: str, known: Capability) -> Structure:
    """The strongest form of JSON output that the endpoint enforces."""
    if await _gives_json(
        send, model, known, schema_format({"properties": {"greeting": {"type": "string"}}, "type": "object"})
    ):
        return "json_schema"
    if await _gives_json(send, model, known, {"type": "json_object"}):
        return "json_object"
    return "plain"


async def _gives_json(send: Send, model: str, known: Capability, form: Mapping[str, Any]) -> bool:
    """Whether a greeting comes as JSON, or begins so and is cut.

    With a schema the prompt does not mention JSON, so the schema alone counts.
    """
    by_schema = form["type"] == "json_schema"
    ask = "Say hello." if by_schema else f"Say hello in one JSON object of this schema:\n{_GREETING}"
    body = _body(model, known, ask, 60, logprobs=False) | {"response_format": form}
    try:
        completion = await send(canonical_json(body))
        if not (is_cut(completion.finish_reason) and _GREETING_BEGINS.match(completion.content)):
            canonical(completion.content, _GREETING)
    except (Unreachable, Broken):
        raise
    except (PermanentError, Transient, InvalidJSON, Malformed, Refused, Truncated):  # this form is not supported
        return False
    return True


async def _try_questions(send: Send, endpoint: Endpoint, known: Capability, questions: Sequence[Request]) -> Capability:
    """The capability with what the questions of the run need besides. Raises Unreadable.

    JSON is vital for an author alone: a judge only quotes in it.
    """
    for shape in dict.fromkeys(request.shape for request in questions):
        known, flaw = await _try_shape(send, endpoint, known, [one for one in questions if one.shape is shape])
        if flaw is None:
            continue
        role = next(one.role for one in questions if one.shape is shape)
        sentence = f"Its answer to a question to the {role} cannot be read as {_SHAPES[shape]}. {flaw.sentence}"
        if shape is not Shape.JSON or any(one.shape is shape and one.role is Role.AUTHOR for one in questions):
            raise Unreadable(sentence)
        known = known.model_copy(update={"note": with_period(sentence)})
    return known


_SHAPES = {Shape.NUMBER: "a score", Shape.CHOICE: "a choice", Shape.JSON: "JSON", Shape.TEXT: "text"}


async def _try_shape(
    send: Send, endpoint: Endpoint, known: Capability, questions: Sequence[Request]
) -> tuple[Capability, LLMError | None]:
    """The same for questions of one shape, until one is answered; why the last answer cannot be read."""
    flaw: LLMError | None = None
    for request in questions:
        known, flaw = await _try_question(send, endpoint, known, request)
        if flaw is None:
            break
    return known, flaw


async def _try_question(
    send: Send, endpoint: Endpoint, known: Capability, request: Request
) -> tuple[Capability, LLMError | None]:
    """The capability, with headroom or without log-probabilities where the answer needs it; why it is unreadable.

    A refusal is no flaw: it is about this question's topic. Nor is one of an author, who may write about other traits,
    nor a failure of the server, which has answered before and is waited for during the run.
    """
    drawn = None if known.logprobs or request.shape is Shape.JSON else 0
    call = call_for(request, endpoint.model, endpoint.base_url, known, drawn)
    completion, flaw = await _answer_and_flaw(send, call)
    if isinstance(flaw, Truncated) and not known.headroom:
        return await _try_question(send, endpoint, known.model_copy(update={"headroom": THINKING}), request)
    if isinstance(flaw, PermanentError):
        changed = drop_unsupported_option(known, flaw.sentence)
        if changed is not None:
            return await _try_question(send, endpoint, changed, request)
        if request.shape is not Shape.JSON:
            raise flaw
        return known, None
    if isinstance(flaw, InvalidJSON):
        return known, await _flaw_after_repair(send, call, flaw)
    return (known, None) if flaw is None else _without_logprobs(completion, request, endpoint, known, flaw)


async def _answer_and_flaw(send: Send, call: Call) -> tuple[ChatCompletion | None, LLMError | None]:
    """The answer to a question, and why it cannot be used. JSON that has begun is of the right form, though cut."""
    completion = None
    try:
        completion = await send(call.body)
        call.accept(completion)
    except (Refused, Transient):
        return completion, None
    except (PermanentError, Truncated, InvalidJSON, Unscored, Malformed) as error:
        is_begun = call.shape is Shape.JSON and isinstance(error, Truncated) and error.content.lstrip()[:1] == "{"
        return completion, None if is_begun else error
    return completion, None


async def _flaw_after_repair(send: Send, call: Call, error: InvalidJSON) -> LLMError | None:
    """Ask for the JSON once more, as the run does; why it cannot be read even so."""
    try:
        call.accept(await send(call.repaired(error.content).body))
    except (Truncated, Unscored, InvalidJSON, Malformed, Refused):
        return error
    return None


def _without_logprobs(
    completion: ChatCompletion | None, request: Request, endpoint: Endpoint, known: Capability, error: LLMError
) -> tuple[Capability, LLMError | None]:
    """The capability without log-probabilities if these alone make the answer unreadable; else why it is."""
    if completion is None or not known.logprobs or isinstance(error, Truncated):
        return known, error
    sampled = known.model_copy(update={"logprobs": False})
    try:
        call_for(request, endpoint.model, endpoint.base_url, sampled, 0).accept(completion)
    except LLMError as found:
        return known, found
    return sampled, None


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
        known.max_tokens_name: token_limit(known, max_tokens),
        **options(known, 0.0, 0, logprobs),
    }


def _in_one_token(completion: ChatCompletion, literal: str) -> bool:
    return any(strip_token_marks(position.token) == literal for position in past_lead(completion.positions)[:1])


def _note(model: str, known: Capability) -> str:
    """What a user should know about the endpoint's limits; empty for a usual endpoint."""
    notes = [known.note] if known.note else []
    if known.answered_by:
        notes.append(f"Asked for {model}, {known.answered_by} answers.")
    if not known.logprobs:
        notes.append("No log-probabilities: each score is the mean of 4 to 16 samples.")
    elif known.scale == "letters":
        notes.append("Numbers are several tokens: scores are read on the letters A to K.")
    if known.structured != "json_schema":
        notes.append(f"No JSON schema: structured replies are requested as {known.structured}.")
    if known.headroom:
        notes.append(
            f"The model thinks before it answers: {known.headroom} tokens are added to every limit. Thinking off is "
            "faster and cheaper."
        )
    return " ".join(notes)
