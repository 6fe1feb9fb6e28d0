"""Following the inbox by UID (RFC 4549): what arrived after the cursor, each message once, and all anew when UIDs are reset."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta

from connectors.errors import InvalidCall
from connectors.imap import criteria, reads
from connectors.imap.mailbox import Mailbox
from connectors.spec import Change, Changes

PAGE = 50
OVERLAP = timedelta(days=1)  # a resync begins so long before the old cursor was last moved


def changes(box: Mailbox, cursor: str | None) -> Changes:
    """Messages that came into the inbox since the cursor. A change is named by its message, whatever its UID."""
    inbox = box.folder("inbox")
    if cursor is None:
        return Changes(changes=(), cursor=_write(*box.line.status(inbox)))
    validity, following, seen_at = _read(cursor)
    found = box.line.select(inbox)
    is_resync = found != validity
    if is_resync:
        uids = box.line.search(criteria.since(datetime.fromtimestamp(seen_at, UTC) - OVERLAP))
    else:
        # "n:*" names the last message even where its UID is lower than n
        uids = [uid for uid in box.line.search(f"UID {following}:*") if uid >= following]
    # A resync is given whole: its pages would all begin before the new cursor.
    page = uids if is_resync else uids[:PAGE]
    records = box.merge(box.read(inbox, page))
    records.sort(key=lambda one: max(copy.uid for copy in one.copies))
    headers = reads.headers(box, records)
    more = len(page) < len(uids)
    behind = max([*page, following - 1 if not is_resync else 0]) + 1
    return Changes(
        changes=[Change(change_id=one["message_id"], kind="message", record=one) for one in headers],
        cursor=_write(found, behind, seen_at if more else None),
        more=more,
        is_resync=is_resync,
    )


def is_new(box: Mailbox, cursor: str) -> bool:
    """Whether `changes` would tell something. Ends with the inbox selected, so that IDLE tells of all that comes from then on."""
    validity, following, _ = _read(cursor)
    inbox = box.folder("inbox")
    found = box.line.select(inbox)
    upcoming = box.line.following[inbox]
    if upcoming is None:  # a server that does not say; STATUS must
        _, upcoming = box.line.status(inbox)
    return found != validity or upcoming > following


def _write(validity: int, following: int, seen_at: float | None = None) -> str:
    place = [validity, following, int(time.time() if seen_at is None else seen_at)]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read(cursor: str) -> tuple[int, int, int]:
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, RecursionError):
        place = None
    if isinstance(place, list) and [type(part) for part in place] == [int, int, int]:
        return place[0], place[1], place[2]
    raise InvalidCall("the cursor is not one of this stream", fix="Begin without one.")
