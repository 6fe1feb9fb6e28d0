"""All writes of a worker: one thread, one connection, as many verbs per commit as are waiting; first in, first durable.

A verb that raises takes no other verb with it. After an error in the database each verb of the batch is tried once more alone;
after an error of the commit itself nothing is repeated, because nobody knows whether it happened: callers reload the truth.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from orchestrator.domain import boundary
from orchestrator.errors import Fenced, StoreUnavailable
from orchestrator.store.database import Store, Tx, translate

BATCH = 256
P = ParamSpec("P")
R = TypeVar("R")


class _CommitLost(Exception):
    """The commit failed: its outcome is not known."""


@dataclass(slots=True)
class _Op:
    verb: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    future: Any  # asyncio.Future of `loop`, or concurrent Future
    loop: asyncio.AbstractEventLoop | None


class Writer:
    """Group commit. `on_commit(nudged)` is called in the writer's thread after each one: nudged says that something became ready."""

    def __init__(
        self,
        store: Store,
        on_commit: Callable[[bool], None] | None = None,
        on_put: Callable[[], None] | None = None,
    ) -> None:
        self.store = store
        self._on_put = on_put  # called in the task that puts: that task is making progress
        self.commits = self.verbs = self.retried = 0
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[_Op | None] = queue.SimpleQueue()
        self._connection: sa.Connection | None = None  # the thread's own, kept from commit to commit
        self._thread = threading.Thread(target=self._run, name="deputy-writer", daemon=True)
        self._thread.start()

    def put(self, verb: Callable[Concatenate[Tx, P], R], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        """Awaitable result of `verb(tx, …)`, delivered once it is durable. Raises what the verb raised, or `StoreUnavailable`."""
        if self._on_put is not None:
            self._on_put()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._queue.put(_Op(verb, args, kwargs, future, loop))
        return future

    def call(self, verb: Callable[Concatenate[Tx, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same, blocking; never from the event loop's thread."""
        future: Future[R] = Future()
        self._queue.put(_Op(verb, args, kwargs, future, None))
        return future.result()

    async def read(self, fn: Callable[Concatenate[Tx, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """`fn(tx, …)` over one snapshot: of a server in a thread, of a local file at once, which takes less than the hand-over."""

        def work() -> R:
            with self.store.read() as tx:
                return fn(tx, *args, **kwargs)

        return await asyncio.to_thread(work) if self.store.path is None else work()

    def close(self, timeout_s: float = 30.0) -> None:
        """Writes what is queued, then ends the thread."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    # ---- the thread ----------------------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            self._serve_all()
        finally:
            self._drop_connection()

    def _serve_all(self) -> None:
        ending = False
        while not ending:
            first = self._queue.get()
            if first is None:
                return
            batch = [first]
            while len(batch) < BATCH and not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    ending = True
                    break
                batch.append(more)
            self._serve(batch)

    def _serve(self, batch: Sequence[_Op]) -> None:
        try:
            results = self._commit(batch)
        except _CommitLost as lost:
            results = [(op, None, lost.__cause__) for op in batch]
        except Exception as error:  # noqa: BLE001 - handed to the caller of this verb
            if len(batch) == 1 and not isinstance(error, sa.exc.DBAPIError):
                results = [(batch[0], None, error)]
            else:
                self.retried += 1
                results = [self._alone(op) for op in batch]
        per_loop: dict[asyncio.AbstractEventLoop | None, list[tuple[Any, Any, BaseException | None]]] = {}
        for op, value, fault in results:
            per_loop.setdefault(op.loop, []).append((op.future, value, fault))
        for loop, answers in per_loop.items():
            if loop is None:
                _answer(answers)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(_answer, answers)

    def _alone(self, op: _Op) -> tuple[_Op, Any, BaseException | None]:
        try:
            return self._commit([op])[0]
        except _CommitLost as lost:
            return op, None, lost.__cause__
        except sa.exc.DBAPIError as error:
            fault = translate(error, self.store.url)
            fault.__cause__ = error
            return op, None, fault
        except Exception as error:  # noqa: BLE001 - handed to the caller of this verb
            return op, None, error

    def _commit(self, batch: Sequence[_Op]) -> list[tuple[_Op, Any, BaseException | None]]:
        results: list[tuple[_Op, Any, BaseException | None]] = []
        if self._connection is None:
            self._connection = self.store.engine.connect()
        try:
            tx = self._transaction(self._connection, batch, results)
        except BaseException:
            self._drop_connection()  # whatever state it is in
            raise
        self.commits += 1
        self.verbs += len(batch)
        if boundary.armed():
            for op in batch:
                boundary.reached(f"committed:{op.verb.__name__}")
        tx.committed()
        if self._on_commit is not None:
            self._on_commit(tx.nudged)
        return results

    def _transaction(
        self, c: sa.Connection, batch: Sequence[_Op], results: list[tuple[_Op, Any, BaseException | None]]
    ) -> Tx:
        transaction = c.begin()
        try:
            tx = Tx(c, self.store.tenant_id)
            for op in batch:
                try:
                    results.append((op, op.verb(tx, *op.args, **op.kwargs), None))
                except Fenced as error:  # INVARIANT: verbs fence before they write, so the rest of the batch stands
                    results.append((op, None, error))
            tx.seal()
        except BaseException:
            transaction.rollback()
            raise
        if boundary.armed():
            for op in batch:
                boundary.reached(f"commit:{op.verb.__name__}")
        try:
            transaction.commit()
        except sa.exc.DBAPIError as error:
            fault = StoreUnavailable(
                "a commit was not acknowledged", fix="nothing to do: the work is read again and goes on"
            )
            fault.__cause__ = error
            raise _CommitLost from fault
        return tx

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _answer(answers: Sequence[tuple[Any, Any, BaseException | None]]) -> None:
    for future, value, fault in answers:
        if future.done():  # its task was cancelled meanwhile
            continue
        if fault is not None:
            future.set_exception(fault)
        else:
            future.set_result(value)
