"""Writing a mail: stdlib MIME, headers that nothing from outside can add to, ids derived from the gate's key."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import format_datetime

from connectors.errors import InvalidCall
from connectors.imap.home import Home
from connectors.imap.mime import Attached

NOTE = "X-Deputy-Effect"  # in the account's own copy: which effect wrote it
MOST_BYTES = 25_000_000
MOST_REFERENCES = 50


class _Ids(UnstructuredHeader, BaseHeader):
    """Message-IDs, folded between and never within: the stdlib would write long ones as encoded words (bpo-35805)."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: " + f"{policy.linesep} ".join(str(self).split()) + policy.linesep


def _policy(*, utf8: bool) -> EmailPolicy[EmailMessage]:
    registry = HeaderRegistry()
    for name in ("message-id", "in-reply-to", "references"):
        registry.map_to_type(name, _Ids)
    return policy.SMTP.clone(header_factory=registry, cte_type="7bit", utf8=utf8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail before it is written. Addresses are plain; `attached` parts are taken as they came."""

    to: Sequence[str]
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    subject: str
    body: str
    references: Sequence[str] = ()
    parent: str | None = None
    attached: Sequence[Attached] = field(default_factory=tuple)

    @property
    def recipients(self) -> list[str]:
        return list(dict.fromkeys([*self.to, *self.cc, *self.bcc]))


def note_of(tool: str, key: str) -> str:
    """What the own copy is marked with: says nothing to who does not know the key."""
    return hashlib.sha256(f"{tool} {key}".encode()).hexdigest()[:40]


def mid_of(home: Home, tool: str, key: str) -> str:
    """The Message-ID of an effect: the same at every attempt, and not to be guessed."""
    domain = home.address.rpartition("@")[2]
    return f"{hashlib.sha256(f'{home.address} {tool} {key}'.encode()).hexdigest()[:40]}@{domain}"


def write(home: Home, letter: Letter, *, mid: str, note: str, at: datetime) -> tuple[bytes, bytes]:
    """What goes on the wire, and what the account keeps: the same mail, with Bcc and the note of which effect wrote it."""
    if any(unicodedata.category(sign) in ("Cc", "Zl", "Zp", "Cs") for sign in letter.subject):
        raise InvalidCall("the subject holds a line break or control character", fix="Write it on one line.")
    if any(sign == "\0" or unicodedata.category(sign) == "Cs" for sign in letter.body):
        raise InvalidCall("the text holds signs that no mail can carry", fix="Write plain text.")
    utf8 = not all(address.isascii() for address in (home.address, *letter.recipients))
    rules = _policy(utf8=utf8)
    mail = EmailMessage(policy=rules)
    mail["From"] = _address(home.address, home.name)
    if letter.to:
        mail["To"] = [_address(one) for one in letter.to]
    if letter.cc:
        mail["Cc"] = [_address(one) for one in letter.cc]
    mail["Subject"] = letter.subject
    mail["Date"] = format_datetime(at.replace(microsecond=0))
    mail["Message-ID"] = f"<{mid}>"
    if letter.parent is not None:
        mail["In-Reply-To"] = f"<{letter.parent}>"
    if letter.references:
        chain = [*letter.references[:1], *letter.references[1:][-MOST_REFERENCES:]]  # the root stays
        mail["References"] = " ".join(f"<{one}>" for one in chain)
    mail.set_content(letter.body.replace("\r\n", "\n").replace("\r", "\n"), charset="utf-8")
    for one in letter.attached:
        _attach(mail, one)
    wire = mail.as_bytes()
    if letter.bcc:
        mail["Bcc"] = [_address(one) for one in letter.bcc]
    mail[NOTE] = note
    kept = mail.as_bytes()
    if len(kept) > MOST_BYTES:
        raise InvalidCall("the mail is larger than 25 MB", fix="Send fewer or smaller attachments.")
    return wire, kept


def _address(address: str, name: str = "") -> Address:
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def _attach(mail: EmailMessage, one: Attached) -> None:
    if one.mime == "message/rfc822":
        inner = message_from_bytes(one.content, policy=policy.SMTP.clone(cte_type="7bit"))
        if not inner.defects:
            mail.add_attachment(inner, filename=one.name)
            return
    major, _, minor = one.mime.partition("/")
    if major in ("multipart", "message") or not minor:
        major, minor = "application", "octet-stream"
    mail.add_attachment(one.content, maintype=major, subtype=minor, filename=one.name)
