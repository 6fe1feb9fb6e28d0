"""Following a mailbox by Gmail's history, and what a person who approves an answer takes for granted.

`watch` would need a public Pub/Sub topic, so history is asked for now and then. A history id lives about a week, sometimes hours
(Gmail API, "Synchronize clients"); an expired one is answered by what came in since about then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.errors import InvalidCall, NotFound
from connectors.google import gmail_read as read
from connectors.google import gmail_values as v
from connectors.google.context import Context
from connectors.google.gmail_read import ME
from connectors.google.gmail_values import Args
from connectors.spec import Change, Changes, Precondition

POLL_S = 20.0
PAGE = 100
MOST_RESYNC_PAGES = 20

NEWEST = "newest"
LATEST = "latest"


# ---- following -----------------------------------------------------------------------------------------------------


def changes(ctx: Context, cursor: str | None) -> Changes:
    """Messages that came or went out; drafts are nobody's news. The cursor holds history id, its time, and a page within it."""
    if cursor is None:
        return Changes(changes=(), cursor=_now_cursor(ctx))
    position = v.read_cursor(cursor, str, int, str)
    assert position is not None  # a cursor was given
    history_id, at, token = position
    more: dict[str, Any] = {"pageToken": token} if token else {}
    try:
        page = ctx.request(
            "gmail.users.history.list",
            **ME,
            startHistoryId=_digits(history_id),
            historyTypes=["messageAdded"],
            maxResults=PAGE,
            **more,
        )
    except NotFound:
        return _again(ctx, datetime.fromtimestamp(at, UTC))
    ids = [
        added["message"]["id"]
        for entry in page.get("history", ())
        for added in entry.get("messagesAdded", ())
        if "DRAFT" not in added["message"].get("labelIds", ())
    ]
    following = page.get("nextPageToken") or ""
    now = int(ctx.clock().timestamp())
    onward: list[int | str] = (
        [history_id, at, following] if following else [str(page.get("historyId", history_id)), now, ""]
    )
    return Changes(changes=_news(ctx, ids), cursor=v.write_cursor(onward), more=bool(following))


def _digits(history_id: str) -> str:
    if not history_id.isdecimal():
        raise InvalidCall("the cursor is not one of this list", fix="Begin again without one.")
    return history_id


def _now_cursor(ctx: Context) -> str:
    profile = ctx.request("gmail.users.getProfile", **ME)
    return v.write_cursor([str(profile["historyId"]), int(ctx.clock().timestamp()), ""])


def _again(ctx: Context, since: datetime) -> Changes:
    """What came since about then. The new cursor is taken first, so that nothing falls between."""
    cursor = _now_cursor(ctx)
    ids = [
        one["id"] for page in read.pages_since(ctx, since, most=MOST_RESYNC_PAGES) for one in page.get("messages", ())
    ]
    return Changes(changes=_news(ctx, ids[::-1]), cursor=cursor, is_resync=True)


def _news(ctx: Context, ids: Sequence[str]) -> list[Change]:
    unique = list(dict.fromkeys(ids))
    if not unique:
        return []
    names = read.label_names(ctx)
    found = [one for one in read.fetch(ctx, unique) if one is not None and "DRAFT" not in one.get("labelIds", ())]
    return [Change(change_id=f"msg_{one['id']}", kind="message", record=v.header(one, names)) for one in found]


def is_news(ctx: Context, cursor: str) -> bool:
    """Whether `changes` would have something, or another page, for the cursor."""
    position = v.read_cursor(cursor, str, int, str)
    assert position is not None  # a cursor was given
    if position[2]:
        return True
    try:
        page = ctx.request(
            "gmail.users.history.list",
            **ME,
            startHistoryId=_digits(position[0]),
            historyTypes=["messageAdded"],
            maxResults=1,
        )
    except NotFound:
        return True
    return bool(page.get("history"))


# ---- conditions ----------------------------------------------------------------------------------------------------


def preconditions(ctx: Context, tool: str, args: Args) -> list[Precondition]:
    if tool not in ("mail.reply", "mail.forward"):
        return []
    original = read.message_of(ctx, args["message_id"])
    told = v.header(original, {})
    candidates = [
        Precondition(
            kind=NEWEST,
            args={
                "thread_id": original["threadId"],
                "message_id": read.newest_in_thread(ctx, original["threadId"]) or "",
            },
            text=f"No newer message in “{told['subject']}”",
        )
    ]
    if tool == "mail.reply" and told["from"] != ctx.me:
        candidates.append(
            Precondition(
                kind=LATEST,
                args={"author": told["from"], "message_id": original["id"], "name": told["from_name"]},
                text=f"Nothing newer to you from {told['from_name']}",
            )
        )
    # Only what is true now: somebody who has written again already was seen to have by whoever approves.
    return [one for one in candidates if check(ctx, one) is None]


def check(ctx: Context, precondition: Precondition) -> str | None:
    """None while it holds, else what changed."""
    args: Mapping[str, Any] = precondition.args
    if precondition.kind == NEWEST:
        newest = read.newest_in_thread(ctx, args["thread_id"]) or ""
        return None if newest == args["message_id"] else "A newer message has arrived in the thread"
    if precondition.kind == LATEST:
        latest = read.latest_from(ctx, args["author"])
        return None if latest == args["message_id"] else f"{args['name']} has written again"
    return f"Gmail knows no condition {precondition.kind!r}"
