"""The local office as a world: what it holds, what was changed since its seed, its clock and its faults.

Tests, demos and `deputy office …` use this. Deputy itself acts on the office only through `OfficeConnector`, as on any other
provider; nothing here asks a gate.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from connectors import wire
from connectors.errors import InvalidCall, NotFound
from connectors.office import calendar_effects, chat, differences, directory, mail_effects
from connectors.office.clock import OfficeClock
from connectors.office.context import Context, drawn_id
from connectors.office.database import Database
from connectors.office.faults import Faults
from connectors.office.mail_effects import Letter

OFFICE_HOURS: Mapping[str, Any] = {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:30"}


class Office:
    """One office in one SQLite file, safe for several threads and processes. A file that is missing becomes an empty office."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.database = Database(path)
        self.database.create()
        self.clock = OfficeClock(path)
        self.faults = Faults(self.database)

    @property
    def path(self) -> str:
        return os.fspath(self.database.path)

    def close(self) -> None:
        self.database.close()

    def now(self) -> datetime:
        return self.clock.now()

    def set_now(self, now: datetime | None) -> None:
        """Shifts the office's clock in every process; None returns to real time."""
        self.clock.set_now(now)

    def reset(self, *, seed: int | None = None, now: datetime | None = None) -> None:
        """Builds the world afresh, of the same size; by default of the same seed, and on real time."""
        from connectors.office.seeding import seed as build  # here: the builder needs the office

        build(
            self.path,
            seed=int(self._meta("seed") or 1) if seed is None else seed,
            now=now,
            people=int(self._meta("people") or 40),
            weeks=int(self._meta("weeks") or 26),
        ).close()

    @property
    def is_seeded(self) -> bool:
        return self._meta("seed") is not None

    def owner(self) -> str:
        """Address of the main person. NotFound in an office that was never seeded."""
        owner = self._meta("owner")
        if owner is None:
            raise NotFound("the office is empty", fix="Seed it: deputy office reset.")
        return owner

    def person(self, address: str) -> dict[str, Any]:
        """The directory's record of somebody, with their meeting `preferences`. NotFound otherwise."""
        with self.database.read() as c:
            person = directory.find(c, wire.lower(address))
            if person is None:
                raise NotFound("the office has no such person", fix="Look with deputy office show.")
            row = c.execute("select preferences from people where address = ?", (person["address"],)).fetchone()
        return person | {"preferences": json.loads(row["preferences"])}

    def people(self) -> list[dict[str, Any]]:
        """Everybody in the directory, insiders first, with their preferences."""
        with self.database.read() as c:
            rows = c.execute("select address from people order by inside desc, name, address").fetchall()
        return [self.person(row["address"]) for row in rows]

    # ---- adding to the world -------------------------------------------------------------------------------------------

    def add_person(
        self,
        name: str,
        *,
        address: str | None = None,
        zone: str = "UTC",
        role: str = "",
        team: str = "",
        manager: str | None = None,
        inside: bool = True,
        aliases: Sequence[str] = (),
        working_hours: Mapping[str, Any] = OFFICE_HOURS,
        preferences: Mapping[str, Any] | None = None,
    ) -> str:
        """Adds somebody to the directory (and, inside, to #general); returns the address, made from the name if none is given."""
        wire.zone_of(zone)
        with self._write() as ctx:
            domain = ctx.c.execute("select value from meta where name = 'domain'").fetchone()
            at = domain["value"] if domain else "office.example"
            wanted = address or f"{'.'.join(wire.fold(name).split())}@{at}"
            found = wire.addresses([wanted])[0]
            if directory.find(ctx.c, found) is not None:
                raise InvalidCall(f"{found!r} is in the directory already", fix="Give another address.")
            insert_person(
                ctx,
                address=found,
                name=name,
                aliases=aliases,
                zone=zone,
                working_hours=working_hours,
                role=role,
                team=team,
                manager=manager,
                inside=inside,
                preferences=preferences or {},
            )
            general = ctx.c.execute("select channel_id from channels where name = 'general'").fetchone()
            if inside and general is not None:
                ctx.c.execute("insert into members (channel_id, address) values (?, ?)", (general["channel_id"], found))
        return found

    def add_mail(
        self,
        *,
        author: str,
        to: Sequence[str],
        subject: str,
        body: str,
        cc: Sequence[str] = (),
        sent_at: datetime | None = None,
        in_reply_to: str | None = None,
        attachments: Sequence[tuple[str, str, str]] = (),
        kind: str = mail_effects.PERSONAL,
        author_name: str | None = None,
    ) -> str:
        """A mail that arrives (or was sent) now or at `sent_at`; returns its id. attachments: (name, mime, text)."""
        with self._write() as ctx:
            sender = wire.addresses([author])[0]
            person = directory.find(ctx.c, sender)
            before = ctx.c.execute("select thread_id from mails where message_id = ?", (in_reply_to,)).fetchone()
            if in_reply_to is not None and before is None:
                raise NotFound(
                    f"there is no mail {in_reply_to!r}", fix="Name an id of deputy office diff, or of a search."
                )
            message_id = ctx.new_id("msg")
            mail_effects.deliver(
                ctx,
                Letter(
                    message_id=message_id,
                    thread_id=before["thread_id"] if before else message_id.replace("msg_", "thr_"),
                    author=sender,
                    author_name=author_name or (person["name"] if person else sender),
                    to=wire.addresses(to),
                    cc=wire.addresses(cc),
                    subject=subject,
                    body=body,
                    sent_at=ctx.now if sent_at is None else wire.epoch(sent_at),
                    in_reply_to=in_reply_to,
                    kind=kind,
                    attachments=[(name, mime, len(text.encode()), text) for name, mime, text in attachments],
                ),
            )
        return message_id

    def add_event(
        self,
        *,
        organizer: str,
        title: str,
        start: datetime,
        end: datetime,
        attendees: Sequence[str] = (),
        zone: str | None = None,
        description: str = "",
        location: str = "",
        room: str | None = None,
        recurrence: str | None = None,
        visibility: str = "default",
        responses: Mapping[str, str] | None = None,
    ) -> str:
        """Puts an event into calendars without telling anybody; returns its id."""
        with self._write() as ctx:
            person = directory.find(ctx.c, wire.lower(organizer))
            event_id = ctx.new_id("evt")
            calendar_effects.insert(
                ctx,
                event_id=event_id,
                organizer=wire.lower(organizer),
                title=title,
                start=wire.epoch(start),
                end=wire.epoch(end),
                zone=zone or (person["zone"] if person else "UTC"),
                attendees=wire.addresses(attendees),
                description=description,
                location=location,
                room=room,
                recurrence_rule=recurrence,
                visibility=visibility,
                responses=dict(responses or {}),
            )
        return event_id

    def add_message(
        self, *, channel: str, author: str, text: str, sent_at: datetime | None = None, thread_id: str | None = None
    ) -> str:
        """A chat message in a channel (by id or #name); returns its id."""
        with self._write() as ctx:
            row = ctx.c.execute(
                "select channel_id from channels where channel_id = ? or name = ?", (channel, channel.removeprefix("#"))
            ).fetchone()
            if row is None:
                raise NotFound(f"there is no channel {channel!r}", fix="Look with deputy office show.")
            message_id = ctx.new_id("cm")
            chat.insert(
                ctx,
                message_id=message_id,
                channel_id=row["channel_id"],
                author=wire.lower(author),
                text=text,
                sent_at=ctx.now if sent_at is None else wire.epoch(sent_at),
                thread_id=thread_id,
            )
        return message_id

    # ---- looking at the world ------------------------------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        """How much of everything there is, for `deputy office show`."""
        with self.database.read() as c:
            counts = {
                name: c.execute(f"select count(*) as n from {table}").fetchone()["n"]
                for name, table in (
                    *(("people", "people where inside = 1"), ("outside_people", "people where inside = 0")),
                    *(("mails", "mails"), ("events", "events"), ("channels", "channels where direct = 0")),
                    *(("messages", "messages"), ("rooms", "rooms"), ("faults", "faults")),
                )
            }
            meta = {row["name"]: row["value"] for row in c.execute("select name, value from meta")}
        return counts | {
            "company": meta.get("company"),
            "domain": meta.get("domain"),
            "owner": meta.get("owner"),
            "seed": int(meta["seed"]) if "seed" in meta else None,
            "seeded_at": meta.get("seeded_at"),
            "now": self.now().isoformat(timespec="seconds"),
        }

    def diff(self) -> dict[str, list[dict[str, Any]]]:
        """What was made or changed since the seed. A mail counts once, however many mailboxes hold it.

        Mails that the provider wrote by itself (invitations, automatic replies) stand apart, under `notices`, and messages
        that are still to be posted under `scheduled`.
        """
        with self.database.read() as c:
            return differences.of(c, wire.epoch(self.now()))

    def effects(self) -> list[dict[str, Any]]:
        """Every effect carried out through the connector, in order: tool, key, account, object id."""
        with self.database.read() as c:
            rows = c.execute("select tool, key, account, object_id, at from effects order by seq").fetchall()
        return [dict(row) | {"at": wire.format_time(row["at"])} for row in rows]

    def copy_to(self, path: str | os.PathLike[str]) -> Office:
        """An independent office in the same state, clock included: an overlay to try things on."""
        other = Office(path)
        source, target = sqlite3.connect(self.path), sqlite3.connect(other.path)
        try:
            source.backup(target)
        finally:
            source.close()
            target.close()
        other.set_now(self.now() if self.clock.offset() else None)
        return other

    def _meta(self, name: str) -> str | None:
        with self.database.read() as c:
            row = c.execute("select value from meta where name = ?", (name,)).fetchone()
        return None if row is None else str(row["value"])

    @contextmanager
    def _write(self) -> Iterator[Context]:
        now = wire.epoch(self.now())
        with self.database.write() as c:
            yield Context(c=c, me="", now=now, new_id=drawn_id, fresh_until=now)


def insert_person(
    ctx: Context,
    *,
    address: str,
    name: str,
    aliases: Sequence[str],
    zone: str,
    working_hours: Mapping[str, Any],
    role: str,
    team: str,
    manager: str | None,
    inside: bool,
    preferences: Mapping[str, Any],
) -> None:
    ctx.c.execute(
        "insert into people (address, person_id, name, aliases, handle, zone, working_hours, role, team, manager, inside,"
        " preferences, made, search) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(address, ctx.new_id("per"), name, wire.dump(list(aliases)), chat.handle(address), zone),
            *(wire.dump(dict(working_hours)), role, team, manager, int(inside), wire.dump(dict(preferences)), ctx.made),
            wire.fold(" ".join([name, *aliases, address, role, team])),
        ),
    )
