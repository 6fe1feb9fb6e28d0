"""Changing mail: sending, answering, drafts, labels.

A mail is sent in this order, so that after any crash the mailbox tells how far it came:
1. the submission server accepts sender and recipients (nothing has happened yet);
2. the own copy is filed in Drafts, under the Message-ID that the key gives;
3. DATA, once;
4. the copy moves to Sent. Refused mail loses its copy again.
So no copy means that DATA never began; a copy that is no draft any more, that it was taken; a draft, that nobody knows. Where
step 4 fails the mail is sent and found all the same, as a draft until the next effect of this process files it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.errors import ConnectorError, InvalidCall, OutcomeUnknown, Unreachable
from connectors.imap import labels, letters, mime, reads, threads
from connectors.imap.addresses import plain_list
from connectors.imap.letters import Letter
from connectors.imap.mailbox import Copy, Mailbox, Record
from connectors.imap.submission import Submission
from connectors.spec import Absent, Done, Reconciled, Unknown

Args = Mapping[str, Any]
SENDS = frozenset({"mail.send", "mail.reply", "mail.forward"})
ANSWER_S = 10.0  # how long one answer of the submission server is waited for
RESERVED = frozenset({"sent", "draft", "junk"})


@dataclass(kw_only=True)
class Attempt:
    """One effect under way. `until`: from then on (monotonic) nothing more is begun. `unfiled`: sent mails still in Drafts."""

    box: Mailbox
    credentials: Mapping[str, str]
    tool: str
    key: str
    until: float
    unfiled: set[str] = field(default_factory=set)
    answer_s: float = ANSWER_S

    @property
    def mid(self) -> str:
        return letters.mid_of(self.box.home, self.tool, self.key)

    @property
    def note(self) -> str:
        return letters.note_of(self.tool, self.key)

    def in_time(self) -> None:
        """INVARIANT: after the tool's wire timeout an attempt cannot arrive any more."""
        if time.monotonic() > self.until:
            raise Unreachable("the mail server was too slow, and nothing was sent", fix="Try again later.")


def send(it: Attempt, args: Args) -> dict[str, Any]:
    return _send(it, send_letter(it.box, args))


def send_letter(box: Mailbox, args: Args) -> Letter:
    wanted = args.get("attachments") or ()
    to = plain_list(args["to"])
    return Letter(
        to=to,
        cc=[one for one in plain_list(args.get("cc")) if one not in to],
        bcc=plain_list(args.get("bcc")),
        subject=args["subject"],
        body=args["body"],
        attached=[reads.attachment(box, one["message_id"], one["attachment_id"]) for one in wanted],
    )


def reply(it: Attempt, args: Args) -> dict[str, Any]:
    letter = reply_letter(it.box, args)
    return _send(it, letter) | {"to": list(letter.to), "cc": list(letter.cc)}


def reply_letter(box: Mailbox, args: Args) -> Letter:
    original = box.message(args["message_id"])
    if all(box.roles.get(copy.folder) == "draft" for copy in original.copies):
        raise InvalidCall("a draft cannot be answered", fix="Name the message it answers.")
    head, mine = original.head, box.home.addresses
    is_mine = head.author in mine
    # INVARIANT: answers go to the author that was shown and approved, never to a Reply-To that was not.
    to = list(head.to) if is_mine else [head.author]
    if not to or mime.NOBODY in to:
        raise InvalidCall("the message has nobody to answer", fix="Write a new mail with mail.send.")
    cc: list[str] = []
    if args.get("reply_all"):
        others = head.cc if is_mine else (*head.to, *head.cc)
        cc = [one for one in dict.fromkeys(others) if one not in mine and one not in to]
    return Letter(
        to=to,
        cc=cc,
        subject=_prefixed("Re: ", head.subject),
        body=args["body"],
        references=_chain(box, original),
        parent=head.mid,
    )


def _chain(box: Mailbox, original: Record) -> list[str]:
    """References of an answer (RFC 5322 3.6.4), from the thread's root on."""
    head = original.head
    above = list(head.references) or ([head.parent] if head.parent else [])
    root = threads.roots(box, [original])[head.message_id]
    chain = [*([] if root.startswith(".") else [root]), *above, *([head.mid] if head.mid else [])]
    return list(dict.fromkeys(chain))


def forward(it: Attempt, args: Args) -> dict[str, Any]:
    return _send(it, forward_letter(it.box, args))


def forward_letter(box: Mailbox, args: Args) -> Letter:
    original = box.message(args["message_id"])
    head = original.head
    message, _ = reads.content(box, original, whole=True)
    above = f"{args['body']}\n\n" if args.get("body") else ""
    told = (
        f"---------- Forwarded message ----------\nFrom: {head.author_name} <{head.author}>\n"
        f"Date: {original.first.sent_at.isoformat(timespec='seconds')}\nSubject: {head.subject}\n\n"
    )
    to = plain_list(args["to"])
    return Letter(
        to=to,
        cc=[one for one in plain_list(args.get("cc")) if one not in to],
        subject=_prefixed("Fwd: ", head.subject),
        body=above + told + mime.body_of(message),
        attached=mime.attachments(message),
    )


def _prefixed(prefix: str, subject: str) -> str:
    return subject if subject.lower().startswith(prefix.lower().strip()) else prefix + subject


def _send(it: Attempt, letter: Letter) -> dict[str, Any]:
    box = it.box
    sent, drafts = box.folder("sent"), box.folder("draft")
    before = box.lookup([it.mid])
    if taken := _taken(box, before):
        return _sent(box, box.merge(taken)[0])  # this very effect was already done: it is not sent again
    wire, kept = letters.write(box.home, letter, mid=it.mid, note=it.note, at=_now())
    with Submission(box.home, it.credentials, answer_s=it.answer_s) as line:
        line.prepare(letter.recipients)
        it.in_time()
        for copy in before:  # of an attempt whose outcome somebody has looked into since
            _remove(box, copy)
        _stage(it, drafts, kept)
        try:
            it.in_time()
            line.data(wire)
        except OutcomeUnknown:
            raise
        except ConnectorError:
            _unstage(it, drafts)
            raise
    head = mime.head_of(mime.parse(kept))
    it.unfiled.add(it.mid)
    file_sent(box, it.unfiled, drafts=drafts, sent=sent)
    root = head.references[0] if head.references else head.node
    return {"message_id": head.message_id, "thread_id": threads.thread_id(root)}


def _taken(box: Mailbox, copies: Sequence[Copy]) -> list[Copy]:
    """Those that the mail server must have accepted: in Sent, or received. A draft that somebody moved is still one."""
    flags = box.flags([Record(first=copy, copies=(copy,)) for copy in copies])
    draft = labels.DRAFT.lower()
    return [
        copy
        for copy in copies
        if box.roles.get(copy.folder) != "draft"
        and draft not in {flag.lower() for flag in flags.get((copy.folder, copy.uid), (draft,))}
    ]


def _stage(it: Attempt, drafts: str, kept: bytes) -> None:
    try:
        it.box.line.append(drafts, kept, [labels.SEEN, labels.DRAFT])
    except OutcomeUnknown as error:
        # A draft more or less is no mail sent: DATA has not begun, so nothing has happened that counts.
        raise Unreachable("the mailbox hung up before the mail was sent", fix="Try again later.") from error


def _unstage(it: Attempt, drafts: str) -> None:
    """As well as may be: a copy that stays is a draft of a mail that was not sent, and makes the outcome unknown."""
    try:
        for copy in it.box.lookup([it.mid], folders=[drafts]):
            _remove(it.box, copy)
    except ConnectorError:
        return


def _remove(box: Mailbox, copy: Copy) -> None:
    box.line.select(copy.folder, writable=True)
    box.line.remove([copy.uid])


def file_sent(box: Mailbox, unfiled: set[str], *, drafts: str, sent: str) -> None:
    """Moves what was sent from Drafts to Sent; what does not work now is left for the next time."""
    for mid in sorted(unfiled):
        try:
            for copy in box.lookup([mid], folders=[drafts]):
                box.line.select(drafts, writable=True)
                box.line.store([copy.uid], [labels.DRAFT], on=False)
                box.line.move([copy.uid], sent)
        except ConnectorError:
            return  # the mail is on its way: this is no failure of sending
        unfiled.discard(mid)


def _sent(box: Mailbox, record: Record) -> dict[str, Any]:
    root = threads.roots(box, [record])[record.head.message_id]
    return {"message_id": record.head.message_id, "thread_id": threads.thread_id(root)}


def create_draft(it: Attempt, args: Args) -> dict[str, Any]:
    box = it.box
    if before := box.lookup([it.mid]):
        return {"draft_id": box.merge(before)[0].head.message_id}
    original = None if args.get("reply_to") is None else box.message(args["reply_to"])
    to = plain_list(args["to"])
    letter = Letter(
        to=to,
        cc=[one for one in plain_list(args.get("cc")) if one not in to],
        subject=args["subject"],
        body=args["body"],
        references=() if original is None else _chain(box, original),
        parent=None if original is None else original.head.mid,
    )
    _, kept = letters.write(box.home, letter, mid=it.mid, note=it.note, at=_now())
    drafts = box.folder("draft")
    it.in_time()
    box.line.append(drafts, kept, [labels.SEEN, labels.DRAFT])
    return {"draft_id": mime.head_of(mime.parse(kept)).message_id}


def update_labels(it: Attempt, args: Args) -> dict[str, Any]:
    """Folders are labels too: adding one moves the message there, removing it archives the message."""
    box, add, remove = it.box, list(args.get("add") or ()), list(args.get("remove") or ())
    if not add and not remove:
        raise InvalidCall("no label is named", fix="Give add or remove.")
    if any(label in RESERVED for label in add):
        raise InvalidCall("sent, draft and junk cannot be given by hand", fix="They follow from sending or drafting.")
    record = box.message(args["message_id"])
    for label in remove:
        if (places := box.labelled(label)) is None:
            _flag(it, record, label, on=False)
        elif label in ("sent", "draft"):
            raise InvalidCall(f"the label {label!r} cannot be taken away by hand", fix="It follows from sending.")
        elif label not in add and not any(box.labelled(one) is not None for one in add):
            record = _move(it, record, places, box.folder("archive"))
    for label in add:
        if (places := box.labelled(label)) is None:
            _flag(it, record, label, on=True)
        else:
            target = places[0] if places else box.folder(label)
            record = _move(it, record, _movable(box, record), target)
    return _header(box, args["message_id"])


def _movable(box: Mailbox, record: Record) -> list[str]:
    """Where a message may be taken from: what was sent stays in Sent unless it is there alone."""
    places = list(dict.fromkeys(copy.folder for copy in record.copies))
    kept = [place for place in places if box.roles.get(place) not in ("sent", "draft")]
    return kept or places


def _flag(it: Attempt, record: Record, label: str, *, on: bool) -> None:
    if label == labels.UNREAD:
        flag, on = labels.SEEN, not on
    else:
        flag = labels.FLAGGED if label == labels.IMPORTANT else labels.keyword(label)
    for copy in record.copies:
        it.box.line.select(copy.folder, writable=True)
        if not flag.startswith("\\") and on and not it.box.line.permits_any_keyword():
            raise InvalidCall("the mail server takes no labels of one's own", fix="Use a folder.")
        it.in_time()
        it.box.line.store([copy.uid], [flag], on=on)


def _move(it: Attempt, record: Record, places: Sequence[str], target: str) -> Record:
    for copy in record.copies:
        if copy.folder in places and copy.folder != target:
            it.box.line.select(copy.folder, writable=True)
            it.in_time()
            it.box.line.move([copy.uid], target)
    return it.box.message(record.head.message_id)


def archive(it: Attempt, args: Args) -> dict[str, Any]:
    record = it.box.message(args["message_id"])
    _move(it, record, it.box.labelled("inbox") or [], it.box.folder("archive"))
    return _header(it.box, args["message_id"])


def mark_read(it: Attempt, args: Args) -> dict[str, Any]:
    _flag(it, it.box.message(args["message_id"]), labels.UNREAD, on=not args.get("read", True))
    return _header(it.box, args["message_id"])


def delete(it: Attempt, args: Args) -> dict[str, Any]:
    record = it.box.message(args["message_id"])
    _move(it, record, [copy.folder for copy in record.copies], it.box.folder("trash"))
    return _header(it.box, args["message_id"])


def _header(box: Mailbox, message_id: str) -> dict[str, Any]:
    return reads.headers(box, [box.message(message_id)])[0]


def found_again(it: Attempt, args: Args) -> Reconciled:
    """What became of an attempt, read off the mailbox."""
    box = it.box
    if it.tool in SENDS or it.tool == "mail.create_draft":
        copies = box.lookup([it.mid])
        if it.tool in SENDS and (taken := _taken(box, copies)):
            record = box.merge(taken)[0]
            further = {"to": list(record.head.to), "cc": list(record.head.cc)} if it.tool == "mail.reply" else {}
            return Done(_sent(box, record) | further)
        if not copies:
            return Absent()
        if it.tool == "mail.create_draft":
            return Done({"draft_id": box.merge(copies)[0].head.message_id})
        return Unknown("the mail is among the drafts, and the mail server may have taken it or not")
    header = _header(box, args["message_id"])
    return Done(header) if holds(it.tool, args, header) else Absent()


def holds(tool: str, args: Args, header: Mapping[str, Any]) -> bool:
    """Whether a message is as an idempotent call would leave it."""
    has = set(header["labels"])
    match tool:
        case "mail.archive":
            return "inbox" not in has
        case "mail.delete":
            return "trash" in has
        case "mail.mark_read":
            return bool(header["unread"]) is not args.get("read", True)
        case _:
            add, remove = set(args.get("add") or ()), set(args.get("remove") or ())
            return add <= has and not (remove - add) & has


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
