"""What a run may spend: reserved before a call is sent, settled by its usage. Whole numbers only; restarts included."""

import asyncio
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from agent.models.failures import LlmError
from agent.schema import Allowance, Budget, Role

_MICRO = 1_000_000
_KINDS = ("usd", "calls", "tokens_in", "tokens_out")


class Overspent(LlmError):
    """A cap leaves no room for this call. The message names the cap."""

    kind = "budget"


class Amount(NamedTuple):
    """Something spent or reserved. `micro_usd` are millionths of a dollar."""

    micro_usd: int = 0
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def plus(self, other: "Amount") -> "Amount":
        return Amount(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: "Amount") -> "Amount":
        return Amount(*(a - b for a, b in zip(self, other, strict=True)))


@dataclass(frozen=True)
class Cap:
    """The most of each kind, None where there is no limit; `name` is how refine.toml calls it."""

    name: str
    most: tuple[int | None, int | None, int | None, int | None]

    @classmethod
    def of(cls, name: str, allowance: Allowance) -> Self:
        # Dollars are rounded down: a cap is never exceeded by the rounding of its own figure.
        usd = None if allowance.usd is None else int(round(allowance.usd * _MICRO, 3))
        return cls(name, (usd, allowance.calls, allowance.tokens_in, allowance.tokens_out))

    @property
    def is_open(self) -> bool:
        return all(most is None for most in self.most)

    def broken_by(self, total: Amount) -> str | None:
        """The name and figure of the first limit that the total exceeds."""
        for kind, most, amount in zip(_KINDS, self.most, total, strict=True):
            if most is not None and amount > most:
                return f"{self.name}.{kind} = {most / _MICRO:g}" if kind == "usd" else f"{self.name}.{kind} = {most}"
        return None


class Purse:
    """What is spent and reserved under one cap."""

    def __init__(self, cap: Cap) -> None:
        self.cap = cap
        self.spent = Amount()
        self.reserved = Amount()

    def broken_by(self, amount: Amount) -> str | None:
        """The limit against spending this much more, even if all that is reserved came to nothing."""
        return None if self.cap.is_open else self.cap.broken_by(self.spent.plus(amount))

    def is_tight_for(self, amount: Amount) -> bool:
        """Whether it has to be seen first what the reserved calls really cost."""
        return not self.cap.is_open and self.cap.broken_by(self.spent.plus(self.reserved).plus(amount)) is not None


class Treasury:
    """The purses of a run: the run's, each trait's and each role's. All but `spent_before` on one event loop only."""

    def __init__(self, budget: Budget | None = None) -> None:
        known = budget or Budget()
        self._of_trait = known.trait
        self._run = Purse(Cap.of("budget.run", known.run))
        self._roles = {role: Purse(Cap.of(f"budget.{role}", getattr(known, role.value))) for role in Role}
        self._traits: dict[Hashable, Purse] = {}
        self._waiting: list[asyncio.Future[None]] = []

    def spent_before(self, trait: Hashable, spent: Mapping[Role, Amount]) -> None:
        """Take in what a trait's ledger says was spent already. Once per trait and run, before its first call."""
        purse = self._traits[trait] = Purse(Cap.of("budget.trait", self._of_trait))
        for role, amount in spent.items():
            for of in (self._run, purse, self._roles[role]):
                of.spent = of.spent.plus(amount)

    @property
    def spent(self) -> Amount:
        """All that the run has spent."""
        return self._run.spent

    @property
    def reserved(self) -> Amount:
        """What calls in flight may still cost."""
        return self._run.reserved

    def limit_reached(self, trait: Hashable, role: Role, amount: Amount) -> str | None:
        """The limit that leaves no room for this much, if there is one."""
        return next((limit for purse in self._purses(trait, role) if (limit := purse.broken_by(amount))), None)

    async def reserve(self, trait: Hashable, role: Role, amount: Amount) -> None:
        """Set this much aside. Waits while that hangs on calls in flight; raises Overspent when no waiting helps."""
        purses = self._purses(trait, role)
        while True:
            if limit := self.limit_reached(trait, role, amount):
                raise Overspent(f"The budget is used up: {limit} leaves no room for one more call.")
            if not any(purse.is_tight_for(amount) for purse in purses):
                break
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        for purse in purses:
            purse.reserved = purse.reserved.plus(amount)

    def settle(self, trait: Hashable, role: Role, reserved: Amount, spent: Amount) -> None:
        """Replace a reservation by what the call came to."""
        for purse in self._purses(trait, role):
            purse.reserved = purse.reserved.minus(reserved)
            purse.spent = purse.spent.plus(spent)
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)

    def _purses(self, trait: Hashable, role: Role) -> tuple[Purse, ...]:
        own = self._traits.get(trait)
        return (self._run, self._roles[role], *([own] if own else []))
