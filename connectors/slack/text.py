"""Slack's message text (mrkdwn) and plain text: what people see, both ways.

Written text is escaped, so that nothing in it can become a mention, a link or a call to a whole channel that is not visible as
such; only `@handle` of somebody who exists becomes a mention, as it does when a person types it. (Slack, "Formatting text for
app surfaces": & < > are the control characters; `<@U…>`, `<#C…>`, `<!…>` and `<url|label>` are what they enclose.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_ENCLOSED = re.compile(r"<([^<>]*)>")
_USER = re.compile(r"<@([UWB][A-Z0-9]+)(?:\|[^<>]*)?>")
_HANDLE = re.compile(r"(?<![\w@./+-])@([a-z0-9][a-z0-9._-]*)")


def escape(text: str) -> str:
    """For the text of a message: the three control characters lose their meaning."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def write(text: str, user_ids: Mapping[str, str]) -> str:
    """As Slack takes it. `user_ids`: id by handle, of everybody who may be mentioned."""

    def mention(found: re.Match[str]) -> str:
        name = found[1]
        bare = name.rstrip("._-")
        for handle in (name, bare):
            if handle in user_ids:
                return f"<@{user_ids[handle]}>{name[len(handle) :]}"
        return found[0]

    return _HANDLE.sub(mention, escape(text))


def read(text: str, handle_of: Callable[[str], str], channel_of: Callable[[str], str]) -> str:
    """As a person sees it. `handle_of` a user id and `channel_of` a channel id give the words after @ and #."""

    def show(found: re.Match[str]) -> str:
        target, _, label = found[1].partition("|")
        match target[:1]:
            case "@":
                return f"@{handle_of(target[1:])}"
            case "#":
                return f"#{label or channel_of(target[1:])}"
            case "!":
                return _special(target[1:], label)
        if target.startswith("mailto:"):
            return label or target.removeprefix("mailto:")
        return target if not label or label in (target, target.partition("://")[2]) else f"{label} ({target})"

    return unescape(_ENCLOSED.sub(show, text))


def _special(name: str, label: str) -> str:
    if name.startswith("date^"):
        return label or name
    if name.startswith("subteam^"):
        return label or "@group"
    return f"@{name}"  # channel, here, everyone


def mentioned(text: str) -> list[str]:
    """User ids that the text mentions."""
    return _USER.findall(text)


def of_message(raw: Mapping[str, Any]) -> str:
    """The mrkdwn of a message; where it has none, what its blocks, attachments and files say."""
    if raw.get("text"):
        return str(raw["text"])
    parts = [text for block in raw.get("blocks") or () for text in _texts(block)]
    for attachment in raw.get("attachments") or ():
        parts += [str(attachment[name]) for name in ("pretext", "title", "text") if attachment.get(name)] or [
            str(attachment.get("fallback") or "")
        ]
    parts += [escape(f"[file: {file.get('name') or file.get('title') or ''}]") for file in raw.get("files") or ()]
    return "\n".join(part for part in parts if part)


def _texts(node: Any) -> list[str]:
    """Texts of a block, in order."""
    if isinstance(node, list):
        return [text for child in node for text in _texts(child)]
    if not isinstance(node, dict):
        return []
    if node.get("type") in ("mrkdwn", "plain_text", "text") and isinstance(node.get("text"), str):
        return [node["text"]]
    if node.get("type") == "user" and node.get("user_id"):
        return [f"<@{node['user_id']}>"]
    return [text for name in ("text", "fields", "elements") for text in _texts(node.get(name))]
