"""What the arguments of a post leave to be told apart: where it goes, and what file goes with it. Shared by chat providers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from connectors.errors import InvalidCall


@dataclass(frozen=True, slots=True)
class Written:
    """A file that the call itself writes."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class Attached:
    """An attachment of a mail of the same account."""

    message_id: str
    attachment_id: str


@dataclass(frozen=True, slots=True)
class Posted:
    """A file that was posted before."""

    file_id: str


MOST_AHEAD_S = 120 * 24 * 3600  # Slack's own limit (chat.scheduleMessage, `time_too_far`), kept everywhere

Source: TypeAlias = Written | Attached | Posted


def check_place(args: Mapping[str, Any]) -> None:
    """InvalidCall unless exactly one of channel and to is named; a thread lies in a channel."""
    if (args.get("channel") is None) == (args.get("to") is None):
        raise InvalidCall("a post goes to one place", fix="Give either channel or to.")
    if args.get("to") is not None and args.get("thread_id") is not None:
        raise InvalidCall("a thread is named together with its channel", fix="Give channel and thread_id, without to.")


def check_moment(at_s: int, now_s: int) -> None:
    """InvalidCall unless a message may be scheduled for that moment; both in seconds since 1970."""
    if at_s <= now_s:
        raise InvalidCall("the moment is past", fix="Give a later send_at, or post the message now.")
    if at_s > now_s + MOST_AHEAD_S:
        raise InvalidCall("the moment is more than 120 days ahead", fix="Give an earlier send_at.")


def source_of(args: Mapping[str, Any]) -> Source:
    """Where the file comes from. InvalidCall for none, for several, and for a name that is a path."""
    given = [name for name in ("content", "attachment", "file_id") if args.get(name) is not None]
    if len(given) != 1 or ("content" in given) != (args.get("name") is not None):
        raise InvalidCall("one file is posted at a time", fix="Give name and content, or attachment, or file_id.")
    if "attachment" in given:
        return Attached(args["attachment"]["message_id"], args["attachment"]["attachment_id"])
    if "file_id" in given:
        return Posted(args["file_id"])
    if not args["content"]:
        raise InvalidCall("the file is empty", fix="Give it some content.")
    return Written(file_name(args["name"]), args["content"])


def file_name(name: str) -> str:
    """A name without folders or control signs. InvalidCall for any other."""
    plain = name.strip()
    if not plain or plain in (".", "..") or any(sign in "/\\" or not sign.isprintable() for sign in plain):
        raise InvalidCall(f"{name[:80]!r} is not a file name", fix="Write a plain name such as notes.txt.")
    return plain


def mime_of(name: str) -> str:
    """The type that a name's ending stands for."""
    import mimetypes  # here: it reads the system's tables

    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def is_text(mime: str) -> bool:
    return mime.startswith("text/") or mime in ("application/json", "application/xml", "application/yaml")


def text_of(content: bytes, mime: str) -> str | None:
    """The text of a file that is text; None for any other."""
    if not is_text(mime):
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
