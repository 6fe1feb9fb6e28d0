"""Messages that the office's chat posts later. The message is stored at once, with the moment from which it is there for readers,
so that no process has to be awake at that moment; until then only this module shows it, to its author.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from connectors import posting, wire
from connectors.errors import Conflict, InvalidCall, NotFound
from connectors.office import chat
from connectors.office.context import Context
from connectors.wire import Args

_SELECT = (
    "select m.seq, m.message_id, m.channel_id, m.author, m.text, m.due_at, m.deleted, c.name as channel_name, c.direct, c.private"
    " from messages m join channels c on c.channel_id = m.channel_id"
)


def schedule_message(ctx: Context, args: Args) -> dict[str, Any]:
    posting.check_place(args)
    due_at = wire.parse_time(args["send_at"], "send_at")
    posting.check_moment(due_at, ctx.now)
    channel_id, thread_id = chat.place(ctx, args)
    if not args["text"].strip():
        raise InvalidCall("the text is empty", fix="Write something.")
    message_id = ctx.new_id("cm")
    chat.insert(
        ctx,
        message_id=message_id,
        channel_id=channel_id,
        author=ctx.me,
        text=args["text"],
        sent_at=due_at,
        thread_id=thread_id,
        due_at=due_at,
    )
    return _record(ctx.c, _find(ctx, _scheduled_id(message_id)))


def list_scheduled(ctx: Context, args: Args) -> dict[str, Any]:
    where, values = ["m.author = ? and m.due_at > ? and m.deleted = 0"], [ctx.me, ctx.now]
    for word in chat.search_text(args.get("query") or "").split():
        where.append("m.search like ? escape '\\'")
        values.append(wire.pattern(word))
    if args.get("channel") is not None:
        where.append("m.channel_id = ?")
        values.append(chat.find_channel(ctx, args["channel"])["channel_id"])
    rows = ctx.c.execute(f"{_SELECT} where {' and '.join(where)} order by m.due_at, m.seq", values).fetchall()
    page = wire.cut_page(rows, args, "scheduled")
    return {"scheduled": [_record(ctx.c, row) for row in page["scheduled"]], "next": page["next"]}


def cancel_scheduled(ctx: Context, args: Args) -> dict[str, Any]:
    """Conflict once it was posted: then it is a message like any other."""
    row = _find(ctx, args["scheduled_id"])
    done = {"scheduled_id": args["scheduled_id"], "cancelled": True}
    if row["deleted"]:
        return done
    if row["due_at"] <= ctx.now:
        raise Conflict("the message was posted already", fix="Delete it with chat.delete_message.")
    ctx.c.execute("update messages set deleted = 1 where message_id = ?", (row["message_id"],))
    ctx.record_change("message", row["message_id"], "cancelled")
    return done


def due_at(ctx: Context, scheduled_id: str) -> int:
    """When it is, or was, to be posted. NotFound for another's."""
    return int(_find(ctx, scheduled_id)["due_at"])


def pending(c: sqlite3.Connection, now: int) -> list[dict[str, Any]]:
    """Everybody's messages still to be posted, for looking at the world."""
    rows = c.execute(f"{_SELECT} where m.due_at > ? and m.deleted = 0 order by m.due_at, m.seq", (now,)).fetchall()
    return [_record(c, row) for row in rows]


def _scheduled_id(message_id: str) -> str:
    return message_id.replace("cm_", "sch_", 1)


def _find(ctx: Context, scheduled_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = ctx.c.execute(
        f"{_SELECT} where m.message_id = ? and m.author = ? and m.due_at > 0",
        (scheduled_id.replace("sch_", "cm_", 1), ctx.me),
    ).fetchone()
    if row is None or not scheduled_id.startswith("sch_"):
        raise NotFound(f"there is no scheduled message {scheduled_id[:80]!r}", fix="Look with chat.list_scheduled.")
    return row


def _show(ctx: Context, row: sqlite3.Row) -> dict[str, Any]:
    return _record(ctx.c, row)


def _record(c: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    return {
        "scheduled_id": _scheduled_id(row["message_id"]),
        "channel": row["channel_id"],
        "channel_name": chat.shown_name(row),
        "author": row["author"],
        "text": row["text"],
        "send_at": wire.format_time(row["due_at"]),
        "readers": chat.readers(c, row),
    }
