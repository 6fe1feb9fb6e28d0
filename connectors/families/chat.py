"""The chat family. Private channels exist only for their members."""

from __future__ import annotations

from typing import Any

from connectors.families import schema as s
from connectors.spec import EffectClass

# Who alone can read it; null: every colleague (a public channel).
READERS = s.nullable(s.list_of(s.ADDRESS))
CHANNEL = s.record(
    {
        "channel": s.STRING,
        "name": s.STRING,
        "purpose": s.STRING,
        "private": s.BOOLEAN,
        "members": s.list_of(s.ADDRESS),
        "member": s.BOOLEAN,
        "readers": READERS,
    }
)
CHAT_MESSAGE = s.record(
    {
        "message_id": s.STRING,
        "channel": s.STRING,
        "channel_name": s.STRING,
        "author": s.ADDRESS,
        "author_name": s.STRING,
        "text": s.STRING,
        "sent_at": s.INSTANT,
        "thread_id": s.nullable(s.STRING),
        "reply_count": s.INTEGER,
        "reactions": s.list_of(s.record({"name": s.STRING, "by": s.list_of(s.ADDRESS)})),
        "edited": s.BOOLEAN,
        "files": s.list_of(
            s.record({"file_id": s.STRING, "name": s.STRING, "mime": s.STRING, "size_bytes": s.INTEGER})
        ),
        "readers": READERS,
    }
)
USER = s.record({"address": s.ADDRESS, "name": s.STRING, "handle": s.STRING})

MESSAGE_OUTPUT: dict[str, Any] = {
    "fields": {
        "message_id": "id",
        "channel": "id",
        "thread_id": "id",
        "channel_name": "attested",
        "author": "attested",
        "author_name": "attested",
        "text": "text",
        "sent_at": "attested",
        "reply_count": "attested",
        "reactions": "attested",
        "edited": "attested",
        "files": "text",
        "file_id": "id",
    },
    "author": "author",
    "readers": ["readers"],
}
CHANNEL_OUTPUT: dict[str, Any] = {
    "fields": {
        "channel": "id",
        "name": "attested",
        "purpose": "text",
        "private": "attested",
        "members": "attested",
        "member": "attested",
    },
    "readers": ["readers"],
}
MESSAGE_ARG = {"role": "what", "type": "id(chat_messages)"}
WHERE = {"role": "where", "type": "id(channels)"}
WHO = {"role": "who", "type": "address"}
TIME = {"role": "time", "type": "datetime"}
TEXT = {"role": "text", "type": "text"}

_CHANNEL = s.text("Channel id, or its #name.")
_MESSAGE_ID = s.text("Id of the chat message.")
_TEXT = s.text("Text.", max_length=40_000)

READS = (
    s.tool(
        "chat.list_channels",
        "List channels",
        "Public channels, and private ones the account belongs to. `query` matches name and purpose.",
        takes=s.paged({"query": s.text("Words to find.")}),
        gives=s.page("channels", CHANNEL),
        manifest={
            "effect": "read",
            "noun": "channel",
            "collection": "channels",
            "records": "channels",
            "args": {"query": {"role": "query", "type": "text"}, "limit": "pick", "cursor": "pick"},
            "output": CHANNEL_OUTPUT,
        },
    ),
    s.tool(
        "chat.list_users",
        "List chat users",
        "Everybody who can be written to.",
        takes=s.paged({}),
        gives=s.page("users", USER),
        manifest={
            "effect": "read",
            "noun": "user",
            "records": "users",
            "args": {"limit": "pick", "cursor": "pick"},
            "output": {"fields": {"address": "attested", "name": "attested", "handle": "attested"}} | s.OPEN,
        },
    ),
    s.tool(
        "chat.history",
        "Read a channel",
        "Messages of a channel, answers in threads included, newest first.",
        takes=s.paged(
            {
                "channel": _CHANNEL,
                "since": s.instant("Sent at or after."),
                "until": s.instant("Sent before."),
                "order": s.choice("Default newest.", "newest", "oldest"),
            }
        ),
        required=["channel"],
        gives=s.page("messages", CHAT_MESSAGE),
        manifest={
            "effect": "read",
            "noun": "chat message",
            "collection": "chat_messages",
            "records": "messages",
            "args": {
                "channel": {"role": "what", "type": "id(channels)"},
                "since": TIME,
                "until": TIME,
                "order": "pick",
                "limit": "pick",
                "cursor": "pick",
            },
            "output": MESSAGE_OUTPUT,
        },
    ),
    s.tool(
        "chat.search",
        "Search chat",
        "Messages the account may see that match every condition given, newest first.",
        takes=s.paged(
            {
                "query": s.text("Words that occur in the text."),
                "channel": _CHANNEL,
                "author": s.address("Written by."),
                "mentions": s.address("Mentioning this person."),
                "since": s.instant("Sent at or after."),
                "until": s.instant("Sent before."),
            }
        ),
        gives=s.page("messages", CHAT_MESSAGE),
        manifest={
            "effect": "read",
            "noun": "chat message",
            "collection": "chat_messages",
            "records": "messages",
            "args": {
                "query": {"role": "query", "type": "text"},
                "channel": {"role": "what", "type": "id(channels)"},
                "author": {"role": "query", "type": "address"},
                "mentions": {"role": "query", "type": "address"},
                "since": TIME,
                "until": TIME,
                "limit": "pick",
                "cursor": "pick",
            },
            "output": MESSAGE_OUTPUT,
        },
    ),
    s.tool(
        "chat.get_thread",
        "Read a chat thread",
        "A message and its answers, oldest first; any message of the thread names it.",
        takes={"message_id": _MESSAGE_ID},
        required=["message_id"],
        gives=s.record({"messages": s.list_of(CHAT_MESSAGE)}),
        manifest={
            "effect": "read",
            "noun": "chat message",
            "collection": "chat_messages",
            "record": "message_id",
            "records": "messages",
            "args": {"message_id": MESSAGE_ARG},
            "output": MESSAGE_OUTPUT,
        },
    ),
)

EFFECTS = (
    s.tool(
        "chat.post_message",
        "Post a message",
        "Posts into a channel the account belongs to, or with `thread_id` into a thread.",
        takes={"channel": _CHANNEL, "text": _TEXT, "thread_id": s.text("First message of the thread.")},
        required=["channel", "text"],
        gives=CHAT_MESSAGE,
        manifest={
            "effect": "send",
            "noun": "chat message",
            "collection": "chat_messages",
            "returns": "id(chat_messages)",
            "args": {"channel": WHERE, "text": TEXT, "thread_id": MESSAGE_ARG},
            "output": MESSAGE_OUTPUT,
        },
        effect_class=EffectClass.UNKEYED,
        undo="chat.delete_message",
    ),
    s.tool(
        "chat.send_direct",
        "Send a direct message",
        "Writes to one person directly.",
        takes={"to": s.address("To whom."), "text": _TEXT},
        required=["to", "text"],
        gives=CHAT_MESSAGE,
        manifest={
            "effect": "send",
            "noun": "chat message",
            "collection": "chat_messages",
            "returns": "id(chat_messages)",
            "args": {"to": WHO, "text": TEXT},
            "output": MESSAGE_OUTPUT,
        },
        effect_class=EffectClass.UNKEYED,
        undo="chat.delete_message",
    ),
    s.tool(
        "chat.update_message",
        "Edit a message",
        "Replaces the text of a message of mine.",
        takes={"message_id": _MESSAGE_ID, "text": _TEXT},
        required=["message_id", "text"],
        gives=CHAT_MESSAGE,
        manifest={
            "effect": "update",
            "noun": "chat message",
            "collection": "chat_messages",
            "record": "message_id",
            "args": {"message_id": MESSAGE_ARG, "text": TEXT},
            "output": MESSAGE_OUTPUT,
        },
        effect_class=EffectClass.IDEMPOTENT,
        undo="chat.update_message",
    ),
    s.tool(
        "chat.delete_message",
        "Delete a message",
        "Deletes a message of mine.",
        takes={"message_id": _MESSAGE_ID},
        required=["message_id"],
        gives=s.record({"message_id": s.STRING, "deleted": s.BOOLEAN}),
        manifest={
            "effect": "delete",
            "destructive": True,
            "noun": "chat message",
            "collection": "chat_messages",
            "record": "message_id",
            "args": {"message_id": MESSAGE_ARG},
            "output": {"fields": {"message_id": "id", "deleted": "attested"}},
        },
        effect_class=EffectClass.IDEMPOTENT,
    ),
    s.tool(
        "chat.add_reaction",
        "React to a message",
        "Adds a reaction of mine to a message.",
        takes={"message_id": _MESSAGE_ID, "name": s.text("Name of the reaction, e.g. eyes.", max_length=100)},
        required=["message_id", "name"],
        gives=CHAT_MESSAGE,
        manifest={
            "effect": "update",
            "noun": "chat message",
            "collection": "chat_messages",
            "record": "message_id",
            "args": {"message_id": MESSAGE_ARG, "name": "pick"},
            "output": MESSAGE_OUTPUT,
        },
        effect_class=EffectClass.IDEMPOTENT,
    ),
    s.tool(
        "chat.create_channel",
        "Create a channel",
        "Makes a channel with the account and `members` in it.",
        takes={
            "name": {
                "type": "string",
                "pattern": "^#?[a-z0-9][a-z0-9_-]{0,79}$",
                "description": "Name, with or without #.",
            },
            "private": s.flag("Default false."),
            "purpose": s.text("What it is for.", max_length=250),
            "members": s.addresses("Who else is in it."),
        },
        required=["name"],
        gives=CHANNEL,
        manifest={
            "effect": "create",
            "noun": "channel",
            "collection": "channels",
            "returns": "id(channels)",
            "args": {"name": {"role": "text", "type": "title"}, "private": "pick", "purpose": TEXT, "members": WHO},
            "output": CHANNEL_OUTPUT,
        },
        effect_class=EffectClass.KEYED,
    ),
    s.tool(
        "chat.invite",
        "Invite to a channel",
        "Adds colleagues to a channel the account belongs to.",
        takes={"channel": _CHANNEL, "people": s.addresses("Who is added.", at_least=1)},
        required=["channel", "people"],
        gives=CHANNEL,
        manifest={
            "effect": "invite",
            "noun": "channel",
            "collection": "channels",
            "record": "channel",
            "args": {"channel": {"role": "what", "type": "id(channels)"}, "people": WHO},
            "output": CHANNEL_OUTPUT,
        },
        effect_class=EffectClass.IDEMPOTENT,
    ),
)
