"""What is asked of the author and how its JSON is read. An unreadable reply yields nothing, with the reason."""

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
    kind_of,
    split_ending,
)
from agent.steps.context import StepContext
from agent.steps.cut import frozen_part


class AuthorReply(BaseModel):
    """Base of the author's reply shapes; they also make the JSON schemas sent along."""

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


ReplyT = TypeVar("ReplyT", bound=AuthorReply)


def read(reply: Reply, shape: type[ReplyT]) -> tuple[ReplyT | None, str | None]:
    """(what was written, None) or (None, why it cannot be used)."""
    if reply.data is None:
        return None, reply.error or "no reply"
    try:
        return shape.model_validate_json(reply.data), None
    except ValidationError as error:
        return None, f"{ErrorKind.MALFORMED}: {error.error_count()} fields of the author's JSON do not fit"


@dataclass(frozen=True)
class RepairTask:
    """One failing scenario, and what the author should know: earlier texts with verdicts, endings that worked."""

    pair: Pair
    finding: Finding
    rung: Rung
    earlier: tuple[tuple[str, Verdict | None], ...] = ()
    examples: tuple[str, ...] = ()
    struck: tuple[str, ...] = ()
    attempt: int = 0

    @property
    def scenario(self) -> Scenario:
        return self.pair.side(self.finding.polarity)


@dataclass(frozen=True)
class AuthoredText:
    """What the author gave for one ailment: scenarios, or pairs on a new topic. `refusal`: why there is nothing."""

    scenarios: tuple[Scenario, ...] = ()
    pairs: tuple[Pair, ...] = ()
    refusal: str | None = None


def ask_author(context: StepContext, ailments: Sequence[RepairTask]) -> list[AuthoredText]:
    """One result per ailment, in order. A refusal is retried once with a milder topic."""
    replies = context.ask([_request(context, ailment, milder=False) for ailment in ailments])
    refused = [i for i, reply in enumerate(replies) if kind_of(reply.error) is ErrorKind.REFUSAL]
    again = context.ask([_request(context, ailments[i], milder=True) for i in refused])
    for i, reply in zip(refused, again, strict=True):
        replies[i] = reply
    return [_read(ailment, reply, context.rules.candidates) for ailment, reply in zip(ailments, replies, strict=True)]


def _request(context: StepContext, ailment: RepairTask, milder: bool) -> Request:
    if ailment.rung is Rung.RETOPIC:
        return author_request(_retopic_prompt(context, ailment, milder), WrittenPairs, ailment.attempt)
    shape = WrittenSides if ailment.rung is Rung.SIMPLIFY else WrittenEndings
    return author_request(_rewrite_prompt(context, ailment, milder), shape, ailment.attempt)


def _rewrite_prompt(context: StepContext, ailment: RepairTask, milder: bool) -> Prompt:
    frozen, ending = frozen_part(ailment.scenario, ailment.finding.span)
    completion = ailment.finding.completion
    return context.prompts.render(
        "rewrite",
        trait_id=context.trait.id,
        definition=context.trait.definition,
        opposite=context.trait.opposite,
        mode=context.trait.mode.value,
        polarity=ailment.finding.polarity.value,
        behaviour=context.behaviour(ailment.finding.polarity),
        goal=ailment.rung.value,
        frozen=frozen,
        ending=ending,
        span=ailment.finding.span or "",
        opening=completion.opening if completion else "",
        earlier=[
            {"ending": split_ending(text)[1], "verdict": verdict.value if verdict else ""}
            for text, verdict in ailment.earlier
        ],
        examples=list(ailment.examples),
        count=context.rules.candidates,
        milder=milder,
    )


def _retopic_prompt(context: StepContext, ailment: RepairTask, milder: bool) -> Prompt:
    return context.prompts.render(
        "retopic",
        trait_id=context.trait.id,
        definition=context.trait.definition,
        opposite=context.trait.opposite,
        mode=context.trait.mode.value,
        positive=ailment.pair.positive.text,
        negative=ailment.pair.negative.text,
        count=context.rules.candidates,
        struck=list(ailment.struck),
        milder=milder,
    )


def _read(ailment: RepairTask, reply: Reply, most: int) -> AuthoredText:
    """What the reply offers, at most as many candidates as were asked for."""
    if ailment.rung is Rung.RETOPIC:
        found, why = read(reply, WrittenPairs)
        return AuthoredText(
            pairs=tuple(as_pair(ailment.pair.id, p, ailment.pair) for p in found.pairs[:most]) if found else (),
            refusal=why,
        )
    if ailment.rung is Rung.SIMPLIFY:
        sides, why = read(reply, WrittenSides)
        texts = [joined(s.stem, s.ending) for s in sides.stems_and_endings] if sides else []
    else:
        endings, why = read(reply, WrittenEndings)
        frozen, _ = frozen_part(ailment.scenario, ailment.finding.span)
        texts = [frozen + e.removeprefix(frozen).strip() for e in endings.endings] if endings else []
    return AuthoredText(
        scenarios=tuple(edited(ailment.scenario, text, ailment.rung) for text in texts[:most]), refusal=why
    )


def edited(scenario: Scenario, text: str, rung: Rung) -> Scenario:
    """The scenario with another text; an extended lock-in says so as long as it stands."""
    stem, ending = split_ending(text)
    flags = (Flag.EXTENDED,) if rung is Rung.EXTENDED else ()
    return scenario.model_copy(update={"stem": stem, "ending": ending, "flags": flags})


def joined(stem: str, ending: str) -> str:
    """Stem and ending as one text, with one blank between them where the author forgot it."""
    stem, ending = stem.strip(), ending.strip()
    return f"{stem} {ending}" if stem else ending


def as_pair(pair_id: str, written: WrittenPair, like: Pair | None = None, kind: str = "") -> Pair:
    """A pair as the author wrote it, split again by our own rule."""
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
