"""What the toy world plays and what it cannot, in sentences for whoever relies on it."""

import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.app.composition import BACKENDS, Backends, described, settings_of
from agent.app.preflight import missing_keys
from agent.config.load import FILE, load_settings
from agent.config.settings import TOYWORLD, EndpointSettings, Settings, is_trait_id
from agent.errors import UserError
from agent.prompts import PromptBook
from agent.schema import Mode, NegativeTest, Reply, Request, Role, Shape, Trait
from agent.storage.dataset import read_definition
from agent.storage.durable import write_atomically
from agent.storage.ledger import Ledger
from agent.supervision.display import RunDisplay
from agent.text import experiment_options, program_name


def toyworld_warning(settings: Settings, trait: Trait) -> Iterator[str]:
    """That a trait is none of the toy world's own, where the toy world is to write about it or to judge it."""
    from agent.toyworld.reader import shipped_lexicon

    roles = [role.value for role in (Role.AUTHOR, Role.JUDGE) if _is_toy(settings_of(settings, role))]
    lexicon = shipped_lexicon()
    taken = lexicon.reader(trait.definition) or lexicon.reader(trait.id)
    if roles and (taken is None or taken.name != trait.id.rpartition("/")[2]):
        fate = f"takes {trait.id} for {taken.name}" if taken else f"can do nothing with {trait.id}"
        yield (
            f"The toy world is {' and '.join(roles)} here. It knows {', '.join(lexicon.readers)} only, and "
            f"{fate}. Name real models in refine.toml, under {' and '.join(f'[{role}]' for role in roles)}."
        )


def toy_judge(settings: Settings) -> Iterator[str]:
    """What figures of the toy judge are worth."""
    if _is_toy(settings.judge):
        yield (
            "The judge is the toy world's, which knows its own phrases only: these figures say nothing about a real "
            "judge. Name one under [judge] in refine.toml."
        )


def served(url: str) -> Iterator[str]:
    """Where the toy world answers, what makes an experiment ask it."""
    yield f"The toy world answers at {url} until Ctrl-C. To have it asked, let refine.toml say:"
    yield from ("", "[judge]", 'model = "toyworld"', f'base_url = "{url}"', "free = true", "")
    yield "Author and auditor are then it too; where the file has sections [author] or [auditor], write the same there."


def _is_toy(about: EndpointSettings) -> bool:
    return TOYWORLD in (about.model, about.base_url)


_LINES = ("HIGH", "MID", "LOW", "Key")


class Description(BaseModel):
    """What the author says of a trait."""

    model_config = ConfigDict(extra="forbid")

    definition: str = Field(min_length=1)
    opposite: str = Field(min_length=1)
    mode: Mode
    negative_test: NegativeTest
    reason: str

    def table(self, trait: str) -> str:
        """The trait's section of refine.toml."""
        return (
            f"\n[trait.{_quoted(trait)}]\nmode = {_quoted(self.mode.value)}\nopposite = {_quoted(self.opposite)}\n"
            f"negative_test = {_quoted(self.negative_test.value)}\n"
        )


@dataclass(frozen=True)
class TraitOverrides:
    """What the user says of a trait: a line about it (None: its definition.txt says it), and what is not up for debate.

    Raises Refusal for a mode or a test of negatives that there is not.
    """

    description: str | None = None
    mode: str | None = None
    negative_test: str | None = None

    def __post_init__(self) -> None:
        for name, value, known in (("mode", self.mode, Mode), ("negative-test", self.negative_test, NegativeTest)):
            if value is not None and value not in list(known):
                raise UserError(f"--{name} {value}: there is no such one. Known are {', '.join(known)}.")

    def over(self, found: Description) -> Description:
        """What the author found, but for what the user had decided."""
        return found.model_copy(
            update={
                "mode": Mode(self.mode) if self.mode else found.mode,
                "negative_test": NegativeTest(self.negative_test) if self.negative_test else found.negative_test,
            }
        )


def describe(trait: str, said: TraitOverrides, experiment: Path, dry_run: bool, backends: Backends = BACKENDS) -> int:
    """Describe a trait. Raises Refusal before anything is asked when a file is in the way."""
    if not is_trait_id(trait):
        raise UserError(f"{trait!r} is no trait id: write category/name, such as toy/gloom.")
    settings = load_settings(experiment, {"traits": [trait]})
    definition = settings.datasets / trait / "definition.txt"
    written = (experiment / FILE).read_text(encoding="utf-8-sig")
    _require_free_way(trait, definition, written, said, dry_run)
    known = read_definition(definition.parent) if said.description is None else None
    found = _ask(settings, trait, known or said.description or "", backends)
    with RunDisplay() as screen:
        found = found if known is None else found.model_copy(update={"definition": known})
        _show(screen, trait, found, said)
        for line in toyworld_warning(settings, described(settings, trait, found.definition)):
            screen.print(line)
        if dry_run:
            screen.print("No file was written.")
            return 0
        write_atomically(experiment / FILE, with_trait(written, trait, said.over(found)).encode())
        if known is None:
            write_atomically(definition, (found.definition.strip() + "\n").encode())
        files = "" if known else f"{definition}, and "
        screen.print(
            f"Written: {files}[trait.{_quoted(trait)}] in {experiment / FILE}. Read it; then:",
            f"  {program_name()} run {experiment_options(experiment, trait)} --dry-run",
            f"Its dataset's folder is {definition.parent}: positive.txt and negative.txt go there, if there are any. "
            f"`datasets` in {FILE} puts it elsewhere.",
        )
    return 0


def _require_free_way(trait: str, definition: Path, written: str, said: TraitOverrides, dry_run: bool) -> None:
    if said.description is None and not definition.exists():
        raise UserError(f"{trait} has no {definition} yet: say in a line what the trait is, after its name.")
    if definition.exists() and said.description is not None and not dry_run:
        raise UserError(
            f"{definition} exists already: leave the description out to have only the rest proposed, move the file "
            "away first, or edit it by hand."
        )
    if trait in tomllib.loads(written).get("trait", {}):
        raise UserError(f"{FILE} has a section [trait.{_quoted(trait)}] already: edit it by hand.")


def _ask(settings: Settings, trait: str, description: str, backends: Backends) -> Description:
    """One question to the author. Its answer is shown and written at once, so its ledger is not kept."""
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
    """The author's description. Raises Refusal when it cannot be used as it is."""
    if reply.data is None:
        raise UserError(f"The author gave no description ({reply.error}). Say it in other words, or try again.")
    try:
        found = TypeAdapter(Description).validate_json(reply.data)
    except ValidationError as error:
        raise UserError(f"The author's description lacks something ({error.errors()[0]['msg']}). Try again.") from error
    missing = [line for line in _LINES if not re.search(rf"^{line}\b", found.definition, re.MULTILINE)]
    if missing:
        raise UserError(f"The author's definition lacks {', '.join(missing)}. Say it in other words, or try again.")
    return found


def with_trait(written: str, trait: str, found: Description) -> str:
    """refine.toml with the trait in its list and its section at the end; all else stays, to the byte.

    Raises Refusal when the list cannot be extended so.
    """
    before = tomllib.loads(written)
    listed = before.get("traits", [])
    text = written if trait in listed else _listed(written, trait)
    try:
        after = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # what looked like the list's end stood inside a text or a comment
        after = {}
    if after != {**before, "traits": [*dict.fromkeys([*listed, trait])]}:
        raise UserError(
            f"The list `traits` in {FILE} could not be extended: add {_quoted(trait)} to it, then try again."
        )
    return text.rstrip("\n") + "\n" + found.table(trait)


_LIST = re.compile(r"^traits\s*=\s*\[([^\]]*)\]", re.MULTILINE)


def _listed(written: str, trait: str) -> str:
    """The file with the trait at the end of its list `traits`, where that is a plain list."""

    def longer(match: re.Match[str]) -> str:
        inside = match.group(1).rstrip()
        comma = "" if not inside.strip() else " " if inside.endswith(",") else ", "
        closing = match.group(1)[len(inside) :]
        return f"traits = [{inside}{comma}{_quoted(trait)}{closing}]"

    return _LIST.sub(longer, written, count=1)


def _quoted(text: str) -> str:
    """A TOML basic string. JSON's escapes are TOML's, but for DEL, which TOML wants escaped as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _show(screen: RunDisplay, trait: str, found: Description, said: TraitOverrides) -> None:
    screen.print(f"{trait}: mode {found.mode.value}, negatives shown by {found.negative_test.value}")
    if said.over(found) != found:
        decided = said.over(found)
        screen.print(f"  as you said instead: mode {decided.mode.value}, negatives {decided.negative_test.value}")
    for line in found.definition.strip().split("\n"):
        screen.print(f"  {line}")
    screen.print(f"  opposite: {found.opposite}")
    screen.print(f"  why: {found.reason}")
