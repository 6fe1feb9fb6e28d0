"""Real accounts, for their owners: opt-in, in a home where they are connected. Nobody but the account itself is written to.

    DEPUTY_LIVE_HOME=~/.deputy-live .venv/bin/python -m pytest tests/live -s

Each account is read; a draft and an event without guests are made, found again under their key, and taken back. With
DEPUTY_LIVE_CHANNEL a message is posted there and deleted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from connectors.spec import Account, Connector, Done
from orchestrator import app
from orchestrator.engine.around import accounts
from orchestrator.settings import Settings
from orchestrator.store import connections
from orchestrator.store.connections import MADE_UP
from orchestrator.store.database import Store
from orchestrator.store.writer import Writer

HOME = os.environ.get("DEPUTY_LIVE_HOME")
READS: dict[str, tuple[str, dict[str, Any]]] = {
    "mail": ("mail.search", {"limit": 3}),
    "chat": ("chat.list_channels", {}),
    "directory": ("directory.list_people", {"limit": 3}),
}


@pytest.fixture(scope="module")
def opened() -> Iterator[list[tuple[Connector, Account, tuple[str, ...]]]]:
    """Every connected account of the home, with its connector and families."""
    if HOME is None:
        pytest.skip("live accounts: DEPUTY_LIVE_HOME names no home")
    settings = Settings.load(home=Path(HOME).expanduser())
    store = Store.open(settings.store_url, tenant_id=settings.tenant)
    writer = Writer(store)
    with store.read() as tx:
        known = [one for one in connections.every(tx) if one.connector != MADE_UP and one.state == "active"]
    tools = app.toolbox(settings, known)
    open_account = accounts(app.vault(settings), writer)
    found = [(tools.connector(one.connector), asyncio.run(open_account(one)), one.families) for one in known]
    yield [(connector, account, families) for connector, account, families in found if connector is not None]
    tools.close()
    writer.close()
    store.close()


def call(connector: Connector, account: Account, tool: str, args: dict[str, Any], key: str | None = None) -> Any:
    return asyncio.run(connector.call(tool, args, account=account, key=key))


def test_every_account_can_be_read(opened: list[tuple[Connector, Account, tuple[str, ...]]]) -> None:
    """One cheap read of each family."""
    now = datetime.now(UTC).replace(microsecond=0)
    span = {"start": now.isoformat(), "end": (now + timedelta(days=7)).isoformat()}
    for connector, account, families in opened:
        for family in families:
            tool, args = READS.get(family, ("calendar.list_events", span))
            if any(spec.name == tool for spec in connector.tools()):
                print(connector.name, account.subject, tool, len(str(call(connector, account, tool, args))))


@pytest.mark.parametrize("family", ["mail", "calendar"])
def test_what_is_made_is_found_by_its_key_and_taken_back(
    opened: list[tuple[Connector, Account, tuple[str, ...]]], family: str
) -> None:
    """A draft to oneself, an event without guests."""
    start = (datetime.now(UTC) + timedelta(days=90)).replace(microsecond=0)
    for connector, account, families in opened:
        if family not in families:
            continue
        key, word = uuid4().hex, f"deputy live {uuid4().hex[:8]}"
        event = {"title": word, "start": start.isoformat(), "end": (start + timedelta(minutes=15)).isoformat()}
        draft = {"to": [account.subject], "subject": word, "body": "To be deleted."}
        tool, args = ("calendar.create_event", event) if family == "calendar" else ("mail.create_draft", draft)
        made = call(connector, account, tool, args, key)
        again = asyncio.run(connector.reconcile(tool, args, account=account, key=key, attempted_at=datetime.now(UTC)))
        assert isinstance(again, Done), (connector.name, again)
        if family == "calendar":
            call(connector, account, "calendar.cancel_event", {"event_id": made["event_id"]}, uuid4().hex)
        else:
            call(
                connector,
                account,
                "mail.delete",
                {"message_id": made.get("message_id") or made["draft_id"]},
                uuid4().hex,
            )


def test_a_message_is_posted_found_and_deleted(opened: list[tuple[Connector, Account, tuple[str, ...]]]) -> None:
    """In the channel that was named, and only there."""
    channel = os.environ.get("DEPUTY_LIVE_CHANNEL")
    if channel is None:
        pytest.skip("live accounts: DEPUTY_LIVE_CHANNEL names no channel")
    for connector, account, families in opened:
        if "chat" in families:
            key, args = uuid4().hex, {"channel": channel, "text": f"deputy live {uuid4().hex[:8]}"}
            made = call(connector, account, "chat.post_message", args, key)
            asked_at = datetime.now(UTC)
            again = asyncio.run(
                connector.reconcile("chat.post_message", args, account=account, key=key, attempted_at=asked_at)
            )
            assert isinstance(again, Done), again
            call(connector, account, "chat.delete_message", {"message_id": made["message_id"]}, uuid4().hex)
