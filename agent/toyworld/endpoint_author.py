"""The toy author: drafts, rewrites, new topics and descriptions of traits, written with the lexicon's phrases."""

import re
from collections.abc import Callable, Mapping
from random import Random

from agent.toyworld.endpoint_phrases import Pen, Rates, divided, situations
from agent.toyworld.endpoint_reading import Lexicon, Side, TraitReader, sentences, side_of
from agent.toyworld.endpoint_request import Asked, BadRequest, ChatRequest, hashed

TITLES = ("Draft pairs", "Rewrite an ending", "Change the topic", "Write openers", "Describe a trait")
_POLARITIES: Mapping[str, Side] = {"positive": "trait", "negative": "opposite"}
_REQUEST = re.compile(r"\b(?:ask(?:ed)?|want(?:ed)?|request|begged|told me)\b")
_MOST = 64
_TRIES = 8


def written(lexicon: Lexicon, request: ChatRequest, rates: Rates, seed: int) -> dict[str, object]:
    """The JSON that answers one of the author's prompts. Raises BadRequest for a trait that the toy world lacks."""
    asked = request.asked
    if asked.title == "Describe a trait":
        return _described(lexicon, asked)
    reader = lexicon.reader(asked.block("definition")) or lexicon.reader(asked.line("Trait"))
    if reader is None:
        known = ", ".join(lexicon.readers)
        raise BadRequest(f"The toy author can only write about {known}: name an endpoint that knows this trait.")
    rng = Random(hashed("author", str(seed), request.model, asked.prompt, *request.draw))
    pen = Pen(reader, rng, rates)
    answers: Mapping[str, Callable[[Asked, Pen], dict[str, object]]] = {
        "Draft pairs": _drafted,
        "Change the topic": _moved,
        "Rewrite an ending": _rewritten,
        "Write openers": _openers,
    }
    return answers[asked.title](asked, pen)


def _count(asked: Asked, line: str) -> int:
    text = asked.line(line)
    return min(_MOST, int(text)) if text.isdigit() else 1


def _drafted(asked: Asked, pen: Pen) -> dict[str, object]:
    accepted = asked.blocks.get("accepted", ())
    pen.avoid = "\n".join(accepted)
    taken = (*accepted, *asked.blocks.get("struck", ()))
    return _pairs(asked, pen, asked.line("Kind of ending"), taken, asked.block("domain"))


def _moved(asked: Asked, pen: Pen) -> dict[str, object]:
    given = (asked.block("positive"), asked.block("negative"))
    pen.avoid = "\n".join(given)
    return _pairs(asked, pen, "", (*given, *asked.blocks.get("struck", ())), "")


def _pairs(asked: Asked, pen: Pen, kind: str, taken: tuple[str, ...], domains: str) -> dict[str, object]:
    pairs: list[dict[str, object]] = []
    for stem in situations(pen.reader, pen.rng, domains, taken)[: _count(asked, "Number of pairs")]:
        hinge = None if pen.reader.sustained else pen.hinge(stem["trait"], kind)
        sides = {
            polarity: divided(stem[side], pen.ending(side, stem[side], hinge)) for polarity, side in _POLARITIES.items()
        }
        pairs.append({"domain": stem["domain"], **sides})
    return {"pairs": pairs}


def _rewritten(asked: Asked, pen: Pen) -> dict[str, object]:
    side = _POLARITIES.get(asked.line("Side"), "trait")
    pen.avoid = "\n".join(asked.blocks.get("earlier", ()))
    if asked.line("Goal") == "simplify":
        return {"stems_and_endings": _simplified(asked, pen, side)}
    make = _maker(asked, pen, side)
    return {"endings": _distinct(make, _count(asked, "Number of versions"))}


def _openers(asked: Asked, pen: Pen) -> dict[str, object]:
    """Acts of the side that is to be begun, as narrated and as spoken."""
    side = side_of(pen.reader, asked.block("behaviour"))
    acts, count = list(pen.reader.entry["acts"][side]), _count(asked, "Number of each sort")
    pen.rng.shuffle(acts)
    spoken = [act for act in acts if act[0].isupper()]
    return {"narrated": [act for act in acts if act not in spoken][:count], "spoken": spoken[:count]}


def _maker(asked: Asked, pen: Pen, side: Side) -> Callable[[int], str]:
    """What writes the n-th version of an ending."""
    goal, stem, ending = asked.line("Goal"), asked.block("frozen"), asked.block("ending")
    kept = None if goal == "strengthen" else _motive_in(pen.reader, ending, side)
    pen.avoid += ending if goal == "strengthen" else ""
    if pen.reader.sustained:
        return lambda _: pen.ending(side, stem)
    if goal == "extended":
        return lambda _: pen.extended(side, stem)
    old = next((hinge for hinge in pen.reader.hinges if hinge in ending), None)
    return lambda n: pen.ending(side, stem, old if n == 0 else None, kept if n < 2 else None)


def _motive_in(reader: TraitReader, ending: str, side: Side) -> str | None:
    """The motive of the right side that the ending already has."""
    hits = [hit for hit in reader.hits(ending) if hit.sort == "motive" and hit.side == side]
    return ending[hits[-1].start : hits[-1].end] if hits else None


def _distinct(make: Callable[[int], str], count: int) -> list[str]:
    found: list[str] = []
    for n in range(count * _TRIES):
        ending = make(n)
        if ending not in found:
            found.append(ending)
        if len(found) == count:
            break
    return found


def _simplified(asked: Asked, pen: Pen, side: Side) -> list[dict[str, str]]:
    """Versions that each leave out a sentence of the stem that the author cannot read, the latest such one first."""
    frozen, ending = asked.block("frozen"), asked.block("ending")
    parts = sentences(frozen)
    strange = [i for i in range(len(parts) - 1, -1, -1) if not _is_readable(pen.reader, parts[i])]
    drops = [{i} for i in strange] + ([set(strange)] if len(strange) > 1 else [])
    found: list[dict[str, str]] = []
    for n in range(_count(asked, "Number of versions")):
        dropped = drops[n % len(drops)] if drops else set()
        stem = "".join(part for i, part in enumerate(parts) if i not in dropped)
        again = ending if n < len(drops) and _is_good(pen.reader, ending, side) else pen.ending(side, stem)
        found.append(divided(stem, again))
    return found


def _is_readable(reader: TraitReader, sentence: str) -> bool:
    if reader.has_known_end(sentence) or _REQUEST.search(sentence):
        return True
    return any(hit.sort != "neutral" for hit in reader.hits(sentence))


def _is_good(reader: TraitReader, ending: str, side: Side) -> bool:
    """Whether an ending is an open one that leads the right way, as far as the author knows."""
    if reader.sustained:
        return any(hit.side == side for hit in reader.hits(ending))
    return reader.displayed(ending) is None and reader.is_open(ending) and bool(_motive_in(reader, ending, side))


def _described(lexicon: Lexicon, asked: Asked) -> dict[str, object]:
    name, description = asked.line("Name"), asked.block("description")
    reader = lexicon.reader(name) or lexicon.reader(description)
    if reader is None:
        return _generic(name, description)
    return {
        "definition": reader.entry["definition"],
        "opposite": reader.entry["opposite"],
        "mode": reader.entry["mode"],
        "negative_test": "opposite",
        "reason": f"The toy world knows {reader.name}, and its opposite shows in the text.",
    }


def _generic(name: str, description: str) -> dict[str, object]:
    about = " ".join(description.split()) or name
    return {
        "definition": f"HIGH (70-100): The text plainly shows this: {about}\nMID (30-70): The text shows it in part.\n"
        f"LOW (0-30): The text shows nothing of it, or the opposite.\nKey: score what is shown, not what is announced.",
        "opposite": f"the opposite of {name}",
        "mode": "decision",
        "negative_test": "absence",
        "reason": "The toy world does not know this trait, so it assumes an act whose opposite it cannot describe.",
    }
