"""Block Kit, as far as the bot speaks it: pieces that escape what they are given, cut to Slack's sizes ("Reference: blocks")."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from connectors.slack.text import escape

Block: TypeAlias = dict[str, Any]

MOST_TEXT = 2900  # of a section; Slack takes 3000
MOST_BLOCKS = 48  # of a message; Slack takes 50
MOST_VALUE = 2000  # of a button
MOST_LABEL = 74


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def one_line(text: Any, most: int = 150) -> str:
    """White space folded, cut, escaped."""
    return escape(cut(" ".join(str(text).split()), most))


def section(mrkdwn: str) -> Block:
    """Of text that is escaped already."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn or " ", "verbatim": True}}


def sections(text: str, *, head: str = "", most: int = 12) -> list[Block]:
    """A long plain text whole, in as many sections as it takes; beyond `most` it says how much is missing."""
    parts = _parts(escape(text))
    blocks = [section(f"{head}{part}" if number == 0 else part) for number, part in enumerate(parts[:most])]
    if len(parts) > most:
        blocks.append(context(f"… and {sum(map(len, parts[most:]))} more characters, at the desk"))
    return blocks


def _parts(text: str) -> list[str]:
    parts = []
    while len(text) > MOST_TEXT:
        at = text.rfind("\n", MOST_TEXT // 2, MOST_TEXT)
        at = at if at > 0 else _whole(text, MOST_TEXT)
        parts.append(text[:at])
        text = text[at:].lstrip("\n")
    return [*parts, text] if text or not parts else parts


def _whole(text: str, at: int) -> int:
    """Never inside of `&amp;`."""
    amp = text.rfind("&", at - 5, at)
    return amp if amp > 0 and ";" not in text[amp:at] else at


def context(*mrkdwn: str) -> Block:
    return {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": cut(one, MOST_TEXT) or " ", "verbatim": True} for one in mrkdwn[:10]],
    }


def divider() -> Block:
    return {"type": "divider"}


def button(label: str, action: str, value: Mapping[str, Any], *, style: str = "", confirm: str = "") -> Block:
    """`value`: names of things, never a secret: whoever sees the message could read it."""
    made: Block = {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": cut(label, MOST_LABEL)},
        "value": json.dumps(value, separators=(",", ":")),
    }
    if style:
        made["style"] = style
    if confirm:
        made["confirm"] = {
            "title": {"type": "plain_text", "text": "Are you sure?"},
            "text": {"type": "plain_text", "text": confirm},
            "confirm": {"type": "plain_text", "text": "Yes"},
            "deny": {"type": "plain_text", "text": "No"},
        }
    return made


def link_button(label: str, url: str) -> Block:
    return {"type": "button", "action_id": "look", "text": {"type": "plain_text", "text": label}, "url": url}


def actions(buttons: Sequence[Block], *, block_id: str = "") -> list[Block]:
    """Five to a row."""
    rows = [list(buttons[at : at + 5]) for at in range(0, len(buttons), 5)]
    return [
        {"type": "actions", "elements": row} | ({"block_id": f"{block_id}{number}"} if block_id else {})
        for number, row in enumerate(rows)
    ]


def when(iso: str | None) -> str:
    """A time, shown by Slack in the reader's own zone ("Formatting text: dates")."""
    if not iso:
        return "–"
    moment = datetime.fromisoformat(iso)
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{moment:%Y-%m-%d %H:%M %Z}>"


def value_of(action: Mapping[str, Any]) -> dict[str, Any]:
    """What a button of ours carries; nothing for anything else."""
    try:
        found = json.loads(str(action.get("value") or ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def input_block(name: str, label: str, *, initial: str = "", multiline: bool = False, optional: bool = True) -> Block:
    element: Block = {"type": "plain_text_input", "action_id": "text", "multiline": multiline}
    if initial:
        element["initial_value"] = initial
    return {
        "type": "input",
        "block_id": name,
        "optional": optional,
        "label": {"type": "plain_text", "text": cut(label, 200)},
        "element": element,
    }


def modal(kind: str, title: str, submit: str, blocks: Sequence[Block], about: Mapping[str, Any]) -> Block:
    return {
        "type": "modal",
        "callback_id": kind,
        "title": {"type": "plain_text", "text": cut(title, 24)},
        "submit": {"type": "plain_text", "text": submit},
        "close": {"type": "plain_text", "text": "Cancel"},
        "private_metadata": json.dumps(about, separators=(",", ":")),
        "blocks": list(blocks)[:98],
    }
