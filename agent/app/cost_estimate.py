"""Cost estimate of a run: an upper bound on its calls, and what a typical run takes."""

import math
from collections.abc import Mapping

from agent.schema import Caps, FrozenModel, Mode, Role, Rules
from agent.steps.draft import PER_REQUEST, WAVES
from agent.steps.lock_in import TIMES

_SPANS = 2  # requests for a committed span
_CUTS = 5  # candidate cut points of one text, including a borrowed hinge
_REFUSAL_ATTEMPTS = 2  # the author is asked once more after a refusal


class CostBound(FrozenModel):
    """Upper bound on the calls of each role and the subject's completions. Stored answers cost nothing."""

    texts: int
    judge: int
    auditor: int
    author: int
    subject: int


def upper_bound(caps: Caps, rules: Rules, mode: Mode, dataset_size: int) -> CostBound:
    """Calls of one trait under its caps if every text fails and every question takes all its votes."""
    goal = max(caps.target, dataset_size)
    pairs = min(dataset_size + caps.max_pairs, goal * caps.max_rounds)
    repairs = min(pairs * caps.max_repairs, goal * caps.max_rounds)
    texts = 2 * (pairs + repairs)
    questions = 7 if mode is Mode.SUSTAINED else 6
    candidates = 2 * repairs * (_CUTS + 2 * rules.candidates)
    votes = max(rules.max_votes, 2)
    samples = TIMES[-1] * rules.lock_in_samples
    flips = 2 * (rules.flip_samples + samples)  # two arms; one opener per sample, rounded up
    drafts = caps.max_rounds * WAVES * math.ceil(max(caps.batch, caps.pilot) / PER_REQUEST) if caps.max_pairs else 0
    return CostBound(
        texts=texts,
        judge=texts * (questions * votes + 2 * samples * votes + flips + _SPANS) + candidates * questions,
        auditor=texts * questions,
        author=drafts + 2 * repairs * _REFUSAL_ATTEMPTS,
        subject=texts * (1 + samples + flips) + candidates,
    )


class TypicalCost(FrozenModel):
    """A role's calls per wanted pair, and the tokens of one call without the definition."""

    calls: float
    tokens_in: int
    tokens_out: int


# Measured on experiments/demo, mean of 4 seeds.
_TYPICAL = {
    Role.JUDGE: TypicalCost(calls=62, tokens_in=335, tokens_out=1),
    Role.AUDITOR: TypicalCost(calls=11.5, tokens_in=355, tokens_out=1),
    Role.AUTHOR: TypicalCost(calls=0.9, tokens_in=1080, tokens_out=240),
}
_CHARACTERS_PER_TOKEN = 4  # the usual rule of thumb for English


def typical_cost(
    pairs: int, definition: str, prices: Mapping[Role, tuple[float, float]]
) -> tuple[dict[Role, int], float]:
    """(calls by role, dollars) of a typical run. `prices`: dollars per million input and output tokens."""
    calls = {role: round(typical.calls * pairs) for role, typical in _TYPICAL.items()}
    in_definition = len(definition) / _CHARACTERS_PER_TOKEN  # every prompt quotes the definition once
    micro_usd = sum(
        calls[role] * ((typical.tokens_in + in_definition) * prices[role][0] + typical.tokens_out * prices[role][1])
        for role, typical in _TYPICAL.items()
    )
    return calls, micro_usd / 1_000_000


def typical_sentence(calls: Mapping[Role, int], dollars: float | None) -> str:
    """The typical cost as a sentence; `dollars` is None where a price is unknown."""
    counts = ", ".join(f"{count} {role.value}" for role, count in calls.items())
    cost = "cost unknown" if dollars is None else f"about {dollars:.2f} USD" if dollars else "free"
    return f"typical run: about {counts} calls, {cost} (measured on the demo; harder traits need several times as many)"


def bound_sentence(bound: CostBound, caps: Caps, rules: Rules) -> str:
    """The upper bound as a sentence, with the caps that it comes from."""
    return (
        f"upper bound: {bound.judge} judge, {bound.auditor} auditor and {bound.author} author calls and "
        f"{bound.subject} completions, for up to {bound.texts} texts (--max-rounds {caps.max_rounds}, "
        f"--max-pairs {caps.max_pairs}, --max-repairs {caps.max_repairs}) with up to {rules.max_votes} votes per "
        "question. Stored answers cost nothing. An endpoint without log-probabilities takes up to 16 calls per score"
    )
