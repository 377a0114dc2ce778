"""Endpoint: one model behind one URL, and the capability that a probe found."""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from agent.schema import FrozenModel

ScaleName = Literal["percent", "letters"]
Structure = Literal["json_schema", "json_object", "plain"]
Method = Literal["logprobs", "letters", "samples"]


class Endpoint(FrozenModel):
    """One model behind one OpenAI-compatible URL. The key and `app` are never printed or serialised.

    `app` is an ASGI application to call in process instead of the network. `concurrency` limits calls in flight; with
    `starts_full` as many are in flight from the start. `timeout` is the longest time of one attempt in seconds, None
    where it is learned. Prices are in USD per million tokens, that is micro-USD per token.
    """

    model: str
    base_url: str
    key: SecretStr = Field(default=SecretStr(""), exclude=True, repr=False)
    concurrency: Annotated[int, Field(ge=1)] = 32
    starts_full: bool = False
    timeout: Annotated[float, Field(gt=0)] | None = None
    input_price: Annotated[float, Field(ge=0)] = 0.0
    output_price: Annotated[float, Field(ge=0)] = 0.0
    app: Any = Field(default=None, exclude=True, repr=False)


class Capability(FrozenModel):
    """What an endpoint's model can do.

    `top_logprobs`: alternatives per token; `min_tokens`: the least token limit that is accepted; `headroom`: tokens
    for reasoning before the answer, added to every limit; `answered_by`: the model that answers, where it is another
    than the one asked for; `note`: what a user should know about it.
    """

    logprobs: bool
    scale: ScaleName
    structured: Structure
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True
    seed: bool = True
    top_logprobs: int = 20
    min_tokens: int = 1
    headroom: int = 0
    answered_by: str = ""
    note: str = ""

    @property
    def method(self) -> Method:
        """How scores are computed; part of the judge's signature."""
        if not self.logprobs:
            return "samples"
        return "logprobs" if self.scale == "percent" else "letters"
