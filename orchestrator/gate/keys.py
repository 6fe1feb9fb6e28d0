"""Where key-encryption keys come from: a file in the home, the setting itself, the desktop's keyring, or a KMS.

`credentials_key` says which: empty (the file `credentials.key` in the home, made on first use), `file:PATH`, `keyring`,
`kms:NAME` (entry point), `command:PROGRAM ARGS`, or one or more keys, comma-separated, the newest first.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from orchestrator.errors import DeputyError, UsageError
from orchestrator.gate.sealing import KEY_BYTES, HeldKeys, Keys, KeyUnreachable, Place, Unopened

FILE_NAME = "credentials.key"
KMS_GROUP = "deputy.kms"
SERVICE = "deputy"  # the keyring's name for us
COMMAND_TIMEOUT_S = 10.0
_WANTED = "write 32 random bytes in base64, as `openssl rand -base64 32` prints them"


class Kms(Protocol):
    """What an entry point of the group `deputy.kms` gives. Keys never leave it; `context` is to be authenticated, not secret."""

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> tuple[str, bytes]: ...
    def unwrap(self, key_id: str, wrapped: bytes, context: Mapping[str, str]) -> bytes: ...
    def current(self) -> str: ...


@dataclass(frozen=True, slots=True)
class KmsKeys:
    """Keys that a key-management service keeps."""

    kms: Kms

    @property
    def current(self) -> str:
        with self._asked():
            return self.kms.current()

    def wrap(self, data_key: bytes, place: Place) -> tuple[str, bytes]:
        with self._asked():
            return self.kms.wrap(data_key, _context(place))

    def unwrap(self, key_id: str, wrapped: bytes, place: Place) -> bytes:
        with self._asked():
            return self.kms.unwrap(key_id, wrapped, _context(place))

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        """Whatever a vendor's package raises means one thing here; what it says of itself may hold a key."""
        try:
            yield
        except DeputyError:
            raise
        except Exception as error:  # noqa: BLE001  # every vendor has errors of its own
            said = f"the KMS {type(self.kms).__name__!r} did not answer: {type(error).__name__}"
            raise KeyUnreachable(said, fix="see that its service is reachable and may be used") from None


@dataclass(frozen=True, slots=True)
class CommandKms:
    """A program that wraps and unwraps: its last argument is the verb, JSON goes in and comes out.

    `wrap`: {"data", "context"} → {"key_id", "data"}; `unwrap`: {"key_id", "data", "context"} → {"data"}; `current`: {} →
    {"key_id"}. "data" is base64.
    """

    command: tuple[str, ...]

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> tuple[str, bytes]:
        told = self._ask("wrap", {"data": _text(data_key), "context": dict(context)})
        return str(told["key_id"]), _bytes(told["data"])

    def unwrap(self, key_id: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        return _bytes(self._ask("unwrap", {"key_id": key_id, "data": _text(wrapped), "context": dict(context)})["data"])

    def current(self) -> str:
        return str(self._ask("current", {})["key_id"])

    def _ask(self, verb: str, question: Mapping[str, Any]) -> dict[str, Any]:
        name = self.command[0]
        try:
            done = subprocess.run(
                [*self.command, verb],
                input=json.dumps(question),
                capture_output=True,
                text=True,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise KeyUnreachable(
                f"the key command {name!r} did not answer: {type(error).__name__}",
                fix="run it by hand with the verb current",
            ) from None
        if done.returncode != 0:  # what it printed may hold a key
            raise KeyUnreachable(
                f"the key command {name!r} {verb} ended with {done.returncode}",
                fix="run it by hand with the verb current",
            )
        try:
            told = json.loads(done.stdout)
            needed = {"wrap": ("key_id", "data"), "unwrap": ("data",), "current": ("key_id",)}[verb]
            if all(isinstance(told[field], str) for field in needed):
                return dict(told)
        except (ValueError, KeyError, TypeError):
            pass
        raise KeyUnreachable(f"the key command {name!r} {verb} did not print its JSON", fix="see: docs/connections.md")


def keys_of(source: str, home: Path, *, make: bool = False) -> Keys:
    """The keys that the setting `credentials_key` names. `make`: one is made where the file or the keyring has none yet.

    Raises UsageError for a setting that is off, `Unopened` where there is no key, `KeyUnreachable`.
    """
    kind, _, rest = source.partition(":")
    match kind:
        case "":
            return _from_file(home / FILE_NAME, make=make)
        case "file" if rest:
            return _from_file(Path(rest).expanduser(), make=make)
        case "keyring":
            return _from_keyring(rest or str(home), make=make)
        case "kms" if rest:
            return KmsKeys(_kms(rest))
        case "command" if rest:
            return KmsKeys(CommandKms(tuple(shlex.split(rest))))
    return _held(source.split(","), "DEPUTY_CREDENTIALS_KEY")


def add_key(source: str, home: Path) -> Keys:
    """A new key before those that are there: it wraps from now on, the older ones go on opening. File and keyring only."""
    kind, _, rest = source.partition(":")
    if kind in ("", "file"):
        path = Path(rest).expanduser() if kind == "file" else home / FILE_NAME
        lines = _lines(path)
        _replace(path, [new_key(), *lines])
        return _from_file(path, make=False)
    if kind == "keyring":
        name = rest or str(home)
        held = _keyring().get_password(SERVICE, name) or ""
        _keyring().set_password(SERVICE, name, ",".join([new_key(), *([held] if held else [])]))
        return _from_keyring(name, make=False)
    return keys_of(source, home)


def new_key() -> str:
    """A fresh key as text."""
    return _text(os.urandom(KEY_BYTES))


def key_id(key: bytes) -> str:
    """A name for a key that tells nothing of it: a digest of 256 random bits."""
    return hashlib.sha256(b"deputy key id 1\0" + key).hexdigest()[:12]


def _context(place: Place) -> dict[str, str]:
    return {"tenant": place.tenant_id, "connection": place.connection_id}


def _held(texts: Iterable[str], where: str) -> HeldKeys:
    keys: dict[str, bytes] = {}
    for text in texts:
        if not (word := text.strip()):
            continue
        try:
            key = base64.b64decode(word, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:  # the text itself is a secret, or nearly one
            raise UsageError(f"a key in {where} is not 32 bytes of base64", fix=_WANTED)
        keys.setdefault(key_id(key), key)
    if not keys:
        raise UsageError(f"there is no key in {where}", fix=_WANTED)
    return HeldKeys(keys)


def _from_file(path: Path, *, make: bool) -> HeldKeys:
    if make and not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = _beside(path, [new_key()])
        try:
            with contextlib.suppress(FileExistsError):  # another process was faster: its key counts
                os.link(fresh, path)
        finally:
            fresh.unlink()
    return _held(_lines(path), str(path))


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
    except FileNotFoundError:
        raise Unopened(
            f"the key of the credentials is gone: {path}", fix="bring the file back, or connect the accounts again"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Unopened(
            f"the key of the credentials cannot be read: {path}, {type(error).__name__}", fix=f"chmod 600 {path}"
        ) from None


def _replace(path: Path, lines: Iterable[str]) -> None:
    os.replace(_beside(path, lines), path)


def _beside(path: Path, lines: Iterable[str]) -> Path:
    """A file of the same folder that only we can read, whole on disk."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(handle)
    return fresh


def _from_keyring(name: str, *, make: bool) -> HeldKeys:
    ring = _keyring()
    held = ring.get_password(SERVICE, name)
    if held is None and make:
        ring.set_password(SERVICE, name, new_key())
        held = ring.get_password(SERVICE, name)
    if held is None:
        raise Unopened("the keyring holds no key of the credentials", fix="unlock it, or connect the accounts again")
    return _held(held.split(","), "the keyring")


class _Ring:
    """The desktop's keyring, with its errors in our words."""

    def __init__(self, module: Any, error: type[Exception]) -> None:
        self._module, self._error = module, error

    def get_password(self, service: str, name: str) -> str | None:
        try:
            found: str | None = self._module.get_password(service, name)
        except self._error as error:
            raise self._told(error) from None
        return found

    def set_password(self, service: str, name: str, value: str) -> None:
        try:
            self._module.set_password(service, name, value)
        except self._error as error:
            raise self._told(error) from None

    def _told(self, error: Exception) -> KeyUnreachable:
        return KeyUnreachable(
            f"the keyring does not answer: {type(error).__name__}", fix="unlock it, or unset DEPUTY_CREDENTIALS_KEY"
        )


def _keyring() -> _Ring:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise UsageError("the keyring needs a package", fix="pip install 'deputy-orchestrator[keyring]'") from error
    return _Ring(keyring, KeyringError)


def _kms(name: str) -> Kms:
    point = next(iter(entry_points(group=KMS_GROUP, name=name)), None)
    if point is None:
        known = ", ".join(sorted(entry_points(group=KMS_GROUP).names)) or "none"
        raise UsageError(f"no KMS {name!r} is installed", fix=f"installed are: {known}")
    try:
        built: Kms = point.load()()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the KMS {name!r} cannot be loaded: {error}", fix="reinstall its package") from error
    return built


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise KeyUnreachable("the key command's data is not base64", fix="see: docs/connections.md") from None
