"""Where the votes cannot decide, the subject is asked: by further samples, and by the flip test.

The flip test: P(outcome | prefix + own opener) - P(outcome | prefix + opposite opener). 1: the first tokens decide;
0: the prefix had decided already. It tells an open prefix from a committed one by what the subject does, and not by
what a judge says of the prefix.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from agent.schema import Completion, Flip, NegativeTest, Polarity, Question, Ruling, Scenario
from agent.steps.bench import Bench
from agent.steps.questions import WORDINGS, Asked
from agent.steps.vet import Case, Tallies, sampling
from agent.steps.voting import Ballot, poll, tally

DECIDES = 0.6  # the flip value from which on the first tokens decide
DECIDED = 0.3  # the value up to which they do not
_BY_SAMPLES = (Question.FORECAST, Question.RESPONSE)
_JUDGED = 0.5  # the share of each arm that must have been judged


@dataclass(frozen=True)
class Settled:
    """Further evidence on one hesitating case.

    `tallies`: a forecast or response whose votes are tied is ruled by its own samples. `flip`: favourable where the
    first tokens decide, adverse where the prefix had; a tie between the two, and without an opposite opener.
    """

    tallies: Tallies
    lock_in: tuple[int, int]
    flip: Ruling = Ruling.TIE
    measured: Flip | None = None


def lock_in(bench: Bench, cases: Sequence[Case]) -> list[tuple[int, int]]:
    """(passed, judged) over the stored samples of each case."""
    counted = [[ruling for _, ruling in own] for own in _judged_samples(bench, cases)]
    return [(own.count(Ruling.FAVOURABLE), len(own) - own.count(Ruling.OPEN)) for own in counted]


def lock_in_holds(bench: Bench, counted: tuple[int, int]) -> Ruling:
    """Whether enough samples passed; open while those that could not be judged may still decide it."""
    passed, judged = counted
    if passed >= bench.rules.lock_in_needed:
        return Ruling.FAVOURABLE
    may_still_hold = passed + bench.rules.lock_in_samples - judged >= bench.rules.lock_in_needed
    return Ruling.OPEN if may_still_hold else Ruling.ADVERSE


def settle(
    bench: Bench,
    cases: Sequence[Case],
    completions: Sequence[Completion],
    tallies: Sequence[Tallies],
    which: Collection[int],
) -> dict[int, Settled]:
    """What the subject's further behaviour says of the hesitating cases `which`."""
    order = sorted(which)
    samples = _judged_samples(bench, [cases[i] for i in order])
    settled = {}
    flips: dict[int, list[str]] = {}
    for i, own in zip(order, samples, strict=True):
        counted = [ruling for _, ruling in own]
        held = (counted.count(Ruling.FAVOURABLE), len(own) - counted.count(Ruling.OPEN))
        settled[i] = Settled(_untied(tallies[i], lock_in_holds(bench, held)), held)
        if _can_flip(bench, cases[i]):
            opposite = [completion.opening for completion, ruling in own if ruling is Ruling.ADVERSE]
            if tallies[i ^ 1][Question.RESPONSE].ruling is Ruling.FAVOURABLE:
                opposite.append(completions[i ^ 1].opening)
            flips[i] = list(dict.fromkeys(opposite))
    return settled | _flipped(bench, cases, completions, {i: o for i, o in flips.items() if o}, settled)


def _untied(tallies: Tallies, ruling: Ruling) -> Tallies:
    return {
        q: tally(q, ruling, found.votes) if q in _BY_SAMPLES and found.ruling is Ruling.TIE else found
        for q, found in tallies.items()
    }


def _can_flip(bench: Bench, case: Case) -> bool:
    """Where mere absence of the trait is wanted there is no act of its own for the first tokens to decide."""
    absent = case.scenario.polarity is Polarity.NEGATIVE and bench.trait.negative_test is NegativeTest.ABSENCE
    return bench.rules.flip_samples > 0 and not bench.sustained and not absent


def _judged_samples(bench: Bench, cases: Sequence[Case]) -> list[list[tuple[Completion, Ruling]]]:
    """The stored samples of each case, each with what the response's vote made of it."""
    drawn = bench.complete([case.scenario for case in cases], sampling(bench, bench.rules.lock_in_samples))
    ballots = [
        Ballot(Asked(Question.RESPONSE, case.scenario, sample), WORDINGS[:1])
        for case, samples in zip(cases, drawn, strict=True)
        for sample in samples
    ]
    rulings = iter([found.ruling for found in poll(bench, ballots)])
    return [[(sample, next(rulings)) for sample in samples] for samples in drawn]


def _flipped(
    bench: Bench,
    cases: Sequence[Case],
    completions: Sequence[Completion],
    opposite: dict[int, list[str]],
    settled: dict[int, Settled],
) -> dict[int, Settled]:
    """The flip test of each case that has an opposite opener: both arms of all cases in one batch."""
    arms = [(i, openers) for i, others in opposite.items() for openers in ([completions[i].opening], others)]
    counted = _outcomes(bench, [(cases[i].scenario, openers) for i, openers in arms])
    found = {}
    for n, i in enumerate(opposite):
        measured = Flip(own=counted[2 * n], opposite=counted[2 * n + 1])
        found[i] = replace(settled[i], flip=_ruling(bench, measured), measured=measured)
    return found


def _ruling(bench: Bench, flip: Flip) -> Ruling:
    enough = _JUDGED * bench.rules.flip_samples
    if min(flip.own[1], flip.opposite[1]) < enough or flip.value is None:
        return Ruling.OPEN
    if flip.value >= DECIDES:
        return Ruling.FAVOURABLE
    return Ruling.ADVERSE if flip.value <= DECIDED else Ruling.TIE


def _outcomes(bench: Bench, arms: Sequence[tuple[Scenario, Sequence[str]]]) -> list[tuple[int, int]]:
    """(texts that show the scenario's own outcome, texts judged) of each arm; its samples are shared among openers.

    The whole text is judged, and each sample by one vote only, the wordings in turn: it is the share that counts.
    """
    wanted = bench.rules.flip_samples
    forced = [
        scenario.model_copy(update={"ending": scenario.ending + opener})
        for scenario, openers in arms
        for opener in openers
    ]
    drawn = iter(bench.complete(forced, sampling(bench, wanted)))
    ballots, sizes = [], []
    for scenario, openers in arms:
        own = [(opener, next(drawn)) for opener in openers]
        shared = [own[n % len(own)] for n in range(wanted)]
        texts = [
            samples[n].model_copy(update={"text": opener + samples[n].text})
            for n, (opener, samples) in enumerate(shared)
        ]
        ballots += [
            Ballot(Asked(Question.CL, scenario, text), (WORDINGS[n % len(WORDINGS)],), appeal=False)
            for n, text in enumerate(texts)
        ]
        sizes.append(len(texts))
    rulings = iter([found.ruling for found in poll(bench, ballots)])
    own_rulings = [[next(rulings) for _ in range(size)] for size in sizes]
    return [(r.count(Ruling.FAVOURABLE), len(r) - r.count(Ruling.OPEN)) for r in own_rulings]
