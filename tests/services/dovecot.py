"""A real mail server: Dovecot for IMAP and LMTP, aiosmtpd for submission, unprivileged, on loopback, in a folder of its own.

    with Dovecot(["alex@example.com", "dana@example.com"]) as server:
        ...  # server.imap_port, server.smtp_port, password server.password

A mail sent to an address in the list of users lies in that mailbox before the submission server says 250.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

STARTS_WITHIN_S = 15.0
STARTS = 4
PASSWORD = "a long secret"

_CONFIG = """
base_dir = {base}/run
state_dir = {base}/run
log_path = {base}/log
protocols = imap lmtp
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_location = maildir:{base}/mail/%u
mail_max_userip_connections = 100
disable_plaintext_auth = no
auth_mechanisms = plain login {mechanisms}
auth_failure_delay = 0
ssl = {ssl}
{certificates}
{tokens}
passdb {{
  driver = passwd-file
{only}  args = {base}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={base}/mail/%u{everybody}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    special_use = \\Drafts
    auto = subscribe
  }}
  mailbox Sent {{
    special_use = \\Sent
    auto = subscribe
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = subscribe
  }}
  mailbox Archive {{
    special_use = \\Archive
    auto = subscribe
  }}
  mailbox Junk {{
    special_use = \\Junk
    auto = subscribe
  }}
}}
"""


_TOKENS = """passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {base}/oauth2
}}"""
_OAUTH2 = """introspection_mode = auth
introspection_url = {url}
username_attribute = username
active_attribute = active
active_value = true
"""


class PortTaken(RuntimeError):
    """Somebody else listens where Dovecot was to listen."""


def available() -> bool:
    return _binary() is not None


def _binary() -> str | None:
    return shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Dovecot:
    """Runs until `stop`. With `certificate` (PEM, with its key) it speaks TLS on `imaps_port` and STARTTLS on the others.

    With `introspection`, an address that tells of the bearer token it is asked with, it takes XOAUTH2 besides passwords.
    """

    def __init__(
        self, users: Sequence[str], *, certificate: tuple[Path, Path] | None = None, introspection: str = ""
    ) -> None:
        binary = _binary()
        assert binary is not None, "Dovecot is not installed"
        self.users, self.password = tuple(users), PASSWORD
        self.base = Path(tempfile.mkdtemp(prefix="dovecot-"))  # short: socket paths end at 108 bytes
        # Dovecot delivers as nobody in particular, and never as root.
        owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        group = "nogroup" if os.getuid() == 0 else str(owner.pw_gid)
        (self.base / "users").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in users))
        certificates = ""
        if certificate is not None:
            for name, path in zip(("cert.pem", "key.pem"), certificate, strict=True):
                shutil.copy(path, self.base / name)
            certificates = f"ssl_cert = <{self.base}/cert.pem\nssl_key = <{self.base}/key.pem"
        if introspection:
            (self.base / "oauth2").write_text(_OAUTH2.format(url=introspection))
        config = self.base / "dovecot.conf"

        def settle() -> None:
            self.imap_port, self.imaps_port, self.lmtp_port = _free_ports(3)
            config.write_text(
                _CONFIG.format(
                    base=self.base,
                    user=owner.pw_name,
                    group=group,
                    ssl="no" if certificate is None else "yes",
                    certificates=certificates,
                    everybody=" allow_all_users=yes" if introspection else "",  # tokens cannot be looked up
                    only="  mechanisms = plain login\n" if introspection else "",
                    mechanisms="xoauth2" if introspection else "",
                    tokens=_TOKENS.format(base=self.base) if introspection else "",
                    imap_port=self.imap_port,
                    imaps_port=0 if certificate is None else self.imaps_port,
                    lmtp_port=self.lmtp_port,
                )
            )

        settle()
        (self.base / "run").mkdir()
        (self.base / "mail").mkdir()
        as_whom: dict[str, Any] = {}
        if os.getuid() == 0:
            for path in (self.base, *self.base.rglob("*")):
                os.chown(path, owner.pw_uid, owner.pw_gid)
            as_whom = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        self._config, self._as_whom, self._binary = config, as_whom, binary
        for left in range(STARTS, 0, -1):  # a port that was free may be taken by now
            try:
                self._process = self._start()
                break
            except PortTaken:
                if left == 1:
                    raise
                settle()
        try:
            self.submission = Submission(self)
        except BaseException:
            self._end()
            raise
        self.smtp_port = self.submission.port

    def __enter__(self) -> Dovecot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> subprocess.Popen[bytes]:
        with (self.base / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                [self._binary, "-F", "-c", str(self._config)],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                **self._as_whom,
            )
        until = time.monotonic() + STARTS_WITHIN_S
        ready = (lambda: _greets(self.imap_port), lambda: _greets(self.lmtp_port), self._knows_its_users)
        for is_so in ready:
            while not is_so():
                if process.poll() is not None or time.monotonic() > until:
                    said = (self.base / "stderr").read_text() + self._log()
                    kind = PortTaken if "already in use" in said else RuntimeError
                    raise kind(f"Dovecot did not start: {said[-2000:]}")
        return process

    def _knows_its_users(self) -> bool:
        """Whether mail would be taken: one that knows nobody greets as well."""
        try:
            with smtplib.LMTP("127.0.0.1", self.lmtp_port) as lmtp:
                lmtp.ehlo_or_helo_if_needed()
                lmtp.mail("")
                if lmtp.rcpt(self.users[0])[0] == 250:
                    return True
        except (OSError, smtplib.SMTPException):
            pass
        threading.Event().wait(0.02)
        return False

    def _log(self) -> str:
        log = self.base / "log"
        return log.read_text() if log.exists() else ""

    def deliver(self, to: str, message: bytes, *, sender: str = "") -> None:
        """Lays a message into a mailbox, as it is."""
        with smtplib.LMTP("127.0.0.1", self.lmtp_port) as lmtp:
            lmtp.sendmail(sender, [to], message)

    def files(self, user: str, folder: str = "INBOX") -> list[Path]:
        """The messages on disk, whatever IMAP says: what a test counts."""
        root = self.base / "mail" / user / ("" if folder == "INBOX" else f".{folder}")
        return sorted(path for part in ("cur", "new") for path in (root / part).glob("*") if path.is_file())

    def forget_uids(self, user: str, folder: str = "INBOX") -> None:
        """As after a restore: the folder gets another UIDVALIDITY, and its messages new UIDs."""
        root = self.base / "mail" / user / ("" if folder == "INBOX" else f".{folder}")
        for path in [
            *root.glob("dovecot-uidlist*"),
            *root.glob("dovecot.index*"),
            *root.parent.glob("dovecot-uidvalidity*"),
        ]:
            path.unlink()

    def stop(self) -> None:
        self.submission.stop()
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.base, ignore_errors=True)


class Submission:
    """The submission server. `refuse` makes it say no; `taken` is every mail it was handed whole, by envelope recipients."""

    def __init__(self, server: Dovecot) -> None:
        self._server = server
        self.taken: list[tuple[str, tuple[str, ...], bytes]] = []
        self._refusals: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=_free_ports(1)[0],
            authenticator=self._login,
            auth_require_tls=False,
            enable_SMTPUTF8=True,
            data_size_limit=50_000_000,
        )
        self._controller.start()
        self.port: int = self._controller.port

    def refuse(self, step: str, answer: str) -> None:
        """The next MAIL, RCPT or DATA is answered so, e.g. ("RCPT", "550 5.1.1 unknown"); the next AUTH always with 535."""
        with self._lock:
            self._refusals.setdefault(step, []).append(answer)

    def forgive(self) -> None:
        """Takes back every refusal that has not struck yet."""
        with self._lock:
            self._refusals.clear()

    def stop(self) -> None:
        self._controller.stop()

    def _refusal(self, step: str) -> str | None:
        with self._lock:
            waiting = self._refusals.get(step)
            return waiting.pop(0) if waiting else None

    def _login(self, server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        if self._refusal("AUTH") is not None:
            return AuthResult(success=False, handled=False)
        good = isinstance(data, LoginPassword) and data.password == self._server.password.encode()
        return AuthResult(success=good and data.login.decode() in self._server.users, handled=False)

    async def handle_MAIL(self, server: Any, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        if (answer := self._refusal("MAIL")) is not None:
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if (answer := self._refusal("RCPT")) is not None:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        if (answer := self._refusal("DATA")) is not None:
            return answer
        content = envelope.content
        assert isinstance(content, bytes)
        with self._lock:
            self.taken.append((envelope.mail_from or "", tuple(envelope.rcpt_tos), content))
        inside = [one for one in envelope.rcpt_tos if one.lower() in self._server.users]
        for recipient in inside:
            await asyncio.to_thread(self._server.deliver, recipient.lower(), content, sender=envelope.mail_from or "")
        return "250 OK: queued"


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _greets(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as line:
        return bool(line.recv(1))
    threading.Event().wait(0.02)
    return False
