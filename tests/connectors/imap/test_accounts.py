"""Connecting: checked certificates, refused credentials, settings, lines that break between calls, and secrets that stay secret."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConnectorError, InvalidCall, OutcomeUnknown, RateLimited, ReconsentNeeded, Unreachable
from connectors.imap import line as lines
from connectors.imap.connector import LACKS, ImapConnector
from connectors.imap.submission import _refusal
from tests.connectors.imap.world import ALEX, DANA, USERS, account, call, mail, new_word
from tests.requirements import need
from tests.services import dovecot
from tests.services.dovecot import Dovecot
from tests.services.fault_proxy import Fault, FaultProxy


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dovecot, str]]:
    need("Dovecot", dovecot.available())
    cert, key = certificate(tmp_path_factory.mktemp("certificate"))
    with Dovecot(USERS, certificate=(cert, key)) as running:
        running.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject="Secret"))
        yield running, str(cert)


def safe(server: Dovecot, security: str, host: str, **more: Any) -> dict[str, Any]:
    port = server.imaps_port if security == "ssl" else server.imap_port
    return dict(account(server, ALEX, imap_port=port, imap_host=host, imap_security=security, **more).settings)


@pytest.mark.parametrize("security", ["ssl", "starttls"])
def test_a_line_is_encrypted_and_the_server_is_who_it_says(
    encrypted: tuple[Dovecot, str], connector: ImapConnector, security: str
) -> None:
    """With the certificate trusted mail is read; with an unknown issuer or another host name nothing is said at all."""
    server, cert = encrypted
    good = replace(account(server, ALEX), settings=safe(server, security, "localhost", ca_file=cert))
    unknown = replace(good, settings=safe(server, security, "localhost"))
    elsewhere = replace(good, settings=safe(server, security, "127.0.0.1", ca_file=cert))

    assert [one["subject"] for one in call(connector, "mail.search", good)["messages"]] == ["Secret"]
    for whose in (unknown, elsewhere):
        with pytest.raises(Unreachable, match="certificate"):
            call(connector, "mail.search", whose)


def test_a_submission_server_without_encryption_gets_no_password(server: Dovecot, connector: ImapConnector) -> None:
    """starttls is not given up when the server does not offer it; nothing is sent."""
    word = new_word()
    for security in ("starttls", "ssl"):
        with pytest.raises(Unreachable):
            call(
                connector, "mail.send", account(server, ALEX, smtp_security=security), to=[DANA], subject=word, body="x"
            )

    assert not [one for one in server.submission.taken if word.encode() in one[2]]


@pytest.mark.parametrize(
    "credentials", [{"password": "wrong"}, {"password": ""}, {"username": "nobody"}, {"password": "пароль"}]
)
def test_refused_credentials_need_consent_anew_and_are_not_repeated(
    server: Dovecot, connector: ImapConnector, credentials: dict[str, str]
) -> None:
    """ReconsentNeeded, without the name, the password or the server's words in any message of the chain."""
    whose = account(server, ALEX)
    secret = "s3cr3t" if not credentials.get("password") else credentials["password"]
    whose = replace(whose, credentials=dict(whose.credentials) | credentials)

    with pytest.raises(ReconsentNeeded) as caught:
        call(connector, "mail.search", whose)

    told = "".join(traceback.format_exception_only(caught.value)) + repr(whose) + repr(caught.value.__cause__)
    assert secret not in told
    assert ALEX not in str(caught.value)


def test_a_submission_server_that_refuses_the_password_needs_consent(server: Dovecot, connector: ImapConnector) -> None:
    """The mailbox is open and the submission is not: ReconsentNeeded; nothing is sent or filed, and no secret is told."""
    word, alex = new_word(), account(server, ALEX)
    for _ in range(5):  # smtplib tries the mechanisms in turn
        server.submission.refuse("AUTH", "535")

    with pytest.raises(ReconsentNeeded) as caught:
        call(connector, "mail.send", alex, to=[DANA], subject=word, body="x")

    server.submission.forgive()
    assert server.password not in str(caught.value)
    assert not [path for path in server.files(ALEX, "Drafts") if word.encode() in path.read_bytes()]
    call(connector, "mail.send", alex, to=[DANA], subject=word, body="x")
    assert len([path for path in server.files(DANA) if word.encode() in path.read_bytes()]) == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"imap_host": ""}, "imap_host"),
        ({"imap_security": "tls"}, "imap_security"),
        ({"imap_port": "x"}, "imap_port"),
        ({"imap_port": 99999}, "imap_port"),
        ({"imap_hots": "x"}, "imap_hots"),
    ],
)
def test_wrong_settings_are_named(
    server: Dovecot, connector: ImapConnector, settings: dict[str, Any], named: str
) -> None:
    """InvalidCall says which setting it is."""
    with pytest.raises(InvalidCall, match=named):
        call(connector, "mail.search", account(server, ALEX, **settings))


def test_without_a_submission_server_mail_is_read_and_not_sent(server: Dovecot, connector: ImapConnector) -> None:
    """smtp_host may be missing; then sending is InvalidCall and leaves nothing."""
    alex = account(server, ALEX, smtp_host="")

    call(connector, "mail.search", alex, limit=1)
    with pytest.raises(InvalidCall, match="smtp_host"):
        call(connector, "mail.send", alex, to=[DANA], subject=new_word(), body="x")


def test_folders_go_by_settings_before_the_servers_word(server: Dovecot, connector: ImapConnector) -> None:
    """A sent_folder of one's own is made on first use and takes what is sent."""
    word = new_word()
    alex = account(server, ALEX, sent_folder="Gesendete Objekte")

    sent = call(connector, "mail.send", alex, to=[DANA], subject=word, body="Text.")

    assert call(connector, "mail.get_message", alex, message_id=sent["message_id"])["labels"] == ["sent"]
    assert [1 for path in server.files(ALEX, "Gesendete Objekte") if word.encode() in path.read_bytes()] == [1]


def test_a_line_that_was_cut_between_calls_is_opened_anew(server: Dovecot, connector: ImapConnector) -> None:
    """Reads and effects after it go on as if nothing had been, each effect once."""
    word = new_word()
    with FaultProxy(port=server.imap_port) as line:
        alex = account(server, ALEX, imap_port=line.port)
        call(connector, "mail.search", alex, limit=1)
        line.cut()
        call(connector, "mail.send", alex, to=[DANA], subject=word, body="Text.")
        line.cut()
        assert len(call(connector, "mail.search", alex, subject=word)["messages"]) == 1
        line.arm(Fault.DROP_REPLY, when=b"SEARCH")
        assert len(call(connector, "mail.search", alex, subject=word)["messages"]) == 1


@pytest.mark.parametrize(("fault", "happened"), [(Fault.DROP_REQUEST, False), (Fault.DROP_REPLY, True)])
def test_a_change_whose_answer_is_lost_is_in_doubt_and_asked_the_mailbox(
    server: Dovecot, connector: ImapConnector, fault: Fault, happened: bool
) -> None:
    """OutcomeUnknown; and calling again leaves the same state."""
    word = new_word()
    server.deliver(ALEX, mail(sender=DANA, to=[ALEX], subject=word))
    with FaultProxy(port=server.imap_port) as line:
        alex = account(server, ALEX, imap_port=line.port)
        [found] = call(connector, "mail.search", alex, subject=word)["messages"]
        line.arm(fault, when=b" MOVE ")

        with pytest.raises(OutcomeUnknown):
            call(connector, "mail.delete", alex, message_id=found["message_id"])

        now = call(connector, "mail.get_message", alex, message_id=found["message_id"])
        assert ("trash" in now["labels"]) is happened
        call(connector, "mail.delete", alex, message_id=found["message_id"])
        assert [1 for path in server.files(ALEX, "Trash") if word.encode() in path.read_bytes()] == [1]


def test_accounts_do_not_share_a_line(server: Dovecot, connector: ImapConnector) -> None:
    """Two accounts, and one account with other credentials, are never taken for each other."""
    word = new_word()
    call(connector, "mail.create_draft", account(server, ALEX), to=[DANA], subject=word, body="Text.")
    dana = replace(account(server, DANA), connection_id=account(server, ALEX).connection_id)

    assert call(connector, "mail.search", dana, subject=word)["messages"] == []
    wrong = replace(account(server, ALEX), credentials={"username": ALEX, "password": "x"})
    with pytest.raises(ReconsentNeeded):
        call(connector, "mail.search", wrong, subject=word)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("[UNAVAILABLE] later", Unreachable),
        ("[LIMIT] too much", RateLimited),
        ("Too many simultaneous connections", RateLimited),
        ("[AUTHENTICATIONFAILED] no", ReconsentNeeded),
        ("LOGIN failed", ReconsentNeeded),
    ],
)
def test_a_login_is_refused_for_many_reasons(said: str, error: type[ConnectorError]) -> None:
    """RFC 5530's codes, and what is usual besides."""
    assert type(lines._refused_login(said)) is error


@pytest.mark.parametrize(
    ("code", "error"),
    [(421, RateLimited), (452, RateLimited), (535, ReconsentNeeded), (550, InvalidCall), (552, InvalidCall)],
)
def test_a_mail_is_refused_for_many_reasons(code: int, error: type[ConnectorError]) -> None:
    """By SMTP's reply codes."""
    assert type(_refusal(code)) is error


def test_what_it_lacks_is_known_by_name(connector: ImapConnector) -> None:
    """No automatic replies, and nothing else is missing."""
    offered = {spec.name for spec in connector.tools()}

    assert LACKS == {"mail.get_auto_reply", "mail.set_auto_reply", "mail.clear_auto_reply"}
    assert not offered & LACKS
