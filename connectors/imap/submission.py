"""Handing one mail to the submission server, in two steps: everything up to DATA, and then DATA itself, once.

Until the final dot is written nothing has happened (RFC 5321 4.1.1.4), so a failure before it is a plain refusal. After the dot
only the server's answer tells; without one the outcome is unknown.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType

from connectors.errors import (
    ConnectorError,
    Forbidden,
    InvalidCall,
    OutcomeUnknown,
    RateLimited,
    ReconsentNeeded,
    Unreachable,
)
from connectors.imap.home import Home
from connectors.imap.line import hasten

TRY_AGAIN_S = 60.0  # RFC 5321 4.5.4.1: a server that says 4xx does not say for how long
CONNECT_S = 10.0
NAME = "[127.0.0.1]"  # in EHLO, as mail programs say it: the host's own name is nobody's business, and asking for it may take long
LOST = (smtplib.SMTPServerDisconnected, OSError)


class Submission:
    """An open line whose sender and recipients were accepted; `data` may be called once."""

    def __init__(self, home: Home, credentials: Mapping[str, str], *, answer_s: float) -> None:
        if home.smtp is None:
            raise InvalidCall("the mail account has no smtp_host", fix="Set smtp_host to send mail.")
        self._home, self._server, self._credentials, self._answer_s = home, home.smtp, credentials, answer_s
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Submission:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._smtp is not None:
            with suppress(*LOST, smtplib.SMTPException):
                self._smtp.close()

    def prepare(self, recipients: Sequence[str]) -> None:
        """Connects, logs in and names sender and recipients; one refused recipient is a refusal of all."""
        smtp = self._connect()
        needs_utf8 = not all(address.isascii() for address in (self._home.address, *recipients))
        if needs_utf8 and not smtp.has_extn("smtputf8"):
            raise InvalidCall("the mail server takes no such addresses (SMTPUTF8)", fix="Use an address in ASCII.")
        try:
            options = ["SMTPUTF8", "BODY=8BITMIME"] if needs_utf8 else []
            smtp.command_encoding = "utf-8" if needs_utf8 else "ascii"
            _accepted(*smtp.mail(self._home.address, options))
            for recipient in recipients:
                _accepted(*smtp.rcpt(recipient))
        except LOST as error:
            raise Unreachable("the mail server hung up before the mail was sent", fix="Try again later.") from error

    def try_out(self) -> None:
        """Connects, logs in and says good-bye: whether mail could be sent, without sending one."""
        smtp = self._connect()
        try:
            code, _ = smtp.noop()
            if code != 250:
                raise _refusal(code)
            smtp.quit()
        except LOST as error:
            raise Unreachable("the mail server hung up", fix="Try again later.") from error

    def _connect(self) -> smtplib.SMTP:
        server, context = self._server, self._home.context()
        try:
            smtp: smtplib.SMTP
            if server.security == "ssl":
                smtp = smtplib.SMTP_SSL(server.host, server.port, NAME, timeout=CONNECT_S, context=context)
            else:
                smtp = smtplib.SMTP(server.host, server.port, NAME, timeout=CONNECT_S)
            self._smtp = smtp
            smtp.ehlo_or_helo_if_needed()
            if server.security == "starttls":
                smtp.starttls(context=context)
                smtp.ehlo()
        except ssl.SSLError as error:
            raise Unreachable(
                "the mail server's certificate is not trusted", fix="Check smtp_host and ca_file."
            ) from error
        except smtplib.SMTPNotSupportedError as error:
            raise Unreachable("the mail server offers no encryption", fix="Check smtp_security.") from error
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code) from error
        except (*LOST, smtplib.SMTPException) as error:
            raise Unreachable("the mail server cannot be reached", fix="Check smtp_host, or try later.") from error
        hasten(smtp.sock)
        if smtp.sock is not None:
            smtp.sock.settimeout(self._answer_s)
        self._login(smtp)
        return smtp

    def _login(self, smtp: smtplib.SMTP) -> None:
        user, token = self._credentials.get("username", ""), self._credentials.get("xoauth2")
        password = self._credentials.get("password")
        if not smtp.has_extn("auth"):
            return  # a relay that knows its own by their network
        try:
            if token is not None:
                said = f"user={user}\1auth=Bearer {token}\1\1"
                smtp.auth("XOAUTH2", lambda challenge=None: said if challenge is None else "")
            else:
                smtp.login(user, password or "")
        except smtplib.SMTPAuthenticationError as error:
            if 400 <= error.smtp_code < 500:
                raise _refusal(error.smtp_code) from None
            if not 500 <= error.smtp_code < 600:  # half a line
                raise Unreachable("the mail server hung up", fix="Try again later.") from None
            raise ReconsentNeeded("the mail server does not accept the credentials", fix="Connect it again.") from None
        except smtplib.SMTPServerDisconnected as error:
            raise Unreachable("the mail server hung up", fix="Try again later.") from error
        except smtplib.SMTPException:
            raise ReconsentNeeded("the mail server takes no such credentials", fix="Connect it again.") from None
        except OSError as error:
            raise Unreachable("the mail server hung up", fix="Try again later.") from error

    def data(self, message: bytes) -> None:
        """The one attempt. OutcomeUnknown once the final dot may be on the wire and no answer came."""
        smtp = self._smtp
        if smtp is None:
            raise Unreachable("the line to the mail server is closed", fix="Try again.")
        body = re.sub(rb"(?m)^\.", b"..", re.sub(rb"\r\n|\r|\n", b"\r\n", message))
        try:
            code, _ = smtp.docmd("DATA")
            if code != 354:
                raise _refusal(code)
            smtp.send(body if body.endswith(b"\r\n") else body + b"\r\n")
        except LOST as error:
            raise Unreachable("the mail server hung up before the end of the mail", fix="Try again later.") from error
        try:
            smtp.send(b".\r\n")
            code, _ = smtp.getreply()
        except LOST as error:
            raise OutcomeUnknown("the mail server did not say whether it took the mail", fix="Look for it.") from error
        if 400 <= code < 600:
            raise _refusal(code)
        if code != 250:  # half a line, or no SMTP
            raise OutcomeUnknown("the mail server's answer cannot be read", fix="Look for the mail.")


def _accepted(code: int, said: bytes) -> None:
    if code not in (250, 251, 252):
        raise _refusal(code)


def _refusal(code: int) -> ConnectorError:
    """A definite no (RFC 5321 4.2.1). What the server says with it is not repeated: it holds addresses."""
    if code in (530, 534, 535, 538):
        return ReconsentNeeded("the mail server wants other credentials", fix="Connect the account again.")
    if 400 <= code < 500:
        return RateLimited(f"the mail server refused for now ({code})", retry_after_s=TRY_AGAIN_S, fix="Wait.")
    if code in (550, 551, 553, 555, 501):
        return InvalidCall(f"the mail server refused a sender or recipient ({code})", fix="Check the addresses.")
    if code == 552:
        return InvalidCall("the mail is too large for the mail server", fix="Send fewer attachments.")
    return Forbidden(f"the mail server refused the mail ({code})", fix="Ask whoever runs it.")
