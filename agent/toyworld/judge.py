"""The toy judge: answers to the four questions of the first-token test and the span, from phrases, with noise."""

from dataclasses import dataclass

from agent.toyworld.protocol import ChatRequest, ParsedPrompt, fraction
from agent.toyworld.reader import Hit, Lexicon, Side, TraitReader, side_of

CHOICES = ("EXPRESS", "EXPLAIN", "NEITHER")
TITLES = ("Forecast", "Response", "Commitment", "First tokens", "Committed span")
UNKNOWN = 50.0
_JUDGED = ("text", "completion", "prefix", "opening", "behaviour")
_PARTLY = 55.0
_MUCH = 0.5

HEDGED = 40.0  # points per unit of odds of a weak motive: odds of 0.7 give a forecast of 58, of 0.3 one of 42


@dataclass(frozen=True)
class Noise:
    """Error rates of the judge, 0 to 1: per sample (`flips`), and fixed per text and wording (`systematic`)."""

    flips: float
    systematic: float
    seed: int

    def flips_answer(self, request: ChatRequest) -> bool:
        """Whether this answer is flipped."""
        parsed, key = request.parsed, (str(self.seed), request.model)
        judged = [text for tag in _JUDGED for text in parsed.blocks.get(tag, ())]
        flipped = fraction("flip", *key, parsed.prompt, *request.draw) < self.flips
        return flipped or fraction("systematic", *key, parsed.title, parsed.wording, *judged) < self.systematic


def score(lexicon: Lexicon, request: ChatRequest, noise: Noise) -> int:
    """The 0–100 answer to Forecast, Response or Commitment."""
    parsed = request.parsed
    reader = lexicon.reader(parsed.block("definition"))
    value = UNKNOWN if reader is None else _score(reader, parsed)
    value += int(fraction("jitter", parsed.prompt) * 5) - 2
    if noise.flips_answer(request):
        value = _flipped(value, parsed.prompt)
    return round(min(99.0, max(1.0, value)))


def _score(reader: TraitReader, parsed: ParsedPrompt) -> float:
    if parsed.title == "Forecast":
        return _forecast(reader, parsed.block("text"))
    if parsed.title == "Response":
        return _response(reader, parsed.block("completion"))
    return _commitment(reader, side_of(reader, parsed.block("behaviour")), parsed.block("text"))


def _flipped(value: float, salt: str) -> float:
    """A score clearly on the other side of 50."""
    if abs(value - 50) < 6:
        return 75.0 if fraction("turn", salt) < 0.5 else 25.0
    return min(100 - value, 25.0) if value > 50 else max(100 - value, 75.0)


def _on_scale(side: Side | None, strength: float) -> float:
    """A side with a strength from 0 to 50 as a score of the trait."""
    return {"trait": 50 + strength, "opposite": 50 - strength, None: UNKNOWN}[side]


def _register(reader: TraitReader, text: str) -> float:
    trait, opposite = reader.balance(text)
    return min(95.0, max(5.0, 50 + 160 * ((trait + 1) / (trait + opposite + 2) - 0.5)))


def _forecast(reader: TraitReader, text: str) -> float:
    if reader.sustained:
        return _register(reader, text)
    shown = reader.displayed(text)
    if shown is not None:
        return _on_scale(shown.side, 43 * shown.share)
    leaning = [hit for hit in reader.hits(text) if hit.sort in ("motive", "weak")]
    if leaning:
        last = leaning[-1]
        return 50 + HEDGED * (last.odds - 0.5) if last.sort == "weak" else _on_scale(last.side, 38)
    return _on_scale(reader.situation(text), 18) if _has_a_motive(reader, text) else UNKNOWN


def _has_a_motive(reader: TraitReader, text: str) -> bool:
    """Whether there are words between the situation and the hinge, even unknown ones."""
    hinge = next((hinge for hinge in reader.hinges if text.endswith(hinge)), "")
    return bool(hinge) and not reader.has_known_end(text.removesuffix(hinge))


def _response(reader: TraitReader, text: str) -> float:
    if reader.sustained:
        return _register(reader, text)
    shown = reader.displayed(text, whole=False)
    if shown is None:
        return UNKNOWN
    return _on_scale(shown.side, (42 if shown.sort == "act" else 36) * shown.share)


def _commitment(reader: TraitReader, side: Side, text: str) -> float:
    if reader.sustained:
        trait, opposite = reader.balance(text)
        own, other = (trait, opposite) if side == "trait" else (opposite, trait)
        return 95.0 if own > other else 3.0 if other > own else 50.0 if own else 8.0
    shown = reader.displayed(text)
    if shown is None:
        return 8.0 if reader.is_open(text) or _ends_neutral(reader, text) else _PARTLY
    if shown.side != side:
        return 3.0
    if shown.share < 1:
        return min(88.0, 30 + 60 * shown.share)
    return 95.0 if shown.sort == "act" else 80.0


def _ends_neutral(reader: TraitReader, text: str) -> bool:
    hits = reader.hits(text)
    return bool(hits) and hits[-1].sort == "neutral"


def verdict(lexicon: Lexicon, request: ChatRequest, noise: Noise) -> dict[str, float]:
    """The probability of each answer to the verdict question."""
    parsed = request.parsed
    reader = lexicon.reader(parsed.block("definition"))
    choice, sure = ("NEITHER", 0.6)
    if reader is not None:
        choice, sure = _verdict(reader, parsed.block("prefix"), parsed.block("opening"))
    if noise.flips_answer(request):
        rest = [option for option in CHOICES if option != choice]
        choice, sure = rest[int(fraction("other", parsed.prompt) * 2)], 0.8
    return {option: sure if option == choice else (1 - sure) / 2 for option in CHOICES}


def _verdict(reader: TraitReader, prefix: str, opening: str) -> tuple[str, float]:
    if reader.sustained:
        if not any(reader.balance(opening)):
            return "NEITHER", 0.8
        return ("EXPLAIN", 0.8) if any(reader.balance(prefix)) else ("EXPRESS", 0.8)
    before = reader.displayed(prefix)
    if before is not None and before.share >= _MUCH:
        return "EXPLAIN", 0.92
    shown = reader.displayed(prefix + opening)
    if shown is None or shown.share < _MUCH:
        return "NEITHER", 0.7
    return ("EXPRESS", 0.92) if shown.sort == "act" or reader.is_open(prefix) else ("EXPLAIN", 0.7)


def span(lexicon: Lexicon, request: ChatRequest) -> dict[str, str]:
    """The words of the prefix that display the behaviour, from after the hinge; empty where none is known."""
    prefix = request.parsed.block("prefix")
    behaviour = request.parsed.block("behaviour")
    for reader in lexicon.readers.values():
        cues = (*reader.entry["definition_cues"], *reader.entry["opposite_cues"])
        if any(cue in behaviour.lower() for cue in cues):
            shown = reader.displayed(prefix)
            return {"span": _quoted(reader, prefix, shown) if shown else ""}
    return {"span": ""}


def _quoted(reader: TraitReader, prefix: str, shown: Hit) -> str:
    start = reader.hinge_before(prefix, shown.start)
    return prefix[start if start >= 0 else shown.start : shown.end].strip()
