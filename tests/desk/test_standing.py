"""Where the desk of a home listens: told while somebody holds it, and by nobody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orchestrator.surfaces import standing

HOLD = """
import sys
from pathlib import Path
from orchestrator.surfaces import standing
with standing.told(Path(sys.argv[1]), "http://127.0.0.1:1"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_an_address_is_told_while_the_desk_serves(tmp_path: Path) -> None:
    """Before and after there is none; a second desk of the home leaves the first one's address."""
    assert standing.address_of(tmp_path) is None
    with standing.told(tmp_path, "http://127.0.0.1:8765"):
        assert standing.address_of(tmp_path) == "http://127.0.0.1:8765"
        with standing.told(tmp_path, "http://127.0.0.1:9999"):
            assert standing.address_of(tmp_path) == "http://127.0.0.1:8765"
        assert standing.address_of(tmp_path) == "http://127.0.0.1:8765"
    assert standing.address_of(tmp_path) is None


def test_the_address_of_a_killed_desk_is_not_told(tmp_path: Path) -> None:
    """What it left in the home is no address: nobody holds it any more."""
    desk = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert desk.stdout is not None and desk.stdout.readline() == "held\n"
    assert standing.address_of(tmp_path) == "http://127.0.0.1:1"
    desk.kill()
    desk.communicate()

    assert (tmp_path / standing.NAME).read_text(encoding="utf-8") == "http://127.0.0.1:1"
    assert standing.address_of(tmp_path) is None
