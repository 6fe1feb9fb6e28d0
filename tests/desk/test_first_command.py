"""A fresh home: several first commands at once, one that is killed in the middle, and whose files they are."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from connectors.office import Office

DEPUTY = [sys.executable, "-m", "orchestrator.surfaces.cli.main"]
CALENDAR = ["ask", "what is on my calendar today", "--json"]


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DEPUTY_")}
    return subprocess.Popen(
        [*DEPUTY, *arguments],
        env={**clean, "DEPUTY_HOME": str(home), "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        umask=0o022,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


def test_four_first_requests_at_once_are_all_done(tmp_path: Path) -> None:
    """Each of four processes that meet an empty home gets its answer, from one office; and all files are the user's alone."""
    home = tmp_path / "home"
    for process in [start(home, *CALENDAR) for _ in range(4)]:
        code, said = ended(process)
        assert code == 0, said
        assert json.loads(said)["state"] == "done"

    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    shared = {path.name: oct(path.stat().st_mode) for path in home.rglob("*") if path.stat().st_mode & 0o077}
    assert shared == {}


def test_a_home_whose_first_command_was_killed_works(tmp_path: Path) -> None:
    """Killed while the office is being built: the file is there, the world is not; the next command builds it."""
    home = tmp_path / "home"
    first = start(home, "people", "ls", "--json")
    while not _has_tables(home / "office.db") and first.poll() is None:
        time.sleep(0.002)  # the other process makes the file
    first.kill()
    first.communicate()

    code, said = ended(start(home, *CALENDAR))
    assert code == 0, said


def test_an_office_file_without_a_world_is_filled(tmp_path: Path) -> None:
    """What a killed seed leaves, an office with tables and nobody in it, is no office yet."""
    home = tmp_path / "home"
    Office(home / "office.db").close()
    code, said = ended(start(home, "people", "ls", "--json"))
    assert code == 0, said
    people: list[Any] = json.loads(said)
    assert len(people) > 40


def _has_tables(path: Path) -> bool:
    if not path.exists():
        return False
    found = sqlite3.connect(path)
    try:
        return bool(found.execute("select count(*) from sqlite_master").fetchone()[0])
    except sqlite3.OperationalError:
        return False
    finally:
        found.close()
