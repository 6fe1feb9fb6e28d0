"""The people table, fed by directory providers. What a person set themselves (preferences) survives every feeding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.domain.person import Person
from orchestrator.errors import NotFound
from orchestrator.store.database import Tx
from orchestrator.store.tables import people

G = people.c


def upsert_many(tx: Tx, persons: Iterable[Person], source: str, now: datetime, *, remove_missing: bool = True) -> int:
    """How many people the source now has. `remove_missing` forgets those it had before and names no more."""
    kept = {row.address: (row.body or {}).get("preferences", {}) for row in _rows(tx)}
    rows = []
    for person in persons:
        body = _body(person)
        body["preferences"] = {**body["preferences"], **kept.get(person.address.lower(), {})}
        rows.append(
            {
                "tenant_id": tx.tenant_id,
                "address": person.address.lower(),
                "name": person.name,
                "body": body,
                "source": source,
                "updated_at": now,
            }
        )
    if remove_missing:
        names = {row["address"] for row in rows}
        gone = [row.address for row in _rows(tx) if row.source == source and row.address not in names]
        if gone:
            tx.c.execute(sa.delete(people).where(G.tenant_id == tx.tenant_id, G.address.in_(gone)))
    if rows:
        made = postgresql.insert(people) if tx.is_postgres else sqlite.insert(people)
        fresh = {name: made.excluded[name] for name in ("name", "body", "source", "updated_at")}
        tx.c.execute(made.on_conflict_do_update(index_elements=[G.tenant_id, G.address], set_=fresh), rows)
    return len(rows)


def stamp(tx: Tx) -> tuple[int, datetime | None]:
    """Differs after every change of the table: its size and its latest change."""
    count, latest = tx.c.execute(_stamp, {"tenant": tx.tenant_id}).one()
    return int(count), latest


def all(tx: Tx) -> list[Person]:
    """Everybody, by address."""
    return [_person(row) for row in _rows(tx)]


def get(tx: Tx, address: str) -> Person:
    """The person. Raises `NotFound`."""
    row = tx.c.execute(sa.select(people).where(G.tenant_id == tx.tenant_id, G.address == address.lower())).first()
    if row is None:
        raise NotFound(
            f"the directory has nobody with the address {address!r}", fix="`deputy people ls` lists everybody"
        )
    return _person(row)


def set_preferences(tx: Tx, address: str, preferences: Mapping[str, Any]) -> Person:
    """The person with these preferences in addition; a value of None takes one away. Raises `NotFound`."""
    person = get(tx, address)
    merged = {name: value for name, value in {**person.preferences, **preferences}.items() if value is not None}
    body = {**_body(person), "preferences": merged}
    stmt = sa.update(people).where(G.tenant_id == tx.tenant_id, G.address == person.address)
    _, latest = stamp(tx)
    later = (latest or datetime.fromtimestamp(0, UTC)) + timedelta(microseconds=1)
    tx.c.execute(stmt.values(body=body, updated_at=later))
    return get(tx, address)


_stamp = sa.select(sa.func.count(), sa.func.max(G.updated_at, type_=G.updated_at.type)).where(
    G.tenant_id == sa.bindparam("tenant")
)
_every = sa.select(people).where(G.tenant_id == sa.bindparam("tenant")).order_by(G.address)


def _rows(tx: Tx) -> list[Any]:
    return list(tx.c.execute(_every, {"tenant": tx.tenant_id}))


def _body(person: Person) -> dict[str, Any]:
    return {
        "aliases": list(person.aliases),
        "zone": person.zone,
        "working_hours": dict(person.working_hours),
        "role": person.role,
        "team": person.team,
        "manager": person.manager,
        "inside": person.inside,
        "preferences": dict(person.preferences),
    }


def _person(row: Any) -> Person:
    return Person(address=row.address, name=row.name, source=row.source, **row.body)
