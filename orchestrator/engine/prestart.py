"""Starting the embedded worker early: while a client still loads and submits, the worker already loads too.

Imports nothing of the house, so that it costs a client nothing. A worker that finds the lock taken, or nothing to do, leaves by
itself; whoever submits tests the lock again after the commit, so nothing depends on this having worked.

A worker started by a command works by that command's settings only while no later command asks by others: see `Rule`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCK_NAME = "host.lock"  # beside the SQLite file; `hosts` takes it
RULE_NAME = "host.settings"  # beside it: the digest of the settings that started workers go by
IDLE_S = 5.0  # a started worker stays this long without work: an approval often follows at once


def digest_of(values: Mapping[str, Any]) -> str:
    """One digest of every setting, secrets included, and of the variables that model providers read."""
    outside = {name: value for name, value in os.environ.items() if name.endswith(("_API_KEY", "_BASE_URL"))}
    for table in values.get("models") or ():
        if name := table.get("api_key_env"):
            outside[name] = os.environ.get(name, "")
    text = json.dumps([values, outside], sort_keys=True, default=_as_text)
    return hashlib.sha256(text.encode()).hexdigest()


def _as_text(value: Any) -> str:
    secret = getattr(value, "get_secret_value", None)
    return str(value if secret is None else secret())


class Rule:
    """By whose settings started workers work: those of the command that asked last. Held by that command and the workers it started.

    INVARIANT: a command writes its digest before it commits, then waits until the present host is gone or of its settings; a worker
    looks after it has taken the lock, and while it serves. So none of other settings claims what the command commits.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self.path = folder / RULE_NAME
        self.digest = digest
        self._file: int | None = None

    def is_ours(self) -> bool:
        try:
            return self.path.read_text(encoding="ascii") == self.digest
        except FileNotFoundError:
            return True

    def set(self) -> None:
        """From now on our settings count."""
        fcntl.flock(self._open(), fcntl.LOCK_SH)
        os.pwrite(self._open(), self.digest.encode(), 0)

    def set_if_unheld(self) -> bool:
        """Whether our settings count now; not where another command, or a worker of its, lives that asked by others."""
        file = self._open()
        fcntl.flock(file, fcntl.LOCK_SH)
        if self.path.stat().st_size and self.is_ours():
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(file, fcntl.LOCK_SH)
            return False
        os.pwrite(file, self.digest.encode(), 0)
        fcntl.flock(file, fcntl.LOCK_SH)
        return True

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def kept(self) -> tuple[int, ...]:
        """What a started worker inherits, so that the rule is held as long as it lives."""
        return () if self._file is None else (self._file,)

    def _open(self) -> int:
        if self._file is None:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._file


def is_in_the_way(lock: Path, digest: str) -> bool:
    """Whether a worker that was started by other settings holds the lock. One that stays, started by hand, is everybody's."""
    try:
        file = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        try:
            told = json.loads(os.pread(file, 4096, 0) or b"{}")
        except ValueError:
            return True  # it is just being written
        return told.get("settings") not in (None, digest)
    finally:
        os.close(file)


def worker_command(environment: Mapping[str, str], digest: str) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of a worker that ends by itself."""
    command = [sys.executable, "-m", "orchestrator.surfaces.cli.main", "worker", "--until-idle", "--idle", str(IDLE_S)]
    return [*command, "--by", digest], {**os.environ, **environment}


def start(lock: Path, environment: Mapping[str, str], log: Path, rule: Rule) -> int | None:
    """Process id of a worker started because nobody seems to hold `lock`; None when somebody does, or it cannot be started."""
    try:
        file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    finally:
        os.close(file)
    command, whole = worker_command(environment, rule.digest)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=whole,
            start_new_session=True,
            pass_fds=rule.kept,
        )
    except OSError:
        return None
    finally:
        os.close(out)
    return started.pid
