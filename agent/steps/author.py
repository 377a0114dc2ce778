"""Requests to the author and its replies in JSON. An unusable reply yields nothing, with the reason."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.prompts import Prompt
from agent.schema import (
    ErrorKind,
    Finding,
    Flag,
    Pair,
    Polarity,
    Reply,
    Request,
    Role,
    Rung,
    Scenario,
    Shape,
    Verdict,
    joint,
    kind_of,
    split_ending,
)
from agent.steps.context import StepContext
from agent.steps.cut import frozen_part


class AuthorReply(BaseModel):
    """Base of the shapes of author replies, whose JSON schemas are sent with the request."""

    model_config = ConfigDict(extra="forbid")


class WrittenSide(AuthorReply):
    stem: str
    ending: str


class WrittenPair(AuthorReply):
    domain: str
    positive: WrittenSide
    negative: WrittenSide


class WrittenPairs(AuthorReply):
    pairs: list[WrittenPair]


class WrittenEndings(AuthorReply):
    endings: list[str]


class WrittenSides(AuthorReply):
    stems_and_endings: list[WrittenSide]


def author_request(prompt: Prompt, shape: type[AuthorReply], sample: int = 0, max_tokens: int = 2000) -> Request:
    """A request for JSON to the author, at temperature 1, since candidates must differ."""
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


ReplyT = TypeVar("ReplyT", bound=AuthorReply)


def read_reply(reply: Reply, shape: type[ReplyT]) -> tuple[ReplyT | None, str | None]:
    """(the reply, None) or (None, why it cannot be used)."""
    if reply.data is None:
        return None, reply.error or "no reply"
    try:
        return shape.model_validate_json(reply.data), None
    except ValidationError as error:
        return None, f"{ErrorKind.MALFORMED}: {error.error_count()} fields of the author's JSON do not fit"


@dataclass(frozen=True)
class RepairTask:
    """One failing scenario to repair, with earlier texts and their verdicts, and endings that worked elsewhere."""

    pair: Pair
    finding: Finding
    rung: Rung
    earlier: tuple[tuple[str, Verdict | None], ...] = ()
    examples: tuple[str, ...] = ()
    excluded_topics: tuple[str, ...] = ()
    attempt: int = 0

    @property
    def scenario(self) -> Scenario:
        return self.pair.side(self.finding.polarity)


@dataclass(frozen=True)
class AuthoredText:
    """The author's texts for one task: scenarios, or pairs on a new topic. `refusal`: why there are none."""

    scenarios: tuple[Scenario, ...] = ()
    pairs: tuple[Pair, ...] = ()
    refusal: str | None = None


def ask_author(context: StepContext, tasks: Sequence[RepairTask]) -> list[AuthoredText]:
    """One result per task, in order. A refusal is retried once with a milder topic."""
    replies = context.ask([_request(context, task, milder=False) for task in tasks])
    refused = [i for i, reply in enumerate(replies) if kind_of(reply.error) is ErrorKind.REFUSAL]
    again = context.ask([_request(context, tasks[i], milder=True) for i in refused])
    for i, reply in zip(refused, again, strict=True):
        replies[i] = reply
    return [_read(task, reply, context.rules.candidates) for task, reply in zip(tasks, replies, strict=True)]


def _request(context: StepContext, task: RepairTask, milder: bool) -> Request:
    if task.rung is Rung.RETOPIC:
        return author_request(_retopic_prompt(context, task, milder), WrittenPairs, task.attempt)
    shape = WrittenSides if task.rung is Rung.SIMPLIFY else WrittenEndings
    return author_request(_rewrite_prompt(context, task, milder), shape, task.attempt)


def _rewrite_prompt(context: StepContext, task: RepairTask, milder: bool) -> Prompt:
    frozen, ending = frozen_part(task.scenario, task.finding.span)
    completion = task.finding.completion
    return context.prompts.render(
        "rewrite",
        trait_id=context.trait.id,
        definition=context.trait.definition,
        opposite=context.trait.opposite,
        mode=context.trait.mode.value,
        polarity=task.finding.polarity.value,
        behaviour=context.behaviour(task.finding.polarity),
        goal=task.rung.value,
        frozen=frozen,
        ending=ending,
        span=task.finding.span or "",
        opening=completion.opening if completion else "",
        earlier=[
            {"ending": split_ending(text)[1], "verdict": verdict.value if verdict else ""}
            for text, verdict in task.earlier
        ],
        examples=list(task.examples),
        count=context.rules.candidates,
        milder=milder,
    )


def _retopic_prompt(context: StepContext, task: RepairTask, milder: bool) -> Prompt:
    return context.prompts.render(
        "retopic",
        trait_id=context.trait.id,
        definition=context.trait.definition,
        opposite=context.trait.opposite,
        mode=context.trait.mode.value,
        positive=task.pair.positive.text,
        negative=task.pair.negative.text,
        count=context.rules.candidates,
        struck=list(task.excluded_topics),
        milder=milder,
    )


def _read(task: RepairTask, reply: Reply, most: int) -> AuthoredText:
    """The texts of a reply, at most `most` of them."""
    if task.rung is Rung.RETOPIC:
        found, why = read_reply(reply, WrittenPairs)
        return AuthoredText(
            pairs=tuple(as_pair(task.pair.id, p, task.pair) for p in found.pairs[:most]) if found else (),
            refusal=why,
        )
    if task.rung is Rung.SIMPLIFY:
        sides, why = read_reply(reply, WrittenSides)
        texts = [joined(s.stem, s.ending) for s in sides.stems_and_endings] if sides else []
    else:
        endings, why = read_reply(reply, WrittenEndings)
        frozen, _ = frozen_part(task.scenario, task.finding.span)
        texts = [frozen + e.removeprefix(frozen).strip() for e in endings.endings] if endings else []
    return AuthoredText(scenarios=tuple(edited(task.scenario, text, task.rung) for text in texts[:most]), refusal=why)


def edited(scenario: Scenario, text: str, rung: Rung) -> Scenario:
    """The scenario with another text, flagged as long as it is an extended lock-in."""
    stem, ending = split_ending(text)
    flags = (Flag.EXTENDED,) if rung is Rung.EXTENDED else ()
    return scenario.model_copy(update={"stem": stem, "ending": ending, "flags": flags})


def joined(stem: str, ending: str) -> str:
    """Stem and ending as one text, with a single blank between them where their script writes one."""
    stem, ending = stem.strip(), ending.strip()
    return stem + joint(stem) + ending


def as_pair(pair_id: str, written: WrittenPair, like: Pair | None = None, kind: str = "") -> Pair:
    """A pair as the author wrote it, each side split into stem and ending by `split_ending`."""
    sides = {}
    for polarity, side in ((Polarity.POSITIVE, written.positive), (Polarity.NEGATIVE, written.negative)):
        stem, ending = split_ending(joined(side.stem, side.ending))
        system_prompt = like.side(polarity).system_prompt if like else None
        sides[polarity] = Scenario(polarity=polarity, stem=stem, ending=ending, system_prompt=system_prompt)
    return Pair(
        id=pair_id,
        positive=sides[Polarity.POSITIVE],
        negative=sides[Polarity.NEGATIVE],
        domain=written.domain.strip().lower()[:60],
        kind=like.kind if like else kind,
        line=like.line if like else None,
    )
