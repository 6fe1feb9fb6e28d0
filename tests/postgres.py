"""A real PostgreSQL for tests: a cluster in a temporary folder, synced to disk, reached through a socket only.

Run as root, the server becomes the user `postgres`, because it refuses to be root.
"""

from __future__ import annotations

import atexit
import glob
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from orchestrator.store.database import Store

TEMPLATE = "deputy_template"
PORT = 5432  # of the socket's name, and of an address where one is given


def _binaries() -> Path | None:
    """The folder of the newest initdb and postgres on this machine."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[-2]), reverse=True)
    for folder in found:
        if os.path.exists(os.path.join(folder, "initdb")):
            return Path(folder)
    which = shutil.which("initdb")
    return Path(which).resolve().parent if which else None


def _user() -> dict[str, Any]:
    """Popen arguments that leave root behind; none where we are not root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def available() -> bool:
    """Whether a cluster could be started here."""
    if _binaries() is None or importlib.util.find_spec("psycopg") is None:
        return False
    try:
        _user()
    except KeyError:
        return False
    return True


class Cluster:
    """One server and its databases. Ends with the process that started it. `address`: also reached there, from its /24 net."""

    def __init__(self, address: str = "") -> None:
        folder = _binaries()
        assert folder is not None
        self.root = Path(tempfile.mkdtemp(prefix="deputy-pg-"))
        who = _user()
        if who:
            os.chown(self.root, who["user"], who["group"])
        data = self.root / "data"
        quiet: dict[str, Any] = {"cwd": self.root, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}, **who}
        subprocess.run(
            [folder / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"],
            check=True,
            stdout=subprocess.DEVNULL,
            **quiet,
        )
        self.address = address
        if address:
            with open(data / "pg_hba.conf", "a") as rules:
                rules.write(f"host all all {address}/24 trust\n")
        settings = {
            "listen_addresses": address,
            "port": str(PORT),
            "unix_socket_directories": str(self.root),
            "fsync": "on",
            "synchronous_commit": "on",
            "max_connections": "200",
            "shared_buffers": "32MB",
            "deadlock_timeout": "100ms",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with open(self.root / "log", "wb") as log:
            self._server = subprocess.Popen(
                [folder / "postgres", "-D", data, *options], stdout=log, stderr=log, **quiet
            )
        atexit.register(self.stop)
        self._admin = sa.create_engine(self._driver_url("postgres"), isolation_level="AUTOCOMMIT", pool_size=1)
        self._wait()
        self._run(f"create database {TEMPLATE}")
        Store.open(self.url(TEMPLATE)).close()
        self._made = 0

    def url(self, database: str) -> str:
        """The URL of one of the cluster's databases; through the socket."""
        return f"postgresql://postgres@/{database}?host={self.root}"

    def url_at_address(self, url: str) -> str:
        """The same database over TCP."""
        return f"postgresql://postgres@{self.address}:{PORT}/{sa.make_url(url).database}"

    def create(self, *, empty: bool = False) -> str:
        """The URL of a fresh database; with Deputy's schema, unless `empty`."""
        self._made += 1
        name = f"test_{self._made}"
        self._run(f"create database {name} template {'template0' if empty else TEMPLATE}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Removes a database, ending whoever still uses it."""
        self._run(f"drop database {sa.make_url(url).database} with (force)")

    def stop(self) -> None:
        """Ends the server at once and removes its files."""
        if self._server.poll() is None:
            self._admin.dispose()
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait(30)
        shutil.rmtree(self.root, ignore_errors=True)

    def _driver_url(self, database: str) -> str:
        return self.url(database).replace("postgresql://", "postgresql+psycopg://")

    def _run(self, statement: str) -> None:
        with self._admin.connect() as c:
            c.exec_driver_sql(statement)

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self._run("select 1")
            except sa.exc.OperationalError:
                if time.monotonic() > deadline or self._server.poll() is not None:
                    raise RuntimeError(f"PostgreSQL did not start: {(self.root / 'log').read_text()}") from None
                time.sleep(0.05)
            else:
                return
