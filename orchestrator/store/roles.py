"""Who has which role. A person's roles are read at every use: what is taken away is gone at once, on every door."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from orchestrator.domain import rights
from orchestrator.domain.person import Person
from orchestrator.store.access_tables import roles
from orchestrator.store.database import Tx
from orchestrator.store.tables import people

R = roles.c
Source = Literal["assigned", "groups"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    person: str
    role: str
    source: str
    given_by: str
    given_at: datetime
    limits: Mapping[str, Any] = field(default_factory=dict)


_every = (
    sa.select(R.person, R.role, R.source, R.given_by, R.given_at, R.limits)
    .where(R.tenant_id == sa.bindparam("tenant"))
    .order_by(R.person, R.role, R.source)
)
_names = sa.select(R.person, R.role).where(R.tenant_id == sa.bindparam("tenant"))
_of = sa.select(R.role).where(R.tenant_id == sa.bindparam("tenant"), R.person == sa.bindparam("person"))
_off = roles.alias("off")
_other_admins = (
    sa.select(R.person)
    .join(people, (people.c.tenant_id == R.tenant_id) & (people.c.address == R.person))
    .where(R.tenant_id == sa.bindparam("tenant"), R.role == "admin", R.person != sa.bindparam("person"))
    .where(
        ~sa.exists().where(
            (_off.c.tenant_id == R.tenant_id) & (_off.c.person == R.person) & (_off.c.role == rights.NONE)
        )
    )
)


def every(tx: Tx) -> list[Role]:
    """Every role that was given, by person."""
    return [Role(**row._mapping) for row in tx.c.execute(_every, {"tenant": tx.tenant_id})]


def by_person(tx: Tx) -> dict[str, frozenset[str]]:
    """Person → names of the roles given to them."""
    found: dict[str, set[str]] = {}
    for person, role in tx.c.execute(_names, {"tenant": tx.tenant_id}):
        found.setdefault(person, set()).add(role)
    return {person: frozenset(names) for person, names in found.items()}


def given(tx: Tx, person: Person, *, owner: str, newcomers: str) -> frozenset[str]:
    """What the rows say of this person, and what stands in for them where there are none."""
    names = frozenset(tx.c.scalars(_of, {"tenant": tx.tenant_id, "person": person.address}))
    is_owner = person.address == owner
    return rights.effective(names, is_owner=is_owner, is_inside=person.inside, newcomers=newcomers)


def effective(tx: Tx, person: Person, *, owner: str, newcomers: str) -> frozenset[str]:
    """What counts for this person now: `given`; and the owner steps in where nobody is an admin."""
    found = given(tx, person, owner=owner, newcomers=newcomers)
    if person.address == owner and "admin" not in found and not has_other_admin(tx, owner, owner=owner):
        return found | rights.OWNER
    return found


def has_other_admin(tx: Tx, person: str, *, owner: str) -> bool:
    """Whether somebody other than this person is an admin: by a role, or as the owner to whom nothing else was given."""
    named = {"tenant": tx.tenant_id, "person": person}
    if any(True for _ in tx.c.scalars(_other_admins, named)):
        return True
    return person != owner and not list(tx.c.scalars(_of, {"tenant": tx.tenant_id, "person": owner}))


def limits_of(tx: Tx, person: str) -> list[Mapping[str, Any]]:
    """What each of their approver roles is narrowed to; an empty mapping: to nothing."""
    where = (R.tenant_id == tx.tenant_id, R.person == person, R.role == "approver")
    return [dict(limits) for limits in tx.c.scalars(sa.select(R.limits).where(*where))]


def put(
    tx: Tx,
    person: str,
    names: Iterable[str],
    *,
    source: Source,
    by: str,
    now: datetime,
    limits: Mapping[str, Any] | None = None,
) -> Sequence[str]:
    """Replaces what this source has given to the person; the names before. `limits` are the approver's."""
    mine = (R.tenant_id == tx.tenant_id, R.person == person, R.source == source)
    before = sorted(tx.c.scalars(sa.select(R.role).where(*mine).with_for_update()))
    tx.c.execute(sa.delete(roles).where(*mine))
    rows = [
        {
            "tenant_id": tx.tenant_id,
            "person": person,
            "role": role,
            "source": source,
            "limits": dict(limits or {}) if role == "approver" else {},
            "given_by": by,
            "given_at": now,
        }
        for role in sorted(set(names))
    ]
    if rows:
        tx.c.execute(sa.insert(roles), rows)
    return before
