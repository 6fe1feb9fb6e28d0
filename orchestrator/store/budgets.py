"""What an item and everything below it may use: model calls, tokens, money, wall time, effects.

An amount is reserved before it is used, at the item and at every item above it, all or nothing; what was really used is settled
afterwards. So no limit is ever exceeded anywhere, whatever runs at the same time, and a crash leaves the reservation standing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.errors import UsageError
from orchestrator.store import items
from orchestrator.store.agent_tables import budgets
from orchestrator.store.database import Tx
from orchestrator.store.items import W
from orchestrator.store.prepared import Prepared
from orchestrator.store.tables import worklist

B = budgets.c
NAMES = ("model_calls", "tokens", "cost_microusd", "wall_ms", "effects")


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """The limit that does not suffice: `most` of `item_id`, of which `used` is taken; `wanted` more was asked for."""

    item_id: str
    name: str
    most: int
    used: int
    wanted: int


class _Row(NamedTuple):
    item_id: str
    name: str
    most: int | None
    used: int


def open(tx: Tx, item_id: str, limits: Mapping[str, int]) -> None:
    """From here on the item's subtree is counted by every name, and limited by those in `limits`.

    Idempotent. A limit that exists is never widened: of two for one name the narrower holds.
    """
    for name, most in limits.items():
        if name not in NAMES:
            raise UsageError(f"there is no budget called {name!r}", fix=f"use one of: {', '.join(NAMES)}")
        if most < 0:
            raise UsageError(f"a budget of {most} {name} is less than nothing", fix="use 0 or more")
    rows = [
        {"tenant_id": tx.tenant_id, "item_id": item_id, "name": name, "most": limits.get(name), "used": 0}
        for name in sorted(NAMES)
    ]
    tx.c.execute(_opening(is_postgres=tx.is_postgres), rows)


def narrow(tx: Tx, chain: Sequence[str], limits: Mapping[str, int]) -> dict[str, int]:
    """`limits` for a child of `chain[0]`, none above a limit that holds over it anyway."""
    above: dict[str, int] = {}
    for row in map(_Row._make, _rows(len(chain), lock=False).rows(tx, _binds(tx, chain))):
        if row.most is not None:
            above[row.name] = min(row.most, above.get(row.name, row.most))
    return {name: min(most, above.get(name, most)) for name, most in limits.items()}


def reserve(tx: Tx, chain: Sequence[str], wanted: Mapping[str, int]) -> Short | None:
    """Takes all of `wanted` at every item of the chain, or nothing: then the tightest limit that does not suffice.

    chain: the item's id, its parent's, … up to the root, as `chain` gives it.
    """
    asked = {name: amount for name, amount in wanted.items() if amount}
    if not asked:
        return None
    if min(asked.values()) < 0:
        raise ValueError(f"only amounts above zero can be reserved, not {dict(wanted)}; `settle` gives back")
    binds = _binds(tx, chain)
    short: Short | None = None
    for row in map(_Row._make, _rows(len(chain), lock=tx.is_postgres).rows(tx, binds)):
        amount = asked.get(row.name)
        if amount is None or row.most is None or row.used + amount <= row.most:
            continue
        found = Short(item_id=row.item_id, name=row.name, most=row.most, used=row.used, wanted=amount)
        short = found if short is None or _tighter(found, short) else short
    if short is None:
        _change(len(chain)).run(tx, {**binds, **_amounts(asked)})
    return short


def exchange(tx: Tx, chain: Sequence[str], change: Mapping[str, int], wanted: Mapping[str, int]) -> Short | None:
    """`settle` and then `reserve`, as one look and one write: what was used of an earlier reservation makes room for the next."""
    if not change:
        return reserve(tx, chain, wanted)
    if not any(wanted.values()):
        settle(tx, chain, change)
        return None
    binds = _binds(tx, chain)
    short: Short | None = None
    for row in map(_Row._make, _rows(len(chain), lock=tx.is_postgres).rows(tx, binds)):
        used, amount = max(0, row.used + change.get(row.name, 0)), wanted.get(row.name, 0)
        if amount and row.most is not None and used + amount > row.most:
            found = Short(item_id=row.item_id, name=row.name, most=row.most, used=used, wanted=amount)
            short = found if short is None or _tighter(found, short) else short
    total = change if short is not None else {n: change.get(n, 0) + wanted.get(n, 0) for n in {*change, *wanted}}
    if any(total.values()):
        _change(len(chain)).run(tx, {**binds, **_amounts(total)})
    return short


def _tighter(one: Short, other: Short) -> bool:
    return (NAMES.index(one.name), one.most - one.used) < (NAMES.index(other.name), other.most - other.used)


def settle(tx: Tx, chain: Sequence[str], change: Mapping[str, int]) -> None:
    """Adds `change` at every item of the chain; negative amounts give back. What is used never falls below zero.

    What was really used is recorded even where it is more than was reserved.
    """
    if not any(change.values()):
        return
    binds = _binds(tx, chain)
    if tx.is_postgres:  # rows are locked in one order first: an update alone takes them as its plan finds them
        _rows(len(chain), lock=True).run(tx, binds)
    _change(len(chain)).run(tx, {**binds, **_amounts(change)})


def of(tx: Tx, item_id: str) -> dict[str, dict[str, int | None]]:
    """Name → {"most", "used"} of the item's subtree; {} where nothing was ever counted. "most" None: no limit."""
    return of_many(tx, [item_id]).get(item_id, {})


def of_many(tx: Tx, item_ids: Sequence[str]) -> dict[str, dict[str, dict[str, int | None]]]:
    """Item id → what `of` says, of those that are counted."""
    found: dict[str, dict[str, dict[str, int | None]]] = {}
    for part in items.slices(item_ids):
        stmt = sa.select(B.item_id, B.name, B.most, B.used).where(B.tenant_id == tx.tenant_id, B.item_id.in_(part))
        for row in tx.c.execute(stmt):
            found.setdefault(row.item_id, {})[row.name] = {"most": row.most, "used": row.used}
    return {item_id: {name: one[name] for name in NAMES if name in one} for item_id, one in found.items()}


_up = (
    sa.select(W.item_id, W.parent_id, W.depth)
    .where(W.tenant_id == sa.bindparam("tenant"), W.item_id == sa.bindparam("item"))
    .cte("up", recursive=True)
)
_parent = worklist.alias("parent")
_up = _up.union_all(
    sa.select(_parent.c.item_id, _parent.c.parent_id, _parent.c.depth).where(
        _parent.c.tenant_id == sa.bindparam("tenant"), _parent.c.item_id == _up.c.parent_id
    )
)
_chain = sa.select(_up.c.item_id).order_by(_up.c.depth.desc())


def chain(tx: Tx, item_id: str) -> tuple[str, ...]:
    """The item's id, its parent's, … up to the root: whose budgets count for it. It never changes."""
    found = tuple(tx.c.scalars(_chain, {"tenant": tx.tenant_id, "item": item_id}))
    if not found:
        raise items.missing(item_id)
    return found


# ---- statements, one for each length of a chain ----------------------------------------------------------------------
@lru_cache(maxsize=2)
def _opening(*, is_postgres: bool) -> Any:
    """Makes a row, or narrows the limit of the one that is there."""
    made = postgresql.insert(budgets) if is_postgres else sqlite.insert(budgets)
    fresh = made.excluded.most
    narrower = sa.case((sa.or_(B.most.is_(None), fresh < B.most), fresh), else_=B.most)
    return made.on_conflict_do_update(
        index_elements=[B.tenant_id, B.item_id, B.name], set_={"most": sa.func.coalesce(narrower, B.most)}
    )


@lru_cache(maxsize=64)
def _rows(length: int, *, lock: bool) -> Any:
    """The chain's rows in the one order in which everybody locks them: (item id, name)."""
    stmt = sa.select(B.item_id, B.name, B.most, B.used).where(*_of_chain(length)).order_by(B.item_id, B.name)
    return Prepared(stmt.with_for_update() if lock else stmt)


@lru_cache(maxsize=64)
def _change(length: int) -> Any:
    """Adds an amount per name to the chain's rows, never below zero."""
    added = sa.case({name: sa.bindparam(f"add_{name}", type_=sa.BigInteger) for name in NAMES}, value=B.name, else_=0)
    after = B.used + added
    changed = sa.update(budgets).where(*_of_chain(length), added != 0)
    return Prepared(changed.values(used=sa.case((after < 0, 0), else_=after)))


def _of_chain(length: int) -> tuple[sa.ColumnElement[bool], ...]:
    ids: list[Any] = [sa.bindparam(f"item_{place}") for place in range(length)]
    return (B.tenant_id == sa.bindparam("tenant"), B.item_id.in_(ids))


def _binds(tx: Tx, chain: Sequence[str]) -> dict[str, Any]:
    return {"tenant": tx.tenant_id, **{f"item_{place}": item_id for place, item_id in enumerate(chain)}}


def _amounts(change: Mapping[str, int]) -> dict[str, int]:
    if unknown := [name for name in change if name not in NAMES]:
        raise UsageError(f"there is no budget called {unknown[0]!r}", fix=f"use one of: {', '.join(NAMES)}")
    return {f"add_{name}": change.get(name, 0) for name in NAMES}
