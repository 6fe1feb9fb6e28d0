"""A hostile server of ours, connectors to it, and how a test calls one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

from connectors.mcp.connector import McpConnector, open_connector
from connectors.spec import Account, Json
from tests.services import npm

HOSTILE = Path(__file__).with_name("hostile.py")
ACCOUNT = Account(connection_id="mine", subject="alex@northwind.example")


def call(connector: McpConnector, tool: str, /, **args: Any) -> Json:
    return asyncio.run(connector.call(f"{connector.name}.{tool}", args, account=ACCOUNT, key="k" * 32))


class Hostile:
    """The folder that the server and the tests share, and the connectors opened to it."""

    def __init__(self, folder: Path, over: str = "stdio") -> None:
        """over: stdio | http; over HTTP each connector has a server of its own, which nobody starts again."""
        self.folder, self.over = folder, over
        self.opened: list[McpConnector] = []
        self._servers: list[subprocess.Popen[bytes]] = []

    def open(self, *flags: str, **settings: Any) -> McpConnector:
        command = [sys.executable, str(HOSTILE), str(self.folder), *flags]
        where: dict[str, Any] = {"command": command} if self.over == "stdio" else {"url": self._serve(command)}
        usual: dict[str, Any] = {"timeout_s": 20.0, "start_timeout_s": 10.0}
        one = open_connector(name="evil", **where, **(usual | settings))
        self.opened.append(one)
        return one

    def _serve(self, command: list[str]) -> str:
        port, log = npm.free_port(), self.folder / "log"
        with log.open("ab") as out:
            server = subprocess.Popen([*command, f"http={port}"], stdout=out, stderr=out)
        self._servers.append(server)
        npm.wait_for(server, port, log)
        return f"http://127.0.0.1:{port}/mcp"

    def close(self) -> None:
        for one in self.opened:
            one.close()
        for server in self._servers:
            server.kill()
            server.wait(10)

    def flag(self, name: str) -> None:
        (self.folder / name).touch()

    def lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def ended(self) -> None:
        """Returns once the servers over HTTP are gone, and their lines with them."""
        for server in self._servers:
            server.wait(30)

    def pids(self) -> list[int]:
        """Every process that was started, servers and their children."""
        return [int(pid) for line in self.lines("pids") for pid in line.split()]
