"""Links, sessions, keys and roles at rest, on both databases."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from orchestrator.domain.person import Person
from orchestrator.errors import NotFound
from orchestrator.store import access, people, roles
from orchestrator.store.access import Key, Session, SignIn
from orchestrator.store.access_tables import sessions
from orchestrator.store.database import Store

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALEX, BEN, CLEO = "alex@d.example", "ben@d.example", "cleo@d.example"


def session(person: str, number: int = 1, *, expires_at: datetime = NOW + HOUR) -> Session:
    return Session(
        session_id=f"ses_{person}_{number}",
        person=person,
        via="link",
        device="a browser",
        idle_s=600,
        created_at=NOW,
        seen_at=NOW,
        expires_at=expires_at,
    )


def key(key_id: str, person: str = ALEX, *, expires_at: datetime = NOW + HOUR) -> Key:
    return Key(
        key_id=key_id,
        hash=f"h{key_id}",
        name="n",
        person=person,
        scopes=["read", "submit"],
        is_human=True,
        created_by=ALEX,
        created_at=NOW,
        expires_at=expires_at,
    )


def test_a_link_is_taken_by_one(store: Store) -> None:
    """Eight at once: one gets it."""
    with store.tx() as tx:
        access.add_link(tx, "d", ALEX, NOW, NOW + HOUR)
    took: list[str | None] = []

    def take() -> None:
        with store.tx() as tx:
            took.append(access.take_link(tx, "d", NOW))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(map(str, took)) == ["None"] * 7 + [ALEX]


def test_a_late_link_is_used_up_for_nothing(store: Store) -> None:
    """At its last instant it is too late; and a new one takes the old ones along."""
    with store.tx() as tx:
        access.add_link(tx, "late", ALEX, NOW, NOW + HOUR)
        access.add_link(tx, "old", ALEX, NOW, NOW + HOUR)
        assert access.take_link(tx, "late", NOW + HOUR) is None
        assert access.take_link(tx, "late", NOW) is None
        access.add_link(tx, "new", ALEX, NOW + HOUR, NOW + 2 * HOUR)
        assert access.take_link(tx, "old", NOW) is None


def test_sessions_are_found_seen_and_ended(store: Store) -> None:
    """By digest; a use is noted once a minute; ended one by one, or all of a person."""
    with store.tx() as tx:
        for digest, one in (("a", session(ALEX)), ("b", session(ALEX, 2)), ("c", session(BEN))):
            access.add_session(tx, digest, one)
        access.mark_session_seen(tx, "a", NOW + timedelta(seconds=59))
        assert access.session(tx, "a") == session(ALEX)
        access.mark_session_seen(tx, "a", NOW + timedelta(seconds=60))
        seen = access.session(tx, "a")
        assert seen is not None and seen.seen_at == NOW + timedelta(seconds=60)
        assert [one.session_id for one in access.sessions_of(tx, ALEX)] == [
            "ses_alex@d.example_1",
            "ses_alex@d.example_2",
        ]
        assert access.end_session(tx, "c") == (BEN, "link") and access.end_session(tx, "c") is None
        assert access.end_sessions(tx, ALEX, "ses_of_nobody") == 0
        assert access.end_sessions(tx, ALEX) == 2
        assert access.session(tx, "a") is None


def test_old_sessions_go_with_a_new_one(store: Store) -> None:
    """The table holds no more than is in use."""
    with store.tx() as tx:
        access.add_session(tx, "old", session(ALEX, expires_at=NOW))
        access.add_session(tx, "new", session(ALEX, 2))
        assert tx.c.scalar(sa.select(sa.func.count()).select_from(sessions)) == 1


def test_keys_are_kept_listed_and_revoked(store: Store) -> None:
    """What was kept comes back equal; revoked once, for good; a live one is noticed."""
    with store.tx() as tx:
        assert not access.has_live_key(tx, NOW)
        access.add_key(tx, key("k1"))
        access.add_key(tx, key("k2", BEN, expires_at=NOW))
        assert access.key(tx, "k1") == key("k1") and access.key(tx, "k3") is None
        assert [one.key_id for one in access.keys_of(tx, None)] == ["k1", "k2"]
        assert access.has_live_key(tx, NOW)
        access.mark_key_used(tx, "k1", NOW)
        access.revoke_key(tx, "k1", NOW)
        access.revoke_key(tx, "k1", NOW + HOUR)
        gone = access.key(tx, "k1")
        assert gone is not None and (gone.used_at, gone.revoked_at) == (NOW, NOW)
        assert not access.has_live_key(tx, NOW)
        assert access.revoke_keys(tx, BEN, NOW) == 1
        with pytest.raises(NotFound):
            access.revoke_key(tx, "k3", NOW)


def test_a_sign_in_comes_back_once(store: Store) -> None:
    """In time, and with what was kept."""
    kept = SignIn(browser="b", nonce="n", verifier="v", next="/work")
    with store.tx() as tx:
        access.add_sign_in(tx, "s", kept, NOW, NOW + HOUR)
        assert access.take_sign_in(tx, "s", NOW) == kept
        assert access.take_sign_in(tx, "s", NOW) is None
        access.add_sign_in(tx, "t", kept, NOW, NOW + HOUR)
        assert access.take_sign_in(tx, "t", NOW + HOUR) is None


def test_one_tenants_doors_are_not_anothers(database_url: str) -> None:
    """The same digest means nothing to another tenant of the database."""
    ours, theirs = Store.open(database_url), Store.open(database_url, tenant_id="other")
    try:
        with ours.tx() as tx:
            access.add_session(tx, "a", session(ALEX))
            access.add_key(tx, key("k1"))
            access.add_link(tx, "l", ALEX, NOW, NOW + HOUR)
            roles.put(tx, ALEX, ["admin"], source="assigned", by=ALEX, now=NOW)
        with theirs.tx() as tx:
            assert access.session(tx, "a") is None and access.key(tx, "k1") is None
            assert access.take_link(tx, "l", NOW) is None and roles.every(tx) == []
            assert access.end_sessions(tx, ALEX) == 0 and access.revoke_keys(tx, ALEX, NOW) == 0
    finally:
        ours.close()
        theirs.close()


def test_who_counts_as_another_admin(store: Store) -> None:
    """Somebody of the directory with the role, not turned away; or the owner to whom nothing else was given."""
    with store.tx() as tx:
        known = [Person(address=one, name=one, inside=True) for one in (ALEX, BEN)]
        people.upsert_many(tx, known, "test", NOW)

        def give(person: str, *names: str) -> None:
            roles.put(tx, person, names, source="assigned", by=ALEX, now=NOW)

        assert roles.has_other_admin(tx, BEN, owner=ALEX)
        assert not roles.has_other_admin(tx, ALEX, owner=ALEX)
        give(CLEO, "admin")  # of no directory
        assert not roles.has_other_admin(tx, ALEX, owner=ALEX)
        give(BEN, "admin")
        assert roles.has_other_admin(tx, ALEX, owner=ALEX)
        give(ALEX, "viewer")
        assert not roles.has_other_admin(tx, BEN, owner=ALEX)
        roles.put(tx, BEN, ["none"], source="groups", by="provider", now=NOW)
        assert not roles.has_other_admin(tx, ALEX, owner=ALEX)
        assert roles.put(tx, BEN, [], source="assigned", by=ALEX, now=NOW) == ["admin"]
