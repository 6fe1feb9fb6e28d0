"""The line to Google: one request each, every failure under its own name, no secret in any of them."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.errors import (
    Conflict,
    ConnectorError,
    Forbidden,
    InvalidCall,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ReconsentNeeded,
    Unreachable,
)
from connectors.google import discovery
from connectors.google.connector import open_connector
from connectors.google.errors import translate
from connectors.google.limits import PER_MINUTE, Buckets
from connectors.spec import Account
from tests.connectors.google.front import Answer, Loss
from tests.connectors.google.world import COLLEAGUE, ME, TOKEN, World, a_mail

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DENIED = Answer(status=401, body={"error": {"code": 401, "errors": [{"reason": "authError"}]}})


def an_error(reason: str = "", message: str = "Secret of somebody@example.com", **more: Any) -> bytes:
    return json.dumps(
        {"error": {"message": message, "errors": [{"reason": reason}] if reason else [], **more}}
    ).encode()


@contextmanager
def an_impostor(folder: Path, told: list[bytes]) -> Iterator[str]:
    """An https server on this machine with a certificate of its own making; `told` gets what it was sent within TLS."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, NOW - timedelta(days=365), NOW + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "impostor.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    plain, _ = server.accept()
                    with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as line:
                        if content := line.recv(65536):
                            told.append(content)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


class TestTranslation:
    @pytest.mark.parametrize(
        ("status", "content", "is_read", "kind"),
        [
            (400, an_error("invalidArgument"), False, InvalidCall),
            (401, an_error("authError"), False, ReconsentNeeded),
            (403, an_error("insufficientPermissions"), False, ReconsentNeeded),
            (403, an_error(details=[{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]), False, ReconsentNeeded),
            (403, an_error("accessNotConfigured"), False, Forbidden),
            (403, an_error("forbidden"), False, Forbidden),
            (403, an_error("rateLimitExceeded"), False, RateLimited),
            (403, an_error("userRateLimitExceeded"), False, RateLimited),
            (403, an_error("dailyLimitExceeded"), False, RateLimited),
            (429, an_error(), False, RateLimited),
            (404, an_error("notFound"), False, NotFound),
            (410, an_error("deleted"), False, NotFound),
            (409, an_error("duplicate"), False, Conflict),
            (412, an_error("conditionNotMet"), False, Conflict),
            (413, b"<html>", False, InvalidCall),
            (302, b"", False, InvalidCall),  # never followed
            (500, an_error("backendError"), False, OutcomeUnknown),
            (503, b"not json", False, OutcomeUnknown),
            (408, b"", False, OutcomeUnknown),
            (500, an_error("backendError"), True, Unreachable),
        ],
    )
    def test_each_refusal_has_its_own_kind(
        self, status: int, content: bytes, is_read: bool, kind: type[ConnectorError]
    ) -> None:
        """By status and reason; a message of Google's is never passed on."""
        error = translate("gmail.users.drafts.send", status, {}, content, is_read=is_read, now=NOW)

        assert isinstance(error, kind)
        assert error.fix
        assert "somebody@" not in error.message + error.fix

    @pytest.mark.parametrize(
        ("headers", "message", "seconds"),
        [
            ({"retry-after": "12"}, "", 12),
            ({}, "User-rate limit exceeded.  Retry after 2026-11-23T08:01:30.000Z (Mail sending)", 90),
            ({"retry-after": "soon"}, "", 30),
        ],
    )
    def test_a_limit_says_how_long(self, headers: dict[str, str], message: str, seconds: float) -> None:
        """From the header, from Gmail's sentence, else half a minute."""
        content = an_error("userRateLimitExceeded", message)

        error = translate("gmail.users.drafts.send", 403, headers, content, is_read=False, now=NOW)

        assert isinstance(error, RateLimited)
        assert error.retry_after_s == seconds


class TestTokens:
    def test_a_token_refused_early_is_renewed_and_a_read_goes_on(self, world: World) -> None:
        """The read is asked again with the new token."""
        world.front.arm("GET", r"/labels$", DENIED)
        world.front.arm("GET", r"/messages$", Answer(status=200, body={}))

        assert world.read("mail.search")["messages"] == []

    def test_a_change_refused_for_its_token_is_not_repeated_here(self, world: World) -> None:
        """One POST; nothing happened, and the next attempt has the new token."""
        message_id = f"msg_{world.deliver(a_mail('Token'))['id']}"
        world.front.arm("POST", r"/modify$", DENIED)
        posts = world.front.count("POST", r"/modify$")

        with pytest.raises(Unreachable):
            world.do("mail.archive", {"message_id": message_id})

        assert world.front.count("POST", r"/modify$") == posts + 1
        assert "archive" in world.do("mail.archive", {"message_id": message_id})["labels"]

    def test_a_new_token_that_is_refused_too_needs_a_person(self, world: World) -> None:
        """No endless renewing."""
        for _ in range(2):
            world.front.arm("GET", r"/labels$", DENIED)

        with pytest.raises(ReconsentNeeded):
            world.read("mail.search")

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (
                Answer(status=400, body={"error": "invalid_grant", "error_description": "Token revoked."}),
                ReconsentNeeded,
            ),
            (Loss.REQUEST, Unreachable),
        ],
    )
    def test_a_token_that_cannot_be_renewed(
        self, world: World, answer: Answer | Loss, kind: type[ConnectorError]
    ) -> None:
        """Revoked is for a person; a token service that is away is for later. Neither reaches Gmail, or tells a secret."""
        ended = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        stale = world.with_(connection_id="stale", credentials={**world.account.credentials, "expires_at": ended})
        for _ in range(4):
            world.front.arm("POST", r"/oauth2/token$", answer)
        before = world.front.count("GET", "/gmail/")

        with pytest.raises(kind) as caught:
            stale.read("mail.search")

        assert world.front.count("GET", "/gmail/") == before
        assert all(secret not in repr(caught.value) for secret in world.account.credentials.values())

    def test_an_ended_token_is_renewed_before_anything_is_asked(self, world: World) -> None:
        """By the refresh token, at the token service of the credentials."""
        ended = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        stale = world.with_(connection_id="ended", credentials={**world.account.credentials, "expires_at": ended})
        before = world.front.count("POST", r"/oauth2/token$")

        stale.read("mail.search", subject="nothing")

        assert world.front.count("POST", r"/oauth2/token$") == before + 1

    @pytest.mark.parametrize(
        ("credentials", "settings", "kind"),
        [
            ({}, {}, ReconsentNeeded),
            ({"access_token": TOKEN, "token_uri": "http://tokens.example/"}, {}, InvalidCall),
            ({"access_token": TOKEN, "expires_at": "later"}, {}, ReconsentNeeded),
            ({"service_account": "{}"}, {}, Forbidden),
            ({"service_account": "{}"}, {"subjects": [COLLEAGUE]}, Forbidden),
            ({"service_account": "{}"}, {"subjects": [ME]}, ReconsentNeeded),
        ],
    )
    def test_credentials_that_cannot_be_used(
        self, world: World, credentials: dict[str, str], settings: dict[str, Any], kind: type[ConnectorError]
    ) -> None:
        """Nothing stored, secrets in the clear, a service account for somebody it may not act for."""
        before = len(world.front.seen)

        with pytest.raises(kind):
            world.with_(connection_id="odd", credentials=credentials, settings=settings).read("mail.search")

        assert len(world.front.seen) == before

    def test_a_service_account_acts_for_whom_it_may(self, world: World, tmp_path: Path) -> None:
        """Its signed assertion names the subject, and buys the token."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        told = {
            "type": "service_account",
            "client_email": "robot@project.example",
            "private_key": pem,
            "token_uri": f"{world.front.url}/oauth2/token",
        }
        robot = world.with_(
            connection_id="robot",
            credentials={"service_account": json.dumps(told), "scopes": discovery.SCOPE + "gmail.readonly"},
            settings={"subjects": [ME.upper()]},
        )
        bought = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        world.front.arm("POST", r"/oauth2/token$", Answer(status=200, body=bought))

        robot.read("mail.search", subject="nothing")

        posted = next(body for body in reversed(world.front.bodies) if b"assertion=" in body).decode()
        claims = posted.partition("assertion=")[2].partition("&")[0].split(".")[1]
        assert json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"] == ME


class TestLine:
    def test_a_closed_port_is_unreachable_also_for_a_change(self, world: World) -> None:
        """The line was never opened, so nothing arrived."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            root = f"http://127.0.0.1:{probe.getsockname()[1]}"
        connector = open_connector(gmail_root=root)
        dead = World(front=world.front, connector=connector, account=world.account)

        with pytest.raises(Unreachable):
            dead.do("mail.send", {"to": [COLLEAGUE], "subject": "x", "body": "y"})
        connector.close()

    @pytest.mark.parametrize(
        "root", ["http://gmail.example/", "ftp://127.0.0.1/", "https://user:pw@gmail.example/", "x"]
    )
    def test_a_root_must_be_safe(self, root: str) -> None:
        """https, or this machine."""
        with pytest.raises(InvalidCall):
            open_connector(gmail_root=root)

    @pytest.mark.parametrize("loss", [Loss.ANSWER, Loss.HALF])
    def test_a_lost_read_is_unreachable(self, world: World, loss: Loss) -> None:
        """Nothing can have been changed; half a list is no list."""
        world.front.arm("GET", r"/labels$", loss)

        with pytest.raises(Unreachable):
            world.read("mail.search")

    def test_a_server_that_is_not_google_gets_nothing(self, world: World, tmp_path: Path) -> None:
        """A certificate nobody vouches for ends the line before a word is sent, so a change is Unreachable."""
        told: list[bytes] = []
        with an_impostor(tmp_path, told) as root:
            connector = open_connector(gmail_root=root)
            with pytest.raises(Unreachable):
                World(front=world.front, connector=connector, account=world.account).do("mail.clear_auto_reply", {})
            connector.close()

        assert told == []

    def test_a_redirect_is_not_followed(self, world: World) -> None:
        """Neither token nor mail goes where an answer points."""
        message_id = f"msg_{world.deliver(a_mail('Away'))['id']}"
        away = Answer(status=307, headers={"Location": f"{world.front.url}/elsewhere"})
        world.front.arm("POST", r"/modify$", away)

        with pytest.raises(InvalidCall):
            world.do("mail.archive", {"message_id": message_id})

        assert world.front.count("POST", "elsewhere") == 0

    def test_secrets_are_in_no_picture_of_the_account_or_an_error(self, world: World) -> None:
        """repr of the account and of what is raised."""
        world.front.arm("GET", r"/labels$", Answer(status=500))

        with pytest.raises(Unreachable) as caught:
            world.read("mail.search")

        pictures = repr(world.account) + repr(caught.value) + repr(caught.value.__context__)
        assert all(secret not in pictures for secret in world.account.credentials.values())


class TestDocuments:
    @pytest.mark.parametrize(
        ("method_id", "params", "body"),
        [
            ("gmail.users.messages.shred", {}, None),
            ("drive.files.list", {}, None),
            ("gmail.users.messages.list", {"userId": "me", "query": "x"}, None),
            ("gmail.users.messages.list", {"userId": "me", "maxResults": "10"}, None),
            ("gmail.users.messages.list", {"userId": "me", "includeSpamTrash": 1}, None),
            ("gmail.users.messages.get", {"userId": "me", "id": "x", "format": "whole"}, None),
            ("gmail.users.messages.get", {"userId": "me"}, None),
            ("gmail.users.messages.get", {"userId": "me", "id": "x"}, {"raw": "x"}),
            ("gmail.users.drafts.create", {"userId": "me"}, {"message": {"raw": 1}}),
            ("gmail.users.drafts.create", {"userId": "me"}, {"raw": "x"}),
            ("calendar.events.insert", {"calendarId": "primary"}, {"attendees": [{"address": "x"}]}),
        ],
    )
    def test_what_does_not_fit_is_refused_before_it_is_sent(
        self, method_id: str, params: dict[str, Any], body: dict[str, Any] | None
    ) -> None:
        """Unknown methods, parameters and fields, wrong types, missing ids."""
        with pytest.raises(InvalidCall):
            discovery.check(method_id, params, body)

    def test_what_fits_passes(self) -> None:
        """Repeated parameters as lists, nested bodies, null in a patch."""
        discovery.check(
            "gmail.users.messages.list", {"userId": "me", "labelIds": ["INBOX"], "fields": "messages"}, None
        )
        discovery.check("gmail.users.drafts.create", {"userId": "me"}, {"message": {"raw": "x", "threadId": "t"}})
        discovery.check("calendar.events.patch", {"calendarId": "primary", "eventId": "e"}, {"location": None})

    @pytest.mark.parametrize(
        ("tool", "args"),
        [
            ("mail.search", {"subject": "x", "unanswered": True}),
            ("mail.send", {"to": [COLLEAGUE], "subject": "Scopes", "body": "Text."}),
            ("mail.create_draft", {"to": [COLLEAGUE], "subject": "Scopes", "body": "Text."}),
            ("mail.reply", {"message_id": "?", "body": "Text."}),
            ("mail.forward", {"message_id": "?", "to": [COLLEAGUE]}),
            ("mail.update_labels", {"message_id": "?", "add": ["travel"]}),
            ("mail.archive", {"message_id": "?"}),
            ("mail.mark_read", {"message_id": "?"}),
            ("mail.delete", {"message_id": "?"}),
        ],
    )
    def test_a_tool_works_with_the_scopes_it_names_and_not_without(
        self, world: World, tool: str, args: dict[str, Any]
    ) -> None:
        """Each request of it is opened by one of them, as Google's documents say; with none of them nothing is asked."""
        spec = next(one for one in world.connector.tools() if one.name == tool)
        if "message_id" in args:
            args = args | {"message_id": f"msg_{world.deliver(a_mail('Scopes'))['id']}"}
        granted = world.with_(
            connection_id=f"with {tool}", credentials={**world.account.credentials, "scopes": " ".join(spec.scopes)}
        )
        bare = world.with_(
            connection_id=f"without {tool}", credentials={**world.account.credentials, "scopes": "openid email"}
        )
        ask = "read" if spec.is_read else "do"

        answer = granted.read(tool, **args) if ask == "read" else granted.do(tool, args)
        before = len(world.front.seen)
        with pytest.raises(ReconsentNeeded):
            bare.read(tool, **args) if ask == "read" else bare.do(tool, args)

        assert answer
        assert len(world.front.seen) == before


def test_a_quota_that_is_used_up_says_when_there_is_more() -> None:
    """A third of a minute's units at once; then RateLimited, before anything is asked."""
    buckets = Buckets({**PER_MINUTE, "gmail": 600.0})

    for _ in range(2):
        buckets.take("gmail.users.drafts.send")
    with pytest.raises(RateLimited) as caught:
        buckets.take("gmail.users.drafts.send")

    assert 9 < caught.value.retry_after_s <= 10


def test_nothing_of_google_is_loaded_before_a_tool_is_called() -> None:
    """Building the connector and listing its tools costs no vendor library."""
    import subprocess
    import sys

    code = (
        "import sys; from connectors.google.connector import open_connector; open_connector().tools();"
        "print([name for name in sys.modules if name.split('.')[0] in ('googleapiclient', 'google', 'requests', 'httplib2')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"


def test_an_account_of_another_connection_has_a_line_of_its_own(world: World) -> None:
    """Credentials never cross: the line is found by connection and by what was stored for it."""
    other = Account(connection_id="mine", subject=COLLEAGUE, credentials={"access_token": "google-bob-token"})
    come = world.deliver(a_mail("Mine alone"))

    with pytest.raises(NotFound):
        World(front=world.front, connector=world.connector, account=other).read(
            "mail.get_message", message_id=f"msg_{come['id']}"
        )
