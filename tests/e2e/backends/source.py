"""What there is in an office to copy onto servers, and a connection to them as `deputy connect` makes it.

Mails come with date, thread, flags, labels, attachments and who speaks automatically; of events, people and rooms the rows.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from pathlib import Path
from typing import Any

from orchestrator import providers
from orchestrator.store.database import Store
from tests.e2e.place import Place

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A mail in a mailbox: `folder` is inbox or sent, `text` the whole mail."""

    folder: str
    labels: Sequence[str]
    is_unread: bool
    at: datetime
    text: bytes


class Source:
    """An office file, read as it stands."""

    def __init__(self, world: Path) -> None:
        self._db = sqlite3.connect(f"file:{world / 'office.db'}?mode=ro", uri=True)
        self._db.row_factory = sqlite3.Row
        self.me = str(self.rows("select value from meta where name = 'owner'")[0]["value"])

    def rows(self, query: str, *values: Any) -> list[Row]:
        return [dict(row) for row in self._db.execute(query, values)]

    def close(self) -> None:
        self._db.close()

    @property
    def calendars(self) -> list[str]:
        """Everybody inside, and the rooms."""
        found = self.rows("select address from people where inside = 1 union select address from rooms order by 1")
        return [row["address"] for row in found]

    # ---- mail --------------------------------------------------------------------------------------------------------
    def mails(self) -> Iterator[Kept]:
        """Every mail in the main person's mailbox, oldest first."""
        parents = {
            row["message_id"]: row["in_reply_to"] for row in self.rows("select message_id, in_reply_to from mails")
        }
        for row in self.rows(
            "select m.*, b.folder, b.labels, b.unread from mailbox b join mails m on m.seq = b.seq"
            " where b.address = ? order by b.sent_at, b.seq",
            self.me,
        ):
            at = datetime.fromtimestamp(row["sent_at"], UTC)
            text = self._mail(row, at, parents)
            labels = tuple(json.loads(row["labels"]))
            yield Kept(folder=row["folder"], labels=labels, is_unread=bool(row["unread"]), at=at, text=text)

    def _mail(self, row: Row, at: datetime, parents: Mapping[str, str | None]) -> bytes:
        mail = EmailMessage()
        mail["From"] = formataddr((row["author_name"], row["author"]))
        for header, column in (("To", "to_list"), ("Cc", "cc_list")):
            if addresses := json.loads(row[column]):
                mail[header] = ", ".join(addresses)
        mail["Subject"] = row["subject"]
        mail["Date"] = format_datetime(at)
        mail["Message-ID"] = _mid(row["message_id"])
        chain: list[str] = []
        parent = row["in_reply_to"]
        while parent is not None and parent not in chain:
            chain.insert(0, parent)
            parent = parents.get(parent)
        if chain:
            mail["In-Reply-To"] = _mid(chain[-1])
            mail["References"] = " ".join(_mid(one) for one in chain)
        if row["kind"] == "automated":
            mail["Auto-Submitted"] = "auto-generated"
        elif row["kind"] == "newsletter":
            mail["List-Id"] = "<newsletter.example>"
            mail["Precedence"] = "bulk"
        mail.set_content(row["body"])
        for one in self.rows(
            "select * from attachments where message_id = ? order by attachment_id", row["message_id"]
        ):
            major, _, minor = one["mime"].partition("/")
            mail.add_attachment((one["text"] or "").encode(), maintype=major, subtype=minor, filename=one["name"])
        return mail.as_bytes()

    # ---- calendars and people ----------------------------------------------------------------------------------------
    def events(self) -> Iterator[tuple[Row, Sequence[Row]]]:
        """Every event, and who has it on their calendar."""
        invites: dict[str, list[Row]] = {}
        for row in self.rows("select * from invites order by address"):
            invites.setdefault(row["event_id"], []).append(row)
        for event in self.rows("select * from events where series_id is null order by event_id"):
            yield event, invites.get(event["event_id"], [])

    def people(self) -> list[Row]:
        """Everybody inside."""
        return self.rows("select * from people where inside = 1 order by address")

    def hours(self) -> dict[str, dict[str, Any]]:
        """Zone and working hours of everybody inside, by address."""
        return {
            row["address"]: {"zone": row["zone"], "working_hours": json.loads(row["working_hours"])}
            for row in self.people()
        }

    def rooms(self) -> list[Row]:
        return self.rows("select * from rooms order by capacity")


def _mid(message_id: str) -> str:
    return f"<{message_id}@mail.example>"


def connect(
    place: Place,
    connector: str,
    families: Sequence[str],
    settings: Mapping[str, Any],
    **credentials: str,
) -> None:
    """As `deputy connect` does."""
    me = place.me.principal_id
    new = providers.NewAccount(
        connector=connector,
        subject=me,
        families=families,
        settings=settings,
        credentials=credentials,
    )
    store = Store.open(place.settings.store_url)
    try:
        providers.connect(place.settings, store, new, owner=me, actor=me)
    finally:
        store.close()
