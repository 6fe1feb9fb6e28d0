"""Google Workspace as one provider: Gmail, Calendar and the directory for the gate.

Which tools refuse a second call with the same key, and how, is said by the rooms: `gmail_send`, `gmail_change`, and
`calendar_effects`. Every tool of the three families is offered. Google's libraries work with blocking sockets, so each call has
a thread of its own; nothing of them is imported before the first.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from connectors import families
from connectors.arguments import Arguments
from connectors.errors import InvalidCall
from connectors.google import calendar, directory, gmail
from connectors.google.context import Clock, Context, Handler, Reconciler, wall_clock
from connectors.google.limits import PER_MINUTE
from connectors.google.transport import WIRE_TIMEOUT_S, Lines
from connectors.spec import Account, Changes, EffectClass, Json, Precondition, Reconciled, ToolSpec, Unknown

FAMILIES = ("directory", "mail", "calendar")
READ_TIMEOUT_S = 45.0  # a search reads many messages
ROOTS: Mapping[str, str] = {
    "gmail": "https://gmail.googleapis.com/",
    "calendar": "https://www.googleapis.com/",
    "people": "https://people.googleapis.com/",
}

HANDLERS: Mapping[str, Handler] = {**directory.HANDLERS, **gmail.HANDLERS, **calendar.HANDLERS}
RECONCILE: Mapping[str, Reconciler] = {**gmail.RECONCILE, **calendar.RECONCILE}
SCOPES: Mapping[str, tuple[str, ...]] = {**directory.SCOPES, **gmail.SCOPES, **calendar.SCOPES}
CLASSES: Mapping[str, EffectClass] = gmail.CLASSES

T = TypeVar("T")


@lru_cache(maxsize=1)
def _specs() -> dict[str, ToolSpec]:
    specs = [spec for family in FAMILIES for spec in families.tool_specs(family)]
    return {
        spec.name: replace(
            spec,
            effect_class=CLASSES.get(spec.name, spec.effect_class),
            scopes=SCOPES[spec.name],
            wire_timeout_s=READ_TIMEOUT_S if spec.is_read else WIRE_TIMEOUT_S,
        )
        for spec in specs
    }


class GoogleConnector:
    """`clock` is this machine's time, in UTC."""

    name = "google"
    families = frozenset(FAMILIES)
    quota = (
        f"for each user and minute: Gmail {PER_MINUTE['gmail']:g} units, Calendar {PER_MINUTE['calendar']:g} and People"
        f" {PER_MINUTE['people']:g} requests; Google does not tell what is left"
    )
    streams = frozenset({"mail", "calendar"})

    def __init__(
        self,
        roots: Mapping[str, str],
        units_per_minute: Mapping[str, float] = PER_MINUTE,
        clock: Clock = wall_clock,
    ) -> None:
        self._lines = Lines(roots, units_per_minute)
        self._clock = clock

    def tools(self) -> Sequence[ToolSpec]:
        return tuple(_specs().values())

    async def call(self, tool: str, args: Mapping[str, Any], *, account: Account, key: str | None) -> Json:
        spec = _validate(tool, args)
        if not spec.is_read and (key is None or re.fullmatch(r"[a-z0-9]{1,64}", key) is None):
            raise InvalidCall(f"{tool} needs a key of lower-case letters and digits", fix="Call it through the gate.")
        return await self._on_a_line(account, lambda ctx: HANDLERS[tool](ctx, args), key=None if spec.is_read else key)

    async def reconcile(
        self, tool: str, args: Mapping[str, Any], *, account: Account, key: str, attempted_at: datetime
    ) -> Reconciled:
        _validate(tool, args)
        look = RECONCILE.get(tool)
        if look is None:
            return Unknown(f"{tool} changes nothing")
        return await self._on_a_line(account, lambda ctx: look(ctx, args), key=key, attempted_at=attempted_at)

    async def preconditions(
        self, tool: str, args: Mapping[str, Any], *, account: Account, now: datetime
    ) -> Sequence[Precondition]:
        family = _validate(tool, args).family
        of: dict[str, Callable[[Context, str, Mapping[str, Any]], Sequence[Precondition]]] = {
            "mail": gmail.preconditions,
            "calendar": calendar.preconditions,
        }
        if family not in of or _specs()[tool].is_read:
            return ()
        return await self._on_a_line(account, lambda ctx: of[family](ctx, tool, args), now=now)

    async def check(self, precondition: Precondition, *, account: Account, now: datetime) -> str | None:
        is_mail = precondition.kind in (gmail.NEWEST, gmail.LATEST)
        check = gmail.check if is_mail else calendar.check
        return await self._on_a_line(account, lambda ctx: check(ctx, precondition), now=now)

    async def changes(self, family: str, *, account: Account, cursor: str | None) -> Changes:
        follow = {"mail": gmail.changes, "calendar": calendar.changes}.get(family)
        if follow is None:
            raise InvalidCall(f"{family} of Google cannot be followed", fix="Follow mail or calendar.")
        return await self._on_a_line(account, lambda ctx: follow(ctx, cursor))

    async def wait(self, family: str, *, account: Account, cursor: str, at_most_s: float) -> None:
        """Mail is asked about every `POLL_S`; a calendar may always be new after its own."""
        until = asyncio.get_running_loop().time() + at_most_s
        poll_s = gmail.POLL_S if family == "mail" else calendar.POLL_S
        while True:
            if family == "mail" and await self._on_a_line(account, lambda ctx: gmail.is_news(ctx, cursor)):
                return
            left = until - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, min(poll_s, left)))
            if left <= poll_s or family != "mail":
                return

    async def _on_a_line(
        self,
        account: Account,
        ask: Callable[[Context], T],
        *,
        key: str | None = None,
        attempted_at: datetime | None = None,
        now: datetime | None = None,
    ) -> T:
        def run() -> T:
            with self._lines.of(account).opened() as line:
                clock = self._clock if now is None else (lambda: now)
                return ask(Context(account=account, line=line, key=key, clock=clock, attempted_at=attempted_at))

        return await asyncio.to_thread(run)

    def close(self) -> None:
        """Closes what is open towards Google; calls under way end by themselves."""
        self._lines.close()


_validate = Arguments("Google", _specs, lambda error: f" does not fit its schema ({error.validator})")


def open_connector(
    *,
    gmail_root: str | None = None,
    calendar_root: str | None = None,
    people_root: str | None = None,
    units_per_minute: Mapping[str, float] | None = None,
) -> GoogleConnector:
    """The connector, for the registry. The roots are Google's own unless others are given: https, or http on this machine.

    `units_per_minute`: quota of one account by API ("gmail", "calendar", "people"), where Google has granted another.
    """
    given = {"gmail": gmail_root, "calendar": calendar_root, "people": people_root}
    roots = {api: given[api] or root for api, root in ROOTS.items()}
    return GoogleConnector(roots, {**PER_MINUTE, **(units_per_minute or {})})
