"""The toy endpoint: an OpenAI-compatible ASGI app that plays judge and author from the request alone."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from agent.toyworld import author, judge
from agent.toyworld.author import Rates
from agent.toyworld.protocol import (
    BadRequest,
    ChatRequest,
    ToyReply,
    chat_request,
    fraction,
    hashed,
    letter,
    logprobs,
    number,
    one_of,
    plain,
)
from agent.toyworld.reader import Lexicon, shipped_lexicon

MODEL = "toyworld"
_LETTERS_ASKED = re.compile(r"one capital letter from A")
_LITERAL = re.compile(r"(?:number|exactly:?|literal)\s+[\"'`]?(\d{1,3})\b", re.IGNORECASE)
_TOKENS = 4  # characters per token, for the reported usage; a usual value for English


@dataclass(frozen=True)
class ToySettings:
    """Features of the endpoint and rates of its errors, 0 to 1. `split_digits`: numbers are written digit by digit."""

    flips: float = 0.02
    systematic: float = 0.02
    committed: float = 0.2
    weak: float = 0.15
    logprobs: bool = True
    json_schema: bool = True
    split_digits: bool = False
    seed: int = 0


def create_app(settings: ToySettings, lexicon: Lexicon | None = None) -> Starlette:
    """An ASGI app with /v1/chat/completions, /v1/completions and /v1/models. Same request, same answer."""
    toy = _Toy(settings, lexicon or shipped_lexicon())
    return Starlette(
        routes=[
            Route("/v1/chat/completions", toy.chat, methods=["POST"]),
            Route("/v1/completions", toy.complete, methods=["POST"]),
            Route("/v1/models", toy.models, methods=["GET"]),
        ]
    )


class _Toy:
    def __init__(self, settings: ToySettings, lexicon: Lexicon) -> None:
        self._settings = settings
        self._lexicon = lexicon
        self._noise = judge.Noise(settings.flips, settings.systematic, settings.seed)
        self._rates = Rates(settings.committed, settings.weak)

    async def models(self, _: Request) -> JSONResponse:
        entry = {"id": MODEL, "object": "model", "created": 0, "owned_by": "cliffhanger"}
        return JSONResponse({"object": "list", "data": [entry]})

    async def chat(self, http: Request) -> JSONResponse:
        try:
            request = chat_request(_json(await http.body()))
            self._check_form(request)
            reply = self._answer(request)
        except BadRequest as error:
            return _error_reply(error)
        return JSONResponse(self._reply(request, reply))

    async def complete(self, http: Request) -> JSONResponse:
        """Continue a text with an act that its last known motive leads to, to try the endpoint by hand."""
        try:
            prompt, model = _completion_request(_json(await http.body()))
        except BadRequest as error:
            return _error_reply(error)
        text = f" {self._continue(prompt)}."
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
        return JSONResponse(
            _envelope("text_completion", model, prompt, choice, len(text) // _TOKENS) | {"id": f"cmpl-{hashed(prompt)}"}
        )

    def _check_form(self, request: ChatRequest) -> None:
        if request.form == "json_schema" and not self._settings.json_schema:
            raise BadRequest(
                "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
                "response_format",
            )

    def _answer(self, request: ChatRequest) -> ToyReply:
        title = request.parsed.title
        if title in author.TITLES:
            return self._text(request, _dumped(author.write(self._lexicon, request, self._rates, self._settings.seed)))
        if title == "Committed span":
            return self._text(request, _dumped(judge.span(self._lexicon, request)))
        if title in judge.TITLES:
            return self._judge(request)
        if title:
            known = ", ".join((*judge.TITLES, *author.TITLES))
            raise BadRequest(
                f"The toy endpoint does not know the task {title!r}: the first line must name one of {known}.",
                "messages",
            )
        return self._text(request, _untitled(request))

    def _judge(self, request: ChatRequest) -> ToyReply:
        if request.parsed.title == "First tokens":
            chances = judge.verdict(self._lexicon, request, self._noise)
        else:
            value = judge.score(self._lexicon, request, self._noise)
            chances = (letter if _LETTERS_ASKED.search(request.parsed.instruction) else number)(value)
        place = fraction("draw", str(self._settings.seed), request.model, request.parsed.prompt, *request.draw)
        return one_of(chances, place, request.temperature > 0, self._settings.split_digits)

    def _text(self, request: ChatRequest, text: str) -> ToyReply:
        wanted = request.alternatives is not None and self._settings.logprobs
        return plain(text, self._settings.split_digits, request.limit, wanted)

    def _reply(self, request: ChatRequest, reply: ToyReply) -> dict[str, Any]:
        message = {"role": "assistant", "content": reply.content, "refusal": None}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
        if request.alternatives is not None and self._settings.logprobs:
            choice["logprobs"] = logprobs(reply.positions, request.alternatives)
        prompt = request.parsed.prompt
        envelope = _envelope("chat.completion", request.model, prompt, choice, reply.tokens)
        return envelope | {"id": f"chatcmpl-{hashed(request.model, prompt, *request.draw)[:24]}"}

    def _continue(self, text: str) -> str:
        found = [
            (hit.end, reader, hit.side)
            for reader in self._lexicon.readers.values()
            for hit in reader.hits(text)
            if hit.sort == "motive" and hit.side
        ]
        if not found:
            return "looked out of the window"
        _, reader, side = max(found, key=lambda item: item[0])
        acts = [act for act in reader.entry["acts"][side] if act[0].isupper() == text.endswith('"')]
        return str(acts[int(fraction("continue", text) * len(acts))])


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from error


def _completion_request(body: object) -> tuple[str, str]:
    if not isinstance(body, dict) or not isinstance(body.get("prompt"), str) or not isinstance(body.get("model"), str):
        raise BadRequest("Send a JSON object with the texts 'model' and 'prompt'.", "prompt")
    return body["prompt"], body["model"]


def _dumped(value: Mapping[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _untitled(request: ChatRequest) -> str:
    """The answer to a message without a title, such as a capability probe."""
    text = request.parsed.prompt
    literal = _LITERAL.search(text)
    if literal:
        return literal.group(1)
    if request.form == "json_schema":
        return _dumped(_instance(request.schema))
    if request.form == "json_object":
        return _dumped(_instance(_schema_in(text)))
    return "Hello. This is the toy endpoint: it answers the prompts of Cliffhanger."


def _schema_in(text: str) -> Mapping[str, Any]:
    """The JSON object on the last line that is one, where a message contains a schema."""
    for line in reversed(text.splitlines()):
        if line.lstrip().startswith("{"):
            try:
                return dict(json.loads(line))
            except ValueError:
                continue
    return {}


def _instance(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A small object that matches a schema of strings, numbers, booleans and arrays."""
    plain_values = {"string": "hello", "integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}
    properties = schema.get("properties") or {"greeting": {"type": "string"}}
    return {name: plain_values.get(str(about.get("type")), "hello") for name, about in properties.items()}


def _envelope(kind: str, model: str, prompt: str, choice: Mapping[str, Any], tokens: int) -> dict[str, Any]:
    tokens_in = max(1, len(prompt) // _TOKENS)
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens, "total_tokens": tokens_in + tokens}
    return {"object": kind, "created": 0, "model": model, "choices": [choice], "usage": usage}


def _error_reply(error: BadRequest) -> JSONResponse:
    about = {"message": str(error), "type": "invalid_request_error", "param": error.param, "code": error.code}
    return JSONResponse({"error": about}, status_code=400)
