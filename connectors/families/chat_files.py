"""Files of the chat family: posted into a conversation, listed and read. A file belongs to a message, and has its readers."""

from __future__ import annotations

from typing import Any

from connectors.families import chat
from connectors.families import schema as s
from connectors.spec import EffectClass

MOST_CONTENT = 200_000  # characters of a file that a call writes itself

FILE = s.record(
    {
        "file_id": s.STRING,
        "name": s.STRING,
        "mime": s.STRING,
        "size_bytes": s.INTEGER,
        "message_id": s.nullable(s.STRING),  # null while the provider has not said yet which message it became
        "channel": s.STRING,
        "channel_name": s.STRING,
        "author": s.ADDRESS,
        "author_name": s.STRING,
        "sent_at": s.INSTANT,
        "readers": chat.READERS,
    }
)
FILE_OUTPUT: dict[str, Any] = {
    "fields": {
        "file_id": "id",
        "message_id": "id",
        "channel": "id",
        "channel_name": "attested",
        "author": "attested",
        "author_name": "attested",
        "name": "text",
        "mime": "attested",
        "size_bytes": "attested",
        "sent_at": "attested",
        "text": "text",
    },
    "author": "author",
    "readers": ["readers"],
}
FILE_ARG = {"role": "what", "type": "id(files)"}  # what a send encloses: nobody is reached because they are on it

_FILE_ID = s.text("Id of a file, from chat.list_files or a message.")
_ATTACHMENT: s.Schema = {
    "type": "object",
    "description": "An attachment of a mail, where mail and chat are the same connection's.",
    "properties": {
        "message_id": s.text("Mail that has it."),
        "attachment_id": s.text("Id of the attachment."),
    },
    "required": ["message_id", "attachment_id"],
    "additionalProperties": False,
}

READS = (
    s.tool(
        "chat.list_files",
        "List chat files",
        "Files posted where the account may read, newest first. `query` matches their names.",
        takes=s.paged(
            {
                "query": s.text("Words of the name."),
                "channel": s.text("Channel id, or its #name."),
                "author": s.address("Posted by."),
                "since": s.instant("Posted at or after."),
                "until": s.instant("Posted before."),
            }
        ),
        gives=s.page("files", FILE),
        manifest={
            "effect": "read",
            "noun": "chat file",
            "collection": "files",
            "records": "files",
            "args": {
                "query": {"role": "query", "type": "text"},
                "channel": {"role": "what", "type": "id(channels)"},
                "author": {"role": "query", "type": "address"},
                "since": chat.TIME,
                "until": chat.TIME,
                "limit": "pick",
                "cursor": "pick",
            },
            "output": FILE_OUTPUT,
        },
    ),
    s.tool(
        "chat.get_file",
        "Read a chat file",
        "Name, type, size, whose it is and, where it can be extracted, the text of a file.",
        takes={"file_id": _FILE_ID},
        required=["file_id"],
        gives=s.record(FILE["properties"] | {"text": s.nullable(s.STRING)}),
        manifest={
            "effect": "read",
            "noun": "chat file",
            "collection": "files",
            "record": "file_id",
            "args": {"file_id": FILE_ARG},
            "output": FILE_OUTPUT,
        },
    ),
)

EFFECTS = (
    s.tool(
        "chat.send_file",
        "Post a file",
        "Posts one file into a `channel` (with `thread_id` into a thread) or, with `to`, directly to one person. The file is "
        "written by `name` and `content`, or it is a mail's `attachment`, or `file_id`, one posted before.",
        takes={
            "channel": s.text("Channel id, or its #name."),
            "to": s.address("To whom, directly."),
            "thread_id": s.text("First message of the thread."),
            "name": {"type": "string", "minLength": 1, "maxLength": 255, "description": "File name, e.g. notes.txt."},
            "content": s.text("What stands in it, as text.", max_length=MOST_CONTENT),
            "attachment": _ATTACHMENT,
            "file_id": _FILE_ID,
            "text": s.text("A word with the file.", max_length=4_000),
        },
        gives=FILE,
        manifest={
            "effect": "send",
            "noun": "chat file",
            "collection": "files",
            "returns": "id(files)",
            "args": {
                "channel": chat.WHERE,
                "to": chat.WHO,
                "thread_id": chat.MESSAGE_ARG,
                "name": {"role": "text", "type": "title"},
                "content": chat.TEXT,
                "attachment": FILE_ARG,
                "file_id": FILE_ARG,
                "text": chat.TEXT,
            },
            "output": FILE_OUTPUT,
        },
        effect_class=EffectClass.UNKEYED,
        undo="chat.delete_message",
        wire_timeout_s=30.0,
        at_least_one=True,
    ),
)
