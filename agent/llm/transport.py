"""The connection to one OpenAI-compatible endpoint: bytes out, a checked reply or a named error back."""

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from agent.llm.endpoint import Endpoint
from agent.llm.errors import (
    AttemptTimeout,
    Broken,
    LLMError,
    Unreachable,
    classify,
    error_body,
    error_text,
    redact,
    retry_after,
    truncate,
)
from agent.llm.response import ChatCompletion, read_reply
from agent.llm.retry import RetryPolicy

if TYPE_CHECKING:
    import httpx2


_SMALL_TIMEOUT = 60.0  # seconds for a small question


class Transport:
    """The connection to one endpoint: its client, and its errors by name."""

    def __init__(self, endpoint: Endpoint, manners: RetryPolicy) -> None:
        self.endpoint = endpoint
        self.manners = manners
        self._key = endpoint.key.get_secret_value()

    @cached_property
    def _wire(self) -> tuple["httpx2.AsyncClient", "httpx2.URL", "httpx2.Headers"]:
        """The openai package's transport, its address and its headers.

        A request is built once, not for each call: that and its reply models are most of the package's CPU time.
        """
        import httpx2
        import openai

        many = self.endpoint.concurrency
        transport: httpx2.AsyncClient
        if self.endpoint.app is not None:
            transport = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.endpoint.app))
        else:
            pool = httpx2.Limits(max_connections=many, max_keepalive_connections=many)
            transport = openai.DefaultAioHttpClient(limits=pool)
        url = self.endpoint.base_url
        client = openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=url if "://" in url else f"http://{url}/v1",
            max_retries=0,
            timeout=None,  # asyncio.timeout bounds each attempt: the client's own timeout starts anew at every byte
            http_client=transport,
        )
        named = {**client.default_headers, **client.auth_headers}
        headers = {name: value for name, value in named.items() if isinstance(value, str)}
        return transport, client.base_url.join("chat/completions"), httpx2.Headers(headers)

    async def send(self, body: bytes, seconds: float) -> ChatCompletion:
        """One attempt of at most so many seconds, no retry. Raises an LlmError without secrets."""
        wire = self._wire  # made before the clock starts: the first import takes longer than many a call
        try:
            async with asyncio.timeout(seconds):
                raw = await self._post(*wire, body)
        except TimeoutError as error:
            raise AttemptTimeout(f"No whole reply within {seconds:g} seconds.") from error
        secret = self._key.encode()
        return read_reply(raw.replace(secret, b"[key]") if secret and secret in raw else raw)

    async def small(self, body: bytes) -> ChatCompletion:
        """One attempt at a small question that no ledger keeps."""
        return await self.send(body, self.manners.attempt_timeout or _SMALL_TIMEOUT)

    async def _post(
        self, transport: "httpx2.AsyncClient", url: "httpx2.URL", headers: "httpx2.Headers", body: bytes
    ) -> bytes:
        import aiohttp
        import httpx2
        import openai

        try:
            response = await transport.send(httpx2.Request("POST", url, headers=headers, content=body))
        except (openai.APIConnectionError, aiohttp.ClientError, httpx2.HTTPError) as error:
            raise self._unconnected(error) from None  # the cause would carry the request's headers along
        if response.status_code >= 400:
            raise self._named(response)
        return response.content

    def _named(self, response: "httpx2.Response") -> LLMError:
        wait = retry_after(response.headers, self.manners.time_of_day())
        return classify(response.status_code, redact(error_text(error_body(response.content)), self._key), wait)

    def _unconnected(self, error: BaseException) -> LLMError:
        import aiohttp
        import httpx2

        cause = error.__cause__ or error  # what aiohttp said: its translation calls a refused connection a timeout
        reason = redact(truncate(f"{type(cause).__name__}: {cause}"), self._key)
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.InvalidURL | httpx2.UnsupportedProtocol):
            return Unreachable(f"No connection to {self.endpoint.base_url} ({reason}).")
        return Broken(f"The connection to {self.endpoint.base_url} broke ({reason}).")

    async def close(self) -> None:
        if "_wire" in self.__dict__:
            await self._wire[0].aclose()
