"""Copies the office of the main person onto Google and Slack as far as they can be had here: mail and chat on emulate, calendars on ours.

What is copied: mails (see `source`); events with attendees and their answers, rooms, zones, recurrences and visibility on
everybody's calendar; the main person's channels with their members, messages and threads, each posted by its author at its time
(the emulator's clock is set, nothing else of it). Each test gets a Gmail and calendars of its own; the workspace is shared.
"""

from __future__ import annotations

import base64
import copy
import email
import email.policy
import http.client
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from zoneinfo import ZoneInfo

from connectors.slack.tools import SCOPES
from tests.e2e.backends.source import Row, Source, connect
from tests.e2e.place import MONDAY, Place
from tests.services import emulate
from tests.services.google_calendar import GoogleCalendar, World

TOKEN = "google-token"
RESPONSES = {"accepted": "accepted", "declined": "declined", "tentative": "tentative", "needs_action": "needsAction"}
GMAIL_SCOPE = "https://www.googleapis.com/auth/gmail.modify"


class GoogleAndSlack:
    """`give` connects a place to a fresh copy of the main person's accounts."""

    def __init__(self, world: Path, folder: Path) -> None:
        self._source = Source(world)
        self.me = self._source.me
        self._folder, self._open = folder, ExitStack()
        try:
            self._mails = [_gmail(mail.labels, mail.is_unread, mail) for mail in self._source.mails()]
            self._company = _company(self._source)
            self.calendar = GoogleCalendar(copy.deepcopy(self._company))
            self._open.callback(self.calendar.stop)
            slack = self._open.enter_context(emulate.running("slack", _workspace(self._source), folder, now=MONDAY))
            self.slack = Slack(slack.port, self._source)
            self._open.callback(self.slack.hang_up)
            self.slack.fill()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._source.close()
        self._open.close()

    def give(self, place: Place) -> Accounts:
        """Connects the main person's mail, calendar and chat; the directory stays with the office."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        seed = {
            "tokens": {TOKEN: {"login": self.me, "scopes": [GMAIL_SCOPE]}},
            "google": {"users": [{"email": self.me, "name": "Me"}], "messages": self._mails},
        }
        opened = ExitStack()
        gmail = opened.enter_context(emulate.running("google", seed, folder, now=MONDAY))
        self.calendar.begin_again(copy.deepcopy(self._company))
        self.slack.at(MONDAY)
        roots = {"gmail_root": gmail.url, "calendar_root": self.calendar.root, "people_root": gmail.url}
        place.set(
            connectors={
                "google": {**roots, "units_per_minute": {"gmail": 1e9, "calendar": 1e9}},
                "slack": {"base_url": f"{self.slack.url}/api/", "share": 1000.0},
            }
        )
        rooms = [
            {"address": row["address"], "name": row["name"], "capacity": row["capacity"]}
            for row in self._source.rooms()
        ]
        settings = {"people": self._source.hours(), "rooms": rooms}
        connect(place, "google", ["mail", "calendar"], settings, access_token=TOKEN)
        connect(place, "slack", ["chat"], {}, bot_token=_token(self.me))
        return Accounts(self, gmail.url, roots, opened)


class Accounts:
    """The main person's accounts of one test, and what was put there since, read off the servers past every connector."""

    def __init__(self, servers: GoogleAndSlack, gmail: str, roots: Mapping[str, str], opened: ExitStack) -> None:
        self._servers, self._gmail, self._opened = servers, gmail, opened
        self.roots = roots
        self.slack_url = servers.slack.url
        self._sent, self._drafts = self._ids("SENT"), self._ids("DRAFT")
        self._events = copy.deepcopy(servers.calendar.world.calendars[servers.me].events)
        self._posts = servers.slack.posts()

    def close(self) -> None:
        self._opened.close()

    def sent(self) -> list[EmailMessage]:
        """Mails that were not there before."""
        return [self._mail(one) for one in sorted(self._ids("SENT") - self._sent)]

    def posted(self) -> list[tuple[str, str]]:
        """(channel, text) of messages that were not there before; a direct one's channel is empty."""
        found = self._servers.slack.posts()
        return [found[ts] for ts in sorted(found) if ts not in self._posts]

    def counts(self) -> Counter[str]:
        """How many of each are new or changed; none of what there is none of."""
        now = self._servers.calendar.world.calendars[self._servers.me].events
        changed = [name for name, event in self._events.items() if now[name]["etag"] != event["etag"]]
        return +Counter(
            sent=len(self._ids("SENT") - self._sent),
            drafts=len(self._ids("DRAFT") - self._drafts),
            created=len(now.keys() - self._events.keys()),
            changed=len(changed),
            posted=len(self.posted()),
        )

    def _ids(self, label: str) -> set[str]:
        return {one["id"] for page in self._pages(label) for one in page.get("messages", ())}

    def _pages(self, label: str) -> Iterator[Mapping[str, Any]]:
        page = self._ask(f"messages?labelIds={label}&maxResults=500")
        yield page
        while page.get("nextPageToken"):
            page = self._ask(f"messages?labelIds={label}&maxResults=500&pageToken={page['nextPageToken']}")
            yield page

    def _mail(self, message_id: str) -> EmailMessage:
        raw = self._ask(f"messages/{message_id}?format=raw")["raw"]
        text = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
        mail = email.message_from_bytes(text, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        return mail

    def _ask(self, path: str) -> dict[str, Any]:
        request = Request(f"{self._gmail}/gmail/v1/users/me/{path}", headers={"Authorization": f"Bearer {TOKEN}"})
        with urlopen(request, timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
        return answer


def recipients(mail: EmailMessage) -> list[str]:
    """Whom a mail goes to, in order."""
    said = [part for name in ("To", "Cc") for part in str(mail[name] or "").split(",") if part.strip()]
    return sorted(part.strip().lower() for part in said)


# ---- Gmail -----------------------------------------------------------------------------------------------------------
def _gmail(labels: Sequence[str], is_unread: bool, mail: Any) -> dict[str, Any]:
    """One message of emulate's seed."""
    own = [{"inbox": "INBOX", "sent": "SENT"}[mail.folder], *(["UNREAD"] if is_unread else [])]
    return {
        "raw": base64.urlsafe_b64encode(mail.text).decode().rstrip("="),
        "label_ids": own + ["IMPORTANT" if one == "important" else one for one in labels],
        "internal_date": emulate.milliseconds(mail.at),
    }


# ---- Calendar --------------------------------------------------------------------------------------------------------
def _company(source: Source) -> World:
    """Everybody's calendar. Its clock stands at the Monday on which the office is."""
    world = World(now=_monday)
    for row in source.people():
        token = TOKEN if row["address"] == source.me else f"token-{row['address']}"
        world.add_user(row["address"], zone=row["zone"], token=token, name=row["name"])
    for row in source.rooms():
        world.add_room(row["address"], zone="Europe/Lisbon", name=row["name"])
    for event, people in source.events():
        resource = _event(event, people, world)
        for who in people:
            if (calendar := world.calendars.get(who["address"])) is not None:
                calendar.store(copy.deepcopy(resource), now=_monday())
    return world


def _monday() -> datetime:
    return MONDAY


def _event(row: Row, people: Sequence[Row], world: World) -> dict[str, Any]:
    zone = ZoneInfo(row["zone"])
    start, end = (datetime.fromtimestamp(row[name], zone) for name in ("start_at", "end_at"))
    event_id = re.sub(r"[^a-v0-9]", "", row["event_id"].removeprefix("evt_"))
    event: dict[str, Any] = {
        "id": event_id,
        "iCalUID": f"{event_id}@google.com",
        "status": row["status"],
        "organizer": {"email": row["organizer"], "displayName": world.name_of(row["organizer"]) or row["organizer"]},
        "creator": {"email": row["organizer"]},
        "created": "2026-01-01T00:00:00.000Z",
        "sequence": 0,
        "eventType": "default",
        "summary": row["title"],
        "visibility": row["visibility"],
        "transparency": "opaque" if row["busy"] else "transparent",
        "attendees": [
            {
                "email": one["address"],
                "displayName": world.name_of(one["address"]) or one["address"],
                "responseStatus": RESPONSES[one["response"]],
                **({"resource": True} if one["role"] == "room" else {}),
            }
            for one in people
            if one["role"] != "organizer"
        ],
    }
    if row["all_day"]:
        event |= {"start": {"date": start.date().isoformat()}}
        event |= {"end": {"date": (end + timedelta(hours=1)).date().isoformat()}}
    else:
        event |= {name: _when(moment, row["zone"]) for name, moment in (("start", start), ("end", end))}
    event |= {name: row[name] for name in ("location", "description") if row[name]}
    if row["recurrence"]:
        event["recurrence"] = [f"RRULE:{row['recurrence'].removeprefix('RRULE:')}"]
    return event


def _when(moment: datetime, zone: str) -> dict[str, str]:
    return {"dateTime": moment.isoformat(timespec="seconds"), "timeZone": zone}


# ---- Slack -----------------------------------------------------------------------------------------------------------
def _token(address: str) -> str:
    """What the connector holds: no more than its tools need."""
    return f"xoxb-{address}"


def _own(address: str) -> str:
    """Of the person at their own screen."""
    return f"xoxp-{address}"


def _workspace(source: Source) -> dict[str, Any]:
    scopes = sorted({scope for several in SCOPES.values() for scope in several})
    everything = [*scopes, "channels:join", "channels:write"]
    people = source.people()
    return {
        "slack": {
            "team": {"name": "Brightwater", "domain": "brightwater"},
            "users": [{"name": row["handle"], "real_name": row["name"], "email": row["address"]} for row in people],
            "tokens": [
                *({"token": _token(row["address"]), "user": row["handle"], "scopes": scopes} for row in people),
                *({"token": _own(row["address"]), "user": row["handle"], "scopes": everything} for row in people),
            ],
            "strict_scopes": True,
        }
    }


class Slack:
    """The workspace, spoken to past the connector, as anybody in it and at any time."""

    def __init__(self, port: int, source: Source) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._source, self._me = source, source.me
        self._users: dict[str, str] = {}  # by handle

    def say(self, method: str, who: str, *, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {_own(who)}", "Content-Type": "application/json"}
        if at is not None:
            headers["X-Test-Time"] = emulate.milliseconds(at)
        self._line.request("POST", f"/api/{method}", json.dumps(fields), headers)
        answer: dict[str, Any] = json.load(self._line.getresponse())
        assert answer["ok"], (method, fields, answer)
        return answer

    def hang_up(self) -> None:
        self._line.close()

    def at(self, now: datetime) -> None:
        """Sets its clock."""
        self.hang_up()  # what was idle may be closed at its other end
        self.say("auth.test", self._me, at=now)

    def fill(self) -> None:
        members = self.say("users.list", self._me, limit=1000)["members"]
        self._users = {one["name"]: one["id"] for one in members}
        by_address = {row["address"]: row["handle"] for row in self._source.people()}
        known = {one["name"]: one["id"] for one in self._channels()}
        for row in self._source.rows("select * from channels order by channel_id"):
            people = [
                one["address"]
                for one in self._source.rows("select address from members where channel_id = ?", row["channel_id"])
                if one["address"] in by_address
            ]
            if self._me in people:
                self._open(row, people, known, by_address)

    def _open(self, row: Row, people: Sequence[str], known: Mapping[str, str], handles: Mapping[str, str]) -> None:
        channel = known.get(row["name"])
        if channel is None:
            made = self.say("conversations.create", people[0], name=row["name"], is_private=bool(row["private"]))
            channel = str(made["channel"]["id"])
            if others := [self._users[handles[one]] for one in people[1:]]:
                self.say("conversations.invite", people[0], channel=channel, users=",".join(others))
        else:
            for one in people:
                self.say("conversations.join", one, channel=channel)
        self.say("conversations.setPurpose", people[0], channel=channel, purpose=row["purpose"])
        times: dict[str, str] = {}
        for said in self._source.rows(
            "select * from messages where channel_id = ? and deleted = 0 order by sent_at, seq", row["channel_id"]
        ):
            thread = {"thread_ts": times[said["thread_id"]]} if said["thread_id"] in times else {}
            at = datetime.fromtimestamp(said["sent_at"], UTC)
            fields = {"channel": channel, "text": self._written(said["text"]), **thread}
            times[said["message_id"]] = self.say("chat.postMessage", said["author"], at=at, **fields)["ts"]

    def _written(self, text: str) -> str:
        """As Slack keeps it: names of people as their ids."""

        def name(found: re.Match[str]) -> str:
            return f"<@{self._users[found[1]]}>" if found[1] in self._users else found[0]

        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return re.sub(r"@([a-z0-9._-]*[a-z0-9])", name, escaped)

    def _channels(self) -> list[dict[str, Any]]:
        kinds = "public_channel,private_channel,im"
        found: list[dict[str, Any]] = self.say("conversations.list", self._me, types=kinds, limit=1000)["channels"]
        return found

    def posts(self) -> dict[str, tuple[str, str]]:
        """Every message that the main person can see, but answers in threads: (channel, text) by time."""
        self.hang_up()
        return {
            message["ts"]: ("" if channel.get("is_im") else f"#{channel['name']}", message["text"])
            for channel in self._channels()
            if channel.get("is_member") or channel.get("is_im")
            for message in self.say("conversations.history", self._me, channel=channel["id"], limit=1000)["messages"]
        }
