"""Long-term facts, each of one owner: a run's tree, a workflow, a person, a team. Who may not read one cannot tell that it exists.

A fact has a source and a label, so that what it says is never taken for the user's own words; an expired one is never returned.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from orchestrator import ids
from orchestrator.errors import NotEligible, NotFound, UsageError
from orchestrator.store.agent_tables import memories
from orchestrator.store.database import Tx

M = memories.c
LONGEST = 2_000  # characters
MOST = 1_000  # facts of one owner
CONSIDERED = 2_000  # the newest facts that a recall ranks


class Scope(StrEnum):
    RUN = "run"  # the tree of one root item
    WORKFLOW = "workflow"
    PERSON = "person"
    TEAM = "team"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One fact. owner: root item id, workflow, address or team, by `scope`; source: {kind, ref, by}; label: as the guard's case gave it."""

    memory_id: str
    scope: Scope
    owner: str
    text: str
    source: Mapping[str, Any]
    label: Mapping[str, Any] | None
    created_by: str
    is_shared: bool
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who wants to read. run_id: the root item of the tree they work in; workflow: the one they run. None: any that they may read."""

    person: str
    team: str = ""
    run_id: str | None = None
    workflow: str | None = None
    is_admin: bool = False


def add(
    tx: Tx,
    *,
    scope: str,
    owner: str,
    text: str,
    source: Mapping[str, Any],
    created_by: str,
    now: datetime,
    label: Mapping[str, Any] | None = None,
    expires_at: datetime | None = None,
    is_shared: bool = False,
) -> str:
    """Id of the fact. The same words of the same owner and writer, not expired, are the same fact, unchanged.

    is_shared: a workflow's fact that everybody who runs it may read, for those whom an admin wrote.
    """
    kept = Memory(
        memory_id="",
        scope=_scope(scope),
        owner=_owner(scope, owner),
        text=_text(text),
        source=dict(source),
        label=None if label is None else dict(label),
        created_by=created_by,
        is_shared=is_shared,
        created_at=now,
        expires_at=expires_at,
    )
    if expires_at is not None and expires_at <= now:
        raise UsageError("the fact would be forgotten at once", fix="give a time in the future, or none")
    mine = (M.tenant_id == tx.tenant_id, M.owner == kept.owner, M.scope == kept.scope.value, _lives(now))
    same = sa.select(M.memory_id).where(*mine, M.text == kept.text, M.created_by == created_by)
    if (known := tx.c.scalar(same.limit(1))) is not None:
        return str(known)
    count, oldest = tx.c.execute(sa.select(sa.func.count(), sa.func.min(M.created_at)).where(*mine)).one()
    if count >= MOST:
        first = tx.c.scalar(sa.select(M.memory_id).where(*mine, M.created_at == oldest).order_by(M.memory_id).limit(1))
        raise UsageError(
            f"{MOST} facts are remembered of this {kept.scope.value} already",
            fix=f"forget one first; the oldest is {first}",
        )
    made = replace(
        kept, memory_id=ids.derived("mem", kept.scope.value, kept.owner, created_by, now.isoformat(), kept.text)
    )
    tx.c.execute(
        sa.insert(memories),
        [
            {
                "tenant_id": tx.tenant_id,
                "memory_id": made.memory_id,
                "scope": made.scope.value,
                "owner": made.owner,
                "text": made.text,
                "source": made.source,
                "label": made.label,
                "created_by": made.created_by,
                "shared": made.is_shared,
                "created_at": made.created_at,
                "expires_at": made.expires_at,
            }
        ],
    )
    return made.memory_id


def get(tx: Tx, memory_id: str, reader: Reader, now: datetime) -> Memory:
    """The fact. Raises `NotFound`, also for one that the reader may not read or that has expired."""
    stmt = sa.select(memories).where(M.tenant_id == tx.tenant_id, M.memory_id == memory_id, _lives(now))
    row = tx.c.execute(stmt.where(_readable(reader))).first()
    if row is None:
        raise NotFound(f"there is no fact {memory_id!r}", fix="`deputy memory ls` lists those you may read")
    return memory_of(row)


def list_for(
    tx: Tx, reader: Reader, now: datetime, *, scope: str | None = None, limit: int = 200, after: str | None = None
) -> list[Memory]:
    """Facts that the reader may read, newest first. after: id of the last one of the page before."""
    stmt = sa.select(memories).where(M.tenant_id == tx.tenant_id, _lives(now), _readable(reader))
    if scope is not None:
        stmt = stmt.where(M.scope == _scope(scope).value)
    if after is not None:
        last = get(tx, after, reader, now)
        bound = sa.tuple_(sa.literal(last.created_at, M.created_at.type), sa.literal(last.memory_id))
        stmt = stmt.where(sa.tuple_(M.created_at, M.memory_id) < bound)
    rows = tx.c.execute(stmt.order_by(M.created_at.desc(), M.memory_id.desc()).limit(limit))
    return [memory_of(row) for row in rows]


def edit(tx: Tx, memory_id: str, reader: Reader, now: datetime, *, text: str, source: Mapping[str, Any]) -> Memory:
    """The fact with other words, which are the editor's own now: the label goes. Raises `NotFound`, `NotEligible`."""
    _changeable(get(tx, memory_id, reader, now), reader)
    stmt = sa.update(memories).where(M.tenant_id == tx.tenant_id, M.memory_id == memory_id)
    tx.c.execute(stmt.values(text=_text(text), source=dict(source), label=sa.null()))
    return get(tx, memory_id, reader, now)


def forget(tx: Tx, memory_id: str, reader: Reader, now: datetime) -> Memory:
    """The fact as it was; it is gone. Raises `NotFound`, `NotEligible`."""
    known = get(tx, memory_id, reader, now)
    _changeable(known, reader)
    tx.c.execute(sa.delete(memories).where(M.tenant_id == tx.tenant_id, M.memory_id == memory_id))
    return known


_any = sa.select(sa.literal(1)).select_from(memories).where(M.tenant_id == sa.bindparam("tenant")).limit(1)


def recall(
    tx: Tx,
    *,
    person: str,
    team: str,
    workflow: str | None,
    run_id: str | None,
    words: str,
    limit: int,
    now: datetime,
) -> list[Memory]:
    """What the person may read of themselves, their team, this workflow and this run that shares words with `words`, best first.

    Rarer words count for more; among equals the newer fact comes first. Without words: the newest. run_id: root of the tree.
    """
    if tx.c.scalar(_any, {"tenant": tx.tenant_id}) is None:
        return []
    owners = [sa.and_(M.scope == Scope.PERSON.value, M.owner == person.lower())]
    if team:
        owners.append(sa.and_(M.scope == Scope.TEAM.value, M.owner == team))
    if run_id is not None:
        owners.append(sa.and_(M.scope == Scope.RUN.value, M.owner == run_id))
    if workflow is not None:
        owners.append(sa.and_(M.scope == Scope.WORKFLOW.value, M.owner == workflow))
    reader = Reader(person=person, team=team, run_id=run_id, workflow=workflow)
    stmt = sa.select(memories).where(M.tenant_id == tx.tenant_id, sa.or_(*owners), _lives(now), _readable(reader))
    rows = tx.c.execute(stmt.order_by(M.created_at.desc(), M.memory_id.desc()).limit(CONSIDERED))
    return ranked([memory_of(row) for row in rows], words)[:limit]


# ---- ranking ---------------------------------------------------------------------------------------------------------
_WORD = re.compile(r"[^\W_]+")
_COMMON = frozenset(
    "a about after all an and any are as at be been before but by can could did do does for from get has have he her him his how "
    "i if in into is it its let me my no not of on one or our out she should so some than that the their them then there these "
    "they this to up us was we were what when where which who will with would you your please".split()
)


def ranked(facts: Sequence[Memory], words: str) -> list[Memory]:
    """Those of `facts` (newest first) that share a word with `words`, best first; all of them where `words` has none that counts."""
    asked = _words(words)
    if not asked:
        return list(facts)
    said = [_words(f"{fact.text} {fact.owner if fact.scope is Scope.WORKFLOW else ''}") for fact in facts]
    worth = {word: math.log(1 + len(said) / (1 + sum(word in one for one in said))) for word in asked}
    scores = [math.fsum(worth[word] for word in sorted(asked & one)) for one in said]
    order = sorted(range(len(facts)), key=lambda place: (-scores[place], place))
    return [facts[place] for place in order if scores[place] > 0]


def _words(text: str) -> frozenset[str]:
    return frozenset(_stem(word) for word in _WORD.findall(text.casefold()) if word not in _COMMON and len(word) > 1)


def _stem(word: str) -> str:
    """A word without its plural."""
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


# ---- small things ----------------------------------------------------------------------------------------------------
def memory_of(row: Any) -> Memory:
    """A row as a `Memory`."""
    return Memory(
        memory_id=row.memory_id,
        scope=Scope(row.scope),
        owner=row.owner,
        text=row.text,
        source=row.source,
        label=row.label,
        created_by=row.created_by,
        is_shared=row.shared,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _lives(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(M.expires_at.is_(None), M.expires_at > now)


def _readable(reader: Reader) -> sa.ColumnElement[bool]:
    """INVARIANT: a person's fact is that person's alone; not even an admin reads it."""
    by_them = sa.or_(M.created_by == reader.person, M.shared == sa.true())
    allowed = [
        sa.and_(M.scope == Scope.PERSON.value, M.owner == reader.person.lower()),
        sa.and_(M.scope == Scope.WORKFLOW.value, by_them)
        if reader.workflow is None
        else sa.and_(M.scope == Scope.WORKFLOW.value, M.owner == reader.workflow, by_them),
        sa.and_(M.scope == Scope.RUN.value, M.created_by == reader.person)
        if reader.run_id is None
        else sa.and_(M.scope == Scope.RUN.value, M.owner == reader.run_id),
    ]
    if reader.team:
        allowed.append(sa.and_(M.scope == Scope.TEAM.value, M.owner == reader.team))
    return sa.or_(*allowed)


def _changeable(known: Memory, reader: Reader) -> None:
    if known.scope is Scope.PERSON or known.created_by == reader.person or reader.is_admin:
        return
    raise NotEligible(f"{known.memory_id} was written by somebody else", fix="ask them, or an admin")


def _scope(scope: str) -> Scope:
    try:
        return Scope(scope)
    except ValueError:
        raise UsageError(f"facts have no scope {scope!r}", fix=f"use one of: {', '.join(Scope)}") from None


def _owner(scope: str, owner: str) -> str:
    if not owner:
        raise UsageError(f"a {scope} fact needs to say whose it is", fix=f"name the {scope}")
    return owner.lower() if scope == Scope.PERSON else owner


def _text(text: str) -> str:
    said = text.strip()
    if not said or "\x00" in said:
        raise UsageError("there is nothing to remember", fix="give the fact in plain words")
    if len(said) > LONGEST:
        raise UsageError(f"the fact has {len(said)} characters", fix=f"keep it to {LONGEST}: remember where it stands")
    return said
