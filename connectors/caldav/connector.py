"""Calendars on a CalDAV server. Offers every tool of the calendar family.

Settings of an account: `url` (of the principal, the calendar home or the calendar), and optionally `calendar` (name or address,
where there are several), `zone`, `working_hours`, `addresses` (further ones of the account), `people` (address → calendar
address, or {"url", "name", "zone", "working_hours"}), `rooms` (list of {"address", "name", "room", "capacity", "url"}) and
`allow_http`. Credentials: `username` and `password`, or `token`.

What depends on the server: invitations and answers travel only where it does scheduling (RFC 6638). Where it does not, as
Radicale, an effect with attendees answers `"invitations": "not_sent"`, and whoever approves it is told so beforehand.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from connectors import families
from connectors.arguments import Arguments
from connectors.caldav import effects, preconditions, reads, stream
from connectors.caldav.home import Home, Known
from connectors.caldav.line import ANSWER_S, CALL_S, CONNECT_S, MOST_BYTES, Line
from connectors.errors import ConnectorError, InvalidCall, RateLimited, ReconsentNeeded, Unreachable
from connectors.keeping import MOST_ACCOUNTS, Kept
from connectors.spec import Absent, Account, Changes, Done, Json, Precondition, Reconciled, ToolSpec, Unknown

WIRE_TIMEOUT_S = CALL_S + CONNECT_S + ANSWER_S
KNOWN_FOR_S = 600.0
POLL_S = 20.0
CALLS, CALLS_IN_S = 100, 10.0  # for one connection

T = TypeVar("T")

READS: Mapping[str, Callable[[Home, Mapping[str, Any]], dict[str, Any]]] = {
    "calendar.list_events": reads.list_events,
    "calendar.get_event": reads.get_event,
    "calendar.freebusy": reads.freebusy,
    "calendar.find_slots": reads.find_slots,
    "calendar.list_rooms": reads.list_rooms,
}
EFFECTS: Mapping[str, Callable[[Home, Mapping[str, Any], str], dict[str, Any]]] = {
    "calendar.create_event": effects.create_event,
    "calendar.update_event": effects.update_event,
    "calendar.cancel_event": effects.cancel_event,
    "calendar.respond": effects.respond,
}
ON_INVITATIONS = (
    " Where the calendar server sends no invitations itself, the answer's `invitations` is not_sent: then nobody has been told,"
    " and whoever should know must be written to."
)


@lru_cache(maxsize=1)
def _specs() -> dict[str, ToolSpec]:
    return {
        spec.name: replace(
            spec,
            wire_timeout_s=WIRE_TIMEOUT_S,
            description=spec.description if spec.is_read else spec.description + ON_INVITATIONS,
        )
        for spec in families.tool_specs("calendar")
    }


@dataclass(slots=True)
class _Server:
    """What is kept of one account between calls: idle lines, and what was found out."""

    idle: list[Line] = field(default_factory=list)
    known: Known = field(default_factory=Known)
    known_at: float = field(default_factory=time.monotonic)


class CaldavConnector:
    """Blocking HTTP, run in threads; one line is used by one call at a time."""

    name = "caldav"
    families = frozenset({"calendar"})
    quota = f"calendar servers publish no limits; at most {CALLS} calls in {CALLS_IN_S:g} s are made"
    streams = frozenset({"calendar"})

    def __init__(self, *, poll_s: float = POLL_S, most_bytes: int = MOST_BYTES) -> None:
        self._poll_s, self._most_bytes = poll_s, most_bytes
        self._servers: Kept[_Server] = Kept(_leave)
        self._lock = threading.Lock()
        self._limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Any]] = WeakKeyDictionary()

    def tools(self) -> Sequence[ToolSpec]:
        return tuple(_specs().values())

    async def call(self, tool: str, args: Mapping[str, Any], *, account: Account, key: str | None) -> Json:
        return await self._turn(account, lambda: self._call(tool, args, account, key))

    async def reconcile(
        self, tool: str, args: Mapping[str, Any], *, account: Account, key: str, attempted_at: datetime
    ) -> Reconciled:
        return await self._turn(account, lambda: self._reconcile(tool, args, account, key))

    async def preconditions(
        self, tool: str, args: Mapping[str, Any], *, account: Account, now: datetime
    ) -> Sequence[Precondition]:
        def look() -> Sequence[Precondition]:
            _validate(tool, args)
            with self._home(account, now) as home:
                return preconditions.of(home, tool, args)

        return await self._turn(account, look)

    async def check(self, precondition: Precondition, *, account: Account, now: datetime) -> str | None:
        def look() -> str | None:
            with self._home(account, now) as home:
                return preconditions.broken(home, precondition)

        return await self._turn(account, look)

    async def changes(self, family: str, *, account: Account, cursor: str | None) -> Changes:
        def look() -> Changes:
            with self._home(account, _now()) as home:
                return stream.changes(home, cursor)

        return await self._turn(account, look)

    async def wait(self, family: str, *, account: Account, cursor: str, at_most_s: float) -> None:
        def look() -> bool:
            with self._home(account, _now()) as home:
                return stream.is_new(home, cursor)

        until = time.monotonic() + at_most_s
        while not await self._turn(account, look):
            left = until - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(min(self._poll_s, left))

    def close(self) -> None:
        """Closes the lines that are open."""
        self._servers.let_go()

    async def _turn(self, account: Account, work: Callable[[], T]) -> T:
        """Blocking work in a thread, in its account's turn. Servers publish no limits: this is the politeness of a few programs."""
        from aiolimiter import AsyncLimiter

        of_loop = self._limiters.setdefault(asyncio.get_running_loop(), {})
        if len(of_loop) > MOST_ACCOUNTS:
            of_loop.clear()
        async with of_loop.setdefault(account.connection_id, AsyncLimiter(CALLS, CALLS_IN_S)):
            return await asyncio.to_thread(work)

    def _call(self, tool: str, args: Mapping[str, Any], account: Account, key: str | None) -> dict[str, Any]:
        spec = _validate(tool, args)
        with self._home(account, _now()) as home:
            if spec.is_read:
                return READS[tool](home, args)
            if key is None or re.fullmatch(r"[a-z0-9]{1,64}", key) is None:
                raise InvalidCall(
                    f"{tool} needs a key of lower-case letters and digits", fix="Call it through the gate."
                )
            home.look_around()
            return EFFECTS[tool](home, args, key)

    def _reconcile(self, tool: str, args: Mapping[str, Any], account: Account, key: str) -> Reconciled:
        try:
            with self._home(account, _now()) as home:
                found = effects.found_again(home, tool, args, key)
        except (Unreachable, RateLimited, ReconsentNeeded):  # the gate looks again later; nobody has to be asked yet
            raise
        except ConnectorError as error:
            return Unknown(error.message)
        return Absent() if found is None else Done(found)

    @contextmanager
    def _home(self, account: Account, now: datetime) -> Iterator[Home]:
        server = self._server(account)
        with self._lock:
            line = server.idle.pop() if server.idle else None
        if line is None:
            url = str(account.settings.get("url") or "")
            is_plain_allowed = bool(account.settings.get("allow_http"))
            line = Line(url, account.credentials, is_plain_allowed=is_plain_allowed, most_bytes=self._most_bytes)
        line.begin()
        try:
            yield Home(account=account, line=line, known=server.known, now=now)
        finally:
            with self._lock:
                server.idle.append(line)

    def _server(self, account: Account) -> _Server:
        server = self._servers.of(account, _Server)
        with self._lock:
            if time.monotonic() - server.known_at > KNOWN_FOR_S:
                server.known, server.known_at = Known(), time.monotonic()
        return server


def _leave(server: _Server) -> None:
    for line in server.idle:
        line.close()


_validate = Arguments("a calendar", _specs)


def _now() -> datetime:
    """Real time, which is what a server's calendars are in."""
    return datetime.fromtimestamp(int(time.time()), UTC)


def open_connector(*, poll_s: float = POLL_S, most_bytes: int = MOST_BYTES) -> CaldavConnector:
    """The connector, for the registry. `poll_s`: how often a calendar that is followed is asked; `most_bytes`: of one answer."""
    return CaldavConnector(poll_s=poll_s, most_bytes=most_bytes)
