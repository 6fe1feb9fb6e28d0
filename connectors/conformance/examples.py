"""For every tool a call that must succeed, with whatever it needs made first; and how often its word is found afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.conformance.provider import Provider, iso, new_word


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    tool: str
    args: Mapping[str, Any]
    word: str  # occurs in what the call writes, and nowhere else


def example(provider: Provider, tool: str) -> Example:
    """A fresh call; two examples of one tool never touch the same object."""
    provider.need(tool)
    word = new_word()
    args = provider.examples[tool](word) if tool in provider.examples else _ARGS[tool](provider, word)
    return Example(tool=tool, args=args, word=word)


def count(provider: Provider, one: Example) -> int | None:
    """How many objects carry the word of a call; None for tools that make none."""
    match one.tool:
        case "mail.send" | "mail.reply" | "mail.forward":
            return len(provider.read("mail.search", query=one.word, label="sent")["messages"])
        case "mail.create_draft":
            return len(provider.read("mail.search", query=one.word, label="draft")["messages"])
        case "calendar.create_event":
            start, end = provider.now() - timedelta(days=1), provider.now() + timedelta(days=90)
            events = provider.read("calendar.list_events", start=iso(start), end=iso(end), query=one.word)["events"]
            return len(events)
        case "chat.post_message" | "chat.send_direct":
            return len(provider.read("chat.search", query=one.word)["messages"])
        case "chat.send_file":
            return len(provider.read("chat.list_files", query=one.word)["files"])
        case "chat.schedule_message":
            return len(provider.read("chat.list_scheduled", query=one.word)["scheduled"])
        case "chat.create_channel":
            return len(provider.read("chat.list_channels", query=one.word)["channels"])
        case _:
            return provider.counts[one.tool](one.word) if one.tool in provider.counts else None


def a_mail(provider: Provider, word: str, **more: Any) -> dict[str, Any]:
    """A mail the account sent to itself, as its mailbox shows it."""
    sent = provider.do("mail.send", {"to": [provider.account.subject], "subject": word, "body": "Text."} | more)
    mail: dict[str, Any] = provider.read("mail.get_message", message_id=sent["message_id"])
    return mail


def an_event(provider: Provider, word: str, **more: Any) -> dict[str, Any]:
    start = next_hour(provider.now()) + timedelta(days=30)
    args = {"title": word, "start": iso(start), "end": iso(start + timedelta(minutes=30))} | more
    event: dict[str, Any] = provider.do("calendar.create_event", args)
    return event


def an_invitation(provider: Provider, word: str) -> dict[str, Any]:
    """An event of the colleague that the account is invited to."""
    colleague = provider.need_colleague()
    start = next_hour(provider.now()) + timedelta(days=31)
    end = start + timedelta(minutes=30)
    args = {"title": word, "start": iso(start), "end": iso(end), "attendees": [provider.account.subject]}
    event: dict[str, Any] = provider.do("calendar.create_event", args, account=colleague)
    return event


def a_post(provider: Provider, word: str) -> dict[str, Any]:
    message: dict[str, Any] = provider.do("chat.post_message", {"channel": _channel(provider), "text": word})
    return message


def a_file(provider: Provider, word: str, **more: Any) -> dict[str, Any]:
    args = {"channel": _channel(provider), "name": f"{word}.txt", "content": f"About {word}."} | more
    file: dict[str, Any] = provider.do("chat.send_file", args)
    return file


def a_scheduled(provider: Provider, word: str, **more: Any) -> dict[str, Any]:
    args = {"channel": _channel(provider), "text": word, "send_at": _tomorrow(provider)} | more
    scheduled: dict[str, Any] = provider.do("chat.schedule_message", args)
    return scheduled


def _tomorrow(provider: Provider) -> str:
    return iso(next_hour(provider.now()) + timedelta(days=1))


def next_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _channel(provider: Provider) -> str:
    if provider.channel is not None:
        return provider.channel
    name: str = provider.do("chat.create_channel", {"name": new_word()})["channel"]
    return name


def _someone(provider: Provider) -> str:
    return provider.colleague.subject if provider.colleague else provider.outsider


def _window(provider: Provider) -> dict[str, Any]:
    return {"start": iso(provider.now() - timedelta(days=7)), "end": iso(provider.now() + timedelta(days=14))}


def a_mail_with_attachment(provider: Provider) -> dict[str, Any]:
    found = provider.read("mail.search", has_attachment=True)["messages"]
    if not found:
        pytest.skip("the mailbox has no attachment to read")
    mail: dict[str, Any] = provider.read("mail.get_message", message_id=found[0]["message_id"])
    return {"message_id": mail["message_id"], "attachment_id": mail["attachments"][0]["attachment_id"]}


_ARGS: Mapping[str, Callable[[Provider, str], dict[str, Any]]] = {
    "directory.list_people": lambda p, w: {},
    "directory.get_person": lambda p, w: {"address": p.account.subject},
    "mail.search": lambda p, w: {"since": iso(p.now() - timedelta(days=60))},
    "mail.get_message": lambda p, w: {"message_id": a_mail(p, w)["message_id"]},
    "mail.get_thread": lambda p, w: {"thread_id": a_mail(p, w)["thread_id"]},
    "mail.get_attachment": lambda p, w: a_mail_with_attachment(p),
    "mail.get_auto_reply": lambda p, w: {},
    "mail.send": lambda p, w: {"to": [_someone(p)], "subject": w, "body": "Text."},
    "mail.reply": lambda p, w: {"message_id": a_mail(p, new_word())["message_id"], "body": w},
    "mail.forward": lambda p, w: {"message_id": a_mail(p, new_word())["message_id"], "to": [_someone(p)], "body": w},
    "mail.create_draft": lambda p, w: {"to": [_someone(p)], "subject": w, "body": "Text."},
    "mail.update_labels": lambda p, w: {"message_id": a_mail(p, w)["message_id"], "add": ["important"]},
    "mail.archive": lambda p, w: {"message_id": a_mail(p, w)["message_id"]},
    "mail.mark_read": lambda p, w: {"message_id": a_mail(p, w)["message_id"]},
    "mail.delete": lambda p, w: {"message_id": a_mail(p, w)["message_id"]},
    "mail.set_auto_reply": lambda p, w: _window(p) | {"subject": w, "body": "I am away.", "audience": "inside"},
    "mail.clear_auto_reply": lambda p, w: {},
    "calendar.list_events": lambda p, w: _window(p),
    "calendar.get_event": lambda p, w: {"event_id": an_event(p, w)["event_id"]},
    "calendar.freebusy": lambda p, w: _window(p) | {"people": [p.account.subject, p.outsider]},
    "calendar.find_slots": lambda p, w: _window(p) | {"attendees": [_someone(p)], "minutes": 30},
    "calendar.list_rooms": lambda p, w: {},
    "calendar.create_event": lambda p, w: {
        "title": w,
        "start": iso(next_hour(p.now()) + timedelta(days=20)),
        "end": iso(next_hour(p.now()) + timedelta(days=20, minutes=30)),
        "attendees": [_someone(p)],
    },
    "calendar.update_event": lambda p, w: {"event_id": an_event(p, new_word())["event_id"], "title": w},
    "calendar.cancel_event": lambda p, w: {"event_id": an_event(p, w)["event_id"]},
    "calendar.respond": lambda p, w: {"event_id": an_invitation(p, w)["event_id"], "response": "accepted"},
    "chat.list_channels": lambda p, w: {},
    "chat.list_users": lambda p, w: {},
    "chat.history": lambda p, w: {"channel": a_post(p, w)["channel"]},
    "chat.search": lambda p, w: {"query": a_post(p, w)["text"]},
    "chat.get_thread": lambda p, w: {"message_id": a_post(p, w)["message_id"]},
    "chat.list_files": lambda p, w: {"query": a_file(p, w)["name"]},
    "chat.get_file": lambda p, w: {"file_id": a_file(p, w)["file_id"]},
    "chat.list_scheduled": lambda p, w: {"query": a_scheduled(p, w)["text"]},
    "chat.send_file": lambda p, w: {"channel": _channel(p), "name": f"{w}.txt", "content": f"About {w}."},
    "chat.schedule_message": lambda p, w: {"channel": _channel(p), "text": w, "send_at": _tomorrow(p)},
    "chat.cancel_scheduled": lambda p, w: {"scheduled_id": a_scheduled(p, w)["scheduled_id"]},
    "chat.post_message": lambda p, w: {"channel": _channel(p), "text": w},
    "chat.send_direct": lambda p, w: {"to": p.need_colleague().subject, "text": w},
    "chat.update_message": lambda p, w: {"message_id": a_post(p, new_word())["message_id"], "text": w},
    "chat.delete_message": lambda p, w: {"message_id": a_post(p, w)["message_id"]},
    "chat.add_reaction": lambda p, w: {"message_id": a_post(p, w)["message_id"], "name": "eyes"},
    "chat.create_channel": lambda p, w: {"name": w, "purpose": "A try"},
    "chat.invite": lambda p, w: {
        "channel": p.do("chat.create_channel", {"name": w})["channel"],
        "people": [p.need_colleague().subject],
    },
}
