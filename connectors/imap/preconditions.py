"""What a person who approves an answer takes for granted: that nothing was said in the meantime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.errors import NotFound
from connectors.imap import criteria, threads
from connectors.imap.mailbox import Mailbox, Record
from connectors.spec import Precondition

NEWEST, LATEST = "newest", "latest"


def of(box: Mailbox, tool: str, args: Mapping[str, Any]) -> list[Precondition]:
    if tool not in ("mail.reply", "mail.forward"):
        return []
    record = box.message(args["message_id"])
    root = threads.roots(box, [record])[record.head.message_id]
    found = [
        Precondition(
            kind=NEWEST,
            args={"thread_id": threads.thread_id(root), "known": _spoken_ids(box, root)},
            text=f"No newer message in “{record.head.subject}”",
        )
    ]
    if tool == "mail.reply" and record.head.author not in box.home.addresses:
        latest = Precondition(
            kind=LATEST,
            args={"author": record.head.author, "message_id": record.head.message_id},
            text=f"Nothing newer to you from {record.head.author_name or record.head.author}",
        )
        found += [latest] if broken(box, latest) is None else []
    return found


def broken(box: Mailbox, precondition: Precondition) -> str | None:
    args = precondition.args
    if precondition.kind == NEWEST:
        root = threads.root_of_id(args["thread_id"])
        now = [] if root is None else _spoken_ids(box, root)
        return "A newer message has arrived in the thread" if set(now) - set(args["known"]) else None
    if precondition.kind == LATEST:
        try:
            record = box.message(args["message_id"])
        except NotFound:
            return "The message is no longer in the mailbox"
        return "Its author has written again" if _wrote_again(box, record) else None
    return f"The mailbox knows no condition {precondition.kind!r}"


def _spoken_ids(box: Mailbox, root: str) -> list[str]:
    return [one.head.message_id for one in threads.spoken(box, threads.family(box, root))]


def _wrote_again(box: Mailbox, record: Record) -> bool:
    keys: Sequence[str] = [f"FROM {criteria.quoted(record.head.author)}", criteria.since(record.first.sent_at)]
    later = threads.spoken(box, box.merge(box.find(box.searched(), criteria.all_of(keys))))
    return any(one.head.author == record.head.author and one.order > record.order for one in later)
