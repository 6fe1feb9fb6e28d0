"""The account of a call, with its credentials: opened at the last hop before the connector.

Credentials go to the connector alone: not to agents, workflows, logs, spans or the ledger. What a provider says back is searched
for them, so that one that echoes a token tells nobody.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from connectors.errors import ConnectorError, ReconsentNeeded, Unreachable
from connectors.spec import Account
from orchestrator.gate.sealing import Keys, KeyUnreachable, Place, Unopened, open_sealed
from orchestrator.store.connections import Connection
from orchestrator.store.credentials import Sealed

Fetch: TypeAlias = Callable[[str], Awaitable[Sealed | None]]
Accounts: TypeAlias = Callable[[Connection], Awaitable[Account]]

HIDDEN = "[credentials]"
SHORTEST = 6  # characters; a shorter secret would be found in every other word
_TELLS_NOTHING = frozenset(
    {
        "account",
        "client_email",
        "client_id",
        "email",
        "expires_at",
        "scopes",
        "subject",
        "token_uri",
        "user",
        "username",
    }
)
_SECRET_PART = re.compile(r"secret|token|password|private_key$", re.IGNORECASE)
TAKEN_BACK = "the connection was taken back meanwhile"


class Vault:
    """Opens credentials for one worker. An opened copy serves while the row it came from is the current one of an active connection."""

    def __init__(self, keys: Callable[[], Keys] | None = None, *, tenant_id: str = "default") -> None:
        self._make_keys = keys
        self._keys: Keys | None = None
        self._tenant_id = tenant_id
        self._opened: dict[str, tuple[int, Mapping[str, str]]] = {}

    async def account(self, connection: Connection, fetch: Fetch) -> Account:
        """What the connector needs to act for this connection, as of now. Raises ReconsentNeeded or Unreachable."""
        return Account(
            connection_id=connection.connection_id,
            subject=connection.subject,
            credentials=await self._credentials(connection, fetch) if connection.credentials else {},
            settings=connection.settings,
        )

    async def _credentials(self, connection: Connection, fetch: Fetch) -> Mapping[str, str]:
        name = connection.connection_id
        sealed = await fetch(name)
        if sealed is None:
            self._opened.pop(name, None)
            raise ReconsentNeeded(TAKEN_BACK, fix="Connect it again.")
        version, opened = self._opened.get(name, (0, {}))
        if version == sealed.version:
            return opened
        try:  # a KMS or a keyring answers in its own time
            opened = await asyncio.to_thread(self._open, sealed, Place(self._tenant_id, name))
        except Unopened as error:
            raise ReconsentNeeded(error.message, fix=error.fix) from None
        except KeyUnreachable as error:
            raise Unreachable(error.message, fix=error.fix) from None
        self._opened[name] = (sealed.version, opened)
        return opened

    def _open(self, sealed: Sealed, place: Place) -> dict[str, str]:
        if self._keys is None or sealed.key_id != self._keys.current:  # perhaps there is a newer key by now
            self._keys = self._load(place)
        return open_sealed(sealed, place, self._keys)

    def _load(self, place: Place) -> Keys:
        if self._make_keys is None:
            raise Unopened(f"there is no key for the credentials of {place.connection_id!r}")
        return self._make_keys()


def secrets_of(account: Account) -> tuple[str, ...]:
    """The words that must not leave the connector, longest first."""
    found: set[str] = set()
    for name, value in account.credentials.items():
        if name in _TELLS_NOTHING:
            continue
        parts = _parts(value)
        found.update(parts if parts is not None else (value,))
    return tuple(sorted((word for word in found if len(word) >= SHORTEST), key=len, reverse=True))


def scrubbed(value: Any, secrets: tuple[str, ...]) -> Any:
    """The value with every secret in it hidden; the value itself where there is none."""
    if isinstance(value, str):
        for secret in secrets:
            if secret in value:
                value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {scrubbed(key, secrets): scrubbed(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [scrubbed(inner, secrets) for inner in value]
    return value


def without_secrets(value: Any, account: Account) -> Any:
    """What a provider said, without the account's own secrets: a server that echoes them tells nobody."""
    return scrubbed(value, secrets_of(account)) if account.credentials else value


@contextmanager
def telling_nothing(account: Account) -> Iterator[None]:
    """Around one call of a connector: an error that quotes a secret leaves without it, and without what caused it."""
    try:
        yield
    except ConnectorError as error:
        secrets = secrets_of(account)
        if secrets:
            error.message, error.fix = scrubbed(error.message, secrets), scrubbed(error.fix, secrets)
            error.args = tuple(scrubbed(part, secrets) for part in error.args)
            error.__cause__ = None
            error.__context__ = None
        raise
    except Exception as error:
        secrets = secrets_of(account)
        if secrets and any(secret in str(error) for secret in secrets):
            raise RuntimeError(f"{type(error).__name__}: {scrubbed(str(error), secrets)}") from None
        raise


def _parts(value: str) -> list[str] | None:
    """The secret fields of a credential that is a JSON document, e.g. a service account's key; None for a plain one."""
    if not value.startswith("{"):
        return None
    try:
        told = json.loads(value)
    except ValueError:
        return None
    if not isinstance(told, dict):
        return None
    return [part for name, part in told.items() if isinstance(part, str) and _SECRET_PART.search(name)]
