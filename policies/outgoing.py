"""The obligation on texts that leave: links that the user did not write are taken out. Doing it twice changes nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies import lexicon
from policies.labels import Memory
from policies.manifest import Tool
from policies.words import EMAIL, LINK, TRAILING, normal

REMOVED = "[link removed]"


def rewrite(tool: Tool, args: Mapping[str, Any], memory: Memory, links: Sequence[str]) -> dict[str, Any]:
    """Only the arguments that must change, with their new values; empty for most calls."""
    if tool.effect in lexicon.INFORMED:  # what is handed on stays in the house: an agent may be told of a link
        return {}
    allowed = {normal(link) for link in links}
    changed = {}
    for arg in tool.args_of("text", "pick", "time"):
        if arg.name in args:
            value = args[arg.name]
            cleaned = _clean(value, memory, allowed)
            if cleaned != value:
                changed[arg.name] = cleaned
    return changed


def clean(text: str, memory: Memory, links: Sequence[str]) -> str:
    """A text without the links that neither the user wrote nor the grant lists."""
    return _clean_text(text, memory, {normal(link) for link in links})


def emptied(args: Mapping[str, Any], changed: Mapping[str, Any]) -> bool:
    """Whether a text held nothing but links that must not leave."""
    return any(
        isinstance(value, str) and REMOVED in value and not value.replace(REMOVED, "").strip(TRAILING + " -–:\n")
        for value in changed.values()
    )


def _clean(value: Any, memory: Memory, allowed: set[str]) -> Any:
    if isinstance(value, str):
        return _clean_text(value, memory, allowed)
    if isinstance(value, list):
        return [_clean(entry, memory, allowed) for entry in value]
    if isinstance(value, dict):
        return {key: _clean(entry, memory, allowed) for key, entry in value.items()}
    return value


def _clean_text(text: str, memory: Memory, allowed: set[str]) -> str:
    addresses = [match.span() for match in EMAIL.finditer(text)]
    pieces, place = [], 0
    for match in LINK.finditer(text):
        link = match.group().rstrip(TRAILING)
        inside_address = any(start <= match.start() < end for start, end in addresses)
        if inside_address or normal(link) in allowed or memory.in_words(link, 4):
            continue
        pieces.append(text[place : match.start()] + REMOVED)
        place = match.start() + len(link)
    return "".join(pieces) + text[place:]
