"""A whole `deputy serve` on a small office with two people called Dana, and programs before its MCP door."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2
import requests
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from tests.distributed.desks import Desk
from tests.e2e.place import Place

AISHA = "aisha.weber@brightwater.example"
DEPUTY = [sys.executable, "-m", "orchestrator.surfaces.cli.main"]
PATIENCE_S = 25
LATEST = "2026-07-28"
Way = Literal["http", "stdio"]
WAYS: Sequence[Way] = ("http", "stdio")
MODES = ("auto", "legacy")  # 2026-07-28 without sessions; 2025-11-25 with its handshake


@dataclass
class House:
    """`program`: a program's key of the owner; `person`: the owner's own, with which a person decides."""

    desk: Desk
    home: Path
    program: str
    person: str
    colleague: str
    reader: str

    @property
    def url(self) -> str:
        assert self.desk.url is not None
        return f"{self.desk.url}/mcp"

    @asynccontextmanager
    async def client(
        self, way: Way, *, mode: str = "auto", key: str | None = None, **more: Any
    ) -> AsyncIterator[Client]:
        """The Python SDK's client."""
        if way == "stdio":
            started = StdioServerParameters(
                command=DEPUTY[0], args=[*DEPUTY[1:], "--home", str(self.home), "mcp"], env=_environment(), cwd="/"
            )
            async with Client(stdio_client(started), mode=mode, **more) as client:
                yield client
            return
        headers = {"Authorization": f"Bearer {key or self.program}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            async with Client(streamable_http_client(self.url, http_client=http), mode=mode, **more) as client:
                yield client

    def post(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        capabilities: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> requests.Response:
        """One request of the revision 2026-07-28, by hand."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": LATEST,
            "io.modelcontextprotocol/clientCapabilities": dict(capabilities or {}),
            "io.modelcontextprotocol/clientInfo": {"name": "By hand", "version": "1"},
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), "_meta": meta}}
        named = (params or {}).get("name") or (params or {}).get("taskId")
        envelope = {
            "Authorization": f"Bearer {key or self.program}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": LATEST,
            "Mcp-Method": method,
            **({"Mcp-Name": str(named)} if named else {}),
        }
        return requests.post(self.url, json=body, headers={**envelope, **(headers or {})}, timeout=timeout)

    def decide(self, approval_id: str, verdict: str = "approve") -> int:
        """A person does, in Deputy itself; the status."""
        _, card = self.desk.ask("GET", f"/approvals/{approval_id}", self.person)
        body = {"verdict": verdict, "digest": card["digest"]}
        return self.desk.ask("POST", f"/approvals/{approval_id}/decide", self.person, body)[0]


def _environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("DEPUTY_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2])}


def furnished(home: Path, world: Path) -> None:
    """A home with the small office, a second Dana in it, and a workflow that is published to assistants.

    What people say themselves goes out at once here (delegated); what programs say still asks.
    """
    place = Place(home, world)
    (home / "deputy.toml").write_text('profile = "delegated"\nmcp_workflows = "morning-brief"\n', encoding="utf-8")
    place.office.add_person("Dana Fox", zone="Europe/Lisbon", team="Finance", role="Controller")
    place.close()


def open_house(home: Path, log: Path, settings: Mapping[str, str] | None = None) -> House:
    """The server, ready, with its keys."""
    desk = Desk(home, settings or {}, log)
    desk.start()
    desk.wait()

    def key(*words: str) -> str:
        return str(desk.command("config", "key", "create", *words)["key"])

    return House(
        desk=desk,
        home=home,
        program=key("--program", "--scope", "read", "--scope", "submit"),
        person=key("--scope", "read", "--scope", "submit", "--scope", "decide"),
        colleague=key("--program", "--scope", "read", "--scope", "submit", "--for", AISHA),
        reader=key("--program", "--scope", "read"),
    )


def told(result: CallToolResult) -> dict[str, Any]:
    """The typed answer of a call that was no error."""
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return dict(result.structured_content)


def text_of(result: CallToolResult) -> str:
    return "\n".join(one.text for one in result.content if isinstance(one, TextContent))


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    return told(result)


async def resting(client: Client, item_id: str) -> dict[str, Any]:
    """The status, once it rests."""
    for _ in range(4):
        found = await call(client, "work_status", item_id=item_id, wait_s=PATIENCE_S)
        if found["final"] or found["state"] == "waiting":
            return found
    raise AssertionError(f"it goes on and on: {found}")
