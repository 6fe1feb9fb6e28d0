"""What a stranger wrote, made harmless to show: no control characters, no hidden ones, and never more than so much of it."""

from __future__ import annotations

import re
from typing import Any

# C0 and C1 controls save tab and line feed; marks that turn the reading direction; tag characters, which are invisible.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f\ud800-\udfff]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028\u2029\u2060-\u2065\ufeff]")  # besides, where nobody needs them


def clean(text: str) -> str:
    """The text of a result: line ends made alike, control characters taken out."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def cleaned(value: Any) -> Any:
    """A JSON value, all of whose texts and names are clean."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): cleaned(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [cleaned(entry) for entry in value]
    return value


def label(text: str, most: int) -> str:
    """A title or description: clean, nothing invisible, at most `most` characters."""
    shown = _INVISIBLE.sub("", clean(text)).strip()
    return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"


def quoted(text: str, most: int = 300) -> str:
    """Somebody else's words inside a sentence of ours: one line, in quotation marks."""
    words = label(text, most).translate({ord("“"): "'", ord("”"): "'"}).split()
    return f"“{' '.join(words)}”"
