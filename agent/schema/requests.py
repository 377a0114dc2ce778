from enum import StrEnum
from typing import Literal

from agent.schema.pairs import FrozenModel


class Role(StrEnum):
    AUTHOR = "author"
    JUDGE = "judge"
    AUDITOR = "auditor"


class Shape(StrEnum):
    """What a well-formed reply is: a number 0–100, one of the options, JSON of a schema, or plain text."""

    NUMBER = "number"
    CHOICE = "choice"
    JSON = "json"
    TEXT = "text"


class Request(FrozenModel):
    """One question to an LLM role. `thresholds` matter only where a score must be sampled until it is clear of them."""

    role: Role
    shape: Shape
    prompt: str
    prompt_id: str
    options: tuple[str, ...] = ()
    json_schema: str | None = None
    temperature: float = 0.0
    sample: int = 0
    max_tokens: int = 4
    thresholds: tuple[float, ...] = ()


class Score(FrozenModel):
    """A probability-weighted 0–100 score. `mass`: numeric share of the probability; `low`/`high` bound the value."""

    value: float
    mass: float
    deviation: float = 0.0
    low: float = 0.0
    high: float = 100.0
    weak: bool = False
    method: Literal["logprobs", "letters", "samples"] = "logprobs"


class Reply(FrozenModel):
    """What came of a request: exactly one of score, choice, data, text - or an error, and then none of them."""

    score: Score | None = None
    choice: tuple[tuple[str, float], ...] = ()
    data: str | None = None
    text: str | None = None
    answers: tuple[str, ...] = ()
    error: str | None = None
