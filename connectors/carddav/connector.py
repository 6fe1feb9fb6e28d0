"""The directory family over address books on a CardDAV server.

Settings of an account: `url` (of the server, the principal, the home or one address book), `books` (names of those that count;
needed unless the url is one), `inside` (domains of colleagues: nothing in a card makes anybody inside) and `allow_http`.
Credentials: `username` and `password`, or `token`. Nothing is ever written. Cards that cannot be read are left out, and
named in `noted`. Servers publish no limits: an account's requests take turns.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from connectors import families, wire
from connectors.arguments import Arguments
from connectors.caldav.line import Line
from connectors.carddav import books
from connectors.carddav.books import Known
from connectors.errors import NotFound
from connectors.keeping import Kept
from connectors.spec import Account, Json, Precondition, Reconciled, ToolSpec, Unknown

KNOWN_FOR_S = 60.0  # the beginning of a list is as the server has it now, whatever follows as it then was


@lru_cache(maxsize=1)
def _specs() -> dict[str, ToolSpec]:
    return {spec.name: spec for spec in families.tool_specs("directory")}


@dataclass(slots=True)
class _Seat:
    """One account's place: its line is used by one thread at a time."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    line: Line | None = None
    chosen: tuple[str, ...] = ()
    known: Known = field(default_factory=Known)
    read_at: float | None = None


class CarddavConnector:
    """Any number of accounts. `noted`: what was wrong with cards when some account was last read, a sentence each."""

    name = "carddav"
    families = frozenset({"directory"})
    quota = "address book servers publish no limits; one connection is used, its calls in turn"

    def __init__(self, *, most_bytes: int = books.MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._seats: Kept[_Seat] = Kept(_leave)
        self.noted: list[str] = []

    def tools(self) -> Sequence[ToolSpec]:
        return tuple(_specs().values())

    async def call(self, tool: str, args: Mapping[str, Any], *, account: Account, key: str | None) -> Json:
        _validate(tool, args)
        return await asyncio.to_thread(self._look, account, args, _READS[tool])

    async def reconcile(
        self, tool: str, args: Mapping[str, Any], *, account: Account, key: str, attempted_at: datetime
    ) -> Reconciled:
        _validate(tool, args)
        return Unknown(f"{tool} changes nothing")

    async def preconditions(
        self, tool: str, args: Mapping[str, Any], *, account: Account, now: datetime
    ) -> Sequence[Precondition]:
        return ()

    async def check(self, precondition: Precondition, *, account: Account, now: datetime) -> str | None:
        return None

    def close(self) -> None:
        """Closes the lines that are open."""
        self._seats.let_go()

    def offered(self, account: Account) -> list[str]:
        """Names of the address books that the account could choose from. Blocks; for connecting."""
        line = self._line(account)
        try:
            found = books.found_at(line, line.root)
            return sorted(name or books.name_of(book) for book, name in found.items())
        finally:
            line.close()

    def _look(
        self, account: Account, args: Mapping[str, Any], read: Callable[[Known, Mapping[str, Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        seat = self._seats.of(account, _Seat)
        with seat.lock:
            now = time.monotonic()
            is_old = seat.read_at is None or now - seat.read_at > KNOWN_FOR_S
            if is_old or (read is _list_people and args.get("cursor") is None):
                self._refresh(seat, account)
                seat.read_at = now
            return read(seat.known, args)

    def _refresh(self, seat: _Seat, account: Account) -> None:
        settings = account.settings
        if seat.line is None:
            seat.line = self._line(account)
        seat.line.begin()
        if not seat.chosen:
            seat.chosen = tuple(books.chosen(seat.line, seat.line.root, _words(settings.get("books"))))
        books.refresh(seat.line, seat.known, seat.chosen, _words(settings.get("inside")))
        self.noted = seat.known.problems()

    def _line(self, account: Account) -> Line:
        url, is_plain = str(account.settings.get("url") or ""), bool(account.settings.get("allow_http"))
        return Line(url, account.credentials, is_plain_allowed=is_plain, most_bytes=self._most_bytes)


def _leave(seat: _Seat) -> None:
    with seat.lock:
        if seat.line is not None:
            seat.line.close()
            seat.line = None


def _words(told: Any) -> list[str]:
    """A list of texts, also where a person wrote one text with commas."""
    parts = told.split(",") if isinstance(told, str) else told or ()
    return [text for one in parts if (text := str(one).strip())]


def _list_people(known: Known, args: Mapping[str, Any]) -> dict[str, Any]:
    wanted = wire.words(args.get("query"))
    found = [one for one in known.people() if all(word in _searched(one) for word in wanted)]
    return wire.cut_page(found, args, "people")


def _get_person(known: Known, args: Mapping[str, Any]) -> dict[str, Any]:
    address = None if args.get("address") is None else wire.lower(args["address"])
    for one in known.people():
        if one["person_id"] == args.get("person_id", one["person_id"]) and one["address"] == (
            address or one["address"]
        ):
            return one
    raise NotFound("the address books have no such person", fix="Look with directory.list_people.")


def _searched(one: Mapping[str, Any]) -> str:
    return wire.fold(" ".join((one["name"], *one["aliases"], one["address"], one["role"], one["team"])))


_READS: Mapping[str, Callable[[Known, Mapping[str, Any]], dict[str, Any]]] = {
    "directory.list_people": _list_people,
    "directory.get_person": _get_person,
}
_validate = Arguments("an address book", _specs)


def open_connector(*, most_bytes: int = books.MOST_BYTES) -> CarddavConnector:
    """For the registry. `most_bytes`: of one answer; a card that alone is larger is left out and named."""
    return CarddavConnector(most_bytes=most_bytes)
