"""Credentials at rest: envelopes that open in one place, under one key, and say nothing of themselves."""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from orchestrator.errors import DeputyError, UsageError
from orchestrator.gate import keys
from orchestrator.gate.sealing import HeldKeys, KeyUnreachable, Place, Unopened, open_sealed, rewrap, seal

CANARY = "xoxb-canary-5f2c9a"
CREDENTIALS = {"token": CANARY, "scopes": "chat:write"}
HERE = Place("default", "conn_1")


def key(byte: int) -> str:
    return base64.b64encode(bytes([byte]) * 32).decode()


@pytest.fixture
def held(tmp_path: Path) -> HeldKeys:
    made = keys.keys_of("", tmp_path, make=True)
    assert isinstance(made, HeldKeys)
    return made


def test_what_was_sealed_opens(held: HeldKeys) -> None:
    """The same key and place give back what went in, and the sealed bytes do not hold it."""
    sealed = seal(CREDENTIALS, HERE, held)

    assert open_sealed(sealed, HERE, held) == CREDENTIALS
    assert CANARY.encode() not in sealed.sealed + sealed.wrapped
    assert CANARY not in repr(sealed)


def test_each_sealing_is_its_own(held: HeldKeys) -> None:
    """A fresh data key and nonce each time: equal credentials do not look equal."""
    one, other = seal(CREDENTIALS, HERE, held), seal(CREDENTIALS, HERE, held)

    assert one.sealed != other.sealed and one.wrapped != other.wrapped


@pytest.mark.parametrize(
    "elsewhere",
    [
        Place("default", "conn_2"),  # a row copied to another connection
        Place("other", "conn_1"),  # to another tenant
        Place("default\0conn", "_1"),  # names that run together are not the same place
    ],
)
def test_a_copied_row_does_not_open(held: HeldKeys, elsewhere: Place) -> None:
    """What is sealed for one tenant's connection opens at no other."""
    sealed = seal(CREDENTIALS, HERE, held)

    with pytest.raises(Unopened):
        open_sealed(sealed, elsewhere, held)


@pytest.mark.parametrize("part", ["wrapped", "sealed"])
def test_damage_is_seen(held: HeldKeys, part: str) -> None:
    """One flipped bit, and nothing opens; the error quotes nothing."""
    sealed = seal(CREDENTIALS, HERE, held)
    damaged = bytearray(getattr(sealed, part))
    damaged[-1] ^= 1
    changed = type(sealed)(
        **{"key_id": sealed.key_id, "wrapped": sealed.wrapped, "sealed": sealed.sealed, part: bytes(damaged)}
    )

    with pytest.raises(Unopened) as raised:
        open_sealed(changed, HERE, held)

    assert raised.value.__cause__ is None and CANARY not in str(raised.value)


def test_an_old_key_still_opens_and_the_new_one_seals() -> None:
    """Several keys: the first wraps, all open; after a rewrap the old one is not needed."""
    old = keys.keys_of(key(1), Path())
    both = keys.keys_of(f"{key(2)},{key(1)}", Path())
    new = keys.keys_of(key(2), Path())
    sealed = seal(CREDENTIALS, HERE, old)

    assert open_sealed(sealed, HERE, both) == CREDENTIALS
    again = rewrap(sealed, HERE, both)

    assert again.key_id == new.current != old.current
    assert again.sealed == sealed.sealed
    assert open_sealed(again, HERE, new) == CREDENTIALS
    with pytest.raises(Unopened, match=old.current):
        open_sealed(sealed, HERE, new)


def test_the_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    """First use makes it, readable by nobody else; the next use finds the same key; nothing else is left lying about."""
    first = keys.keys_of("", tmp_path, make=True)
    second = keys.keys_of("", tmp_path, make=True)

    file = tmp_path / keys.FILE_NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.current == second.current
    assert [path.name for path in tmp_path.iterdir()] == [keys.FILE_NAME]


def test_opening_never_makes_a_key(tmp_path: Path) -> None:
    """A lost key file is said to be lost; a new one would open nothing."""
    with pytest.raises(Unopened, match=keys.FILE_NAME):
        keys.keys_of("", tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_new_key_in_the_file_leaves_the_old_one_readable(tmp_path: Path) -> None:
    """`add_key` puts a key in front; what the one before has sealed opens as before."""
    before = keys.keys_of("", tmp_path, make=True)
    sealed = seal(CREDENTIALS, HERE, before)

    after = keys.add_key("", tmp_path)

    assert after.current != before.current
    assert open_sealed(sealed, HERE, after) == CREDENTIALS
    assert stat.S_IMODE((tmp_path / keys.FILE_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "source",
    [
        base64.b64encode(b"\x07" * 16).decode(),  # too short
        "not base64 at all!",
        ",",
        "kms:nobody-has-this",
    ],
)
def test_a_setting_that_is_no_key_is_refused_without_being_quoted(source: str, tmp_path: Path) -> None:
    """The text might be a real key with one letter missing: the error does not hold it."""
    with pytest.raises(UsageError) as raised:
        keys.keys_of(source, tmp_path)

    assert raised.value.fix
    assert source == "," or source.startswith("kms:") or source not in raised.value.message + raised.value.fix


KMS = """
import base64, json, sys
verb, told = sys.argv[-1], json.load(sys.stdin)
def turned(text): return base64.b64encode(bytes(b ^ 0x5A for b in base64.b64decode(text))).decode()
if verb == "current": print(json.dumps({"key_id": "kms-1"}))
if verb == "wrap": print(json.dumps({"key_id": "kms-1", "data": turned(told["data"])}))
if verb == "unwrap":
    if told["key_id"] != "kms-1" or told["context"] != {"tenant": "default", "connection": "conn_1"}:
        print("secret words", file=sys.stderr)
        sys.exit(3)
    print(json.dumps({"data": turned(told["data"])}))
"""


def test_a_command_wraps_and_unwraps(tmp_path: Path) -> None:
    """A program of the operator's keeps the key; the context names the place, and another place is refused."""
    program = tmp_path / "kms.py"
    program.write_text(KMS)
    kept = keys.keys_of(f"command:{sys.executable} {program}", tmp_path)

    sealed = seal(CREDENTIALS, HERE, kept)

    assert (kept.current, sealed.key_id) == ("kms-1", "kms-1")
    assert open_sealed(sealed, HERE, kept) == CREDENTIALS
    with pytest.raises(KeyUnreachable) as raised:
        open_sealed(sealed, Place("default", "conn_2"), kept)
    assert "secret words" not in str(raised.value)


@pytest.mark.parametrize("program", ["/nowhere/kms", f"{sys.executable} -c pass", f"{sys.executable} -c exit(1)"])
def test_a_command_that_fails_may_answer_later(program: str, tmp_path: Path) -> None:
    """Missing, silent or failing: unreachable, with a fix, and no new consent is asked for."""
    with pytest.raises(KeyUnreachable) as raised:
        seal(CREDENTIALS, HERE, keys.keys_of(f"command:{program}", tmp_path))

    assert raised.value.fix


def test_the_keyring_keeps_the_key(tmp_path: Path) -> None:
    """With `keyring` the key lies with the desktop's keyring, and no file is made."""
    keyring = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):
        priority = 1  # type: ignore[assignment]  # keyring declares a property
        held: dict[tuple[str, str], str] = {}

        def get_password(self, service: str, username: str) -> str | None:
            return self.held.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.held[service, username] = password

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        with pytest.raises(Unopened):
            keys.keys_of("keyring", tmp_path)
        first = keys.keys_of("keyring", tmp_path, make=True)
        sealed = seal(CREDENTIALS, HERE, first)
        after = keys.add_key("keyring", tmp_path)

        assert after.current != first.current
        assert open_sealed(sealed, HERE, keys.keys_of("keyring", tmp_path)) == CREDENTIALS
        assert list(tmp_path.iterdir()) == []
    finally:
        keyring.set_keyring(before)


def test_keys_are_in_no_repr(held: HeldKeys, tmp_path: Path) -> None:
    """Neither the key nor its text is shown by what holds it."""
    text = (tmp_path / keys.FILE_NAME).read_text().strip()

    assert text not in repr(held)
    assert base64.b64decode(text).hex() not in repr(held)
    assert held.current not in text


def test_an_unreadable_file_says_so(tmp_path: Path) -> None:
    """Bytes that are no key: an error of ours, without the bytes."""
    (tmp_path / keys.FILE_NAME).write_bytes(b"\xff\xfe canary")

    with pytest.raises(DeputyError) as raised:
        keys.keys_of("", tmp_path)

    assert "canary" not in json.dumps(raised.value.as_json())
    assert os.listdir(tmp_path) == [keys.FILE_NAME]


PACKAGED = '''
import base64


class Vault:
    """Reverses what it is given: enough to see that it was asked, and that a context is held to."""

    def current(self):
        return "acme/2"

    def wrap(self, data_key, context):
        return self.current(), repr(sorted(context.items())).encode() + b"|" + base64.b64encode(data_key[::-1])

    def unwrap(self, key_id, wrapped, context):
        told, _, kept = wrapped.partition(b"|")
        if key_id not in ("acme/1", "acme/2") or told != repr(sorted(context.items())).encode():
            raise ValueError("another context")
        return base64.b64decode(kept)[::-1]
'''


def test_a_kms_is_loaded_from_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kms:NAME` finds the entry point, seals with it, opens in the same place only, and no key of ours is made."""
    packages = tmp_path / "site"
    about = packages / "acme_kms-1.0.dist-info"
    about.mkdir(parents=True)
    (packages / "acme_kms.py").write_text(PACKAGED)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-kms\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[deputy.kms]\nacme = acme_kms:Vault\n")
    monkeypatch.syspath_prepend(packages)
    home = tmp_path / "home"
    home.mkdir()

    kms = keys.keys_of("kms:acme", home, make=True)
    sealed = seal(CREDENTIALS, HERE, kms)

    assert sealed.key_id == kms.current == "acme/2"
    assert open_sealed(sealed, HERE, keys.keys_of("kms:acme", home)) == CREDENTIALS
    assert rewrap(sealed, HERE, kms).sealed == sealed.sealed
    with pytest.raises(KeyUnreachable) as caught:  # whatever its package raises
        open_sealed(sealed, Place("default", "conn_2"), kms)
    assert "another context" not in caught.value.message + caught.value.fix
    assert list(home.iterdir()) == []
    assert CANARY.encode() not in sealed.sealed + sealed.wrapped
