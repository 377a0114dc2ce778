"""Drafting of matched pairs: kinds of lock-in and domains by quota, near-duplicates refused."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agent.schema import AUTHOR_NOTE, Change, Mode, Pair, Polarity, Request
from agent.steps.author import WrittenPairs, as_pair, author_request, read_reply
from agent.steps.context import StepContext
from agent.steps.natures import hinges
from agent.steps.screening import Diversity, mismatched, rejected_side, rejection_reason, texts_of

PER_REQUEST = 4  # pairs asked for at once; chosen by judgement, like the two below
WAVES = 3  # requests for what is still missing
SHOWN = 24  # latest pairs of the set that the author sees

DOMAINS = (
    "work", "school", "family", "neighbours", "friends", "money", "health", "travel", "online", "sports",
    "housing", "shopping", "food", "animals", "craft and repair", "clubs and volunteering",
)  # fmt: skip


@dataclass(frozen=True)
class DraftRequest:
    """How many pairs to draft for a set of `goal` pairs, given those in it and the topics to avoid.

    `first_id` is the number of the first draft; `rejected` are texts that a human rejected.
    """

    count: int
    goal: int
    pairs: tuple[Pair, ...]
    first_id: int
    round: int
    excluded_topics: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drafted:
    """The result of a request: one change per new pair, and why replies or pairs were not used."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]


def draft(context: StepContext, wanted: DraftRequest) -> Drafted:
    """Draft up to `count` new pairs. What is refused is asked for again, in at most three waves."""
    diversity = Diversity(context.rules, wanted.goal, wanted.pairs, context.trait.mode)
    accepted: list[Pair] = []
    notes: list[str] = []
    for wave in range(WAVES):
        missing = wanted.count - len(accepted)
        asked = _requests(context, wanted, (*wanted.pairs, *accepted), diversity, missing, wave)
        for (kind, _), reply in zip(asked, context.ask([request for _, request in asked]), strict=True):
            written, why = read_reply(reply, WrittenPairs)
            notes += [f"{AUTHOR_NOTE}{why}"] if why else []
            for one in written.pairs if written else ():
                pair = as_pair(f"n{wanted.first_id + len(accepted):04d}", one, kind=kind)
                why = (
                    "enough already"
                    if len(accepted) == wanted.count
                    else rejected_side(pair.sides, wanted.rejected)
                    or _rejection(pair, (*wanted.pairs, *accepted), diversity, context.trait.mode)
                    or next((reason for side in pair.sides if (reason := context.unfit(side))), None)
                )
                if why:
                    notes.append(f"refused {pair.positive.text!r}: {why}")
                else:
                    accepted.append(pair)
                    diversity.add(pair)
    changes = tuple(Change(pair=pair.id, what="draft", before=None, after=pair) for pair in accepted)
    return Drafted(changes, tuple(notes))


def _requests(
    context: StepContext, wanted: DraftRequest, existing: Sequence[Pair], diversity: Diversity, missing: int, wave: int
) -> list[tuple[str, Request]]:
    """(kind, request) for `missing` pairs: the kinds in turn, each with its own share of the domains with room."""
    mode, of_trait = context.trait.mode, hinges(context.trait)
    free = [domain for domain in DOMAINS if domain not in diversity.full_domains]
    asked = []
    for i in range(math.ceil(missing / PER_REQUEST)):
        hinge = of_trait[(wanted.round + wave + i) % len(of_trait)]
        prompt = context.prompts.render(
            "draft",
            trait_id=context.trait.id,
            definition=context.trait.definition,
            opposite=context.trait.opposite,
            mode=mode.value,
            count=min(PER_REQUEST, missing - i * PER_REQUEST),
            nature=[nature.value for nature in context.trait.nature],
            hinges=of_trait,
            kind=hinge.kind,
            kind_example=hinge.example,
            domain=_share(free, wanted.round + wave + i),
            accepted=[side.text for pair in existing[-SHOWN:] for side in pair.sides],
            struck=list(wanted.excluded_topics),
            common=list(diversity.common_hinges(*Polarity)),
        )
        asked.append(
            (
                hinge.kind,
                author_request(prompt, WrittenPairs, sample=(wanted.round * WAVES + wave) * 100 + i, max_tokens=4000),
            )
        )
    return asked


def _share(domains: Sequence[str], turn: int) -> list[str]:
    """Twice as many domains as pairs, starting at another one each turn."""
    start = turn * PER_REQUEST % max(1, len(domains))
    return [*domains[start:], *domains[:start]][: 2 * PER_REQUEST]


def _rejection(pair: Pair, existing: Sequence[Pair], diversity: Diversity, mode: Mode) -> str | None:
    if pair.positive.text == pair.negative.text:
        return "both sides are the same"
    reasons = [
        rejection_reason(side.text, texts_of(existing, side.polarity)) or diversity.too_common(side)
        for side in pair.sides
    ]
    unmatched = mismatched(pair.positive.text, pair.negative.text, mode)
    return next((why for why in reasons if why), None) or unmatched or diversity.full_domain(pair.domain)
