"""Who may work on a database: exactly one host on a SQLite file, by file lock; any number of workers on PostgreSQL.

Nobody ever takes over a host that merely stalls on SQLite: two hosts on one file would execute twice. It is named instead.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.engine.prestart import LOCK_NAME
from orchestrator.store import workers
from orchestrator.store.database import Store

STALLED_AFTER_S = 10.0
_TRY_FOR_S = 0.5  # somebody who only tests the lock holds it for a moment
_TRY_EVERY_S = 0.02


def worker_name() -> str:
    """A fresh worker id; a restarted process is another worker."""
    return f"w_{uuid.uuid4().hex[:12]}"


def lock_path(store: Store) -> Path:
    """The host's lock file, beside the SQLite file."""
    path = store.path
    if path is None:
        raise ValueError("only a SQLite store has a host lock")
    return path.with_name(LOCK_NAME)


class HostLock:
    """The right to be the one host of a SQLite file. The kernel frees it when the process ends, however it ends."""

    def __init__(self, path: Path, *, settings: str | None = None) -> None:
        self.path = path
        self._settings = settings  # digest of those a worker was started by; None: it is everybody's
        self._file: int | None = None

    def take(self, *, wait: bool) -> bool:
        """Whether this process is the host now. `wait`: until the present host ends."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _TRY_FOR_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(file)
                    return False
                time.sleep(_TRY_EVERY_S)
                continue
            self._file = file
            os.ftruncate(file, 0)
            told = {"pid": os.getpid(), "host": socket.gethostname(), "settings": self._settings}
            os.pwrite(file, json.dumps(told).encode(), 0)
            return True

    def release(self) -> None:
        """Lets another process be the host."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def is_free(path: Path) -> bool:
    """Whether nobody is the host of this lock file right now."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(file)


def start_host_if_free(
    store: Store,
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    kept: Sequence[int] = (),
) -> subprocess.Popen[bytes] | None:
    """The worker process started, or None when somebody works already.

    Call it after a commit that made something ready, and again at each poll while following: a host that ends looks once more
    after it has let go of its lock, so one of the two always sees the row. The process leads its own group: Ctrl-C at the
    terminal does not reach it.
    """
    if not _nobody_works(store):
        return None
    out = (
        subprocess.DEVNULL
        if log is None
        else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    )
    try:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=None if env is None else dict(env),
            start_new_session=True,
            pass_fds=kept,
        )
    finally:
        if out != subprocess.DEVNULL:
            os.close(out)


def _nobody_works(store: Store) -> bool:
    if store.path is not None:
        return is_free(lock_path(store))
    with store.read() as tx:
        return all(row.silent_s > STALLED_AFTER_S for row in workers.every(tx))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled:
    """A worker that holds its lock and has not been heard of for `silent_s`."""

    worker_id: str
    host: str
    pid: int
    silent_s: float

    def __str__(self) -> str:
        return f"worker process {self.pid} on {self.host} has been silent for {self.silent_s:.0f} s"

    @property
    def fix(self) -> str:
        """What a person can do."""
        return f"let it go on (kill -CONT {self.pid}) or end it (kill -KILL {self.pid}); its work is taken over once it has ended"


def stalled_host(store: Store, *, after_s: float = STALLED_AFTER_S) -> Stalled | None:
    """The process that holds up this database, if there is one."""
    if store.path is not None and is_free(lock_path(store)):
        return None
    with store.read() as tx:
        for row in workers.every(tx):
            if row.silent_s > after_s:
                return Stalled(worker_id=row.worker_id, host=row.host, pid=row.pid, silent_s=row.silent_s)
    return None
