"""What a waiting run costs: `python -m benchmarks.parked [--runs N] [--engine sqlite]`.

Makes runs that wait for a person (an item, a run, four log rows, an effect, its card, its wait, news and audit events), then
measures bytes on disk and memory for each, and how long one takes from the answer to its claim, with all the others waiting.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from connectors.spec import Json
from orchestrator import ids
from orchestrator.domain.effect import Approval, ApprovalState, Effect, EffectState
from orchestrator.domain.outcome import Parked
from orchestrator.store import approvals, effects, lease, runs, steplog, workers, worklist
from orchestrator.store.database import Store, Tx
from orchestrator.store.steplog import Row
from orchestrator.store.worklist import NewItem
from tests import postgres

OWNER = "alex@northwind.example"
BATCH = 200
ANSWERS = 200


def park_one(tx: Tx) -> str:
    """Takes the next ready item to a park on an approval; the approval's id."""
    at = datetime.now(UTC)
    claimed = lease.claim(tx, "w", at)
    assert claimed is not None
    mine = claimed.lease
    run_id = runs.start(
        tx, mine, route="match", workflow="schedule-call", version="1", pins={"workflow": "sha256:" + "0" * 64}, now=at
    )
    body: Json = {
        "tool": "mail.search",
        "result": {"messages": [{"message_id": "msg_1", "subject": "Call next week?"}]},
    }
    steplog.append(tx, mine, [Row(kind="read", key=f"g0.step{n}", body=body) for n in range(4)], at)
    effect_id = ids.effect_id(run_id, "g0.invite")
    effect = Effect(
        effect_id=effect_id,
        item_id=mine.item.item_id,
        run_id=run_id,
        call_id="g0.invite",
        tool="calendar.create_event",
        args={"title": "Call with Dana", "start": "2026-11-24T10:00:00+00:00", "attendees": ["dana@northwind.example"]},
        args_digest="sha256:" + "1" * 64,
        connection_id="conn_1",
        key=ids.effect_key(effect_id),
        state=EffectState.INTENDED,
        decision="ask",
        rules=["invitations-ask"],
        reason="an invitation to a colleague",
        bundle_digest="sha256:" + "2" * 64,
        preview="Invite Dana to Call with Dana on Tue 24 Nov 10:00",
        created_at=at,
    )
    card = Approval(
        approval_id=ids.approval_id(effect_id, 1),
        effect_id=effect_id,
        item_id=mine.item.item_id,
        digest=effect.args_digest,
        state=ApprovalState.PENDING,
        eligible=[OWNER],
        needed=1,
        preconditions=[{"kind": "free", "args": {}, "text": "Dana is free on Tue 24 Nov 10:00-10:30"}],
        card={"title": "Invite Dana", "lines": ["Tue 24 Nov 10:00-10:30"], "rule": "invitations-ask"},
        created_at=at,
        expires_at=at + timedelta(days=7),
    )
    effects.intend(tx, mine, effect, card, wait_id=f"{effect_id}:1", now=at)
    lease.settle(tx, mine, Parked(), at)
    return card.approval_id


def size_bytes(store: Store) -> int:
    """Bytes of the database, its log moved into it."""
    if store.path is not None:
        with store.read() as tx:
            pages = int(tx.c.exec_driver_sql("pragma page_count").scalar() or 0)
            return pages * int(tx.c.exec_driver_sql("pragma page_size").scalar() or 0)
    with store.read() as tx:
        return int(tx.c.scalar(sa.text("select pg_database_size(current_database())")) or 0)


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(store: Store, count: int) -> None:
    """Prints bytes, memory and wake time for `count` waiting runs."""
    store.write(workers.register, "w", lock_key=1, host="here", pid=1)

    def park_many(tx: Tx) -> list[str]:
        return [park_one(tx) for _ in range(BATCH)]

    def grow(runs: int) -> list[str]:
        store.write(
            worklist.submit_many,
            [NewItem(request="Find time with Dana for a call", requester=OWNER)] * runs,
            datetime.now(UTC),
        )
        return [card for _ in range(runs // BATCH) for card in store.write(park_many)]

    grow(BATCH)  # warm: caches and first pages are nobody's cost
    bytes_before, memory_before = size_bytes(store), resident_bytes()
    cards = grow(count)
    stored = (size_bytes(store) - bytes_before) / len(cards)
    held = (resident_bytes() - memory_before) / len(cards)
    spans = []
    for card in cards[:: max(1, len(cards) // ANSWERS)]:
        began = time.perf_counter()
        store.write(approvals.decide, card, "approve", digest="sha256:" + "1" * 64, by=OWNER, now=datetime.now(UTC))
        claimed = store.write(lease.claim, "w", datetime.now(UTC))
        spans.append(1e3 * (time.perf_counter() - began))
        assert claimed is not None
        assert claimed.effects[0].state is EffectState.APPROVED
    p99 = sorted(spans)[int(len(spans) * 0.99) - 1]
    print(
        f"{store.dialect:10} {len(cards):>9,} waiting: {stored:,.0f} bytes each on disk, {held:,.0f} bytes each in memory;"
        f" answer to claim p50 {statistics.median(spans):.2f} ms, p99 {p99:.2f} ms",
        flush=True,
    )


def main() -> None:
    """Both engines, or the one named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--engine", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    if options.engine != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            store = Store.open(f"sqlite:///{folder}/work.sqlite")
            measure(store, options.runs)
            store.close()
    if options.engine != "sqlite" and postgres.available():
        cluster = postgres.Cluster()
        try:
            store = Store.open(cluster.create())
            measure(store, options.runs)
            store.close()
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
