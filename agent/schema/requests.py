"""Requests to an LLM role, their replies, and the kinds of error."""

from enum import StrEnum
from typing import Literal

from agent.schema.pairs import FrozenModel


class Role(StrEnum):
    AUTHOR = "author"
    JUDGE = "judge"
    AUDITOR = "auditor"


class Shape(StrEnum):
    """Shape of a well-formed reply: a number 0–100, one of the options, JSON of a schema, or plain text."""

    NUMBER = "number"
    CHOICE = "choice"
    JSON = "json"
    TEXT = "text"


class ErrorKind(StrEnum):
    """The kinds of error a reply can have. Errors are stored as "kind: sentence"; see `kind_of`."""

    TRANSIENT = "transient"
    RATE = "rate"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    QUOTA = "quota"
    AUTH = "auth"
    DETERMINISTIC = "deterministic"
    TRUNCATED = "truncated"
    REFUSAL = "refusal"
    STOPPED = "stopped"
    UNSCORED = "unscored"
    OUTAGE = "outage"
    BUDGET = "budget"
    UNANSWERED = "unanswered"
    TOO_LONG = "too long"


AUTHOR_NOTE = "author: "  # prefix of the author's errors in a round's notes
_KINDS = {kind.value: kind for kind in ErrorKind}


def kind_of(text: str | None) -> ErrorKind | None:
    """The kind of a stored error "kind: sentence", also after `AUTHOR_NOTE`; None for any other text."""
    name, colon, _ = (text or "").removeprefix(AUTHOR_NOTE).partition(":")
    return _KINDS.get(name) if colon else None


class Request(FrozenModel):
    """One request to an LLM role. `thresholds`: a score that must be sampled is sampled until it is clear of them."""

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
    """Probability-weighted score, 0–100. `mass`: probability on numbers; `low` and `high` bound the value."""

    value: float
    mass: float
    deviation: float = 0.0
    low: float = 0.0
    high: float = 100.0
    weak: bool = False
    method: Literal["logprobs", "letters", "samples"] = "logprobs"


class Reply(FrozenModel):
    """Reply to a request: exactly one of score, choice, data and text, or an error and none of them."""

    score: Score | None = None
    choice: tuple[tuple[str, float], ...] = ()
    data: str | None = None
    text: str | None = None
    answers: tuple[str, ...] = ()
    error: str | None = None
