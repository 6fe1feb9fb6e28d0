"""How mail crosses the border: ids, times, addresses, labels, and one of Gmail's messages as the mail family shows it. Asks nobody.

Ids are Gmail's own behind "msg_" and "thr_". An attachment's is its place in the message ("att_" and the part's id), because the
attachmentId that Gmail gives is another one each time.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.utils import getaddresses
from html import unescape
from html.parser import HTMLParser
from typing import Any

from connectors.errors import InvalidCall, NotFound
from connectors.families import DEFAULT_LIMIT

Args = Mapping[str, Any]
Resource = dict[str, Any]  # a message, or a part of one, as Gmail gives it

KEY_HEADER = "X-Deputy-Key"
NOBODY = "unknown@invalid"  # where a message names no author
SYSTEM_LABELS: Mapping[str, str] = {
    "INBOX": "inbox",
    "UNREAD": "unread",
    "SENT": "sent",
    "DRAFT": "draft",
    "IMPORTANT": "important",
    "STARRED": "starred",
    "TRASH": "trash",
    "SPAM": "spam",
}
_PLACES = ("INBOX", "SENT", "DRAFT", "TRASH", "SPAM")
_ROBOT = re.compile(
    r"(^|[._+-])(no-?reply|do-?not-?reply|mailer-daemon|postmaster|bounces?|notifications?)([._+-]|$)", re.IGNORECASE
)


# ---- ids, times, addresses, cursors --------------------------------------------------------------------------------


def google_id(given: str, prefix: str) -> str:
    """Gmail's own id. NotFound for what cannot be one."""
    own = given.removeprefix(prefix)
    if own == given or re.fullmatch(r"[A-Za-z0-9_-]{1,128}", own) is None:
        raise NotFound(f"the mailbox has nothing under {given!r}", fix="Find it with mail.search.")
    return own


def parse_time(args: Args, name: str) -> datetime | None:
    """In UTC, whole seconds; None where it is not given. InvalidCall without an offset."""
    if args.get(name) is None:
        return None
    try:
        moment = datetime.fromisoformat(args[name])
    except ValueError as error:
        raise InvalidCall(f"{name} is not an ISO 8601 time", fix="Write it as 2026-11-23T10:00:00+00:00.") from error
    if moment.tzinfo is None:
        raise InvalidCall(f"{name} has no offset", fix="Add one, e.g. +00:00.")
    return moment.astimezone(UTC).replace(microsecond=0)


def iso(milliseconds: str | int) -> str:
    return datetime.fromtimestamp(int(milliseconds) // 1000, UTC).isoformat(timespec="seconds")


def addresses(values: Iterable[str] | None) -> list[str]:
    """Lower-case, without repeats, in the order given. InvalidCall for what is no address, or would be two."""
    found = list(dict.fromkeys(value.strip().lower() for value in values or ()))
    for address in found:
        if re.fullmatch(r"[^\s@<>,;:()\"\\\[\]\x00-\x1f]+@[^\s@<>,;:()\"\\\x00-\x1f]+", address) is None:
            raise InvalidCall("an address given is no mail address", fix="Write name@domain.")
    return found


def limit_of(args: Args) -> int:
    return int(args.get("limit") or DEFAULT_LIMIT)


def write_cursor(position: Sequence[int | str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(position), separators=(",", ":")).encode()).decode()


def read_cursor(cursor: str | None, *kinds: type) -> list[Any] | None:
    """The position a cursor stands for, None at the beginning. InvalidCall for one that was not written here."""
    if cursor is None:
        return None
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        fits = isinstance(position, list) and len(position) == len(kinds)
        fits = fits and all(isinstance(part, kind) for part, kind in zip(position, kinds, strict=True))
    except ValueError:
        fits = False
    if not fits:
        raise InvalidCall("the cursor is not one of this list", fix="Pass `next` of the page before, or leave it out.")
    return list(position)


# ---- reading a message ---------------------------------------------------------------------------------------------


def headers_of(message: Resource) -> dict[str, str]:
    """By lower-case name, the first of each, as they stand: an encoded word must not become an address (RFC 2047, section 5)."""
    found: dict[str, str] = {}
    for one in message.get("payload", {}).get("headers", ()):
        found.setdefault(one["name"].lower(), one.get("value", ""))
    return found


def decoded(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError):
        return value


def subject_of(message: Resource) -> str:
    return " ".join(decoded(headers_of(message).get("subject", "")).split())


def people(value: str) -> list[tuple[str, str]]:
    """(name, address) of an address header; what is no address is left out."""
    pairs = [(name, address.strip().lower()) for name, address in getaddresses([value])]
    return [(decoded(name), address) for name, address in pairs if re.fullmatch(r"[^\s@]+@[^\s@]+", address)]


def only_addresses(value: str) -> list[str]:
    return list(dict.fromkeys(address for _, address in people(value)))


def label_names(label_ids: Iterable[str], names: Mapping[str, str]) -> list[str]:
    """`names`: of the account's own labels by id. A message that is nowhere else is in the archive."""
    ids = list(label_ids)
    shown = [SYSTEM_LABELS.get(one) or names.get(one) or one.lower() for one in ids]
    return shown if any(one in ids for one in _PLACES) else ["archive", *shown]


def header(message: Resource, names: Mapping[str, str], *, label_ids: Sequence[str] | None = None) -> dict[str, Any]:
    """The family's Header. `label_ids` where a change has just given newer ones."""
    told = headers_of(message)
    labels = list(message.get("labelIds", ()) if label_ids is None else label_ids)
    author_name, author = next(iter(people(told.get("from", ""))), ("", NOBODY))
    return {
        "message_id": f"msg_{message['id']}",
        "thread_id": f"thr_{message['threadId']}",
        "from": author,
        "from_name": author_name or author,
        "to": only_addresses(told.get("to", "")),
        "cc": only_addresses(told.get("cc", "")),
        "subject": subject_of(message),
        "snippet": unescape(message.get("snippet", "")),  # Gmail escapes it for pages
        "sent_at": iso(message.get("internalDate", 0)),
        "labels": label_names(labels, names),
        "unread": "UNREAD" in labels,
        "has_attachment": any(True for _ in attached(message)),
    }


def parts(part: Resource) -> Iterator[Resource]:
    """A part and all within it, in order."""
    yield part
    for inner in part.get("parts", ()):
        yield from parts(inner)


def attached(message: Resource) -> Iterator[Resource]:
    """The parts that have a file name."""
    return (part for part in parts(message.get("payload", {})) if part.get("filename"))


def describe(part: Resource) -> dict[str, Any]:
    return {
        "attachment_id": f"att_{part.get('partId', '')}",
        "name": decoded(part["filename"]),
        "mime": part.get("mimeType") or "application/octet-stream",
        "size_bytes": int(part.get("body", {}).get("size", 0)),
    }


def decode_data(data: str) -> bytes:
    return base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))


def decode_text(content: bytes, part: Resource) -> str:
    """Text of a part: UTF-8 where it is, else as its own charset says."""
    told = {one["name"].lower(): one.get("value", "") for one in part.get("headers", ())}
    charset = re.search(r"charset=\"?([\w.:-]+)", told.get("content-type", ""), re.IGNORECASE)
    for name in ("utf-8", charset.group(1) if charset else "utf-8"):
        try:
            return content.decode(name).replace("\r\n", "\n")
        except (LookupError, UnicodeDecodeError):
            continue
    return content.decode("latin-1").replace("\r\n", "\n")


def is_automated(message: Resource) -> bool:
    """Whether a machine wrote it: lists, notices, invitations (RFC 3834, RFC 2919 and RFC 8058 say how they are marked)."""
    told = headers_of(message)
    _, author = next(iter(people(told.get("from", ""))), ("", NOBODY))
    return (
        told.get("auto-submitted", "no").strip().lower() != "no"
        or any(name in told for name in ("list-id", "list-unsubscribe", "x-autoreply", "feedback-id"))
        or told.get("precedence", "").strip().lower() in ("bulk", "list", "junk", "auto_reply")
        or _ROBOT.search(author.partition("@")[0]) is not None
    )


class _Words(HTMLParser):
    """The readable words of a page, a line for each block."""

    _SKIPPED = frozenset({"style", "script", "head", "title", "template"})
    _BLOCKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol", "blockquote", "hr"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skipping += tag in self._SKIPPED
        if tag in self._BLOCKS:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SKIPPED:
            self._skipping = max(0, self._skipping - 1)

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.words.append(re.sub(r"\s+", " ", data))


def text_of_html(page: str) -> str:
    reader = _Words()
    reader.feed(page)
    reader.close()
    lines = [line.strip() for line in "".join(reader.words).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
