"""A scripted world for the steps: its judge, author and subject say what a test wrote down, or raise."""

import json
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from agent.prompts import PromptBook
from agent.schema import (
    Completion,
    Flag,
    Mode,
    NegativeTest,
    Opener,
    Pair,
    Polarity,
    Question,
    Reply,
    Request,
    Role,
    Rules,
    Sampling,
    Scenario,
    Score,
    Trait,
    split_ending,
)
from agent.steps.context import StepContext

POSITIVE, NEGATIVE = Polarity
Q = Question
Said = float | str | None
Wording = tuple[str, int]


class OutOfScriptError(AssertionError):
    """Something was asked for that the test did not foresee."""


prompts = cache(PromptBook.load)


def trait(mode: Mode = Mode.DECISION, negative_test: NegativeTest = NegativeTest.OPPOSITE) -> Trait:
    return Trait(
        id="tests/refusal",
        definition="HIGH: says no. MID: hesitates. LOW: helps. Key: the act.",
        opposite="helping gladly",
        mode=mode,
        negative_test=negative_test,
    )


def nothing(*_: object) -> list:
    raise OutOfScriptError("this test asks no model")


def context(
    ask: Callable[[Sequence[Request]], list[Reply]] = nothing,
    complete: Callable[[Sequence[Scenario], Sampling], list[tuple[Completion, ...]]] = nothing,
    rules: Rules | None = None,
    mode: Mode = Mode.DECISION,
    negative_test: NegativeTest = NegativeTest.OPPOSITE,
) -> StepContext:
    scales = dict.fromkeys(Role, "percent")
    return StepContext(trait(mode, negative_test), rules or Rules(), prompts(), ask, complete, scales)


def scenario(text: str, polarity: Polarity = POSITIVE, flags: tuple[Flag, ...] = ()) -> Scenario:
    stem, ending = split_ending(text)
    return Scenario(polarity=polarity, stem=stem, ending=ending, flags=flags)


def pair(positive: str, negative: str, name: str = "d0000", **more: object) -> Pair:
    return Pair(id=name, positive=scenario(positive), negative=scenario(negative, NEGATIVE), **more)


def reply(said: Said) -> Reply:
    """A number is a score, an option a choice, None a reply that could not be read."""
    if said is None:
        return Reply(error="malformed: the answer holds no number")
    if isinstance(said, str):
        return Reply(choice=((said, 0.9), *((o, 0.05) for o in ("EXPRESS", "EXPLAIN", "NEITHER") if o != said)))
    return Reply(score=Score(value=said, mass=1.0))


def wrote(**data: object) -> Reply:
    """The author's JSON."""
    return Reply(data=json.dumps(data))


REFUSED = Reply(error="refusal: I would rather not write about this.")


def block(request: Request, tag: str) -> str:
    """What stands in the fenced block of a prompt."""
    match = re.search(rf"<({tag}-[0-9a-f]{{6}})>\n(.*?)\n</\1>", request.prompt, re.DOTALL)
    if match is None:
        raise OutOfScriptError(f"{request.prompt_id} has no block <{tag}>")
    return match.group(2)


def blocks(request: Request, tag: str) -> list[str]:
    return [m.group(2) for m in re.finditer(rf"<({tag}-[0-9a-f]{{6}})>\n(.*?)\n</\1>", request.prompt, re.DOTALL)]


def name_of(request: Request) -> str:
    return request.prompt_id.partition("@")[0]


def wording_of(request: Request) -> Wording:
    return name_of(request).partition(".")[2], request.sample


@dataclass(frozen=True)
class Facts:
    """What the models say of one text. Unset answers speak for the scenario; `votes` holds answers by wording.

    `flip` holds, for its own opener and for the opposite ones, how far each sampled text shows its own outcome.
    """

    s: Said = 0.0
    j: Said = 0.0
    v: Said = "EXPRESS"
    c0: Said = 15.0
    c5: Said = 80.0
    cl: Said = 90.0
    opening: Said = 0.0
    samples: tuple[Said, ...] = ()
    sampled_c5: Said = 80.0
    sampled_opening: Said = 0.0
    votes: Mapping[tuple[Question, Wording], Said] = field(default_factory=dict)
    flip: tuple[tuple[Said, ...], tuple[Said, ...]] | None = None
    spans: tuple[str | None, ...] = ()
    next_tokens: tuple[tuple[int, float], ...] = ()
    exact_boundary: bool = True


_NAMES = {Q.FORECAST: "s", Q.RESPONSE: "j", Q.OPENING: "opening", Q.VERDICT: "v", Q.C0: "c0", Q.C5: "c5", Q.CL: "cl"}


class World:
    """Judge, author and subject in one. Records every request and every completion."""

    def __init__(self, facts: Mapping[Scenario, Facts], author: Sequence[Reply] = ()) -> None:
        self.facts = {s.text: known for s, known in facts.items()}
        self.scenarios = {s.text: s for s in facts}
        self.author = deque(author)
        self.asked: list[Request] = []
        self.completed: list[tuple[str, int]] = []
        self.forced: dict[str, Said] = {}
        self.openers = wrote(narrated=[], spoken=[], felt=[])

    def context(self, **more: object) -> StepContext:
        return context(self.ask, self.complete, **more)

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        self.asked += requests
        return [self._written(r) if r.role is Role.AUTHOR else self._judged(r) for r in requests]

    def _written(self, request: Request) -> Reply:
        if name_of(request) == "openers":
            return self.openers
        if not self.author:
            raise OutOfScriptError(f"the author has nothing left to answer to {request.prompt_id}")
        return self.author.popleft()

    def _judged(self, request: Request) -> Reply:
        if name_of(request) == "span":
            spans = self._known(block(request, "prefix")).spans
            if request.sample >= len(spans):
                raise OutOfScriptError("nobody wrote down a span for this text")
            span = spans[request.sample]
            return Reply(error="transient: the line is dead") if span is None else wrote(span=span)
        if name_of(request).startswith("commitment") and block(request, "text") in self.forced:
            return reply(self.forced[block(request, "text")])
        question, text, number = self._meant(request)
        known = self._known(text)
        said = known.votes.get((question, wording_of(request)), getattr(known, _NAMES[question]))
        if number is not None:
            of_samples = {Q.RESPONSE: known.samples[number], Q.OPENING: known.sampled_opening, Q.C5: known.sampled_c5}
            said = of_samples[question]
        if question in (Q.FORECAST, Q.RESPONSE, Q.OPENING) and said == 0.0:
            said = 90.0 if self.scenarios[text].polarity is POSITIVE else 10.0
        return reply(said)

    def _meant(self, request: Request) -> tuple[Question, str, int | None]:
        """(question, text of the scenario, number of the sample) that a judge's request is about."""
        kind = name_of(request).partition(".")[0]
        if kind == "forecast":
            return Q.FORECAST, block(request, "text"), None
        if kind == "verdict":
            return Q.VERDICT, block(request, "prefix"), None
        shown = block(request, "completion" if kind == "response" else "text")
        for text in self.facts:
            sampled = [self.completion(text, n) for n in range(len(self.facts[text].samples))]
            drawn = {s.text if kind == "response" else text + s.opening: n for n, s in enumerate(sampled)}
            made = self.completion(text)
            if kind == "response":
                opened = {s.opening: n for n, s in enumerate(sampled)}
                options = {made.text: Q.RESPONSE, made.opening: Q.OPENING, **dict.fromkeys(drawn, Q.RESPONSE)}
                options, drawn = options | dict.fromkeys(opened, Q.OPENING), drawn | opened
            else:
                options = {text: Q.C0, text + made.opening: Q.C5, text + made.text: Q.CL, **dict.fromkeys(drawn, Q.C5)}
            if shown in options:
                return options[shown], text, drawn.get(shown)
        raise OutOfScriptError(f"{request.prompt_id} is about a text that no test described: {shown!r}")

    def _known(self, text: str) -> Facts:
        if text not in self.facts:
            raise OutOfScriptError(f"no test described {text!r}")
        return self.facts[text]

    def completion(self, text: str, sample: int | None = None) -> Completion:
        known, number = self._known(text), list(self.facts).index(text)
        opening = f" went on {number}" + ("" if sample is None else f" in way {sample}")
        return Completion(
            text=f"{opening} and so forth",
            token_ids=(number,),
            opening=opening,
            sample=sample,
            next_tokens=known.next_tokens,
            exact_boundary=known.exact_boundary,
        )

    def complete(
        self, scenarios: Sequence[Scenario], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> list[tuple[Completion, ...]]:
        if openers:
            return [self._opened(s.text, opener) for s, opener in zip(scenarios, openers, strict=True)]
        self.completed += [(s.text, sampling.samples) for s in scenarios]
        draws: Sequence[int | None] = range(sampling.samples) if sampling.samples else (None,)
        return [tuple(self.completion(s.text, n) for n in draws) for s in scenarios]

    def _opened(self, text: str, opener: Opener) -> tuple[Completion, ...]:
        """The continuations of a text with an opener that it was given."""
        forced = text + opener.text
        self.completed.append((forced, opener.samples))
        known = self._known(text)
        if known.flip is None:
            raise OutOfScriptError(f"nobody said what follows {forced!r}")
        said = known.flip[0 if opener.text == self.completion(text).opening else 1]
        made = [
            Completion(text=f" and then {n}", token_ids=(n,), opening=" and", sample=n) for n in range(opener.samples)
        ]
        self.forced |= {forced + one.text: said[n % len(said)] for n, one in enumerate(made)}
        return tuple(made)

    def names(self) -> list[str]:
        """The prompts rendered so far, in order."""
        return [name_of(request) for request in self.asked]

    def about(self, question: Question, text: str) -> list[Wording]:
        """In which wordings and samples a question about a text's greedy completion was asked, in order."""
        judged = [
            r
            for r in self.asked
            if r.role is not Role.AUTHOR
            and name_of(r) != "span"
            and not (name_of(r).startswith("commitment") and block(r, "text") in self.forced)
        ]
        return [wording_of(r) for r in judged if self._meant(r) == (question, text, None)]
