"""One IMAP connection: logging in, selecting, searching, fetching, changing, with every failure in the gate's words.

Used by one thread at a time. A command that changes something is sent once; when its answer is lost the line is `OutcomeUnknown`,
while anything lost before it is `Unreachable`.
"""

from __future__ import annotations

import imaplib
import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from connectors.errors import (
    ConnectorError,
    Forbidden,
    InvalidCall,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ReconsentNeeded,
    Unreachable,
)
from connectors.imap import responses
from connectors.imap.home import Home

if TYPE_CHECKING:
    from imap_tools import BaseMailBox

ANSWER_S = 20.0  # the longest silence within one command
BATCH = 400  # messages in one FETCH
REFUSED_FOR_S = 60.0  # a server that says "too many" does not say for how long


class Line:
    """`connect` first. Folders are named as the server lists them."""

    def __init__(self, home: Home, credentials: Mapping[str, str], *, answer_s: float = ANSWER_S) -> None:
        self._home, self._credentials, self._answer_s = home, credentials, answer_s
        self._box: BaseMailBox | None = None
        self._capabilities: frozenset[str] = frozenset()
        self.validity: dict[str, int] = {}  # folder → UIDVALIDITY, as last selected
        self.following: dict[str, int | None] = {}  # folder → UIDNEXT, as last selected

    @property
    def is_open(self) -> bool:
        return self._box is not None

    def connect(self) -> None:
        """Unreachable, ReconsentNeeded or RateLimited where that fails; nothing was changed then."""
        import imap_tools

        server, context = self._home.imap, self._home.context()
        where = (server.host, server.port, self._answer_s)
        box: BaseMailBox | None = None
        try:
            if server.security == "ssl":
                box = imap_tools.MailBox(*where, ssl_context=context)
            else:
                box = imap_tools.MailBoxUnencrypted(*where)
            if server.security == "starttls":
                box.client.starttls(context)
        except ssl.SSLError as error:
            _hang_up(box)
            raise Unreachable(
                "the mail server's certificate is not trusted", fix="Check imap_host and ca_file."
            ) from error
        except (OSError, imaplib.IMAP4.error, imap_tools.ImapToolsError, ValueError) as error:
            _hang_up(box)
            raise Unreachable("the mail server cannot be reached", fix="Check imap_host, or try later.") from error
        hasten(box.client.sock)
        self._login(box)
        self._box = box

    def _login(self, box: BaseMailBox) -> None:
        import imap_tools

        user, token = self._credentials.get("username", ""), self._credentials.get("xoauth2")
        password = self._credentials.get("password")
        try:
            if token is not None:
                box.xoauth2(user, token, initial_folder=None)
            elif password is None:
                raise ReconsentNeeded("the mail account has no password", fix="Connect it again.")
            elif (user + password).isascii():
                box.login(user, password, initial_folder=None)
            else:
                box.login_utf8(user, password, initial_folder=None)
        except (imaplib.IMAP4.abort, OSError) as error:
            _hang_up(box)
            raise Unreachable("the mail server hung up", fix="Try again later.") from error
        except (imaplib.IMAP4.error, imap_tools.ImapToolsError) as error:
            _hang_up(box)
            # `from None`: what the server echoes may hold the name or the token
            raise _refused_login(str(error)) from None

    def close(self) -> None:
        box, self._box = self._box, None
        if box is not None:
            _hang_up(box)

    def wake(self) -> None:
        """Ends a wait of another thread on this line."""
        box = self._box
        if box is not None:
            with suppress(OSError):
                box.client.sock.shutdown(2)

    @property
    def box(self) -> BaseMailBox:
        if self._box is None:
            raise Unreachable("the line to the mail server is closed", fix="Try again.")
        return self._box

    @contextmanager
    def _told(self, what: str, *, changes: bool = False) -> Iterator[None]:
        """Translates what goes wrong while `what` is asked for. A broken line is closed."""
        import imap_tools

        try:
            yield
        except (imaplib.IMAP4.abort, OSError, EOFError) as error:
            self.close()
            if changes:
                raise OutcomeUnknown(f"the mail server did not answer: {what}", fix="Look into the mailbox.") from error
            raise Unreachable(f"the mail server did not answer: {what}", fix="Try again later.") from error
        except (imaplib.IMAP4.error, imap_tools.ImapToolsError) as error:
            raise _refused(str(error), what) from error

    def noop(self) -> None:
        with self._told("noop"):
            self.box.client.noop()

    def capable(self, name: str) -> bool:
        """Asked after login, as servers offer more then."""
        if not self._capabilities:
            with self._told("capabilities"):
                _, data = self.box.client.capability()
            self._capabilities = frozenset((data[-1] or b"").decode("ascii", "replace").upper().split())
        return name in self._capabilities

    def folders(self) -> list[tuple[str, frozenset[str]]]:
        """Names and flags, as listed."""
        with self._told("folders"):
            return [(one.name, frozenset(flag.lower() for flag in one.flags)) for one in self.box.folder.list()]

    def create(self, folder: str) -> None:
        with self._told("a new folder", changes=True):
            self.box.folder.create(folder)

    def status(self, folder: str) -> tuple[int, int]:
        """UIDVALIDITY and UIDNEXT."""
        with self._told("status"):
            found = self.box.folder.status(folder, ["UIDVALIDITY", "UIDNEXT"])
        return found.get("UIDVALIDITY", 0), found.get("UIDNEXT", 0)

    def select(self, folder: str, *, writable: bool = False) -> int:
        """Its UIDVALIDITY. Selecting again also shows what came since."""
        with self._told("a folder"):
            self.box.folder.set(folder, readonly=not writable)
            _, data = self.box.client.response("UIDVALIDITY")
            _, coming = self.box.client.response("UIDNEXT")
        validity = int(data[0]) if data and data[0] else 0
        self.validity[folder] = validity
        self.following[folder] = int(coming[0]) if coming and coming[0] else None
        return validity

    def permits_any_keyword(self) -> bool:
        """Whether the selected folder takes labels of one's own making (PERMANENTFLAGS with \\*)."""
        flags = self.box.client.untagged_responses.get("PERMANENTFLAGS") or [b""]
        return b"\\*" in b" ".join(one for one in flags if isinstance(one, bytes))

    def search(self, criteria: str) -> list[int]:
        """UIDs in the selected folder, ascending."""
        charset = "US-ASCII" if criteria.isascii() else "UTF-8"
        with self._told("a search"):
            return sorted(int(uid) for uid in self.box.uids(criteria.encode(), charset=charset))

    def fetch(self, uids: Iterable[int], parts: str) -> Iterator[dict[str, Any]]:
        """Items by name of each message that is still there."""
        wanted = sorted(set(uids))
        for start in range(0, len(wanted), BATCH):
            chosen = ",".join(str(uid) for uid in wanted[start : start + BATCH])
            with self._told("messages"):
                kind, data = self.box.client.uid("FETCH", chosen, f"(UID {parts})")
                if kind != "OK":
                    raise imaplib.IMAP4.error("FETCH was refused")
            for items in responses.fetched(data):
                if items.get("UID", b"").isdigit():
                    yield items

    def append(self, folder: str, message: bytes, flags: Sequence[str]) -> None:
        with self._told("filing a message", changes=True):
            self.box.append(message, folder, flag_set=list(flags))

    def store(self, uids: Sequence[int], flags: Sequence[str], *, on: bool) -> None:
        chosen = ",".join(str(uid) for uid in uids)
        with self._told("changing flags", changes=True):
            kind, data = self.box.client.uid(
                "STORE", chosen, "+FLAGS.SILENT" if on else "-FLAGS.SILENT", f"({' '.join(flags)})"
            )
            if kind != "OK":
                raise imaplib.IMAP4.error(str(data))

    def move(self, uids: Sequence[int], folder: str) -> None:
        """By MOVE (RFC 6851) where the server has it; else copied, then removed alone and not with others' deleted mail."""
        from imap_tools.utils import encode_folder

        chosen, target = ",".join(str(uid) for uid in uids), encode_folder(folder)
        if self.capable("MOVE"):
            self._change("MOVE", chosen, target)
            return
        self._change("COPY", chosen, target)
        self.remove(uids)

    def remove(self, uids: Sequence[int]) -> None:
        """For good. Without UIDPLUS (RFC 4315) they are only flagged \\Deleted: EXPUNGE would take others' mail along."""
        chosen = ",".join(str(uid) for uid in uids)
        self._change("STORE", chosen, "+FLAGS.SILENT", "(\\Deleted)")
        if self.capable("UIDPLUS"):
            self._change("EXPUNGE", chosen)

    def _change(self, command: str, *args: Any) -> None:
        with self._told("moving a message", changes=True):
            if command == "EXPUNGE":
                imaplib.Commands.setdefault("EXPUNGE", ("SELECTED",))
            if command == "MOVE":
                imaplib.Commands.setdefault("MOVE", ("SELECTED",))
            kind, data = self.box.client.uid(command, *args)
            if kind != "OK":
                raise imaplib.IMAP4.error(str(data))

    def idle(self, at_most_s: float) -> None:
        """Returns when the server says something about the selected folder, or when the time is over."""
        from imap_tools.errors import MailboxTaggedResponseError

        try:
            with self._told("waiting"):
                self.box.idle.wait(timeout=at_most_s)
        except InvalidCall as error:
            # News that crossed our IDLE on the way confuses imap-tools 1.16; a new line hears them by selecting.
            if not isinstance(error.__cause__, MailboxTaggedResponseError):
                raise
            self.close()
            self.connect()


def hasten(line: socket.socket | None) -> None:
    """Small commands go at once: with Nagle's algorithm, what is written in pieces waits for an acknowledgement."""
    if line is not None:
        with suppress(OSError):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _hang_up(box: BaseMailBox | None) -> None:
    # Never LOGOUT: on a broken line it would wait for an answer that does not come.
    if box is None:
        return
    with suppress(OSError, imaplib.IMAP4.error):
        box.client.shutdown()


def _code(text: str) -> str:
    found = re.search(r"\[([A-Z]+)", text)
    return found[1] if found else ""


def _refused_login(text: str) -> ConnectorError:
    if _code(text) == "UNAVAILABLE":
        return Unreachable("the mail server cannot log in anybody now", fix="Try again later.")
    if _code(text) in ("LIMIT", "INUSE", "OVERQUOTA") or "too many" in text.lower():
        return RateLimited("the mail server has had too many connections", retry_after_s=REFUSED_FOR_S, fix="Wait.")
    return ReconsentNeeded(
        "the mail server does not accept the account's credentials", fix="Connect the account again."
    )


def _refused(text: str, what: str) -> ConnectorError:
    """RFC 5530's words for why."""
    match _code(text):
        case "UNAVAILABLE" | "SERVERBUG" | "CORRUPTION" | "INUSE":
            return Unreachable(f"the mail server cannot do it now: {what}", fix="Try again later.")
        case "LIMIT" | "THROTTLED":
            return RateLimited("the mail server has had too many commands", retry_after_s=REFUSED_FOR_S, fix="Wait.")
        case "NOPERM" | "OVERQUOTA":
            return Forbidden(f"the mail server does not allow it: {what}", fix="Ask whoever runs the mailbox.")
        case "AUTHENTICATIONFAILED" | "AUTHORIZATIONFAILED" | "EXPIRED" | "PRIVACYREQUIRED":
            return ReconsentNeeded("the mail server no longer accepts the account", fix="Connect it again.")
        case "NONEXISTENT" | "TRYCREATE":
            return NotFound("the mailbox has no such folder", fix="Check the folder settings of the account.")
    return InvalidCall(f"the mail server refused: {what}", fix="Check the arguments and the folder settings.")
