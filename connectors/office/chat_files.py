"""Files in the office's chat. Each hangs on one message: who may see the message may read the file, and with it the file is gone."""

from __future__ import annotations

import sqlite3
from typing import Any

from connectors import posting, wire
from connectors.errors import NotFound
from connectors.office import chat, mail
from connectors.office.context import Context
from connectors.wire import Args

_SELECT = (
    "select f.seq as file_seq, f.file_id, f.name, f.mime, f.size_bytes, f.text as content, m.message_id, m.channel_id, m.author,"
    " m.sent_at, c.name as channel_name, c.direct, c.private, p.name as author_name"
    " from files f join messages m on m.message_id = f.message_id join channels c on c.channel_id = m.channel_id"
    " left join people p on p.address = m.author"
)


def send_file(ctx: Context, args: Args) -> dict[str, Any]:
    posting.check_place(args)
    name, mime, size_bytes, text = _source(ctx, args)
    message = chat.post(ctx, *chat.place(ctx, args), args.get("text") or f"[file: {name}]")
    file_id = ctx.new_id("file")
    ctx.c.execute(
        "insert into files (file_id, message_id, name, mime, size_bytes, text) values (?, ?, ?, ?, ?, ?)",
        (file_id, message["message_id"], name, mime, size_bytes, text),
    )
    return _show(ctx, _find(ctx, file_id))


def _source(ctx: Context, args: Args) -> tuple[str, str, int, str | None]:
    """Name, type, size and text of the file to post."""
    match posting.source_of(args):
        case posting.Written(name=name, content=content):
            return name, posting.mime_of(name), len(content.encode()), content
        case posting.Attached(message_id=message_id, attachment_id=attachment_id):
            row = mail.attachment(ctx, message_id, attachment_id)
            return row["name"], row["mime"], row["size_bytes"], row["text"]
        case posting.Posted(file_id=file_id):
            row = _find(ctx, file_id)
            return row["name"], row["mime"], row["size_bytes"], row["content"]


def list_files(ctx: Context, args: Args) -> dict[str, Any]:
    where, values = [chat.MAY_SEE], [ctx.me, ctx.fresh_until, ctx.now]
    for word in wire.words(args.get("query")):
        where.append("lower(f.name) like ? escape '\\'")
        values.append(wire.pattern(word))
    if args.get("channel") is not None:
        where.append("m.channel_id = ?")
        values.append(chat.find_channel(ctx, args["channel"])["channel_id"])
    if args.get("author") is not None:
        where.append("m.author = ?")
        values.append(wire.lower(args["author"]))
    for name, sign in (("since", ">="), ("until", "<")):
        if (moment := wire.time_of(args, name)) is not None:
            where.append(f"m.sent_at {sign} ?")
            values.append(moment)
    if (position := wire.read_cursor(args, int, int)) is not None:
        where.append("(m.sent_at, f.seq) < (?, ?)")
        values.extend(position)
    limit = wire.limit_of(args)
    rows = ctx.c.execute(
        f"{_SELECT} where {' and '.join(where)} order by m.sent_at desc, f.seq desc limit ?", [*values, limit + 1]
    ).fetchall()
    last = rows[limit - 1] if len(rows) > limit else None
    return {
        "files": [_show(ctx, row) for row in rows[:limit]],
        "next": None if last is None else wire.write_cursor([last["sent_at"], last["file_seq"]]),
    }


def get_file(ctx: Context, args: Args) -> dict[str, Any]:
    row = _find(ctx, args["file_id"])
    return _show(ctx, row) | {"text": row["content"]}


def _find(ctx: Context, file_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = ctx.c.execute(
        f"{_SELECT} where f.file_id = ? and {chat.MAY_SEE}", (file_id, ctx.me, chat.EVER, ctx.now)
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no file {file_id[:80]!r}", fix="Find it with chat.list_files.")
    return row


def _show(ctx: Context, row: sqlite3.Row) -> dict[str, Any]:
    return {
        "file_id": row["file_id"],
        "name": row["name"],
        "mime": row["mime"],
        "size_bytes": row["size_bytes"],
        "message_id": row["message_id"],
        "channel": row["channel_id"],
        "channel_name": chat.shown_name(row),
        "author": row["author"],
        "author_name": row["author_name"] or row["author"],
        "sent_at": wire.format_time(row["sent_at"]),
        "readers": chat.readers(ctx.c, row),
    }
