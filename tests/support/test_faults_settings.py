"""Which faults can be configured."""

from collections.abc import Callable

import pytest

from tests.support.fault_kinds import Faults, Outage, RateCap

IMPOSSIBLE: dict[str, tuple[Callable[[], object], str]] = {
    "an unknown fault": (lambda: Faults(rates={"418": 0.1}), "no fault '418'.*hang"),
    "a rate above one": (lambda: Faults(rates={"429": 2}), "from 0 to 1"),
    "rates above one together": (lambda: Faults(rates={"429": 0.6, "html": 0.6}), "add up to 1.2"),
    "a negative latency": (lambda: Faults(latency=-1), "latency -1"),
    "an endless drip": (lambda: Faults(drip=float("inf")), "drip inf"),
    "a negative quota": (lambda: Faults(quota_after=-1), "quota-after -1"),
    "poison in every prompt": (lambda: Faults(poison=("",)), "poison"),
    "an outage without end": (lambda: Outage(3, float("inf")), "lasts"),
    "an outage that never ends": (lambda: Outage(0, 5, 5), "start to start"),
    "a cap of nothing": (lambda: RateCap(0, 1), "more than 0"),
    "a burst of nothing": (lambda: RateCap(1, 0), "at least 1 at once"),
}


@pytest.mark.parametrize(("make", "said"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_settings_that_make_no_sense_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
