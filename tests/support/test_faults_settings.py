"""What faults can be asked for, from Python and in words of the command line."""

from collections.abc import Callable

import pytest

from tests.support.faults import Faults, Outage, RateCap, latency_from, outages_from, rate_cap_from, rates_from

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


def test_the_texts_of_the_command_line_are_read() -> None:
    assert rates_from(["429=0.05", "hang=0.02"]) == {"429": 0.05, "hang": 0.02}
    assert outages_from(["120:180", "60:5:60"]) == (Outage(120, 180), Outage(60, 5, 60))
    assert rate_cap_from("20") == RateCap(20, 20)
    assert rate_cap_from("0.5") == RateCap(0.5, 1)
    assert rate_cap_from("20:5") == RateCap(20, 5)
    assert latency_from("0.3") == (0.3, 0.0)
    assert latency_from("0.3:0.5") == (0.3, 0.5)


UNREADABLE: dict[str, tuple[Callable[[], object], str]] = {
    "a fault without a rate": (lambda: rates_from(["hang"]), "--fault hang: .*Write NAME=RATE"),
    "a fault named twice": (lambda: rates_from(["hang=0.1", "hang=0.2"]), "--fault hang=0.2: .*already"),
    "a rate that is none": (lambda: rates_from(["hang=often"]), "--fault hang=often: .*numbers"),
    "a rate that is no number": (lambda: rates_from(["hang=nan"]), "--fault hang=nan: .*0 to 1"),
    "a fault that is none": (lambda: rates_from(["boom=0.1"]), "--fault boom=0.1: .*no fault 'boom'"),
    "an outage without length": (lambda: outages_from(["120"]), "--outage 120: .*too few.*120:180"),
    "an outage of many parts": (lambda: outages_from(["1:2:3:4"]), "--outage 1:2:3:4: .*too many"),
    "an outage in words": (lambda: outages_from(["soon:later"]), "--outage soon:later: .*START:LENGTH"),
    "a cap below nothing": (lambda: rate_cap_from("-3"), "--rate-cap -3: .*RATE:BURST"),
    "a latency below nothing": (lambda: latency_from("-3"), "--latency -3: .*SECONDS:SPREAD"),
}


@pytest.mark.parametrize(("read", "said"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_text_that_makes_no_sense_is_refused_with_option_and_remedy(read: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read()
