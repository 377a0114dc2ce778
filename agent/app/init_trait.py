"""`init`: have the author describe a trait; warnings about traits that the toy world does not know."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.app.composition import BACKENDS, Backends, described, settings_of
from agent.app.preflight import missing_keys
from agent.config.load import FILE, load_settings
from agent.config.settings import TOYWORLD, EndpointSettings, Settings, is_trait_id
from agent.errors import UserError
from agent.prompts import PromptBook
from agent.schema import Mode, Nature, NegativeTest, Reply, Request, Role, Shape, Trait
from agent.storage.dataset import definition_lookalikes, read_definition
from agent.storage.durable import write_atomically
from agent.storage.ledger import Ledger
from agent.supervision.display import RunDisplay
from agent.text import experiment_options, program_name


def toyworld_warning(settings: Settings, trait: Trait) -> Iterator[str]:
    """Warn about a trait that the toy world does not know, where the toy world is author or judge."""
    from agent.toyworld.reader import shipped_lexicon

    roles = [role.value for role in (Role.AUTHOR, Role.JUDGE) if _is_toy(settings_of(settings, role))]
    lexicon = shipped_lexicon()
    reader = lexicon.reader(trait.definition) or lexicon.reader(trait.id)
    if roles and (reader is None or reader.name != trait.id.rpartition("/")[2]):
        result = f"treats {trait.id} as {reader.name}" if reader else f"cannot handle {trait.id}"
        yield (
            f"The toy world is {' and '.join(roles)} here. It knows only {', '.join(lexicon.readers)} and {result}. "
            f"Set real models under {' and '.join(f'[{role}]' for role in roles)} in refine.toml."
        )


def toy_judge_warning(settings: Settings) -> Iterator[str]:
    """Warn that figures of the toy judge say nothing about a real one."""
    if _is_toy(settings.judge):
        yield (
            "The judge is the toy world's, which knows only its own phrases: these figures say nothing about a real "
            "judge. Set one under [judge] in refine.toml."
        )


def served_lines(url: str) -> Iterator[str]:
    """The served toy world's address and the lines of refine.toml that use it."""
    yield f"The toy world is served at {url} until Ctrl-C. To use it, write this into refine.toml:"
    yield from ("", "[judge]", 'model = "toyworld"', f'base_url = "{url}"', "free = true", "")
    yield "Author and auditor use it too, unless the file has sections [author] or [auditor]: write the same there."


def _is_toy(about: EndpointSettings) -> bool:
    return TOYWORLD in (about.model, about.base_url)


_DEFINITION_LINES = ("HIGH", "MID", "LOW", "Near", "Key")


class Description(BaseModel):
    """The author's description of a trait."""

    model_config = ConfigDict(extra="forbid")

    definition: str = Field(min_length=1)
    opposite: str = Field(min_length=1)
    mode: Mode
    nature: tuple[Nature, ...] = Field(min_length=1)
    negative_test: NegativeTest
    reason: str


@dataclass(frozen=True)
class TraitOverrides:
    """The user's description of a trait (None: from its definition.txt), mode, negative test and natures.

    Raises UserError for an unknown mode, negative test or nature.
    """

    description: str | None = None
    mode: str | None = None
    negative_test: str | None = None
    nature: str | None = None

    def __post_init__(self) -> None:
        for name, value, known in (("mode", self.mode, Mode), ("negative-test", self.negative_test, NegativeTest)):
            if value is not None and value not in list(known):
                raise UserError(f"--{name} {value}: unknown value. Use one of {', '.join(known)}.")
        unknown = [name for name in self._natures if name not in list(Nature)]
        if unknown:
            raise UserError(
                f"--nature {self.nature}: unknown value. Use one or more of {', '.join(Nature)}, by commas."
            )

    @property
    def _natures(self) -> list[str]:
        return [name.strip() for name in self.nature.split(",")] if self.nature is not None else []

    def applied_to(self, found: Description) -> Description:
        """The author's description with the user's choices applied."""
        return found.model_copy(
            update={
                "mode": Mode(self.mode) if self.mode else found.mode,
                "nature": tuple(dict.fromkeys(map(Nature, self._natures))) or found.nature,
                "negative_test": NegativeTest(self.negative_test) if self.negative_test else found.negative_test,
            }
        )


def describe(
    trait: str, overrides: TraitOverrides, experiment: Path, dry_run: bool, backends: Backends = BACKENDS
) -> int:
    """Have the author describe a trait. Raises UserError before any call when a file would be overwritten."""
    if not is_trait_id(trait):
        raise UserError(f"{trait!r} is not a trait id. Use category/name, such as toy/gloom.")
    settings = load_settings(experiment, {"traits": [trait]})
    definition = settings.datasets / trait / "definition.txt"
    written = (experiment / FILE).read_bytes().decode("utf-8")
    _require_unused(trait, definition, written, overrides, dry_run)
    known = read_definition(definition.parent) if overrides.description is None else None
    found = _ask(settings, trait, known or overrides.description or "", backends)
    with RunDisplay() as display:
        found = found if known is None else found.model_copy(update={"definition": known})
        _show(display, trait, found, overrides)
        for line in toyworld_warning(settings, described(settings, trait, found.definition)):
            display.print(line)
        if dry_run:
            display.print("No file was written.")
            return 0
        write_atomically(experiment / FILE, with_trait(written, trait, overrides.applied_to(found)).encode())
        if known is None:
            write_atomically(definition, (found.definition.strip() + "\n").encode())
        files = "" if known else f"{definition}, and "
        display.print(
            f'Written: {files}[trait."{trait}"] in {experiment / FILE}. Check it, then run:',
            f"  {program_name()} run {experiment_options(experiment, trait)} --dry-run",
            f"Dataset folder: {definition.parent}, for positive.txt and negative.txt if you have them. "
            f"`datasets` in {FILE} changes it.",
        )
    return 0


def _require_unused(trait: str, definition: Path, written: str, overrides: TraitOverrides, dry_run: bool) -> None:
    if not definition.exists() and (near := definition_lookalikes(definition.parent)):
        raise UserError("\n".join([f"There is no {definition}.", *map(str, near)]))
    if overrides.description is None and not definition.exists():
        raise UserError(f"{trait} has no {definition} yet. Describe the trait in one line after its name.")
    if definition.exists() and overrides.description is not None and not dry_run:
        raise UserError(
            f"{definition} exists already. Leave the description out to keep it and add only the rest, or move the "
            "file away first."
        )
    if trait in tomlkit.parse(written.removeprefix("\ufeff")).get("trait", {}):
        raise UserError(f'{FILE} has a section [trait."{trait}"] already. Edit it by hand.')


def _ask(settings: Settings, trait: str, description: str, backends: Backends) -> Description:
    """Ask the author once. The answer is shown and written at once, so its ledger is temporary."""
    problems = list(missing_keys(settings, [Role.AUTHOR]))
    if problems:
        raise UserError("\n".join(problems))
    prompt = PromptBook.load().render("init", name=trait, description=description)
    request = Request(
        role=Role.AUTHOR,
        shape=Shape.JSON,
        prompt=prompt.text,
        prompt_id=prompt.id,
        json_schema=json.dumps(Description.model_json_schema(), sort_keys=True),
        max_tokens=2000,
    )
    with (
        closing(backends.open_llm(settings, [Role.AUTHOR])) as llm,
        TemporaryDirectory() as folder,
        Ledger(Path(folder) / "ledger.sqlite") as ledger,
    ):
        llm.probe()
        return read_description(llm.ask_all([request], ledger)[0])


def read_description(reply: Reply) -> Description:
    """Parse the author's description. Raises UserError when it is incomplete."""
    if reply.data is None:
        raise UserError(f"The author gave no description ({reply.error}). Rephrase yours, or try again.")
    try:
        found = TypeAdapter(Description).validate_json(reply.data)
    except ValidationError as error:
        raise UserError(f"The author's description is invalid ({error.errors()[0]['msg']}). Try again.") from error
    missing = [line for line in _DEFINITION_LINES if not re.search(rf"^{line}\b", found.definition, re.MULTILINE)]
    if missing:
        raise UserError(f"The author's definition lacks {', '.join(missing)}. Rephrase yours, or try again.")
    return found


def with_trait(written: str, trait: str, found: Description) -> str:
    """refine.toml with the trait in its list and with its section; comments, layout and line ends are kept."""
    mark = "\ufeff" if written.startswith("\ufeff") else ""
    document = tomlkit.parse(written.removeprefix(mark))
    listed = document.setdefault("traits", tomlkit.array())
    if trait not in listed:
        listed.append(trait)
    sections = document.setdefault("trait", tomlkit.table(is_super_table=True))
    sections[trait] = {
        "mode": found.mode.value,
        "opposite": found.opposite,
        "nature": [nature.value for nature in found.nature],
        "negative_test": found.negative_test.value,
    }
    text = tomlkit.dumps(document)
    if 2 * written.count("\r\n") > written.count("\n"):
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    return mark + text


def _list(found: Description) -> str:
    return " and ".join(found.nature)


def _show(display: RunDisplay, trait: str, found: Description, overrides: TraitOverrides) -> None:
    display.print(f"{trait}: mode {found.mode.value}, nature {_list(found)}, negatives: {found.negative_test.value}")
    if overrides.applied_to(found) != found:
        decided = overrides.applied_to(found)
        display.print(
            f"  overridden by your options: mode {decided.mode.value}, nature {_list(decided)}, "
            f"negatives {decided.negative_test.value}"
        )
    for line in found.definition.strip().split("\n"):
        display.print(f"  {line}")
    display.print(f"  opposite: {found.opposite}")
    display.print(f"  reason: {found.reason}")
