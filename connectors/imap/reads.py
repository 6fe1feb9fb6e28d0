"""Reading mail: searching over all folders, messages, threads, attachments."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.errors import InvalidCall, NotFound
from connectors.families import DEFAULT_LIMIT
from connectors.imap import criteria, labels, mime, threads
from connectors.imap.addresses import plain
from connectors.imap.mailbox import Mailbox, Record

Args = Mapping[str, Any]
SNIPPET_LENGTH = 120
MOST_BYTES = 40_000_000  # of a message that is read whole
BEGINNING = 2_000_000  # what is read of a longer one


def search(box: Mailbox, args: Args) -> dict[str, Any]:
    after = _read_cursor(args.get("cursor"))
    newest_first = args.get("order", "newest") == "newest"
    records = sorted(_matching(box, args), key=lambda one: one.order, reverse=newest_first)
    if after is not None:
        records = [one for one in records if (one.order < after if newest_first else one.order > after)]
    limit = int(args.get("limit") or DEFAULT_LIMIT)
    page = records[:limit]
    return {
        "messages": headers(box, page),
        "next": _write_cursor(page[-1]) if len(records) > limit else None,
    }


def _matching(box: Mailbox, args: Args) -> list[Record]:
    label, thread = args.get("label"), args.get("thread_id")
    places = None if label is None else box.labelled(label)
    everywhere = box.searched(*(place for place in ("trash", "junk") if place == label))
    keys = [*_keys(args), *([] if label is None or places is not None else [_flagged(label)])]
    if thread is not None:
        root = threads.root_of_id(thread)
        members = {one.head.message_id for one in ([] if root is None else threads.family(box, root))}
        if not members:
            return []
    found = box.find(everywhere if places is None else places, criteria.all_of(keys))
    fits = _fits(args)
    records = [one for one in box.merge(found) if fits(one)]
    if thread is not None:
        records = [one for one in records if one.head.message_id in members]
    if places is not None or args.get("unread") is not None or label is not None:
        records = _completed(box, records, everywhere)
    if args.get("unread") is not None and records:
        flags = box.flags(records)
        records = [one for one in records if _is_unread(box, one, flags) == args["unread"]]
    for name, judge in (("unanswered", _is_unanswered), ("awaiting_reply", _is_awaiting)):
        if args.get(name) is not None:
            chosen = _newest_words(box, [one for one in records if judge(box, one)])
            records = [one for one in records if (one.head.message_id in chosen) == args[name]]
    return records


def _keys(args: Args) -> list[str]:
    keys = [criteria.word(word) for word in (args.get("query") or "").split()]
    keys += [f"SUBJECT {criteria.quoted(word)}" for word in (args.get("subject") or "").split()]
    for name in ("from", "to"):
        if args.get(name) is not None:
            keys.append(f"{name.upper()} {criteria.quoted(plain(args[name]))}")
    if args.get("participant") is not None:
        who = criteria.quoted(plain(args["participant"]))
        keys.append(criteria.any_of([f"{name} {who}" for name in ("FROM", "TO", "CC")]))
    if args.get("since") is not None:
        keys.append(criteria.since(moment(args["since"], "since")))
    if args.get("until") is not None:
        keys.append(criteria.until(moment(args["until"], "until")))
    if args.get("unread"):
        keys.append("UNSEEN")
    return keys


def _flagged(label: str) -> str:
    if label == labels.IMPORTANT:
        return "FLAGGED"
    return "UNSEEN" if label == labels.UNREAD else f"KEYWORD {labels.keyword(label)}"


def _fits(args: Args) -> Callable[[Record], bool]:
    """What the server answers too widely: addresses as parts of others, times by the day, attachments not at all."""
    who = {name: plain(args[name]) for name in ("from", "to", "participant") if args.get(name) is not None}
    since = None if args.get("since") is None else moment(args["since"], "since")
    until = None if args.get("until") is None else moment(args["until"], "until")
    attached = args.get("has_attachment")

    def fits(one: Record) -> bool:
        head = one.head
        return (
            who.get("from", head.author) == head.author
            and ("to" not in who or who["to"] in head.to)
            and ("participant" not in who or who["participant"] in (head.author, *head.to, *head.cc))
            and (since is None or one.first.sent_at >= since)
            and (until is None or one.first.sent_at < until)
            and (attached is None or one.first.attached == attached)
        )

    return fits


def _completed(box: Mailbox, records: Sequence[Record], places: Sequence[str]) -> list[Record]:
    """With the copies that a condition on folder or flags left out: of mail to oneself, there is one in Sent as well."""
    mine = box.home.addresses
    to_myself = [one for one in records if one.head.author in mine and mine & {*one.head.to, *one.head.cc}]
    wanted = [one.head.mid for one in to_myself if one.head.mid is not None]
    ids = {one.head.message_id for one in records}
    further = [copy for copy in box.lookup(wanted, folders=places) if copy.head.message_id in ids] if wanted else []
    return box.merge([*(copy for one in records for copy in one.copies), *further])


def _is_unanswered(box: Mailbox, one: Record) -> bool:
    mine = box.home.addresses
    return one.head.author not in mine and bool(mine & set(one.head.to)) and bool(threads.spoken(box, [one]))


def _is_awaiting(box: Mailbox, one: Record) -> bool:
    mine = box.home.addresses
    is_sent = any(box.roles.get(copy.folder) == "sent" for copy in one.copies)
    return one.head.author in mine and is_sent and bool(set(one.head.to) - mine) and one.first.speaks


def _newest_words(box: Mailbox, candidates: Sequence[Record]) -> set[str]:
    """Of these, the ids of those after which nobody wrote in their thread."""
    if not candidates:
        return set()
    first = min(one.first.sent_at for one in candidates)
    later = threads.spoken(box, box.merge(box.find(box.searched(), criteria.since(first))))
    above = threads.roots(box, [*later, *candidates])
    last: dict[str, tuple[int, int, str]] = {}
    for one in [*later, *candidates]:
        root = above[one.head.message_id]
        last[root] = max(last.get(root, one.order), one.order)
    return {one.head.message_id for one in candidates if last[above[one.head.message_id]] == one.order}


def get_message(box: Mailbox, args: Args) -> dict[str, Any]:
    record = box.message(args["message_id"])
    return full(box, [record])[0]


def get_thread(box: Mailbox, args: Args) -> dict[str, Any]:
    records = threads.of(box, args["thread_id"])
    return {
        "thread_id": args["thread_id"],
        "subject": records[0].head.subject,
        "messages": full(box, records),
    }


def get_attachment(box: Mailbox, args: Args) -> dict[str, Any]:
    one = attachment(box, args["message_id"], args["attachment_id"])
    return {"name": one.name, "mime": one.mime, "size_bytes": len(one.content), "text": one.text}


def attachment(box: Mailbox, message_id: str, attachment_id: str) -> mime.Attached:
    message, _ = content(box, box.message(message_id), whole=True)
    for one in mime.attachments(message):
        if one.attachment_id == attachment_id:
            return one
    raise NotFound("the message has no such attachment", fix="Read the message for its list.")


def content(box: Mailbox, record: Record, *, whole: bool = False) -> tuple[Any, bool]:
    """The message, and whether only its beginning was read. `whole`: InvalidCall where it is too long for that."""
    is_long = record.first.size_bytes > MOST_BYTES
    if is_long and whole:
        raise InvalidCall("the message is too long to take attachments from", fix="Open it in a mail program.")
    raw = box.raw(record.first, at_most=BEGINNING if is_long else MOST_BYTES)
    return mime.parse(raw), is_long


def headers(box: Mailbox, records: Sequence[Record]) -> list[dict[str, Any]]:
    flags = box.flags(records)
    snippets = box.snippets(records, SNIPPET_LENGTH)
    above = threads.roots(box, records)
    return [_header(box, one, flags, snippets[one.head.message_id], above[one.head.message_id]) for one in records]


def full(box: Mailbox, records: Sequence[Record]) -> list[dict[str, Any]]:
    flags, above = box.flags(records), threads.roots(box, records)
    parents = {one.head.node: one.head.message_id for one in records}
    missing = {up for one in records if (up := _parent(one)) is not None} - set(parents)
    for copy in box.lookup(missing):
        parents.setdefault(copy.head.node, copy.head.message_id)
    found = []
    for one in records:
        message, is_long = content(box, one)
        body = mime.body_of(message)
        snippet = " ".join(body.split())[:SNIPPET_LENGTH]
        answer = _header(box, one, flags, snippet, above[one.head.message_id])
        attached = mime.names(mime.attachments(message))
        answer |= {"body": body, "attachments": attached, "in_reply_to": parents.get(_parent(one) or "")}
        found.append(answer | {"truncated": True} if is_long else answer)
    return found


def _parent(one: Record) -> str | None:
    return one.head.parent or (one.head.references[-1] if one.head.references else None)


def _header(
    box: Mailbox, one: Record, flags: Mapping[tuple[str, int], frozenset[str]], snippet: str, root: str
) -> dict[str, Any]:
    said = {flag for copy in one.copies for flag in flags.get((copy.folder, copy.uid), ())}
    places = [box.roles.get(copy.folder, copy.folder) for copy in one.copies]
    unread = _is_unread(box, one, flags)
    return {
        "message_id": one.head.message_id,
        "thread_id": threads.thread_id(root),
        "from": one.head.author,
        "from_name": one.head.author_name,
        "to": list(one.head.to),
        "cc": list(one.head.cc),
        "subject": one.head.subject,
        "snippet": snippet,
        "sent_at": one.first.sent_at.isoformat(timespec="seconds"),
        "labels": labels.labels_of(places, said) + ([labels.UNREAD] if unread else []),
        "unread": unread,
        "has_attachment": one.first.attached,
    }


def _is_unread(box: Mailbox, one: Record, flags: Mapping[tuple[str, int], frozenset[str]]) -> bool:
    """Where a copy that was received is unseen; of what was only written, where that one is."""
    written = [copy for copy in one.copies if box.roles.get(copy.folder) in ("sent", "draft")]
    received = [copy for copy in one.copies if copy not in written] or written
    seen = labels.SEEN.lower()
    return any(
        seen not in {flag.lower() for flag in flags[copy.folder, copy.uid]}
        for copy in received
        if (copy.folder, copy.uid) in flags
    )


def moment(value: str, name: str) -> datetime:
    """InvalidCall unless it is an ISO 8601 time with offset."""
    try:
        found = datetime.fromisoformat(value)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidCall(f"{name} is no ISO 8601 time with offset", fix="Write it as 2026-11-23T10:00:00+00:00.")


def _write_cursor(last: Record) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(last.order)).encode()).decode()


def _read_cursor(cursor: str | None) -> tuple[int, int, str] | None:
    """A place in the order, not in a list: it stays right when mail comes, moves or gets new UIDs."""
    if cursor is None:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, RecursionError):
        place = None
    if isinstance(place, list) and [type(part) for part in place] == [int, int, str]:
        return place[0], place[1], place[2]
    raise InvalidCall("the cursor is not one of this list", fix="Pass `next` of the page before, or leave it out.")
