"""Where an account's mail lives: hosts, ports, folders, addresses, as its settings say. Never holds a secret."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import InvalidCall
from connectors.imap.addresses import plain
from connectors.spec import Account

SECURITIES = ("ssl", "starttls", "none")
IMAP_PORTS = {"ssl": 993, "starttls": 143, "none": 143}
SMTP_PORTS = {"ssl": 465, "starttls": 587, "none": 587}
KNOWN = frozenset(
    {
        *("imap_host", "imap_port", "imap_security", "smtp_host", "smtp_port", "smtp_security"),
        *("sent_folder", "drafts", "trash", "archive", "junk", "address", "addresses", "name", "ca_file"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    host: str
    port: int
    security: str  # ssl, starttls or none


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """`address` writes the mails; `addresses` are all of the account's own, lower-case. `folders`: role → name, where one is set."""

    imap: Server
    smtp: Server | None
    address: str
    addresses: frozenset[str]
    name: str
    folders: Mapping[str, str] = field(default_factory=dict)
    ca_file: str | None = None

    def context(self) -> ssl.SSLContext:
        """Checks certificate and host name, which imaplib and smtplib left alone do not."""
        return ssl.create_default_context(cafile=self.ca_file)


def home_of(account: Account) -> Home:
    """What the settings say. InvalidCall, naming the setting, where they are wrong."""
    settings = account.settings
    if unknown := sorted(set(settings) - KNOWN):
        raise InvalidCall(f"the mail account has unknown settings: {', '.join(unknown)}", fix="Remove them.")
    imap = _server(settings, "imap", IMAP_PORTS)
    if imap is None:
        raise InvalidCall("the mail account has no imap_host", fix="Set imap_host.")
    address = plain(str(settings.get("address") or account.subject))
    further = settings.get("addresses") or ()
    roles = {"sent_folder": "sent", "drafts": "draft", "trash": "trash", "archive": "archive", "junk": "junk"}
    return Home(
        imap=imap,
        smtp=_server(settings, "smtp", SMTP_PORTS),
        address=address,
        addresses=frozenset({address, *(plain(str(one)) for one in further)}),
        name=" ".join(str(settings.get("name") or "").split()),
        folders={role: str(settings[name]) for name, role in roles.items() if settings.get(name)},
        ca_file=None if settings.get("ca_file") is None else str(settings["ca_file"]),
    )


def _server(settings: Mapping[str, Any], kind: str, ports: Mapping[str, int]) -> Server | None:
    host = settings.get(f"{kind}_host")
    if not host:
        return None
    security = str(settings.get(f"{kind}_security") or "ssl")
    if security not in SECURITIES:
        raise InvalidCall(f"{kind}_security {security!r} is unknown", fix="Use ssl, starttls or none.")
    port = settings.get(f"{kind}_port") or ports[security]
    if not str(port).isdigit() or not 0 < int(port) < 65536:
        raise InvalidCall(f"{kind}_port {port!r} is not a port", fix="Use a number from 1 to 65535.")
    return Server(host=str(host), port=int(port), security=security)
