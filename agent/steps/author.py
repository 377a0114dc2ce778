"""What is asked of the author and how its JSON is read. An unreadable reply yields nothing, with the reason."""

import json
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.prompts import Prompt
from agent.schema import Reply, Request, Role, Shape

REFUSAL = "refusal"


class Reading(BaseModel):
    """Base of the author's reply shapes; they also make the JSON schemas sent along."""

    model_config = ConfigDict(extra="forbid")


class WrittenSide(Reading):
    stem: str
    ending: str


class WrittenPair(Reading):
    domain: str
    positive: WrittenSide
    negative: WrittenSide


class WrittenPairs(Reading):
    pairs: list[WrittenPair]


class WrittenEndings(Reading):
    endings: list[str]


class WrittenSides(Reading):
    stems_and_endings: list[WrittenSide]


def author_request(prompt: Prompt, shape: type[Reading], sample: int = 0, max_tokens: int = 2000) -> Request:
    """A structured request to the author; temperature 1, since candidates must differ."""
    return Request(
        role=Role.AUTHOR,
        shape=Shape.JSON,
        prompt=prompt.text,
        prompt_id=prompt.id,
        json_schema=json.dumps(shape.model_json_schema(), sort_keys=True),
        temperature=1.0,
        sample=sample,
        max_tokens=max_tokens,
    )


Written = TypeVar("Written", bound=Reading)


def read(reply: Reply, shape: type[Written]) -> tuple[Written | None, str | None]:
    """(what was written, None) or (None, why it cannot be used)."""
    if reply.data is None:
        return None, reply.error or "no reply"
    try:
        return shape.model_validate_json(reply.data), None
    except ValidationError as error:
        return None, f"malformed: {error.error_count()} fields of the author's JSON do not fit"
