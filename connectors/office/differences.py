"""What was made or changed in the office since its seed, as plain records."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from connectors import wire
from connectors.office import calendar, chat, chat_scheduled, mail_effects
from connectors.office.context import Context, drawn_id


def of(c: sqlite3.Connection, now: int) -> dict[str, list[dict[str, Any]]]:
    """By kind; see `Office.diff`."""
    mails = [_mail(row) for row in c.execute("select * from mails where made = 1 order by seq")]
    names = {row["channel_id"]: row for row in c.execute("select channel_id, name, direct from channels")}
    messages = [
        _message(c, row, names[row["channel_id"]])
        for row in c.execute(
            "select * from messages where made = 1 and deleted = 0 and due_at <= ? order by seq", (now,)
        )
    ]
    ids = [
        row["event_id"]
        for row in c.execute("select event_id from events where made = 1 and series_id is null order by start_at")
    ]
    events = [_event(c, event_id) for event_id in ids]
    channels = [
        {"channel": row["channel_id"], "name": f"#{row['name']}", "key": row["key"]}
        for row in c.execute("select channel_id, name, key from channels where made = 1 and direct = 0")
    ]
    people = [dict(row) for row in c.execute("select address, name from people where made = 1 order by address")]
    made = {one["message_id"] for one in (*mails, *messages)} | set(ids) | {one["channel"] for one in channels}
    changed = [
        {"kind": row["kind"], "id": row["object_id"], "what": row["what"], "at": wire.format_time(row["at"])}
        for row in c.execute("select kind, object_id, what, at from changes order by at, object_id")
        if row["object_id"] not in made
    ]
    return {
        "mails": [one for one in mails if one["kind"] == mail_effects.PERSONAL],
        "events": events,
        "messages": messages,
        "changed": changed,
        "notices": [one for one in mails if one["kind"] != mail_effects.PERSONAL],
        "channels": channels,
        "people": people,
        "scheduled": chat_scheduled.pending(c, now),
    }


def _mail(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "message_id": row["message_id"],
        "thread_id": row["thread_id"],
        "from": row["author"],
        "to": json.loads(row["to_list"]),
        "cc": json.loads(row["cc_list"]),
        "bcc": json.loads(row["bcc_list"]),
        "subject": row["subject"],
        "body": row["body"],
        "sent_at": wire.format_time(row["sent_at"]),
        "in_reply_to": row["in_reply_to"],
        "has_attachment": bool(row["attached"]),
        "draft": bool(row["draft"]),
        "kind": row["kind"],
        "key": row["key"],
    }


def _message(c: sqlite3.Connection, row: sqlite3.Row, channel: sqlite3.Row) -> dict[str, Any]:
    people = chat.members(c, row["channel_id"]) if channel["direct"] else []
    return {
        "message_id": row["message_id"],
        "channel": row["channel_id"],
        "channel_name": "direct" if channel["direct"] else f"#{channel['name']}",
        "to": [address for address in people if address != row["author"]],
        "author": row["author"],
        "text": row["text"],
        "sent_at": wire.format_time(row["sent_at"]),
        "thread_id": row["thread_id"],
        "key": row["key"],
    }


def _event(c: sqlite3.Connection, event_id: str) -> dict[str, Any]:
    one = calendar.find(c, event_id)
    assert one is not None  # listed in this very transaction
    ctx = Context(c=c, me=one.row["organizer"], now=0, new_id=drawn_id)
    key = c.execute("select key from events where event_id = ?", (event_id,)).fetchone()["key"]
    return calendar.show(ctx, one, one.row["organizer"]) | {"key": key}
