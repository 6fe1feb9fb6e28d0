"""A server at an address: the SDK's streamable HTTP over a transport of ours that keeps what became of each request.

A failure of one request must not end the others, and the SDK tells neither a refused connection from a lost answer nor a 401
from a 500. So failures become answers here, and `Trace` says what they were.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx2
    from mcp.client import Transport
    from mcp.client._transport import TransportStreams

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(slots=True)
class Trace:
    """What became of one request. status: 0 as long as no answer began."""

    status: int = 0
    retry_after: str = ""
    challenge: str = ""
    was_refused: bool = False  # no connection came about: nothing arrived
    was_lost: bool = False  # a connection that broke
    was_oversized: bool = False


TRACE: ContextVar[Trace | None] = ContextVar("deputy_mcp_trace", default=None)


def may_carry_secrets(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.hostname or "") in LOOPBACK


def transport(url: str, headers: Mapping[str, str], *, timeout_s: float, max_message_bytes: int) -> Transport:
    return _transport(url, headers, timeout_s, max_message_bytes)


@asynccontextmanager
async def _transport(
    url: str, headers: Mapping[str, str], timeout_s: float, most: int
) -> AsyncIterator[TransportStreams]:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    timeout = httpx2.Timeout(timeout_s, read=None)  # how long an answer may take is the call's business
    async with (
        httpx2.AsyncClient(
            headers={**headers, "accept-encoding": "identity"},  # packed, a short answer could be a long one
            timeout=timeout,
            transport=_tracing(most),
        ) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=most) as streams,
    ):
        yield streams


def _tracing(most: int) -> httpx2.AsyncBaseTransport:
    """httpx2 is loaded with the SDK, and no earlier."""
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        """A body that ends where the limit or the connection does."""

        def __init__(self, inner: httpx2.AsyncByteStream, trace: Trace, is_one: bool) -> None:
            self.inner, self.trace, self.is_one = inner, trace, is_one

        async def __aiter__(self) -> AsyncIterator[bytes]:
            seen = 0
            try:
                async for chunk in self.inner:
                    seen += len(chunk)
                    if self.is_one and seen > most:
                        self.trace.was_oversized = True
                        return
                    yield chunk
            except httpx2.TransportError:
                self.trace.was_lost = True

        async def aclose(self) -> None:
            await self.inner.aclose()

    class Tracing(httpx2.AsyncBaseTransport):
        def __init__(self) -> None:
            self.inner = httpx2.AsyncHTTPTransport()  # retries: none

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            trace = TRACE.get() or Trace()
            try:
                response = await self.inner.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
                trace.was_refused = True
                return httpx2.Response(503, request=request)
            except httpx2.TransportError:
                trace.was_lost = True
                return httpx2.Response(502, request=request)
            if request.method == "POST":
                trace.status = response.status_code
                trace.retry_after = response.headers.get("retry-after", "")
                trace.challenge = response.headers.get("www-authenticate", "")
            if response.headers.get("content-encoding", "identity") != "identity":
                await response.aclose()
                trace.was_lost = True
                return httpx2.Response(502, request=request)
            is_stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = Bounded(response.stream, trace, not is_stream)
            return response

        async def aclose(self) -> None:
            await self.inner.aclose()

    return Tracing()
