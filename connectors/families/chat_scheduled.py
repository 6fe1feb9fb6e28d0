"""Messages of the chat family that are posted later, at a moment set now; until then only the account sees them."""

from __future__ import annotations

from typing import Any

from connectors.families import chat
from connectors.families import schema as s
from connectors.spec import EffectClass

SCHEDULED = s.record(
    {
        "scheduled_id": s.STRING,
        "channel": s.STRING,
        "channel_name": s.STRING,
        "author": s.ADDRESS,
        "text": s.STRING,
        "send_at": s.INSTANT,
        "readers": chat.READERS,  # of the message once it is posted
    }
)
SCHEDULED_OUTPUT: dict[str, Any] = {
    "fields": {
        "scheduled_id": "id",
        "channel": "id",
        "channel_name": "attested",
        "author": "attested",
        "text": "text",
        "send_at": "attested",
    },
    "author": "author",
    "readers": ["readers"],
    "open_to": "nobody",  # before that
}
SCHEDULED_ARG = {"role": "what", "type": "id(scheduled_messages)"}

READS = (
    s.tool(
        "chat.list_scheduled",
        "List scheduled messages",
        "Messages of the account that are still to be posted, the next one first.",
        takes=s.paged({"query": s.text("Words of the text."), "channel": s.text("Channel id, or its #name.")}),
        gives=s.page("scheduled", SCHEDULED),
        manifest={
            "effect": "read",
            "noun": "chat message",
            "collection": "scheduled_messages",
            "records": "scheduled",
            "args": {
                "query": {"role": "query", "type": "text"},
                "channel": {"role": "what", "type": "id(channels)"},
                "limit": "pick",
                "cursor": "pick",
            },
            "output": SCHEDULED_OUTPUT,
        },
    ),
)

EFFECTS = (
    s.tool(
        "chat.schedule_message",
        "Schedule a message",
        "Has a message posted at `send_at` into a `channel` (with `thread_id` into a thread) or, with `to`, directly to one "
        "person.",
        takes={
            "channel": s.text("Channel id, or its #name."),
            "to": s.address("To whom, directly."),
            "thread_id": s.text("First message of the thread."),
            "text": s.text("Text.", max_length=40_000),
            "send_at": s.instant("When it is posted; still to come."),
        },
        required=["text", "send_at"],
        gives=SCHEDULED,
        manifest={
            "effect": "send",
            "noun": "chat message",
            "collection": "scheduled_messages",
            "returns": "id(scheduled_messages)",
            "args": {
                "channel": chat.WHERE,
                "to": chat.WHO,
                "thread_id": chat.MESSAGE_ARG,
                "text": chat.TEXT,
                "send_at": chat.TIME,
            },
            "output": SCHEDULED_OUTPUT,
        },
        effect_class=EffectClass.UNKEYED,
        undo="chat.cancel_scheduled",
    ),
    s.tool(
        "chat.cancel_scheduled",
        "Cancel a scheduled message",
        "Takes back a message that was not posted yet.",
        takes={"scheduled_id": s.text("Id of the scheduled message.")},
        required=["scheduled_id"],
        gives=s.record({"scheduled_id": s.STRING, "cancelled": s.BOOLEAN}),
        manifest={
            "effect": "delete",
            "destructive": True,
            "noun": "chat message",
            "collection": "scheduled_messages",
            "record": "scheduled_id",
            "args": {"scheduled_id": SCHEDULED_ARG},
            "output": {"fields": {"scheduled_id": "id", "cancelled": "attested"}},
        },
        effect_class=EffectClass.IDEMPOTENT,
    ),
)
