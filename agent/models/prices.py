"""What a call costs, in whole millionths of a dollar, rounded up."""

import math

from agent.models.calls import Call
from agent.models.endpoint import Endpoint
from agent.models.failures import AttemptTimeout, LlmError, Malformed, Usage


def micro_usd(endpoint: Endpoint, usage: Usage) -> int:
    """The price of (input, output) tokens: dollars per million tokens are millionths of a dollar per token."""
    return math.ceil(usage[0] * endpoint.input_price + usage[1] * endpoint.output_price)


def reservation(call: Call) -> Usage:
    """The most tokens that a call can take: no tokenizer makes more tokens than there are bytes."""
    return len(call.body), call.max_tokens


def charged(endpoint: Endpoint, call: Call, error: LlmError) -> int:
    """What a failed attempt cost: its usage where the reply said so, the reservation where it was cut off unread."""
    if error.usage is not None:
        return micro_usd(endpoint, error.usage)
    is_unknown = isinstance(error, AttemptTimeout | Malformed)
    return micro_usd(endpoint, reservation(call)) if is_unknown else 0
