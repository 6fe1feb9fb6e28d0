"""The mail family on the Gmail API, as `connectors.google.connector` puts it together: one function for each tool."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.google import gmail_change, gmail_follow, gmail_read, gmail_search, gmail_send
from connectors.google.context import Handler, Reconciler
from connectors.google.discovery import SCOPE
from connectors.spec import EffectClass

HANDLERS: Mapping[str, Handler] = {
    "mail.search": gmail_search.search,
    "mail.get_message": gmail_read.get_message,
    "mail.get_thread": gmail_read.get_thread,
    "mail.get_attachment": gmail_read.get_attachment,
    "mail.get_auto_reply": gmail_read.get_auto_reply,
    "mail.send": gmail_send.send,
    "mail.reply": gmail_send.reply,
    "mail.forward": gmail_send.forward,
    "mail.create_draft": gmail_send.create_draft,
    "mail.update_labels": gmail_change.update_labels,
    "mail.archive": gmail_change.archive,
    "mail.mark_read": gmail_change.mark_read,
    "mail.delete": gmail_change.delete,
    "mail.set_auto_reply": gmail_change.set_auto_reply,
    "mail.clear_auto_reply": gmail_change.clear_auto_reply,
}

RECONCILE: Mapping[str, Reconciler] = {
    "mail.send": gmail_send.sent_ids,
    "mail.reply": gmail_send.sent,
    "mail.forward": gmail_send.sent_ids,
    "mail.create_draft": gmail_send.drafted,
    "mail.update_labels": gmail_change.labelled,
    "mail.archive": gmail_change.archived,
    "mail.mark_read": gmail_change.marked,
    "mail.delete": gmail_change.deleted,
    "mail.set_auto_reply": gmail_change.replies,
    "mail.clear_auto_reply": gmail_change.replies_no_more,
}

CLASSES: Mapping[str, EffectClass] = {  # stronger than the family asks; `gmail_send` says why
    "mail.send": EffectClass.KEYED,
    "mail.reply": EffectClass.KEYED,
    "mail.forward": EffectClass.KEYED,
}

_READ = SCOPE + "gmail.readonly"
_COMPOSE = SCOPE + "gmail.compose"
_MODIFY = SCOPE + "gmail.modify"
_SETTINGS = SCOPE + "gmail.settings.basic"

SCOPES: Mapping[str, tuple[str, ...]] = {
    "mail.search": (_READ,),
    "mail.get_message": (_READ,),
    "mail.get_thread": (_READ,),
    "mail.get_attachment": (_READ,),
    "mail.get_auto_reply": (_READ,),
    "mail.send": (_READ, _COMPOSE),  # reading, because an attempt has to be found again
    "mail.reply": (_READ, _COMPOSE),
    "mail.forward": (_READ, _COMPOSE),
    "mail.create_draft": (_READ, _COMPOSE),
    "mail.update_labels": (_MODIFY,),
    "mail.archive": (_MODIFY,),
    "mail.mark_read": (_MODIFY,),
    "mail.delete": (_MODIFY,),
    "mail.set_auto_reply": (_SETTINGS,),
    "mail.clear_auto_reply": (_SETTINGS,),
}

POLL_S = gmail_follow.POLL_S
NEWEST = gmail_follow.NEWEST
LATEST = gmail_follow.LATEST
preconditions = gmail_follow.preconditions
check = gmail_follow.check
changes = gmail_follow.changes
is_news = gmail_follow.is_news
