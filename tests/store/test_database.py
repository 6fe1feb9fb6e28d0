"""Opening, migrating, failing in words, and committing in groups."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrator.errors import Conflict, Fenced, NotFound, StoreUnavailable
from orchestrator.store import items, migrations, steplog, worklist
from orchestrator.store.agent_tables import budgets, memories, packets
from orchestrator.store.database import Contended, Store, Tx
from orchestrator.store.migrations import Migration
from orchestrator.store.tables import metadata, schema_version
from orchestrator.store.tables import worklist as table
from orchestrator.store.writer import Writer
from tests import postgres
from tests.store.nouns import NOW, state, submit, wish


# ---- opening -------------------------------------------------------------------------------------------------------
def test_opening_makes_every_table_and_stamps_the_version(store: Store) -> None:
    """A fresh database has the whole schema at the last version."""
    with store.read() as tx:
        assert set(sa.inspect(tx.c).get_table_names()) >= set(metadata.tables)
        assert migrations.version(tx.c) == migrations.MIGRATIONS[-1].version


def test_many_processes_may_open_at_once(sqlite_url: str) -> None:
    """Opened by eight at the same time, the database is migrated once."""
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(Store.open, [sqlite_url] * 8))

    with stores[0].read() as tx:
        assert tx.c.scalar(sa.select(sa.func.count()).select_from(schema_version)) == len(migrations.MIGRATIONS)
    for one in stores:
        one.close()


def test_many_processes_may_open_at_once_on_postgresql(postgres_cluster: postgres.Cluster) -> None:
    """The same on PostgreSQL, from an empty database."""
    url = postgres_cluster.create(empty=True)
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(Store.open, [url] * 6))

    assert submit(stores[0])
    for one in stores:
        one.close()
    postgres_cluster.drop(url)


def test_an_older_database_gets_the_tables_of_task_agents(store: Store) -> None:
    """The step makes them beside the data that is there; a second time it changes nothing."""
    item_id = submit(store)
    with store.tx() as tx:
        metadata.drop_all(tx.c, tables=[packets, budgets, memories])
    (step,) = (one for one in migrations.MIGRATIONS if "packets" in one.name)

    for _ in range(2):
        with store.tx() as tx:
            step.apply(tx.c)
            for table in (packets, budgets, memories):
                assert tx.c.execute(sa.select(table)).all() == []

    assert state(store, item_id) == "ready"


def test_an_older_step_log_keeps_its_rows(sqlite_url: str) -> None:
    """A table without rowid becomes one with it: rows, their order and the key stay."""
    store = Store.open(sqlite_url)
    (step,) = (one for one in migrations.MIGRATIONS if "step log" in one.name)
    with store.tx() as tx:
        made = tx.c.scalar(sa.text("select sql from sqlite_master where name = 'step_log'"))
        tx.c.execute(sa.text("drop table step_log"))
        tx.c.execute(sa.text(f"{made} without rowid"))
        steplog.add(tx, "run_1", 1, [steplog.Row(kind="note", key=key, body={"of": key}) for key in "ba"], NOW)

    with store.tx() as tx:
        step.apply(tx.c)
        assert "without rowid" not in tx.c.scalar(sa.text("select sql from sqlite_master where name = 'step_log'"))
        kept = [(row.seq, row.key, row.body) for row in steplog.load(tx, "run_1")]
        assert kept == [(1, "b", {"of": "b"}), (2, "a", {"of": "a"})]
        with pytest.raises(sa.exc.IntegrityError):
            steplog.add(tx, "run_1", 1, [steplog.Row(kind="note", key="c", body=None)], NOW, last=1)
    store.close()


def test_a_migration_goes_forward_with_its_data(store: Store) -> None:
    """An older database is led through the steps it lacks, once, and keeps what it holds."""
    item_id = submit(store)

    def add_column(c: sa.Connection) -> None:
        c.exec_driver_sql("alter table worklist add column colour text")
        c.exec_driver_sql("update worklist set colour = 'red'")

    steps = (*migrations.MIGRATIONS, Migration(migrations.MIGRATIONS[-1].version + 1, "colour", add_column))
    for _ in range(2):
        with store.tx() as tx:
            assert migrations.migrate(tx.c, steps) == steps[-1].version

    with store.read() as tx:
        assert tx.c.exec_driver_sql("select colour from worklist").scalar() == "red"
        assert worklist.get(tx, item_id).request == "a wish"


def test_a_newer_database_is_refused_with_a_fix(store: Store) -> None:
    """An older program does not touch what a newer one has written."""
    with store.tx() as tx:
        tx.c.execute(sa.insert(schema_version), [{"version": 999, "applied_at": "later"}])

    with pytest.raises(StoreUnavailable) as caught:
        Store.open(store.url)
    assert "upgrade" in caught.value.fix


def test_an_unmigrated_database_is_refused_where_migrating_is_not_wanted(sqlite_url: str) -> None:
    """`migrate=False` never changes the schema."""
    with pytest.raises(StoreUnavailable):
        Store.open(sqlite_url, migrate=False)


def test_every_commit_reaches_the_disk(sqlite_url: str) -> None:
    """SQLite runs with a write-ahead log, synced at every commit."""
    opened = Store.open(sqlite_url)
    with opened.read() as tx:
        assert tx.c.exec_driver_sql("pragma journal_mode").scalar() == "wal"
        assert tx.c.exec_driver_sql("pragma synchronous").scalar() == 2
    opened.close()


# ---- failing -------------------------------------------------------------------------------------------------------
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """A foreign file gives an error with a fix, and is not changed."""
    path = tmp_path / "work.sqlite"
    path.write_bytes(b"dear diary" * 1000)

    with pytest.raises(StoreUnavailable) as caught:
        Store.open(f"sqlite:///{path}")

    assert caught.value.fix
    assert path.read_bytes() == b"dear diary" * 1000


def test_a_damaged_file_gives_an_error_with_a_fix(sqlite_url: str) -> None:
    """Pages overwritten with noise: an error in words, not a trace."""
    opened = Store.open(sqlite_url)
    opened.write(worklist.submit_many, [wish("x" * 500) for _ in range(500)], NOW)
    path = opened.path
    assert path is not None
    opened.close()  # the last one to close moves the log into the file
    with open(path, "r+b") as file:
        file.seek(8192)
        file.write(os.urandom(path.stat().st_size - 8192))

    with pytest.raises(StoreUnavailable) as caught:  # noqa: PT012 - whichever of the two meets the damage first
        damaged = Store.open(sqlite_url)
        try:
            with damaged.read() as tx:
                list(tx.c.execute(sa.select(table)))
        finally:
            damaged.close()
    assert "damaged" in caught.value.message


def test_a_locked_database_says_so(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When another process writes for too long, the error says where to look."""
    monkeypatch.setattr("orchestrator.store.database.BUSY_TIMEOUT_S", 0.05)
    opened = Store.open(sqlite_url)
    path = opened.path
    assert path is not None
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")

    with pytest.raises(StoreUnavailable) as caught:
        submit(opened)

    other.rollback()
    other.close()
    assert "doctor" in caught.value.fix
    assert submit(opened)
    opened.close()


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    """No traceback where a file stands in the way of a folder."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreUnavailable):
        Store.open(f"sqlite:///{tmp_path}/file/deeper/work.sqlite")


@pytest.mark.parametrize("url", ["sqlite://", "mysql://nowhere/x"])
def test_other_databases_are_refused(url: str) -> None:
    """Neither memory nor another product can hold work."""
    with pytest.raises(StoreUnavailable):
        Store.open(url)


def test_an_unreachable_server_says_so(postgres_cluster: postgres.Cluster) -> None:
    """No server, no traceback; and no password in the message."""
    with pytest.raises(StoreUnavailable) as caught:
        Store.open("postgresql://deputy:secret@/nothing?host=/nowhere")
    assert "secret" not in caught.value.message


def test_errors_never_show_what_people_wrote(store: Store) -> None:
    """A failing statement names the statement, not its parameters."""
    item_id = submit(store, "my secret wish")

    with pytest.raises(sa.exc.IntegrityError) as caught, store.tx() as tx:
        tx.c.execute(sa.insert(table), [dict(items.row(tx, item_id)._mapping)])

    assert "secret" not in str(caught.value)


def test_a_deadlock_is_repeated(postgres_url: str) -> None:
    """Two transactions that lock two items in opposite order: both succeed."""
    store = Store.open(postgres_url)
    first, second = submit(store), submit(store)
    from threading import Barrier, BrokenBarrierError

    meet = Barrier(2)

    def swap(tx: Tx, one: str, other: str) -> str:
        items.locked(tx, one)
        try:
            meet.wait(1)
        except BrokenBarrierError:
            pass  # the second try is alone
        items.locked(tx, other)
        return one

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(lambda pair: store.write(swap, *pair), [(first, second), (second, first)], timeout=20)) == {
            first,
            second,
        }
    assert issubclass(Contended, StoreUnavailable)
    store.close()


def test_a_rolled_back_transaction_leaves_no_audit_event_and_calls_nothing(store: Store) -> None:
    """What a verb staged goes with it when it fails."""
    called: list[str] = []

    def fail() -> None:
        with store.tx() as tx:
            worklist.submit(tx, wish(), NOW)
            tx.after_commit(lambda: called.append("x"))
            raise NotFound("no")

    with pytest.raises(NotFound):
        fail()

    with store.read() as tx:
        from orchestrator.store import audit

        assert audit.head(tx)["seq"] == 0
        assert worklist.list_items(tx) == []
    assert called == []


# ---- the writer ----------------------------------------------------------------------------------------------------
def test_many_verbs_share_a_commit(store: Store) -> None:
    """A hundred verbs put at once need a handful of commits, and each gets its own result."""

    async def run() -> None:
        writer = Writer(store)
        made = await asyncio.gather(*(writer.put(worklist.submit, wish(f"r{n}"), NOW) for n in range(100)))
        assert len({item_id for item_id, _ in made}) == 100
        assert writer.commits < 20
        writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("fault", [Fenced("x"), Conflict("x"), NotFound("x"), ValueError("x")])
def test_a_verb_that_raises_takes_no_other_with_it(store: Store, fault: Exception) -> None:
    """One verb of a batch fails after it has written: its writes are gone, the others' stand."""

    def broken(tx: Tx) -> None:
        if not isinstance(fault, Fenced):  # a fence raises before anything is written
            worklist.submit(tx, wish("lost"), NOW)
        raise fault

    async def run() -> None:
        writer = Writer(store)
        first, second, third = await asyncio.gather(
            writer.put(worklist.submit, wish("kept"), NOW),
            writer.put(broken),
            writer.put(worklist.submit, wish("kept too"), NOW),
            return_exceptions=True,
        )
        assert type(second) is type(fault)
        assert not isinstance(first, BaseException)
        assert not isinstance(third, BaseException)
        writer.close()

    asyncio.run(run())
    with store.read() as tx:
        from orchestrator.store import audit

        assert {item.request for item in worklist.list_items(tx)} == {"kept", "kept too"}
        assert audit.verify(tx) == audit.Verification(True, 2)


def test_a_database_error_in_one_verb_leaves_the_others(store: Store) -> None:
    """A statement the database refuses fails its own verb only."""

    def broken(tx: Tx) -> None:
        tx.c.exec_driver_sql("select nonsense from nowhere")

    async def run() -> None:
        writer = Writer(store)
        results = await asyncio.gather(
            writer.put(worklist.submit, wish(), NOW), writer.put(broken), return_exceptions=True
        )
        assert not isinstance(results[0], BaseException)
        assert isinstance(results[1], Exception)
        assert writer.retried == 1
        writer.close()

    asyncio.run(run())


def test_writes_keep_their_order(store: Store) -> None:
    """First put, first durable: a later verb sees what an earlier one wrote."""

    async def run() -> None:
        writer = Writer(store)
        made = writer.put(worklist.submit, wish(idempotency_key="k"), NOW)
        again = writer.put(worklist.submit, wish(idempotency_key="k"), NOW)
        assert ((await made)[1], (await again)[1]) == (True, False)
        assert await writer.read(lambda tx: len(worklist.list_items(tx))) == 1
        await asyncio.to_thread(writer.call, worklist.submit, wish(), NOW)
        writer.close()

    asyncio.run(run())
