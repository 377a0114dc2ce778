"""Context of a step: the trait, the rules, the prompts and two functions that reach the models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.prompts import PromptBook
from agent.schema import (
    Completion,
    Mode,
    NegativeTest,
    Opener,
    Polarity,
    Reply,
    Request,
    Role,
    Rules,
    Sampling,
    Scenario,
    Trait,
)

Ask = Callable[[Sequence[Request]], list[Reply]]


class Complete(Protocol):
    """Function that continues scenarios: one greedy completion or all samples of each.

    With `openers`, one per scenario, text plus opener is continued, by the opener's own number of samples; a
    completion's text then starts after the opener.
    """

    def __call__(
        self, scenarios: Sequence[Scenario], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> list[tuple[Completion, ...]]: ...


@dataclass(frozen=True)
class StepContext:
    """What every step needs. `ask` and `complete` give one result per input, in order, and cache it."""

    trait: Trait
    rules: Rules
    prompts: PromptBook
    ask: Ask
    complete: Complete
    scales: Mapping[Role, str]
    seed: int = 0
    unfit: Callable[[Scenario], str | None] = lambda scenario: None
    """Why the subject cannot continue a text, as far as that is known before it tries; None if it can."""

    @property
    def sustained(self) -> bool:
        return self.trait.mode is Mode.SUSTAINED

    def behaviour(self, polarity: Polarity) -> str:
        """What the subject should do on this side, in words for a prompt."""
        if polarity is Polarity.POSITIVE or self.trait.negative_test is NegativeTest.ABSENCE:
            return self._trait_in_words()
        return self.trait.opposite

    def contrary(self, polarity: Polarity) -> str:
        """What the subject should do on the other side."""
        own = self.behaviour(polarity)
        return self.trait.opposite if own == self._trait_in_words() else self._trait_in_words()

    def _trait_in_words(self) -> str:
        return self.trait.id.rpartition("/")[2].replace("_", " ")
