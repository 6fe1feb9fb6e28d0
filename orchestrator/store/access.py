"""Links, sessions, keys and sign-ins at rest. Whoever comes in shows a secret; here is only its digest, found by equality.

`now` is the real time, never the office's: what guards a door does not expire by a made-up clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from orchestrator.errors import NotFound
from orchestrator.store.access_tables import keys, links, sessions, sign_ins
from orchestrator.store.database import Tx

SEEN_EVERY = timedelta(seconds=60)  # a use is noted no more often
K, L, S, F = keys.c, links.c, sessions.c, sign_ins.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    session_id: str
    person: str
    via: str
    device: str
    idle_s: int
    created_at: datetime
    seen_at: datetime
    expires_at: datetime

    def is_over(self, now: datetime) -> bool:
        return now >= self.expires_at or now >= self.seen_at + timedelta(seconds=self.idle_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    key_id: str
    hash: str = field(repr=False)
    name: str
    person: str
    scopes: Sequence[str]
    is_human: bool
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        return self.revoked_at is not None or now >= self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """One on its way to the identity provider and back."""

    browser: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    next: str


# ---- one-time links --------------------------------------------------------------------------------------------------
def add_link(tx: Tx, digest: str, person: str, now: datetime, expires_at: datetime) -> None:
    tx.c.execute(sa.delete(links).where(L.tenant_id == tx.tenant_id, L.expires_at <= now))
    row = {"tenant_id": tx.tenant_id, "hash": digest, "person": person, "created_at": now, "expires_at": expires_at}
    tx.c.execute(sa.insert(links).values(row))


def take_link(tx: Tx, digest: str, now: datetime) -> str | None:
    """Whom the link lets in; it is used up. INVARIANT: of two at once, one gets None."""
    stmt = sa.delete(links).where(L.tenant_id == tx.tenant_id, L.hash == digest).returning(L.person, L.expires_at)
    row = tx.c.execute(stmt).first()
    return None if row is None or row.expires_at <= now else str(row.person)


def end_links(tx: Tx, person: str) -> None:
    tx.c.execute(sa.delete(links).where(L.tenant_id == tx.tenant_id, L.person == person))


# ---- sessions --------------------------------------------------------------------------------------------------------
_SESSION = (S.session_id, S.person, S.via, S.device, S.idle_s, S.created_at, S.seen_at, S.expires_at)
_session = sa.select(*_SESSION).where(S.tenant_id == sa.bindparam("tenant"), S.hash == sa.bindparam("digest"))


def add_session(tx: Tx, digest: str, session: Session) -> None:
    """Old ones go at the same time."""
    tx.c.execute(sa.delete(sessions).where(S.tenant_id == tx.tenant_id, S.expires_at <= session.created_at))
    row = {name: getattr(session, name) for name in Session.__slots__}
    tx.c.execute(sa.insert(sessions).values(tenant_id=tx.tenant_id, hash=digest, **row))


def session(tx: Tx, digest: str) -> Session | None:
    """Whether or not it is over."""
    row = tx.c.execute(_session, {"tenant": tx.tenant_id, "digest": digest}).first()
    return None if row is None else Session(**row._mapping)


def mark_session_seen(tx: Tx, digest: str, now: datetime) -> None:
    tx.c.execute(
        sa.update(sessions)
        .where(S.tenant_id == tx.tenant_id, S.hash == digest, S.seen_at <= now - SEEN_EVERY)
        .values(seen_at=now)
    )


def sessions_of(tx: Tx, person: str | None) -> list[Session]:
    """One person's, or everybody's; newest first."""
    stmt = sa.select(*_SESSION).where(S.tenant_id == tx.tenant_id)
    if person is not None:
        stmt = stmt.where(S.person == person)
    return [Session(**row._mapping) for row in tx.c.execute(stmt.order_by(S.seen_at.desc(), S.session_id))]


def end_session(tx: Tx, digest: str) -> tuple[str, str] | None:
    """(whose it was, by what they had come in); None where there was none."""
    stmt = sa.delete(sessions).where(S.tenant_id == tx.tenant_id, S.hash == digest).returning(S.person, S.via)
    row = tx.c.execute(stmt).first()
    return None if row is None else (row.person, row.via)


def end_sessions(tx: Tx, person: str, session_id: str | None = None) -> int:
    """How many: all of the person, or the one with this id."""
    where = [S.tenant_id == tx.tenant_id, S.person == person]
    if session_id is not None:
        where.append(S.session_id == session_id)
    return int(tx.c.execute(sa.delete(sessions).where(*where)).rowcount)


# ---- API keys --------------------------------------------------------------------------------------------------------
_KEY = (
    K.key_id,
    K.hash,
    K.name,
    K.person,
    K.scopes,
    K.is_human,
    K.created_by,
    K.created_at,
    K.expires_at,
    K.used_at,
    K.revoked_at,
)
_key = sa.select(*_KEY).where(K.tenant_id == sa.bindparam("tenant"), K.key_id == sa.bindparam("key"))


def add_key(tx: Tx, key: Key) -> None:
    row = {name: getattr(key, name) for name in Key.__slots__}
    tx.c.execute(sa.insert(keys).values(tenant_id=tx.tenant_id, **(row | {"scopes": list(key.scopes)})))


def key(tx: Tx, key_id: str) -> Key | None:
    """Whether or not it is over."""
    row = tx.c.execute(_key, {"tenant": tx.tenant_id, "key": key_id}).first()
    return None if row is None else Key(**row._mapping)


def keys_of(tx: Tx, person: str | None) -> list[Key]:
    """One person's, or everybody's; newest first."""
    stmt = sa.select(*_KEY).where(K.tenant_id == tx.tenant_id)
    if person is not None:
        stmt = stmt.where(K.person == person)
    return [Key(**row._mapping) for row in tx.c.execute(stmt.order_by(K.created_at.desc(), K.key_id))]


def mark_key_used(tx: Tx, key_id: str, now: datetime) -> None:
    late = sa.or_(K.used_at.is_(None), K.used_at <= now - SEEN_EVERY)
    tx.c.execute(sa.update(keys).where(K.tenant_id == tx.tenant_id, K.key_id == key_id, late).values(used_at=now))


def revoke_key(tx: Tx, key_id: str, now: datetime) -> Key:
    """The key, of no use from now on. Raises `NotFound`."""
    found = key(tx, key_id)
    if found is None:
        raise NotFound(f"there is no key {key_id!r}", fix="see: deputy config key ls")
    mine = (K.tenant_id == tx.tenant_id, K.key_id == key_id, K.revoked_at.is_(None))
    tx.c.execute(sa.update(keys).where(*mine).values(revoked_at=now))
    return found


def revoke_keys(tx: Tx, person: str, now: datetime) -> int:
    """How many of the person's were still of use."""
    mine = (K.tenant_id == tx.tenant_id, K.person == person, K.revoked_at.is_(None))
    return int(tx.c.execute(sa.update(keys).where(*mine).values(revoked_at=now)).rowcount)


def has_live_key(tx: Tx, now: datetime) -> bool:
    stmt = sa.select(K.key_id).where(K.tenant_id == tx.tenant_id, K.revoked_at.is_(None), K.expires_at > now).limit(1)
    return tx.c.execute(stmt).first() is not None


# ---- sign-ins on their way -------------------------------------------------------------------------------------------
def add_sign_in(tx: Tx, digest: str, sign_in: SignIn, now: datetime, expires_at: datetime) -> None:
    tx.c.execute(sa.delete(sign_ins).where(F.tenant_id == tx.tenant_id, F.expires_at <= now))
    row = {name: getattr(sign_in, name) for name in SignIn.__slots__}
    tx.c.execute(sa.insert(sign_ins).values(tenant_id=tx.tenant_id, hash=digest, expires_at=expires_at, **row))


def take_sign_in(tx: Tx, digest: str, now: datetime) -> SignIn | None:
    """What was kept of it; it is used up."""
    stmt = sa.delete(sign_ins).where(F.tenant_id == tx.tenant_id, F.hash == digest)
    row = tx.c.execute(stmt.returning(F.browser, F.nonce, F.verifier, F.next, F.expires_at)).first()
    if row is None or row.expires_at <= now:
        return None
    return SignIn(browser=row.browser, nonce=row.nonce, verifier=row.verifier, next=row.next)
