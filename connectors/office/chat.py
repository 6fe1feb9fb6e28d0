"""Channels, threads and direct messages. Private channels, and what was said in them, exist only for their members."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from connectors import wire
from connectors.errors import Conflict, Forbidden, InvalidCall, NotFound
from connectors.office import directory
from connectors.office.context import Context
from connectors.wire import Args

EVER = 1 << 62  # later than every moment
# What is scheduled is a message that is not there before `due_at` (0 for all others): SELECT takes the time first.
SELECT = (
    "select m.seq, m.message_id, m.channel_id, m.author, m.text, m.sent_at, m.seen_from, m.thread_id, m.edited, c.name as channel_name,"
    " c.direct, c.private, p.name as author_name,"
    " (select count(*) from messages r where r.thread_id = m.message_id and r.deleted = 0 and r.due_at <= ?) as reply_count"
    " from messages m join channels c on c.channel_id = m.channel_id left join people p on p.address = m.author"
)
# Takes the account, until when rows are fresh, and the time.
MAY_SEE = (
    "(c.private = 0 or exists (select 1 from members v where v.channel_id = c.channel_id and v.address = ?))"
    " and m.deleted = 0 and m.seen_from <= ? and m.due_at <= ?"
)


def handle(address: str) -> str:
    return address.partition("@")[0]


def list_channels(ctx: Context, args: Args) -> dict[str, Any]:
    rows = ctx.c.execute(
        "select channel_id, name, purpose, private from channels c where direct = 0 and (private = 0 or exists"
        " (select 1 from members m where m.channel_id = c.channel_id and m.address = ?)) order by name",
        (ctx.me,),
    ).fetchall()
    wanted = wire.words(args.get("query"))
    found = [row for row in rows if all(word in wire.fold(f"#{row['name']} {row['purpose']}") for word in wanted)]
    page = wire.cut_page(found, args, "channels")
    return {"channels": [show_channel(ctx, row) for row in page["channels"]], "next": page["next"]}


def list_users(ctx: Context, args: Args) -> dict[str, Any]:
    rows = ctx.c.execute("select address, name, handle from people where inside = 1 order by name, address").fetchall()
    return wire.cut_page([dict(row) for row in rows], args, "users")


def history(ctx: Context, args: Args) -> dict[str, Any]:
    row = find_channel(ctx, args["channel"])
    return _list(ctx, args, ["m.channel_id = ?"], [row["channel_id"]])


def search(ctx: Context, args: Args) -> dict[str, Any]:
    where: list[str] = []
    values: list[Any] = []
    for word in search_text(args.get("query") or "").split():
        where.append("m.search like ? escape '\\'")
        values.append(wire.pattern(word))
    if args.get("channel") is not None:
        where.append("m.channel_id = ?")
        values.append(find_channel(ctx, args["channel"])["channel_id"])
    if args.get("author") is not None:
        where.append("m.author = ?")
        values.append(wire.lower(args["author"]))
    if args.get("mentions") is not None:
        # A mention is written @handle, and stored followed by a blank.
        where.append("m.search || ' ' like ? escape '\\'")
        values.append(wire.pattern(f"@{handle(wire.lower(args['mentions']))} "))
    return _list(ctx, args, where, values)


def _list(ctx: Context, args: Args, conditions: Sequence[str], given: Sequence[Any]) -> dict[str, Any]:
    where, values = [*conditions, MAY_SEE], [*given, ctx.me, ctx.fresh_until, ctx.now]
    if (since := wire.time_of(args, "since")) is not None:
        where.append("m.sent_at >= ?")
        values.append(since)
    if (until := wire.time_of(args, "until")) is not None:
        where.append("m.sent_at < ?")
        values.append(until)
    newest_first = args.get("order", "newest") == "newest"
    if (position := wire.read_cursor(args, int, int)) is not None:
        where.append(f"(m.sent_at, m.seq) {'<' if newest_first else '>'} (?, ?)")
        values.extend(position)
    direction = "desc" if newest_first else "asc"
    limit = wire.limit_of(args)
    rows = ctx.c.execute(
        f"{SELECT} where {' and '.join(where)} order by m.sent_at {direction}, m.seq {direction} limit ?",
        [ctx.now, *values, limit + 1],
    ).fetchall()
    last = rows[limit - 1] if len(rows) > limit else None
    return {
        "messages": [show(ctx.c, row) for row in rows[:limit]],
        "next": None if last is None else wire.write_cursor([last["sent_at"], last["seq"]]),
    }


def get_thread(ctx: Context, args: Args) -> dict[str, Any]:
    one = find_message(ctx, args["message_id"])
    first = one["thread_id"] or one["message_id"]
    rows = ctx.c.execute(
        f"{SELECT} where (m.message_id = ? or m.thread_id = ?) and m.deleted = 0 and m.due_at <= ? order by m.sent_at, m.seq",
        (ctx.now, first, first, ctx.now),
    ).fetchall()
    return {"messages": [show(ctx.c, row) for row in rows]}


def find_channel(ctx: Context, channel: str, *, join: bool = False) -> sqlite3.Row:
    """By id or #name. A private channel the account is not in is NotFound; with `join`, one it is not in is Forbidden."""
    row: sqlite3.Row | None = ctx.c.execute(
        "select channel_id, name, purpose, private, direct from channels where channel_id = ? or name = ?",
        (channel, wire.fold(channel.removeprefix("#"))),
    ).fetchone()
    is_member = row is not None and ctx.me in members(ctx.c, row["channel_id"])
    if row is None or (row["private"] and not is_member):
        raise NotFound(f"there is no channel {channel!r}", fix="Look with chat.list_channels.")
    if join and not is_member:
        raise Forbidden(f"this account is not in the channel {channel!r}", fix="Ask a member to be invited.")
    return row


def find_message(ctx: Context, message_id: str) -> sqlite3.Row:
    """A message the account may see, also one that searches do not find yet."""
    row: sqlite3.Row | None = ctx.c.execute(
        f"{SELECT} where m.message_id = ? and {MAY_SEE}", (ctx.now, message_id, ctx.me, EVER, ctx.now)
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no chat message {message_id!r}", fix="Find it with chat.search.")
    return row


def members(c: sqlite3.Connection, channel_id: str) -> list[str]:
    rows = c.execute("select address from members where channel_id = ? order by address", (channel_id,))
    return [row["address"] for row in rows]


def show_channel(ctx: Context, row: sqlite3.Row) -> dict[str, Any]:
    people = members(ctx.c, row["channel_id"])
    return {
        "channel": row["channel_id"],
        "name": f"#{row['name']}",
        "purpose": row["purpose"],
        "private": bool(row["private"]),
        "members": people,
        "member": ctx.me in people,
        "readers": people if row["private"] else None,
    }


def show(c: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    reactions: dict[str, list[str]] = {}
    for one in c.execute(
        "select name, address from reactions where message_id = ? order by name, address", (row["message_id"],)
    ):
        reactions.setdefault(one["name"], []).append(one["address"])
    return {
        "message_id": row["message_id"],
        "channel": row["channel_id"],
        "channel_name": shown_name(row),
        "author": row["author"],
        "author_name": row["author_name"] or row["author"],
        "text": row["text"],
        "sent_at": wire.format_time(row["sent_at"]),
        "thread_id": row["thread_id"],
        "reply_count": row["reply_count"],
        "reactions": [{"name": name, "by": by} for name, by in reactions.items()],
        "edited": bool(row["edited"]),
        "files": [
            dict(one)
            for one in c.execute(
                "select file_id, name, mime, size_bytes from files where message_id = ? order by seq",
                (row["message_id"],),
            )
        ],
        "readers": readers(c, row),
    }


def shown_name(row: sqlite3.Row) -> str:
    return "direct" if row["direct"] else f"#{row['channel_name']}"


def readers(c: sqlite3.Connection, row: sqlite3.Row) -> list[str] | None:
    """Who alone can read what is said in the row's channel; None: every colleague."""
    return members(c, row["channel_id"]) if row["private"] else None


# ---- effects -------------------------------------------------------------------------------------------------------


def insert(
    ctx: Context,
    *,
    message_id: str,
    channel_id: str,
    author: str,
    text: str,
    sent_at: int,
    thread_id: str | None = None,
    due_at: int = 0,
) -> None:
    seen_from = due_at or (ctx.now + ctx.lag_s if ctx.made else 0)
    ctx.c.execute(
        "insert into messages (message_id, channel_id, author, text, sent_at, thread_id, edited, deleted, key, made, seen_from,"
        " search, due_at) values (?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?)",
        (
            *(message_id, channel_id, author, text, sent_at, thread_id),
            *(ctx.key, ctx.made, seen_from, search_text(text), due_at),
        ),
    )
    ctx.touched.append(message_id)


def search_text(text: str) -> str:
    """Folded, and with a blank after each handle, so that @ann is not found in @anna."""
    for sign in ",:;!?()":
        text = text.replace(sign, f" {sign} ")
    return " ".join(word.rstrip(".") for word in wire.fold(text).split())


def insert_channel(
    ctx: Context,
    *,
    channel_id: str,
    name: str,
    people: Sequence[str],
    purpose: str = "",
    private: bool = False,
    direct: bool = False,
) -> None:
    ctx.c.execute(
        "insert into channels (channel_id, name, purpose, private, direct, key, made) values (?, ?, ?, ?, ?, ?, ?)",
        (channel_id, name, purpose, int(private), int(direct), None if direct else ctx.key, ctx.made),
    )
    ctx.c.executemany("insert into members (channel_id, address) values (?, ?)", [(channel_id, who) for who in people])


def post_message(ctx: Context, args: Args) -> dict[str, Any]:
    return post(ctx, *place(ctx, args), args["text"])


send_direct = post_message


def place(ctx: Context, args: Args) -> tuple[str, str | None]:
    """The channel, and the first message of the thread, that a post to `to`, or to `channel` and `thread_id`, goes into."""
    if args.get("to") is not None:
        return _direct_channel(ctx, args["to"]), None
    channel = find_channel(ctx, args["channel"], join=True)
    if args.get("thread_id") is None:
        return channel["channel_id"], None
    first = find_message(ctx, args["thread_id"])
    if first["channel_id"] != channel["channel_id"]:
        raise InvalidCall("the thread is in another channel", fix="Name the thread's own channel.")
    return channel["channel_id"], first["thread_id"] or first["message_id"]


def _direct_channel(ctx: Context, address: str) -> str:
    to = wire.addresses([address])[0]
    if not directory.is_inside(ctx.c, to):
        raise NotFound(f"{to!r} is not in the chat", fix="Write a mail, or choose somebody of chat.list_users.")
    pair = sorted({ctx.me, to})
    name = f"direct:{':'.join(pair)}"
    channel_id = f"chn_d{wire.digest(pair)[:15]}"
    if ctx.c.execute("select 1 from channels where channel_id = ?", (channel_id,)).fetchone() is None:
        insert_channel(ctx, channel_id=channel_id, name=name, people=pair, private=True, direct=True)
    return channel_id


def post(ctx: Context, channel_id: str, thread_id: str | None, text: str) -> dict[str, Any]:
    if not text.strip():
        raise InvalidCall("the text is empty", fix="Write something.")
    message_id = ctx.new_id("cm")
    insert(
        ctx,
        message_id=message_id,
        channel_id=channel_id,
        author=ctx.me,
        text=text,
        sent_at=ctx.now,
        thread_id=thread_id,
    )
    return show(ctx.c, find_message(ctx, message_id))


def _my_message(ctx: Context, message_id: str) -> sqlite3.Row:
    row = find_message(ctx, message_id)
    if row["author"] != ctx.me:
        raise Forbidden("only the author can change a message", fix="Write one of your own.")
    return row


def update_message(ctx: Context, args: Args) -> dict[str, Any]:
    row = _my_message(ctx, args["message_id"])
    ctx.c.execute(
        "update messages set text = ?, edited = 1, search = ? where message_id = ?",
        (args["text"], search_text(args["text"]), row["message_id"]),
    )
    ctx.record_change("message", row["message_id"], "edited")
    return show(ctx.c, find_message(ctx, row["message_id"]))


def delete_message(ctx: Context, args: Args) -> dict[str, Any]:
    row = _my_message(ctx, args["message_id"])
    ctx.c.execute("update messages set deleted = 1 where message_id = ?", (row["message_id"],))
    ctx.record_change("message", row["message_id"], "deleted")
    return {"message_id": row["message_id"], "deleted": True}


def add_reaction(ctx: Context, args: Args) -> dict[str, Any]:
    row = find_message(ctx, args["message_id"])
    ctx.c.execute(
        "insert or ignore into reactions (message_id, name, address) values (?, ?, ?)",
        (row["message_id"], args["name"].strip(":"), ctx.me),
    )
    ctx.record_change("message", row["message_id"], "reaction")
    return show(ctx.c, row)


def create_channel(ctx: Context, args: Args) -> dict[str, Any]:
    name = args["name"].removeprefix("#")
    if ctx.c.execute("select 1 from channels where name = ?", (name,)).fetchone() is not None:
        raise Conflict(f"there is a channel {args['name']!r} already", fix="Choose another name.")
    people = _colleagues(ctx, args.get("members"))
    channel_id = ctx.new_id("chn")
    insert_channel(
        ctx,
        channel_id=channel_id,
        name=name,
        people=list(dict.fromkeys([ctx.me, *people])),
        purpose=args.get("purpose") or "",
        private=bool(args.get("private")),
    )
    ctx.touched.append(channel_id)
    return show_channel(ctx, find_channel(ctx, channel_id))


def invite(ctx: Context, args: Args) -> dict[str, Any]:
    channel = find_channel(ctx, args["channel"], join=True)
    if channel["direct"]:
        raise InvalidCall("nobody can be added to a direct conversation", fix="Create a channel.")
    people = _colleagues(ctx, args["people"])
    ctx.c.executemany(
        "insert or ignore into members (channel_id, address) values (?, ?)",
        [(channel["channel_id"], who) for who in people],
    )
    ctx.record_change("channel", channel["channel_id"], "members")
    return show_channel(ctx, channel)


def _colleagues(ctx: Context, people: Sequence[str] | None) -> list[str]:
    found = wire.addresses(people)
    for address in found:
        if not directory.is_inside(ctx.c, address):
            raise NotFound(f"{address!r} is not in the chat", fix="Choose somebody of chat.list_users.")
    return found
