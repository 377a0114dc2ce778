"""What a call costs, in whole millionths of a dollar, rounded up."""

import asyncio
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from agent.llm.calls import Call
from agent.llm.endpoint import Endpoint
from agent.llm.errors import AttemptTimeout, Broken, LLMError, Malformed, TokenUsage
from agent.schema import BudgetConfig, ErrorKind, Role, UsageLimits

_MILLION = 1_000_000


def list_price(model: str, base_url: str) -> tuple[float, float] | None:
    """(input, output) in dollars per million tokens as published for this model at this address; None if unknown.

    From the data that `genai-prices` carries: nothing is fetched.
    """
    from genai_prices import Usage as Counts
    from genai_prices import calc_price

    try:
        found = calc_price(Counts(input_tokens=_MILLION, output_tokens=_MILLION), model, provider_api_url=base_url)
    except LookupError:
        return None
    return float(found.input_price), float(found.output_price)


def micro_usd(endpoint: Endpoint, usage: TokenUsage) -> int:
    """The price of (input, output) tokens: dollars per million tokens are millionths of a dollar per token."""
    return math.ceil(usage[0] * endpoint.input_price + usage[1] * endpoint.output_price)


def reservation(call: Call) -> TokenUsage:
    """The most tokens that a call can take: no tokenizer makes more tokens than there are bytes."""
    return len(call.body), call.limit


def charged(endpoint: Endpoint, call: Call, error: LLMError) -> int:
    """What a failed attempt cost: its usage where the reply said so, the reservation where it was cut off unread."""
    if error.usage is not None:
        return micro_usd(endpoint, error.usage)
    is_unknown = isinstance(error, AttemptTimeout | Malformed | Broken)
    return micro_usd(endpoint, reservation(call)) if is_unknown else 0


_MICRO = 1_000_000
_KINDS = ("usd", "calls", "tokens_in", "tokens_out")


class BudgetExhausted(LLMError):
    """A cap leaves no room for this call. The message names the cap."""

    kind = ErrorKind.BUDGET


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
class Limit:
    """The most of each kind, None where there is no limit; `name` is how refine.toml calls it."""

    name: str
    most: tuple[int | None, int | None, int | None, int | None]

    @classmethod
    def of(cls, name: str, allowance: UsageLimits) -> Self:
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


class BudgetAccount:
    """What is spent and reserved under one cap."""

    def __init__(self, cap: Limit) -> None:
        self.cap = cap
        self.spent = Amount()
        self.reserved = Amount()

    def broken_by(self, amount: Amount) -> str | None:
        """The limit against spending this much more, even if all that is reserved came to nothing."""
        return None if self.cap.is_open else self.cap.broken_by(self.spent.plus(amount))

    def is_tight_for(self, amount: Amount) -> bool:
        """Whether it has to be seen first what the reserved calls really cost."""
        return not self.cap.is_open and self.cap.broken_by(self.spent.plus(self.reserved).plus(amount)) is not None


class BudgetTracker:
    """The purses of a run: the run's, each trait's and each role's. All but `spent_before` on one event loop only."""

    def __init__(self, budget: BudgetConfig | None = None) -> None:
        known = budget or BudgetConfig()
        self._of_trait = known.trait
        self._run = BudgetAccount(Limit.of("budget.run", known.run))
        self._roles = {role: BudgetAccount(Limit.of(f"budget.{role}", getattr(known, role.value))) for role in Role}
        self._traits: dict[Hashable, BudgetAccount] = {}
        self._waiting: list[asyncio.Future[None]] = []

    def spent_before(self, trait: Hashable, spent: Mapping[Role, Amount]) -> None:
        """Take in what a trait's ledger says was spent already. Once per trait and run, before its first call."""
        purse = self._traits[trait] = BudgetAccount(Limit.of("budget.trait", self._of_trait))
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
                raise BudgetExhausted(f"The budget is used up: {limit} leaves no room for one more call.")
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

    def _purses(self, trait: Hashable, role: Role) -> tuple[BudgetAccount, ...]:
        own = self._traits.get(trait)
        return (self._run, self._roles[role], *([own] if own else []))
