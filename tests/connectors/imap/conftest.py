"""One mail server for all tests of a module, and a line to it that can be broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.imap.connector import ImapConnector, open_connector
from tests.connectors.imap.world import USERS
from tests.requirements import need
from tests.services import dovecot
from tests.services.dovecot import Dovecot


@pytest.fixture(scope="package")
def server() -> Iterator[Dovecot]:
    need("Dovecot", dovecot.available())
    with Dovecot(USERS) as running:
        yield running


@pytest.fixture
def connector() -> Iterator[ImapConnector]:
    opened = open_connector(answer_s=5.0)
    yield opened
    opened.close()
