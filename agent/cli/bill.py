"""How many calls: what a run made, what judging all afresh would have made, and what a night can make at most."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from agent.loop.standing import after, standing
from agent.schema import Caps, Finding, Mode, Noun, Polarity, Role, Round, Rules
from agent.steps.draft import PER_REQUEST, WAVES
from agent.steps.lock_in import TIMES

_SPANS = 2  # how often a committed span is asked for
_CUTS = 5  # cut points of one text, a borrowed hinge included
_ASKED_TWICE = 2  # a refusal is asked once more


def by_role(history: Iterable[Round]) -> Counter[str]:
    """Calls of all rounds by role; "subject" counts completions."""
    calls: Counter[str] = Counter()
    for done in history:
        calls.update(dict(done.cost.calls))
    return calls


def afresh(history: Iterable[Round]) -> int:
    """Judge and auditor calls of a loop that forgets: after each round the whole set is judged again as it was last.

    Its candidates, and all else that is no examination of the set, cost it what they cost here.
    """
    now, asked, examined, bought = standing(()), 0, set[_Bought](), 0
    for done in history:
        now = after(now, done)
        found = [item.finding(polarity) for item in now.items.values() for polarity in Polarity]
        asked += sum(len(_votes(finding)) for finding in found if finding is not None)
        examined.update(vote for finding in done.findings for vote in _votes(finding))
        bought += sum(n for role, n in done.cost.calls if role in (Role.JUDGE, Role.AUDITOR))
    return asked + max(0, bought - len(examined))


_Bought = tuple[str, str, str, int, int]


def _votes(finding: Finding) -> list[_Bought]:
    """Every answer that a finding rests on, under a name of its own."""
    votes = [
        (finding.key, str(tally.question), vote.wording, vote.sample, draw)
        for tally in finding.tallies
        for vote in tally.votes
        for draw in range(max(1, len(vote.answers)))
    ]
    samples = finding.lock_in[1] if finding.lock_in else 0
    return votes + [(finding.key, "lock-in", "a", sample, 0) for sample in range(samples)]


class Bound(Noun):
    """At most so many answers of each role, and completions of the subject. Answers already bought are free."""

    texts: int
    judge: int
    auditor: int
    author: int
    subject: int


def upper_bound(caps: Caps, rules: Rules, mode: Mode, dataset_size: int) -> Bound:
    """What one trait can cost at most under its caps, if everything fails and every ballot goes to the last vote."""
    goal = max(caps.target, dataset_size)
    pairs = min(dataset_size + caps.max_pairs, goal * caps.max_rounds)
    repairs = min(pairs * caps.max_repairs, goal * caps.max_rounds)
    texts = 2 * (pairs + repairs)
    questions = 7 if mode is Mode.SUSTAINED else 6
    tried = 2 * repairs * (_CUTS + 2 * rules.candidates)
    votes = max(rules.max_votes, 2)
    samples = TIMES[-1] * rules.lock_in_samples
    flips = 2 * (rules.flip_samples + samples)  # two arms; an opener of its own for each sample, rounded up
    drafts = caps.max_rounds * WAVES * math.ceil(max(caps.batch, caps.pilot) / PER_REQUEST) if caps.max_pairs else 0
    return Bound(
        texts=texts,
        judge=texts * (questions * votes + 2 * samples * votes + flips + _SPANS) + tried * questions,
        auditor=texts * questions,
        author=drafts + 2 * repairs * _ASKED_TWICE,
        subject=texts * (1 + samples + flips) + tried,
    )


class Usual(Noun):
    """What a role's calls come to in a usual night: measured on the demo (4 seeds), per pair wanted and per call."""

    calls: float
    tokens_in: int
    tokens_out: int


_USUAL = {
    Role.JUDGE: Usual(calls=62, tokens_in=335, tokens_out=1),
    Role.AUDITOR: Usual(calls=11.5, tokens_in=355, tokens_out=1),
    Role.AUTHOR: Usual(calls=0.9, tokens_in=1080, tokens_out=240),
}
_LETTERS = 4  # characters to a token, about


def usual_bill(
    pairs: int, definition: str, prices: Mapping[Role, tuple[float, float]]
) -> tuple[dict[Role, int], float]:
    """(calls by role, dollars) of a usual night for so many pairs; every prompt holds the definition once."""
    calls = {role: round(usual.calls * pairs) for role, usual in _USUAL.items()}
    micro = sum(
        calls[role]
        * ((usual.tokens_in + len(definition) / _LETTERS) * prices[role][0] + usual.tokens_out * prices[role][1])
        for role, usual in _USUAL.items()
    )
    return calls, micro / 1_000_000


def usual_in_words(calls: Mapping[Role, int], dollars: float | None) -> str:
    """The usual bill in words; None where not every price is known."""
    counted = ", ".join(f"{count} {role.value}" for role, count in calls.items())
    cost = "cost unknown" if dollars is None else f"about {dollars:.2f} USD" if dollars else "nothing to pay"
    return f"a usual night: about {counted} calls, {cost} (as the demo took; a harder set takes a few times as much)"


def explained(bound: Bound, caps: Caps, rules: Rules) -> str:
    """The bound in words."""
    return (
        f"at most {bound.judge} judge, {bound.auditor} auditor and {bound.author} author calls, and {bound.subject} "
        f"completions of the subject: {bound.texts} texts can be examined under --max-rounds {caps.max_rounds}, "
        f"--max-pairs {caps.max_pairs} and --max-repairs {caps.max_repairs}, each question by up to {rules.max_votes} "
        "votes. A usual night takes a small part of it; what is in the ledger already costs nothing; an endpoint "
        "without log-probabilities is asked up to 16 times for one score"
    )
