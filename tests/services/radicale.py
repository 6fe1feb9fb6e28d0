"""A real CalDAV server, Radicale, as a process of its own on loopback: users with a password and a calendar each.

Everybody may read everybody's calendar named "calendar", and of "hidden" only when it is busy; each writes only to their own.
Radicale does no scheduling: nobody is invited by it (see tests/connectors/caldav/scheduling.py).
"""

from __future__ import annotations

import hashlib
import importlib.util
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import requests
from requests.auth import HTTPBasicAuth

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
        self.folder, self.users = folder, tuple(users)
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

    def put(self, user: str, uid: str, *events: str, name: str = CALENDAR, file: str = "") -> str:
        """Stores an object as some other program might have written it; the lines of each event as they stand."""
        written = "".join(f"BEGIN:VEVENT\r\nUID:{uid}\r\n{event.strip()}\r\nEND:VEVENT\r\n" for event in events)
        text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Other//EN\r\n{written}END:VCALENDAR\r\n"
        file = quote(file) or hashlib.sha256(uid.encode()).hexdigest()[:16]
        url = f"{self.url}{user}/{name}/{file}.ics"
        requests.put(url, data=text.encode(), auth=login(user), timeout=10).raise_for_status()
        return url

    def plant(self, user: str, uid: str, event: str) -> None:
        """Lays an object into a calendar past the server, which would refuse some; lines end as they please."""
        lines = event.replace("\n", "\r\n")
        text = (
            f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
        self.plant_text(user, uid, text)

    def plant_text(self, user: str, file: str, text: str) -> None:
        """Lays a whole object into a calendar past the server."""
        written = text.replace("\r\n", "\n").replace("\n", "\r\n")
        self._folder(user, CALENDAR).joinpath(f"{file}.ics").write_bytes(written.encode())

    def fill(self, user: str, count: int) -> None:
        """So many events of half an hour, all through 2027."""
        for number in range(count):
            day, hour = number % 365, number // 365
            start = datetime(2027, 1, 1, 8 + hour, tzinfo=UTC) + timedelta(days=day)
            event = f"SUMMARY:Event {number}\nDTSTAMP:20270101T000000Z\nDTSTART:{start:%Y%m%dT%H%M%SZ}\nDURATION:PT30M"
            self.plant(user, f"filled-{number}", event)

    def _folder(self, user: str, name: str) -> Path:
        return self.folder / "collections" / "collection-root" / user / name

    def objects(self, user: str, name: str = CALENDAR) -> dict[str, str]:
        """What lies in a calendar, by file name, read off the disk."""
        folder = self._folder(user, name)
        return {one.name: one.read_text(encoding="utf-8") for one in sorted(folder.glob("*.ics"))}

    def calendar(self, user: str, name: str) -> str:
        """The address of a further calendar, made until `empty`."""
        self.make_calendar(user, name)
        return f"{self.url}{user}/{name}/"

    def remove_all(self, user: str) -> None:
        """Deletes every object of a user's calendar, as a calendar program would."""
        for file in self.objects(user):
            url = f"{self.url}{user}/{CALENDAR}/{file}"
            requests.delete(url, auth=login(user), timeout=10).raise_for_status()

    def empty(self) -> None:
        """Every user has one calendar again, new and empty."""
        for user in self.users:
            here = [one.name for one in self._folder(user, CALENDAR).parent.iterdir() if not one.name.startswith(".")]
            if here == [CALENDAR] and not self.objects(user):
                continue
            for folder in self._folder(user, CALENDAR).parent.iterdir():
                if not folder.name.startswith("."):
                    url = f"{self.url}{user}/{folder.name}/"
                    requests.delete(url, auth=login(user), timeout=10).raise_for_status()
            self.make_calendar(user, CALENDAR)

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


def login(user: str) -> HTTPBasicAuth:
    """Basic authentication in UTF-8, as RFC 7617 has it."""
    return HTTPBasicAuth(user.encode(), PASSWORD.encode())
