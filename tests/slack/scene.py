"""A home, its door, and people who have said who they are."""

from __future__ import annotations

from typing import Any

from orchestrator.domain.item import State
from tests.e2e.place import Place
from tests.slack.running import Door, until
from tests.slack.workspace import words

DAY = "what is on my calendar today"


class Scene:
    """What a test of the bot stands on."""

    def __init__(self, place: Place, door: Door) -> None:
        assert door.workspace is not None
        self.place, self.door, self.workspace, self.slack = place, door, door.workspace, door.sender()
        self.me = place.me.principal_id
        self.link(self.me)
        self.direct = self.workspace.direct(self.me)

    def link(self, address: str) -> None:
        sender = f"{self.workspace.team}/{self.workspace.users[address]}"
        who = self.place.desk.principal(address)
        self.place.desk.slack.propose(sender, address, self.workspace.direct(address))
        assert self.place.desk.slack.confirm(who, sender)

    def colleague(self) -> str:
        """Somebody else of the company."""
        known = [one["address"] for one in self.place.desk.people() if one["inside"]]
        return next(one for one in known if one != self.me)

    def items(self) -> list[str]:
        return [one["request"] for one in self._all()]

    def _all(self) -> list[dict[str, Any]]:
        return list(self.place.desk.items(self.place.admin, states=[one.value for one in State])["items"])

    def asked(self, count: int = 1) -> list[str]:
        """Ids, once there are so many."""
        return until(lambda: [one["item_id"] for one in found] if len(found := self._all()) >= count else None)

    def settled(self) -> None:
        """Until every delivery is worked off."""
        until(lambda: not self.place.desk.slack.open_deliveries())

    def seen(self, channel: str, word: str, thread: str | None = None) -> dict[str, Any]:
        return until(
            lambda: next((one for one in self.workspace.messages(channel, thread) if word in words(one)), None)
        )
