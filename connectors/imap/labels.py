"""Labels: folders have roles, flags have words, and every other label is an IMAP keyword."""

from __future__ import annotations

import re
from collections.abc import Iterable

from connectors.errors import InvalidCall

ROLES = frozenset({"inbox", "sent", "draft", "archive", "trash", "junk"})
SEEN, FLAGGED, DRAFT = "\\Seen", "\\Flagged", "\\Draft"
IMPORTANT, UNREAD = "important", "unread"
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_OURS = re.compile(r"^(?:[A-Za-z0-9._-]|=[0-9A-F]{2})+$")
_OTHERS = frozenset({"nonjunk", "notjunk", "junk", "forwarded", "redirected"})  # what mail programs note for themselves


def keyword(label: str) -> str:
    """The keyword that stands for a label: letters, digits and `._-` as they are, everything else as =XX of its UTF-8."""
    if not label.strip() or any(ord(sign) < 32 or ord(sign) == 127 for sign in label):
        raise InvalidCall("a label is empty or holds control characters", fix="Use a word.")
    return "".join(sign if sign in _PLAIN else "".join(f"={byte:02X}" for byte in sign.encode()) for sign in label)


def label(flag: str) -> str | None:
    """The label a flag stands for, if any."""
    if flag.lower() == FLAGGED.lower():
        return IMPORTANT
    if flag.startswith(("\\", "$")) or flag.lower() in _OTHERS or not _OURS.match(flag):
        return None
    return re.sub(rb"=([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), flag.encode()).decode(
        "utf-8", "replace"
    )


def labels_of(places: Iterable[str], flags: Iterable[str]) -> list[str]:
    """Folders first, then what the flags say, each once."""
    words = sorted(word for flag in flags if (word := label(flag)) is not None)
    return list(dict.fromkeys([*places, *words]))
