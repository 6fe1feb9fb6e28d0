"""Both halves of a mail account tried out: certificates, access tokens, and which half it is that fails.

XOAUTH2 over IMAP is judged by Dovecot, which asks a small server of ours about each token. Over SMTP nobody but us
judges it: aiosmtpd has the framework, the mechanism is below.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import MISSING, AuthResult, LoginPassword
from aiosmtpd.smtp import SMTP as Server

from connectors.errors import ConnectorError, InvalidCall, ReconsentNeeded, Unreachable
from connectors.imap.connector import ImapConnector
from connectors.spec import Account
from tests.connectors.imap.test_accounts import certificate
from tests.connectors.imap.world import ALEX, DANA, USERS, account, call, mail
from tests.requirements import need
from tests.services import dovecot
from tests.services.dovecot import Dovecot, _free_ports

TOKEN = "ya29.good-token"


class Post:
    """A submission server that takes mails and passwords or tokens, encrypted as it is told."""

    def __init__(self, security: str, files: tuple[Path, Path] | None) -> None:
        self.taken: list[bytes] = []
        context = None
        if files is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*files)
        post = self

        class Speaking(Server):
            async def auth_XOAUTH2(self, _: Any, args: list[str]) -> AuthResult:
                said = base64.b64decode(args[1]) if len(args) > 1 else await self.challenge_auth("")
                if said is MISSING:
                    return AuthResult(success=False)
                good = said == f"user={ALEX}\1auth=Bearer {TOKEN}\1\1".encode()
                if not good:
                    await self.challenge_auth('{"status":"401"}')
                return AuthResult(success=good, handled=False)

        class Serving(Controller):
            def factory(self) -> Server:
                return Speaking(
                    post,
                    hostname="localhost",
                    authenticator=lambda server, session, envelope, mechanism, data: AuthResult(
                        success=isinstance(data, LoginPassword) and data.password == dovecot.PASSWORD.encode(),
                        handled=False,
                    ),
                    auth_require_tls=security == "starttls",
                    require_starttls=security == "starttls",
                    tls_context=context if security == "starttls" else None,
                )

        self._controller = Serving(
            self, hostname="127.0.0.1", port=_free_ports(1)[0], ssl_context=context if security == "ssl" else None
        )
        self._controller.start()
        self.port: int = self._controller.port

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.taken.append(envelope.content)
        return "250 OK"

    def stop(self) -> None:
        self._controller.stop()


class Judge:
    """Says of a token whose it is; of any other, that it is not active."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                good = self.headers["Authorization"] == f"Bearer {TOKEN}"
                told = json.dumps({"active": good, "username": ALEX} if good else {"active": False}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/introspect/"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def tokens() -> Iterator[Dovecot]:
    need("Dovecot", dovecot.available())
    judge = Judge()
    with Dovecot(USERS, introspection=judge.url) as running:
        running.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject="By token"))
        yield running
    judge.stop()


def probe(connector: ImapConnector, whose: Account) -> None:
    asyncio.run(connector.probe(whose))


@pytest.mark.parametrize("security", ["ssl", "starttls"])
def test_the_sending_half_is_encrypted_and_the_server_is_who_it_says(
    server: Dovecot, connector: ImapConnector, files: tuple[Path, Path], security: str
) -> None:
    """With the certificate trusted the login works and a mail goes out; unknown issuer or another host name: not even a login."""
    post = Post(security, files)
    told = {"smtp_port": post.port, "smtp_security": security}
    good = account(server, ALEX, smtp_host="localhost", ca_file=str(files[0]), **told)
    unknown = account(server, ALEX, smtp_host="localhost", **told)
    elsewhere = account(server, ALEX, smtp_host="127.0.0.1", ca_file=str(files[0]), **told)
    try:
        probe(connector, good)
        assert post.taken == []  # trying it sends nothing
        for whose in (unknown, elsewhere):
            with pytest.raises(Unreachable, match=r"sending \(SMTP\): .*certificate"):
                probe(connector, whose)
        call(connector, "mail.send", good, to=[DANA], subject="Encrypted", body="x")
        assert len(post.taken) == 1
    finally:
        post.stop()


def test_an_error_says_which_half_failed_and_the_way_on(server: Dovecot, connector: ImapConnector) -> None:
    """Reading and sending fail apart; without a submission server reading is all there is to try."""
    alex = account(server, ALEX)
    cases: list[tuple[Account, type[ConnectorError], str, str]] = [
        (replace(alex, credentials={"username": ALEX, "password": "no"}), ReconsentNeeded, "reading (IMAP)", "imap_"),
        (account(server, ALEX, imap_port=1), Unreachable, "reading (IMAP)", "imap_host"),
        (account(server, ALEX, smtp_port=1), Unreachable, "sending (SMTP)", "smtp_host"),
        (account(server, ALEX, smtp_security="starttls"), Unreachable, "sending (SMTP)", "smtp_security"),
    ]

    for whose, kind, half, fix in cases:
        with pytest.raises(kind) as caught:
            probe(connector, whose)
        assert half in caught.value.message and fix in caught.value.fix
    probe(connector, account(server, ALEX, smtp_host=""))
    with pytest.raises(InvalidCall):
        probe(connector, account(server, ALEX, imap_host=""))


def test_a_login_refused_for_sending_is_told_from_one_for_reading(server: Dovecot, connector: ImapConnector) -> None:
    """The same password may do for one half alone."""
    for _ in range(5):  # smtplib tries the mechanisms in turn
        server.submission.refuse("AUTH", "535")
    try:
        with pytest.raises(ReconsentNeeded) as caught:
            probe(connector, account(server, ALEX))
    finally:
        server.submission.forgive()

    assert caught.value.message.startswith("sending (SMTP)") and "only read" in caught.value.fix


def test_an_access_token_opens_both_halves(tokens: Dovecot, connector: ImapConnector, files: tuple[Path, Path]) -> None:
    """XOAUTH2: the good token reads and sends; a wrong one needs consent, and is told nowhere."""
    post = Post("starttls", files)
    told: dict[str, Any] = {"smtp_port": post.port, "smtp_security": "starttls", "smtp_host": "localhost"}
    good = replace(
        account(tokens, ALEX, ca_file=str(files[0]), **told), credentials={"username": ALEX, "xoauth2": TOKEN}
    )
    stale = replace(good, credentials={"username": ALEX, "xoauth2": "ya29.stale"})
    by_password = replace(
        account(tokens, ALEX, ca_file=str(files[0]), **told),
        credentials={"username": ALEX, "password": "a long secret"},
    )
    try:
        probe(connector, good)
        assert [one["subject"] for one in call(connector, "mail.search", good)["messages"]] == ["By token"]
        call(connector, "mail.send", good, to=[DANA], subject="Sent by token", body="x")
        assert len(post.taken) == 1
        with pytest.raises(ReconsentNeeded, match="reading") as caught:
            probe(connector, stale)
        assert "ya29" not in caught.value.message + caught.value.fix + repr(caught.value.__cause__)
        probe(connector, by_password)  # passwords go on working beside tokens
    finally:
        post.stop()
