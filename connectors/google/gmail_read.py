"""Reading Gmail: messages, threads, attachments, the automatic reply. Searches are in `gmail_search`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.errors import InvalidCall, NotFound
from connectors.google import gmail_values as v
from connectors.google.context import Context
from connectors.google.gmail_values import Args, Resource

FIELDS = (  # all of a message but its texts and files
    "id,threadId,labelIds,snippet,internalDate,historyId,payload(partId,mimeType,filename,headers,body(attachmentId,size),"
    "parts(partId,mimeType,filename,headers,body(attachmentId,size),parts(partId,mimeType,filename,headers,"
    "body(attachmentId,size),parts(partId,mimeType,filename,headers,body(attachmentId,size)))))"
)
A_PAGE = 100  # ids asked for at once
A_HANDFUL = 12  # messages fetched at once
ME: dict[str, Any] = {"userId": "me"}


def term(word: str) -> str:
    """One word of a search that Gmail takes for no operator."""
    plain = word.strip().lower().replace('"', "")
    if re.fullmatch(r"[^\W_][\w.@+-]*", plain) and plain not in ("or", "and", "around"):
        return plain
    return f'"{plain}"'


# ---- one message, one thread -----------------------------------------------------------------------------------------


def fetch(ctx: Context, ids: Sequence[str]) -> list[Resource | None]:
    """Messages without their texts, in order; None for one that is gone."""
    return ctx.read_all(
        "gmail.users.messages.get", [{**ME, "id": one, "format": "full", "fields": FIELDS} for one in ids]
    )


def message_of(ctx: Context, message_id: str, *, is_whole: bool = False) -> Resource:
    """One message of the account, with its texts where `is_whole`. NotFound where it has none."""
    own = v.google_id(message_id, "msg_")
    more: dict[str, Any] = {} if is_whole else {"fields": FIELDS}
    try:
        return ctx.request("gmail.users.messages.get", **ME, id=own, format="full", **more)
    except (NotFound, InvalidCall):  # Gmail says 400 of what cannot be an id
        raise NotFound(f"the mailbox has no message {message_id!r}", fix="Find it with mail.search.") from None


def get_message(ctx: Context, args: Args) -> dict[str, Any]:
    message = message_of(ctx, args["message_id"], is_whole=True)
    answered = v.headers_of(message).get("in-reply-to", "").strip()
    siblings = _thread(ctx, message["threadId"]) if answered else []
    return full(ctx, message, label_names(ctx), siblings)


def get_thread(ctx: Context, args: Args) -> dict[str, Any]:
    own = v.google_id(args["thread_id"], "thr_")
    try:
        thread = ctx.request("gmail.users.threads.get", **ME, id=own, format="full")
    except (NotFound, InvalidCall):
        raise NotFound(f"the mailbox has no thread {args['thread_id']!r}", fix="Find it with mail.search.") from None
    messages = _in_order([one for one in thread.get("messages", ()) if "TRASH" not in one.get("labelIds", ())])
    if not messages:
        raise NotFound(f"the mailbox has no thread {args['thread_id']!r}", fix="Find it with mail.search.")
    names = label_names(ctx)
    return {
        "thread_id": args["thread_id"],
        "subject": v.subject_of(messages[0]),
        "messages": [full(ctx, one, names, messages) for one in messages],
    }


def full(ctx: Context, message: Resource, names: Mapping[str, str], siblings: Sequence[Resource]) -> dict[str, Any]:
    answered = v.headers_of(message).get("in-reply-to", "").strip()
    parent = next(
        (one["id"] for one in siblings if answered and v.headers_of(one).get("message-id", "").strip() == answered),
        None,
    )
    return v.header(message, names) | {
        "body": body_of(ctx, message),
        "attachments": [v.describe(part) for part in v.attached(message)],
        "in_reply_to": None if parent is None else f"msg_{parent}",
    }


def body_of(ctx: Context, message: Resource) -> str:
    """The plain text; where there is none, the words of the HTML."""
    texts = [part for part in v.parts(message.get("payload", {})) if not part.get("filename")]
    for mime in ("text/plain", "text/html"):
        for part in texts:
            if part.get("mimeType") == mime:
                text = v.decode_text(_content(ctx, message, part), part)
                return text if mime == "text/plain" else v.text_of_html(text)
    return ""


def _content(ctx: Context, message: Resource, part: Resource) -> bytes:
    body = part.get("body", {})
    if "data" in body or "attachmentId" not in body:
        return v.decode_data(body.get("data", ""))
    answer = ctx.request("gmail.users.messages.attachments.get", **ME, messageId=message["id"], id=body["attachmentId"])
    return v.decode_data(answer.get("data", ""))


def get_attachment(ctx: Context, args: Args) -> dict[str, Any]:
    message = message_of(ctx, args["message_id"])
    told, content = attachment(ctx, message, args["attachment_id"])
    text = None
    if told["mime"] == "text/html":
        text = v.text_of_html(v.decode_text(content, {}))
    elif told["mime"].startswith("text/") or told["mime"] in ("application/json", "application/xml"):
        text = v.decode_text(content, {})
    return {"name": told["name"], "mime": told["mime"], "size_bytes": len(content), "text": text}


def attachment(ctx: Context, message: Resource, attachment_id: str) -> tuple[dict[str, Any], bytes]:
    """What an attachment is, and its bytes. NotFound where the message has none under this id."""
    for part in v.attached(message):
        told = v.describe(part)
        if told["attachment_id"] == attachment_id:
            return told, _content(ctx, message, part)
    raise NotFound("the message has no such attachment", fix="Read the message for its list.")


def newest_in_thread(ctx: Context, thread_id: str) -> str | None:
    """Gmail's id of the newest message somebody wrote in a thread; drafts, trash and what a machine wrote aside."""
    spoken = [
        one
        for one in _in_order(_thread(ctx, thread_id))
        if not {"DRAFT", "TRASH", "SPAM"} & set(one.get("labelIds", ())) and not v.is_automated(one)
    ]
    return spoken[-1]["id"] if spoken else None


def latest_from(ctx: Context, author: str) -> str | None:
    """Gmail's id of the newest message that somebody wrote to the account, in whatever thread; automatic mail aside."""
    page = ctx.request("gmail.users.messages.list", **ME, q=f"from:{term(author)}", maxResults=A_HANDFUL)
    for one in fetch(ctx, [listed["id"] for listed in page.get("messages", ())]):
        if one is None or "DRAFT" in one.get("labelIds", ()) or v.is_automated(one):
            continue
        if author in v.only_addresses(v.headers_of(one).get("from", "")):
            return str(one["id"])
    return None


def _thread(ctx: Context, thread_id: str) -> list[Resource]:
    try:
        thread = ctx.request("gmail.users.threads.get", **ME, id=thread_id, format="metadata")
    except NotFound:
        return []
    return list(thread.get("messages", ()))


def _in_order(messages: Sequence[Resource]) -> list[Resource]:
    return sorted(messages, key=lambda one: int(one.get("internalDate", 0)))  # stable: Gmail gives them oldest first


def label_names(ctx: Context) -> dict[str, str]:
    """Names of the account's own labels by id."""
    listed = ctx.request("gmail.users.labels.list", **ME).get("labels", ())
    return {one["id"]: one["name"] for one in listed if one.get("type") == "user"}


# ---- automatic reply -----------------------------------------------------------------------------------------------


def get_auto_reply(ctx: Context, args: Args) -> dict[str, Any]:
    return shown_auto_reply(ctx.request("gmail.users.settings.getVacation", **ME), ctx.clock())


def shown_auto_reply(told: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Gmail's vacation settings. One that has ended is none, although Gmail keeps it switched on."""
    end = told.get("endTime")
    if not told.get("enableAutoReply") or (end and datetime.fromtimestamp(int(end) / 1000, UTC) <= now):
        return {"enabled": False, "start": None, "end": None, "subject": None, "body": None, "audience": None}
    body = told.get("responseBodyPlainText")
    if not body and told.get("responseBodyHtml"):
        body = v.text_of_html(told["responseBodyHtml"])
    is_narrow = told.get("restrictToDomain") or told.get("restrictToContacts")
    return {
        "enabled": True,
        "start": v.iso(told["startTime"]) if told.get("startTime") else None,
        "end": v.iso(end) if end else None,
        "subject": told.get("responseSubject") or "",
        "body": body or "",
        "audience": "inside" if is_narrow else "everyone",
    }


def pages_since(ctx: Context, moment: datetime, *, most: int) -> Iterator[dict[str, Any]]:
    """Lists of what came about since then, newest first, at most `most` pages of them."""
    after = int((moment - timedelta(hours=1)).timestamp())
    return ctx.pages("gmail.users.messages.list", most=most, **ME, q=f"after:{after}", maxResults=A_PAGE)
