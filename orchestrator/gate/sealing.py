"""Credentials sealed in envelopes: a data key of its own for each record, wrapped by a key-encryption key that is kept elsewhere.

AES-256-GCM (NIST SP 800-38D) by `cryptography`. What is sealed is bound to its tenant and connection: a row that is copied to
another connection does not open. No error here quotes a key or what was sealed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from orchestrator.errors import DeputyError
from orchestrator.store.credentials import Sealed

KEY_BYTES = 32
NONCE_BYTES = 12


class Unopened(DeputyError):
    """Sealed credentials that cannot be opened here: another key, another place, or damage."""

    code = "credentials_unreadable"


class KeyUnreachable(DeputyError):
    """Whoever keeps the key-encryption key did not answer. It may later."""

    code = "unavailable"


@dataclass(frozen=True, slots=True)
class Place:
    """Where credentials belong. They open nowhere else."""

    tenant_id: str
    connection_id: str

    def about(self, *more: str) -> bytes:
        """Additional authenticated data."""
        return json.dumps(["deputy credentials 1", self.tenant_id, self.connection_id, *more]).encode()


class Keys(Protocol):
    """Key-encryption keys: a file's, the environment's, the keyring's, or a KMS that never hands them out."""

    @property
    def current(self) -> str:
        """Id of the key that wraps from now on."""
        ...

    def wrap(self, data_key: bytes, place: Place) -> tuple[str, bytes]:
        """Key id and the wrapped data key."""
        ...

    def unwrap(self, key_id: str, wrapped: bytes, place: Place) -> bytes:
        """The data key. Raises `Unopened` or `KeyUnreachable`."""
        ...


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """Keys in this process's memory, the current one first; older ones only open."""

    keys: Mapping[str, bytes] = field(repr=False)

    @property
    def current(self) -> str:
        return next(iter(self.keys))

    def wrap(self, data_key: bytes, place: Place) -> tuple[str, bytes]:
        key_id = self.current
        return key_id, _encrypt(self.keys[key_id], data_key, place.about("key", key_id))

    def unwrap(self, key_id: str, wrapped: bytes, place: Place) -> bytes:
        key = self.keys.get(key_id)
        if key is None:
            raise Unopened(
                f"the credentials of {place.connection_id!r} are sealed with the key {key_id!r}, which is not here",
                fix="bring that key back (DEPUTY_CREDENTIALS_KEY takes several, the newest first), or connect again",
            )
        return _decrypt(key, wrapped, place.about("key", key_id), place)


def seal(credentials: Mapping[str, str], place: Place, keys: Keys) -> Sealed:
    """The credentials under a fresh data key, wrapped by the current key."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    data_key = AESGCM.generate_key(bit_length=8 * KEY_BYTES)
    key_id, wrapped = keys.wrap(data_key, place)
    text = json.dumps(dict(credentials), sort_keys=True).encode()
    return Sealed(key_id=key_id, wrapped=wrapped, sealed=_encrypt(data_key, text, place.about("credentials")))


def open_sealed(sealed: Sealed, place: Place, keys: Keys) -> dict[str, str]:
    """What was sealed. Raises `Unopened` or `KeyUnreachable`."""
    data_key = keys.unwrap(sealed.key_id, sealed.wrapped, place)
    told = json.loads(_decrypt(data_key, sealed.sealed, place.about("credentials"), place))
    return {str(name): str(value) for name, value in told.items()}


def rewrap(sealed: Sealed, place: Place, keys: Keys) -> Sealed:
    """The same record with its data key wrapped by the current key; the credentials themselves are not touched."""
    key_id, wrapped = keys.wrap(keys.unwrap(sealed.key_id, sealed.wrapped, place), place)
    return replace(sealed, key_id=key_id, wrapped=wrapped)


def _encrypt(key: bytes, text: bytes, about: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(
        NONCE_BYTES
    )  # a data key seals one text, a key-encryption key far fewer than 2**32 (SP 800-38D §8.3)
    return nonce + AESGCM(key).encrypt(nonce, text, about)


def _decrypt(key: bytes, sealed: bytes, about: bytes, place: Place) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about)
    except (InvalidTag, ValueError):
        raise Unopened(
            f"the credentials of {place.connection_id!r} do not open: damaged, or sealed for another place",
            fix="connect again",
        ) from None
