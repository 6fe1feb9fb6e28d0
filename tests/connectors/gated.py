"""An effect attempted by the product itself: an item of a worker, its gate and its ledger, with the account on the server as its only one.

Nobody's retry rule stands here. Time is moved on where the gate waits for it, and nothing else is changed: the tools say of
themselves how long they may take on the wire.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from connectors.conformance import Provider
from connectors.spec import Connector
from orchestrator import app, clock, ids, providers
from orchestrator.domain.item import Origin
from orchestrator.engine.advance import Advancer, House
from orchestrator.engine.serving import Pace
from orchestrator.engine.worker import Worker
from orchestrator.gate.toolbox import Toolbox
from orchestrator.settings import Settings
from orchestrator.store.database import Store
from orchestrator.workflows.match import Library
from policies.guard import Guard
from tests.connectors.attempts import Outcome

ROUNDS = 16  # more often than an item with so few faults is advanced
_GUARD = Guard.load(profile="delegated")


class Gated:
    """A home without an office, and everybody in it an admin. `perform` attempts one call on an account."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._home, self._count = home, 0
        self._settings = Settings.load(home=home, office=False, owner="somebody@northwind.example")
        self._store = Store.open(self._settings.store_url)
        self._desk = app.desk(self._settings)
        self._passed = timedelta(0)
        clock.follow(lambda: self._passed)

    def close(self) -> None:
        clock.follow(lambda: timedelta(0))
        self._desk.close()
        self._store.close()

    def perform(self, provider: Provider, tool: str, args: Mapping[str, Any]) -> tuple[Outcome, str]:
        """What the ledger holds in the end, and the key of the attempt; the key is empty where nothing was attempted."""
        self._passed = timedelta(0)  # what is attempted now is attempted at the servers' own time
        wire_s = provider.specs()[tool].wire_timeout_s
        house = self._house(provider.connector, tool, args)
        item_id = self._submit(provider, args)
        for _ in range(ROUNDS):
            self._work(house)
            item = self._desk.item(self._desk.principal(None), item_id)
            if item["state"] in ("done", "failed", "cancelled") or item["questions"]:
                break
            if not self._approved(item_id):
                assert item["waiting_on"] == ["timer"], item
                self._passed += timedelta(seconds=2 * wire_s + 1)
        else:
            raise AssertionError(f"there were more failures than faults: {item}")
        return _outcome(item)

    def _approved(self, item_id: str) -> bool:
        """Whether there was a card."""
        me = self._desk.principal(None)
        cards = [card for card in self._desk.approvals(me) if card["item_id"] == item_id]
        for card in cards:
            self._desk.decide(me, card["approval_id"], "approve", digest=card["digest"])
        return bool(cards)

    def _submit(self, provider: Provider, args: Mapping[str, Any]) -> str:
        whose = provider.account
        new = providers.NewAccount(
            connector=provider.connector.name,
            subject=whose.subject,
            families=sorted(provider.connector.families),
            settings=whose.settings,
            credentials=whose.credentials,
        )
        me = self._desk.principal(None)
        providers.connect(self._settings, self._store, new, owner=me.principal_id, actor=me.principal_id)
        request, options = f"Attempt this: {json.dumps(args)}", {"workflow": f"attempt-{self._count}"}
        return self._desk.submit(me, request, origin=Origin.HUMAN, options=options)

    def _house(self, connector: Connector, tool: str, args: Mapping[str, Any]) -> House:
        self._count += 1
        folder = self._home / f"workflows-{self._count}"
        folder.mkdir()
        does = next(spec.manifest for spec in connector.tools() if spec.name == tool)
        effect, noun = does["effect"], does.get("noun", "thing")
        workflow = {
            "name": f"attempt-{self._count}",
            "version": "1.0.0",
            "title": "One call",
            "description": "Calls one tool.",
            "examples": ["Attempt this"],
            "near_misses": ["Attempt nothing"],
            "grant": [{"effect": effect, "noun": noun, "tools": [tool], "quota": 1}],
            "steps": [{"id": "attempt", "call": tool, "args": dict(args)}],
            "text": "It was attempted.",
        }
        (folder / "attempt.yaml").write_text(yaml.safe_dump(workflow))
        owner = str(self._settings.owner)
        return House(
            toolbox=Toolbox([connector]),
            guard=_GUARD,
            library=Library.load([folder]),
            inside_domains=[owner.partition("@")[2], "example.com", "north.example"],
            roles={owner: frozenset({"admin", "approver"})},
            vault=app.vault(self._settings),
        )

    def _work(self, house: House) -> None:
        store = Store.open(self._settings.store_url, name="worker")
        try:
            assert Worker(store, Advancer(lambda: house), pace=Pace(until_idle=True, linger_s=0.0)).run() == 0
        finally:
            store.close()


def _outcome(item: Mapping[str, Any]) -> tuple[Outcome, str]:
    if not item["effects"]:
        assert item["state"] == "failed", item
        return Outcome.NOT_DONE, ""
    (effect,) = item["effects"]
    key = ids.effect_key(effect["effect_id"])
    assert (item["state"] == "done") is (effect["state"] == "done"), item
    if item["state"] == "waiting":
        assert effect["state"] == "unknown", item
        return Outcome.IN_DOUBT, key
    return (Outcome.DONE if effect["state"] == "done" else Outcome.NOT_DONE), key
