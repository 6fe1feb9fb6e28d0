"""Receipts of one workflow on two backends, made comparable; and how many objects one says there are now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

IDS = ("message_id", "event_id", "etag", "channel")  # each provider has its own
OBJECTS = {  # tool → what there is one more of afterwards
    "mail.reply": "sent",
    "mail.forward": "sent",
    "calendar.create_event": "created",
    "calendar.update_event": "changed",
    "calendar.cancel_event": "changed",
}
POSTS = ("chat.post_message", "chat.send_direct")


def told(item: Mapping[str, Any]) -> dict[str, Any]:
    """What it says of a finished item, without what no two providers call the same."""
    effects = [
        (effect["tool"], effect["decision"], effect["state"], sorted(_without_ids(effect["args"]).items(), key=str))
        for effect in item["effects"]
    ]
    return {
        "workflow": item["match"]["workflow"],
        "state": item["state"],
        "text": item["text"],
        "effects": sorted(effects, key=str),
        "model_calls": item["receipt"]["model_calls"],
        "determinism": item["receipt"]["determinism"],
    }


def _without_ids(args: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in args.items() if name not in IDS}


def made(item: Mapping[str, Any]) -> Counter[str]:
    """How often each tool did something."""
    return Counter(effect["tool"] for effect in item["effects"] if effect["state"] == "done")


def objects(done: Mapping[str, int]) -> Counter[str]:
    """What these tools must have left, mails and events by kind."""
    found: Counter[str] = Counter()
    for tool, times in done.items():
        if tool in OBJECTS:
            found[OBJECTS[tool]] += times
    return found
