"""refine.toml, read and checked once, before anything is paid for."""

import difflib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.config.nouns import ROLES, TOYWORLD, Settings
from agent.config.sentences import sentences, stray
from agent.schema.visible import is_text

FILE = "refine.toml"
OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"
DEFAULT_JUDGE = "gpt-4.1-mini"
DEFAULT_DATASETS = "../../datasets/traits"


class SettingsError(Exception):
    """Settings that cannot be used; each line of the message names the file, the key and the remedy."""


def load_settings(
    experiment: Path, overrides: Mapping[str, object] | None = None, options: Mapping[str, str] | None = None
) -> Settings:
    """The settings in an experiment's refine.toml, overrides such as {"caps.max_rounds": 3} laid over them.

    An override of None changes nothing. Raises SettingsError with a sentence for each key that cannot be used; where
    an override cannot, it names the option, such as {"caps.max_rounds": "--max-rounds"}, in place of the file.
    """
    file = experiment / FILE
    raw = _parse(file)
    strays = list(stray(raw))
    for key, value in (overrides or {}).items():
        if value is not None:
            _lay_over(raw, file, key, value)
    whole = {**_with_defaults(raw), "experiment": str(experiment.resolve()), "datasets": _datasets(raw, experiment)}
    said = json.dumps(whole, default=str, ensure_ascii=False)
    if not is_text(said):
        raise SettingsError(
            f"{file}: an option, or the name of a folder, is not UTF-8. Write traits and variants with letters, "
            'digits, "_", "-" and "." alone.'
        )
    try:
        found = Settings.model_validate_json(said)
    except ValidationError as error:
        given = {key: name for key, name in (options or {}).items() if (overrides or {}).get(key) is not None}
        wrong = dict.fromkeys([*strays, *sentences(error, raw, given, experiment)])
        raise SettingsError("\n".join(_placed(sentence, file) for sentence in wrong)) from error
    if strays:
        raise SettingsError("\n".join(_placed(sentence, file) for sentence in strays))
    return found


def _placed(sentence: str, file: Path) -> str:
    """A sentence with the file that it is about; one about an option is about none."""
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
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise SettingsError(_missing_file(file)) from error
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(
            f'{file}: this is not TOML in UTF-8: {error}. Texts stand in quotes: key = "text".'
        ) from error


def _missing_file(file: Path) -> str:
    folder = file.parent
    siblings = [path.parent.name for path in sorted(folder.parent.glob(f"*/{FILE}"))]
    near = [f" Did you mean {name}?" for name in difflib.get_close_matches(folder.name, siblings, n=1)]
    least = 'version = 1, traits = ["category/name"], and under [subject] model = "toyworld"'
    return f"There is no {FILE} in {folder}.{''.join(near)} To begin one, write there at least: {least}."


def _lay_over(raw: dict[str, Any], file: Path, key: str, value: object) -> None:
    *tables, last = _key_path(key)
    table: Any = raw
    for name in tables:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise SettingsError(f"{file}: `{name}` is a value, so `{key}` cannot be set below it.")
    table[last] = value


def _key_path(key: str) -> list[str]:
    """The parts of a dotted key, read as TOML reads it: trait."chirp/refusal".mode has three."""
    try:
        rest: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"`{key}` is not the name of a setting, such as caps.max_rounds.") from error
    path = []
    while isinstance(rest, dict):
        ((name, rest),) = rest.items()
        path.append(name)
    return path


def _with_defaults(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Every role spelt out: the judge's defaults follow the subject's, the author's and the auditor's the judge's."""
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
    # Another server is sent the OpenAI key only where the file says so.
    return {"key_variable": OPENAI_KEY if table["base_url"] == OPENAI_URL else "", **table}


def _datasets(raw: Mapping[str, Any], experiment: Path) -> Any:
    stated = raw.get("datasets", DEFAULT_DATASETS)
    return str((experiment / Path(str(stated)).expanduser()).resolve()) if isinstance(stated, str | Path) else stated
