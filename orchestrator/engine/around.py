"""What the house knows around an item at its claim. Never pinned on a run: people, connections and quotas are the present ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict

from connectors.spec import Account
from orchestrator.domain.item import Item
from orchestrator.domain.person import Person
from orchestrator.gate.credentials import Accounts, Vault
from orchestrator.store import connections, credentials, habits, people, quotas, roles
from orchestrator.store.connections import Connection
from orchestrator.store.credentials import Sealed
from orchestrator.store.database import Tx
from orchestrator.store.writer import Writer


class Speaking(TypedDict):
    people: list[Person]
    now: datetime
    zone: str
    me: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the house knows at this claim: always the current people, connections and use of quotas."""

    people: Mapping[str, Person]
    connections: Sequence[Connection]
    used: Mapping[str, int]
    order: habits.Order | None = None  # the schedule behind it, if there is one
    assigned: Mapping[str, frozenset[str]] = field(default_factory=dict)  # person → roles given to them

    def me(self, item: Item) -> Person:
        return self.people.get(item.requester) or Person(address=item.requester, name=item.requester, inside=True)

    def speaking(self, item: Item, now: datetime) -> Speaking:
        """Whose words are read, when, and among whom."""
        me = self.me(item)
        return {"people": list(self.people.values()), "now": now, "zone": me.zone, "me": me}


class KnownPeople:
    """The directory of one worker, read again whenever the table has changed."""

    def __init__(self) -> None:
        self._stamp: Any = None
        self._people: Mapping[str, Person] = {}

    def now(self, tx: Tx) -> Mapping[str, Person]:
        stamp = people.stamp(tx)
        if stamp != self._stamp:
            self._people = {person.address: person for person in people.all(tx)}
            self._stamp = stamp
        return self._people


def look_around(tx: Tx, item: Item, known: KnownPeople) -> Around:
    return Around(
        people=known.now(tx),
        connections=connections.list_for(tx, item.requester),
        used=quotas.used(tx, item.root_id),
        order=habits.order_of(tx, item),
        assigned=roles.by_person(tx),
    )


def accounts(vault: Vault, writer: Writer) -> Accounts:
    """Opens accounts with the credentials that this worker's store holds at that moment."""

    async def sealed(connection_id: str) -> Sealed | None:
        return await writer.read(credentials.in_use, connection_id)

    async def account(connection: Connection) -> Account:
        return await vault.account(connection, sealed)

    return account
