"""Labels and the automatic reply: changes of the account's own mailbox that leave the same state however often they are made.

IDEMPOTENT, and reconciled by looking at that state. Each reads first and changes last, so that nothing can fail after the change;
only a label that nobody has made yet is made in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.errors import Conflict, InvalidCall
from connectors.google import gmail_read as read
from connectors.google import gmail_values as v
from connectors.google.context import Context
from connectors.google.gmail_read import ME
from connectors.google.gmail_values import Args
from connectors.spec import Absent, Done, Reconciled

_FIXED = frozenset({"SENT", "DRAFT"})  # Gmail gives these itself (Gmail API, "Manage labels")
_IDS = {name: one for one, name in v.SYSTEM_LABELS.items()}


def update_labels(ctx: Context, args: Args) -> dict[str, Any]:
    """Places are labels too: adding inbox moves a message back to it, removing inbox (or adding archive) archives it."""
    if not args.get("add") and not args.get("remove"):
        raise InvalidCall("no label is named", fix="Give add or remove.")
    message = read.message_of(ctx, args["message_id"])
    names = read.label_names(ctx)
    add = [_label_id(ctx, name, names) for name in dict.fromkeys(args.get("add") or ())]
    remove = [_known(name, names) for name in dict.fromkeys(args.get("remove") or ())]
    return _modify(ctx, message, names, add=add, remove=remove)


def archive(ctx: Context, args: Args) -> dict[str, Any]:
    return _modify(ctx, read.message_of(ctx, args["message_id"]), read.label_names(ctx), remove=["INBOX"])


def mark_read(ctx: Context, args: Args) -> dict[str, Any]:
    side = "remove" if args.get("read", True) else "add"
    message, names = read.message_of(ctx, args["message_id"]), read.label_names(ctx)
    return _modify(ctx, message, names, **{side: ["UNREAD"]})


def delete(ctx: Context, args: Args) -> dict[str, Any]:
    """To the trash, where Gmail keeps it 30 days."""
    message, names = read.message_of(ctx, args["message_id"]), read.label_names(ctx)
    changed = ctx.request("gmail.users.messages.trash", **ME, id=message["id"])
    return v.header(message, names, label_ids=changed.get("labelIds", ["TRASH"]))


def _modify(
    ctx: Context,
    message: Mapping[str, Any],
    names: Mapping[str, str],
    *,
    add: Sequence[str | None] = (),
    remove: Sequence[str | None] = (),
) -> dict[str, Any]:
    """Also where nothing would change: Gmail takes that. "ARCHIVE" among `add` takes it out of the inbox."""
    given = {one for one in add if one not in (None, "ARCHIVE")}
    taken = {one for one in remove if one is not None} | ({"INBOX"} if "ARCHIVE" in add else set())
    taken |= {"TRASH", "SPAM"} if "INBOX" in add else set()
    if _FIXED & given:
        raise InvalidCall("sent and draft cannot be given by hand", fix="They follow from sending or drafting.")
    body = {
        name: sorted(ids) for name, ids in (("addLabelIds", given), ("removeLabelIds", taken - _FIXED - given)) if ids
    }
    after: Sequence[str] = list(message.get("labelIds", ()))
    if body:
        changed = ctx.request("gmail.users.messages.modify", body=body, **ME, id=message["id"])
        after = changed.get("labelIds", after)
    return v.header(dict(message), names, label_ids=after)


def _known(name: str, names: Mapping[str, str]) -> str | None:
    """The id of a label that exists, in any case of its letters."""
    wanted = name.strip().lower()
    if wanted == "archive":
        return None
    own = next((one for one, shown in names.items() if shown.lower() == wanted), None)
    return _IDS.get(wanted) or own


def _label_id(ctx: Context, name: str, names: dict[str, str]) -> str:
    """The id of a label, which is made where there is none."""
    if name.strip().lower() == "archive":
        return "ARCHIVE"
    if (known := _known(name, names)) is not None:
        return known
    try:
        made = ctx.request("gmail.users.labels.create", body={"name": name.strip()}, **ME)
    except Conflict:  # somebody else has just made it
        made = {}
    names.update({made["id"]: made["name"]} if "id" in made and "name" in made else read.label_names(ctx))
    if (known := _known(name, names)) is None:
        raise InvalidCall("Gmail does not take this label", fix="Choose another name.")
    return known


# ---- automatic reply -------------------------------------------------------------------------------------------------


def set_auto_reply(ctx: Context, args: Args) -> dict[str, Any]:
    start, end = v.parse_time(args, "start"), v.parse_time(args, "end")
    assert start is not None  # both are required by the schema
    assert end is not None
    if end <= start:
        raise InvalidCall("the end is not after the start", fix="Give a later end.")
    body = {
        "enableAutoReply": True,
        "startTime": _milliseconds(start),
        "endTime": _milliseconds(end),
        "responseSubject": args["subject"],
        "responseBodyPlainText": args["body"],
        # Gmail's own words for colleagues only; it takes it for Workspace accounts alone.
        "restrictToDomain": args["audience"] == "inside",
        "restrictToContacts": False,
    }
    told = ctx.request("gmail.users.settings.updateVacation", body=body, **ME)
    return read.shown_auto_reply(body | told, ctx.clock())


def clear_auto_reply(ctx: Context, args: Args) -> dict[str, Any]:
    told = ctx.request("gmail.users.settings.updateVacation", body={"enableAutoReply": False}, **ME)
    return read.shown_auto_reply({"enableAutoReply": False} | told, ctx.clock())


def _milliseconds(moment: datetime) -> str:
    return str(int(moment.timestamp()) * 1000)


# ---- what became of it -----------------------------------------------------------------------------------------------


def labelled(ctx: Context, args: Args) -> Reconciled:
    one = _header(ctx, args)
    shown = {name.lower() for name in one["labels"]}
    add = {name.strip().lower() for name in args.get("add") or ()}
    remove = {name.strip().lower() for name in args.get("remove") or ()} - add
    return Done(one) if add <= shown and not remove & shown else Absent()


def archived(ctx: Context, args: Args) -> Reconciled:
    one = _header(ctx, args)
    return Absent() if "inbox" in one["labels"] else Done(one)


def marked(ctx: Context, args: Args) -> Reconciled:
    one = _header(ctx, args)
    return Done(one) if one["unread"] is not args.get("read", True) else Absent()


def deleted(ctx: Context, args: Args) -> Reconciled:
    one = _header(ctx, args)
    return Done(one) if "trash" in one["labels"] else Absent()


def replies(ctx: Context, args: Args) -> Reconciled:
    now = read.get_auto_reply(ctx, {})
    start, end = v.parse_time(args, "start"), v.parse_time(args, "end")
    wanted = {name: args[name] for name in ("subject", "body", "audience")} | {
        name: None if moment is None else moment.isoformat(timespec="seconds")
        for name, moment in (("start", start), ("end", end))
    }
    return Done(now) if {name: now[name] for name in wanted} == wanted else Absent()


def replies_no_more(ctx: Context, args: Args) -> Reconciled:
    now = read.get_auto_reply(ctx, {})
    return Absent() if now["enabled"] else Done(now)


def _header(ctx: Context, args: Args) -> dict[str, Any]:
    return v.header(read.message_of(ctx, args["message_id"]), read.label_names(ctx))
