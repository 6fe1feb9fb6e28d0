"""FETCH answers (RFC 3501 7.4.2) as nested lists, and what a BODYSTRUCTURE says of attachments. imaplib leaves both raw."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

_TOKEN = re.compile(
    rb'\s*(?:(?P<open>\()|(?P<close>\))|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<atom>(?:[^\s()"\[\]]|\[[^\]]*\])+))',
    re.DOTALL,
)


def fetched(data: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Per message its items by upper-case name, e.g. UID, FLAGS, BODYSTRUCTURE; a body section under the name BODY."""
    stack: list[list[Any]] = [[]]
    for one in data:
        if one is None:
            continue
        text, literal = (one[0], one[1]) if isinstance(one, tuple) else (one, None)
        _read(text if literal is None else re.sub(rb"~?\{\d+\+?\}$", b"", text), stack)
        if literal is not None:
            stack[-1].append(literal)
        if len(stack) == 1 and stack[0]:
            items = next((part for part in stack[0] if isinstance(part, list)), [])
            yield {_name(key): value for key, value in zip(items[::2], items[1::2], strict=False)}
            stack = [[]]


def _name(key: Any) -> str:
    name = key.decode("ascii", "replace").upper() if isinstance(key, bytes) else ""
    return "BODY" if name.startswith("BODY[") else name


def _read(text: bytes, stack: list[list[Any]]) -> None:
    for token in _TOKEN.finditer(text):
        if token["open"]:
            stack.append([])
        elif token["close"]:
            if len(stack) > 1:
                inner = stack.pop()
                stack[-1].append(inner)
        elif token["quoted"] is not None:
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", token["quoted"]))
        else:
            stack[-1].append(token["atom"])


def shape(structure: Any) -> tuple[bool, bool]:
    """Of a BODYSTRUCTURE: whether a part is attached (as `mime.is_attached` judges it), and whether one is an invitation."""
    attached = invites = False
    for part in _leaves(structure):
        kind = f"{_low(part[0])}/{_low(part[1])}"
        further = [one for one in part[7:] if isinstance(one, list) and one and isinstance(one[0], bytes)]
        disposition = next((one for one in further if _low(one[0]) in ("attachment", "inline")), None)
        named = _has(part[2], b"name") or (disposition is not None and _has(disposition[-1], b"filename"))
        cid = part[3] not in (b"NIL", None, b"")
        placed = "" if disposition is None else _low(disposition[0])
        if placed == "attachment" or kind == "message/rfc822":
            attached = True
        elif not (placed == "inline" and cid):
            attached = attached or (named if kind in ("text/plain", "text/html") else not cid)
        invites = invites or (kind == "text/calendar" and _has(part[2], b"method"))
    return attached, invites


def _leaves(part: Any, depth: int = 0) -> Iterator[list[Any]]:
    if not isinstance(part, list) or not part or depth > 50:
        return
    if isinstance(part[0], list):
        for child in part:
            if isinstance(child, list) and child and isinstance(child[0], list | bytes) and _is_part(child):
                yield from _leaves(child, depth + 1)
    elif _is_part(part):
        yield part


def _is_part(part: list[Any]) -> bool:
    if isinstance(part[0], list):
        return True
    return len(part) >= 7 and isinstance(part[0], bytes) and isinstance(part[1], bytes)


def _low(value: Any) -> str:
    return value.decode("ascii", "replace").lower() if isinstance(value, bytes) else ""


def _has(parameters: Any, name: bytes) -> bool:
    """Whether a parameter list names it, plain or in the pieces of RFC 2231."""
    if not isinstance(parameters, list):
        return False
    return any(isinstance(key, bytes) and key.lower().split(b"*")[0] == name for key in parameters[::2])
