"""A real mail server, over IMAP and SMTP, keeps the contract."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from typing import Any

import pytest

from connectors.conformance import *  # noqa: F403
from connectors.conformance import Provider
from connectors.errors import ConnectorError, RateLimited, ReconsentNeeded, Unreachable
from connectors.imap.connector import LACKS, ImapConnector, open_connector
from connectors.spec import Account
from tests.connectors.imap.world import ALEX, DANA, OUTSIDER, USERS, account
from tests.requirements import need
from tests.services import dovecot
from tests.services.dovecot import Dovecot
from tests.services.fault_proxy import Fault, FaultProxy

OFFERS = ("mail",)
SENDS = ("mail.send", "mail.reply", "mail.forward")
CHANGED_BY = {  # what the client says on the line when it changes something
    "mail.create_draft": b"X-Deputy-Effect",
    "mail.update_labels": b" STORE ",
    "mail.mark_read": b" STORE ",
    "mail.archive": b" MOVE ",
    "mail.delete": b" MOVE ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail(Provider):
    """Refusals that belong to the account strike the next effect only."""

    next_settings: dict[str, Any] = field(default_factory=dict)
    next_credentials: dict[str, str] = field(default_factory=dict)

    def do(self, tool: str, args: Mapping[str, Any], *, key: str | None = None, account: Account | None = None) -> Any:
        whose = account or self.account
        whose = replace(
            whose,
            settings=dict(whose.settings) | self.next_settings,
            credentials=dict(whose.credentials) | self.next_credentials,
        )
        self.next_settings.clear()
        self.next_credentials.clear()
        return Provider.do(self, tool, args, key=key, account=whose)


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    need("Dovecot", dovecot.available())
    with Dovecot(USERS) as running:
        running.deliver(ALEX, _with_attachment())
        yield running


@pytest.fixture(scope="module")
def line(server: Dovecot) -> Iterator[FaultProxy]:
    with FaultProxy(port=server.imap_port) as line:
        yield line


@pytest.fixture(scope="module")
def connector() -> Iterator[ImapConnector]:
    opened = open_connector(answer_s=5.0)
    yield opened
    opened.close()


@pytest.fixture
def provider(server: Dovecot, line: FaultProxy, connector: ImapConnector) -> Iterator[Provider]:
    next_settings: dict[str, Any] = {}
    next_credentials: dict[str, str] = {}

    def refuse(tool: str, error: type[ConnectorError]) -> None:
        if error is ReconsentNeeded:
            next_credentials["password"] = "no longer"
        elif error is Unreachable:
            next_settings["imap_port" if tool == "mail.create_draft" else "smtp_port"] = _dead_port()
        elif tool == "mail.create_draft":
            pytest.skip("the mail server limits no drafts")
        elif error is RateLimited:
            server.submission.refuse("MAIL", "452 4.3.1 later")

    def lose(tool: str, fault: Fault, skip: int = 0) -> None:
        if tool in SENDS:
            pytest.skip("SMTP cannot be asked what became of a mail; tests/connectors/imap/test_faults.py counts")
        line.arm(fault, when=CHANGED_BY[tool], skip=skip)

    def cannot_tell(tool: str) -> None:
        line.cut()
        for _ in range(4):  # a read is asked again once
            line.arm(Fault.DROP_AT_ACCEPT)

    yield Mail(
        connector=connector,
        account=account(server, ALEX, imap_port=line.port),
        colleague=account(server, DANA),
        outsider=OUTSIDER,
        lacks=LACKS,
        # The mail is one to oneself: it lies in two folders, and the call is over with the second.
        lose_answer=lambda tool: lose(tool, Fault.DROP_REPLY, int(tool in ("mail.mark_read", "mail.delete"))),
        lose_request=lambda tool: lose(tool, Fault.DROP_REQUEST),
        refuse=refuse,
        cannot_tell=cannot_tell,
        next_settings=next_settings,
        next_credentials=next_credentials,
    )
    line.disarm()


def _with_attachment() -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = OUTSIDER, ALEX, "Figures"
    message["Date"], message["Message-ID"] = "Fri, 20 Nov 2026 09:00:00 +0000", "<figures@outside.example>"
    message.set_content("Here they are.")
    message.add_attachment("a,b\n1,2\n", subtype="csv", filename="figures.csv")
    return message.as_bytes()


def _dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
