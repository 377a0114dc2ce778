"""One experiment's settings: refine.toml, read and checked once, before anything is paid for."""

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from agent.schema import Caps, Mode, NegativeTest, Noun, Rules, digest

FILE = "refine.toml"
TOYWORLD = "toyworld"
OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"
DEFAULT_JUDGE = "gpt-4.1-mini"
DEFAULT_DATASETS = "../../datasets/traits"
ROLES = ("judge", "author", "auditor")

_PART = r"\.{0,2}[A-Za-z0-9_-][A-Za-z0-9_.-]*"
Share = Annotated[float, Field(ge=0, le=1)]
TraitId = Annotated[str, Field(pattern=f"^{_PART}/{_PART}$")]


class SettingsError(Exception):
    """Settings that cannot be used; each line of the message names the file, the key and the remedy."""


class SubjectSettings(Noun):
    """The model under study; `batch_tokens` bounds one batch of completions."""

    model: Annotated[str, Field(min_length=1)]
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = "auto"
    batch_tokens: Annotated[int, Field(ge=64)] = 4096


class EndpointSettings(Noun):
    """Where one LLM role is reached. Prices are US dollars per million tokens; None means not stated."""

    model: Annotated[str, Field(min_length=1)]
    base_url: Annotated[str, Field(pattern=r"^(toyworld|https?://[^\s@]+)$")]
    key_variable: Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 32
    input_price: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    output_price: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    free: bool = False

    @property
    def meaning(self) -> str:
        return digest(self.model, self.base_url)


class ToyworldSettings(Noun):
    """How well the embedded author and judge play: rates of their mistakes, and what their endpoint lacks."""

    flips: Share = 0.02
    systematic: Share = 0.02
    committed: Share = 0.2
    weak: Share = 0.15
    logprobs: bool = True
    json_schema: bool = True
    split_digits: bool = False
    seed: Annotated[int, Field(ge=0)] = 0


class TraitSettings(Noun):
    """What is said of one trait; None leaves it to the trait's own files and to the defaults."""

    mode: Mode | None = None
    opposite: Annotated[str, Field(min_length=1)] | None = None
    negative_test: NegativeTest | None = None


class Settings(Noun):
    """All settings of one experiment, with every default filled in. Paths are absolute."""

    version: Literal[1]
    experiment: Path
    traits: Annotated[tuple[TraitId, ...], Field(min_length=1)]
    datasets: Path
    seed: Annotated[int, Field(ge=0)] = 0
    variant: Annotated[str, Field(pattern=f"^{_PART}$")] | None = None
    subject: SubjectSettings
    judge: EndpointSettings
    author: EndpointSettings
    auditor: EndpointSettings
    caps: Caps = Caps()
    rules: Rules = Rules()
    toyworld: ToyworldSettings = ToyworldSettings()
    trait: dict[TraitId, TraitSettings] = {}

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        problems = list(_impossible(self))
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def of(self, trait_id: str) -> TraitSettings:
        """What the file says of one trait."""
        return self.trait.get(trait_id, TraitSettings())

    def meaning(self, trait_id: str | None = None) -> str:
        """Digest of what a verdict depends on: rules, seed, subject, roles, and one trait's own settings."""
        roles = [self.judge.meaning, self.author.meaning, self.auditor.meaning]
        embedded = TOYWORLD in (self.judge.base_url, self.author.base_url, self.auditor.base_url)
        toyworld = self.toyworld.model_dump_json() if embedded else ""
        own = self.of(trait_id).model_dump_json() if trait_id else ""
        subject = [self.subject.model, self.subject.dtype]
        return digest(self.rules.model_dump_json(), str(self.seed), *subject, *roles, toyworld, own)


def load_settings(experiment: Path, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings in an experiment's refine.toml, overrides such as {"caps.max_rounds": 3} laid over them.

    An override of None changes nothing. Raises SettingsError with a sentence for each key that cannot be used.
    """
    file = experiment / FILE
    raw = _parse(file)
    stray = list(_stray(raw))
    for key, value in (overrides or {}).items():
        if value is not None:
            _lay_over(raw, file, key, value)
    whole = {**_with_defaults(raw), "experiment": str(experiment.resolve()), "datasets": _datasets(raw, experiment)}
    try:
        found = Settings.model_validate_json(json.dumps(whole, default=str))
    except ValidationError as error:
        sentences = dict.fromkeys([*stray, *_sentences(error, raw)])
        raise SettingsError("\n".join(f"{file}: {sentence}" for sentence in sentences)) from error
    if stray:
        raise SettingsError("\n".join(f"{file}: {sentence}" for sentence in stray))
    return found


def _parse(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise SettingsError(_missing_file(file))
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
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


_TABLES: Mapping[str, type[Noun]] = {
    **dict.fromkeys(ROLES, EndpointSettings),
    "subject": SubjectSettings,
    "caps": Caps,
    "rules": Rules,
    "toyworld": ToyworldSettings,
    "trait": TraitSettings,
}
_TOP = [name for name in Settings.model_fields if name != "experiment"]
_KEY_RULE = (
    "never write a key here: set an environment variable and write its name, as in key_variable = 'OPENAI_API_KEY'"
)
_REMEDIES = {
    "version": "write version = 1",
    "traits": 'write traits = ["category/name"], with letters, digits, "_", "-" and "." in both parts',
    "variant": 'use letters, digits, "_", "-" and "." only: it becomes the name of a folder',
    "subject": 'write [subject] and under it model = "toyworld", or a Hugging Face id, or a path',
    "subject.model": 'write model = "toyworld", or a Hugging Face id, or a path',
    "model": 'name the model as its endpoint does, or write "toyworld" for the embedded one',
    "base_url": 'write http://… or https://… without a name or password in it, or "toyworld"',
    "key_variable": _KEY_RULE,
    "device": 'write "auto", "cpu", "mps", "cuda" or "cuda:0"',
}


def _stray(raw: Mapping[str, Any]) -> Iterator[str]:
    """Names that validation cannot see are wrong."""
    if "experiment" in raw:
        yield "`experiment` is not a setting: an experiment is named by its folder. Remove the line."
    traits, tables = raw.get("traits"), raw.get("trait")
    if isinstance(traits, list) and isinstance(tables, dict):
        for name in tables.keys() - set(map(str, traits)):
            yield f'[trait."{name}"] is about none of the traits{_did_you_mean(name, list(map(str, traits)))}.'


def _sentences(error: ValidationError, raw: Mapping[str, Any]) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        where = tuple(str(part) for part in problem["loc"])
        if where and where[0] in ROLES and where[0] not in raw:
            continue  # a role that only repeats the judge's mistakes
        if not where:
            yield from problem["msg"].removeprefix("Value error, ").split("\n")
        elif problem["type"] == "extra_forbidden":
            yield _unknown(where)
        else:
            yield _wrong(where, problem["type"], problem["msg"])


def _unknown(where: tuple[str, ...]) -> str:
    *tables, name = where
    if "key" in name.lower() and tables and tables[0] in ROLES:
        return f"`{_dotted(where)}` is not a setting; {_KEY_RULE}."
    known = list(_TABLES[tables[0]].model_fields) if tables else _TOP
    elsewhere = [f"{table}.{name}" for table, noun in _TABLES.items() if name in noun.model_fields]
    hint = f"; it stands under [{elsewhere[0].partition('.')[0]}]" if elsewhere else _did_you_mean(name, known)
    return f"`{_dotted(where)}` is not a setting{hint}."


def _wrong(where: tuple[str, ...], kind: str, message: str) -> str:
    """Values are not repeated: the wrong thing in a wrong place may be a key."""
    plain = [part for part in where if not part.isdigit()]
    remedy = _REMEDIES.get(".".join(plain)) or _REMEDIES.get(plain[-1]) or _REMEDIES.get(plain[0], "")
    problem = "is missing" if kind == "missing" else message.replace("Input should", "should", 1)
    problem = "has a form that cannot be used" if kind == "string_pattern_mismatch" else problem
    return f"`{_dotted(where)}` {problem}" + (f": {remedy}." if remedy else ".")


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean `{near[0]}`?" if near else f"; known here: {', '.join(known)}"


def _dotted(where: Sequence[str]) -> str:
    return ".".join(part if re.fullmatch(r"[\w-]+", part) else json.dumps(part) for part in where)


def _impossible(settings: Settings) -> Iterator[str]:
    caps, rules = settings.caps, settings.rules
    for low, high in (
        ("rules.lock_in_needed", "rules.lock_in_samples"),
        ("rules.first_k", "rules.max_new_tokens"),
        ("rules.commitment_limit", "rules.committed"),
        ("rules.primed_limit", "rules.committed"),
    ):
        a, b = (getattr(caps if key.startswith("caps") else rules, key.partition(".")[2]) for key in (low, high))
        if a > b:
            yield f"`{low}` is {a} and `{high}` is {b}: lower the first or raise the second."
    if rules.neg_threshold >= rules.pos_threshold:
        yield (
            f"`rules.neg_threshold` is {rules.neg_threshold:g} and `rules.pos_threshold` {rules.pos_threshold:g}: "
            "no score could tell the sides apart. Set the negative threshold below the positive one."
        )
    if len(set(settings.traits)) < len(settings.traits):
        yield "`traits` names a trait twice. Remove one of them."
