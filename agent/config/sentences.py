"""What is wrong with settings, in sentences that name the key and the remedy."""

import difflib
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.config.nouns import ROLES, EndpointSettings, Settings, SubjectSettings, ToyworldSettings, TraitSettings
from agent.schema import Allowance, Budget, Caps, Noun, Rules

_TABLES: Mapping[str, type[Noun]] = {
    **dict.fromkeys(ROLES, EndpointSettings),
    "subject": SubjectSettings,
    "caps": Caps,
    "budget": Budget,
    "rules": Rules,
    "toyworld": ToyworldSettings,
    "trait": TraitSettings,
}
_TOP = [name for name in Settings.model_fields if name != "experiment"]
_KEY_RULE = (
    "never write a key here: set an environment variable and write its name, as in key_variable = 'OPENAI_API_KEY'"
)
_NO_TRAIT = 'no trait yet: `cliffhanger init category/name "what it is" -e {experiment}` adds one.'
_REMEDIES = {
    "version": "write version = 1",
    "traits": 'write traits = ["category/name"], with letters, digits, "_", "-" and "." in both parts; '
    "`cliffhanger init` adds a new one",
    "variant": 'use letters, digits, "_", "-" and "." only: it becomes the name of a folder',
    "subject": 'write [subject] and under it model = "toyworld", or a Hugging Face id, or a path',
    "subject.model": 'write model = "toyworld", or a Hugging Face id, or a path',
    "model": 'name the model as its endpoint does, or write "toyworld" for the embedded one',
    "base_url": 'write http://… or https://… without a name or password in it, or "toyworld"',
    "key_variable": _KEY_RULE,
    "device": 'write "auto", "cpu", "mps", "cuda" or "cuda:0"',
}


def stray(raw: Mapping[str, Any]) -> Iterator[str]:
    """Names that validation cannot see are wrong."""
    if "experiment" in raw:
        yield "`experiment` is not a setting: an experiment is named by its folder. Remove the line."
    traits, tables = raw.get("traits"), raw.get("trait")
    if isinstance(traits, list) and isinstance(tables, dict):
        for name in tables.keys() - set(map(str, traits)):
            yield f'[trait."{name}"] is about none of the traits{_did_you_mean(name, list(map(str, traits)))}'


def sentences(
    error: ValidationError, raw: Mapping[str, Any], options: Mapping[str, str], experiment: Path
) -> Iterator[str]:
    """What is wrong. `options` holds, by their keys, the options that were given; theirs are no faults of the file."""
    for problem in error.errors(include_url=False):
        where = tuple(str(part) for part in problem["loc"])
        if where and where[0] in ROLES and where[0] not in raw:
            continue  # a role that only repeats the judge's mistakes
        if where == ("traits",) and problem["type"] == "too_short":
            if not raw["traits"]:  # else each that cannot be used is told
                yield _NO_TRAIT.format(experiment=shlex.quote(str(experiment)))
        elif not where:
            yield from problem["msg"].removeprefix("Value error, ").split("\n")
        elif problem["type"] == "extra_forbidden":
            yield _unknown(where)
        else:
            yield _wrong(where, problem["type"], problem["msg"], options.get(".".join(where)))


def _unknown(where: tuple[str, ...]) -> str:
    *tables, name = where
    if "key" in name.lower() and tables and tables[0] in ROLES:
        return f"`{_dotted(where)}` is not a setting; {_KEY_RULE}."
    of_budget = Allowance if tables[:1] == ["budget"] and len(tables) > 1 else None
    noun = of_budget or (_TABLES[tables[0]] if tables else None)
    known = list(noun.model_fields) if noun else _TOP
    elsewhere = [f"{table}.{name}" for table, noun in _TABLES.items() if name in noun.model_fields]
    hint = f"; it stands under [{elsewhere[0].partition('.')[0]}]." if elsewhere else _did_you_mean(name, known)
    return f"`{_dotted(where)}` is not a setting{hint}"


def _wrong(where: tuple[str, ...], kind: str, message: str, option: str | None) -> str:
    """Values are not repeated: the wrong thing in a wrong place may be a key."""
    plain = [part for part in where if not part.isdigit()]
    remedy = _REMEDIES.get(".".join(plain)) or _REMEDIES.get(plain[-1]) or _REMEDIES.get(plain[0], "")
    problem = "is missing" if kind == "missing" else message.replace("Input should", "should", 1)
    problem = "has a form that cannot be used" if kind == "string_pattern_mismatch" else problem
    return f"{option or f'`{_dotted(where)}`'} {problem}" + (f": {remedy}." if remedy else ".")


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean `{near[0]}`?" if near else f"; known here: {', '.join(known)}."


def _dotted(where: Sequence[str]) -> str:
    return ".".join(part if re.fullmatch(r"[\w-]+", part) else json.dumps(part) for part in where)
