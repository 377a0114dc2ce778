"""Issues of dataset files: what is wrong, in which file and on which line, and what to do."""

from collections.abc import Sequence
from typing import Literal

from agent.schema import FrozenModel

_LISTED = 6  # further lines named in one issue


class Issue(FrozenModel):
    """An issue of a dataset file. `line` counts from 1; None means the whole file."""

    severity: Literal["error", "warning"]
    file: str
    line: int | None
    code: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.severity}: {self.message}"


def warning(file: str, line: int | None, code: str, message: str) -> Issue:
    """An issue that does not stop the program."""
    return Issue(severity="warning", file=file, line=line, code=code, message=message)


def error(file: str, line: int | None, code: str, message: str) -> Issue:
    """An issue that makes the dataset unusable."""
    return Issue(severity="error", file=file, line=line, code=code, message=message)


def also_on(numbers: Sequence[int]) -> str:
    """A sentence that names the further lines of an issue, with a blank before it; empty where there are none."""
    if not numbers:
        return ""
    shown = ", ".join(map(str, numbers[:_LISTED]))
    more = f" and {len(numbers) - _LISTED} more" if len(numbers) > _LISTED else ""
    return f" The same on line{'s' if len(numbers) > 1 else ''} {shown}{more}."
