"""Prompt files, rendered strictly: a missing or unused variable is an error, and each text has its file's hash."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import SandboxedEnvironment

from agent.errors import UserError
from agent.schema import FrozenModel

_MARK_LENGTH = 6


class PromptError(UserError):
    """A prompt cannot be loaded or rendered; the message names the file and the remedy."""


class Prompt(FrozenModel):
    """Rendered prompt. `id` is the file's name and the first 12 hex digits of the SHA-256 of its bytes."""

    text: str
    id: str


@dataclass(frozen=True)
class _File:
    template: Template
    variables: frozenset[str]
    id: str


def fenced(content: object, tag: str) -> str:
    """Untrusted text, verbatim, between two marks that depend on its hash and do not occur in it."""
    if not isinstance(content, str):
        raise PromptError(f"The block <{tag}> needs text, not {type(content).__name__}: hand in a string.")
    mark = _mark(tag, content)
    return f"<{mark}>\n{content}\n</{mark}>"


def _mark(tag: str, content: str) -> str:
    """`tag-HHHHHH`. Content that contains its own mark gets one from another salt."""
    salt = 0
    while True:
        salted = content if salt == 0 else f"{salt}\n{content}"
        mark = f"{tag}-{hashlib.sha256(salted.encode(errors='surrogatepass')).hexdigest()[:_MARK_LENGTH]}"
        if mark not in content:
            return mark
        salt += 1


class PromptBook:
    """All prompt files of one folder, checked when loaded."""

    def __init__(self, folder: Path, files: Mapping[str, _File]) -> None:
        self._folder = folder
        self._files = files

    @classmethod
    def load(cls, folder: Path | None = None) -> "PromptBook":
        """Read every `*.md` of the folder (default: the one that ships with the program). Raises PromptError."""
        folder = folder or shipped_folder()
        paths = sorted(folder.glob("*.md"))
        if not paths:
            raise PromptError(f"There is no prompt file (*.md) in {folder}: reinstall the program.")
        environment = _environment()
        return cls(folder, {path.stem: _read(environment, path) for path in paths})

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all prompts, sorted."""
        return tuple(sorted(self._files))

    def render(self, prompt: str, /, **variables: object) -> Prompt:
        """The whole text of a prompt. Raises PromptError for an unknown name, a missing or an unused variable."""
        file = self._files.get(prompt)
        if file is None:
            raise PromptError(f"There is no prompt {prompt!r} in {self._folder}; there are {', '.join(self.names)}.")
        self._check(prompt, file.variables, frozenset(variables))
        try:
            text = file.template.render(variables)
        except TemplateError as error:
            raise PromptError(f"{self._folder / prompt}.md cannot be rendered: {error}.") from error
        return Prompt(text=text.rstrip("\n"), id=file.id)

    def _check(self, prompt: str, wanted: frozenset[str], names: frozenset[str]) -> None:
        if wanted == names:
            return
        missing = f"misses {', '.join(sorted(wanted - names))}" if wanted - names else ""
        unused = f"does not use {', '.join(sorted(names - wanted))}" if names - wanted else ""
        faults = " and ".join(filter(None, (missing, unused)))
        raise PromptError(f"{self._folder / prompt}.md {faults}: make the file and its caller agree.")


def shipped_folder() -> Path:
    """The folder of the prompts: inside the installed package, or at the top of a checkout."""
    shipped = Path(__file__).with_name("_prompts")
    return shipped if shipped.is_dir() else Path(__file__).parents[1] / "prompts"


def _environment() -> SandboxedEnvironment:
    # Prompts are plain text for a model, which HTML escaping would change; `fenced` marks untrusted text instead.
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["fenced"] = fenced
    return environment


def _read(environment: SandboxedEnvironment, path: Path) -> _File:
    raw = path.read_bytes()
    try:
        source = raw.decode()
        variables = meta.find_undeclared_variables(environment.parse(source))
        template = environment.from_string(source)
    except (TemplateError, UnicodeDecodeError) as error:
        raise PromptError(f"{path} is no valid prompt: {error}.") from error
    if not source.startswith("# "):
        raise PromptError(f"{path} must begin with its title, a line such as '# Forecast'.")
    return _File(template, frozenset(variables), f"{path.stem}@{hashlib.sha256(raw).hexdigest()[:12]}")
