"""A report in which every text that a model or a user writes is hostile: each of the corpus stands in every place."""

from agent.review.report.build import build_report
from agent.review.report.model import Report
from agent.schema import Candidate, Ending, Pair, Park, Recheck, Round, Rung, Stop, Trait
from tests.hostile import TEXTS
from tests.loop.histories import FAIL, NEGATIVE, POSITIVE, adopted, edited, history, pair, repaired, round_
from tests.review.report.examples import SETTINGS, both, measures, record

HARDEST = 6  # as many histories as a report shows


def hostile() -> Report:
    """The texts as stems, endings, system prompts, completions, openings, spans, reasons, candidates, models, words."""
    bad = [_pair(number, text, text) for number, text in enumerate(TEXTS)]
    good = [_pair(number, text, f"{text} {text[:80]}") for number, text in enumerate(TEXTS)]
    findings = [
        found for one, text in zip(bad, TEXTS, strict=True) for found in both(one, FAIL, **_shown(text), span=text)
    ]
    repairs = [repaired(old, new, both(new, **_shown(text))) for old, new, text in zip(bad, good, TEXTS, strict=True)]
    parks = [Park(pair=one.id, why=text) for one, text in zip(bad, TEXTS, strict=True)]
    parked = round_(Recheck(pairs=tuple(one.id for one in bad)), parked=parks)
    rounds = history(adopted(bad, findings), *_unsuccessful(bad[:HARDEST]), *repairs, parked)
    trait = Trait(id=f"toy/{TEXTS[0]}", definition="\n".join(TEXTS), opposite="\n".join(TEXTS))
    settings = SETTINGS.model_copy(update={"trait": trait, "models": tuple(("judge", text) for text in TEXTS)})
    stop = Stop(ending=Ending.NOT_READY, why=" ".join(TEXTS))
    return build_report(settings, record(rounds, stop).model_copy(update={"dataset": tuple(bad)}), measures(rounds))


def _pair(number: int, text: str, ending: str) -> Pair:
    """A pair with the text as the stem of its negative and as a system prompt, and an ending for its positive."""
    made = edited(edited(pair(f"d{number:04d}"), POSITIVE, ending), NEGATIVE, stem=text)
    sides = {side.polarity.value: side.model_copy(update={"system_prompt": text}) for side in made.sides}
    return made.model_copy(update=sides)


def _shown(text: str) -> dict[str, str]:
    return {"text": f"{text} more", "opening": text}


def _unsuccessful(of: list[Pair]) -> list[Round]:
    """An unsuccessful repair for each text: the text is the candidate, the refusal and the reason."""
    made = []
    for number, text in enumerate(TEXTS):
        one = of[number % len(of)]
        done = repaired(one, one, [], (POSITIVE, Rung.CUT))
        tried = Candidate(text=text, rung=Rung.CUT, refused=text)
        change = done.changes[0].model_copy(update={"why": text, "candidates": (tried,)})
        made.append(done.model_copy(update={"changes": (change,)}))
    return made
