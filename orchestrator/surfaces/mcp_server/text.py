"""Words of the outside, harmless to show: no control or hidden characters, and fenced so that nothing in them can end the fence."""

from __future__ import annotations

from typing import Any

from connectors.mcp.text import clean, cleaned, label

__all__ = ["clean", "cleaned", "fenced", "label", "shortened"]

LONGEST = 20_000  # characters of one text
_OPEN, _CLOSE = "<outside-text>", "</outside-text>"


def fenced(text: str) -> str:
    """A block that holds what mails, calendars and people said: data for the reader, no instruction to it."""
    inner = clean(text)[:LONGEST].replace("<", "‹").strip()
    return f"{_OPEN}\n{inner}\n{_CLOSE}"


def shortened(value: Any, most: int = LONGEST) -> Any:
    """A JSON value, its texts clean and no longer than `most`."""
    if isinstance(value, str):
        return value if len(value) <= most else value[: most - 1] + "…"
    if isinstance(value, dict):
        return {key: shortened(one, most) for key, one in value.items()}
    if isinstance(value, list):
        return [shortened(one, most) for one in value]
    return value
