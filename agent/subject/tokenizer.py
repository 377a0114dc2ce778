"""The subject's tokenizer: prompts to token ids, and new ids to text. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.schema import Opener, digest
from agent.subject.weights import SubjectError


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


class Tokens:
    """A Hugging Face tokenizer with every convention explicit.

    The beginning-of-sequence id comes first where the tokenizer has one. Special tokens written out in a text are plain
    characters, so a text cannot end its sequence.
    """

    def __init__(self, tokenizer: Any, limit: int | None) -> None:
        """`limit`: the model's context length in tokens, new ones included; None where it has no limit."""
        self._tokenizer = tokenizer
        self._limit = limit
        self._bos: tuple[int, ...] = () if tokenizer.bos_token_id is None else (int(tokenizer.bos_token_id),)
        self._ids("")  # the library sets up its state at the first call, which two threads must not do at once

    @property
    def eos(self) -> int | None:
        return None if self._tokenizer.eos_token_id is None else int(self._tokenizer.eos_token_id)

    def prompt(self, text: str, system_prompt: str | None, new: int, opener: Opener | None = None) -> TokenizedPrompt:
        """The prompt of a scenario and its opener, with room for `new` tokens.

        Raises SubjectError for a text that has no tokens, is not valid Unicode or is too long for the model.
        """
        forced = text + opener.text if opener else text
        whole = with_system_prompt(forced, system_prompt)
        if any("\ud800" <= char <= "\udfff" for char in whole):
            raise SubjectError(f"The text {whole[:60]!r} contains half a surrogate pair: correct it in the dataset.")
        ids = self._ids(whole)
        if not ids:
            raise SubjectError("An empty text cannot be continued by a model without a beginning-of-sequence token.")
        if self._limit is not None and len(ids) + new > self._limit:
            raise SubjectError(
                f"The text {text[:60]!r} has {len(ids)} tokens, and {new} new ones exceed the subject's limit of "
                f"{self._limit}: shorten the text, or lower rules.max_new_tokens."
            )
        key = digest(system_prompt or "", forced)
        if opener is None:
            return TokenizedPrompt(whole, ids, key)
        return TokenizedPrompt(
            whole, ids, key, self._shared(with_system_prompt(text, system_prompt), ids), opener.samples
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
        return (*self._bos, *encoded["input_ids"])

    def _decode(self, ids: Sequence[int]) -> str:
        text = self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)
