"""Reads messages as they came, however broken: headers, text, attachments. Nothing here raises for what a sender wrote."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.utils import collapse_rfc2231_value, parsedate_to_datetime

from connectors.imap import addresses, hypertext

MOST_TEXT = 1_000_000  # characters of one text
MOST_NAME = 200
MOST_REFERENCES = 1_000
NOBODY = "unknown@unknown.invalid"  # the author of what has none (RFC 2606)
TEXTUAL = frozenset({"application/json", "application/xml", "application/csv", "application/x-ndjson"})
_IDS = re.compile(r"<([^<>\s]{1,900})>")
_SPEAKS_ITSELF = re.compile(r"^(mailer-daemon|postmaster|no-?reply|do-?not-?reply|bounces?)([+\-.].*)?@", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the header of one message says. `fingerprint` is the same for every copy of it, in whatever folder."""

    mid: str | None  # Message-ID without brackets
    references: tuple[str, ...]  # root first, parent last
    parent: str | None  # In-Reply-To
    author: str
    author_name: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    dated_at: datetime | None
    automated: bool
    fingerprint: str

    @property
    def message_id(self) -> str:
        return f"msg_{self.node}" if self.mid is None else f"msg_{encode(self.mid)}.{self.fingerprint[:16]}"

    @property
    def node(self) -> str:
        """What others refer to it by; made up where it has no Message-ID, and then it begins with a dot."""
        day = "0" if self.dated_at is None else f"{self.dated_at:%Y%m%d}"
        return self.mid or f".{self.fingerprint}.{day}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    attachment_id: str
    name: str
    mime: str
    content: bytes
    text: str | None


def encode(mid: str) -> str:
    return base64.urlsafe_b64encode(mid.encode()).decode().rstrip("=")


def decode(code: str) -> str | None:
    """None for what `encode` did not write."""
    try:
        mid = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)).decode("ascii")
    except ValueError:
        return None
    return mid if mid and _IDS.fullmatch(f"<{mid}>") and encode(mid) == code else None


def parse(raw: bytes) -> Message:
    # compat32 reads every header; the newer policies raise for some broken ones.
    try:
        return message_from_bytes(raw, policy=policy.compat32)
    except (MessageError, ValueError, RecursionError, LookupError, AttributeError, IndexError, TypeError):
        plain: Message = Message()
        plain.set_payload("")
        head = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        for name, value in re.findall(rb"(?m)^([!-9;-~]+):[ \t]*(.*)$", head):
            if not name.lower().startswith(b"content-"):
                plain[name.decode("ascii")] = value.decode("latin-1").strip()
        return plain


def values(message: Message, name: str) -> list[str]:
    """Every header of a name as it came, unfolded, with bytes that are no ASCII read as UTF-8 or else Latin-1."""
    found = []
    for key, value in message.raw_items():
        if key.lower() == name.lower():
            raw = str(value).encode("utf-8", "surrogateescape")
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                text = raw.decode("latin-1")
            found.append(re.sub(r"[\r\n\t ]+", " ", text).strip())
    return found


def value(message: Message, name: str) -> str:
    return next(iter(values(message, name)), "")


def unfold(text: str) -> str:
    """Encoded words (RFC 2047) read; on one line, without control characters."""
    if "=?" in text:
        try:
            parts = [_piece(part, charset) for part, charset in decode_header(text)]
        except (HeaderParseError, ValueError):
            parts = [text]
        text = "".join(parts)
    kept = "".join(" " if sign.isspace() else sign for sign in text)
    return " ".join("".join(sign for sign in kept if unicodedata.category(sign) not in ("Cc", "Cs")).split())


def _piece(part: bytes | str, charset: str | None) -> str:
    return part if isinstance(part, str) else read_bytes(part, charset)


def read_bytes(raw: bytes, charset: str | None) -> str:
    """Text in a charset that may be misnamed or missing."""
    for name in (charset, "utf-8"):
        try:
            if name:
                return raw.decode(name)
        except (LookupError, ValueError):
            continue
    return raw.decode("cp1252", "replace")


def head_of(message: Message) -> Head:
    authors = addresses.parse(values(message, "From")) or addresses.parse(values(message, "Sender"))
    name, author = authors[0] if authors else ("", NOBODY)
    ids, parents = _ids(message, "Message-ID"), _ids(message, "In-Reply-To")
    mid = ids[0] if ids else None
    dated = value(message, "Date")
    subject = unfold(value(message, "Subject"))
    told = "\n".join([author, dated, subject, mid or "\n".join([*values(message, "To"), *values(message, "Received")])])
    return Head(
        mid=mid,
        references=tuple(_ids(message, "References")[:MOST_REFERENCES]),
        parent=parents[0] if parents else None,
        author=author,
        author_name=unfold(name),
        to=_people(message, "To"),
        cc=_people(message, "Cc"),
        subject=subject,
        dated_at=_date(dated),
        automated=_is_automated(message, author),
        fingerprint=hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:32],
    )


def _ids(message: Message, name: str) -> list[str]:
    # Some programs write long ones as encoded words, which RFC 2047 forbids.
    return [one for one in _IDS.findall(unfold(value(message, name))) if one.isascii()]


def _people(message: Message, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for _, address in addresses.parse(values(message, name))))


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment.replace(microsecond=0) if 1970 <= moment.year < 2200 else None


def _is_automated(message: Message, author: str) -> bool:
    """Written by a machine or to a list: nobody waits for an answer (RFC 3834, RFC 2369, and what is usual besides)."""
    submitted = value(message, "Auto-Submitted").partition(";")[0].strip().lower()
    precedence = value(message, "Precedence").strip().lower()
    kind = value(message, "Content-Type").partition(";")[0].strip().lower()
    return (
        (bool(submitted) and submitted != "no")
        or precedence in ("bulk", "list", "junk", "auto_reply")
        or any(values(message, name) for name in ("List-Id", "List-Unsubscribe", "X-Autoreply", "X-Autorespond"))
        or kind in ("multipart/report", "text/calendar")
        or _SPEAKS_ITSELF.match(author) is not None
    )


def kind_of(part: Message) -> str:
    try:
        kind = part.get_content_type()
    except (ValueError, TypeError, LookupError):
        return "application/octet-stream"
    # What says that it has parts and has none is shown as it is.
    return "text/plain" if kind.startswith("multipart/") and not part.is_multipart() else kind


def is_attached(part: Message) -> bool:
    """A leaf that is a file of its own, and neither the text nor a picture in it."""
    disposition = str(part.get("Content-Disposition", "")).partition(";")[0].strip().lower()
    if part.is_multipart() and kind_of(part) != "message/rfc822":
        return False
    if disposition == "attachment" or kind_of(part) == "message/rfc822":
        return True
    if disposition == "inline" and part.get("Content-ID"):
        return False
    is_text = kind_of(part) in ("text/plain", "text/html")
    return bool(_name(part)) if is_text else not part.get("Content-ID")


def leaves(part: Message, *, depth: int = 0) -> Iterator[Message]:
    """The parts that hold something, in order; an attached message is one."""
    children = part.get_payload() if part.is_multipart() else None
    if kind_of(part) == "message/rfc822" or not isinstance(children, list) or depth > 50:
        yield part
        return
    for child in children:
        if isinstance(child, Message):
            yield from leaves(child, depth=depth + 1)


def body_of(message: Message) -> str:
    """The text a person reads: plain text where there is any, else what an HTML part shows."""
    return _text(message, depth=0).replace("\r\n", "\n").strip()[:MOST_TEXT]


def _text(part: Message, *, depth: int) -> str:
    kind = kind_of(part)
    children = part.get_payload() if part.is_multipart() else None
    if isinstance(children, list) and kind != "message/rfc822":
        if depth > 50:
            return ""
        parts = [child for child in children if isinstance(child, Message)]
        if kind == "multipart/alternative":
            plain = [child for child in parts if kind_of(child) == "text/plain"]
            texts = [_text(child, depth=depth + 1) for child in [*plain, *parts]]
            return next((text for text in texts if text.strip()), "")
        texts = [_text(child, depth=depth + 1) for child in parts]
        return "\n\n".join(text.strip("\r\n") for text in texts if text.strip())
    if kind not in ("text/plain", "text/html") or is_attached(part):
        return ""
    text = _decoded(part)
    return hypertext.text_of(text) if kind == "text/html" else text


def _bytes(part: Message) -> bytes:
    if kind_of(part) == "message/rfc822":
        inner = part.get_payload()
        if isinstance(inner, list) and inner and isinstance(inner[0], Message):
            try:
                return inner[0].as_bytes()
            except (ValueError, LookupError, UnicodeError, TypeError, AttributeError):
                return body_of(inner[0]).encode()
    try:
        content = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        content = None
    return content if isinstance(content, bytes) else b""


def _decoded(part: Message) -> str:
    try:
        charset = part.get_content_charset()
    except (ValueError, LookupError):
        charset = None
    return read_bytes(_bytes(part), charset).replace("\x00", "")[: 4 * MOST_TEXT]


def attachments(message: Message) -> list[Attached]:
    found: list[Attached] = []
    for number, part in enumerate(leaves(message)):
        if is_attached(part):
            mime = kind_of(part)
            found.append(
                Attached(
                    attachment_id=f"att_{number}",
                    name=safe_name(_name(part), number, mime),
                    mime=mime,
                    content=_bytes(part),
                    text=_extracted(part, mime),
                )
            )
    return found


def _extracted(part: Message, mime: str) -> str | None:
    if mime == "message/rfc822":
        inner = part.get_payload()
        return body_of(inner[0]) if isinstance(inner, list) and inner and isinstance(inner[0], Message) else None
    if mime == "text/html":
        return hypertext.text_of(_decoded(part))[:MOST_TEXT]
    return _decoded(part)[:MOST_TEXT] if mime.startswith("text/") or mime in TEXTUAL else None


def _name(part: Message) -> str:
    try:
        found: object = part.get_param("filename", None, "content-disposition") or part.get_param("name", None)
        if isinstance(found, tuple):
            return str(collapse_rfc2231_value(found))
    except (ValueError, LookupError, TypeError, IndexError):
        return ""
    return unfold(str(found)) if found else ""


def safe_name(name: str, number: int, mime: str) -> str:
    """A file name and nothing more: no folders, no control or direction signs, no leading dot."""
    last = re.split(r"[/\\:]", unicodedata.normalize("NFC", name))[-1]
    kept = "".join(sign for sign in last if unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
    kept = kept.strip().lstrip(".").strip()[:MOST_NAME]
    if kept:
        return kept
    return f"attachment-{number + 1}" + (".eml" if mime == "message/rfc822" else "")


def names(found: Sequence[Attached]) -> list[dict[str, object]]:
    """The list a message shows of them."""
    return [
        {"attachment_id": one.attachment_id, "name": one.name, "mime": one.mime, "size_bytes": len(one.content)}
        for one in found
    ]
