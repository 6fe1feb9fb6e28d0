"""Builds the office: an invented company over some months, the same for the same seed, counted back from a given now."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from connectors.office import schema
from connectors.office.office import Office, insert_person
from connectors.office.seeding import letters, meetings, staff, talk


def seed(
    path: str | os.PathLike[str],
    *,
    seed: int = 1,
    now: datetime | None = None,
    people: int = 40,
    weeks: int = 26,
    only_if_empty: bool = False,
) -> Office:
    """Fills the office at `path` with a fresh world, in one transaction; whatever it held is gone.

    people: colleagues, at least 8; outside contacts come on top. weeks: how far back it reaches. now: the office's own time
    from here on (its clock is set to it); None for real time. only_if_empty: leaves a seeded office as it is, so that several
    processes may start at once.
    """
    office = Office(path)
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    world = staff.build(seed=seed, now=moment, people=people, weeks=weeks)
    with office.database.write() as c:
        if only_if_empty and c.execute("select 1 from meta where name = 'seed'").fetchone() is not None:
            return office
        for table in schema.TABLES:
            c.execute(f"delete from {table}")
        facts = {
            "seed": str(seed),
            "seeded_at": moment.isoformat(timespec="seconds"),
            "people": str(people),
            "weeks": str(weeks),
            "company": world.company,
            "domain": world.domain,
            "owner": world.owner.address,
            "schema": str(schema.VERSION),
        }
        c.executemany("insert into meta (name, value) values (?, ?)", facts.items())
        ctx = world.context(c)
        for one in (*world.staff, *world.customers, *world.suppliers):
            insert_person(
                ctx,
                address=one.address,
                name=one.name,
                aliases=one.aliases,
                zone=one.zone,
                working_hours={"days": list(one.days), "start": one.start, "end": one.end},
                role=one.role,
                team=one.team,
                manager=one.manager,
                inside=one.inside,
                preferences=one.preferences,
            )
        letters.write(world, ctx)
        meetings.hold(world, ctx)
        talk.say(world, ctx)
    office.set_now(now)
    return office


__all__ = ["seed"]
