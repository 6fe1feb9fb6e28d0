"""The office as a provider: all four families, one commit for each effect, faults where ordered.

Which tools refuse a second call with the same key, and how (stronger than the family asks):
- mail.send, reply, forward, create_draft, calendar.create_event, chat.create_channel: the object's id is made from the key; a
  second call with the same arguments is absorbed and gets the first answer, with other arguments it is a Conflict. KEYED.
- everything that is IDEMPOTENT in the family: absorbed by key as well, so that attendees are told once.
- chat.post_message, send_direct, send_file, schedule_message: as at most chat providers there is no such handle. A second call posts twice; the key is
  kept with the message, and `reconcile` finds it. UNKEYED.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from connectors import families, wire
from connectors.arguments import Arguments
from connectors.errors import Conflict, InvalidCall, OutcomeUnknown, RateLimited, ReconsentNeeded, Unreachable
from connectors.office import (
    calendar,
    calendar_effects,
    chat,
    chat_files,
    chat_scheduled,
    directory,
    faults,
    following,
    mail,
    mail_effects,
    preconditions,
)
from connectors.office.context import Context, drawn_id
from connectors.office.faults import Fault
from connectors.office.office import Office
from connectors.spec import (
    Absent,
    Account,
    Changes,
    Done,
    EffectClass,
    Json,
    Precondition,
    Reconciled,
    ToolSpec,
    Unknown,
)

WIRE_TIMEOUT_S = 2.0  # a call waits at most PATIENCE_S for the file, and then does not arrive at all
PATIENCE_S = 1.5
LOOK_S = 1.0  # between two looks for what is new
TRACE_VARIABLE = "DEPUTY_OFFICE_TRACE"  # a file that gets a line "tool key" for each committed effect

Handler = Callable[[Context, wire.Args], dict[str, Any]]

HANDLERS: Mapping[str, Handler] = {
    "directory.list_people": directory.list_people,
    "directory.get_person": directory.get_person,
    "mail.search": mail.search,
    "mail.get_message": mail.get_message,
    "mail.get_thread": mail.get_thread,
    "mail.get_attachment": mail.get_attachment,
    "mail.get_auto_reply": mail.get_auto_reply,
    "mail.send": mail_effects.send,
    "mail.reply": mail_effects.reply,
    "mail.forward": mail_effects.forward,
    "mail.create_draft": mail_effects.create_draft,
    "mail.update_labels": mail_effects.update_labels,
    "mail.archive": mail_effects.archive,
    "mail.mark_read": mail_effects.mark_read,
    "mail.delete": mail_effects.delete,
    "mail.set_auto_reply": mail_effects.set_auto_reply,
    "mail.clear_auto_reply": mail_effects.clear_auto_reply,
    "calendar.list_events": calendar.list_events,
    "calendar.get_event": calendar.get_event,
    "calendar.freebusy": calendar.freebusy,
    "calendar.find_slots": calendar.find_slots,
    "calendar.list_rooms": calendar.list_rooms,
    "calendar.create_event": calendar_effects.create_event,
    "calendar.update_event": calendar_effects.update_event,
    "calendar.cancel_event": calendar_effects.cancel_event,
    "calendar.respond": calendar_effects.respond,
    "chat.list_channels": chat.list_channels,
    "chat.list_users": chat.list_users,
    "chat.history": chat.history,
    "chat.search": chat.search,
    "chat.get_thread": chat.get_thread,
    "chat.list_files": chat_files.list_files,
    "chat.get_file": chat_files.get_file,
    "chat.list_scheduled": chat_scheduled.list_scheduled,
    "chat.post_message": chat.post_message,
    "chat.send_direct": chat.send_direct,
    "chat.update_message": chat.update_message,
    "chat.delete_message": chat.delete_message,
    "chat.add_reaction": chat.add_reaction,
    "chat.create_channel": chat.create_channel,
    "chat.invite": chat.invite,
    "chat.send_file": chat_files.send_file,
    "chat.schedule_message": chat_scheduled.schedule_message,
    "chat.cancel_scheduled": chat_scheduled.cancel_scheduled,
}

_RAISED = frozenset({"mail.send", "mail.reply", "mail.forward", "mail.create_draft"})
_REFUSALS = (Fault.UNREACHABLE, Fault.RATE_LIMIT, Fault.RECONSENT, Fault.TIMEOUT_BEFORE_COMMIT)
_ON_EFFECTS = (*_REFUSALS, Fault.TIMEOUT_AFTER_COMMIT, Fault.DUPLICATE_DELIVERY, Fault.LAG)
_ON_READS = (*_REFUSALS, Fault.STALE_READ)


@lru_cache(maxsize=1)
def _specs() -> dict[str, ToolSpec]:
    specs = [spec for family in sorted(families.FAMILIES) for spec in families.tool_specs(family)]
    return {
        spec.name: replace(
            spec,
            wire_timeout_s=WIRE_TIMEOUT_S,
            effect_class=EffectClass.KEYED if spec.name in _RAISED else spec.effect_class,
        )
        for spec in specs
    }


class OfficeConnector:
    """Every inside person has an account; `Account.credentials` are not looked at."""

    name = "office"
    families = families.FAMILIES
    streams = following.FAMILIES

    def __init__(self, office: Office) -> None:
        self.office = office

    def tools(self) -> Sequence[ToolSpec]:
        return tuple(_specs().values())

    async def call(self, tool: str, args: Mapping[str, Any], *, account: Account, key: str | None) -> Json:
        if key is None and self._is_quiet():  # a look into a local file takes less time than handing it to a thread
            spec = _validate(tool, args)
            if spec.is_read:
                return self._read(tool, args, account, is_quiet=True)
        return await asyncio.to_thread(self.call_now, tool, args, account=account, key=key)

    async def reconcile(
        self, tool: str, args: Mapping[str, Any], *, account: Account, key: str, attempted_at: datetime
    ) -> Reconciled:
        return await asyncio.to_thread(self._reconcile, tool, account, key)

    async def preconditions(
        self, tool: str, args: Mapping[str, Any], *, account: Account, now: datetime
    ) -> Sequence[Precondition]:
        def look() -> Sequence[Precondition]:
            _validate(tool, args)
            with self.office.database.read() as c:
                return preconditions.of(_reading(c, account, wire.epoch(now)), tool, args)

        return await asyncio.to_thread(look)

    async def check(self, precondition: Precondition, *, account: Account, now: datetime) -> str | None:
        def look() -> str | None:
            with self.office.database.read() as c:
                return preconditions.broken(_reading(c, account, wire.epoch(now)), precondition)

        return await asyncio.to_thread(look)

    async def changes(self, family: str, *, account: Account, cursor: str | None) -> Changes:
        def look() -> Changes:
            with self.office.database.read() as c:
                return following.changes(_reading(c, account, wire.epoch(self.office.now())), family, cursor)

        return await asyncio.to_thread(look)

    async def wait(self, family: str, *, account: Account, cursor: str, at_most_s: float) -> None:
        await asyncio.sleep(min(at_most_s, LOOK_S))  # a look into a local file costs less than being told

    def call_now(self, tool: str, args: Mapping[str, Any], *, account: Account, key: str | None) -> Json:
        """`call`, on the calling thread."""
        spec = _validate(tool, args)
        if spec.is_read:
            return self._read(tool, args, account)
        if key is None or re.fullmatch(r"[a-z0-9]{1,64}", key) is None:
            raise InvalidCall(f"{tool} needs a key of lower-case letters and digits", fix="Call it through the gate.")
        return self._effect(spec, args, account, key)

    def _read(self, tool: str, args: Mapping[str, Any], account: Account, *, is_quiet: bool = False) -> Json:
        struck = {} if is_quiet else self._struck(tool, _ON_READS)
        _refuse(struck, is_read=True)
        now = wire.epoch(self.office.now())
        with self.office.database.read() as c:
            fresh_until = now - int(struck.get(Fault.STALE_READ, 0))
            return HANDLERS[tool](_reading(c, account, now, fresh_until), args)

    def _effect(self, spec: ToolSpec, args: Mapping[str, Any], account: Account, key: str) -> Json:
        tool = spec.name
        self._struck(tool, ())
        now = wire.epoch(self.office.now())
        result: dict[str, Any] = {}
        with self.office.database.write(patience_s=PATIENCE_S) as c:
            struck = faults.take(c, tool, _ON_EFFECTS)
            is_refused = any(kind in struck for kind in _REFUSALS)
            if not is_refused:
                _check_account(c, account.subject)
                keyed = spec.provider_refuses_second
                before = _find_effect(c, tool, account, key) if keyed else None
                if before is not None and before["args_digest"] != wire.digest(args):
                    raise Conflict(f"{tool} was called with this key and other arguments", fix="Use a key of its own.")
                if before is not None:
                    absorbed: Json = json.loads(before["result"])
                    return absorbed
                ctx = Context(
                    c=c,
                    me=account.subject,
                    now=now,
                    new_id=(lambda prefix: f"{prefix}_{key}") if keyed else drawn_id,
                    key=key,
                    fresh_until=now,
                    lag_s=int(struck.get(Fault.LAG, 0)),
                    copies=2 if Fault.DUPLICATE_DELIVERY in struck else 1,
                )
                result = HANDLERS[tool](ctx, args)
                c.execute(
                    "insert into effects (account, tool, key, args_digest, object_id, result, at) values (?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(account.subject, tool, key, wire.digest(args), ctx.touched[0] if ctx.touched else None),
                        *(wire.dump(result), now),
                    ),
                )
        _refuse(struck, is_read=False)
        _trace(tool, key)
        if Fault.TIMEOUT_AFTER_COMMIT in struck:
            raise OutcomeUnknown(f"the office did not answer {tool}", fix="Ask it what became of the attempt.")
        return result

    def _struck(self, tool: str, kinds: Sequence[Fault]) -> dict[Fault, float]:
        """Faults among `kinds` that strike this call, after waiting out a slow one. Cheap while none is ordered."""
        with self.office.database.read() as c:
            if not faults.is_any(c):
                return {}
        with self.office.database.write() as c:
            struck = faults.take(c, tool, (*kinds, Fault.SLOW))
        time.sleep(struck.pop(Fault.SLOW, 0.0))
        return struck

    def _is_quiet(self) -> bool:
        """Whether no fault is ordered, so that nothing is slow on purpose."""
        with self.office.database.read() as c:
            return not faults.is_any(c)

    def _reconcile(self, tool: str, account: Account, key: str) -> Reconciled:
        if Fault.CANNOT_RECONCILE in self._struck(tool, (Fault.CANNOT_RECONCILE,)):
            return Unknown("the office cannot say at the moment")
        with self.office.database.read() as c:
            row = _find_effect(c, tool, account, key)
        return Absent() if row is None else Done(json.loads(row["result"]))


_validate = Arguments("the office", _specs)


def _reading(c: sqlite3.Connection, account: Account, now: int, fresh_until: int | None = None) -> Context:
    _check_account(c, account.subject)
    return Context(
        c=c, me=account.subject, now=now, new_id=drawn_id, fresh_until=now if fresh_until is None else fresh_until
    )


def _check_account(c: sqlite3.Connection, address: str) -> None:
    if not directory.is_inside(c, address):
        raise ReconsentNeeded(
            "the office has no account for this connection", fix="Connect as somebody who works there."
        )


def _find_effect(c: sqlite3.Connection, tool: str, account: Account, key: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = c.execute(
        "select args_digest, result from effects where key = ? and tool = ? and account = ? order by seq limit 1",
        (key, tool, account.subject),
    ).fetchone()
    return row


def _refuse(struck: Mapping[Fault, float], *, is_read: bool) -> None:
    if Fault.UNREACHABLE in struck or (is_read and Fault.TIMEOUT_BEFORE_COMMIT in struck):
        raise Unreachable("the office cannot be reached", fix="Try again later.")
    if Fault.RATE_LIMIT in struck:
        raise RateLimited("the office has had too many calls", retry_after_s=struck[Fault.RATE_LIMIT], fix="Wait.")
    if Fault.RECONSENT in struck:
        raise ReconsentNeeded("the office no longer accepts this connection", fix="Connect again.")
    if Fault.TIMEOUT_BEFORE_COMMIT in struck:
        raise OutcomeUnknown("the office did not answer", fix="Ask it what became of the attempt.")


def _trace(tool: str, key: str) -> None:
    path = os.environ.get(TRACE_VARIABLE)
    if not path:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, f"{tool} {key}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_connector(*, path: str | os.PathLike[str]) -> OfficeConnector:
    """The connector of the office at `path`, for the registry."""
    return OfficeConnector(Office(path))
