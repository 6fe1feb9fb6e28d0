"""One connection to one server: started, listed, called, and ended whatever the server does.

The SDK speaks the protocol, in whichever revision the server knows. What it would do by itself and may not here: send a call
twice, answer a server that asks for a model, a person or our folders, or hold up anybody for longer than was said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.mcp import http, loop, stdio
from connectors.mcp.descriptions import MOST_TOOLS, digest_of

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client import ClientSession, IncomingMessage, Transport
    from mcp_types import CallToolResult, InputRequiredResult

MOST_PAGES = 100
ENDS_WITHIN_S = 4.0
LIST_CHANGED = "notifications/tools/list_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How a server is reached, credentials filled in; exactly one of `command` and `url`."""

    command: tuple[str, ...] | None = None
    url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Path | None = None
    start_timeout_s: float
    max_message_bytes: int


class Connection:
    """Lives on the shared loop. `pending`: calls under way."""

    def __init__(self, target: Target, mode: str) -> None:
        self.target = target
        self.mode = mode
        self.child = stdio.Child()
        self.trace = http.Trace()  # of the last request of the start
        self.live: dict[str, str] = {}  # name on the wire → digest of what the server says today
        self.twice: set[str] = set()
        self.is_stale = True  # the list has to be looked at before the next call
        self.listed_at = 0.0
        self.pending = 0
        self.is_retired = False
        self._client: Client | None = None
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_usable(self) -> bool:
        return self._task is not None and not self._task.done() and not self.is_retired and not self.child.is_over

    @property
    def said(self) -> dict[str, str]:
        """What the server calls itself, and the revision that is spoken."""
        info = self._session().server_info
        named = {"name": info.name, "version": info.version} if info is not None else {}
        return {**named, "protocol": self._session().protocol_version or ""}

    @property
    def is_legacy(self) -> bool:
        from mcp_types.version import MODERN_PROTOCOL_VERSIONS

        return self._session().protocol_version not in MODERN_PROTOCOL_VERSIONS

    async def start(self) -> None:
        """Returns once the server has introduced itself. OSError, TimeoutError or whatever the SDK raises if it does not."""
        loop.keep(self)
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(self._live(ready))
        try:
            async with asyncio.timeout(self.target.start_timeout_s):
                await asyncio.shield(ready)
        except BaseException:
            ready.cancel()
            await self.close()
            raise

    async def _live(self, ready: asyncio.Future[None]) -> None:
        """One task enters and leaves the client: its cancel scopes demand it."""
        from mcp import Client
        from mcp_types import Implementation

        http.TRACE.set(self.trace)
        try:
            client = Client(
                self._transport(),
                mode=self.mode,
                cache=None,
                read_timeout_seconds=self.target.start_timeout_s
                / 3,  # of the probe and the handshake; calls bring theirs
                message_handler=self._hear,
                client_info=Implementation(name="deputy", version="1"),
            )
            async with client:
                self._client = client
                if not ready.done():
                    ready.set_result(None)
                await self._closing.wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)
        except BaseException:
            ready.cancel()
            raise
        finally:
            self.is_retired = True

    def _transport(self) -> Transport:
        target = self.target
        if target.url is not None:
            return http.transport(
                target.url, target.headers, timeout_s=target.start_timeout_s, max_message_bytes=target.max_message_bytes
            )
        return stdio.transport(
            target.command or (),
            target.env,
            child=self.child,
            max_message_bytes=target.max_message_bytes,
            hear=self._heard,
            cwd=target.cwd,
        )

    def _heard(self, method: str) -> None:
        """In the order of the wire: the SDK hands a notification on after the answer that came behind it."""
        if method == LIST_CHANGED:
            self.is_stale = True

    async def _hear(self, message: IncomingMessage) -> None:
        """What HTTP brings; there the order of two streams means nothing."""
        self._heard(getattr(message, "method", ""))

    async def list(self) -> list[dict[str, Any]]:
        """Every tool as it is on the wire; remembers what each is today."""
        from mcp_types import PaginatedRequestParams

        found: list[dict[str, Any]] = []
        cursor: str | None = None
        self.is_stale = False  # a change that is told while the list is read makes it stale again
        for _ in range(MOST_PAGES):
            try:
                page = await self._session().list_tools(params=PaginatedRequestParams(cursor=cursor))
            except BaseException:
                self.is_stale = True
                raise
            found += [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None or len(found) > 2 * MOST_TOOLS:
                break
        names = [str(tool["name"]) for tool in found]
        self.twice = {name for name in names if names.count(name) > 1}
        self.live = {str(tool["name"]): digest_of(tool) for tool in found}
        self.listed_at = asyncio.get_running_loop().time()
        return found

    async def call(self, tool: str, args: Mapping[str, Any], timeout_s: float) -> CallToolResult | InputRequiredResult:
        """Exactly one request. Not `Client.call_tool`: that sends again after some refusals, and answers the server's own questions."""
        from mcp_types import CallToolRequest, CallToolRequestParams, CallToolResult, InputRequiredResult
        from pydantic import TypeAdapter

        adapter: TypeAdapter[CallToolResult | InputRequiredResult] = TypeAdapter(CallToolResult | InputRequiredResult)
        request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=dict(args)))
        self.pending += 1
        try:
            session = self._session()
            return await session.send_request(request, adapter, request_read_timeout_seconds=timeout_s)
        finally:
            self.pending -= 1

    def give_up(self, *, was_effect: bool) -> None:
        """A call was not answered in time. A child is ended, so that what it was asked cannot happen later: after an effect
        always, after a read unless others wait for it."""
        if self.target.url is None and (was_effect or self.pending == 0):
            self.retire()

    def retire(self) -> None:
        self.is_retired = True
        self._closing.set()

    async def close(self) -> None:
        """Ends it, and returns when it has ended."""
        self.retire()
        if self._task is None or self._task.done():
            loop.drop(self)
            return
        done, _ = await asyncio.wait([self._task], timeout=0 if self._client is None else ENDS_WITHIN_S)
        if not done:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=ENDS_WITHIN_S)
        with suppress(asyncio.CancelledError, asyncio.InvalidStateError):
            self._task.exception()
        loop.drop(self)

    def _session(self) -> ClientSession:
        assert self._client is not None, "not started"
        return self._client.session


class Slot:
    """A place for the connection of one account: opened when needed, opened again with growing pauses when it breaks."""

    FIRST_PAUSE_S = 0.5
    LONGEST_PAUSE_S = 60.0

    def __init__(self, target: Target, mode: str, recheck_s: float) -> None:
        self.target = target
        self.mode = mode
        self.recheck_s = recheck_s
        self.failures = 0  # since anything was last answered
        self.connection: Connection | None = None
        self.latest: Connection | None = None  # also one that did not come about
        self._lock = asyncio.Lock()
        self._not_before = 0.0

    async def ready(self, on_list: Callable[[list[dict[str, Any]]], None]) -> Connection:
        """A connection whose list of tools is fresh enough; `on_list` is told each list. Raises as `Connection.start` does."""
        clock = asyncio.get_running_loop()
        async with self._lock:
            if self.connection is not None and not self.connection.is_usable:
                ended, self.connection = self.connection, None
                self._count_failure()
                await ended.close()
            if self.connection is None:
                await asyncio.sleep(max(0.0, self._not_before - clock.time()))
                self.connection = await self._opened()
            connection = self.connection
            if connection.is_stale or clock.time() - connection.listed_at > self.recheck_s:
                on_list(await connection.list())
            return connection

    async def _opened(self) -> Connection:
        connection = self.latest = Connection(self.target, self.mode)
        try:
            await connection.start()
        except BaseException as error:
            self._count_failure()
            is_over = connection.child.is_over and not isinstance(error, OSError)
            if self.mode != "auto" or self.target.url is not None or not is_over:
                raise
            self.mode = "legacy"  # some old servers end at a word they do not know
            connection = self.latest = Connection(self.target, self.mode)
            await connection.start()
        if self.mode == "auto" and connection.is_legacy:
            self.mode = "legacy"  # no need to probe again
        return connection

    def _count_failure(self) -> None:
        self.failures += 1
        if self.failures > 1:
            pause = min(self.LONGEST_PAUSE_S, self.FIRST_PAUSE_S * 2 ** min(self.failures - 2, 10))
            self._not_before = asyncio.get_running_loop().time() + pause

    async def close(self) -> None:
        if self.connection is not None:
            await self.connection.close()
