"""Which address books count, what is read of them, and what a bad card costs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.carddav.connector import CarddavConnector, open_connector
from connectors.errors import InvalidCall, NotFound, ReconsentNeeded, Unreachable
from connectors.spec import Account
from tests.connectors.carddav.world import BOOK, ME, USERS, card, drop_book, make_book, plant, put, remove
from tests.requirements import need
from tests.services import radicale
from tests.services.radicale import PASSWORD, Radicale


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    need("Radicale", radicale.available())
    server = Radicale(tmp_path_factory.mktemp("radicale"), USERS)
    yield server
    server.stop()


@pytest.fixture
def server(running: Radicale) -> Iterator[Radicale]:
    """Two books: the team's, and one that a mail program fills with whoever writes."""
    make_book(running, BOOK, shown="The Team")
    make_book(running, "collected", shown="Collected addresses")
    put(running, BOOK, "dana", card("Dana Ruiz", "Dana@Northwind.example", "TITLE:Designer"))
    put(running, "collected", "mallory", card("Dana Ruiz", "dana@evil.example"))
    yield running
    drop_book(running, BOOK)
    drop_book(running, "collected")


@pytest.fixture
def connector() -> Iterator[CarddavConnector]:
    opened = open_connector()
    yield opened
    opened.close()


def account(server: Radicale, *books: str, url: str = "", password: str = PASSWORD, **more: Any) -> Account:
    settings = {"url": url or server.url, "books": list(books), "inside": ["northwind.example"], **more}
    held = {"username": ME, "password": password}
    return Account(connection_id="conn_books", subject=ME, credentials=held, settings=settings)


def listed(connector: CarddavConnector, whose: Account, **args: Any) -> list[dict[str, Any]]:
    answer: Any = asyncio.run(connector.call("directory.list_people", args, account=whose, key=None))
    found: list[dict[str, Any]] = answer["people"]
    return found


@pytest.mark.parametrize("book", ["The Team", BOOK])
@pytest.mark.parametrize("path", ["", f"{ME}/"])
def test_a_named_book_is_found_from_wherever_one_starts(
    server: Radicale, connector: CarddavConnector, book: str, path: str
) -> None:
    """By the name people see or the last part of its address, from the server or the home: only its cards count."""
    found = listed(connector, account(server, book, url=server.url + path))

    assert [(one["address"], one["role"], one["inside"]) for one in found] == [
        ("dana@northwind.example", "Designer", True)
    ]


def test_a_books_own_address_names_it(server: Radicale, connector: CarddavConnector) -> None:
    """Whoever gives the address of one book has said which."""
    found = listed(connector, account(server, url=f"{server.url}{ME}/{BOOK}/"))

    assert [one["address"] for one in found] == ["dana@northwind.example"]


def test_no_book_counts_unasked(server: Radicale, connector: CarddavConnector) -> None:
    """A book filled from senders is like any other to a server: without a name there is nobody, and the choice is said."""
    with pytest.raises(InvalidCall) as refused:
        listed(connector, account(server))

    assert "The Team" in refused.value.fix and "--book" in refused.value.fix
    assert connector.offered(account(server)) == ["Collected addresses", "The Team"]
    with pytest.raises(InvalidCall, match="no one address book"):
        listed(connector, account(server, "Team"))


def test_nothing_in_a_card_makes_a_colleague(server: Radicale, connector: CarddavConnector) -> None:
    """Inside is who has an address of a domain that the connection names."""
    put(server, BOOK, "liar", card("Liar", "liar@evil.example", "ORG:Northwind", "X-INSIDE:yes"))

    inside = {one["address"]: one["inside"] for one in listed(connector, account(server, BOOK))}

    assert inside == {"dana@northwind.example": True, "liar@evil.example": False}


def test_a_bad_card_is_named_and_costs_nothing_else(server: Radicale, connector: CarddavConnector) -> None:
    """Cards that cannot be read or are too large are left out, by name; one without an address is nobody, and no fault."""
    plant(server, BOOK, "half", card("Half", "no address at all"))
    put(server, BOOK, "phone", card("Reception", "", "TEL:+351 1"))
    put(server, BOOK, "large", card("Large", "large@northwind.example", "PHOTO;ENCODING=b:" + "QUFB" * 40_000))
    small = open_connector(most_bytes=64 * 1024)

    found = listed(small, account(server, BOOK))
    small.close()

    assert [one["address"] for one in found] == ["dana@northwind.example"]
    assert len(small.noted) == 1 and "half.vcf" in small.noted[0] and "large.vcf" in small.noted[0]
    assert "phone" not in small.noted[0] and "@" not in small.noted[0]


def test_what_changes_on_the_server_changes_here(server: Radicale, connector: CarddavConnector) -> None:
    """A list that begins anew has new and changed cards, and nobody who is gone."""
    whose = account(server, BOOK)
    assert len(listed(connector, whose)) == 1
    put(server, BOOK, "dana", card("Dana Ruiz-Lima", "dana@northwind.example"))
    put(server, BOOK, "noor", card("Noor Haddad", "noor@northwind.example"))

    assert [one["name"] for one in listed(connector, whose)] == ["Dana Ruiz-Lima", "Noor Haddad"]
    remove(server, BOOK, "dana")
    assert [one["name"] for one in listed(connector, whose, query="HADDAD")] == ["Noor Haddad"]
    assert [one["name"] for one in listed(connector, whose)] == ["Noor Haddad"]


def test_a_large_book_comes_whole(server: Radicale, connector: CarddavConnector) -> None:
    """More cards than one request asks for, and than one page shows."""
    for number in range(230):
        plant(server, BOOK, f"n{number}", card(f"Person {number:03}", f"p{number}@northwind.example"))

    walked, page = 0, {"next": None}
    for _ in range(3):
        args = {"limit": 100, **({"cursor": page["next"]} if page["next"] else {})}
        answer: Any = asyncio.run(
            connector.call("directory.list_people", args, account=account(server, BOOK), key=None)
        )
        walked, page = walked + len(answer["people"]), answer

    assert (walked, page["next"]) == (231, None)


def test_what_is_wrong_with_the_account_is_said(server: Radicale, connector: CarddavConnector) -> None:
    """A refused login, a server that is not there, a person who is not there: each is its own error."""
    with pytest.raises(ReconsentNeeded):
        listed(connector, account(server, BOOK, password="wrong"))
    with pytest.raises(Unreachable):
        listed(connector, account(server, BOOK, url="http://127.0.0.1:1/"))
    with pytest.raises(InvalidCall, match="in the clear"):
        listed(connector, account(server, BOOK, url="http://dav.example/"))
    with pytest.raises(NotFound):
        asyncio.run(
            connector.call(
                "directory.get_person", {"address": "dana@evil.example"}, account=account(server, BOOK), key=None
            )
        )
