"""One database: SQLite (WAL, every commit synced) or PostgreSQL, opened, migrated, and handed out as transactions.

A verb is a plain function of a `Tx`. Clients open one transaction per verb with `Store.tx`; a worker sends its verbs through
`writer.Writer`, which puts as many as are waiting into one commit.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from orchestrator.domain.audit import AuditEvent
from orchestrator.errors import StoreUnavailable
from orchestrator.store import chain, copies, migrations

READY_CHANNEL = "deputy_ready"  # PostgreSQL notifications: something became ready
NEWS_CHANNEL = "deputy_news"  # and: something happened that followers want to know
BUSY_TIMEOUT_S = 30.0
IDLE_IN_TRANSACTION_S = 30
RETRIES = 5

P = ParamSpec("P")
R = TypeVar("R")


class Contended(StoreUnavailable):
    """The database gave this transaction up in favour of another one (deadlock, lock time-out). Nothing was written; try again."""

    code = "contended"


class Tx:
    """One open transaction: the connection, the tenant, and what has to happen at its commit."""

    __slots__ = ("_after", "_news", "_staged", "c", "dialect", "driver", "is_postgres", "nudged", "tenant_id")

    def __init__(self, c: sa.Connection, tenant_id: str) -> None:
        self.c = c
        self.tenant_id = tenant_id
        self.dialect = c.dialect.name
        self.is_postgres = self.dialect == "postgresql"
        self.driver = c.connection.dbapi_connection  # for `prepared` only
        self.nudged = False  # something became ready: waiting hosts are told at the commit
        self._staged: list[AuditEvent] = []
        self._news: list[dict[str, Any]] = []
        self._after: list[Callable[[], None]] = []

    def audit(self, event: AuditEvent) -> None:
        """Stages an event; it is chained at the commit, behind every other lock."""
        self._staged.append(chain.settled(event))

    def after_commit(self, fn: Callable[[], None]) -> None:
        """Calls `fn` once the transaction is durable; never if it is rolled back."""
        self._after.append(fn)

    def nudge(self) -> None:
        """Tells hosts at the commit that something is ready."""
        self.nudged = True

    def tell(self, row: dict[str, Any]) -> None:
        """Stages a row of the outbox; for `outbox.put`."""
        self._news.append(row)

    def seal(self) -> None:
        """Notifies, chains and tells; the commit must follow at once. Called by the store and its writer only."""
        if self.nudged and self.is_postgres:
            self.c.execute(_NOTIFY, {"channel": READY_CHANNEL, "tenant": self.tenant_id})
        if self._staged or self._news:
            told = chain.append(self.c, self.tenant_id, self._staged, self._news)
            if told and self.is_postgres:
                self.c.execute(_NOTIFY, {"channel": NEWS_CHANNEL, "tenant": self.tenant_id})

    def committed(self) -> None:
        """Runs what waits for the commit. Called by the store and its writer only."""
        for fn in self._after:
            fn()


_NOTIFY = sa.select(sa.func.pg_notify(sa.bindparam("channel"), sa.bindparam("tenant")))
_CLOCK = sa.text("select extract(epoch from clock_timestamp())::float8")


def clock_s(tx: Tx) -> float:
    """The database's clock, seconds since the epoch: one clock for all workers, never shifted by the office."""
    return float(tx.c.scalar(_CLOCK) or 0.0) if tx.is_postgres else time.time()


class Store:
    """An open database. Cheap to keep, safe to share between threads, never across a fork."""

    def __init__(self, engine: sa.Engine, url: str, tenant_id: str, name: str) -> None:
        self.engine = engine
        self.url = url
        self.dialect = engine.dialect.name
        self.tenant_id = tenant_id
        self.name = name
        if self.dialect == "postgresql":
            self._reads = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        else:
            self._reads = engine.execution_options(readonly=True)

    @classmethod
    def open(cls, url: str, *, tenant_id: str = "default", migrate: bool = True, name: str = "client") -> Store:
        """Connects and, unless told not to, migrates. `name` names every session of this process on PostgreSQL.

        Raises `StoreUnavailable` when the database cannot be reached, opened or written, or is newer than this program.
        """
        store = cls(_engine(url, name), url, tenant_id, name)
        try:
            with translated(url):
                store._prepare(migrate)
        except BaseException:
            store.close()
            raise
        return store

    def _prepare(self, migrate: bool) -> None:
        known = migrations.MIGRATIONS[-1].version
        with self._reads.connect() as c, c.begin():
            have = migrations.version(c)
        if have > known:
            raise migrations.newer(have, known)
        if have < known:
            if not migrate:
                raise StoreUnavailable(
                    f"the database has schema version {have}, this Deputy needs {known}", fix="run `deputy migrate`"
                )
            with self.engine.begin() as c:
                before = migrations.version(c)
                if self.path is not None and 0 < before < known:
                    copies.keep_before_migration(self.path, before)
                migrations.migrate(c, migrations.MIGRATIONS)

    def sibling(self, name: str) -> Store:
        """The same database under another session name, with connections of its own."""
        return Store(_engine(self.url, name), self.url, self.tenant_id, name)

    @property
    def path(self) -> Path | None:
        """The SQLite file; None on PostgreSQL."""
        database = self.engine.url.database
        return Path(database) if self.dialect == "sqlite" and database else None

    @contextmanager
    def tx(self) -> Iterator[Tx]:
        """A write transaction: committed at the end of the block, rolled back by an exception."""
        with translated(self.url), self.engine.begin() as c:
            tx = Tx(c, self.tenant_id)
            yield tx
            tx.seal()
        tx.committed()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A read-only transaction over one snapshot."""
        with translated(self.url), self._reads.connect() as c, c.begin():
            yield Tx(c, self.tenant_id)

    def write(self, verb: Callable[Concatenate[Tx, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """One verb in a transaction of its own, repeated when the database gave it up for another one."""
        for attempt in range(RETRIES):
            try:
                with self.tx() as tx:
                    return verb(tx, *args, **kwargs)
            except Contended:
                if attempt == RETRIES - 1:
                    raise
                time.sleep(random.uniform(0.01, 0.05) * (attempt + 1))
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Closes every pooled connection."""
        self.engine.dispose()


def schema_of(url: str) -> int:
    """The schema version of a database, which is not touched; 0 for one that is empty or not there yet."""
    if url.startswith("sqlite") and not Path(url.partition("sqlite:///")[2]).exists():
        return 0
    engine = _engine(url, "upgrade")
    try:
        with translated(url), engine.execution_options(readonly=True).connect() as c, c.begin():
            return migrations.version(c)
    finally:
        engine.dispose()


def _engine(url: str, name: str) -> sa.Engine:
    return _postgres(url, name) if url.startswith(("postgresql", "postgres://")) else _sqlite(url)


def _sqlite(url: str) -> sa.Engine:
    made = sa.make_url(url)
    if made.get_backend_name() != "sqlite" or not made.database or made.database == ":memory:":
        raise StoreUnavailable(
            f"cannot keep work in {made.render_as_string(hide_password=True)!r}",
            fix="use sqlite:////path/to/file or postgresql://…",
        )
    try:
        Path(made.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"the folder of {made.database!r} cannot be made: {error.strerror}", fix="choose another place"
        ) from error
    engine = sa.create_engine(
        made, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S}, pool_size=8, max_overflow=32
    )

    @sa.event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; `begin` below does
        for pragma in (
            f"busy_timeout={int(BUSY_TIMEOUT_S * 1000)}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _(c: sa.Connection) -> None:
        c.exec_driver_sql("BEGIN" if c.get_execution_options().get("readonly") else "BEGIN IMMEDIATE")

    return engine


def _postgres(url: str, name: str) -> sa.Engine:
    driver_url = "postgresql+psycopg://" + url.split("://", 1)[1]
    try:
        return sa.create_engine(
            driver_url,
            hide_parameters=True,  # an error message never holds what people wrote
            pool_size=8,
            max_overflow=32,
            connect_args={
                "application_name": name,
                "connect_timeout": 10,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                # A plan made while the table was small stays in a long session: it must be the one for a large table from the start.
                "options": f"-c enable_seqscan=off -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_S * 1000} -c timezone=UTC",
            },
        )
    except ImportError as error:
        raise StoreUnavailable(
            "PostgreSQL needs its driver", fix="pip install 'deputy-orchestrator[postgres]'"
        ) from error


_SQLITE_FAULTS = (
    (
        "locked",
        "another process has been writing for too long",
        "see `deputy doctor`: it names the process that holds the database",
    ),
    ("readonly", "it can only be read", "make the file and its folder writable"),
    ("unable to open", "it cannot be opened", "check the folder's existence and permissions"),
    ("full", "the disk is full", "free some space; nothing recorded is lost"),
    ("malformed", "the file is damaged", "restore a backup with `deputy restore`"),
    ("not a database", "the file is not a database", "move it away, or point DEPUTY_DATABASE_URL elsewhere"),
    ("disk i/o", "the disk reports an error", "check the disk; nothing recorded is lost"),
    ("no such table", "it has not been set up", "run `deputy migrate`"),
)


def translate(error: sa.exc.DBAPIError, url: str) -> Exception:
    """Deputy's own error for a database that cannot serve; a mistake in a statement is returned as it is."""
    where = sa.make_url(url).render_as_string(hide_password=True)
    state = getattr(error.orig, "sqlstate", None)
    if state in ("40P01", "40001", "55P03"):
        return Contended(f"two changes met in {where}", fix="try again")
    if isinstance(error, sa.exc.IntegrityError | sa.exc.ProgrammingError | sa.exc.DataError):
        return error
    text = str(error.orig).lower()
    for word, what, fix in _SQLITE_FAULTS:
        if word in text and url.startswith("sqlite"):
            return StoreUnavailable(f"the database {where} cannot be used: {what}", fix=fix)
    return StoreUnavailable(
        f"the database {where} cannot be reached: {type(error.orig).__name__}", fix="check that it runs and the URL"
    )


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turns driver errors inside the block into `StoreUnavailable` with a fix, keeping the cause."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise translate(error, url) from error
    except sa.exc.TimeoutError as error:
        raise StoreUnavailable(
            "too many connections are in use", fix="try again; lower the number of parallel clients"
        ) from error
