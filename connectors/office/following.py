"""What is new in an account of the office: mail in its inbox, events on its calendar, messages in its channels.

A cursor is the last second listed with what was listed of it: whatever else appears in that second is still new.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from connectors.errors import InvalidCall
from connectors.office import calendar, chat, mail
from connectors.office.context import Context
from connectors.spec import Change, Changes

PAGE = 100
FAMILIES = frozenset({"mail", "calendar", "chat"})

_MAIL = f"{mail.COPY} where b.address = ? and b.folder = 'inbox' and m.made = 1 and m.seen_from between ? and ? order by m.seen_from, m.seq, b.copy_id"
_EVENTS = (
    "select e.event_id, e.version, max(e.seen_from, coalesce(x.at, 0)) as at from events e"
    " join invites i on i.event_id = e.event_id and i.address = ?"
    " left join changes x on x.kind = 'event' and x.object_id = e.event_id"
    " where max(e.seen_from, coalesce(x.at, 0)) between ? and ? and (e.made = 1 or x.at is not null)"
    " order by at, e.event_id"
)
_MESSAGES = (
    f"{chat.SELECT} join members w on w.channel_id = m.channel_id and w.address = ?"
    " where m.deleted = 0 and m.made = 1 and m.seen_from between ? and ? order by m.seen_from, m.seq"
)


def changes(ctx: Context, family: str, cursor: str | None) -> Changes:
    """One page behind `cursor`."""
    if family not in FAMILIES:
        raise InvalidCall(
            f"the office's {family} cannot be followed", fix=f"Follow one of {', '.join(sorted(FAMILIES))}."
        )
    if cursor is None:
        now = ctx.now
        return Changes(changes=(), cursor=_cursor(now, [one.change_id for _, one in _since(ctx, family, now)]))
    known = json.loads(cursor)
    at, seen = int(known["at"]), set(known["seen"])
    found: list[Change] = []
    for moment, change in _since(ctx, family, at):
        if moment == int(known["at"]) and change.change_id in seen:
            continue
        if len(found) == PAGE:
            return Changes(changes=found, cursor=_cursor(at, sorted(seen)), more=True)
        if moment != at:
            at, seen = moment, set()
        seen.add(change.change_id)
        found.append(change)
    return Changes(changes=found, cursor=_cursor(at, sorted(seen)))


def _cursor(at: int, seen: list[str]) -> str:
    return json.dumps({"at": at, "seen": seen}, separators=(",", ":"))


def _since(ctx: Context, family: str, at: int) -> Iterator[tuple[int, Change]]:
    """(second, change) from that second on, oldest first."""
    find: Mapping[str, Callable[[Context, int], Iterator[tuple[int, Change]]]] = {
        "mail": _mail,
        "calendar": _events,
        "chat": _messages,
    }
    return find[family](ctx, at)


def _mail(ctx: Context, at: int) -> Iterator[tuple[int, Change]]:
    for row in ctx.c.execute(_MAIL, (ctx.me, at, ctx.now)):
        yield row["seen_from"], Change(change_id=row["copy_id"], kind="message", record=mail.header(row))


def _events(ctx: Context, at: int) -> Iterator[tuple[int, Change]]:
    rows: list[sqlite3.Row] = ctx.c.execute(_EVENTS, (ctx.me, at, ctx.now)).fetchall()
    for row in rows:
        one = calendar.find(ctx.c, row["event_id"])
        if one is not None:
            record: dict[str, Any] = calendar.show(ctx, one, ctx.me)
            yield (
                row["at"],
                Change(change_id=f"{row['event_id']}:{row['version']}.{row['at']}", kind="event", record=record),
            )


def _messages(ctx: Context, at: int) -> Iterator[tuple[int, Change]]:
    rows: list[sqlite3.Row] = ctx.c.execute(_MESSAGES, (ctx.now, ctx.me, at, ctx.now)).fetchall()
    for row in rows:
        yield row["seen_from"], Change(change_id=row["message_id"], kind="chat_message", record=chat.show(ctx.c, row))
