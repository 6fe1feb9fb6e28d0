"""Starting the embedded worker early: while a client still loads and submits, the worker already loads too.

Imports nothing of the house, so that it costs a client nothing. A worker that finds the lock taken, or nothing to do, leaves by
itself; whoever submits tests the lock again after the commit, so nothing depends on this having worked.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

LOCK_NAME = "host.lock"  # beside the SQLite file; `hosts` takes it
IDLE_S = 5.0  # a started worker stays this long without work: an approval often follows at once


def worker_command(environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of a worker that ends by itself."""
    command = [sys.executable, "-m", "orchestrator.surfaces.cli.main", "worker", "--until-idle", "--idle", str(IDLE_S)]
    return command, {**os.environ, **environment}


def start(lock: Path, environment: Mapping[str, str], log: Path) -> int | None:
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
    command, whole = worker_command(environment)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        started = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=whole, start_new_session=True
        )
    except OSError:
        return None
    finally:
        os.close(out)
    return started.pid
