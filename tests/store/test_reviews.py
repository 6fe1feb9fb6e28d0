"""What was seen of a tool server holds for everybody on the database until a person has looked again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from orchestrator.store import audit, connections, dump, reviews
from orchestrator.store.database import Store, Tx

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FIRST: dict[str, Any] = {"tools": [{"name": "notes.get"}], "is_reviewed": False}
LATER: dict[str, Any] = {"tools": [{"name": "notes.get"}, {"name": "notes.add"}], "is_reviewed": True}


def reviewed(tx: Tx) -> str:
    (only,) = connections.every(tx)
    return only.reviewed


def connect(tx: Tx) -> None:
    connections.add(
        tx, connection_id="conn_1", connector="notes", owner="alex", subject="notes", families=["notes"], now=NOW
    )


def test_of_two_first_looks_the_sooner_one_holds(store: Store) -> None:
    """Two hosts ask a server that nobody reviewed; both go on with what the first of them was told."""
    one = store.write(reviews.put_first, "notes", FIRST, actor="engine", now=NOW)
    other = store.write(reviews.put_first, "notes", LATER, actor="engine", now=NOW)

    assert one == other == FIRST


def test_a_persons_look_replaces_what_held_and_is_seen_on_the_connection(store: Store) -> None:
    """Its digest stands on every connection of that server, so that whoever built tools from the old one knows."""
    store.write(connect)
    with store.read() as tx:
        before = reviewed(tx)
    store.write(reviews.put_first, "notes", FIRST, actor="engine", now=NOW)
    with store.read() as tx:
        first = reviewed(tx)

    store.write(reviews.put, "notes", LATER, actor="alex", now=NOW)
    with store.read() as tx:
        later, held = reviewed(tx), reviews.get(tx, "notes")
        told = [(e["actor"], e["body"]["tools"]) for e in audit.export(tx) if e["kind"] == "connection.described"]

    assert before == "" and first == reviews.digest(FIRST) and later == reviews.digest(LATER)
    assert held == LATER
    assert told == [("engine", 1), ("alex", 2)]


def test_it_outlives_a_connection_but_not_a_persons_removal(store: Store) -> None:
    """A server that left a file and comes back is no new one; another tenant's of the same name is."""
    store.write(connect)
    store.write(reviews.put, "notes", LATER, actor="alex", now=NOW)
    store.write(connections.remove, ["conn_1"], actor="alex", now=NOW)
    elsewhere = Store.open(store.url, tenant_id="elsewhere")
    try:
        with store.read() as tx, elsewhere.read() as theirs:
            assert reviews.get(tx, "notes") == LATER and reviews.get(theirs, "notes") is None
    finally:
        elsewhere.close()

    store.write(reviews.forget, "notes")

    with store.read() as tx:
        assert reviews.get(tx, "notes") is None


def test_a_backup_carries_it(store: Store) -> None:
    """Kept as lines and read back, it is the same, for the same connection."""
    store.write(connect)
    store.write(reviews.put, "notes", LATER, actor="alex", now=NOW)
    with store.read() as tx:
        kept = list(dump.lines(tx, "reviews"))
    store.write(reviews.forget, "notes")

    count = store.write(dump.load, "reviews", dump.columns("reviews"), kept)

    with store.read() as tx:
        assert count == 1 and "reviews" in dump.names()
        assert reviews.get(tx, "notes") == LATER and reviewed(tx) == reviews.digest(LATER)
