"""Whatever is done to the stored chain, verification finds it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.domain.audit import GENESIS, AuditEvent, link
from orchestrator.store import audit
from orchestrator.store.database import Store
from orchestrator.store.tables import audit as rows
from orchestrator.store.tables import audit_heads as heads

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BODIES = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=4,
    ),
    max_size=3,
)
EVENTS = st.lists(
    st.tuples(st.sampled_from(["decision", "effect.done"]), st.sampled_from(["a", "b"]), BODIES), min_size=1, max_size=8
)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def chained(events: list[tuple[str, str, dict[str, Any]]]) -> Iterator[Store]:
    """A store with these events in its chain, two to a transaction."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{folder}/chain.sqlite")
        for start in range(0, len(events), 2):
            with store.tx() as tx:
                for kind, actor, body in events[start : start + 2]:
                    tx.audit(AuditEvent(kind=kind, actor=actor, at=NOW.isoformat(), body=body))
        yield store
        store.close()


def verify(store: Store, known: dict[str, Any] | None = None) -> audit.Verification:
    with store.read() as tx:
        return audit.verify(tx, known)


@given(EVENTS)
@FEW
def test_an_untouched_chain_holds(events: list[tuple[str, str, dict[str, Any]]]) -> None:
    """Any events verify, alone and against every head on the way."""
    with chained(events) as store:
        assert verify(store) == audit.Verification(True, len(events))
        with store.read() as tx:
            exported = list(audit.export(tx))
        for event in exported:
            assert verify(store, {"seq": event["seq"], "hash": event["hash"]}).ok


@given(EVENTS, st.data())
@FEW
def test_every_tampering_is_found(events: list[tuple[str, str, dict[str, Any]]], data: st.DataObject) -> None:
    """An edit of any field, a drop, an insertion, a swap: verification names the first bad event."""
    with chained(events) as store:
        seq = data.draw(st.integers(1, len(events)))
        what = data.draw(
            st.sampled_from(
                ["kind", "actor", "at", "item_id", "run_id", "effect_id", "body", "hash", "drop", "insert", "swap"]
            )
        )
        at = rows.c.seq == seq
        with store.tx() as tx:
            if what == "drop":
                tx.c.execute(sa.delete(rows).where(at))
            elif what == "insert":
                row = dict(tx.c.execute(sa.select(rows).where(at)).one()._mapping)
                tx.c.execute(sa.update(rows).where(rows.c.seq >= seq).values(seq=-rows.c.seq))
                tx.c.execute(sa.update(rows).where(rows.c.seq < 0).values(seq=1 - rows.c.seq))
                tx.c.execute(sa.insert(rows), [row])
            elif what == "swap":
                if len(events) == 1:
                    return
                other = seq % len(events) + 1
                tx.c.execute(sa.update(rows).where(at).values(seq=0))
                tx.c.execute(sa.update(rows).where(rows.c.seq == other).values(seq=seq))
                tx.c.execute(sa.update(rows).where(rows.c.seq == 0).values(seq=other))
            else:
                value: Any = {"forged": True} if what == "body" else "forged"
                tx.c.execute(sa.update(rows).where(at).values({what: value}))

        found = verify(store)

        assert not found.ok
        assert found.first_bad_seq is not None
        assert found.reason


@given(EVENTS)
@FEW
def test_a_rewritten_or_shortened_chain_is_found_by_an_earlier_head(
    events: list[tuple[str, str, dict[str, Any]]],
) -> None:
    """A chain rewritten as a whole, or cut with its head, verifies alone but not against the head exported before."""
    with chained(events) as store:
        with store.read() as tx:
            known = audit.head(tx)
        with store.tx() as tx:
            digest = GENESIS
            for seq in range(1, len(events) + 1):
                event = AuditEvent(kind="forged", actor="x", at=NOW.isoformat(), body={})
                digest = link(digest, seq, event)
                changed: dict[str, Any] = {"kind": "forged", "actor": "x", "body": {}, "item_id": None, "hash": digest}
                tx.c.execute(sa.update(rows).where(rows.c.seq == seq).values(changed))
            tx.c.execute(sa.update(heads).values(hash=digest))
        assert verify(store).ok
        assert not verify(store, known).ok

        with store.tx() as tx:
            last = len(events)
            before = tx.c.scalar(sa.select(rows.c.hash).where(rows.c.seq == last - 1)) or GENESIS
            tx.c.execute(sa.delete(rows).where(rows.c.seq == last))
            tx.c.execute(sa.update(heads).values(seq=last - 1, hash=before))
        assert verify(store).ok
        assert not verify(store, known).ok


def test_a_chain_cut_at_its_end_is_found_without_a_head(tmp_path: Path) -> None:
    """Dropping the last events alone disagrees with the stored head."""
    with chained([("decision", "a", {})] * 3) as store:
        with store.tx() as tx:
            tx.c.execute(sa.delete(rows).where(rows.c.seq == 3))
        assert verify(store).first_bad_seq == 3


def test_pruning_by_order_leaves_a_chain_that_holds(store: Store) -> None:
    """Deleted up to a date on an explicit order, the rest verifies, and the order is on record."""
    for day in range(4):
        with store.tx() as tx:
            tx.audit(
                AuditEvent(kind="decision", actor="a", at=(NOW + timedelta(days=day)).isoformat(), body={"day": day})
            )
    with store.read() as tx:
        old, recent = audit.tail(tx)[0], audit.tail(tx)[2]

    assert store.write(audit.prune, NOW + timedelta(days=2), actor="owner", now=NOW) == 2

    with store.read() as tx:
        assert [event["seq"] for event in audit.export(tx)] == [3, 4, 5]
        assert audit.verify(tx).ok
        assert audit.verify(tx, {"seq": recent["seq"], "hash": recent["hash"]}).ok
        assert not audit.verify(tx, {"seq": old["seq"], "hash": old["hash"]}).ok
    assert store.write(audit.prune, NOW, actor="owner", now=NOW) == 0


@pytest.mark.parametrize("parallel", [4])
def test_parallel_writers_make_one_chain(database_url: str, parallel: int) -> None:
    """Many processes' worth of transactions interleave into one gapless chain."""
    from concurrent.futures import ThreadPoolExecutor

    store = Store.open(database_url)

    def write(n: int) -> None:
        with store.tx() as tx:
            for k in range(3):
                tx.audit(AuditEvent(kind="decision", actor=str(n), at=NOW.isoformat(), body={"k": k}))

    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(write, range(20)))
    with store.read() as tx:
        assert audit.verify(tx) == audit.Verification(True, 60)
    store.close()
