"""How the toy endpoint misbehaves: which faults, how often and when. Read from Python or from command-line texts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Drawn per request, by name. "drip", "content-type", "no-usage" and "model" still bring a whole answer.
FAULTS: Mapping[str, str] = {
    "429": "slow down, with Retry-After",
    "429-bare": "slow down, without a word on how long",
    "quota": "a 429 whose code is insufficient_quota",
    "5xx": "500, 502, 503, 504, 520 or 529",
    "hang": "never answers",
    "drip": "answers a byte at a time",
    "reset": "breaks the connection before the answer",
    "reset-amid": "breaks the connection amid the answer",
    "cut": "JSON that ends too early",
    "malformed": "almost JSON",
    "html": "a sign-in page with status 200",
    "error-200": "an error object with status 200",
    "no-choices": "an empty list of choices",
    "refusal": "the model declines",
    "filtered": "a content filter withholds the answer",
    "no-logprobs": "log-probabilities left out",
    "no-usage": "token counts left out",
    "model": "another model's name echoed",
    "content-type": "the right answer as text/plain",
    "huge": "20 MB",
}


@dataclass(frozen=True)
class Outage:
    """Seconds since the start in which every request is answered 503; `every` repeats it, which makes bursts."""

    start: float
    length: float
    every: float | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.start < math.inf and 0 < self.length < math.inf):
            raise ValueError("An outage starts at second 0 or later and lasts longer than 0 seconds.")
        if self.every is not None and not self.length < self.every < math.inf:
            raise ValueError("What repeats needs more seconds from start to start than it lasts.")

    def covers(self, second: float) -> bool:
        since = second - self.start
        if since < 0:
            return False
        return (since % self.every if self.every is not None else since) < self.length


@dataclass(frozen=True)
class RateCap:
    """A token bucket: `burst` requests at once, refilled by `per_second`. What finds it empty gets a bare 429."""

    per_second: float
    burst: float

    def __post_init__(self) -> None:
        if not (0 < self.per_second < math.inf and 1 <= self.burst < math.inf):
            raise ValueError("A cap lets in more than 0 requests per second, and at least 1 at once.")


@dataclass(frozen=True)
class Faults:
    """What goes wrong. Waits in seconds; `rates` gives the share of requests for each name in FAULTS.

    `poison` are texts: a request that contains one is answered 500 for ever. After `quota_after` requests the account
    is out of credit. Every reply takes `latency` seconds and up to `spread` more; a dripping one takes `drip` per byte.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    poison: tuple[str, ...] = ()
    outages: tuple[Outage, ...] = ()
    rate_cap: RateCap | None = None
    quota_after: int | None = None
    latency: float = 0.0
    spread: float = 0.0
    drip: float = 1.0
    retry_after: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, rate in self.rates.items():
            if name not in FAULTS:
                raise ValueError(f"There is no fault {name!r}. There are {', '.join(FAULTS)}.")
            if not 0 <= rate <= 1:
                raise ValueError(f"The rate of {name}, {rate:g}, must lie from 0 to 1: 0.05 is one request in twenty.")
        total = math.fsum(self.rates.values())
        if total > 1 + 1e-9:
            raise ValueError(f"The rates add up to {total:g}: a request has one fault, so they may reach 1 together.")
        for name in ("latency", "spread", "drip", "retry_after", "quota_after"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{name.replace('_', '-')} {value:g}: write a finite number from 0 on.")
        if not all(self.poison):
            raise ValueError("poison: an empty text is in every prompt; give a text that only some prompts contain.")


def rates_from(texts: Sequence[str]) -> dict[str, float]:
    """The rates in texts such as "429=0.05". Raises ValueError that names the option and the remedy."""
    rates: dict[str, float] = {}
    for text in texts:
        name, _, rate = text.partition("=")
        try:
            if name in rates:
                raise ValueError(f"{name} has a rate already.")
            rates[name] = _numbers(rate, 1, 1)[0]
            Faults(rates=rates)
        except ValueError as error:
            raise ValueError(f"--fault {text}: {error} Write NAME=RATE, for example --fault 429=0.05.") from error
    return rates


def outages_from(texts: Sequence[str]) -> tuple[Outage, ...]:
    """The outages in texts such as "120:180" or "60:5:60". Raises ValueError that names the option and the remedy."""
    return tuple(map(_outage, texts))


def _outage(text: str) -> Outage:
    try:
        return Outage(*_numbers(text, 2, 3))
    except ValueError as error:
        remedy = "Write START:LENGTH or START:LENGTH:EVERY in seconds, for example --outage 120:180."
        raise ValueError(f"--outage {text}: {error} {remedy}") from error


def rate_cap_from(text: str) -> RateCap:
    """The cap in a text such as "20" or "20:5". Raises ValueError that names the option and the remedy."""
    try:
        rate, *burst = _numbers(text, 1, 2)
        return RateCap(rate, burst[0] if burst else max(1.0, rate))
    except ValueError as error:
        remedy = "Write RATE or RATE:BURST, in requests per second and requests at once, for example --rate-cap 20:5."
        raise ValueError(f"--rate-cap {text}: {error} {remedy}") from error


def latency_from(text: str) -> tuple[float, float]:
    """(fixed, spread) in a text such as "0.3" or "0.3:0.5". Raises ValueError that names the option and the remedy."""
    try:
        fixed, *more = _numbers(text, 1, 2)
        spread = more[0] if more else 0.0
        Faults(latency=fixed, spread=spread)
    except ValueError as error:
        remedy = "Write SECONDS, or SECONDS:SPREAD for up to that much more, for example --latency 0.3:0.5."
        raise ValueError(f"--latency {text}: {error} {remedy}") from error
    return fixed, spread


def _numbers(text: str, least: int, most: int) -> list[float]:
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError as error:
        raise ValueError(f"{text!r} is not made of numbers.") from error
    if not least <= len(numbers) <= most:
        raise ValueError(f"{text!r} has too {'few' if len(numbers) < least else 'many'} numbers.")
    return numbers
