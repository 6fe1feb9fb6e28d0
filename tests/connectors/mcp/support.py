"""A hostile server of ours, connectors to it, and how a test calls one."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from connectors.mcp.connector import McpConnector, open_connector
from connectors.spec import Account, Json

HOSTILE = Path(__file__).with_name("hostile.py")
ACCOUNT = Account(connection_id="mine", subject="alex@northwind.example")


def call(connector: McpConnector, tool: str, /, **args: Any) -> Json:
    return asyncio.run(connector.call(f"{connector.name}.{tool}", args, account=ACCOUNT, key="k" * 32))


class Hostile:
    """The folder that the server and the tests share, and the connectors opened to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[McpConnector] = []

    def open(self, *flags: str, **settings: Any) -> McpConnector:
        command = [sys.executable, str(HOSTILE), str(self.folder), *flags]
        usual: dict[str, Any] = {"timeout_s": 20.0, "start_timeout_s": 10.0}
        one = open_connector(name="evil", command=command, **(usual | settings))
        self.opened.append(one)
        return one

    def flag(self, name: str) -> None:
        (self.folder / name).touch()

    def lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def pids(self) -> list[int]:
        """Every process that was started, servers and their children."""
        return [int(pid) for line in self.lines("pids") for pid in line.split()]
