"""Copies the office of the main person onto real servers: their mailbox to IMAP, everybody's calendar to CalDAV.

What is copied: mails (see `source`), and events with attendees and their answers, rooms, zones, recurrences and visibility. Each
test gets a mailbox and a calendar of its own, copied on the disk; the calendars of the others, which nobody writes to, are shared.
"""

from __future__ import annotations

import imaplib
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import icalendar

from connectors.imap.labels import keyword
from tests.e2e.backends.source import Row, Source, connect
from tests.e2e.place import Place
from tests.services.dovecot import Dovecot
from tests.services.radicale import CALENDAR, PASSWORD, Radicale

MAILBOX = "master"  # the login of the mailbox that is copied
PARTSTAT = {"accepted": "ACCEPTED", "declined": "DECLINED", "tentative": "TENTATIVE", "needs_action": "NEEDS-ACTION"}


def _event(row: Row, people: Sequence[Row]) -> str:
    zone = ZoneInfo(row["zone"])
    start, end = (datetime.fromtimestamp(row[name], zone) for name in ("start_at", "end_at"))
    event = icalendar.Event()
    event.add("UID", row["event_id"])
    event.add("DTSTAMP", datetime(2026, 1, 1, tzinfo=UTC))
    event.add("SUMMARY", row["title"])
    event.add("DTSTART", start.date() if row["all_day"] else start)
    event.add("DTEND", (end + timedelta(hours=1)).date() if row["all_day"] else end)
    event.add("ORGANIZER", f"mailto:{row['organizer']}")
    for name, column in (("LOCATION", "location"), ("DESCRIPTION", "description")):
        if row[column]:
            event.add(name, row[column])
    if row["status"] == "cancelled":
        event.add("STATUS", "CANCELLED")
    if row["visibility"] == "private":
        event.add("CLASS", "PRIVATE")
    if not row["busy"]:
        event.add("TRANSP", "TRANSPARENT")
    if row["recurrence"]:
        event.add("RRULE", icalendar.vRecur.from_ical(row["recurrence"].removeprefix("RRULE:")))
    for one in people:
        if one["role"] == "organizer":
            continue
        who = icalendar.vCalAddress(f"mailto:{one['address']}")
        who.params["CUTYPE"] = "ROOM" if one["role"] == "room" else "INDIVIDUAL"
        who.params["PARTSTAT"] = PARTSTAT[one["response"]]
        event.add("ATTENDEE", who)
    zones = "" if row["all_day"] or row["zone"] == "UTC" else _zone(row["zone"])
    body = event.to_ical().decode()
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Other//EN\r\n{zones}{body}END:VCALENDAR\r\n"


@cache
def _zone(name: str) -> str:
    made = icalendar.Timezone.from_tzid(name)
    text: str = made.to_ical().decode()
    return text


# ---- onto servers ------------------------------------------------------------------------------------------------------
class MailAndCalendar:
    """Dovecot and Radicale with the office on them; `give` connects a place to a fresh copy of the main person's accounts."""

    def __init__(self, world: Path, folder: Path, copies: int) -> None:
        self._source = Source(world)
        self.me = self._source.me
        self._free = [f"copy{number}" for number in range(copies)]
        (folder / "radicale").mkdir(parents=True)
        self.radicale = Radicale(folder / "radicale", [*self._source.calendars, *self._free])
        self.dovecot = Dovecot([MAILBOX, *self._free])
        self._fill_mail()
        self._fill_calendars()

    def stop(self) -> None:
        self._source.close()
        self.radicale.stop()
        self.dovecot.stop()

    def _fill_mail(self) -> None:
        with imaplib.IMAP4("127.0.0.1", self.dovecot.imap_port) as line:
            line.login(MAILBOX, self.dovecot.password)
            for mail in self._source.mails():
                name = {"inbox": "INBOX", "sent": "Sent"}[mail.folder]
                flags = [] if mail.is_unread else ["\\Seen"]
                flags += ["\\Flagged" if label == "important" else keyword(label) for label in mail.labels]
                at = imaplib.Time2Internaldate(mail.at)
                said, answer = line.append(name, f"({' '.join(flags)})", at, mail.text)
                assert said == "OK", answer

    def _fill_calendars(self) -> None:
        known = set(self._source.calendars)
        for event, people in self._source.events():
            for who in known.intersection(one["address"] for one in people):
                self.radicale.plant_text(who, event["event_id"], _event(event, people))

    def give(self, place: Place) -> Accounts:
        """Connects the main person's mail and calendar; chat and directory stay with the office."""
        login = self._free.pop()
        mail = self.dovecot.base / "mail"
        subprocess.run(["cp", "-a", str(mail / MAILBOX), str(mail / login)], check=True)  # keeps whose the files are
        root = self.radicale.folder / "collections" / "collection-root"
        shutil.copytree(root / self.me / CALENDAR, root / login / CALENDAR, dirs_exist_ok=True)
        connect(place, "imap", ["mail"], self._mail_settings(place), username=login, password=self.dovecot.password)
        connect(place, "caldav", ["calendar"], self._calendar_settings(login), username=login, password=PASSWORD)
        return Accounts(self, login)

    def _mail_settings(self, place: Place) -> dict[str, Any]:
        name = place.office.person(place.me.principal_id)["name"]
        found: dict[str, Any] = {"name": name}
        for kind, port in (("imap", self.dovecot.imap_port), ("smtp", self.dovecot.smtp_port)):
            found |= {f"{kind}_host": "127.0.0.1", f"{kind}_port": port, f"{kind}_security": "none"}
        return found

    def _calendar_settings(self, login: str) -> dict[str, Any]:
        url = self.radicale.url
        hours = self._source.hours()
        own = hours.pop(self.me)
        people = {
            row["address"]: {
                "url": f"{url}{row['address']}/{CALENDAR}/",
                "name": row["name"],
                **hours[row["address"]],
            }
            for row in self._source.people()
            if row["address"] in hours
        }
        rooms = [
            {
                "address": row["address"],
                "name": row["name"],
                "room": row["room_id"],
                "capacity": row["capacity"],
                "url": f"{url}{row['address']}/{CALENDAR}/",
            }
            for row in self._source.rooms()
        ]
        return {"url": f"{url}{login}/{CALENDAR}/", **own, "people": people, "rooms": rooms}


class Accounts:
    """The main person's accounts of one test, and what was put there since: read off the disk, whatever the protocols say."""

    def __init__(self, servers: MailAndCalendar, login: str) -> None:
        self._servers, self.login = servers, login
        self._events = servers.radicale.objects(login)
        self._sent = {path.name.partition(":")[0] for path in servers.dovecot.files(login, "Sent")}
        self._submitted = len(servers.dovecot.submission.taken)

    @staticmethod
    def close(place: Place) -> None:
        """Hangs up: a worker's process would end here."""
        for name in ("imap", "caldav"):
            if (connector := place.house.toolbox.connector(name)) is not None:
                connector.close()  # type: ignore[attr-defined]  # both keep lines open

    def sent(self) -> list[str]:
        """Copies among the sent mails that were not there before."""
        found = self._servers.dovecot.files(self.login, "Sent")
        return [path.read_text() for path in found if path.name.partition(":")[0] not in self._sent]

    def drafts(self) -> list[Path]:
        return self._servers.dovecot.files(self.login, "Drafts")

    def submitted(self) -> list[tuple[str, tuple[str, ...], bytes]]:
        """What the submission server was handed: (sender, recipients, mail)."""
        return self._servers.dovecot.submission.taken[self._submitted :]

    def counts(self) -> Counter[str]:
        """How many of each are new or changed; none of what there is none of."""
        found: dict[str, Sequence[Any]] = {
            "sent": self.sent(),
            "drafts": self.drafts(),
            "submitted": self.submitted(),
            "created": self.new_events(),
            "changed": self.changed_events(),
        }
        return +Counter({name: len(ones) for name, ones in found.items()})

    def new_events(self) -> list[str]:
        now = self._servers.radicale.objects(self.login)
        return [text for name, text in now.items() if name not in self._events]

    def changed_events(self) -> list[str]:
        """Events that were there before and are not as they were, or gone (then an empty text)."""
        now = self._servers.radicale.objects(self.login)
        return [now.get(name, "") for name, text in self._events.items() if now.get(name) != text]
