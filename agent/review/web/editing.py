"""Texts in a field to type in, where nothing may be hidden and nothing may get lost."""

from agent.schema.visible import safe_text


def shown(text: str) -> str:
    """The text as a field shows it: line feeds break the line, whatever else is invisible has a picture or a code."""
    return "\n".join(safe_text(line) for line in text.split("\n"))


def restored(typed: str, original: str) -> str:
    """What was typed, with the original's invisible characters where their pictures still stand.

    What was not touched comes back to the byte, though the browser sent its line ends as CR LF.
    """
    typed = typed.replace("\r\n", "\n")
    if typed == shown(original):
        return original
    hidden = {safe_text(char): char for char in sorted(set(original) - {"\n"}) if safe_text(char) != char}
    for picture, char in hidden.items():
        typed = typed.replace(picture, char)
    return typed
