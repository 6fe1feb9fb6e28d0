"""Several processes on one office: one effect for one key, one seed, and a trace that counts apart from the office."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.office import Office, seed

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]

SEND = """
import sys
from connectors.office import Office, OfficeConnector
from connectors.spec import Account
office = Office(sys.argv[1])
account = Account(connection_id="mine", subject=office.owner())
connector = OfficeConnector(office)
for number in range(20):
    args = {"to": ["x@far.example"], "subject": f"zq {number}", "body": "Text."}
    connector.call_now("mail.send", args, account=account, key=f"shared{number}")
    text = {"channel": "#general", "text": "zq"}
    connector.call_now("chat.post_message", text, account=account, key=f"own{sys.argv[2]}x{number}")
"""

SEED = """
import sys
from connectors.office import seed
print(seed(sys.argv[1], people=8, weeks=1, seed=int(sys.argv[2]), only_if_empty=True).summary()["seed"])
"""


def _start(code: str, *args: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        cwd=ROOT,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _finish(processes: list[subprocess.Popen[str]]) -> list[str]:
    answers = []
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        answers.append(out.strip())
    return answers


def test_processes_that_share_keys_make_one_mail_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four writers at once: twenty keyed mails in all, eighty posts, none lost, and the trace has a line for each commit."""
    office = seed(tmp_path / "office.db", people=8, weeks=1, now=NOW)
    monkeypatch.setenv("DEPUTY_OFFICE_TRACE", str(tmp_path / "trace"))

    _finish([_start(SEND, office.path, str(number)) for number in range(4)])

    diff = office.diff()
    lines = (tmp_path / "trace").read_text().splitlines()
    assert sorted(one["key"] for one in diff["mails"]) == sorted(f"shared{number}" for number in range(20))
    assert len({one["key"] for one in diff["messages"]}) == len(diff["messages"]) == 80
    assert sorted(lines) == sorted(f"{one['tool']} {one['key']}" for one in office.effects())
    assert len(lines) == 100
    office.close()


def test_the_first_of_several_seeds_stands(tmp_path: Path) -> None:
    """Processes that start together on an empty office agree on one world."""
    path = str(tmp_path / "office.db")

    answers = _finish([_start(SEED, path, str(number)) for number in range(1, 4)])

    assert len(set(answers)) == 1
    assert Office(path).summary()["people"] == 8


def test_reading_the_clock_loads_no_office(tmp_path: Path) -> None:
    """Client commands follow the offset without importing recurrence, schemas or the connector."""
    code = (
        "import sys\nfrom connectors.office import OfficeClock\nOfficeClock(sys.argv[1]).offset()\n"
        "print([name for name in ('dateutil', 'jsonschema', 'sqlite3', 'connectors.office.office') if name in sys.modules])"
    )

    assert _finish([_start(code, str(tmp_path / "office.db"))]) == ["[]"]
