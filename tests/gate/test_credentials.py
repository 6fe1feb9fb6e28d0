"""Accounts at the last hop: whose is chosen, when it opens, and that what a provider echoes tells nobody."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from connectors.errors import ConnectorError, ReconsentNeeded, Unreachable
from connectors.spec import Account
from orchestrator.gate import keys
from orchestrator.gate.credentials import HIDDEN, Vault, secrets_of, telling_nothing, without_secrets
from orchestrator.gate.sealing import Keys, Place, seal
from orchestrator.store.connections import Connection, choose
from orchestrator.store.credentials import Sealed

ALEX, SAM = "alex@northwind.example", "sam@northwind.example"
CANARY = "canary-77d1e0"
HERE = Place("default", "conn_1")
LINE = Connection(connection_id="conn_1", connector="post", owner=ALEX, subject=ALEX, families=("mail",), credentials=1)


def connection(
    name: str, owner: str = ALEX, *, connector: str = "post", state: str = "active", shared: str = ""
) -> Connection:
    return Connection(
        connection_id=name,
        connector=connector,
        owner=owner,
        subject=owner,
        families=("mail",),
        state=state,
        shared_with=(shared,) if shared else (),
    )


OFFICE = connection("conn_office", connector="office")


@pytest.mark.parametrize(
    ("known", "chosen"),
    [
        ([OFFICE], "conn_office"),  # the office alone serves
        ([OFFICE, connection("conn_x")], "conn_x"),  # one's own real account wins over the made-up office
        (
            [OFFICE, connection("conn_x", state="reconsent")],
            None,
        ),  # lapsed: it waits, nothing goes to the office meanwhile
        (
            [OFFICE, connection("conn_x", SAM, shared="*")],
            "conn_office",
        ),  # who has an account of their own uses no shared one
        ([connection("conn_a", SAM, connector="office", shared="*"), connection("conn_x", SAM, shared=ALEX)], "conn_x"),
        ([connection("conn_x", SAM)], None),  # another's own
        ([connection("conn_b"), connection("conn_a")], "conn_a"),  # the same one every time
    ],
)
def test_whose_account_is_used(known: list[Connection], chosen: str | None) -> None:
    """Own before shared, real before made-up, lapsed before another."""
    found = choose(known, principal=ALEX, family="mail")

    assert (found.connection_id if found else None) == chosen


class Row:
    """The row as the store gives it, and how often it was opened with a key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = keys.keys_of("", folder, make=True)
        self.loaded = 0
        self.row: Sealed | None = None
        self.put({"token": CANARY}, 1)

    def put(self, credentials: dict[str, str], version: int) -> None:
        made = seal(credentials, HERE, self.keys)
        self.row = Sealed(key_id=made.key_id, wrapped=made.wrapped, sealed=made.sealed, version=version)

    async def fetch(self, connection_id: str) -> Sealed | None:
        assert connection_id == "conn_1"
        return self.row

    def load(self) -> Keys:
        self.loaded += 1
        return keys.keys_of("", self.folder)


@pytest.fixture
def row(tmp_path: Path) -> Row:
    return Row(tmp_path)


def opened(vault: Vault, row: Row, line: Connection = LINE) -> Account:
    return asyncio.run(vault.account(line, row.fetch))


def test_credentials_open_and_are_not_shown(row: Row) -> None:
    """The connector gets them; nothing that prints the account or the vault does."""
    vault = Vault(row.load)

    account = opened(vault, row)

    assert account.credentials == {"token": CANARY}
    assert CANARY not in repr(account) + repr(vault) + repr(row.row)


def test_an_account_without_credentials_asks_nobody() -> None:
    """The office's costs no read and no key."""

    async def fetch(_name: str) -> Sealed | None:
        raise AssertionError("nothing is to be fetched")

    assert asyncio.run(Vault().account(OFFICE, fetch)).credentials == {}


def test_a_version_is_opened_once(row: Row) -> None:
    """A second call needs no key; new credentials are opened anew."""
    vault = Vault(row.load)
    first = opened(vault, row)
    (row.folder / keys.FILE_NAME).rename(row.folder / "away")

    assert opened(vault, row).credentials is first.credentials

    row.put({"token": "another"}, 2)
    assert opened(vault, row).credentials == {"token": "another"}
    assert row.loaded == 1


def test_what_was_taken_back_is_forgotten(row: Row) -> None:
    """Once the row is gone the opened copy serves nobody, not even when the same row comes back without its key."""
    vault = Vault(row.load)
    opened(vault, row)
    held, row.row = row.row, None

    with pytest.raises(ReconsentNeeded, match="taken back"):
        opened(vault, row)

    row.row = held
    (row.folder / keys.FILE_NAME).unlink()
    assert opened(vault, row).credentials == {"token": CANARY}  # opened again, with the key still in memory
    assert opened(Vault(), Row(row.folder), OFFICE).credentials == {}


def test_a_key_that_was_renewed_meanwhile_is_read_again(row: Row) -> None:
    """A worker that holds the old key opens what a new one sealed."""
    vault = Vault(row.load)
    opened(vault, row)

    row.keys = keys.add_key("", row.folder)
    row.put({"token": "after"}, 2)

    assert opened(vault, row).credentials == {"token": "after"}


def test_a_lost_key_asks_for_consent_and_a_silent_one_is_tried_again(row: Row) -> None:
    """Gone for good: connect again. Not answering: unreachable, which is asked again later."""
    (row.folder / keys.FILE_NAME).unlink()

    with pytest.raises(ReconsentNeeded) as lost:
        opened(Vault(row.load), row)
    with pytest.raises(Unreachable):
        opened(Vault(lambda: keys.keys_of("command:/nowhere/kms", row.folder)), row)

    assert lost.value.fix and CANARY not in str(lost.value)


SERVICE = json.dumps({"type": "service_account", "client_email": "bot@project", "private_key": "-----KEY canary-----"})


def account(**credentials: str) -> Account:
    return Account(connection_id="conn_1", subject=ALEX, credentials=credentials)


@pytest.mark.parametrize(
    ("credentials", "secrets"),
    [
        ({"token": CANARY, "username": ALEX, "scopes": "mail.read"}, (CANARY,)),  # names and scopes are no secrets
        ({"password": "short"}, ()),  # would be found in other words
        ({"service_account": SERVICE}, ("-----KEY canary-----",)),  # only what is secret in a key file
    ],
)
def test_what_counts_as_a_secret(credentials: dict[str, str], secrets: tuple[str, ...]) -> None:
    """Secrets by their names, long enough to be told from words."""
    assert secrets_of(account(**credentials)) == secrets


def test_an_echoed_secret_is_hidden() -> None:
    """Wherever in an answer it stands, keys too; everything else is as it came."""
    said = {"headers": [f"Bearer {CANARY}", 7], CANARY: None, "text": "hello"}

    told = without_secrets(said, account(token=CANARY))

    assert told == {"headers": [f"Bearer {HIDDEN}", 7], HIDDEN: None, "text": "hello"}
    assert without_secrets(said, account()) is said


@pytest.mark.parametrize("kind", [ConnectorError, ValueError])
def test_an_error_that_quotes_a_secret_leaves_without_it(kind: type[Exception]) -> None:
    """Message, fix, arguments and what caused it: none holds the secret afterwards."""

    def call() -> None:
        with telling_nothing(account(token=CANARY)):
            try:
                raise KeyError(f"token {CANARY}")
            except KeyError as error:
                raise kind(f"refused for {CANARY}") from error

    with pytest.raises((ConnectorError, RuntimeError)) as raised:
        call()

    told = raised.value
    assert CANARY not in str(told) + repr(told) + repr(told.__cause__) + repr(getattr(told, "fix", ""))
    assert isinstance(told, ConnectorError) or told.__suppress_context__
