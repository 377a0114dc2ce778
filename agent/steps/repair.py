"""Mend failing pairs by the ladder: cut, else rewrite. The best candidate that passes every check wins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.schema import Candidate, Change, Mode, Pair, Polarity, Rung, Scenario
from agent.steps.author import REFUSAL
from agent.steps.bench import Bench
from agent.steps.cut import borrowed_hinges, cut_points, hinge_of
from agent.steps.rewrite import Ailment, ask_author, edited
from agent.steps.screen import Diversity, mismatched, rejected_side, texts_of, unfit
from agent.steps.trial import Tried, try_out

IDENTICAL = 100.0  # an edit of the same ending may well be near to one that was refused


@dataclass(frozen=True)
class Surroundings:
    """The rest of the set, and what a human refused, as far as an edit must respect it."""

    pairs: tuple[Pair, ...]
    goal: int
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """One text to try in place of a failing scenario; `pair` where both members change together."""

    scenario: Scenario
    rung: Rung
    pair: Pair | None = None


@dataclass(frozen=True)
class Treatment:
    """What was tried on one ailment: every candidate, and the proposal that passed, if one did."""

    ailment: Ailment
    rungs: tuple[Rung, ...]
    candidates: tuple[Candidate, ...]
    taken: Proposal | None
    why: str = ""


def repair(bench: Bench, ailments: Sequence[Ailment], around: Surroundings) -> list[Change]:
    """One change per pair that ails, in order of first appearance. A pair that nothing helped is kept as it is."""
    cuts = [a for a in ailments if a.rung is Rung.CUT]
    treated = _treat(bench, cuts, [_cuts(a, around) for a in cuts], around, _smallest_edit)
    uncut = [replace(t.ailment, rung=Rung.CLIFFHANGER) for t in treated if t.taken is None]
    written_for = uncut + [a for a in ailments if a.rung is not Rung.CUT]
    written = ask_author(bench, written_for)
    proposals = [
        [Proposal(s, a.rung) for s in w.scenarios] + [Proposal(p.side(a.finding.polarity), a.rung, p) for p in w.pairs]
        for a, w in zip(written_for, written, strict=True)
    ]
    rewritten = _treat(bench, written_for, proposals, around, _most_open)
    treated += [replace(t, why=w.refusal or t.why) for t, w in zip(rewritten, written, strict=True)]
    order = list(dict.fromkeys(a.pair.id for a in ailments))
    return [_change([t for t in treated if t.ailment.pair.id == pair_id]) for pair_id in order]


def _cuts(ailment: Ailment, around: Surroundings) -> list[Proposal]:
    scenario, span = ailment.scenario, ailment.finding.span
    hinges = [hinge for example in ailment.examples if (hinge := hinge_of(example))]
    cut = [Proposal(edited(scenario, text, Rung.CUT), Rung.CUT) for text in cut_points(scenario, span)]
    borrowed = borrowed_hinges(scenario, span, hinges)
    return cut + [Proposal(edited(scenario, text, Rung.CLIFFHANGER), Rung.CLIFFHANGER) for text in borrowed]


Rank = Callable[[Tried, Ailment], tuple[float, ...]]


def _smallest_edit(tried: Tried, ailment: Ailment) -> tuple[float, ...]:
    return (tried.rung is not Rung.CUT, len(ailment.scenario.text) - len(tried.scenario.text))


def _most_open(tried: Tried, ailment: Ailment) -> tuple[float, ...]:
    return (round(tried.c0), -round(tried.margin))


def _treat(
    bench: Bench, ailments: Sequence[Ailment], proposals: Sequence[Sequence[Proposal]], around: Surroundings, rank: Rank
) -> list[Treatment]:
    """Screen all, try out what is fit in one batch, and take the best of each ailment."""
    screened = [_screen(bench, a, own, around) for a, own in zip(ailments, proposals, strict=True)]
    fit = [proposal for own, _ in screened for proposal in own]
    sides = [(side, p.rung) for p in fit for side in _sides(p)]
    results = iter(try_out(bench, sides))
    treatments: list[Treatment] = []
    for ailment, (own, refused) in zip(ailments, screened, strict=True):
        tried = [(p, [next(results) for _ in _sides(p)]) for p in own]
        passing = [(min(rank(t, ailment) for t in both), i) for i, (_, both) in enumerate(tried) if _all_pass(both)]
        candidates = (*refused, *(t.noted() for _, both in tried for t in both))
        taken = next((tried[i][0] for _, i in sorted(passing) if _is_new(ailment, tried[i][0], treatments)), None)
        rungs = tuple(dict.fromkeys((ailment.rung, *(p.rung for p in own))))
        treatments.append(Treatment(ailment, rungs, candidates, taken, "" if taken else "no candidate passed"))
    return treatments


def _all_pass(tried: Sequence[Tried]) -> bool:
    return all(one.passes for one in tried)


def _is_new(ailment: Ailment, proposal: Proposal, treatments: Sequence[Treatment]) -> bool:
    """Whether no other pair took nearly the same text for the same side in this batch."""
    others = [t.taken for t in treatments if t.taken is not None and t.ailment.pair.id != ailment.pair.id]
    taken = [side for other in others for side in _sides(other)]
    return all(
        unfit(side.text, [t.text for t in taken if t.polarity is side.polarity]) is None for side in _sides(proposal)
    )


def _sides(proposal: Proposal) -> tuple[Scenario, ...]:
    return proposal.pair.sides if proposal.pair else (proposal.scenario,)


def _screen(
    bench: Bench, ailment: Ailment, proposals: Sequence[Proposal], around: Surroundings
) -> tuple[list[Proposal], list[Candidate]]:
    diversity = Diversity(bench.rules, around.goal, [p for p in around.pairs if p.id != ailment.pair.id])
    fit: list[Proposal] = []
    refused = []
    for proposal in proposals:
        if why := _unfit(ailment, proposal, around, diversity) or _unmatched(ailment, proposal, bench.trait.mode):
            refused.append(Candidate(text=proposal.scenario.text, rung=proposal.rung, refused=why))
        elif proposal not in fit:
            fit.append(proposal)
    return fit, refused


def _unfit(ailment: Ailment, proposal: Proposal, around: Surroundings, diversity: Diversity) -> str | None:
    others = [p for p in around.pairs if p.id != ailment.pair.id]
    if why := rejected_side(_sides(proposal), around.rejected, IDENTICAL):
        return why
    for side in _sides(proposal):
        if side.text in (ailment.pair.positive.text, ailment.pair.negative.text):
            return "changes nothing"
        why = unfit(side.text, texts_of(others, side.polarity))
        if why is None and proposal.rung is not Rung.CUT:
            why = diversity.too_common(side)
        if why:
            return why
    return None


def _unmatched(ailment: Ailment, proposal: Proposal, mode: Mode) -> str | None:
    """Why an edit would tear a matched pair apart; what was never matched may stay so."""
    before, after = ailment.pair, _with(ailment.pair, ailment.finding.polarity, proposal)
    if mismatched(before.positive.text, before.negative.text, mode):
        return None
    return mismatched(after.positive.text, after.negative.text, mode)


def _change(treatments: Sequence[Treatment]) -> Change:
    """All treatments of one pair as one change."""
    before = after = treatments[0].ailment.pair
    for treatment in treatments:
        if treatment.taken is not None:
            after = _with(after, treatment.ailment.finding.polarity, treatment.taken)
    return Change(
        pair=before.id,
        what="repair",
        before=before,
        after=after,
        rungs=tuple((t.ailment.finding.polarity, rung) for t in treatments for rung in t.rungs),
        candidates=tuple(c for t in treatments for c in t.candidates),
        why="; ".join(sorted({t.why: None for t in treatments if t.why}, key=lambda why: not why.startswith(REFUSAL))),
    )


def _with(pair: Pair, polarity: Polarity, proposal: Proposal) -> Pair:
    if proposal.pair is not None:
        return proposal.pair
    return pair.model_copy(update={polarity.value: proposal.scenario})
