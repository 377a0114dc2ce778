"""Budget of a run: prices of calls, and accounts that reserve an upper bound before each call. Money in micro-USD."""

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
_UNITS = ("usd", "calls", "tokens_in", "tokens_out")


def list_price(model: str, base_url: str) -> tuple[float, float] | None:
    """Published (input, output) price in USD per million tokens of this model at this URL; None if unknown.

    From the data bundled with `genai-prices`; nothing is fetched.
    """
    from genai_prices import Usage as Counts
    from genai_prices import calc_price

    try:
        found = calc_price(Counts(input_tokens=_MILLION, output_tokens=_MILLION), model, provider_api_url=base_url)
    except LookupError:
        return None
    return float(found.input_price), float(found.output_price)


def micro_usd(endpoint: Endpoint, usage: TokenUsage) -> int:
    """The price of (input, output) tokens in micro-USD, rounded up: USD per million tokens is micro-USD per token."""
    return math.ceil(usage[0] * endpoint.input_price + usage[1] * endpoint.output_price)


def reservation(call: Call) -> TokenUsage:
    """Upper bound of the (input, output) tokens of a call: no tokenizer makes more tokens than there are bytes."""
    return len(call.body), call.limit


def charged(call: Call, error: LLMError) -> TokenUsage:
    """Tokens that a failed attempt is charged for: its usage if the reply stated it, the reservation if unknown."""
    if error.usage is not None:
        return error.usage
    return reservation(call) if isinstance(error, AttemptTimeout | Malformed | Broken) else (0, 0)


class BudgetExhausted(LLMError):
    """A limit would be exceeded by this call. The message names the limit."""

    kind = ErrorKind.BUDGET


class Amount(NamedTuple):
    """An amount spent or reserved, in each unit that can be limited."""

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
    """Upper limits by unit, None for no limit; `name` is that of the section in refine.toml."""

    name: str
    most: tuple[int | None, int | None, int | None, int | None]

    @classmethod
    def of(cls, name: str, limits: UsageLimits) -> Self:
        # Dollars are rounded down, so that rounding never raises a limit.
        usd = None if limits.usd is None else int(round(limits.usd * _MILLION, 3))
        return cls(name, (usd, limits.calls, limits.tokens_in, limits.tokens_out))

    @property
    def is_unlimited(self) -> bool:
        return all(most is None for most in self.most)

    def exceeded_by(self, total: Amount) -> str | None:
        """Name and figure of the first limit that the total exceeds."""
        for unit, most, amount in zip(_UNITS, self.most, total, strict=True):
            if most is not None and amount > most:
                return f"{self.name}.{unit} = {most / _MILLION:g}" if unit == "usd" else f"{self.name}.{unit} = {most}"
        return None


class BudgetAccount:
    """Amounts spent and reserved under one limit."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.spent = Amount()
        self.reserved = Amount()

    def exceeded_by(self, amount: Amount) -> str | None:
        """The limit that forbids spending this much more, even if all reserved calls turn out to cost nothing."""
        return None if self.limit.is_unlimited else self.limit.exceeded_by(self.spent.plus(amount))

    def must_wait_for(self, amount: Amount) -> bool:
        """Whether this much fits only if reserved calls turn out to cost less."""
        if self.limit.is_unlimited:
            return False
        return self.limit.exceeded_by(self.spent.plus(self.reserved).plus(amount)) is not None


class BudgetTracker:
    """Budget accounts of a run: one for the run, one for each trait and one for each role.

    A trait is named by its ledger's `identity`. All but `open_account` is used on one event loop only.
    """

    def __init__(self, budget: BudgetConfig | None = None) -> None:
        limits = budget or BudgetConfig()
        self._trait_limits = limits.trait
        self._run = BudgetAccount(Limit.of("budget.run", limits.run))
        self._roles = {role: BudgetAccount(Limit.of(f"budget.{role}", getattr(limits, role.value))) for role in Role}
        self._traits: dict[Hashable, BudgetAccount] = {}
        self._waiting: list[asyncio.Future[None]] = []

    def open_account(self, trait: Hashable, spent: Mapping[Role, Amount]) -> None:
        """Open a trait's account with what its ledger says was spent. Once per trait and run, before its first call."""
        self._traits[trait] = BudgetAccount(Limit.of("budget.trait", self._trait_limits))
        for role, amount in spent.items():
            for account in self._accounts(trait, role):
                account.spent = account.spent.plus(amount)

    @property
    def spent(self) -> Amount:
        """What the run has spent."""
        return self._run.spent

    @property
    def reserved(self) -> Amount:
        """Upper bound of what calls in flight may cost."""
        return self._run.reserved

    def limit_reached(self, trait: Hashable, role: Role, amount: Amount) -> str | None:
        """The limit that this much more would exceed, if there is one."""
        return next((limit for one in self._accounts(trait, role) if (limit := one.exceeded_by(amount))), None)

    async def reserve(self, trait: Hashable, role: Role, amount: Amount) -> None:
        """Reserve an amount. Waits while it depends on calls in flight; raises BudgetExhausted if it cannot fit."""
        accounts = self._accounts(trait, role)
        while True:
            if limit := self.limit_reached(trait, role, amount):
                raise BudgetExhausted(f"Budget exhausted: {limit} would be exceeded.")
            if not any(account.must_wait_for(amount) for account in accounts):
                break
            settled = asyncio.get_running_loop().create_future()
            self._waiting.append(settled)
            await settled
        for account in accounts:
            account.reserved = account.reserved.plus(amount)

    def settle(self, trait: Hashable, role: Role, reserved: Amount, spent: Amount) -> None:
        """Replace a reservation by what the call cost."""
        for account in self._accounts(trait, role):
            account.reserved = account.reserved.minus(reserved)
            account.spent = account.spent.plus(spent)
        waiting, self._waiting = self._waiting, []
        for settled in waiting:
            if not settled.done():
                settled.set_result(None)

    def _accounts(self, trait: Hashable, role: Role) -> tuple[BudgetAccount, ...]:
        own = self._traits.get(trait)
        return (self._run, self._roles[role], *([own] if own else []))
