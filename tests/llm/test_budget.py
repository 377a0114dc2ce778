"""Budget accounts: nothing is spent beyond a limit, and nothing refused that would have fitted."""

import asyncio

import pytest

from agent.llm.budget import Amount, BudgetExhausted, BudgetTracker
from agent.schema import BudgetConfig, Role, UsageLimits

JUDGE, AUTHOR = Role.JUDGE, Role.AUTHOR
DOLLAR = 1_000_000


def tracker(**limits: UsageLimits) -> BudgetTracker:
    opened = BudgetTracker(BudgetConfig(**limits))
    opened.open_account("a", {})
    opened.open_account("b", {})
    return opened


def spend(budget: BudgetTracker, amount: Amount, trait: str = "a", role: Role = JUDGE) -> None:
    async def pay() -> None:
        await budget.reserve(trait, role, amount)
        budget.settle(trait, role, amount, amount)

    asyncio.run(pay())


@pytest.mark.parametrize(
    ("limits", "fits", "too_much"),
    [
        (UsageLimits(usd=1.0), Amount(micro_usd=DOLLAR), Amount(micro_usd=1)),
        (UsageLimits(calls=2), Amount(calls=2), Amount(calls=1)),
        (UsageLimits(tokens_in=10), Amount(tokens_in=10), Amount(tokens_in=1)),
        (UsageLimits(tokens_out=10), Amount(tokens_out=10), Amount(tokens_out=1)),
    ],
)
def test_a_limit_can_be_spent_to_the_last_unit_and_not_exceeded(
    limits: UsageLimits, fits: Amount, too_much: Amount
) -> None:
    budget = tracker(run=limits)
    spend(budget, fits)
    with pytest.raises(BudgetExhausted, match="budget.run"):
        spend(budget, too_much)
    assert budget.spent == fits


def test_a_limit_of_zero_allows_free_calls_only() -> None:
    budget = tracker(run=UsageLimits(usd=0.0))
    spend(budget, Amount(calls=1, tokens_in=100))
    with pytest.raises(BudgetExhausted, match="budget.run.usd = 0"):
        spend(budget, Amount(micro_usd=1))


def test_without_a_limit_nothing_is_refused() -> None:
    spend(tracker(), Amount(10**12, 10**6, 10**9, 10**9))


def test_each_trait_has_its_own_account_and_the_run_the_sum() -> None:
    budget = tracker(run=UsageLimits(calls=5), trait=UsageLimits(calls=3))
    for _ in range(3):
        spend(budget, Amount(calls=1), "a")
    with pytest.raises(BudgetExhausted, match=r"budget.trait.calls = 3"):
        spend(budget, Amount(calls=1), "a")
    for _ in range(2):
        spend(budget, Amount(calls=1), "b")
    with pytest.raises(BudgetExhausted, match=r"budget.run.calls = 5"):
        spend(budget, Amount(calls=1), "b")


def test_each_role_has_its_own_account() -> None:
    budget = tracker(author=UsageLimits(calls=1))
    spend(budget, Amount(calls=1), role=AUTHOR)
    spend(budget, Amount(calls=1), role=JUDGE)
    with pytest.raises(BudgetExhausted, match=r"budget.author.calls = 1"):
        spend(budget, Amount(calls=1), role=AUTHOR)


def test_spending_of_earlier_runs_counts() -> None:
    budget = BudgetTracker(BudgetConfig(run=UsageLimits(usd=1.0)))
    budget.open_account("a", {JUDGE: Amount(micro_usd=600_000)})
    budget.open_account("b", {JUDGE: Amount(micro_usd=399_999)})
    with pytest.raises(BudgetExhausted):
        spend(budget, Amount(micro_usd=2))
    spend(budget, Amount(micro_usd=1))


def test_a_call_waits_for_reserved_ones_and_is_sent_when_they_cost_less() -> None:
    budget = tracker(run=UsageLimits(usd=1.0))
    big = Amount(micro_usd=700_000)

    async def two() -> list[str]:
        order = []
        await budget.reserve("a", JUDGE, big)

        async def second() -> None:
            await budget.reserve("a", JUDGE, big)
            order.append("second")

        waiting = asyncio.create_task(second())
        await asyncio.sleep(0)
        assert order == []
        budget.settle("a", JUDGE, big, Amount(micro_usd=1000))
        await waiting
        return order

    assert asyncio.run(two()) == ["second"]
    assert budget.reserved == big


def test_a_call_that_waited_for_expensive_ones_is_refused() -> None:
    budget = tracker(run=UsageLimits(usd=1.0))
    big = Amount(micro_usd=700_000)

    async def two() -> None:
        await budget.reserve("a", JUDGE, big)
        waiting = asyncio.create_task(budget.reserve("a", JUDGE, big))
        await asyncio.sleep(0)
        budget.settle("a", JUDGE, big, big)
        await waiting

    with pytest.raises(BudgetExhausted):
        asyncio.run(two())
    assert budget.reserved == Amount()


def test_a_hundred_concurrent_calls_never_exceed_the_limit() -> None:
    budget = tracker(run=UsageLimits(usd=1.0))
    most = Amount(micro_usd=30_000, calls=1)

    async def call(number: int) -> int:
        await budget.reserve("a", JUDGE, most)
        assert budget.spent.micro_usd + budget.reserved.micro_usd <= DOLLAR
        await asyncio.sleep(0.001 * (number % 7))
        budget.settle("a", JUDGE, most, Amount(micro_usd=20_000 + 100 * (number % 50), calls=1))
        return 1

    async def all_of_them() -> int:
        done = await asyncio.gather(*(call(number) for number in range(100)), return_exceptions=True)
        return sum(one for one in done if isinstance(one, int))

    made = asyncio.run(all_of_them())
    assert 0 < made < 100
    assert DOLLAR - 30_000 < budget.spent.micro_usd <= DOLLAR
    assert budget.reserved == Amount()
