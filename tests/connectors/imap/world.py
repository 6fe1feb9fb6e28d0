"""Who has an account on the mail server of the tests, and how the connector is told."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

from connectors.imap.connector import ImapConnector
from connectors.spec import Account, Reconciled
from tests.services.dovecot import Dovecot

ALEX, DANA, SAM = "alex@northwind.example", "dana@northwind.example", "sam@northwind.example"
OUTSIDER = "nobody@outside.example"
USERS = (ALEX, DANA, SAM)


def account(
    server: Dovecot, address: str, *, imap_port: int | None = None, smtp_port: int | None = None, **more: Any
) -> Account:
    settings: dict[str, Any] = {
        "imap_host": "127.0.0.1",
        "imap_port": imap_port or server.imap_port,
        "imap_security": "none",
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp_port or server.smtp_port,
        "smtp_security": "none",
    }
    return Account(
        connection_id=f"con_{address}",
        subject=address,
        credentials={"username": address, "password": server.password},
        settings=settings | more,
    )


def call(connector: ImapConnector, tool: str, whose: Account, *, key: str | None = None, **args: Any) -> Any:
    """One call; effects get a key of their own unless one is given."""
    spec = {one.name: one for one in connector.tools()}[tool]
    chosen = None if spec.is_read else key or new_key()
    args = {name.rstrip("_"): value for name, value in args.items()}
    return asyncio.run(connector.call(tool, args, account=whose, key=chosen))


def reconcile(connector: ImapConnector, tool: str, whose: Account, key: str, **args: Any) -> Reconciled:
    return asyncio.run(connector.reconcile(tool, args, account=whose, key=key, attempted_at=datetime.now(UTC)))


def new_key() -> str:
    return uuid.uuid4().hex


def new_word() -> str:
    return f"zq{uuid.uuid4().hex[:12]}"


def mail(
    *, sender: str, to: Sequence[str], subject: str, body: str = "Text.", mid: str | None = None, **headers: str
) -> bytes:
    """A mail as somebody else's program writes it."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(to), subject
    message["Date"] = headers.pop("Date", "Fri, 20 Nov 2026 09:00:00 +0000")
    message["Message-ID"] = f"<{mid or uuid.uuid4().hex + '@outside.example'}>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(body)
    return message.as_bytes()
