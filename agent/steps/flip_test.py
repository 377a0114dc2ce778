"""A bank of openers, written once per trait and side: first words with which a scenario can be made to turn."""

import math
from collections.abc import Mapping, Sequence

from agent.schema import Completion, Flip, Opener, Polarity, Question, Scenario, VoteOutcome
from agent.steps.author import AuthorReply, author_request, read
from agent.steps.context import StepContext
from agent.steps.lock_in import LockIn
from agent.steps.questions import WORDINGS, JudgeQuestion
from agent.steps.vet import Case, Tallies, sampling
from agent.steps.voting import Ballot, collect_votes

OF_EACH_SORT = 3
_LONGEST = 60  # characters; a longer one is no opener


class WrittenOpeners(AuthorReply):
    narrated: list[str]
    spoken: list[str]


def opposite_openers(context: StepContext, polarity: Polarity) -> WrittenOpeners:
    """Six openers that begin what is contrary to this side; empty where the author's reply cannot be used."""
    prompt = context.prompts.render(
        "openers",
        trait_id=context.trait.id,
        definition=context.trait.definition,
        behaviour=context.contrary(polarity),
        contrary=context.behaviour(polarity),
        count=OF_EACH_SORT,
    )
    (reply,) = context.ask([author_request(prompt, WrittenOpeners, max_tokens=400)])
    written, _ = read(reply, WrittenOpeners)
    return written or WrittenOpeners(narrated=[], spoken=[])


def joinable(written: WrittenOpeners, scenario: Scenario) -> list[str]:
    """The openers that can follow a scenario's last word, with the blank or the mark that joins them to it."""
    text = scenario.text
    if text.endswith(("“", '"')):
        return _usable("", written.spoken)
    return _usable(' "', written.spoken) if text.endswith(":") else _usable(" ", written.narrated)


def _usable(joint: str, openers: list[str]) -> list[str]:
    plain = [" ".join(opener.strip(' "“”.').split()) for opener in openers[:OF_EACH_SORT]]
    return [joint + opener for opener in dict.fromkeys(plain) if 0 < len(opener) <= _LONGEST]


DECIDES = 0.6  # the value from which on the first tokens decide
DECIDED = 0.3  # the value up to which they do not
FEW = 4  # opposite openers, up to which the bank fills up
_JUDGED = 0.5  # the share of each arm that must have been judged


def flip_test(
    context: StepContext,
    cases: Sequence[Case],
    completions: Sequence[Completion],
    tallies: Sequence[Tallies],
    held: Mapping[int, LockIn],
) -> dict[int, Flip]:
    """The flip test of each case of `held` that has an opposite opener: both arms of all cases in one batch.

    Opposite openers come from its own samples judged opposite, from its twin, and from the trait's bank.
    """
    openers = {
        i: _opposite(samples, completions[i ^ 1], tallies[i ^ 1])
        for i, samples in held.items()
        if _can_flip(context, cases[i])
    }
    _fill_up(context, cases, openers)
    opposite = {i: found for i, found in openers.items() if found}
    arms = [(i, side) for i, others in opposite.items() for side in ([completions[i].opening], others)]
    counted = _outcomes(context, [(cases[i].scenario, side) for i, side in arms]) if arms else []
    return {i: Flip(own=counted[2 * n], opposite=counted[2 * n + 1]) for n, i in enumerate(opposite)}


def flip_ruling(context: StepContext, flip: Flip) -> VoteOutcome:
    """Favourable where the first tokens decide, adverse where the prefix had, a tie between the two."""
    enough = _JUDGED * context.rules.flip_samples
    if min(flip.own[1], flip.opposite[1]) < enough or flip.value is None:
        return VoteOutcome.OPEN
    if flip.value >= DECIDES:
        return VoteOutcome.FAVOURABLE
    return VoteOutcome.ADVERSE if flip.value <= DECIDED else VoteOutcome.TIE


def _can_flip(context: StepContext, case: Case) -> bool:
    """Where mere absence of the trait is wanted there is no act of its own for the first tokens to decide."""
    absent = context.trait.negative_test.is_met_by_absence(case.scenario.polarity)
    return context.rules.flip_samples > 0 and not context.sustained and not absent


def _opposite(held: LockIn, twins: Completion, of_twin: Tallies) -> list[str]:
    """Opposite openers: its own samples judged opposite, and its twin's first tokens where the twin goes its way."""
    own = [
        sample.opening
        for sample, ruling in zip(held.samples, held.rulings, strict=True)
        if ruling is VoteOutcome.ADVERSE
    ]
    twins_own = [twins.opening] if of_twin[Question.RESPONSE].ruling is VoteOutcome.FAVOURABLE else []
    return list(dict.fromkeys(own + twins_own))


def _fill_up(context: StepContext, cases: Sequence[Case], openers: Mapping[int, list[str]]) -> None:
    """Add openers of the trait's bank to those that the subject's own texts gave, where these are few."""
    for polarity in Polarity:
        few = [i for i, own in openers.items() if len(own) < FEW and cases[i].scenario.polarity is polarity]
        if few:
            written = opposite_openers(context, polarity)
            for i in few:
                openers[i].extend(joinable(written, cases[i].scenario)[: FEW - len(openers[i])])


def _outcomes(context: StepContext, arms: Sequence[tuple[Scenario, Sequence[str]]]) -> list[tuple[int, int]]:
    """(texts that show the scenario's own outcome, texts judged) of each arm; its samples are shared among openers.

    The whole text is judged, and each sample by one vote only, the wordings in turn: it is the share that counts.
    """
    wanted = context.rules.flip_samples
    texts = _texts(context, arms)
    ballots = [
        Ballot(JudgeQuestion(Question.CL, scenario, text), (WORDINGS[n % len(WORDINGS)],), appeal=False)
        for (scenario, _), own in zip(arms, texts, strict=True)
        for n, text in enumerate(own)
    ]
    rulings = [found.ruling for found in collect_votes(context, ballots)]
    shares = [rulings[n : n + wanted] for n in range(0, len(rulings), wanted)]
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
