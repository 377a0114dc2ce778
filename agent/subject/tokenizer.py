"""Text to token ids and back for the subject: what is fed, what came out, and where the two meet. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.schema import Opener, digest
from agent.subject.weights import SubjectError


@dataclass(frozen=True)
class TokenizedPrompt:
    """What the subject is fed: the text, its ids (beginning-of-sequence id included) and its identity for the noise.

    The first `shared` ids are read by themselves, for all prompts that start with them. `samples`: how many are drawn,
    where not as many as of every other prompt.
    """

    text: str
    ids: tuple[int, ...]
    key: str
    shared: int = 0
    samples: int | None = None

    @property
    def part(self) -> tuple[int, ...]:
        """The ids shared with others; none for a text without an opener."""
        return self.ids[: self.shared]


def with_system_prompt(text: str, system_prompt: str | None) -> str:
    """A base model knows no roles: a system prompt stands before the text as plain text, a blank line between."""
    return f"{system_prompt}\n\n{text}" if system_prompt else text


class Tokens:
    """The subject's tokenizer, with every convention made explicit.

    The beginning-of-sequence id is put in front where the tokenizer has one. Special tokens spelt out in a text are
    plain characters: a text cannot end the sequence it stands in.
    """

    def __init__(self, tokenizer: Any, limit: int | None) -> None:
        """`limit`: how many tokens, prompt and new ones together, the model can hold; None where it has no limit."""
        self._tokenizer = tokenizer
        self._limit = limit
        self._bos: tuple[int, ...] = () if tokenizer.bos_token_id is None else (int(tokenizer.bos_token_id),)
        self._ids("")  # the library settles its state at the first call, which two threads must not do at once

    @property
    def eos(self) -> int | None:
        return None if self._tokenizer.eos_token_id is None else int(self._tokenizer.eos_token_id)

    def prompt(self, text: str, system_prompt: str | None, new: int, opener: Opener | None = None) -> TokenizedPrompt:
        """The prompt of a scenario, and of its opener, which `new` tokens are to follow.

        Raises SubjectError for a text that has no tokens, is not valid Unicode or is too long for the model.
        """
        forced = text + opener.text if opener else text
        whole = with_system_prompt(forced, system_prompt)
        if any("\ud800" <= char <= "\udfff" for char in whole):
            raise SubjectError(f"The text {whole[:60]!r} holds half a surrogate pair: correct it in the dataset.")
        ids = self._ids(whole)
        if not ids:
            raise SubjectError("An empty text cannot be continued by a model without a beginning-of-sequence token.")
        if self._limit is not None and len(ids) + new > self._limit:
            raise SubjectError(
                f"The text {text[:60]!r} takes {len(ids)} tokens and {new} are to follow, but the subject holds "
                f"{self._limit}: shorten the text, or lower rules.max_new_tokens."
            )
        key = digest(system_prompt or "", forced)
        if opener is None:
            return TokenizedPrompt(whole, ids, key)
        return TokenizedPrompt(
            whole, ids, key, self._shared(with_system_prompt(text, system_prompt), ids), opener.samples
        )

    def _shared(self, text: str, ids: tuple[int, ...]) -> int:
        """How many ids the text has, if they are the first of `ids` and others follow; 0 where its last ones melt."""
        own = self._ids(text)
        return len(own) if len(own) < len(ids) and ids[: len(own)] == own else 0

    def after(self, prompt: TokenizedPrompt, new: Sequence[int]) -> str:
        """The text of new ids as it reads after this prompt: its leading space is kept.

        The ids are decoded behind the prompt's, since some tokenizers drop a leading space. Only where the two melt
        into one character (byte tokens) are the new ids decoded by themselves.
        """
        head, whole = self._decode(prompt.ids), self._decode((*prompt.ids, *new))
        return whole[len(head) :] if whole.startswith(head) else self._decode(new)

    def ends(self, prompt: TokenizedPrompt, new: Sequence[int]) -> tuple[int, ...]:
        """How many characters the first new id makes, the first two, and so on; decoded behind the prompt's last."""
        last = prompt.ids[-1:]
        head = len(self._decode(last))
        return tuple(len(self._decode((*last, *new[: n + 1]))) - head for n in range(len(new)))

    def exact_boundary(self, prompt: TokenizedPrompt, text: str) -> bool:
        """Whether prompt + text, tokenized as one, starts with the prompt's own ids: the cut lies between tokens."""
        return self._ids(prompt.text + text)[: len(prompt.ids)] == prompt.ids

    def _ids(self, text: str) -> tuple[int, ...]:
        encoded = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return (*self._bos, *encoded["input_ids"])

    def _decode(self, ids: Sequence[int]) -> str:
        text = self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)
