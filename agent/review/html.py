"""The jinja environment of the report and of the review page: everything escaped, no undefined names."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from agent.text import pluralize, safe_text, with_period


def visible_lines(text: str) -> str:
    """The text with every control, bidi or zero-width character made visible; line feeds still break the line."""
    return "\n".join(safe_text(line) for line in text.split("\n"))


def environment(templates: Path) -> jinja2.Environment:
    """An environment that renders the templates of a folder."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_made_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"counted": pluralize, "ended": with_period, "score": score}
    return made


def _made_visible(value: object) -> object:
    """Every string put into a page, made visible line by line; our own markup is left alone. Escaping comes after."""
    return visible_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def score(value: float | None) -> str:
    """A score from 0 to 100 without decimals, or a dash."""
    return "–" if value is None else f"{value:.0f}"
