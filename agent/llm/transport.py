"""HTTP transport to one OpenAI-compatible endpoint: a body out, a ChatCompletion or an LLMError back."""

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
    truncate,
)
from agent.llm.response import ChatCompletion, read_reply
from agent.llm.retry import RetryPolicy
from agent.llm.waits import retry_after, wait_in

if TYPE_CHECKING:
    import httpx2

_UNRECORDED_TIMEOUT = 60.0  # seconds for a health check or a probe; as TimeoutConfig.initial


class Transport:
    """HTTP transport to one endpoint. Maps failures to LLMError, without secrets."""

    def __init__(self, endpoint: Endpoint, policy: RetryPolicy) -> None:
        self.endpoint = endpoint
        self._policy = policy
        self._key = endpoint.key.get_secret_value()

    @cached_property
    def _http(self) -> tuple["httpx2.AsyncClient", "httpx2.URL", "httpx2.Headers"]:
        """The HTTP client, URL and headers of the openai package.

        Its own request building and reply models are skipped: they take most of its CPU time per call (a part of the
        step from 2.23 to 0.79 ms, LOG.md 2026-11-23).
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
        address, _, query = self.endpoint.base_url.partition("?")
        client = openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=address if "://" in address else f"http://{address}/v1",
            max_retries=0,
            timeout=None,  # asyncio.timeout bounds each attempt: the client's own timeout starts anew at every byte
            http_client=transport,
        )
        defaults = {**client.default_headers, **client.auth_headers}
        headers = {name: value for name, value in defaults.items() if isinstance(value, str)}
        if self._key and "api-version" in query:  # Azure's deployments take the key in this header alone
            headers["api-key"] = self._key
        url = client.base_url.join("chat/completions")
        return transport, url.copy_with(query=query.encode()) if query else url, httpx2.Headers(headers)

    async def send(self, body: bytes, seconds: float) -> ChatCompletion:
        """Send one attempt of at most so many seconds, without retries. Raises LLMError."""
        http = self._http  # created before the timeout starts: its first import takes longer than many a call
        try:
            async with asyncio.timeout(seconds):
                response = await self._post(*http, body)
        except TimeoutError as error:
            raise AttemptTimeout(f"No complete reply within {seconds:g} seconds.") from error
        raw, secret = response.content, self._key.encode()
        try:
            return read_reply(raw.replace(secret, b"[key]") if secret and secret in raw else raw)
        except LLMError as error:  # HTTP 200 with an error may carry the header as well
            error.retry_after = error.retry_after or retry_after(response.headers, self._policy.time_of_day())
            raise

    async def send_unrecorded(self, body: bytes) -> ChatCompletion:
        """Send a health check or a probe, which no ledger records. Raises LLMError."""
        return await self.send(body, self._policy.attempt_timeout or _UNRECORDED_TIMEOUT)

    async def _post(
        self, transport: "httpx2.AsyncClient", url: "httpx2.URL", headers: "httpx2.Headers", body: bytes
    ) -> "httpx2.Response":
        import aiohttp
        import httpx2
        import openai

        try:
            response = await transport.send(httpx2.Request("POST", url, headers=headers, content=body))
        except (openai.APIConnectionError, aiohttp.ClientError, httpx2.HTTPError) as error:
            raise self._connection_error(error) from None  # the cause would carry the request's headers along
        if response.status_code >= 400:
            raise self._status_error(response)
        return response

    def _status_error(self, response: "httpx2.Response") -> LLMError:
        now, body = self._policy.time_of_day(), error_body(response.content)
        waits = [wait for wait in (retry_after(response.headers, now), wait_in(body, lambda: now)) if wait is not None]
        return classify(response.status_code, redact(error_text(body), self._key), max(waits, default=None))

    def _connection_error(self, error: BaseException) -> LLMError:
        import aiohttp
        import httpx2

        cause = error.__cause__ or error  # the openai package calls a refused connection a timeout
        reason = redact(truncate(f"{type(cause).__name__}: {cause}"), self._key)
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.InvalidURL | httpx2.UnsupportedProtocol):
            return Unreachable(f"No connection to {self.endpoint.base_url} ({reason}).")
        return Broken(f"The connection to {self.endpoint.base_url} broke ({reason}).")

    async def close(self) -> None:
        """Close the connections, if any were opened."""
        if "_http" in self.__dict__:
            await self._http[0].aclose()
