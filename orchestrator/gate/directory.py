"""Deputy's people table, refreshed from a directory provider through the gate's own read path. Contacts from senders never count."""

from __future__ import annotations

from typing import Any

from connectors.errors import ConnectorError
from orchestrator.domain.person import Person
from orchestrator.gate import execute
from orchestrator.gate.credentials import Accounts
from orchestrator.gate.toolbox import Toolbox
from orchestrator.store.connections import Connection

MOST_PAGES = 100


async def read_people(toolbox: Toolbox, connection: Connection, accounts: Accounts) -> list[Person] | None:
    """Everybody the provider's directory lists, or None where it cannot be read now (what is known then stays)."""
    tool = toolbox.at(connection.connector, "directory.list_people")
    if tool is None:
        return None
    people: list[Person] = []
    cursor: str | None = None
    try:
        account = await accounts(connection)
        for _ in range(MOST_PAGES):
            args: dict[str, Any] = {"limit": 200, **({"cursor": cursor} if cursor else {})}
            page = await execute.read(tool, args, account)
            assert isinstance(page, dict)
            records = page["people"]
            assert isinstance(records, list)
            people += [person_of(record, connection.connector) for record in records if isinstance(record, dict)]
            following = page.get("next")
            if not isinstance(following, str):
                break
            cursor = following
    except ConnectorError:
        return None
    return people


def person_of(record: dict[str, Any], source: str) -> Person:
    return Person(
        address=record["address"].lower(),
        name=record["name"],
        aliases=tuple(record.get("aliases", ())),
        zone=record.get("zone") or "UTC",
        working_hours=record.get("working_hours") or {},
        role=record.get("role") or "",
        team=record.get("team") or "",
        manager=record.get("manager"),
        inside=bool(record.get("inside")),
        preferences=record.get("preferences") or {},
        source=source,
    )
