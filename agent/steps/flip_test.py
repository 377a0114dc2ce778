"""Flip test: does the outcome follow the first tokens when opposite ones are forced? With the openers it needs."""

import math
from collections.abc import Mapping, Sequence

from agent.schema import (
    Completion,
    Flip,
    Opener,
    Polarity,
    Question,
    Request,
    Scenario,
    VoteOutcome,
    joint,
    opens_quotation,
)
from agent.steps.author import AuthorReply, author_request, read_reply
from agent.steps.case import CaseResult
from agent.steps.context import StepContext
from agent.steps.natures import ends_on_link
from agent.steps.questions import WORDINGS, JudgeQuestion
from agent.steps.vet import sampling
from agent.steps.voting import Ballot, collect_votes

OPENERS_PER_FORM = 3
_LONGEST = 60  # characters of an opener; chosen by judgement


class WrittenOpeners(AuthorReply):
    narrated: list[str]
    spoken: list[str]
    felt: list[str]


def openers_request(context: StepContext, polarity: Polarity) -> Request:
    """The request for openers of what is contrary to this side."""
    prompt = context.prompts.render(
        "openers",
        trait_id=context.trait.id,
        definition=context.trait.definition,
        behaviour=context.contrary(polarity),
        contrary=context.behaviour(polarity),
        count=OPENERS_PER_FORM,
    )
    return author_request(prompt, WrittenOpeners, max_tokens=400)


def opposite_openers(context: StepContext, polarity: Polarity) -> WrittenOpeners:
    """Up to six openers, written by the author, of what is contrary to this side; none if its reply is unusable."""
    (reply,) = context.ask([openers_request(context, polarity)])
    written, _ = read_reply(reply, WrittenOpeners)
    return written or WrittenOpeners(narrated=[], spoken=[], felt=[])


def joinable(written: WrittenOpeners, scenario: Scenario) -> list[str]:
    """The openers that can follow a scenario's last word, each with the blank or mark that joins it to the text."""
    text = scenario.text
    if text.endswith('"') or opens_quotation(text):
        return _usable("", written.spoken)
    blank = joint(text)
    if text.endswith((":", "：")):
        return _usable(f'{blank}"', written.spoken)
    return _usable(blank, written.felt if ends_on_link(text) else written.narrated)


def _usable(joint: str, openers: list[str]) -> list[str]:
    plain = [" ".join(opener.strip(' "“”.。「」').split()) for opener in openers[:OPENERS_PER_FORM]]
    return [joint + opener for opener in dict.fromkeys(plain) if 0 < len(opener) <= _LONGEST]


WANTED_OPENERS = (
    4  # opposite openers from the subject's own texts, below which the author's are added; chosen by judgement
)


def flip_test(context: StepContext, results: Sequence[CaseResult], which: Sequence[int]) -> dict[int, Flip]:
    """The flip test of each case of `which` that has an opposite opener: both arms of all cases in one batch.

    Opposite openers come from the case's own samples judged opposite, from its twin, and from the author.
    """
    openers = {i: _opposite(results, results[i]) for i in which if _can_flip(context, results[i])}
    _add_written(context, results, openers)
    opposite = {i: found for i, found in openers.items() if found}
    arms = [(i, side) for i, others in opposite.items() for side in ([results[i].completion.opening], others)]
    counts = iter(_outcomes(context, [(results[i].scenario, side) for i, side in arms]) if arms else [])
    return {i: Flip(own=next(counts), opposite=next(counts)) for i in opposite}


def _can_flip(context: StepContext, result: CaseResult) -> bool:
    """Where mere absence of the trait is wanted there is no act of its own for the first tokens to decide."""
    absent = context.trait.negative_test.is_met_by_absence(result.scenario.polarity)
    return context.rules.flip_samples > 0 and not context.sustained and not absent


def _opposite(results: Sequence[CaseResult], result: CaseResult) -> list[str]:
    """Openings of its own samples judged opposite, and its twin's first tokens where the twin goes its way."""
    found = []
    if result.lock_in is not None:
        sampled = zip(result.lock_in.samples, result.lock_in.contrary, strict=True)
        found = [sample.opening for sample, contrary in sampled if contrary]
    twin = None if result.twin is None else results[result.twin]
    if twin is not None and twin.outcome(Question.RESPONSE) is VoteOutcome.FAVOURABLE:
        found.append(twin.completion.opening)
    return list(dict.fromkeys(found))


def _add_written(context: StepContext, results: Sequence[CaseResult], openers: Mapping[int, list[str]]) -> None:
    """Add the author's openers to those that the subject's own texts gave, where these are few."""
    for polarity in Polarity:
        few = [
            i for i, own in openers.items() if len(own) < WANTED_OPENERS and results[i].scenario.polarity is polarity
        ]
        if few:
            written = opposite_openers(context, polarity)
            for i in few:
                openers[i].extend(joinable(written, results[i].scenario)[: WANTED_OPENERS - len(openers[i])])


def _outcomes(context: StepContext, arms: Sequence[tuple[Scenario, Sequence[str]]]) -> list[tuple[int, int]]:
    """(texts that show the scenario's own outcome, texts judged) of each arm; its samples are shared among openers.

    The whole text is judged, each sample by one vote only, the wordings in turn, since only the share matters.
    """
    wanted = context.rules.flip_samples
    texts = _texts(context, arms)
    ballots = [
        Ballot(JudgeQuestion(Question.CL, scenario, text), (WORDINGS[n % len(WORDINGS)],), escalate=False)
        for (scenario, _), own in zip(arms, texts, strict=True)
        for n, text in enumerate(own)
    ]
    outcomes = [found.ruling for found in collect_votes(context, ballots)]
    shares = [outcomes[n : n + wanted] for n in range(0, len(outcomes), wanted)]
    return [(own.count(VoteOutcome.FAVOURABLE), wanted - own.count(VoteOutcome.OPEN)) for own in shares]


def _texts(context: StepContext, arms: Sequence[tuple[Scenario, Sequence[str]]]) -> list[list[Completion]]:
    """For each arm the `flip_samples` continuations with their opener in front, the openers in turn."""
    wanted = context.rules.flip_samples
    of_arm = [[Opener(text=opener, samples=math.ceil(wanted / len(own))) for opener in own] for _, own in arms]
    forced = [(scenario, opener) for (scenario, _), own in zip(arms, of_arm, strict=True) for opener in own]
    drawn = iter(context.complete([s for s, _ in forced], sampling(context, wanted), [opener for _, opener in forced]))
    texts = [
        [sample.model_copy(update={"text": opener.text + sample.text}) for opener in own for sample in next(drawn)]
        for own in of_arm
    ]
    return [own[:wanted] for own in texts]
