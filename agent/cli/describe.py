"""What `init` does: ask the author, show what it wrote, and put it where a run reads it. Nothing is overwritten."""

import json
import re
import tomllib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.cli.compose import described, open_llm
from agent.cli.hints import place, program
from agent.cli.preflight import missing_keys
from agent.cli.screen import Screen
from agent.cli.toys import stranger
from agent.cli.trouble import Refusal
from agent.config import FILE, Settings, is_trait_id, load_settings
from agent.prompts import PromptBook
from agent.record.files import write_atomically
from agent.record.layout import read_definition
from agent.record.ledger import Ledger
from agent.schema import Mode, NegativeTest, Reply, Request, Role, Shape

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
class Said:
    """What the user says of a trait: a line about it (None: its definition.txt says it), and what is not up for debate.

    Raises Refusal for a mode or a test of negatives that there is not.
    """

    description: str | None = None
    mode: str | None = None
    negative_test: str | None = None

    def __post_init__(self) -> None:
        for name, value, known in (("mode", self.mode, Mode), ("negative-test", self.negative_test, NegativeTest)):
            if value is not None and value not in list(known):
                raise Refusal(f"--{name} {value}: there is no such one. Known are {', '.join(known)}.")

    def over(self, found: Description) -> Description:
        """What the author found, but for what the user had decided."""
        return found.model_copy(
            update={
                "mode": Mode(self.mode) if self.mode else found.mode,
                "negative_test": NegativeTest(self.negative_test) if self.negative_test else found.negative_test,
            }
        )


def describe(trait: str, said: Said, experiment: Path, dry_run: bool) -> int:
    """Describe a trait. Raises Refusal before anything is asked when a file is in the way."""
    if not is_trait_id(trait):
        raise Refusal(f"{trait!r} is no trait id: write category/name, such as toy/gloom.")
    settings = load_settings(experiment, {"traits": [trait]})
    definition = settings.datasets / trait / "definition.txt"
    written = (experiment / FILE).read_text(encoding="utf-8-sig")
    _require_free_way(trait, definition, written, said, dry_run)
    known = read_definition(definition.parent) if said.description is None else None
    found = _ask(settings, trait, known or said.description or "")
    with Screen() as screen:
        found = found if known is None else found.model_copy(update={"definition": known})
        _show(screen, trait, found, said)
        for line in stranger(settings, described(settings, trait, found.definition)):
            screen.say(line)
        if dry_run:
            screen.say("No file was written.")
            return 0
        write_atomically(experiment / FILE, with_trait(written, trait, said.over(found)).encode())
        if known is None:
            write_atomically(definition, (found.definition.strip() + "\n").encode())
        files = "" if known else f"{definition}, and "
        screen.say(
            f"Written: {files}[trait.{_quoted(trait)}] in {experiment / FILE}. Read it; then:",
            f"  {program()} run {place(experiment, trait)} --dry-run",
            f"Its dataset's folder is {definition.parent}: positive.txt and negative.txt go there, if there are any. "
            f"`datasets` in {FILE} puts it elsewhere.",
        )
    return 0


def _require_free_way(trait: str, definition: Path, written: str, said: Said, dry_run: bool) -> None:
    if said.description is None and not definition.exists():
        raise Refusal(f"{trait} has no {definition} yet: say in a line what the trait is, after its name.")
    if definition.exists() and said.description is not None and not dry_run:
        raise Refusal(
            f"{definition} exists already: leave the description out to have only the rest proposed, move the file "
            "away first, or edit it by hand."
        )
    if trait in tomllib.loads(written).get("trait", {}):
        raise Refusal(f"{FILE} has a section [trait.{_quoted(trait)}] already: edit it by hand.")


def _ask(settings: Settings, trait: str, description: str) -> Description:
    """One question to the author. Its answer is shown and written at once, so its ledger is not kept."""
    problems = list(missing_keys(settings, [Role.AUTHOR]))
    if problems:
        raise Refusal("\n".join(problems))
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
        closing(open_llm(settings, [Role.AUTHOR])) as llm,
        TemporaryDirectory() as folder,
        Ledger(Path(folder) / "ledger.sqlite") as ledger,
    ):
        llm.probe()
        return read_description(llm.ask_all([request], ledger)[0])


def read_description(reply: Reply) -> Description:
    """The author's description. Raises Refusal when it cannot be used as it is."""
    if reply.data is None:
        raise Refusal(f"The author gave no description ({reply.error}). Say it in other words, or try again.")
    try:
        found = TypeAdapter(Description).validate_json(reply.data)
    except ValidationError as error:
        raise Refusal(f"The author's description lacks something ({error.errors()[0]['msg']}). Try again.") from error
    missing = [line for line in _LINES if not re.search(rf"^{line}\b", found.definition, re.MULTILINE)]
    if missing:
        raise Refusal(f"The author's definition lacks {', '.join(missing)}. Say it in other words, or try again.")
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
        raise Refusal(f"The list `traits` in {FILE} could not be extended: add {_quoted(trait)} to it, then try again.")
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


def _show(screen: Screen, trait: str, found: Description, said: Said) -> None:
    screen.say(f"{trait}: mode {found.mode.value}, negatives shown by {found.negative_test.value}")
    if said.over(found) != found:
        decided = said.over(found)
        screen.say(f"  as you said instead: mode {decided.mode.value}, negatives {decided.negative_test.value}")
    for line in found.definition.strip().split("\n"):
        screen.say(f"  {line}")
    screen.say(f"  opposite: {found.opposite}")
    screen.say(f"  why: {found.reason}")
