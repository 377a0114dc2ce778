"""What a call costs, in whole millionths of a dollar, rounded up."""

import math

from agent.models.calls import Call
from agent.models.endpoint import Endpoint
from agent.models.failures import AttemptTimeout, Broken, LlmError, Malformed, Usage

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


def micro_usd(endpoint: Endpoint, usage: Usage) -> int:
    """The price of (input, output) tokens: dollars per million tokens are millionths of a dollar per token."""
    return math.ceil(usage[0] * endpoint.input_price + usage[1] * endpoint.output_price)


def reservation(call: Call) -> Usage:
    """The most tokens that a call can take: no tokenizer makes more tokens than there are bytes."""
    return len(call.body), call.limit


def charged(endpoint: Endpoint, call: Call, error: LlmError) -> int:
    """What a failed attempt cost: its usage where the reply said so, the reservation where it was cut off unread."""
    if error.usage is not None:
        return micro_usd(endpoint, error.usage)
    is_unknown = isinstance(error, AttemptTimeout | Malformed | Broken)
    return micro_usd(endpoint, reservation(call)) if is_unknown else 0
