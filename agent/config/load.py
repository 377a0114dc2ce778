"""Loading refine.toml, with a sentence for each error that names the key and the remedy."""

import difflib
import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.config.settings import (
    ROLES,
    TOYWORLD,
    EndpointSettings,
    Settings,
    SubjectSettings,
    ToyworldSettings,
    TraitSettings,
)
from agent.errors import UserError
from agent.schema import BudgetConfig, Caps, FrozenModel, Rules, UsageLimits
from agent.text import is_text

_TABLES: Mapping[str, type[FrozenModel]] = {
    **dict.fromkeys(ROLES, EndpointSettings),
    "subject": SubjectSettings,
    "caps": Caps,
    "budget": BudgetConfig,
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
    "base_url": 'write http://… or https://… without a name, password or key in it, or "toyworld"',
    "key_variable": _KEY_RULE,
    "timeout": 'write a time such as "45s", "10m" or "2h", or a number of seconds, from 1 second to 7 days',
    "device": 'write "auto", "cpu", "mps", "cuda", or "cuda:0" (or another number)',
}


def stray(raw: Mapping[str, Any]) -> Iterator[str]:
    """Sentences about names that validation does not check."""
    if "experiment" in raw:
        yield "`experiment` is not a setting: an experiment is named by its folder. Remove the line."
    traits, tables = raw.get("traits"), raw.get("trait")
    if isinstance(traits, list) and isinstance(tables, dict):
        for name in tables.keys() - set(map(str, traits)):
            yield f'[trait."{name}"] names none of the traits{_did_you_mean(name, list(map(str, traits)))}'


def sentences(
    error: ValidationError, raw: Mapping[str, Any], options: Mapping[str, str], experiment: Path
) -> Iterator[str]:
    """A sentence per error. `options`: the command-line option of each key that was given as one."""
    for problem in error.errors(include_url=False):
        where = tuple(str(part) for part in problem["loc"])
        if where and where[0] in ROLES and where[0] not in raw:
            continue  # a role that repeats the judge's errors
        if where == ("traits",) and problem["type"] == "too_short":
            if not raw["traits"]:  # else each invalid one has its own error
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
    of_budget = UsageLimits if tables[:1] == ["budget"] and len(tables) > 1 else None
    model = of_budget or (_TABLES[tables[0]] if tables else None)
    known = list(model.model_fields) if model else _TOP
    elsewhere = [f"{table}.{name}" for table, model in _TABLES.items() if name in model.model_fields]
    hint = f"; it belongs under [{elsewhere[0].partition('.')[0]}]." if elsewhere else _did_you_mean(name, known)
    return f"`{_dotted(where)}` is not a setting{hint}"


def _wrong(where: tuple[str, ...], kind: str, message: str, option: str | None) -> str:
    """A sentence without the value, which may be a secret in the wrong place."""
    plain = [part for part in where if not part.isdigit()]
    remedy = _REMEDIES.get(".".join(plain)) or _REMEDIES.get(plain[-1]) or _REMEDIES.get(plain[0], "")
    what = "is missing" if kind == "missing" else message.replace("Input should", "should", 1)
    what = "has an invalid form" if kind == "string_pattern_mismatch" else what
    return f"{option or f'`{_dotted(where)}`'} {what}" + (f": {remedy}." if remedy else ".")


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean `{near[0]}`?" if near else f"; known here: {', '.join(known)}."


def _dotted(where: Sequence[str]) -> str:
    return ".".join(part if re.fullmatch(r"[\w-]+", part) else json.dumps(part) for part in where)


FILE = "refine.toml"
OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"
DEFAULT_JUDGE = "gpt-4.1-mini"
DEFAULT_DATASETS = "../../datasets/traits"


class SettingsError(UserError):
    """Invalid settings; each line of the message names the file, the key and the remedy."""


def load_settings(
    experiment: Path, overrides: Mapping[str, object] | None = None, options: Mapping[str, str] | None = None
) -> Settings:
    """The settings in an experiment's refine.toml, with overrides such as {"caps.max_rounds": 3}.

    An override of None changes nothing. Raises SettingsError with a sentence for each invalid key; for an override it
    names the option, such as {"caps.max_rounds": "--max-rounds"}, instead of the file.
    """
    file = experiment / FILE
    raw = _parse(file)
    stray_names = list(stray(raw))
    for key, value in (overrides or {}).items():
        if value is not None:
            _override(raw, file, key, value)
    whole = {**_with_defaults(raw), "experiment": str(experiment.resolve()), "datasets": _datasets(raw, experiment)}
    text = json.dumps(whole, default=str, ensure_ascii=False)
    if not is_text(text):
        raise SettingsError(
            f"{file}: an option, or the name of a folder, is not UTF-8. Write traits and variants with letters, "
            'digits, "_", "-" and "." alone.'
        )
    try:
        found = Settings.model_validate_json(text)
    except ValidationError as error:
        given = {key: name for key, name in (options or {}).items() if (overrides or {}).get(key) is not None}
        wrong = dict.fromkeys([*stray_names, *sentences(error, raw, given, experiment)])
        raise SettingsError("\n".join(_placed(sentence, file) for sentence in wrong)) from error
    if stray_names:
        raise SettingsError("\n".join(_placed(sentence, file) for sentence in stray_names))
    return found


def _placed(sentence: str, file: Path) -> str:
    """The sentence after the name of the file, unless it is about an option."""
    return sentence if sentence.startswith("--") else f"{file}: {sentence}"


def known_traits(experiment: Path) -> tuple[str, ...]:
    """The traits that refine.toml lists, then those that have a folder among the datasets. Raises SettingsError."""
    raw = _parse(experiment / FILE)
    listed, datasets = raw.get("traits"), _datasets(raw, experiment)
    names = [str(name) for name in listed] if isinstance(listed, list) else []
    if isinstance(datasets, str):
        names += sorted(f"{path.parent.name}/{path.name}" for path in Path(datasets).glob("*/*/"))
    return tuple(dict.fromkeys(names))


def _parse(file: Path) -> dict[str, Any]:
    try:
        content = file.read_bytes()
        if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
            raise SettingsError(f"{file} is not UTF-8 but UTF-16, or no text. Save the file as UTF-8.")
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise SettingsError(_missing_file(file)) from error
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f'{file}: not valid TOML in UTF-8: {error}. Strings need quotes: key = "text".') from error


_NEAR_NAME = 0.8  # difflib's ratio of refine.toml.txt is 0.85; chosen by judgement


def _missing_file(file: Path) -> str:
    folder = file.parent
    siblings = [path.parent.name for path in sorted(folder.parent.glob(f"*/{FILE}"))]
    near = [f" Did you mean {name}?" for name in difflib.get_close_matches(folder.name, siblings, n=1)]
    names = [path.name for path in sorted(folder.iterdir())] if folder.is_dir() else []
    alike = [name for name in names if difflib.get_close_matches(name.casefold(), [FILE], n=1, cutoff=_NEAR_NAME)]
    if alike:
        return f"There is no {FILE} in {folder}, but {' and '.join(alike)}: rename it to {FILE}."
    least = 'version = 1, traits = ["category/name"], and under [subject] model = "toyworld"'
    return f"There is no {FILE} in {folder}.{''.join(near)} To start one, write at least: {least}."


def _override(raw: dict[str, Any], file: Path, key: str, value: object) -> None:
    *tables, last = _key_path(key)
    table: Any = raw
    for name in tables:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise SettingsError(f"{file}: `{name}` is a value, so `{key}` cannot be set inside it.")
    table[last] = value


def _key_path(key: str) -> list[str]:
    """The parts of a dotted TOML key: trait."chirp/refusal".mode has three."""
    try:
        rest: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"`{key}` is not a setting such as caps.max_rounds.") from error
    path = []
    while isinstance(rest, dict):
        ((name, rest),) = rest.items()
        path.append(name)
    return path


def _with_defaults(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with all roles: the judge's defaults depend on the subject, the other roles' on the judge."""
    subject = raw.get("subject")
    embedded = isinstance(subject, dict) and subject.get("model") == TOYWORLD
    judge = raw.get("judge", {"model": TOYWORLD if embedded else DEFAULT_JUDGE})
    roles = {role: _endpoint(raw.get(role, judge)) for role in ROLES}
    return {**raw, **roles}


def _endpoint(table: Any) -> Any:
    if not isinstance(table, dict):
        return table
    if TOYWORLD in (table.get("model"), table.get("base_url", TOYWORLD if table.get("model") == TOYWORLD else "")):
        table = {"model": TOYWORLD, "base_url": TOYWORLD, "free": True, **table}
    table = {"base_url": OPENAI_URL, **table}
    # Another server gets the OpenAI key only where the file says so.
    return {"key_variable": OPENAI_KEY if table["base_url"] == OPENAI_URL else "", **table}


def _datasets(raw: Mapping[str, Any], experiment: Path) -> Any:
    stated = raw.get("datasets", DEFAULT_DATASETS)
    return str((experiment / Path(str(stated)).expanduser()).resolve()) if isinstance(stated, str | Path) else stated
