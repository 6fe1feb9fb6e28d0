"""A Google account on emulate, behind a door that can fail: what the conformance tests and the Gmail tests both stand on."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from connectors.errors import ConnectorError, RateLimited, ReconsentNeeded, Unreachable
from connectors.google.connector import GoogleConnector, open_connector
from connectors.spec import Account, Reconciled
from tests.connectors.google.front import Answer, Front, Loss
from tests.services import emulate

ME = "ada@example.com"
COLLEAGUE = "bob@example.com"
TOKEN = "google-test-token"
FURTHER_TOKENS = tuple(f"{TOKEN}-{number}" for number in range(250))  # emulate takes 5,000 requests an hour with one
SEED: dict[str, Any] = {
    "tokens": {
        **{
            token: {"login": ME, "scopes": ["https://www.googleapis.com/auth/gmail.modify"]}
            for token in (TOKEN, *FURTHER_TOKENS)
        },
        "google-bob-token": {"login": COLLEAGUE, "scopes": ["https://www.googleapis.com/auth/gmail.modify"]},
    },
    "google": {
        "users": [{"email": ME, "name": "Ada Example"}, {"email": COLLEAGUE, "name": "Bob Example"}],
        "labels": [{"id": "Label_ops", "user_email": ME, "name": "Ops/Review"}],
        "messages": [
            {
                "id": "m_numbers",
                "user_email": ME,
                "from": "Bob Example <bob@example.com>",
                "to": ME,
                "subject": "Quarterly numbers",
                "body_text": "Please find the numbers.",
                "label_ids": ["INBOX", "UNREAD"],
                "date": "2026-11-01T10:00:00.000Z",
            }
        ],
    },
}
# Where the call of each tool that changes something meets Gmail for good.
POINTS: dict[str, tuple[str, str]] = {
    "mail.send": ("POST", r"/drafts/send$"),
    "mail.reply": ("POST", r"/drafts/send$"),
    "mail.forward": ("POST", r"/drafts/send$"),
    "mail.create_draft": ("POST", r"/drafts$"),
    "mail.update_labels": ("POST", r"/modify$"),
    "mail.archive": ("POST", r"/modify$"),
    "mail.mark_read": ("POST", r"/modify$"),
    "mail.delete": ("POST", r"/trash$"),
}
REFUSALS: dict[type[ConnectorError], Answer] = {
    RateLimited: Answer(
        status=403,
        body={"error": {"code": 403, "message": "Too much", "errors": [{"reason": "userRateLimitExceeded"}]}},
        headers={"Retry-After": "7"},
    ),
    ReconsentNeeded: Answer(
        status=403,
        body={"error": {"code": 403, "details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}},
    ),
    Unreachable: Answer(status=401, body={"error": {"code": 401, "errors": [{"reason": "authError"}]}}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    front: Front
    connector: GoogleConnector
    account: Account

    def lose(self, loss: Loss) -> Callable[[str], None]:
        return lambda tool: self.front.arm(*POINTS[tool], loss)

    def refuse(self, tool: str, error: type[ConnectorError]) -> None:
        self.front.arm(*POINTS[tool], REFUSALS[error])

    def read(self, tool: str, /, **args: Any) -> Any:
        return asyncio.run(self.connector.call(tool, args, account=self.account, key=None))

    def do(self, tool: str, args: dict[str, Any], key: str | None = None) -> Any:
        return asyncio.run(self.connector.call(tool, args, account=self.account, key=key or uuid.uuid4().hex))

    def reconcile(self, tool: str, args: dict[str, Any], key: str) -> Reconciled:
        return asyncio.run(
            self.connector.reconcile(tool, args, account=self.account, key=key, attempted_at=datetime.now(UTC))
        )

    def with_(self, **more: Any) -> World:
        """The same, with another account of the connection."""
        return replace(self, account=replace(self.account, **more))

    def deliver(self, mail: EmailMessage, *, labels: tuple[str, ...] = ("INBOX", "UNREAD")) -> dict[str, Any]:
        """A mail comes in from outside, past the connector."""
        raw = base64.urlsafe_b64encode(mail.as_bytes()).decode()
        body = json.dumps({"raw": raw, "labelIds": list(labels)}).encode()
        return self.ask("POST", "/gmail/v1/users/me/messages", body)

    def ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        """Straight at the emulator."""
        headers = {
            "Authorization": f"Bearer {self.account.credentials['access_token']}",
            "Content-Type": "application/json",
        }
        request = Request(self.front.upstream + path, data=body, headers=headers, method=method)
        with urlopen(request, timeout=10) as response:
            answer: dict[str, Any] = json.loads(response.read() or b"{}")
        return answer


@contextmanager
def running(folder: Path) -> Iterator[World]:
    with emulate.running("google", SEED, folder) as google, Front(google.url).opened() as front:
        # A minute of tests is more than a minute of anybody's mail.
        connector = open_connector(gmail_root=front.url, people_root=front.url, units_per_minute={"gmail": 1_000_000.0})
        try:
            yield World(front=front, connector=connector, account=account(front.url))
        finally:
            connector.close()


def a_mail(subject: str, body: str = "Text.", *, sender: str = COLLEAGUE, to: str = ME, **headers: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(body)
    return mail


def account(root: str) -> Account:
    """With a token that works at once, and one to renew it with."""
    return Account(
        connection_id="mine",
        subject=ME,
        credentials={
            "access_token": TOKEN,
            "refresh_token": refresh_token(root),
            "token_uri": f"{root}/oauth2/token",
            "client_id": "client",
            "client_secret": "secret",
        },
    )


def refresh_token(root: str) -> str:
    """By the emulator's own consent page and code exchange."""
    import requests

    asked = {
        "email": ME,
        "redirect_uri": "http://127.0.0.1:8085/",
        "scope": "openid email",
        "state": "s",
        "client_id": "client",
        "nonce": "",
        "code_challenge": "",
        "code_challenge_method": "",
    }
    with requests.Session() as session:
        consent = session.post(f"{root}/o/oauth2/v2/auth/callback", data=asked, allow_redirects=False, timeout=10)
        code = consent.headers["location"].partition("code=")[2].partition("&")[0]
        exchange = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": "client",
            "client_secret": "secret",
            "redirect_uri": "http://127.0.0.1:8085/",
        }
        token: str = session.post(f"{root}/oauth2/token", data=exchange, timeout=10).json()["refresh_token"]
    return token
