"""People of the office as the directory family tells them, and who of them is inside."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from connectors import wire
from connectors.errors import NotFound
from connectors.office.context import Context
from connectors.wire import Args

_PERSON = "select address, person_id, name, aliases, zone, working_hours, role, team, manager, inside from people"


def list_people(ctx: Context, args: Args) -> dict[str, Any]:
    where = " and ".join(["search like ? escape '\\'" for _ in wire.words(args.get("query"))]) or "1"
    rows = ctx.c.execute(
        f"{_PERSON} where {where} order by inside desc, name, address",
        [wire.pattern(word) for word in wire.words(args.get("query"))],
    ).fetchall()
    return wire.cut_page([_person(row) for row in rows], args, "people")


def get_person(ctx: Context, args: Args) -> dict[str, Any]:
    if args.get("person_id") is not None:
        row = ctx.c.execute(f"{_PERSON} where person_id = ?", (args["person_id"],)).fetchone()
    else:
        row = ctx.c.execute(f"{_PERSON} where address = ?", (wire.lower(args["address"]),)).fetchone()
    if row is None:
        raise NotFound("the directory has no such person", fix="Look with directory.list_people.")
    return _person(row)


def find(c: sqlite3.Connection, address: str) -> dict[str, Any] | None:
    row = c.execute(f"{_PERSON} where address = ?", (address,)).fetchone()
    return None if row is None else _person(row)


def is_inside(c: sqlite3.Connection, address: str) -> bool:
    return c.execute("select 1 from people where address = ? and inside = 1", (address,)).fetchone() is not None


def names(c: sqlite3.Connection) -> dict[str, str]:
    """Name by address, of everybody in the directory."""
    return {row["address"]: row["name"] for row in c.execute("select address, name from people")}


def _person(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "person_id": row["person_id"],
        "name": row["name"],
        "aliases": json.loads(row["aliases"]),
        "address": row["address"],
        "zone": row["zone"],
        "working_hours": json.loads(row["working_hours"]),
        "role": row["role"],
        "team": row["team"],
        "manager": row["manager"],
        "inside": bool(row["inside"]),
    }
