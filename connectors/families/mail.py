"""The mail family. Effect classes are the floor every provider reaches; one with a stronger handle raises them."""

from __future__ import annotations

from typing import Any

from connectors.families import schema as s
from connectors.spec import EffectClass

HEADER_FIELDS: s.Schema = {
    "message_id": s.STRING,
    "thread_id": s.STRING,
    "from": s.ADDRESS,
    "from_name": s.STRING,
    "to": s.list_of(s.ADDRESS),
    "cc": s.list_of(s.ADDRESS),
    "subject": s.STRING,
    "snippet": s.STRING,
    "sent_at": s.INSTANT,
    "labels": s.list_of(s.STRING),
    "unread": s.BOOLEAN,
    "has_attachment": s.BOOLEAN,
}
ATTACHMENT = s.record({"attachment_id": s.STRING, "name": s.STRING, "mime": s.STRING, "size_bytes": s.INTEGER})
HEADER = s.record(HEADER_FIELDS)
MESSAGE = s.record(
    HEADER_FIELDS | {"body": s.STRING, "attachments": s.list_of(ATTACHMENT), "in_reply_to": s.nullable(s.STRING)}
)
AUTO_REPLY = s.record(
    {
        "enabled": s.BOOLEAN,
        "start": s.nullable(s.INSTANT),
        "end": s.nullable(s.INSTANT),
        "subject": s.nullable(s.STRING),
        "body": s.nullable(s.STRING),
        "audience": s.nullable({"type": "string", "enum": ["everyone", "inside"]}),
    }
)

MESSAGE_OUTPUT: dict[str, Any] = {
    "fields": {
        "message_id": "id",
        "thread_id": "id",
        "draft_id": "id",
        "in_reply_to": "id",
        "from": "attested",
        "from_name": "text",
        "to": "attested",
        "cc": "attested",
        "sent_at": "attested",
        "labels": "attested",
        "unread": "attested",
        "has_attachment": "attested",
        "subject": "text",
        "snippet": "text",
        "body": "text",
        "attachments": "text",
    },
    "author": "from",
    "readers": ["from", "to", "cc"],
    "kept": {"labels": ["draft"]},
}
# Who is on a mail can read it; which of them are unread, answered or filed where, only whose mailbox it is.
FOUND_OUTPUT = MESSAGE_OUTPUT | {"own": ["unread", "unanswered", "awaiting_reply", "label"]}
ATTACHMENT_OUTPUT = {"fields": {"name": "text", "mime": "attested", "size_bytes": "attested", "text": "text"}}
MESSAGE_ARG = {"role": "what", "type": "id(messages)"}
WHO = {"role": "who", "type": "address"}
TIME = {"role": "time", "type": "datetime"}
BODY = {"role": "text", "type": "text"}
SUBJECT = {"role": "text", "type": "title"}

_MESSAGE_ID = s.text("Id of the message.")
_BODY = s.text("Plain text.", max_length=200_000)
_SUBJECT = s.text("Subject line.", max_length=998)
_SENT = s.record({"message_id": s.STRING, "thread_id": s.STRING})
_ATTACHED = s.many(
    {
        "type": "object",
        "properties": {"message_id": s.text("Message that has it."), "attachment_id": s.text("Id of the attachment.")},
        "required": ["message_id", "attachment_id"],
        "additionalProperties": False,
    },
    "Attachments of received messages to send along.",
)

READS = (
    s.tool(
        "mail.search",
        "Search mail",
        "Headers of the account's messages that match every condition given, newest first. `unanswered`: the newest message of "
        "its thread, written to me by somebody else, with no later answer of mine. `awaiting_reply`: the newest message of its "
        "thread is mine and nobody answered.",
        takes=s.paged(
            {
                "query": s.text("Words that occur in subject, text or names."),
                "from": s.address("Author's address."),
                "to": s.address("Address in To."),
                "participant": s.address("Address in From, To or Cc."),
                "subject": s.text("Words of the subject."),
                "since": s.instant("Sent at or after."),
                "until": s.instant("Sent before."),
                "unread": s.flag("Unread (or read) only."),
                "unanswered": s.flag("Waiting for an answer of mine."),
                "awaiting_reply": s.flag("Sent by me and not answered."),
                "label": s.text("Label, e.g. inbox, sent, draft, important."),
                "has_attachment": s.flag("With (or without) attachments."),
                "thread_id": s.text("Of this thread."),
                "order": s.choice("Default newest.", "newest", "oldest"),
            }
        ),
        gives=s.page("messages", HEADER),
        manifest={
            "effect": "read",
            "noun": "message",
            "collection": "messages",
            "records": "messages",
            "args": {
                "query": {"role": "query", "type": "text"},
                "from": {"role": "query", "type": "address"},
                "to": {"role": "query", "type": "address"},
                "participant": {"role": "query", "type": "address"},
                "subject": {"role": "query", "type": "text"},
                "since": TIME,
                "until": TIME,
                "unread": "pick",
                "unanswered": "pick",
                "awaiting_reply": "pick",
                "label": {"role": "query", "type": "text"},
                "has_attachment": "pick",
                "thread_id": {"role": "what", "type": "id(threads)"},
                "order": "pick",
                "limit": "pick",
                "cursor": "pick",
            },
            "output": FOUND_OUTPUT,
        },
    ),
    s.tool(
        "mail.get_message",
        "Read a message",
        "One message with its text and the list of its attachments.",
        takes={"message_id": _MESSAGE_ID},
        required=["message_id"],
        gives=MESSAGE,
        manifest={
            "effect": "read",
            "noun": "message",
            "collection": "messages",
            "record": "message_id",
            "args": {"message_id": MESSAGE_ARG},
            "output": MESSAGE_OUTPUT,
        },
    ),
    s.tool(
        "mail.get_thread",
        "Read a thread",
        "All messages of a thread that the account holds, oldest first.",
        takes={"thread_id": s.text("Id of the thread.")},
        required=["thread_id"],
        gives=s.record({"thread_id": s.STRING, "subject": s.STRING, "messages": s.list_of(MESSAGE)}),
        manifest={
            "effect": "read",
            "noun": "thread",
            "collection": "threads",
            "record": "thread_id",
            "records": "messages",
            "args": {"thread_id": {"role": "what", "type": "id(threads)"}},
            "output": MESSAGE_OUTPUT,
        },
    ),
    s.tool(
        "mail.get_attachment",
        "Read an attachment",
        "Name, type, size and, where it can be extracted, the text of an attachment.",
        takes={"message_id": _MESSAGE_ID, "attachment_id": s.text("Id of the attachment.")},
        required=["message_id", "attachment_id"],
        gives=s.record({"name": s.STRING, "mime": s.STRING, "size_bytes": s.INTEGER, "text": s.nullable(s.STRING)}),
        manifest={
            "effect": "read",
            "noun": "attachment",
            "collection": "messages",
            "record": "message_id",
            "args": {"message_id": MESSAGE_ARG, "attachment_id": "what"},
            "output": ATTACHMENT_OUTPUT,
        },
    ),
    s.tool(
        "mail.get_auto_reply",
        "Read the automatic reply",
        "The account's automatic reply, as it is set now.",
        takes={},
        gives=AUTO_REPLY,
        manifest={"effect": "read", "noun": "automatic reply", "args": {}, "output": {"fields": {"body": "text"}}},
    ),
)

SENDS = (
    s.tool(
        "mail.send",
        "Send a mail",
        "Sends a new mail from the account. Returns its id and thread.",
        takes={
            "to": s.addresses("To.", at_least=1),
            "cc": s.addresses("Cc."),
            "bcc": s.addresses("Bcc."),
            "subject": _SUBJECT,
            "body": _BODY,
            "attachments": _ATTACHED,
        },
        required=["to", "subject", "body"],
        gives=_SENT,
        manifest={
            "effect": "send",
            "noun": "message",
            "collection": "messages",
            "returns": "id(messages)",
            "args": {"to": WHO, "cc": WHO, "bcc": WHO, "subject": SUBJECT, "body": BODY, "attachments": "what"},
            "output": MESSAGE_OUTPUT,
        },
        effect_class=EffectClass.UNKEYED,
        wire_timeout_s=30.0,
    ),
    s.tool(
        "mail.reply",
        "Reply to a mail",
        "Answers a message in its thread, to its author (or, for a message of mine, to those it was sent to); with `reply_all` "
        "to everybody on it.",
        takes={"message_id": _MESSAGE_ID, "body": _BODY, "reply_all": s.flag("Also to everybody in To and Cc.")},
        required=["message_id", "body"],
        gives=s.record(
            {"message_id": s.STRING, "thread_id": s.STRING, "to": s.list_of(s.ADDRESS), "cc": s.list_of(s.ADDRESS)}
        ),
        manifest={
            "effect": "send",
            "noun": "message",
            "collection": "messages",
            "record": "message_id",
            "returns": "id(messages)",
            "args": {"message_id": MESSAGE_ARG, "body": BODY, "reply_all": "pick"},
            "output": MESSAGE_OUTPUT,
        },
        effect_class=EffectClass.UNKEYED,
        wire_timeout_s=30.0,
    ),
    s.tool(
        "mail.forward",
        "Forward a mail",
        "Sends a message on to others, with its text and attachments.",
        takes={
            "message_id": _MESSAGE_ID,
            "to": s.addresses("To.", at_least=1),
            "cc": s.addresses("Cc."),
            "body": s.text("A word above the forwarded text.", max_length=200_000),
        },
        required=["message_id", "to"],
        gives=_SENT,
        manifest={
            "effect": "send",
            "noun": "message",
            "collection": "messages",
            "record": "message_id",
            "returns": "id(messages)",
            "args": {"message_id": MESSAGE_ARG, "to": WHO, "cc": WHO, "body": BODY},
            "output": MESSAGE_OUTPUT,
        },
        effect_class=EffectClass.UNKEYED,
        wire_timeout_s=30.0,
    ),
    s.tool(
        "mail.create_draft",
        "Write a draft",
        "Puts an unsent mail into the account's drafts. Nobody else sees it.",
        takes={
            "to": s.addresses("To."),
            "cc": s.addresses("Cc."),
            "subject": _SUBJECT,
            "body": _BODY,
            "reply_to": s.text("Message it answers."),
        },
        required=["to", "subject", "body"],
        gives=s.record({"draft_id": s.STRING}),
        manifest={
            "effect": "create",
            "noun": "draft",
            "collection": "messages",
            "returns": "id(messages)",
            # A draft is seen by nobody else, so its addresses receive nothing yet.
            "args": {"to": "pick", "cc": "pick", "subject": SUBJECT, "body": BODY, "reply_to": MESSAGE_ARG},
            "output": MESSAGE_OUTPUT,
        },
        effect_class=EffectClass.UNKEYED,
        undo="mail.delete",
    ),
)


def _on_message(effect: str, **more: Any) -> dict[str, Any]:
    return {
        "effect": effect,
        "noun": "message",
        "collection": "messages",
        "record": "message_id",
        "args": {"message_id": MESSAGE_ARG},
        "output": MESSAGE_OUTPUT,
    } | more


CHANGES = (
    s.tool(
        "mail.update_labels",
        "Label a mail",
        "Adds and removes labels of one message in the account's mailbox.",
        takes={
            "message_id": _MESSAGE_ID,
            "add": s.many(s.text("Label.", max_length=100), "Labels to add."),
            "remove": s.many(s.text("Label.", max_length=100), "Labels to remove."),
        },
        required=["message_id"],
        gives=HEADER,
        manifest=_on_message("update", args={"message_id": MESSAGE_ARG, "add": "pick", "remove": "pick"}),
        effect_class=EffectClass.IDEMPOTENT,
        undo="mail.update_labels",
    ),
    s.tool(
        "mail.archive",
        "Archive a mail",
        "Takes one message out of the inbox; it stays findable.",
        takes={"message_id": _MESSAGE_ID},
        required=["message_id"],
        gives=HEADER,
        manifest=_on_message("update"),
        effect_class=EffectClass.IDEMPOTENT,
        undo="mail.update_labels",
    ),
    s.tool(
        "mail.mark_read",
        "Mark a mail read",
        "Marks one message read, or unread with `read` false.",
        takes={"message_id": _MESSAGE_ID, "read": s.flag("Default true.")},
        required=["message_id"],
        gives=HEADER,
        manifest=_on_message("update", args={"message_id": MESSAGE_ARG, "read": "pick"}),
        effect_class=EffectClass.IDEMPOTENT,
        undo="mail.mark_read",
    ),
    s.tool(
        "mail.delete",
        "Delete a mail",
        "Moves one message to the trash.",
        takes={"message_id": _MESSAGE_ID},
        required=["message_id"],
        gives=HEADER,
        manifest=_on_message("delete", destructive=True),
        effect_class=EffectClass.IDEMPOTENT,
        undo="mail.update_labels",
    ),
    s.tool(
        "mail.set_auto_reply",
        "Set the automatic reply",
        "Answers incoming mail automatically from `start` to `end`, to everyone or to colleagues only.",
        takes={
            "start": s.instant("First moment."),
            "end": s.instant("Last moment."),
            "subject": _SUBJECT,
            "body": _BODY,
            "audience": s.choice("Who is answered.", "everyone", "inside"),
        },
        required=["start", "end", "subject", "body", "audience"],
        gives=AUTO_REPLY,
        manifest={
            "effect": "rule",
            "noun": "automatic reply",
            "args": {"start": TIME, "end": TIME, "subject": SUBJECT, "body": BODY, "audience": "pick"},
            "output": {"fields": {"body": "text", "subject": "text"}},
        },
        effect_class=EffectClass.IDEMPOTENT,
        undo="mail.clear_auto_reply",
    ),
    s.tool(
        "mail.clear_auto_reply",
        "Clear the automatic reply",
        "Stops answering automatically.",
        takes={},
        gives=AUTO_REPLY,
        manifest={"effect": "rule", "noun": "automatic reply", "args": {}, "output": {"fields": {}}},
        effect_class=EffectClass.IDEMPOTENT,
        undo="mail.set_auto_reply",
    ),
)

TOOLS = READS + SENDS + CHANGES
