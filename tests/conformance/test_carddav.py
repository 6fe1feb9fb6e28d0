"""The conformance suite on address books of a real CardDAV server, Radicale. It knows no mail, calendar or chat."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.carddav.connector import open_connector
from connectors.conformance import *  # noqa: F403
from connectors.conformance import Provider
from connectors.spec import Account
from tests.connectors.carddav.world import BOOK, ME, USERS, card, make_book, put
from tests.requirements import need
from tests.services import radicale
from tests.services.radicale import PASSWORD, Radicale

OFFERS = ("directory",)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    need("Radicale", radicale.available())
    running = Radicale(tmp_path_factory.mktemp("radicale"), USERS)
    make_book(running, BOOK)
    put(running, BOOK, "me", card("Alex Ahlgren", ME, "TITLE:Engineer", "ORG:Northwind;Platform"))
    put(running, BOOK, "dana", card("Dana Ruiz", "dana@brightwater.example"))
    put(running, BOOK, "jose", card("José Álvarez", "jose@northwind.example", "NICKNAME:Pepe"))
    yield running
    running.stop()


@pytest.fixture
def provider(server: Radicale) -> Iterator[Provider]:
    connector = open_connector()
    account = Account(
        connection_id="conn_books",
        subject=ME,
        credentials={"username": ME, "password": PASSWORD},
        settings={"url": server.url, "books": [BOOK], "inside": ["northwind.example"]},
    )
    yield Provider(connector=connector, account=account)
    connector.close()
