"""Requests to the author and its replies in JSON. An unusable reply yields nothing, with the reason."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

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
    joint,
    kind_of,
    split_ending,
)
from agent.steps.context import StepContext
from agent.steps.cut import frozen_part
from agent.steps.natures import hinges


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


class Attempted(NamedTuple):
    """An earlier text of a side, what was found, and the subject's first tokens after it (empty where unknown)."""

    text: str
    found: str
    opening: str = ""


class TopicTried(NamedTuple):
    """An earlier topic of a pair, as its first sentence, and what was found."""

    topic: str
    found: str


@dataclass(frozen=True)
class RepairTask:
    """One failing scenario to repair, with all that its author reads.

    `earlier`: this side's own texts in its present situation, oldest first. For a new topic: `latest`, of each side, is
    its latest attempt on the present topic, and `topics` are the ones tried before. `examples`: endings that worked
    elsewhere. `common`: last words on which enough texts of the set stop.
    """

    pair: Pair
    finding: Finding
    rung: Rung
    earlier: tuple[Attempted, ...] = ()
    latest: Mapping[Polarity, Attempted] = field(default_factory=dict)
    topics: tuple[TopicTried, ...] = ()
    examples: tuple[str, ...] = ()
    excluded_topics: tuple[str, ...] = ()
    common: tuple[str, ...] = ()
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
        **_hinges(context),
        polarity=task.finding.polarity.value,
        behaviour=context.behaviour(task.finding.polarity),
        goal=task.rung.value,
        frozen=frozen,
        ending=ending,
        span=task.finding.span or "",
        opening=completion.opening if completion else "",
        samples=list(task.finding.drifted),
        earlier=[
            {"ending": split_ending(one.text)[1], "found": one.found, "opening": one.opening} for one in task.earlier
        ],
        examples=list(task.examples),
        common=list(task.common),
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
        **_hinges(context),
        sides=[_side(task, polarity) for polarity in Polarity],
        tried=[one._asdict() for one in task.topics],
        count=context.rules.candidates,
        struck=list(task.excluded_topics),
        milder=milder,
    )


def _hinges(context: StepContext) -> dict[str, object]:
    return {"nature": [nature.value for nature in context.trait.nature], "hinges": hinges(context.trait)}


def _side(task: RepairTask, polarity: Polarity) -> dict[str, str]:
    """One side of a pair that needs a new topic: as it is, and its latest attempt where that is another text."""
    text, latest = task.pair.side(polarity).text, task.latest.get(polarity)
    shown = latest if latest is not None and latest.text != text else None
    return {
        "name": polarity.value.capitalize(),
        "tag": polarity.value,
        "text": text,
        "latest": shown.text if shown else "",
        "found": shown.found if shown else "",
    }


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
