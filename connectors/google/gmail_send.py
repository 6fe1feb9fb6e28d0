"""Sending by Gmail, draft first: `drafts.create`, then `drafts.send` of that very draft, which Gmail refuses a second time (404).

Gmail has no idempotency key, and may replace a Message-ID, so the effect's key travels in a header of ours and in the Message-ID;
either of them on a draft or on a sent mail says whose it is, and a mail without both says nothing.

KEYED, and why that is honest. What is sent a second time is only ever the draft that was found, and Gmail takes a draft once:
- `drafts.create` is lost: nothing was sent, because only the answer names the draft. Unreachable, not OutcomeUnknown. A draft may
  have been left; the next attempt looks for it and sends that one.
- `drafts.send` is lost: OutcomeUnknown. `reconcile` finds the draft still there (Absent: sending this draft again is either the
  first time or refused), or the mail in SENT (Done), or neither (Unknown: a person has to look. It is never Absent, because a
  list of Gmail's might lag behind, and then the next attempt would write a second draft).
- the process ends between the two, or between `drafts.send` and the journal: as a lost send.
- somebody changes the draft by hand: what is sent is the approved text, given again with `drafts.send`.
`mail.create_draft` tells nobody anything: UNKEYED, found by the same header.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from connectors.errors import (
    ConnectorError,
    Forbidden,
    InvalidCall,
    NotFound,
    OutcomeUnknown,
    Unreachable,
)
from connectors.google import gmail_read as read
from connectors.google import gmail_values as v
from connectors.google.context import Context
from connectors.google.gmail_read import ME
from connectors.google.gmail_values import Args, Resource
from connectors.spec import Absent, Done, Reconciled, Unknown

MOST_BYTES = 25 * 1024 * 1024  # of a whole message (Gmail Help, "Size limits")
LOOK_BACK = timedelta(days=3)  # drafts and mails older than this are not looked at for an earlier attempt
SKEW = timedelta(minutes=10)  # between this clock and Google's
MOST_SENT = 12  # sent mails looked at before a mail is sent
MOST_LOOKED_AT = 600  # drafts, or sent mails, looked at for one attempt

# Message-IDs longer than a usual line would be written as encoded words, and then name nothing.
_POLICY = SMTP.clone(max_line_length=998)
_PLAIN_MIME = re.compile(r"(application|audio|font|image|model|text|video)/[\w.+-]+")  # others would be taken apart

File = tuple[str, str, bytes]  # name, mime, content


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    to: Sequence[str]
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    subject: str
    body: str
    thread_id: str | None = None
    answers: str | None = None  # Message-ID of what it answers
    references: str = ""
    files: Sequence[File] = field(default_factory=tuple)


# ---- the tools -----------------------------------------------------------------------------------------------------


def send(ctx: Context, args: Args) -> dict[str, Any]:
    letter = Letter(
        to=v.addresses(args["to"]),
        cc=v.addresses(args.get("cc")),
        bcc=v.addresses(args.get("bcc")),
        subject=args["subject"],
        body=args["body"],
        files=[_file(ctx, one) for one in args.get("attachments") or ()],
    )
    return _ids(_send(ctx, letter))


def reply(ctx: Context, args: Args) -> dict[str, Any]:
    letter = _answer(ctx, args)
    return _ids(_send(ctx, letter)) | {"to": list(letter.to), "cc": list(letter.cc)}


def forward(ctx: Context, args: Args) -> dict[str, Any]:
    original = read.message_of(ctx, args["message_id"], is_whole=True)
    told = v.header(original, {})
    above = f"{args['body']}\n\n" if args.get("body") else ""
    quoted = (
        f"---------- Forwarded message ----------\nFrom: {told['from_name']} <{told['from']}>\n"
        f"Date: {told['sent_at']}\nSubject: {told['subject']}\n\n{read.body_of(ctx, original)}"
    )
    files = []
    for part in v.attached(original):
        what, content = read.attachment(ctx, original, v.describe(part)["attachment_id"])
        files.append((what["name"], what["mime"], content))
    letter = Letter(
        to=v.addresses(args["to"]),
        cc=v.addresses(args.get("cc")),
        subject=_prefixed("Fwd: ", told["subject"]),
        body=above + quoted,
        files=files,
    )
    return _ids(_send(ctx, letter))


def create_draft(ctx: Context, args: Args) -> dict[str, Any]:
    thread: dict[str, Any] = {}
    if args.get("reply_to") is not None:
        thread = _place_of(read.message_of(ctx, args["reply_to"]))
    letter = Letter(
        to=v.addresses(args["to"]), cc=v.addresses(args.get("cc")), subject=args["subject"], body=args["body"], **thread
    )
    draft = ctx.request("gmail.users.drafts.create", body={"message": _message(ctx, letter)}, **ME)
    if "message" not in draft:
        raise OutcomeUnknown("Gmail's answer about the draft cannot be read", fix="Look into the drafts.")
    return {"draft_id": f"msg_{draft['message']['id']}"}


def _file(ctx: Context, one: Mapping[str, str]) -> File:
    message = read.message_of(ctx, one["message_id"])
    told, content = read.attachment(ctx, message, one["attachment_id"])
    return told["name"], told["mime"], content


def _answer(ctx: Context, args: Args) -> Letter:
    original = read.message_of(ctx, args["message_id"])
    if "DRAFT" in original.get("labelIds", ()):
        raise InvalidCall("a draft cannot be answered", fix="Name the message it answers.")
    told = v.header(original, {})
    is_mine = told["from"] == ctx.me
    to = told["to"] if is_mine else [told["from"]]
    others = told["cc"] if is_mine else [*told["to"], *told["cc"]]
    cc = [one for one in dict.fromkeys(others) if one != ctx.me and one not in to] if args.get("reply_all") else []
    if not to or v.NOBODY in to:
        raise InvalidCall("the message names nobody to answer", fix="Send a new mail instead.")
    return Letter(
        to=v.addresses(to),
        cc=v.addresses(cc),
        subject=_prefixed("Re: ", told["subject"]),
        body=args["body"],
        **_place_of(original),
    )


def _place_of(original: Resource) -> dict[str, Any]:
    """Thread and headers of an answer (RFC 5322, section 3.6.4)."""
    told = v.headers_of(original)
    answers = re.sub(r"\s+", "", told.get("message-id", ""))
    known = re.findall(r"<[^<>\s]+>", told.get("references", "") or told.get("in-reply-to", ""))
    references = list(dict.fromkeys([*known[-20:], *([answers] if answers else [])]))
    return {"thread_id": original["threadId"], "answers": answers or None, "references": " ".join(references)}


def _prefixed(prefix: str, subject: str) -> str:
    return subject if subject.lower().startswith(prefix.lower().strip()) else prefix + subject


def _ids(message: Resource) -> dict[str, Any]:
    return {"message_id": f"msg_{message['id']}", "thread_id": f"thr_{message['threadId']}"}


# ---- the message -----------------------------------------------------------------------------------------------------


def _key(ctx: Context) -> str:
    if ctx.key is None or re.fullmatch(r"[a-z0-9]{1,64}", ctx.key) is None:
        raise InvalidCall("a mail needs a key of lower-case letters and digits", fix="Call it through the gate.")
    return ctx.key


def message_id(ctx: Context) -> str:
    return f"<deputy.{_key(ctx)}@{ctx.me.rpartition('@')[2]}>"


def _message(ctx: Context, letter: Letter) -> dict[str, Any]:
    """The body of a request: MIME in `raw`, and the thread. The same for the same key and letter, boundary and all."""
    try:
        written = _written(ctx, letter)
    except ValueError as error:  # lone surrogates, control characters
        raise InvalidCall("the mail cannot be written as MIME", fix="Check subject and text for odd signs.") from error
    if len(written) > MOST_BYTES:
        raise InvalidCall("the mail is too large for Gmail", fix="Leave out attachments, or send a link.")
    body = {"raw": base64.urlsafe_b64encode(written).decode()}
    return body if letter.thread_id is None else body | {"threadId": letter.thread_id}


def _written(ctx: Context, letter: Letter) -> bytes:
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = ctx.me
    for name, people in (("To", letter.to), ("Cc", letter.cc), ("Bcc", letter.bcc)):
        if people:
            mail[name] = ", ".join(people)
    mail["Subject"] = " ".join(letter.subject.split())
    mail["Message-ID"] = message_id(ctx)
    mail[v.KEY_HEADER] = _key(ctx)
    if letter.answers:
        mail["In-Reply-To"] = letter.answers
    if letter.references:
        mail["References"] = letter.references
    mail.set_content(letter.body)
    for name, mime, content in letter.files:
        main, sub = mime.split("/") if _PLAIN_MIME.fullmatch(mime) else ("application", "octet-stream")
        mail.add_attachment(content, maintype=main, subtype=sub, filename=" ".join(name.split()) or "attachment")
    if letter.files:
        mail.set_boundary(f"deputy-{_key(ctx)}")
    return mail.as_bytes()


# ---- draft first -----------------------------------------------------------------------------------------------------


def _send(ctx: Context, letter: Letter) -> Resource:
    """The sent message, this attempt's or an earlier one's."""
    message = _message(ctx, letter)
    since = ctx.clock() - LOOK_BACK
    # REPLAY: an earlier attempt may have left its draft, or may have sent it after all.
    draft_id = _find_draft(ctx, since).draft_id
    if (gone := _find_sent(ctx, since, most=MOST_SENT).message) is not None:
        return gone
    body: dict[str, Any] = {} if draft_id is None else {"message": message}
    draft_id = draft_id or _create(ctx, message)
    try:
        answer = ctx.request("gmail.users.drafts.send", body={"id": draft_id, **body}, **ME)
    except (InvalidCall, Forbidden):
        with contextlib.suppress(ConnectorError):  # refused for good: a draft nobody asked for is of no use
            ctx.request("gmail.users.drafts.delete", **ME, id=draft_id)
        raise
    except NotFound:
        raise OutcomeUnknown("the draft is gone: sent already, or deleted", fix="Look into the sent mail.") from None
    if "id" not in answer or "threadId" not in answer:
        raise OutcomeUnknown("Gmail's answer about the mail cannot be read", fix="Look into the sent mail.")
    return answer


def _create(ctx: Context, message: Mapping[str, Any]) -> str:
    try:
        return str(ctx.request("gmail.users.drafts.create", body={"message": dict(message)}, **ME)["id"])
    except (OutcomeUnknown, KeyError):
        # INVARIANT: only an answered draft is ever sent, so nothing has left the house.
        raise Unreachable("nothing was sent; an unsent draft may have been left", fix="Try again.") from None


# ---- what became of it -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`is_whole`: everything since the time asked for was looked at."""

    message: Resource | None = None
    draft_id: str | None = None
    is_whole: bool = True


def sent(ctx: Context, args: Args) -> Reconciled:
    """What became of a send, a reply or a forward."""
    since = _since(ctx)
    draft = _find_draft(ctx, since)
    found = _find_sent(ctx, since, most=MOST_LOOKED_AT)
    if found.message is not None:  # before the draft: a create that was lost may have left a second one
        told = v.header(found.message, {})
        return Done(_ids(found.message) | {"to": told["to"], "cc": told["cc"]})
    if draft.draft_id is not None and found.is_whole:
        return Absent()
    return Unknown("neither a draft nor a sent mail of this attempt is to be seen in Gmail")


def sent_ids(ctx: Context, args: Args) -> Reconciled:
    found = sent(ctx, args)
    if isinstance(found, Done) and isinstance(found.result, dict):
        return Done({name: found.result[name] for name in ("message_id", "thread_id")})
    return found


def drafted(ctx: Context, args: Args) -> Reconciled:
    found = _find_draft(ctx, _since(ctx))
    if found.message is not None:
        return Done({"draft_id": f"msg_{found.message['id']}"})
    if (gone := _find_sent(ctx, _since(ctx), most=MOST_LOOKED_AT)).message is not None:
        return Done({"draft_id": f"msg_{gone.message['id']}"})
    return Absent() if found.is_whole else Unknown("there are too many drafts to look through")


def _since(ctx: Context) -> datetime:
    return (ctx.attempted_at or ctx.clock() - LOOK_BACK) - SKEW


def _find_draft(ctx: Context, since: datetime) -> Found:
    """The draft of the context's key. Each is read by its id, so one that was sent meanwhile is not taken for one."""
    for page in ctx.pages("gmail.users.drafts.list", most=MOST_LOOKED_AT // read.A_PAGE, **ME, maxResults=read.A_PAGE):
        ids = [one["id"] for one in page.get("drafts", ())]
        for start in range(0, len(ids), read.A_HANDFUL):
            some = ids[start : start + read.A_HANDFUL]
            params = [{**ME, "id": one, "format": "metadata"} for one in some]
            drafts = ctx.read_all("gmail.users.drafts.get", params)
            for draft_id, draft in zip(some, drafts, strict=True):
                if draft is not None and _is_ours(ctx, draft.get("message", {})):
                    return Found(message=draft["message"], draft_id=draft_id)
            if _is_before([one.get("message") for one in drafts if one is not None], since):
                return Found()
    return Found(is_whole=len(ids) < read.A_PAGE)


def _find_sent(ctx: Context, since: datetime, *, most: int) -> Found:
    """The sent mail of the context's key, among the newest `most`. Not by a search: what was just sent may not be in its index."""
    seen = 0
    for page in ctx.pages(
        "gmail.users.messages.list", most=most, **ME, labelIds=["SENT"], maxResults=min(most, read.A_PAGE)
    ):
        ids = [one["id"] for one in page.get("messages", ())]
        for start in range(0, len(ids), read.A_HANDFUL):
            some = [{**ME, "id": one, "format": "metadata"} for one in ids[start : start + read.A_HANDFUL]]
            messages = [one for one in ctx.read_all("gmail.users.messages.get", some) if one is not None]
            seen += len(some)
            for message in messages:
                if _is_ours(ctx, message) and "DRAFT" not in message.get("labelIds", ()):
                    return Found(message=message)
            if _is_before(messages, since):
                return Found()
            if seen >= most:
                return Found(is_whole=False)
    return Found()


def _is_ours(ctx: Context, message: Resource) -> bool:
    told = v.headers_of(message)
    return told.get(v.KEY_HEADER.lower(), "").strip() == _key(ctx) or told.get("message-id", "").strip() == message_id(
        ctx
    )


def _is_before(messages: Iterable[Resource | None], since: datetime) -> bool:
    """Whether all of them are older; Gmail lists the newest first."""
    times = [int(one.get("internalDate", 0)) / 1000 for one in messages if one is not None]
    return bool(times) and max(times) < since.timestamp()
