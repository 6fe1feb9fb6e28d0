"""A contestant in a process of its own: JSON lines in, JSON lines out, and what the process has used so far.

The harness starts it with `Child`; inside, `mark` and `tell` answer.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def mark(*, collect: bool) -> dict[str, float]:
    """User and system CPU seconds of this process so far, all threads; its resident KiB now, garbage collected before or not."""
    if collect:
        gc.collect()
    used = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {"cpu_s": used.ru_utime + used.ru_stime, "rss_kib": pages * os.sysconf("SC_PAGE_SIZE") / 1024}


def tell(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


class Child:
    """A running module. `given` is its first line; it answers `ready`."""

    def __init__(self, module: str, given: dict[str, Any] | None = None) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DEPUTY_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self.pid = self._process.pid
        if given is not None:
            self.ask(given)

    def ask(self, value: dict[str, Any]) -> dict[str, Any]:
        """Its answer. RuntimeError when it has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(value) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError(f"contestant {self._process.args!r} has ended") from None
        return dict(json.loads(self.line()))

    def line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"contestant {self._process.args!r} has ended")
        return line

    def close(self) -> None:
        """Ends its input, which ends it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def stop(self) -> None:
        """Ends what does not read its input."""
        self._process.terminate()
        self._process.wait(10)
