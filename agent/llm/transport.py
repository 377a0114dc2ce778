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
from agent.llm.surroundings import ProxyVariable, allow_open_files, certificates, checked_headers, distrust, proxy_for
from agent.llm.waits import retry_after, wait_in

if TYPE_CHECKING:
    import httpx2

_PROXY_LOGIN = 407
_UNRECORDED_TIMEOUT = 60.0  # seconds for a health check or a probe; as TimeoutConfig.initial


class Transport:
    """HTTP transport to one endpoint. Maps failures to LLMError, without secrets."""

    def __init__(self, endpoint: Endpoint, policy: RetryPolicy) -> None:
        self.endpoint = endpoint
        self._policy = policy
        self._key = endpoint.key.get_secret_value()
        self._unrecorded: dict[object, float] = {}  # when each health check or probe in flight was sent

    @cached_property
    def _http(self) -> tuple["httpx2.AsyncClient", "httpx2.URL", "httpx2.Headers"]:
        """The HTTP client, URL and headers of the openai package.

        Its own request building and reply models are skipped: they take most of its CPU time per call (a part of the
        step from 2.23 to 0.79 ms, LOG.md 2026-11-23).
        """
        import httpx2
        import openai

        if self.endpoint.app is not None:
            transport = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.endpoint.app))
        else:
            transport = self._connecting()
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
        return transport, url.copy_with(query=query.encode()) if query else url, checked_headers(headers)

    def _connecting(self) -> "httpx2.AsyncClient":
        """A client with a pool for all calls and a health check. Raises SurroundingsError."""
        import httpx2
        import openai

        url, many = self.endpoint.base_url, self.endpoint.concurrency + 1
        allow_open_files(many)
        pool = httpx2.Limits(max_connections=many, max_keepalive_connections=many)
        proxy = self._proxy.url if self._proxy else None
        # The package's own limit of 600 s would end a patient attempt: `send` bounds each attempt, and only the time to
        # connect keeps the package's limit. Proxy and certificates come from the environment by our own reading, which
        # names the variable in its errors.
        patience = httpx2.Timeout(None, connect=openai.DEFAULT_TIMEOUT.connect)
        return openai.DefaultAioHttpClient(
            limits=pool, timeout=patience, trust_env=False, proxy=proxy, verify=certificates(url)
        )

    @cached_property
    def _proxy(self) -> ProxyVariable | None:
        return proxy_for(self.endpoint.base_url)

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
        sent = object()
        self._unrecorded[sent] = self._policy.clock.now()
        try:
            return await self.send(body, self._policy.attempt_timeout or _UNRECORDED_TIMEOUT)
        finally:
            del self._unrecorded[sent]

    @property
    def unrecorded(self) -> tuple[int, float]:
        """(health checks and probes in flight, age of the oldest in seconds)."""
        begun = list(self._unrecorded.values())
        return len(begun), self._policy.clock.now() - min(begun) if begun else 0.0

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
        if response.status_code == _PROXY_LOGIN and self._proxy:
            what = f"The proxy {self._proxy.shown}, which {self._proxy.variable} names, wants a name and a password"
            return Unreachable(f"{what} (HTTP 407).", remedy=self._proxy.remedy)
        now, body = self._policy.time_of_day(), error_body(response.content)
        waits = [wait for wait in (retry_after(response.headers, now), wait_in(body, lambda: now)) if wait is not None]
        return classify(response.status_code, redact(error_text(body), self._key), max(waits, default=None))

    def _connection_error(self, error: BaseException) -> LLMError:
        import aiohttp
        import httpx2

        cause = error.__cause__ or error  # the openai package calls a refused connection a timeout
        reason = redact(truncate(f"{type(cause).__name__}: {cause}"), self._key)
        if self._proxy and isinstance(cause, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
            what = f"The proxy {self._proxy.shown}, which {self._proxy.variable} names, does not connect"
            status = f"HTTP {cause.status}" if isinstance(cause, aiohttp.ClientHttpProxyError) else "it does not answer"
            return Unreachable(f"{what} to {self.endpoint.base_url} ({status}).", remedy=self._proxy.remedy)
        if isinstance(cause, aiohttp.ClientSSLError):
            remedy = distrust(self.endpoint.base_url, str(cause))
            return Unreachable(f"No secure connection to {self.endpoint.base_url} ({reason}).", remedy=remedy)
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.InvalidURL | httpx2.UnsupportedProtocol):
            return Unreachable(f"No connection to {self.endpoint.base_url} ({reason}).")
        return Broken(f"The connection to {self.endpoint.base_url} broke ({reason}).")

    async def close(self) -> None:
        """Close the connections, if any were opened."""
        if "_http" in self.__dict__:
            await self._http[0].aclose()
