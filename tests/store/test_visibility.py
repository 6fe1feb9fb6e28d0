"""Whom queries show what, whose connection serves, and what a database of the first version becomes; on both engines."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from orchestrator.domain.effect import EffectState
from orchestrator.domain.item import WaitKind
from orchestrator.store import approvals, audit, connections, effects, migrations, outbox, quotas, runs, waits
from orchestrator.store.database import Store
from orchestrator.store.tables import schema_version
from tests.store.nouns import ALEX, DANA, NOW, SAM, card, effect, later, running, submit


def test_queries_show_what_a_person_asked_for_or_decides(store: Store) -> None:
    """Cards, runs, events and news: the requester's and the approver's own, within the limit; nobody else's."""
    mine = running(store)
    entry = effect(mine)
    store.write(effects.intend, mine, entry, card(entry, eligible=[DANA]), wait_id=f"{entry.effect_id}:1", now=NOW)
    theirs = submit(store, requester=SAM, now=later(minutes=1))

    with store.read() as tx:
        for person, count in ((ALEX, 1), (DANA, 1), (SAM, 0), ("lex@northwind.example", 0)):
            assert len(approvals.list_by_state(tx, None, seen_by=person, limit=1)) == count
            assert len(runs.list_runs(tx, limit=1, seen_by=person)) == count
            seen = [news.kind for news in outbox.after(tx, 0, seen_by=person) if news.item_id == mine.item.item_id]
            assert seen == ["item.submitted", "run.started", "approval.asked"] * count
        assert approvals.list_pending(tx, eligible=ALEX) == []
        assert {news.item_id for news in outbox.after(tx, 0, seen_by=DANA)} == {mine.item.item_id}
        assert {news.item_id for news in outbox.after(tx, 0, seen_by=SAM)} == {theirs}
        assert outbox.after(tx, 0, seen_by="lex@northwind.example") == []
        assert {e["item_id"] for e in audit.tail(tx, seen_by=DANA)} == {mine.item.item_id}
        assert {e["item_id"] for e in audit.tail(tx, seen_by=SAM)} == {theirs}
        assert {e["item_id"] for e in audit.tail(tx, seen_by=DANA, all_items=True)} == {mine.item.item_id, theirs}


def test_a_lapsed_account_is_not_replaced_by_anothers(store: Store) -> None:
    """Who owns a connection of a family is served by their own only, whatever its state; others by what is shared."""
    more: dict[str, Any] = {"connector": "office", "families": ["mail"], "now": NOW}
    store.write(connections.add, connection_id="own", owner=ALEX, subject=ALEX, state="reconsent", **more)
    store.write(connections.add, connection_id="team", owner=SAM, subject=SAM, shared_with=["*"], **more)

    with store.read() as tx:
        assert connections.find(tx, ALEX, "mail") is None
        served = connections.find(tx, DANA, "mail")
    assert served is not None and served.connection_id == "team"


def test_a_connection_that_is_active_again_wakes_who_waits_for_it(store: Store) -> None:
    """Each change is audited once with who made it; the wait of its owner ends, and no other family's."""
    more: dict[str, Any] = {"connector": "office", "families": ["mail"], "now": NOW, "actor": SAM}
    store.write(connections.add, connection_id="own", owner=ALEX, subject=ALEX, state="reconsent", **more)
    items = {family: submit(store) for family in ("mail", "calendar")}
    for family, item_id in items.items():
        new = waits.NewWait(wait_id="w", kind=WaitKind.RECONSENT, payload={"principal": ALEX, "family": family})
        store.write(waits.record, item_id, new, NOW)

    store.write(connections.set_state, "own", "active", actor=SAM, now=NOW)
    store.write(connections.add, connection_id="own", owner=ALEX, subject=ALEX, **more)
    store.write(connections.remove, ["own"], actor=SAM, now=NOW)

    with store.read() as tx:
        assert [len(waits.open_waits(tx, item_id)) for item_id in items.values()] == [0, 1]
        told = [(e["kind"], e["actor"]) for e in audit.tail(tx) if e["item_id"] is None]
    assert told == [(f"connection.{word}", SAM) for word in ("added", "changed", "removed")]


def test_a_reservation_goes_with_the_effect(store: Store) -> None:
    """It stays while the outcome is unknown or done, and comes back exactly once when the effect failed."""
    mine = running(store)
    for call, happened in (("g0.a", False), ("g0.b", True)):
        entry = effect(mine, call, state=EffectState.APPROVED)
        store.write(effects.hold, mine, entry, NOW)
        store.write(
            effects.attempt, mine, entry.effect_id, expect=EffectState.APPROVED, now=NOW, wire_timeout_s=1.0,
            reserve={"sends": (2, 9)},
        )  # fmt: skip
        store.write(effects.unknown, mine, entry.effect_id, wait_id=f"{call}:doubt", payload={}, now=NOW)
        with store.read() as tx:
            assert quotas.used(tx, mine.item.root_id) == {"sends": 2}
        for _ in range(2):
            said: dict[str, Any] = {"happened": happened, "result": {}, "error": {"code": "not_sent", "message": ""}}
            store.write(effects.settle_unknown, mine, entry.effect_id, **said, now=NOW)
        with store.read() as tx:
            assert quotas.used(tx, mine.item.root_id) == {"sends": 2 if happened else 0}


def test_a_database_of_the_first_version_is_led_on(store: Store) -> None:
    """Its effects get the column for what they have reserved."""
    with store.tx() as tx:
        tx.c.execute(sa.text("alter table effects drop column reserved"))
        for later in ("lost_since", "legal_hold"):
            tx.c.execute(sa.text(f"alter table worklist drop column {later}"))
        tx.c.execute(sa.delete(schema_version).where(schema_version.c.version > 1))
        assert migrations.migrate(tx.c) == migrations.MIGRATIONS[-1].version
    test_a_reservation_goes_with_the_effect(store)
