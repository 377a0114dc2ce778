"""What `failures` and `first-tokens` do: tell from the files what failed, and what the subject says first."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.cli.orders import Order
from agent.cli.screen import Screen
from agent.record.experiment import ExperimentFolder, LayoutError, Response, read_json, read_responses
from agent.record.scores import read_scores
from agent.schema import Outcome, Polarity

_NAMES = {Outcome.FAIL: "failed", Outcome.UNJUDGED: "unjudged"}
_TAIL = 70  # characters of a prefix that are shown before the boundary
_WORDS = 5


def tell_failures(order: Order) -> int:
    """Failed and unjudged items of each vetting file, with their texts. Raises LayoutError where there is none."""
    return _each(order, _failures)


def tell_first_tokens(order: Order, count: int) -> int:
    """The end of each prefix, the boundary ¦, the first tokens, the verdict. Raises LayoutError without responses."""
    return _each(order, lambda place: _first_tokens(place, count))


def _each(order: Order, told: Callable[[ExperimentFolder], Iterator[str]]) -> int:
    """What the files of each trait tell; where there are several, each under its name, and of some there may be none.

    Raises LayoutError when there is nothing to tell of any.
    """
    settings = order.settings()
    places = [ExperimentFolder(settings.experiment, trait, settings.variant) for trait in settings.traits]
    screen, missing = Screen(), []
    for place in places:
        try:
            lines = list(told(place))
        except LayoutError as error:
            missing.append(str(error))
            continue
        screen.say(*([f"{place.trait}:"] if len(places) > 1 else []), *lines)
    if len(missing) == len(places):
        raise LayoutError("\n".join(missing))
    if missing:
        screen.say(*missing)
    return 0


def _failures(place: ExperimentFolder) -> Iterator[str]:
    paths = [place.vetting / name for name in ("scenario_scores.json", "response_scores.json", "first_token.json")]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise LayoutError(f"There are no scores in {place.vetting} yet. Make them with `cliffhanger vet`.")
    texts = _texts(place)
    for path in found:
        lines = _failed(path, texts)
        yield f"{path.name}: {len(lines) or 'nothing'} failed or unjudged"
        yield from (f"  {line}" for line in lines)


def _texts(place: ExperimentFolder) -> dict[Polarity, tuple[Response, ...]]:
    """The set that the files are about, where it has been continued."""
    return {p: read_responses(place.responses_of(p)) for p in Polarity if place.responses_of(p).is_file()}


def _failed(path: Path, texts: Mapping[Polarity, tuple[Response, ...]]) -> list[str]:
    rows = _first_token_rows(path) if path.name == "first_token.json" else _score_rows(path)
    lines = []
    for polarity, idx, outcome, why, scenario in rows:
        if outcome in _NAMES:
            row = texts.get(polarity, ())[idx : idx + 1]
            text = f"{row[0].prompt}¦{row[0].response}" if row else scenario or ""
            lines.append(f"{polarity} {idx} {_NAMES[outcome]} ({why}): {text}")
    return lines


Row = tuple[Polarity, int, Outcome, str, str | None]


def _score_rows(path: Path) -> list[Row]:
    rows = read_scores(path).rows
    return [(r.polarity, r.idx, r.outcome, "-" if r.score is None else f"{r.score:.0f}", r.scenario) for r in rows]


def _first_token_rows(path: Path) -> list[Row]:
    return [
        (Polarity(row["polarity"]), int(row["idx"]), Outcome(row["outcome"]), str(row["verdict"] or "-"), None)
        for row in _results(path)
    ]


def _results(path: Path) -> list[dict[str, Any]]:
    """The rows of our own first_token.json. Raises LayoutError when it is not ours."""
    content = read_json(path)
    rows = content.get("results") if isinstance(content, dict) else None
    keys = {"idx", "polarity", "outcome", "verdict", "opening"}
    if not isinstance(rows, list) or not all(isinstance(row, dict) and keys <= row.keys() for row in rows):
        raise LayoutError(f"{path} is not a first-token file of this program. Make it with `cliffhanger run`.")
    return rows


def _first_tokens(place: ExperimentFolder, count: int) -> Iterator[str]:
    texts = {polarity: read_responses(place.responses_of(polarity)) for polarity in Polarity}
    tested = _tested(place)
    if not tested:
        yield f"No first-token test yet (`cliffhanger run --diagnostic`): the first {_WORDS} words are shown."
    for polarity, rows in texts.items():
        for idx, row in enumerate(rows[:count]):
            opening, verdict = tested.get((polarity, idx), (None, ""))
            if opening is None or not row.response.startswith(opening):
                opening, verdict = _first_words(row.response), ""
            yield f"{polarity} {idx}: …{row.prompt[-_TAIL:]}¦{opening}¦ {verdict}".rstrip()


def _tested(place: ExperimentFolder) -> dict[tuple[Polarity, int], tuple[str | None, str]]:
    """(first k tokens, verdict) of each item that was tested."""
    path = place.vetting / "first_token.json"
    rows = _results(path) if path.is_file() else []
    return {
        (Polarity(row["polarity"]), int(row["idx"])): (row["opening"], str(row["verdict"] or "unjudged"))
        for row in rows
    }


def _first_words(response: str) -> str:
    """The first five words, with the blank before them where there is one."""
    lead = " " if response[:1].isspace() else ""
    return lead + " ".join(response.split()[:_WORDS])
