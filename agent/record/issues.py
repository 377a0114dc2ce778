"""What loading a dataset finds, by file and line."""

from typing import Literal

from agent.schema import Noun


class Issue(Noun):
    """One finding about one place. `line` counts from 1 as editors do; None means the whole file."""

    severity: Literal["error", "warning"]
    file: str
    line: int | None
    code: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.severity}: {self.message}"


def warning(file: str, line: int | None, code: str, message: str) -> Issue:
    """Something the user should know and the program can live with."""
    return Issue(severity="warning", file=file, line=line, code=code, message=message)


def error(file: str, line: int | None, code: str, message: str) -> Issue:
    """Something that makes the dataset unusable."""
    return Issue(severity="error", file=file, line=line, code=code, message=message)
