"""Mail over IMAP and SMTP. Offers the mail family without mail.get_auto_reply, mail.set_auto_reply and mail.clear_auto_reply:
an automatic reply lives on the server, and IMAP has no word for it.

Settings of an account: `imap_host`, `imap_port`, `imap_security` (ssl, starttls or none), the same with `smtp_`, and optionally
`address`, `addresses` (further ones of the account), `name` (in From), `sent_folder`, `drafts`, `trash`, `archive`, `junk` (else by
SPECIAL-USE, else by their usual names) and `ca_file`. Credentials: `username`, and `password` or `xoauth2` (an access token).

SMTP refuses no second mail, and IMAP no second draft: both are UNKEYED, and `effects` says how an attempt is found again. No cost per command is documented for IMAP, so nothing is counted: an account has one connection, which takes its
calls in turn, and what the server says of limits is passed on.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from connectors import families
from connectors.arguments import Arguments
from connectors.errors import ConnectorError, InvalidCall, Unreachable
from connectors.imap import effects, preconditions, reads, stream
from connectors.imap.effects import Attempt
from connectors.imap.home import Home, home_of
from connectors.imap.line import ANSWER_S, Line
from connectors.imap.mailbox import Mailbox
from connectors.imap.submission import Submission
from connectors.keeping import MOST_ACCOUNTS, Kept
from connectors.spec import Account, Changes, Json, Precondition, Reconciled, ToolSpec, Unknown

LACKS = frozenset({"mail.get_auto_reply", "mail.set_auto_reply", "mail.clear_auto_reply"})
WIRE_TIMEOUT_S = 60.0
BEGIN_WITHIN_S = 20.0  # after that nothing is begun, and what was begun has at most two silences (ANSWER_S) left
IDLE_S = 25 * 60.0  # RFC 2177: anew before 29 minutes are over
POLL_S = 20.0

Read = Callable[[Mailbox, Mapping[str, Any]], dict[str, Any]]
Effect = Callable[[Attempt, Mapping[str, Any]], dict[str, Any]]

READS: Mapping[str, Read] = {
    "mail.search": reads.search,
    "mail.get_message": reads.get_message,
    "mail.get_thread": reads.get_thread,
    "mail.get_attachment": reads.get_attachment,
}
EFFECTS: Mapping[str, Effect] = {
    "mail.send": effects.send,
    "mail.reply": effects.reply,
    "mail.forward": effects.forward,
    "mail.create_draft": effects.create_draft,
    "mail.update_labels": effects.update_labels,
    "mail.archive": effects.archive,
    "mail.mark_read": effects.mark_read,
    "mail.delete": effects.delete,
}


@lru_cache(maxsize=1)
def _specs() -> dict[str, ToolSpec]:
    return {
        spec.name: replace(spec, wire_timeout_s=WIRE_TIMEOUT_S)
        for spec in families.tool_specs("mail")
        if spec.name not in LACKS
    }


@dataclass(kw_only=True)
class _Seat:
    """One account's place: its line is used by one thread at a time."""

    home: Home
    lock: threading.Lock = field(default_factory=threading.Lock)
    box: Mailbox | None = None
    unfiled: set[str] = field(default_factory=set)


class ImapConnector:
    """Any number of accounts, each known by its connection, settings and credentials."""

    name = "imap"
    families = frozenset({"mail"})
    quota = "mail servers publish no limits; one connection is used, its calls in turn"
    streams = frozenset({"mail"})

    def __init__(self, *, answer_s: float = ANSWER_S, poll_s: float = POLL_S) -> None:
        self._answer_s, self._poll_s = answer_s, poll_s
        self._seats: Kept[_Seat] = Kept(_leave)
        # Waits last for minutes: they must not take the threads that calls run on.
        self._waits = ThreadPoolExecutor(max_workers=MOST_ACCOUNTS, thread_name_prefix="imap-wait")

    def tools(self) -> Sequence[ToolSpec]:
        return tuple(_specs().values())

    async def call(self, tool: str, args: Mapping[str, Any], *, account: Account, key: str | None) -> Json:
        spec = _validate(tool, args)
        if spec.is_read:
            return await asyncio.to_thread(self._look, account, lambda box: READS[tool](box, args))
        if key is None or re.fullmatch(r"[a-z0-9]{1,64}", key) is None:
            raise InvalidCall(f"{tool} needs a key of lower-case letters and digits", fix="Call it through the gate.")
        return await asyncio.to_thread(self._do, account, tool, args, key)

    async def reconcile(
        self, tool: str, args: Mapping[str, Any], *, account: Account, key: str, attempted_at: datetime
    ) -> Reconciled:
        def look(box: Mailbox) -> Reconciled:
            it = Attempt(box=box, credentials=account.credentials, tool=tool, key=key, until=0.0)
            return effects.found_again(it, args)

        _validate(tool, args)
        try:
            return await asyncio.to_thread(self._look, account, look)
        except ConnectorError as error:
            return Unknown(error.message)

    async def preconditions(
        self, tool: str, args: Mapping[str, Any], *, account: Account, now: datetime
    ) -> Sequence[Precondition]:
        _validate(tool, args)
        return await asyncio.to_thread(self._look, account, lambda box: preconditions.of(box, tool, args))

    async def check(self, precondition: Precondition, *, account: Account, now: datetime) -> str | None:
        return await asyncio.to_thread(self._look, account, lambda box: preconditions.broken(box, precondition))

    async def changes(self, family: str, *, account: Account, cursor: str | None) -> Changes:
        _check_stream(family)
        return await asyncio.to_thread(self._look, account, lambda box: stream.changes(box, cursor))

    async def wait(self, family: str, *, account: Account, cursor: str, at_most_s: float) -> None:
        """On a line of its own, so that calls go on meanwhile."""
        _check_stream(family)
        home = home_of(account)
        line = Line(home, account.credentials, answer_s=self._answer_s)
        stopped = threading.Event()
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._waits, self._wait, Mailbox(home, line), cursor, at_most_s, stopped)
        finally:
            stopped.set()
            line.wake()

    async def probe(self, account: Account) -> None:
        """Whether mail can be read and, where there is an smtp_host, sent; sends none. The error says which half it is."""
        await asyncio.to_thread(self._probe, account)

    def _probe(self, account: Account) -> None:
        home = home_of(account)
        with _half("reading (IMAP)", "Check imap_host, imap_security, the login and its password."):
            self._look(account, lambda box: None)
        if home.smtp is not None:
            with (
                _half(
                    "sending (SMTP)", "Check smtp_host, smtp_security and the login, or leave SMTP out to only read."
                ),
                Submission(home, account.credentials, answer_s=self._answer_s) as line,
            ):
                line.try_out()

    def close(self) -> None:
        """Closes the lines that are open. Afterwards nothing can be waited for."""
        self._seats.let_go()
        self._waits.shutdown()

    def _wait(self, box: Mailbox, cursor: str, at_most_s: float, stopped: threading.Event) -> None:
        until = time.monotonic() + at_most_s
        try:
            box.line.connect()
            box.open()
            while not stopped.is_set() and not stream.is_new(box, cursor):
                left = until - time.monotonic()
                if left <= 0:
                    return
                if box.line.capable("IDLE"):
                    box.line.idle(min(left, IDLE_S))
                else:
                    stopped.wait(min(left, self._poll_s))
        except Unreachable:
            if not stopped.is_set():
                raise
        finally:
            box.line.close()

    def _look(self, account: Account, read: Callable[[Mailbox], Any]) -> Any:
        """A read; when the line breaks it is asked once more on a new one."""
        seat = self._seat(account)
        with seat.lock:
            try:
                with self._open(seat, account) as box:
                    return read(box)
            except Unreachable:
                with self._open(seat, account) as box:
                    return read(box)

    def _do(self, account: Account, tool: str, args: Mapping[str, Any], key: str) -> dict[str, Any]:
        until = time.monotonic() + BEGIN_WITHIN_S
        seat = self._seat(account)
        with seat.lock, self._open(seat, account) as box:
            it = Attempt(
                box=box,
                credentials=account.credentials,
                tool=tool,
                key=key,
                until=until,
                unfiled=seat.unfiled,
                answer_s=min(effects.ANSWER_S, self._answer_s),
            )
            if seat.unfiled:
                effects.file_sent(box, seat.unfiled, drafts=box.folder("draft"), sent=box.folder("sent"))
            return EFFECTS[tool](it, args)

    @contextmanager
    def _open(self, seat: _Seat, account: Account) -> Iterator[Mailbox]:
        """The account's mailbox on a line that answers."""
        if seat.box is None:
            seat.box = Mailbox(seat.home, Line(seat.home, account.credentials, answer_s=self._answer_s))
        box = seat.box
        if box.line.is_open:
            try:
                box.open()
            except Unreachable:  # it was cut while nobody used it
                box.line.close()
        if not box.line.is_open:
            box.line.connect()
            box.open()
        yield box

    def _seat(self, account: Account) -> _Seat:
        home = home_of(account)
        return self._seats.of(account, lambda: _Seat(home=home))


@contextmanager
def _half(name: str, fix: str) -> Iterator[None]:
    """Says in an error which half of the account it is about."""
    try:
        yield
    except ConnectorError as error:
        error.message, error.fix = f"{name}: {error.message}", f"{error.fix} {fix}".strip()
        error.args = (error.message,)
        raise


def _leave(seat: _Seat) -> None:
    with seat.lock:
        if seat.box is not None:
            seat.box.line.close()


def _check_stream(family: str) -> None:
    if family != "mail":
        raise InvalidCall(f"the mail account has no {family!r} to follow", fix="Follow mail.")


_validate = Arguments("the mail account", _specs, lambda _: " does not fit its schema")


def open_connector(*, answer_s: float = ANSWER_S, poll_s: float = POLL_S) -> ImapConnector:
    """For the registry. `answer_s`: the longest silence of a server; `poll_s`: how often one without IDLE is asked."""
    return ImapConnector(answer_s=answer_s, poll_s=poll_s)
