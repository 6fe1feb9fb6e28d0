"""Reading mail: searches, messages, threads, attachments, each within the account's own mailbox."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from connectors import wire
from connectors.errors import NotFound
from connectors.office.context import Context
from connectors.wire import Args

SNIPPET_LENGTH = 120

COPY = (
    "select b.copy_id, b.folder, b.labels, b.unread, m.seq, m.message_id, m.thread_id, m.author, m.author_name, m.to_list,"
    " m.cc_list, m.subject, m.body, m.sent_at, m.seen_from, m.in_reply_to, m.kind, m.draft, m.attached"
    " from mailbox b join mails m on m.seq = b.seq"
)
# INVARIANT: drafts, the trash and what a machine wrote never count as the newest word of a thread.
_SPOKEN = (
    "l.folder not in ('draft', 'trash') and exists (select 1 from mails s where s.seq = l.seq and s.kind = 'personal')"
)
_IS_NEWEST = (
    "not exists (select 1 from mailbox l where l.address = b.address and l.thread_id = b.thread_id"
    f" and (l.sent_at, l.seq) > (b.sent_at, b.seq) and {_SPOKEN})"
)


def search(ctx: Context, args: Args) -> dict[str, Any]:
    where = ["b.address = ?", "m.seen_from <= ?"]
    values: list[Any] = [ctx.me, ctx.fresh_until]

    def also(condition: str, *more: Any) -> None:
        where.append(condition)
        values.extend(more)

    for word in wire.words(args.get("query")):
        also("m.search like ? escape '\\'", wire.pattern(word))
    if args.get("from") is not None:
        also("m.author = ?", wire.lower(args["from"]))
    if args.get("to") is not None:
        also("m.to_list like ? escape '\\'", wire.pattern(f'"{wire.lower(args["to"])}"'))
    if args.get("participant") is not None:
        who = wire.lower(args["participant"])
        quoted = wire.pattern(f'"{who}"')
        also("(m.author = ? or m.to_list like ? escape '\\' or m.cc_list like ? escape '\\')", who, quoted, quoted)
    # `search` begins with the folded subject, ended by a line feed.
    for word in wire.words(args.get("subject")):
        also("substr(m.search, 1, instr(m.search, char(10))) like ? escape '\\'", wire.pattern(word))
    if (since := wire.time_of(args, "since")) is not None:
        also("b.sent_at >= ?", since)
    if (until := wire.time_of(args, "until")) is not None:
        also("b.sent_at < ?", until)
    if args.get("unread") is not None:
        also("b.unread = ?", int(args["unread"]))
    if args.get("has_attachment") is not None:
        also("m.attached = ?", int(args["has_attachment"]))
    if args.get("thread_id") is not None:
        also("b.thread_id = ?", args["thread_id"])
    label = args.get("label")
    if label is not None:
        also(
            "(b.folder = ? or (? = 'unread' and b.unread = 1) or b.labels like ? escape '\\')",
            *(label, label, wire.pattern(f'"{label}"')),
        )
    if label != "trash":
        also("b.folder <> 'trash'")
    if args.get("unanswered") is not None:
        _also_flag(
            also,
            args["unanswered"],
            f"(m.author <> b.address and m.kind = 'personal' and b.folder <> 'draft'"
            f" and m.to_list like '%\"' || b.address || '\"%' and {_IS_NEWEST})",
        )
    if args.get("awaiting_reply") is not None:
        _also_flag(
            also,
            args["awaiting_reply"],
            f"(m.author = b.address and b.folder = 'sent' and m.kind = 'personal'"
            f" and m.to_list <> '[]' and m.to_list <> '[\"' || b.address || '\"]' and {_IS_NEWEST})",
        )
    newest_first = args.get("order", "newest") == "newest"
    if (position := wire.read_cursor(args, int, int, str)) is not None:
        also(f"(b.sent_at, b.seq, b.copy_id) {'<' if newest_first else '>'} (?, ?, ?)", *position)

    direction = "desc" if newest_first else "asc"
    limit = wire.limit_of(args)
    rows = ctx.c.execute(
        f"{COPY} where {' and '.join(where)}"
        f" order by b.sent_at {direction}, b.seq {direction}, b.copy_id {direction} limit ?",
        [*values, limit + 1],
    ).fetchall()
    last = rows[limit - 1] if len(rows) > limit else None
    return {
        "messages": [header(row) for row in rows[:limit]],
        "next": None if last is None else wire.write_cursor([last["sent_at"], last["seq"], last["copy_id"]]),
    }


def _also_flag(also: Any, wanted: bool, condition: str) -> None:
    also(condition if wanted else f"not {condition}")


def get_message(ctx: Context, args: Args) -> dict[str, Any]:
    return full(ctx.c, own_copy(ctx, args["message_id"]))


def get_thread(ctx: Context, args: Args) -> dict[str, Any]:
    rows = ctx.c.execute(
        f"{COPY} where b.address = ? and b.thread_id = ? and b.folder <> 'trash' order by b.sent_at, b.seq, b.copy_id",
        (ctx.me, args["thread_id"]),
    ).fetchall()
    if not rows:
        raise NotFound(f"the mailbox has no thread {args['thread_id']!r}", fix="Find it with mail.search.")
    return {
        "thread_id": args["thread_id"],
        "subject": rows[0]["subject"],
        "messages": [full(ctx.c, row) for row in rows],
    }


def get_attachment(ctx: Context, args: Args) -> dict[str, Any]:
    row = attachment(ctx, args["message_id"], args["attachment_id"])
    return {"name": row["name"], "mime": row["mime"], "size_bytes": row["size_bytes"], "text": row["text"]}


def get_auto_reply(ctx: Context, args: Args) -> dict[str, Any]:
    row = ctx.c.execute(
        "select start_at, end_at, subject, body, audience from auto_replies where address = ?", (ctx.me,)
    ).fetchone()
    if row is None:
        return {"enabled": False, "start": None, "end": None, "subject": None, "body": None, "audience": None}
    return {
        "enabled": True,
        "start": wire.format_time(row["start_at"]),
        "end": wire.format_time(row["end_at"]),
        "subject": row["subject"],
        "body": row["body"],
        "audience": row["audience"],
    }


def own_copy(ctx: Context, message_id: str) -> sqlite3.Row:
    """The account's copy of a message, in whatever folder. NotFound where it has none."""
    row: sqlite3.Row | None = ctx.c.execute(
        f"{COPY} where b.address = ? and b.copy_id = ?", (ctx.me, message_id)
    ).fetchone()
    if row is None:
        raise NotFound(f"the mailbox has no message {message_id!r}", fix="Find it with mail.search.")
    return row


def newest_in_thread(ctx: Context, thread_id: str) -> str | None:
    """The id of the newest message somebody wrote in a thread; drafts, trash and automatic mail aside."""
    row = ctx.c.execute(
        f"select l.copy_id from mailbox l where l.address = ? and l.thread_id = ? and {_SPOKEN}"
        " order by l.sent_at desc, l.seq desc, l.copy_id limit 1",
        (ctx.me, thread_id),
    ).fetchone()
    return None if row is None else str(row["copy_id"])


def latest_from(ctx: Context, author: str) -> str | None:
    """The id of the newest message that somebody wrote to the account, in whatever thread; automatic mail aside."""
    row = ctx.c.execute(
        "select l.copy_id from mailbox l join mails m on m.seq = l.seq where l.address = ? and m.author = ?"
        f" and {_SPOKEN} order by l.sent_at desc, l.seq desc, l.copy_id limit 1",
        (ctx.me, author),
    ).fetchone()
    return None if row is None else str(row["copy_id"])


def attachment(ctx: Context, message_id: str, attachment_id: str) -> sqlite3.Row:
    copy = own_copy(ctx, message_id)
    row: sqlite3.Row | None = ctx.c.execute(
        "select attachment_id, name, mime, size_bytes, text from attachments where message_id = ? and attachment_id = ?",
        (copy["message_id"], attachment_id),
    ).fetchone()
    if row is None:
        raise NotFound(
            f"message {message_id!r} has no attachment {attachment_id!r}", fix="Read the message for its list."
        )
    return row


def header(row: sqlite3.Row) -> dict[str, Any]:
    labels = [row["folder"], *json.loads(row["labels"])] + (["unread"] if row["unread"] else [])
    return {
        "message_id": row["copy_id"],
        "thread_id": row["thread_id"],
        "from": row["author"],
        "from_name": row["author_name"],
        "to": json.loads(row["to_list"]),
        "cc": json.loads(row["cc_list"]),
        "subject": row["subject"],
        "snippet": " ".join(row["body"][: 2 * SNIPPET_LENGTH].split())[:SNIPPET_LENGTH],
        "sent_at": wire.format_time(row["sent_at"]),
        "labels": labels,
        "unread": bool(row["unread"]),
        "has_attachment": bool(row["attached"]),
        "type": row["kind"],
    }


def full(c: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    attached = c.execute(
        "select attachment_id, name, mime, size_bytes from attachments where message_id = ? order by attachment_id",
        (row["message_id"],),
    ).fetchall()
    return header(row) | {
        "body": row["body"],
        "attachments": [dict(one) for one in attached],
        "in_reply_to": row["in_reply_to"],
    }
