"""A real CalDAV server, Radicale, as a process of its own on loopback: users with a password and a calendar each.

Everybody may read everybody's calendar named "calendar", and of "hidden" only when it is busy; each writes only to their own.
Radicale does no scheduling: nobody is invited by it (see tests/connectors/caldav/scheduling.py).
"""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import requests

PASSWORD = "pw-Ünïcode-1"
CALENDAR = "calendar"

_CONFIG = """
[server]
hosts = 127.0.0.1:{port}
max_connections = 64
[encoding]
request = utf-8
[auth]
type = htpasswd
htpasswd_filename = {folder}/users
htpasswd_encryption = plain
delay = 0
[rights]
type = from_file
file = {folder}/rights
[storage]
filesystem_folder = {folder}/collections
[logging]
level = info
"""
_RIGHTS = """
[root]
user: .+
collection:
permissions: R
[own]
user: .+
collection: {user}(/.*)?
permissions: RrWw
[shared]
user: .+
collection: [^/]+(/calendar(/.*)?)?
permissions: Rr
[busy]
user: .+
collection: [^/]+/hidden
permissions: f
"""


def available() -> bool:
    return importlib.util.find_spec("radicale") is not None


class Radicale:
    """Runs until `stop`; `url` ends in a slash. Each of `users` (mail addresses) has an empty calendar."""

    def __init__(self, folder: Path, users: Sequence[str]) -> None:
        (folder / "users").write_text("".join(f"{user}:{PASSWORD}\n" for user in users), encoding="utf-8")
        (folder / "rights").write_text(_RIGHTS, encoding="ascii")
        self.folder = folder
        self.lines: list[str] = []
        self._is_ready = False
        for _ in range(3):  # a port that was free may be taken by now, and Radicale takes none that is "any"
            if self._started(_free_port()):
                break
        else:
            raise RuntimeError("Radicale did not start:\n" + "\n".join(self.lines))
        self.url = f"http://127.0.0.1:{self.port}/"
        for user in users:
            self.make_calendar(user, CALENDAR)

    def make_calendar(self, user: str, name: str) -> None:
        answer = requests.request("MKCALENDAR", f"{self.url}{user}/{name}/", auth=login(user), timeout=10)
        answer.raise_for_status()

    def objects(self, user: str, name: str = CALENDAR) -> dict[str, str]:
        """What lies in a calendar, by file name, read off the disk."""
        folder = self.folder / "collections" / "collection-root" / user / name
        return {one.name: one.read_text(encoding="utf-8") for one in sorted(folder.glob("*.ics"))}

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _started(self, port: int) -> bool:
        self.port = port
        config = self.folder / "config"
        config.write_text(_CONFIG.format(folder=self.folder, port=port), encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "radicale", "--config", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        said = threading.Event()
        threading.Thread(target=self._listen_to, args=(said,), daemon=True).start()
        said.wait(20)
        if not self._is_ready:
            self.stop()
        return self._is_ready

    def _listen_to(self, said: threading.Event) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines = [*self.lines[-50:], line.rstrip()]
            if "server ready" in line.lower():
                self._is_ready = True
                said.set()
        self._process.stderr.close()
        said.set()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def login(user: str) -> tuple[bytes, bytes]:
    """Basic authentication in UTF-8, as RFC 7617 has it."""
    return user.encode(), PASSWORD.encode()
