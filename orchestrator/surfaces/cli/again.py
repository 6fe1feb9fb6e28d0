"""The whole command that connects an account once more: what is known of the connection stands in it, secrets never do.

Connecting replaces what was stored, so everything that the person once said is said again: server, login, families, sharing.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.store.connections import EVERYBODY, Connection

MCP = "mcp"
FLAGS = {"calendar": "--calendar", "zone": "--zone"}
LISTS = {"books": "--book", "inside": "--inside"}
SWITCHES = {"allow_http": "--allow-http"}


def command(one: Connection, *, owner: str, held: Mapping[str, str]) -> str:
    """To be typed as it is; a file that only the person has is called FILE. `owner`: of this home. `held`: credentials, none where they do not open."""
    kind = MCP if one.settings.get("kind") == MCP else one.connector
    words = _FORMS[kind](one, held) if kind in _FORMS else [kind]
    shared = ["everybody" if who == EVERYBODY else who for who in one.shared_with]
    for_whom = ["--as", one.owner] if one.owner != owner else []
    last = words.index("--") if "--" in words else len(words)
    words[last:last] = [*for_whom, *_each("--shared-with", shared)]
    return shlex.join(["deputy", "connect", *words])


def _imap(one: Connection, held: Mapping[str, str]) -> list[str]:
    told = dict(one.settings)
    words = ["imap", one.subject]
    kinds = [kind for kind in ("imap", "smtp") if f"{kind}_host" in told]
    for kind in kinds:
        port = told.pop(f"{kind}_port", None)
        words += [f"--{kind}", f"{told.pop(f'{kind}_host')}{'' if port is None else f':{port}'}"]
    if len({told.get(f"{kind}_security") for kind in kinds}) == 1 and (safe := told.get(f"{kinds[0]}_security")):
        words += ["--security", str(safe)]
        told = {name: value for name, value in told.items() if not name.endswith("_security")}
    return [*words, *_login(one, held), *_further(told)]


def _dav(one: Connection, held: Mapping[str, str]) -> list[str]:
    told = dict(one.settings)
    words = [one.connector, str(told.pop("url", "URL")), *_login(one, held), "--address", one.subject]
    for name in [name for name in told if name in FLAGS]:
        words += [FLAGS[name], str(told.pop(name))]
    for name in [name for name in told if name in LISTS]:
        words += _each(LISTS[name], told.pop(name))
    words += [SWITCHES[name] for name in list(told) if name in SWITCHES and told.pop(name)]
    return [*words, *_further(told)]


def _google(one: Connection, held: Mapping[str, str]) -> list[str]:
    told = dict(one.settings)
    words = ["google"]
    if "subjects" in told:
        words += ["--service-account", "FILE", "--subject", one.subject, *_each("--allow", told.pop("subjects"))]
    else:
        words += ["--client-secrets", "FILE", "--subject", one.subject]
    return [*words, *_only(one, ("mail", "calendar", "directory")), *_further(told)]


def _slack(one: Connection, held: Mapping[str, str]) -> list[str]:
    own = ["--user-token"] if "user_token" in held else []
    return ["slack", *own, *_only(one, ("chat", "directory")), *_further(one.settings)]


def _mcp(one: Connection, held: Mapping[str, str]) -> list[str]:
    told = one.settings
    words = ["mcp", one.connector, *(["--url", str(told["url"])] if "url" in told else [])]
    words += [*_each("--env", told.get("env", ())), *(["--token"] if "token" in held else [])]
    if "manifest" in told:
        words += ["--manifest", str(told.get("manifest_file", "FILE"))]
    return [*words, *(["--", *map(str, told["command"])] if "command" in told else [])]


_FORMS: dict[str, Callable[[Connection, Mapping[str, str]], list[str]]] = {
    "imap": _imap,
    "caldav": _dav,
    "carddav": _dav,
    "google": _google,
    "slack": _slack,
    MCP: _mcp,
}


def _login(one: Connection, held: Mapping[str, str]) -> list[str]:
    login = held.get("username") or one.subject
    return ["--user", login] if login != one.subject else []


def _only(one: Connection, offered: Sequence[str]) -> list[str]:
    chosen = [family for family in offered if family in one.families]
    return ["--only", ",".join(chosen)] if chosen and len(chosen) < len(offered) else []


def _each(option: str, values: Any) -> list[str]:
    return [word for value in values for word in (option, str(value))]


def _further(told: Mapping[str, Any]) -> list[str]:
    """Settings without an option of their own, as `connecting._value` reads them."""
    return _each("--setting", [f"{name}={_text(value)}" for name, value in told.items()])


def _text(value: Any) -> str:
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value)
