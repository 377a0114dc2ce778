"""How many of something, in words, and sentences that end."""


def counted(count: int, what: str, many: str = "") -> str:
    """1 pair, 2 pairs, 1,000 pairs; `many` is a plural that takes more than an s."""
    return f"{count:,} {what if count == 1 else many or f'{what}s'}"


def goes(count: int, one: str, many: str) -> str:
    """The verb that goes with so many: 1 pair waits, 2 pairs wait."""
    return one if count == 1 else many


def ended(sentence: str) -> str:
    """With a full stop, unless it ends otherwise already."""
    return sentence if not sentence or sentence.rstrip()[-1:] in ".!?…:" else f"{sentence.rstrip()}."
