"""What a command's exit says, as the public contract lists it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

NEAR_TIMER = timedelta(seconds=60)  # a following command waits for a timer this near, and leaves a later one alone


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    APPROVAL = 3  # or another repair, or paused: a person decides, nothing is in doubt
    DENIED = 4
    AUTH = 5  # not authenticated, or a connection needs new consent
    UNREACHABLE = 6
    NOT_FOUND = 7
    NEEDS_MODEL = 8
    ANSWER = 9
    OVER_BUDGET = 10
    CANCELLED = 11
    UNKNOWN_OUTCOME = 12
    INTERRUPTED = 130


MEANING: Mapping[Exit, str] = {
    Exit.OK: "done, or accepted with --detach, or waiting for a timer beyond a minute",
    Exit.FAILED: "failed",
    Exit.USAGE: "the command, a setting or a file is wrong",
    Exit.APPROVAL: "waits for an approval, for a repair, or is paused",
    Exit.DENIED: "denied by policy or by a person, or the approval expired",
    Exit.AUTH: "not authenticated, or a connection needs new consent",
    Exit.UNREACHABLE: "store, server or provider unreachable",
    Exit.NOT_FOUND: "no such thing",
    Exit.NEEDS_MODEL: "no workflow matches and no model is configured",
    Exit.ANSWER: "waits for an answer to a question",
    Exit.OVER_BUDGET: "over budget",
    Exit.CANCELLED: "cancelled",
    Exit.UNKNOWN_OUTCOME: "an effect's outcome is unknown: a person has to look",
    Exit.INTERRUPTED: "interrupted; the work goes on",
}

_ENDED = {
    "done": Exit.OK,
    "denied": Exit.DENIED,
    "needs_model": Exit.NEEDS_MODEL,
    "over_budget": Exit.OVER_BUDGET,
    "cancelled": Exit.CANCELLED,
}
_UNREACHABLE_CODES = frozenset(
    {"unavailable", "unreachable", "provider_unreachable", "store_unavailable", "rate_limited"}
) | frozenset({"model_unreachable", "model_overloaded", "model_rate_limited"})
_ERRORS = {
    "usage": Exit.USAGE,
    "bad_workflow": Exit.USAGE,
    "bad_bundle": Exit.USAGE,
    "bad_manifest": Exit.USAGE,
    "not_found": Exit.NOT_FOUND,
    "unauthorized": Exit.AUTH,
    "reconsent": Exit.AUTH,
    "credentials_unreadable": Exit.AUTH,
    "forbidden": Exit.DENIED,
    "unknown_connector": Exit.USAGE,
    "not_eligible": Exit.DENIED,
}


def of_error(code: str) -> Exit:
    """For an error that ends a command."""
    if code in _UNREACHABLE_CODES:
        return Exit.UNREACHABLE
    return _ERRORS.get(code, Exit.FAILED)


def of_item(document: Mapping[str, Any], now: datetime) -> Exit | None:
    """For a command that follows an item: None while it goes on by itself, else why it rests."""
    state = document["state"]
    if state == "failed":
        return Exit.UNREACHABLE if (document.get("error") or {}).get("code") in _UNREACHABLE_CODES else Exit.FAILED
    if state in _ENDED:
        return _ENDED[state]
    waiting = set(document.get("waiting_on") or ())
    if state == "waiting" or "paused" in waiting:
        for kind, code in _PRECEDENCE:
            if kind in waiting and (code is not Exit.UNKNOWN_OUTCOME or document.get("outcome_unknown")):
                return code
    if _sleeps_long(document, waiting, now):
        return Exit.OK
    return None


_PRECEDENCE = (
    ("repair", Exit.UNKNOWN_OUTCOME),
    ("answer", Exit.ANSWER),
    ("reconsent", Exit.AUTH),
    ("approval", Exit.APPROVAL),
    ("repair", Exit.APPROVAL),
    ("paused", Exit.APPROVAL),
)


def _sleeps_long(document: Mapping[str, Any], waiting: set[str], now: datetime) -> bool:
    """Whether only a timer, or a snooze, more than a minute ahead could move it."""
    snoozed = document.get("snooze_until")
    if snoozed and datetime.fromisoformat(snoozed) > now + NEAR_TIMER:
        return True
    if document["state"] != "waiting" or "timer" not in waiting or "child" in waiting:
        return False
    due = [
        datetime.fromisoformat(wait["due"])
        for wait in document.get("waits", ())
        if wait["kind"] == "timer" and wait["due"]
    ]
    return bool(due) and min(due) > now + NEAR_TIMER
