"""Sealed credentials as rows: versions, what is in use, and what goes with a connection."""

from __future__ import annotations

import pytest

from orchestrator.store import connections, credentials
from orchestrator.store.credentials import Sealed
from orchestrator.store.database import Store
from tests.store.nouns import ALEX, NOW, later

FIRST = Sealed(key_id="k1", wrapped=b"\x00one", sealed=b"\xffone")
SECOND = Sealed(key_id="k1", wrapped=b"two", sealed=b"two")


@pytest.fixture
def connected(store: Store) -> Store:
    """A connection with credentials."""
    store.write(
        connections.add, connection_id="conn_1", connector="post", owner=ALEX, subject=ALEX, families=["mail"], now=NOW
    )
    store.write(credentials.put, "conn_1", FIRST, NOW)
    return store


def version_of(store: Store) -> int:
    with store.read() as tx:
        return next(one.credentials for one in connections.every(tx) if one.connection_id == "conn_1")


def test_each_sealing_is_a_version(connected: Store) -> None:
    """Bytes come back as they went in; new ones take their place under the next version."""
    with connected.read() as tx:
        first = credentials.in_use(tx, "conn_1")
    assert connected.write(credentials.put, "conn_1", SECOND, later(days=1)) == 2

    with connected.read() as tx:
        (kept,) = credentials.kept(tx)
        second = credentials.in_use(tx, "conn_1")
    assert first is not None and (first.wrapped, first.sealed, first.version) == (FIRST.wrapped, FIRST.sealed, 1)
    assert second is not None and (second.sealed, second.version) == (b"two", 2)
    assert (kept.version, kept.key_id, kept.issued_at) == (2, "k1", later(days=1))
    assert version_of(connected) == 2


def test_another_key_wraps_only_what_it_read(connected: Store) -> None:
    """A rewrap of credentials that were replaced meanwhile changes nothing."""
    connected.write(credentials.put, "conn_1", SECOND, NOW)
    stale = Sealed(key_id="k2", wrapped=b"new", sealed=FIRST.sealed, version=1)
    present = Sealed(key_id="k2", wrapped=b"new", sealed=SECOND.sealed, version=2)

    assert connected.write(credentials.rewrap, "conn_1", stale) is False
    assert connected.write(credentials.rewrap, "conn_1", present) is True
    with connected.read() as tx:
        found = credentials.get(tx, "conn_1")
    assert found is not None and (found.key_id, found.wrapped, found.sealed) == ("k2", b"new", b"two")


def test_a_lapsed_connection_has_none_in_use(connected: Store) -> None:
    """They stay for whoever connects again, and serve nobody."""
    connected.write(connections.set_state, "conn_1", "reconsent")

    with connected.read() as tx:
        assert credentials.in_use(tx, "conn_1") is None
        assert credentials.get(tx, "conn_1") is not None


@pytest.mark.parametrize("end", ["revoked", "removed"])
def test_credentials_go_with_their_connection(connected: Store, end: str) -> None:
    """Taken back or removed: nothing is left to open."""
    if end == "revoked":
        connected.write(connections.set_state, "conn_1", "revoked")
    else:
        connected.write(connections.remove, ["conn_1"])

    with connected.read() as tx:
        assert credentials.get(tx, "conn_1") is None
        assert credentials.kept(tx) == []
