"""Writes lexicon.json: the part of the grammar that the toy judge and the toy author may know.

`python -m experiments.toyworld.lexicon` rewrites agent/toyworld/lexicon.json.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from experiments.toyworld.grammar import TABLES, digest, known, present
from experiments.toyworld.scenery import ATTRACTORS, HINGES, LATE
from experiments.toyworld.tables import SIDES, DecisionTable, Side, ToneTable, Traits, spoken_forms

PATH = Path(__file__).parents[2] / "agent" / "toyworld" / "lexicon.json"
VERSION = 1
COMMITTED_ACTS = 10
COMMITTED_SAYINGS = 8


def forms(items: Iterable[str]) -> list[str]:
    """Every phrase in each of its persons, without repeats."""
    return list(dict.fromkeys(form for item in items for form in spoken_forms(item)))


def build() -> dict[str, object]:
    """The lexicon as one JSON document."""
    tables = TABLES.items()
    traits = {n: _decision(t) if isinstance(t, DecisionTable) else _tone(t) for n, t in tables}
    return {"version": VERSION, "traits": traits}


def _header(about: Traits) -> dict[str, object]:
    return {
        "mode": about.mode,
        "definition_cues": list(about.cues.trait),
        "opposite_cues": list(about.cues.opposite),
        "definition": about.definition,
        "opposite": about.opposite,
    }


def _both(trait: str, family: str, *lists: Mapping[Side, tuple[str, ...]]) -> dict[Side, list[str]]:
    return {s: forms(p for one in lists for p in known(trait, f"{family}-{s}", one[s])) for s in SIDES}


def _decision(table: DecisionTable) -> dict[str, object]:
    name = table.about.name
    after = {s: tuple(p for both in table.afterthoughts.values() for p in both.of(s)) for s in SIDES}
    acts = _both(name, "acts", table.acts.map())
    sayings = _both(name, "sayings", table.sayings.map())
    signs = [_both(name, f, m) for f, m in (("tails", table.tails.map()), ("spoken", table.spoken_tails.map()))]
    afterthoughts = _both(name, "after", after)
    committed = {s: _committed(table, s) for s in SIDES}
    return _header(table.about) | {
        "acts": {s: acts[s] + sayings[s] for s in SIDES},
        "signs": {s: [p for part in (*signs, afterthoughts) for p in part[s]] for s in SIDES},
        "motives": _both(name, "motives", table.motives.map()),
        "weak": _weak(table),
        "hinges": [{"kind": h.joined, "text": text} for h in HINGES for text in spoken_forms(h.text)],
        "committed": {s: committed[s][0] + committed[s][1] for s in SIDES},
        "committed_whole": {
            s: [f"I {p}" for p in committed[s][0]] + [f'I said, "{p}' for p in committed[s][1]] for s in SIDES
        },
        "late": list(LATE),
        "neutral": _neutral(name),
        "stems": _stems(table),
        "afterthoughts": list(dict.fromkeys(p for s in SIDES for p in afterthoughts[s])),
    }


def _weak(table: DecisionTable) -> list[dict[str, object]]:
    odds = {w.phrase: w.odds for w in table.weak}
    return [{"phrase": p, "trait_odds": odds[p]} for p in known(table.about.name, "weak", list(odds))]


def _committed(table: DecisionTable, side: Side) -> tuple[list[str], list[str]]:
    name = table.about.name
    acts = known(name, f"acts-{side}", table.acts.of(side))[:COMMITTED_ACTS]
    said = known(name, f"sayings-{side}", table.sayings.of(side))[:COMMITTED_SAYINGS]
    return (
        forms(act + joined.text for act in acts for joined in table.connectives),
        forms(saying + joined.text for saying in said for joined in table.spoken_connectives),
    )


def _neutral(trait: str) -> list[str]:
    found = [p for a in ATTRACTORS for p in (*a.acts, *a.sayings, a.tail)]
    return list(known(trait, "neutral", found))


def _stems(table: DecisionTable) -> list[dict[str, str]]:
    by_text = {topic.trait: topic for topic in table.topics}
    stems = []
    for text in known(table.about.name, "topics", sorted(by_text, key=lambda t: digest("order", t))):
        topic = by_text[text]
        frames = [frame for frame in table.frames if frame.form == topic.form]
        frame = frames[digest("frame", text) % len(frames)]
        sides: dict[str, str] = {side: present(frame, topic.of(side)) + " " for side in SIDES}
        stems.append({"domain": topic.domain, **sides})
    return stems


def _tone(table: ToneTable) -> dict[str, object]:
    name = table.about.name
    words, heads = _both(name, "words", table.words.map()), _both(name, "heads", table.heads.map())
    register = _both(name, "register", table.register.map())
    return _header(table.about) | {
        "acts": {s: words[s] + heads[s] for s in SIDES},
        "signs": _both(name, "tails", table.tails.map()),
        "motives": register,
        "weak": [{"phrase": p, "trait_odds": 0.5} for p in known(name, "plain", table.plain_endings)],
        "hinges": [],
        "committed": {"trait": [], "opposite": []},
        "committed_whole": {"trait": [], "opposite": []},
        "late": [],
        "neutral": _neutral(name),
        "stems": _tone_stems(table, register),
        "endings": _both(name, "endings", table.endings.map()),
        "afterthoughts": [],
    }


def _tone_stems(table: ToneTable, register: Mapping[Side, Sequence[str]]) -> list[dict[str, str]]:
    by_text = {topic.trait: topic for topic in table.topics}
    stems = []
    for text in known(table.about.name, "topics", sorted(by_text, key=lambda t: digest("order", t))):
        moods = {s: register[s][digest("mood", text, s) % len(register[s])] for s in SIDES}
        sides: dict[str, str] = {s: f"{by_text[text].of(s)} {moods[s]} " for s in SIDES}
        stems.append({"domain": by_text[text].domain, **sides})
    return stems


def main() -> None:
    """Rewrite lexicon.json."""
    PATH.write_text(rendered(), encoding="utf-8")


def rendered() -> str:
    """The exact text of lexicon.json."""
    return json.dumps(build(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
