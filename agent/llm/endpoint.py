"""What an LLM endpoint is, and what a probe found that it can do."""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from agent.schema import FrozenModel

ScaleName = Literal["percent", "letters"]
Structure = Literal["json_schema", "json_object", "plain"]
Method = Literal["logprobs", "letters", "samples"]


class Endpoint(FrozenModel):
    """One model behind one OpenAI-compatible URL. The key and the in-process `app` are never printed or serialised.

    `app` is an ASGI application that is called in process instead of the network. Prices are US dollars per million
    tokens, which is the same figure as millionths of a dollar per token.
    """

    model: str
    base_url: str
    key: SecretStr = Field(default=SecretStr(""), exclude=True, repr=False)
    concurrency: Annotated[int, Field(ge=1)] = 32
    input_price: Annotated[float, Field(ge=0)] = 0.0
    output_price: Annotated[float, Field(ge=0)] = 0.0
    app: Any = Field(default=None, exclude=True, repr=False)


class Capability(FrozenModel):
    """What one endpoint's model can do, found by asking it.

    `top_logprobs` is the longest list of alternatives it gives; `headroom` the tokens that it spends on thinking
    before the answer, added to every limit.
    """

    logprobs: bool
    scale: ScaleName
    structured: Structure
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True
    seed: bool = True
    top_logprobs: int = 20
    headroom: int = 0
    note: str = ""

    @property
    def method(self) -> Method:
        """How a 0–100 score comes about; part of the judge's signature."""
        if not self.logprobs:
            return "samples"
        return "logprobs" if self.scale == "percent" else "letters"
