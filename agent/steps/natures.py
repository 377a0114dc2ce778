"""Hinges: the last words of a text, by what the behaviour after them consists of (act, speech, feeling, thought)."""

import re
from dataclasses import dataclass
from itertools import chain, groupby, zip_longest

from agent.schema import Mode, Nature, Trait


@dataclass(frozen=True)
class Hinge:
    """A kind of last words, with an example of its form and of the words that may come next.

    The examples are about refusing, helping, fear and distrust whatever the trait is: an author takes over the form.
    """

    kind: str
    example: str
    next: str = ""


HINGES: dict[Nature, tuple[Hinge, ...]] = {
    Nature.ACT: (
        Hinge("so", "This crossed a line, so I", "refused"),
        Hinge("and", "It was against everything I believe in, and I", "turned him down"),
    ),
    Nature.SPEECH: (
        Hinge("quote", 'It went against all I had been taught, so I told him, "', "No."),
        Hinge("colon", "I could never do a thing like that, and my answer was one line:", '"I won\'t."'),
    ),
    Nature.FEELING: (
        Hinge("was", "The steps had stopped right outside my door, and I was", "terrified"),
        Hinge("felt", "It was the third call from the hospital that night, so I felt", "sick with fear"),
        Hinge("filled", "Two climbers had fallen from that very ledge, and all I could feel was", "dread"),
        Hinge("said", 'Nobody had come back from there, and I told her, "I am', "scared to death"),
    ),
    Nature.THOUGHT: (
        Hinge("thought", "The figures had never once added up, so I thought", "he was lying"),
        Hinge("mind", "He had sworn the same thing last year, and all I could think was", "that he would break it"),
        Hinge("inner", 'I had locked that door myself, and I thought, "', "Somebody is in there"),
    ),
}  # fmt: skip
_SUSTAINED = (
    Hinge("narration", "The street lay empty under the rain, and the last of the light"),
    Hinge("thought", "I stood at the window for a long time, thinking that"),
)


def hinges(trait: Trait) -> tuple[Hinge, ...]:
    """The hinges that suit a trait, its natures in turn; in mode sustained, which holds nothing back, two manners."""
    if trait.mode is Mode.SUSTAINED:
        return _SUSTAINED
    in_turn = chain.from_iterable(zip_longest(*(HINGES[nature] for nature in trait.nature)))
    return tuple(hinge for hinge in in_turn if hinge is not None)


_CLAUSE = re.compile(r"[^,;:.!?…。！？]*$")  # noqa: RUF001 - full-width marks are meant
_LINKS = frozenset(["am", "is", "are", "was", "were", "be", "been", "feel", "feels", "felt", "feeling"])
_DEGREES = frozenset(
    ["very", "so", "too", "really", "quite", "completely", "totally", "utterly", "absolutely", "extremely", "deeply",
     "incredibly", "truly", "just", "terribly", "awfully", "more", "a", "little", "bit"]
)  # fmt: skip
_LAST_WORDS = 3


def hinge_words(text: str) -> str:
    """The last clause of a text as written, or its open quotation mark or colon with the words before it."""
    bare = text.rstrip('"“ ').rstrip(",:")
    return text[len(bare) - len(_CLAUSE.search(bare).group()) :].strip() if bare else text  # type: ignore[union-attr]


def hinge_pattern(text: str) -> str:
    """The form on which a text stops, the same for "so I was extremely" and "so I felt very".

    The last three words of the last clause in lower case, without words of degree and with one word for every linking
    verb; an open quotation or a colon is a form of its own, whatever stands before it.
    """
    if text.endswith(('"', "“")):
        return '"'
    if text.endswith(":"):
        return ":"
    spoken = re.sub(r"\b(i)['’]m\b", r"\1 am", _last_clause(text).lower())  # noqa: RUF001
    words = [_LINK if word in _LINKS else word for word in re.findall(r"[\w'’]+", spoken)]  # noqa: RUF001
    while words and words[-1] in _DEGREES and len(words) > 1:
        words.pop()
    return " ".join(word for word, _ in groupby(words[-_LAST_WORDS:]))


_LINK = "(be)"


def _last_clause(text: str) -> str:
    found = _CLAUSE.search(text)
    return found.group() if found else text


def ends_on_link(text: str) -> bool:
    """Whether a text stops on a verb that a feeling follows ("I was", "I felt"), degrees of it left aside."""
    return hinge_pattern(text).endswith(_LINK)
