"""Decisions of a human about a proposal, each bound to exactly the texts it was made on."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agent.schema.judging import Finding
from agent.schema.pairs import FrozenModel, digest


class Act(StrEnum):
    """Kind of a line in decisions.jsonl. A recheck decides nothing: it stores the findings about an edit."""

    APPROVE = "approve"
    REJECT = "reject"
    EDIT = "edit"
    DROP = "drop"
    UNDO = "undo"
    RECHECK = "recheck"


Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$")]


class Decision(FrozenModel):
    """One act of one reviewer on one pair. `when` is ISO 8601 in UTC with microseconds, so that it sorts as text.

    `key` is the key of the pair decided on, `proposed` that of the proposal's (None where the line is to leave) and
    `base` that of the dataset's it would replace or remove (None where there is none). An edit carries its texts, a
    recheck its findings, an undo the id of what it takes back.
    """

    version: Literal[1] = 1
    trait: str
    campaign: int
    pair: str
    act: Act
    key: str
    proposed: str | None
    base: str | None
    positive: str | None = None
    negative: str | None = None
    findings: tuple[Finding, ...] = ()
    undone: str | None = None
    who: str
    when: Moment
    note: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        wanted = self.act is Act.EDIT
        if (self.positive is not None, self.negative is not None) != (wanted, wanted):
            raise ValueError("an edit, and nothing else, carries both texts")
        if (self.act is Act.UNDO) != (self.undone is not None):
            raise ValueError("an undo, and nothing else, names what it takes back")
        if (self.act is Act.RECHECK) != bool(self.findings):
            raise ValueError("a recheck, and nothing else, carries findings")
        return self

    @property
    def id(self) -> str:
        """The hash of the whole line, so that a repeated line is one decision."""
        return digest(self.model_dump_json())
