"""The subject's tokenizer: prompts to token ids, and new ids to text. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.schema import Opener, digest
from agent.subject.weights import UnfitTextError


@dataclass(frozen=True)
class TokenizedPrompt:
    """A prompt: its text, its ids (beginning-of-sequence id included) and the key that seeds its sampling noise.

    The first `shared` ids are computed once for all prompts that start with them. `samples`: how many are drawn, where
    it differs from the other prompts.
    """

    text: str
    ids: tuple[int, ...]
    key: str
    shared: int = 0
    samples: int | None = None

    @property
    def prefix(self) -> tuple[int, ...]:
        """The ids shared with other prompts; empty for a text without an opener."""
        return self.ids[: self.shared]


def with_system_prompt(text: str, system_prompt: str | None) -> str:
    """The text after the system prompt and a blank line, as plain text: a base model knows no roles."""
    return f"{system_prompt}\n\n{text}" if system_prompt else text


def _start(tokenizer: Any) -> tuple[int, ...]:
    """The ids that the tokenizer puts in front of every text by default."""
    text = "a"
    own = tuple(tokenizer(text, verbose=False)["input_ids"])
    plain = tuple(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    places = (i for i in range(len(own)) if own[i : i + len(plain)] == plain)
    return tuple(map(int, own[: next(places, 0)]))


class Tokens:
    """A Hugging Face tokenizer with every convention explicit.

    What the tokenizer itself puts in front of a text comes first, nothing else, so that the ids are those that another
    program gets by default; what it puts behind a text, which is to go on, is left out. Special tokens written out in a
    text are plain characters, so a text cannot end its sequence.
    """

    def __init__(self, tokenizer: Any, limit: int | None, vocabulary: int | None = None) -> None:
        """`limit`: the model's context length in tokens, new ones included; `vocabulary`: how many ids the model knows.

        Both are None where there is no limit.
        """
        self._tokenizer = tokenizer
        self._limit = limit
        self._vocabulary = vocabulary
        # This first call also sets up the library's state, which two threads must not do at once.
        self._start = _start(tokenizer)

    @property
    def forced_start(self) -> bool:
        """Whether version 1 of the prompting, which began with any BOS that a tokenizer has, read other ids."""
        bos = self._tokenizer.bos_token_id
        return self._start != (() if bos is None else (int(bos),))

    @property
    def start(self) -> str:
        """How each text begins, in words."""
        if self._start:
            return f"texts begin with {' '.join(map(str, self._tokenizer.convert_ids_to_tokens(list(self._start))))}"
        return "texts begin without a special token"

    @property
    def eos(self) -> int | None:
        return None if self._tokenizer.eos_token_id is None else int(self._tokenizer.eos_token_id)

    def prompt(self, text: str, system_prompt: str | None, new: int, opener: Opener | None = None) -> TokenizedPrompt:
        """The prompt of a scenario and its opener, with room for `new` tokens.

        Raises UnfitTextError for a text that has no tokens, is not valid Unicode, is too long for the model or has
        tokens that the model does not know.
        """
        forced = text + opener.text if opener else text
        whole = with_system_prompt(forced, system_prompt)
        if any("\ud800" <= char <= "\udfff" for char in whole):
            raise UnfitTextError("It contains half a surrogate pair, which is no character: correct it.")
        ids = self._ids(whole)
        self._require_fit(ids, new)
        key = digest(system_prompt or "", forced)
        if opener is None:
            return TokenizedPrompt(whole, ids, key)
        return TokenizedPrompt(
            whole, ids, key, self._shared(with_system_prompt(text, system_prompt), ids), opener.samples
        )

    def problem(self, text: str, system_prompt: str | None, new: int) -> str | None:
        """Why the subject cannot continue a text by `new` tokens, as far as the tokenizer can tell; None if it can."""
        try:
            self.prompt(text, system_prompt, new)
        except UnfitTextError as error:
            return str(error)
        return None

    def _require_fit(self, ids: tuple[int, ...], new: int) -> None:
        if not ids:
            raise UnfitTextError("It has no tokens, and the subject needs one to begin with: write a text.")
        if self._limit is not None and len(ids) + new > self._limit:
            raise UnfitTextError(
                f"It takes {len(ids)} tokens, and {new} new ones exceed the subject's window of {self._limit}: "
                "shorten it, or lower rules.max_new_tokens."
            )
        if self._vocabulary is not None and max(ids) >= self._vocabulary:
            token = self._tokenizer.convert_ids_to_tokens(max(ids))
            raise UnfitTextError(
                f"Its token {token!r} has the id {max(ids)}, and the model knows only those below {self._vocabulary}: "
                "the tokenizer belongs to another model, or the text needs another character here."
            )

    def _shared(self, text: str, ids: tuple[int, ...]) -> int:
        """The number of ids of the text, if `ids` starts with them and goes on; else 0."""
        own = self._ids(text)
        return len(own) if len(own) < len(ids) and ids[: len(own)] == own else 0

    def decode_continuation(self, prompt: TokenizedPrompt, new: Sequence[int]) -> str:
        """The text of new ids as a continuation of the prompt, with its leading space.

        The ids are decoded after the prompt's, since some tokenizers drop a leading space. Where the two merge into
        one character (byte tokens), the new ids are decoded by themselves.
        """
        head, whole = self._decode(prompt.ids), self._decode((*prompt.ids, *new))
        return whole[len(head) :] if whole.startswith(head) else self._decode(new)

    def character_ends(self, prompt: TokenizedPrompt, new: Sequence[int]) -> tuple[int, ...]:
        """Length in characters of the first new id, the first two, and so on, decoded after the prompt's last id."""
        last = prompt.ids[-1:]
        head = len(self._decode(last))
        return tuple(len(self._decode((*last, *new[: n + 1]))) - head for n in range(len(new)))

    def exact_boundary(self, prompt: TokenizedPrompt, text: str) -> bool:
        """Whether prompt + text, tokenized together, starts with the prompt's ids: the cut is a token boundary."""
        return self._ids(prompt.text + text)[: len(prompt.ids)] == prompt.ids

    def _ids(self, text: str) -> tuple[int, ...]:
        encoded = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return (*self._start, *encoded["input_ids"])

    def _decode(self, ids: Sequence[int]) -> str:
        text = self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)
