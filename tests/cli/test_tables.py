"""Tables of connectors in deputy.toml: a word that nobody reads is refused, with the nearest one."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from connectors.mcp.connector import open_connector
from orchestrator.account_settings import SERVER_KEYS
from orchestrator.errors import UsageError
from orchestrator.settings import Settings


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        ('[connectors.notes]\nkind = "mpc"\ncommand = ["x"]', "did you mean 'mcp'?"),
        ('[connectors.notes]\nkind = "mcp"\ncomand = ["x"]', "did you mean 'command'?"),
        ("[connectors.office2]\nx = 1", "did you mean 'office'?"),
    ],
    ids=["kind", "key", "connector"],
)
def test_a_table_with_a_wrong_word_is_refused(tmp_path: Path, table: str, hint: str) -> None:
    (tmp_path / "deputy.toml").write_text(table)

    with pytest.raises(UsageError, match="connectors") as refused:
        Settings.load(home=tmp_path)

    assert hint in refused.value.message


def test_what_a_tool_server_takes_is_taken(tmp_path: Path) -> None:
    (tmp_path / "deputy.toml").write_text(
        '[connectors.notes]\nkind = "mcp"\ncommand = ["x"]\nshared_with = ["*"]\n[connectors.slack]\n'
    )

    assert set(Settings.load(home=tmp_path).connectors) == {"notes", "slack"}
    ours = {"kind", "shared_with"}
    assert set(inspect.signature(open_connector).parameters) - {"name", "description", "reserved"} == SERVER_KEYS - ours
