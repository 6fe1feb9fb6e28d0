"""What every change of a Google calendar shares: its key, its span, its room, whom Google tells, and how an answer may fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from connectors.errors import Conflict, ConnectorError, InvalidCall, OutcomeUnknown
from connectors.google import calendar_reads as reads
from connectors.google import calendar_values as values
from connectors.google.calendar_values import Resource
from connectors.google.context import Context

LONGEST_DAYS = 366


@contextmanager
def after_the_change() -> Iterator[None]:
    """INVARIANT: once a change was made, no error says that it was not. What fails while the answer is put together leaves the
    outcome to `reconcile`."""
    try:
        yield
    except (ConnectorError, KeyError, TypeError, ValueError) as error:
        raise OutcomeUnknown(
            "Google made the change, its answer is not readable", fix="Read the event again."
        ) from error


def key_of(ctx: Context) -> str:
    if ctx.key is None:
        raise InvalidCall("an effect needs a key", fix="Call it through the gate.")
    return ctx.key


def changes_of(event: Resource) -> list[str]:
    return values.private_properties(event).get(values.CHANGES, "").split()


def mark(event: Resource, key: str) -> Resource:
    """Extended properties with which the event remembers a change of ours; a patch leaves the others there."""
    keys = [*(one for one in changes_of(event) if one != key), key]
    return {"private": {values.CHANGES: " ".join(keys[-values.KEPT_CHANGES :])}}


def updates(attendees: Any) -> str:
    """Whom Google tells. Named in every request: left out, guests would not learn of anything."""
    return "all" if attendees else "none"


def checked_span(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    if not 0 < (end - start).total_seconds() <= LONGEST_DAYS * 86_400:
        raise InvalidCall("the end must be after the start, and within a year of it", fix="Check both times.")
    return start, end


def bookable(ctx: Context, room: str, start: datetime, end: datetime, *, without: str | None = None) -> str:
    """The room's address. Conflict when it is taken; the room itself has the last word when it is invited."""
    [address] = values.addresses([room])
    if address not in {one["address"] for one in reads.rooms(ctx)}:
        raise InvalidCall(f"there is no room {address!r}", fix="Choose one of calendar.list_rooms.")
    if reads.is_free(ctx, address, start, end, without=without) is False:
        raise Conflict("the room is taken at that time", fix="Choose another room or time.")
    return address
