"""Searching Gmail.

Gmail's own search finds words; what it says of people, times, labels and attachments is held against each message here, because
its operators are wider than their names. Work is bounded: a page may have fewer messages than asked for, and a `next`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.errors import InvalidCall, NotFound
from connectors.google import gmail_values as v
from connectors.google.context import Context
from connectors.google.gmail_read import A_HANDFUL, A_PAGE, ME, fetch, label_names, newest_in_thread, term
from connectors.google.gmail_values import Args, Resource

MOST_SEEN = 400  # messages looked at for one page of a search
MOST_LISTED = 10_000  # messages listed for "oldest first"


def search(ctx: Context, args: Args) -> dict[str, Any]:
    asked = _Asked.of(ctx, args)
    if asked.is_empty:
        v.read_cursor(args.get("cursor"), str, int)
        return {"messages": [], "next": None}
    if args.get("thread_id") is not None or args.get("order") == "oldest":
        return _from_a_list(ctx, args, asked)
    token, skip = v.read_cursor(args.get("cursor"), str, int) or ["", 0]
    limit, seen = v.limit_of(args), 0
    found: list[dict[str, Any]] = []
    while True:
        page = asked.list(ctx, token)
        ids = [one["id"] for one in page.get("messages", ())]
        following = page.get("nextPageToken") or ""
        while skip < len(ids):
            some = ids[skip : skip + A_HANDFUL]
            for message_id, message in zip(some, fetch(ctx, some), strict=True):
                skip += 1
                seen += 1
                if message is not None and asked.fits(ctx, message):
                    found.append(v.header(message, asked.names))
                is_last = message_id == ids[-1] and not following
                if not is_last and (len(found) == limit or seen >= MOST_SEEN):
                    return {"messages": found, "next": v.write_cursor([token, skip])}
        if not following:
            return {"messages": found, "next": None}
        token, skip = following, 0


def _from_a_list(ctx: Context, args: Args, asked: _Asked) -> dict[str, Any]:
    """Where the whole list of ids is needed first: of one thread, or turned round. The cursor counts from its beginning."""
    [start] = v.read_cursor(args.get("cursor"), int) or [0]
    ids = _all_ids(ctx, args, asked)
    limit = v.limit_of(args)
    found: list[dict[str, Any]] = []
    place = start
    while place < len(ids):
        some = ids[place : place + A_HANDFUL]
        for message in fetch(ctx, some):
            place += 1
            if message is not None and asked.fits(ctx, message):
                found.append(v.header(message, asked.names))
            if place < len(ids) and (len(found) == limit or place - start >= MOST_SEEN):
                return {"messages": found, "next": v.write_cursor([place])}
    return {"messages": found, "next": None}


def _all_ids(ctx: Context, args: Args, asked: _Asked) -> list[str]:
    """In the order asked for. InvalidCall where they are too many to be turned round."""
    newest_first = args.get("order", "newest") == "newest"
    if args.get("thread_id") is None or asked.q or asked.label_ids:
        params = asked.params | {"maxResults": 500}
        listed: list[tuple[str, str]] = []
        for page in ctx.pages("gmail.users.messages.list", most=MOST_LISTED // 500, **params):
            listed += [(one["id"], one["threadId"]) for one in page.get("messages", ())]
            is_whole = not page.get("nextPageToken")
        if not is_whole:
            raise InvalidCall(
                "too many messages fit to be listed oldest first", fix="Give since and until, or more conditions."
            )
        ids = [message_id for message_id, thread_id in listed if asked.thread_id in (None, thread_id)]
        return ids if newest_first else ids[::-1]
    try:
        thread = ctx.request(
            "gmail.users.threads.get", **ME, id=asked.thread_id, format="minimal", fields="messages(id,labelIds)"
        )
    except (NotFound, InvalidCall):  # Gmail says 400 of what cannot be an id
        return []
    ids = [one["id"] for one in thread.get("messages", ())]
    return ids[::-1] if newest_first else ids


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A search: what Gmail is asked (`q`, `label_ids`), and what is looked at afterwards."""

    args: Args
    q: str
    label_ids: Sequence[str]
    names: Mapping[str, str]
    since: datetime | None
    until: datetime | None
    thread_id: str | None
    is_empty: bool
    newest: dict[str, str | None]  # by thread, as they are looked up

    @classmethod
    def of(cls, ctx: Context, args: Args) -> _Asked:
        names = label_names(ctx)
        since, until = v.parse_time(args, "since"), v.parse_time(args, "until")
        label_ids, terms = _labels_asked(args, names)
        terms += [term(word) for word in (args.get("query") or "").split()]
        terms += [f"subject:{term(word)}" for word in (args.get("subject") or "").split()]
        terms += [f"{name}:{term(args[name])}" for name in ("from", "to") if args.get(name) is not None]
        if args.get("participant") is not None:
            terms.append(term(args["participant"]))
        if since is not None:
            terms.append(f"after:{int(since.timestamp()) - 1}")
        if until is not None:
            terms.append(f"before:{int(until.timestamp()) + 1}")
        if args.get("has_attachment"):
            terms.append("has:attachment")
        if args.get("unanswered"):
            terms.append(f"to:{term(ctx.me)}")
        if args.get("awaiting_reply"):
            label_ids.append("SENT")
        thread_id, is_empty = None, None in label_ids
        if args.get("thread_id") is not None:
            try:
                thread_id = v.google_id(args["thread_id"], "thr_")
            except NotFound:
                is_empty = True
        return cls(
            args=args,
            q=" ".join(terms),
            label_ids=[one for one in dict.fromkeys(label_ids) if one is not None],
            names=names,
            since=since,
            until=until,
            thread_id=thread_id,
            is_empty=is_empty,
            newest={},
        )

    @property
    def params(self) -> dict[str, Any]:
        params: dict[str, Any] = {**ME, "includeSpamTrash": self.args.get("label") in ("trash", "spam")}
        if self.q:
            params["q"] = self.q
        if self.label_ids:
            params["labelIds"] = list(self.label_ids)
        return params

    def list(self, ctx: Context, token: str) -> dict[str, Any]:
        more: dict[str, Any] = {"pageToken": token} if token else {}
        return ctx.request("gmail.users.messages.list", **self.params, maxResults=A_PAGE, **more)

    def fits(self, ctx: Context, message: Resource) -> bool:
        one = v.header(message, self.names)
        sent_at = datetime.fromisoformat(one["sent_at"])
        args = self.args
        label = args.get("label")
        checks = [
            self.since is None or sent_at >= self.since,
            self.until is None or sent_at < self.until,
            self.thread_id is None or one["thread_id"] == f"thr_{self.thread_id}",
            label in ("trash", "spam") or not {"TRASH", "SPAM"} & set(message.get("labelIds", ())),
            label is None or label.lower() in [name.lower() for name in one["labels"]],
            args.get("from") is None or one["from"] == args["from"].strip().lower(),
            args.get("to") is None or args["to"].strip().lower() in one["to"],
            args.get("participant") is None
            or args["participant"].strip().lower() in [one["from"], *one["to"], *one["cc"]],
            args.get("unread") is None or one["unread"] == args["unread"],
            args.get("has_attachment") is None or one["has_attachment"] == args["has_attachment"],
        ]
        if not all(checks):
            return False
        for name, holds in (("unanswered", self._is_unanswered), ("awaiting_reply", self._is_awaiting)):
            if args.get(name) is not None and holds(ctx, message, one) != args[name]:
                return False
        return True

    def _is_unanswered(self, ctx: Context, message: Resource, one: Mapping[str, Any]) -> bool:
        labels = message.get("labelIds", ())
        return (
            one["from"] != ctx.me
            and ctx.me in one["to"]
            and "DRAFT" not in labels
            and not v.is_automated(message)
            and self._newest_in(ctx, message["threadId"]) == message["id"]
        )

    def _is_awaiting(self, ctx: Context, message: Resource, one: Mapping[str, Any]) -> bool:
        others = [address for address in one["to"] if address != ctx.me]
        return (
            one["from"] == ctx.me
            and "SENT" in message.get("labelIds", ())
            and bool(others)
            and not v.is_automated(message)
            and self._newest_in(ctx, message["threadId"]) == message["id"]
        )

    def _newest_in(self, ctx: Context, thread_id: str) -> str | None:
        if thread_id not in self.newest:
            self.newest[thread_id] = newest_in_thread(ctx, thread_id)
        return self.newest[thread_id]


def _labels_asked(args: Args, names: Mapping[str, str]) -> tuple[list[str | None], list[str]]:
    """Label ids (None for a label nobody made) and search terms."""
    ids: list[str | None] = []
    terms: list[str] = []
    label = args.get("label")
    if label == "archive":
        terms += ["-in:inbox", "-in:sent", "-in:drafts"]
    elif label is not None:
        known = {name: one for one, name in v.SYSTEM_LABELS.items()} | {
            name.lower(): one for one, name in names.items()
        }
        ids.append(known.get(label.lower()))
    if args.get("unread") is not None:
        ids += ["UNREAD"] if args["unread"] else []
        terms += [] if args["unread"] else ["is:read"]
    return ids, terms
