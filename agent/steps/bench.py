"""What a step works with: the trait, the rules, the prompts and two functions that reach the models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent.prompts import PromptBook
from agent.schema import (
    Completion,
    Mode,
    NegativeTest,
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
Complete = Callable[[Sequence[Scenario], Sampling], list[tuple[Completion, ...]]]


@dataclass(frozen=True)
class Bench:
    """`ask` and `complete` give one result per input, in order; both remember, so that asking twice costs once."""

    trait: Trait
    rules: Rules
    prompts: PromptBook
    ask: Ask
    complete: Complete
    scales: Mapping[Role, str]
    seed: int = 0

    @property
    def sustained(self) -> bool:
        return self.trait.mode is Mode.SUSTAINED

    def behaviour(self, polarity: Polarity) -> str:
        """What the scenario's own side does, in words for a prompt."""
        if polarity is Polarity.POSITIVE or self.trait.negative_test is NegativeTest.ABSENCE:
            return self._trait_in_words()
        return self.trait.opposite

    def contrary(self, polarity: Polarity) -> str:
        """What would be the other side's act."""
        own = self.behaviour(polarity)
        return self.trait.opposite if own == self._trait_in_words() else self._trait_in_words()

    def _trait_in_words(self) -> str:
        return self.trait.id.rpartition("/")[2].replace("_", " ")
