"""Who may come in: one-time links, sessions, API keys. Rows, so that every desk on the database knows them at once.

A secret leaves this room once, when it is made; what is kept is its digest. Expiry is by the real clock, whatever the office's says.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator import clock, ids
from orchestrator.deputy.roles import Roles, Visitor, a_person, an_admin
from orchestrator.deputy.views import audited
from orchestrator.domain import document as documents
from orchestrator.domain import rights
from orchestrator.domain.principal import Principal
from orchestrator.errors import Conflict, NotEligible, NotFound, Unauthorized, UsageError
from orchestrator.store import access as rows
from orchestrator.store.database import Store

KEY_PREFIX = "dpt_"
LINK_LIVES = timedelta(minutes=10)
SIGN_IN_LIVES = timedelta(minutes=10)
KEY_LIVES = timedelta(days=90)
LONGEST_KEY = timedelta(days=366)
MOST_KEYS = 100  # live ones of a person


def digest_of(secret: str) -> str:
    """SHA-256, hexadecimal. Enough for random secrets of 192 bits and more: nothing to guess, nothing to salt."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class Access:
    """Over one store, and the roles of its people."""

    def __init__(self, store: Store, roles: Roles) -> None:
        self._store = store
        self._roles = roles

    def of_address(self, address: str) -> Visitor | None:
        """Whom a trusted proxy vouches for; None as `present`."""
        with self._store.read() as tx:
            return self._roles.present(tx, address.strip().lower())

    # ---- one-time links ----------------------------------------------------------------------------------------------
    def new_link(self, who: Principal) -> str:
        """A token that opens one session as this person, within minutes, once. For their own eyes."""
        a_person(who)
        token, now = secrets.token_urlsafe(24), clock.real()
        with self._store.tx() as tx:
            rows.add_link(tx, digest_of(token), who.principal_id, now, now + LINK_LIVES)
            audited(tx, who, "link.made", clock.now(), {"until": (now + LINK_LIVES).isoformat()})
        return token

    def open_by_link(self, token: str, *, device: str, idle: timedelta, lives: timedelta) -> str:
        """A session's token. Raises Unauthorized for a link that was used, is too old, or is not ours."""
        with self._store.tx() as tx:
            address = rows.take_link(tx, digest_of(token), clock.real())
        if address is None:
            raise Unauthorized("this link was used before, is too old, or is not ours", fix="deputy config link")
        return self.open_session(address, via="link", device=device, idle=idle, lives=lives)

    # ---- sessions ----------------------------------------------------------------------------------------------------
    def open_session(self, address: str, *, via: str, device: str, idle: timedelta, lives: timedelta) -> str:
        """A fresh session's token. Raises NotEligible for whom the directory does not know, or who has no role."""
        token, now = secrets.token_urlsafe(32), clock.real()
        digest = digest_of(token)
        session = rows.Session(
            session_id=ids.derived("ses", digest),
            person=address,
            via=via,
            device=device[:200],
            idle_s=int(idle.total_seconds()),
            created_at=now,
            seen_at=now,
            expires_at=now + lives,
        )
        with self._store.tx() as tx:
            visitor = self._roles.present(tx, address)
            if visitor is None:
                raise NotEligible(
                    "you are not known here, or have no role", fix="ask an admin: deputy people import, people role"
                )
            rows.add_session(tx, digest, session)
            audited(tx, visitor.principal, "session.opened", clock.now(), {"session": session.session_id, "via": via})
        return token

    def of_session(self, token: str) -> Visitor | None:
        """Whose session this is now; None when it is over, or its person may no longer come in."""
        digest, now = digest_of(token), clock.real()
        with self._store.read() as tx:
            session = rows.session(tx, digest)
            if session is None:
                return None
            who = None if session.is_over(now) else self._roles.present(tx, session.person)
        if who is None or session.seen_at <= now - rows.SEEN_EVERY:
            with self._store.tx() as tx:
                if who is None:
                    rows.end_session(tx, digest)
                else:
                    rows.mark_session_seen(tx, digest, now)
        return None if who is None else replace(who, session_id=session.session_id)

    def sign_out(self, token: str) -> str | None:
        """Ends this session, whoever's it is; by what they had come in, None where there was none."""
        with self._store.tx() as tx:
            ended = rows.end_session(tx, digest_of(token))
            if ended is None:
                return None
            who = Principal(principal_id=ended[0], name=ended[0])
            audited(tx, who, "session.ended", clock.now(), {"person": ended[0], "sessions": 1})
            return ended[1]

    def sessions(self, who: Principal, *, everybody: bool = False) -> list[dict[str, Any]]:
        """One's own that are open, or everybody's for an admin; latest use first."""
        if everybody:
            an_admin(who)
        now = clock.real()
        with self._store.read() as tx:
            found = rows.sessions_of(tx, None if everybody else who.principal_id)
        return [_session_entry(one) for one in found if not one.is_over(now)]

    def end_sessions(self, who: Principal, *, session_id: str | None = None, of: str | None = None) -> dict[str, Any]:
        """Signs out one session, or everywhere; one's own, or another's for an admin."""
        address = (of or who.principal_id).lower()
        _themselves(who)
        if address != who.principal_id:
            an_admin(who)
        with self._store.tx() as tx:
            ended = rows.end_sessions(tx, address, session_id)
            if session_id is not None and not ended:
                raise NotFound(f"there is no session {session_id!r}", fix="see: deputy config session ls")
            audited(tx, who, "session.ended", clock.now(), {"person": address, "sessions": ended})
        return {"person": address, "ended": ended}

    # ---- API keys ----------------------------------------------------------------------------------------------------
    def create_key(
        self,
        who: Principal,
        *,
        scopes: Sequence[str],
        name: str = "",
        of: str | None = None,
        is_program: bool = False,
        lives: timedelta = KEY_LIVES,
    ) -> dict[str, Any]:
        """The key's entry, and in "key" the key itself: shown this once. It never allows more than its person may.

        `of`: another person, for an admin; deciding stays with themselves. A program's key never decides, and what it submits are
        not the person's own words.
        """
        _themselves(who)
        wanted = frozenset[rights.Scope](one for one in rights.SCOPES if one in scopes)
        if unknown := sorted({*scopes} - wanted):
            raise UsageError(f"there is no scope {unknown[0]!r}", fix=f"scopes are: {', '.join(rights.SCOPES)}")
        if not wanted:
            raise UsageError("the key has no scope", fix=f"scopes are: {', '.join(rights.SCOPES)}")
        if is_program and "decide" in wanted:
            raise UsageError("a program never approves", fix="leave out the scope decide")
        if not timedelta(minutes=1) <= lives <= LONGEST_KEY:
            raise UsageError("a key lives between a minute and a year", fix="e.g. --expires 90d")
        if len(name) > 80:
            raise UsageError("the name has more than 80 characters", fix="choose a shorter one")
        address, now = (of or who.principal_id).strip().lower(), clock.real()
        if address != who.principal_id:
            an_admin(who)
            if "decide" in wanted:
                raise NotEligible("only they themselves give away their decisions", fix="leave out the scope decide")
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        text = f"{KEY_PREFIX}{key_id}_{secret}"
        with self._store.tx() as tx:
            visitor = self._roles.present(tx, address)
            if visitor is None:
                raise NotFound(f"{address} is not in the directory, or has no role", fix="see: deputy people roles")
            bound = visitor.principal.scopes if who.limit is None else visitor.principal.scopes & who.limit
            if over := sorted(wanted - bound):
                raise NotEligible(f"{address} does not have the scope {over[0]!r}", fix="see: deputy people roles")
            if sum(not one.is_over(now) for one in rows.keys_of(tx, address)) >= MOST_KEYS:
                raise Conflict(f"{address} has {MOST_KEYS} keys", fix="take one back: deputy config key rm")
            key = rows.Key(
                key_id=key_id,
                hash=digest_of(text),
                name=name,
                person=address,
                scopes=[one for one in rights.SCOPES if one in wanted],
                is_human=not is_program,
                created_by=who.principal_id,
                created_at=now,
                expires_at=now + lives,
            )
            rows.add_key(tx, key)
            body = {"key": key_id, "person": address, "scopes": list(key.scopes), "program": is_program}
            audited(tx, who, "key.created", clock.now(), body)
        return _key_entry(key, now) | {"key": text}

    def of_key(self, text: str) -> Visitor:
        """Who speaks with this key, narrowed to it. Raises Unauthorized."""
        key_id = text.removeprefix(KEY_PREFIX).partition("_")[0] if text.startswith(KEY_PREFIX) else ""
        now = clock.real()
        with self._store.read() as tx:
            key = rows.key(tx, key_id)
            same = hmac.compare_digest(digest_of(text), key.hash if key is not None else digest_of(""))
            visitor = self._roles.present(tx, key.person) if key is not None and same else None
        if key is None or not same:
            raise Unauthorized("this API key is not ours", fix="deputy config key create")
        if key.is_over(now):
            raise Unauthorized(
                f"the API key {key_id} has expired or was taken back", fix="make another: deputy config key create"
            )
        if visitor is None:
            raise Unauthorized(f"the person of the API key {key_id} may no longer come in", fix="ask an admin")
        if key.used_at is None or key.used_at <= now - rows.SEEN_EVERY:
            with self._store.tx() as tx:
                rows.mark_key_used(tx, key_id, now)
        scopes = frozenset[rights.Scope](one for one in rights.SCOPES if one in key.scopes)
        return Visitor(
            principal=visitor.principal.with_key(scopes, is_human=key.is_human), zone=visitor.zone, key_id=key_id
        )

    def keys(self, who: Principal, *, everybody: bool = False) -> list[dict[str, Any]]:
        """One's own, or everybody's for an admin; newest first. Nothing in them opens anything."""
        if everybody:
            an_admin(who)
        with self._store.read() as tx:
            found = rows.keys_of(tx, None if everybody else who.principal_id)
        return [_key_entry(one, clock.real()) for one in found]

    def revoke_key(self, who: Principal, key_id: str) -> dict[str, Any]:
        """One's own, or anyone's for an admin. It is of no use from the next request on."""
        _themselves(who)
        now = clock.real()
        with self._store.tx() as tx:
            found = rows.key(tx, key_id)
            if found is None or (found.person != who.principal_id and "admin" not in who.roles):
                raise NotFound(f"there is no key {key_id!r} of yours", fix="see: deputy config key ls")
            rows.revoke_key(tx, key_id, now)
            audited(tx, who, "key.revoked", clock.now(), {"key": key_id, "person": found.person})
            fresh = rows.key(tx, key_id)
        assert fresh is not None
        return _key_entry(fresh, now)

    def has_keys(self) -> bool:
        """Whether any key is of use now."""
        with self._store.read() as tx:
            return rows.has_live_key(tx, clock.real())

    # ---- sign-ins on their way to an identity provider ---------------------------------------------------------------
    def keep_sign_in(self, state: str, browser: str, *, nonce: str, verifier: str, next: str) -> None:
        now = clock.real()
        kept = rows.SignIn(browser=digest_of(browser), nonce=nonce, verifier=verifier, next=next)
        with self._store.tx() as tx:
            rows.add_sign_in(tx, digest_of(state), kept, now, now + SIGN_IN_LIVES)

    def take_sign_in(self, state: str, browser: str) -> rows.SignIn:
        """What was kept, once, and only for the browser that began. Raises Unauthorized."""
        with self._store.tx() as tx:
            kept = rows.take_sign_in(tx, digest_of(state), clock.real())
        if kept is None or not hmac.compare_digest(kept.browser, digest_of(browser)):
            raise Unauthorized("this sign-in was not begun in this browser, or took too long", fix="begin again")
        return kept


def _themselves(who: Principal) -> None:
    """INVARIANT: a key neither makes keys nor takes any, so that a stolen one cannot outlive its end; but for an admin's that says so."""
    a_person(who)
    if who.limit is not None and "admin" not in who.limit:
        raise NotEligible("a key cannot do this", fix="sign in, or use a key with the scope admin")


def _key_entry(key: rows.Key, now: datetime) -> dict[str, Any]:
    state = "revoked" if key.revoked_at is not None else "expired" if key.expires_at <= now else "active"
    return {
        "key_id": key.key_id,
        "name": key.name,
        "person": key.person,
        "scopes": list(key.scopes),
        "program": not key.is_human,
        "state": state,
        "created_by": key.created_by,
        "created_at": documents.iso(key.created_at),
        "expires_at": documents.iso(key.expires_at),
        "used_at": documents.iso(key.used_at),
        "revoked_at": documents.iso(key.revoked_at),
    }


def _session_entry(session: rows.Session) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "person": session.person,
        "via": session.via,
        "device": session.device,
        "created_at": documents.iso(session.created_at),
        "seen_at": documents.iso(session.seen_at),
        "expires_at": documents.iso(session.expires_at),
    }
