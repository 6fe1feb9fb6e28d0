"""Changing mail: sending, answering, forwarding, drafts, labels, automatic replies. Every verb runs in its caller's commit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors import wire
from connectors.errors import InvalidCall
from connectors.office import directory, mail
from connectors.office.context import Context
from connectors.wire import Args

PERSONAL = "personal"
RESERVED = frozenset({"inbox", "sent", "draft", "archive", "trash", "unread"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail before it is stored. `kind`: personal, newsletter, invitation or automated; only personal ones want answers."""

    message_id: str
    thread_id: str
    author: str
    author_name: str
    to: Sequence[str]
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    subject: str
    body: str
    sent_at: int
    in_reply_to: str | None = None
    kind: str = PERSONAL
    draft: bool = False
    attachments: Sequence[tuple[str, str, int, str | None]] = field(default_factory=tuple)  # name, mime, size, text


def deliver(ctx: Context, letter: Letter) -> None:
    """Stores a mail and lays it into the mailboxes of its inside author and readers. Outside readers have none here."""
    parties = [letter.author, *letter.to, *letter.cc, *letter.bcc]
    marks = ", ".join("?" * len(parties))
    inside = {
        row["address"]
        for row in ctx.c.execute(f"select address from people where inside = 1 and address in ({marks})", parties)
    }
    seen_from = ctx.now + ctx.lag_s if ctx.made else 0
    cursor = ctx.c.execute(
        "insert into mails (message_id, thread_id, author, author_name, to_list, cc_list, bcc_list, subject, body, sent_at,"
        " in_reply_to, kind, draft, key, made, seen_from, attached, search)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(letter.message_id, letter.thread_id, letter.author, letter.author_name),
            *(wire.dump(list(letter.to)), wire.dump(list(letter.cc)), wire.dump(list(letter.bcc))),
            *(letter.subject, letter.body, letter.sent_at, letter.in_reply_to, letter.kind, int(letter.draft)),
            *(ctx.key, ctx.made, seen_from, int(bool(letter.attachments)), search_text(letter)),
        ),
    )
    seq = cursor.lastrowid
    ctx.c.executemany(
        "insert into attachments (attachment_id, message_id, name, mime, size_bytes, text) values (?, ?, ?, ?, ?, ?)",
        [
            (f"att_{letter.message_id.removeprefix('msg_')}_{number}", letter.message_id, *one)
            for number, one in enumerate(letter.attachments)
        ],
    )
    copies: dict[tuple[str, str], tuple[str, int]] = {}
    if not letter.draft:
        for reader in (*letter.to, *letter.cc, *letter.bcc):
            for number in range(ctx.copies):
                copy_id = letter.message_id if number == 0 else f"{letter.message_id}~{number + 1}"
                copies[reader, copy_id] = ("inbox", 1)
    if letter.kind == PERSONAL:
        copies[letter.author, letter.message_id] = ("draft" if letter.draft else "sent", 0)
    ctx.c.executemany(
        "insert into mailbox (address, copy_id, seq, thread_id, sent_at, folder, labels, unread)"
        " values (?, ?, ?, ?, ?, ?, '[]', ?)",
        [
            (address, copy_id, seq, letter.thread_id, letter.sent_at, folder, unread)
            for (address, copy_id), (folder, unread) in copies.items()
            if address in inside
        ],
    )
    ctx.touched.append(letter.message_id)
    if ctx.made and letter.kind == PERSONAL and not letter.draft:
        _answer_automatically(ctx, letter)


def search_text(letter: Letter) -> str:
    """Folded: the subject, a line feed, then text, names and addresses."""
    people = " ".join([letter.author_name, letter.author, *letter.to, *letter.cc])
    return f"{wire.fold(' '.join(letter.subject.split()))}\n{wire.fold(letter.body)}\n{wire.fold(people)}"


def _answer_automatically(ctx: Context, letter: Letter) -> None:
    readers = list(dict.fromkeys([*letter.to, *letter.cc]))
    marks = ", ".join("?" * len(readers))
    rows = ctx.c.execute(
        "select a.address, a.subject, a.body, a.audience, p.name from auto_replies a join people p on p.address = a.address"
        f" where a.start_at <= ? and a.end_at > ? and a.address <> ? and a.address in ({marks})",
        (ctx.now, ctx.now, letter.author, *readers),
    ).fetchall()
    for number, row in enumerate(rows):
        if row["audience"] == "everyone" or directory.is_inside(ctx.c, letter.author):
            notice(
                ctx,
                number=number,
                author=row["address"],
                author_name=row["name"],
                to=[letter.author],
                subject=row["subject"],
                body=row["body"],
                kind="automated",
                thread_id=letter.thread_id,
            )


def notice(
    ctx: Context,
    *,
    number: int,
    author: str,
    author_name: str,
    to: Sequence[str],
    subject: str,
    body: str,
    kind: str,
    thread_id: str | None = None,
) -> None:
    """A mail the provider writes by itself (invitation, automatic reply); it never wants an answer. `number` keeps ids apart."""
    if not to:
        return
    main = list(ctx.touched)
    message_id = f"{ctx.new_id('msg')}_{kind[0]}{number}"
    deliver(
        ctx,
        Letter(
            message_id=message_id,
            thread_id=thread_id or message_id.replace("msg_", "thr_"),
            author=author,
            author_name=author_name,
            to=to,
            subject=subject,
            body=body,
            sent_at=ctx.now,
            kind=kind,
        ),
    )
    ctx.touched[:] = main


def my_name(ctx: Context) -> str:
    row = ctx.c.execute("select name from people where address = ?", (ctx.me,)).fetchone()
    return str(row["name"])


def _deliver_mine(
    ctx: Context,
    *,
    to: Sequence[str],
    cc: Sequence[str],
    subject: str,
    body: str,
    bcc: Sequence[str] = (),
    thread_id: str | None = None,
    in_reply_to: str | None = None,
    draft: bool = False,
    attachments: Sequence[tuple[str, str, int, str | None]] = (),
) -> Letter:
    message_id = ctx.new_id("msg")
    letter = Letter(
        message_id=message_id,
        thread_id=thread_id or message_id.replace("msg_", "thr_"),
        author=ctx.me,
        author_name=my_name(ctx),
        to=to,
        cc=[address for address in cc if address not in to],
        bcc=bcc,
        subject=subject,
        body=body,
        sent_at=ctx.now,
        in_reply_to=in_reply_to,
        draft=draft,
        attachments=attachments,
    )
    deliver(ctx, letter)
    return letter


def _attached(row: sqlite3.Row) -> tuple[str, str, int, str | None]:
    return (row["name"], row["mime"], row["size_bytes"], row["text"])


def send(ctx: Context, args: Args) -> dict[str, Any]:
    attachments = [
        _attached(mail.attachment(ctx, one["message_id"], one["attachment_id"]))
        for one in args.get("attachments") or ()
    ]
    letter = _deliver_mine(
        ctx,
        to=wire.addresses(args["to"]),
        cc=wire.addresses(args.get("cc")),
        bcc=wire.addresses(args.get("bcc")),
        subject=args["subject"],
        body=args["body"],
        attachments=attachments,
    )
    return {"message_id": letter.message_id, "thread_id": letter.thread_id}


def reply(ctx: Context, args: Args) -> dict[str, Any]:
    original = mail.own_copy(ctx, args["message_id"])
    if original["draft"]:
        raise InvalidCall("a draft cannot be answered", fix="Name the message it answers.")
    mine = original["author"] == ctx.me
    to = json.loads(original["to_list"]) if mine else [original["author"]]
    cc: list[str] = []
    if args.get("reply_all"):
        others = (
            json.loads(original["cc_list"])
            if mine
            else json.loads(original["to_list"]) + json.loads(original["cc_list"])
        )
        cc = [address for address in dict.fromkeys(others) if address != ctx.me and address not in to]
    letter = _deliver_mine(
        ctx,
        to=to,
        cc=cc,
        subject=_prefixed("Re: ", original["subject"]),
        body=args["body"],
        thread_id=original["thread_id"],
        in_reply_to=original["message_id"],
    )
    return {
        "message_id": letter.message_id,
        "thread_id": letter.thread_id,
        "to": list(letter.to),
        "cc": list(letter.cc),
    }


def forward(ctx: Context, args: Args) -> dict[str, Any]:
    original = mail.own_copy(ctx, args["message_id"])
    rows = ctx.c.execute(
        "select name, mime, size_bytes, text from attachments where message_id = ? order by attachment_id",
        (original["message_id"],),
    ).fetchall()
    above = f"{args['body']}\n\n" if args.get("body") else ""
    quoted = (
        f"---------- Forwarded message ----------\nFrom: {original['author_name']} <{original['author']}>\n"
        f"Date: {wire.format_time(original['sent_at'])}\nSubject: {original['subject']}\n\n{original['body']}"
    )
    letter = _deliver_mine(
        ctx,
        to=wire.addresses(args["to"]),
        cc=wire.addresses(args.get("cc")),
        subject=_prefixed("Fwd: ", original["subject"]),
        body=above + quoted,
        attachments=[_attached(row) for row in rows],
    )
    return {"message_id": letter.message_id, "thread_id": letter.thread_id}


def _prefixed(prefix: str, subject: str) -> str:
    return subject if subject.lower().startswith(prefix.lower().strip()) else prefix + subject


def create_draft(ctx: Context, args: Args) -> dict[str, Any]:
    original = mail.own_copy(ctx, args["reply_to"]) if args.get("reply_to") is not None else None
    letter = _deliver_mine(
        ctx,
        to=wire.addresses(args["to"]),
        cc=wire.addresses(args.get("cc")),
        subject=args["subject"],
        body=args["body"],
        thread_id=None if original is None else original["thread_id"],
        in_reply_to=None if original is None else original["message_id"],
        draft=True,
    )
    return {"draft_id": letter.message_id}


def update_labels(ctx: Context, args: Args) -> dict[str, Any]:
    """Folders are labels too: adding inbox moves a message back to it, removing inbox archives it."""
    copy = mail.own_copy(ctx, args["message_id"])
    add, remove = list(args.get("add") or ()), list(args.get("remove") or ())
    if not add and not remove:
        raise InvalidCall("no label is named", fix="Give add or remove.")
    folder, unread = copy["folder"], bool(copy["unread"])
    for label in remove:
        if label == "unread":
            unread = False
        elif label == "inbox" and folder == "inbox" or label == "trash" and folder == "trash":
            folder = "archive"
    for label in add:
        if label == "unread":
            unread = True
        elif label in ("inbox", "archive", "trash"):
            folder = label
        elif label in RESERVED:
            raise InvalidCall(
                f"the label {label!r} cannot be given by hand", fix="It follows from sending or drafting."
            )
    labels = [one for one in json.loads(copy["labels"]) if one not in remove]
    labels += [one for one in dict.fromkeys(add) if one not in RESERVED and one not in labels]
    return _refile(ctx, copy, folder=folder, labels=labels, unread=unread, what="labels")


def archive(ctx: Context, args: Args) -> dict[str, Any]:
    copy = mail.own_copy(ctx, args["message_id"])
    folder = "archive" if copy["folder"] == "inbox" else copy["folder"]
    return _refile(ctx, copy, folder=folder, what="archived")


def mark_read(ctx: Context, args: Args) -> dict[str, Any]:
    return _refile(ctx, mail.own_copy(ctx, args["message_id"]), unread=not args.get("read", True), what="read")


def delete(ctx: Context, args: Args) -> dict[str, Any]:
    return _refile(ctx, mail.own_copy(ctx, args["message_id"]), folder="trash", what="deleted")


def _refile(
    ctx: Context,
    copy: sqlite3.Row,
    *,
    what: str,
    folder: str | None = None,
    labels: list[str] | None = None,
    unread: bool | None = None,
) -> dict[str, Any]:
    ctx.c.execute(
        "update mailbox set folder = ?, labels = ?, unread = ? where address = ? and copy_id = ?",
        (
            copy["folder"] if folder is None else folder,
            copy["labels"] if labels is None else wire.dump(labels),
            copy["unread"] if unread is None else int(unread),
            *(ctx.me, copy["copy_id"]),
        ),
    )
    ctx.record_change("mail", copy["message_id"], what)
    return mail.header(mail.own_copy(ctx, copy["copy_id"]))


def set_auto_reply(ctx: Context, args: Args) -> dict[str, Any]:
    start, end = (wire.parse_time(args["start"], "start"), wire.parse_time(args["end"], "end"))
    if end <= start:
        raise InvalidCall("the end is not after the start", fix="Give a later end.")
    ctx.c.execute(
        "insert or replace into auto_replies (address, start_at, end_at, subject, body, audience) values (?, ?, ?, ?, ?, ?)",
        (ctx.me, start, end, args["subject"], args["body"], args["audience"]),
    )
    ctx.record_change("auto_reply", ctx.me, "set")
    return mail.get_auto_reply(ctx, {})


def clear_auto_reply(ctx: Context, args: Args) -> dict[str, Any]:
    ctx.c.execute("delete from auto_replies where address = ?", (ctx.me,))
    ctx.record_change("auto_reply", ctx.me, "cleared")
    return mail.get_auto_reply(ctx, {})
