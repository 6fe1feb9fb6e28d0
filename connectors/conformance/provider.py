"""What a third party tells the suite about its connector, and how the suite speaks to it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors import families
from connectors.errors import ConnectorError
from connectors.spec import Account, Connector, Precondition, Reconciled, ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A connector with accounts to try it on. The suite writes: never point it at anybody's real account.

    The last four hooks arm a fault for the next call of a tool; leave None what cannot be provoked, and the
    tests that need it are skipped.
    """

    connector: Connector
    account: Account  # whose account is used
    colleague: Account | None = None  # a second account of the same organisation
    outsider: str = "nobody@outside.example"  # an address outside it
    channel: str | None = None  # a channel the account belongs to, the colleague not necessarily
    lacks: frozenset[str] = frozenset()  # tools of its families that its backend cannot do; documented by name
    # Effects that its backend lets nobody mark: what they made is found again by itself, whatever the key. Documented by name.
    found_by_state: frozenset[str] = frozenset()
    # Moves the provider's own clock on, where it can be.
    move_clock: Callable[[timedelta], None] | None = None
    makes_conferences: bool = True  # whether its calendar has video calls
    shares_mailbox: bool = True  # whether its chat reaches the mail of the same account
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    lose_answer: Callable[[str], None] | None = None  # the call arrives, its answer does not
    lose_request: Callable[[str], None] | None = None  # the call does not arrive, and the caller cannot know
    refuse: Callable[[str, type[ConnectorError]], None] | None = None  # the next call is refused in this way
    cannot_tell: Callable[[str], None] | None = None  # the next reconcile has no way to find out
    # Of tools outside the four families: a call by a word that occurs nowhere else, and how often that word is found.
    examples: Mapping[str, Callable[[str], Mapping[str, Any]]] = field(default_factory=dict)
    counts: Mapping[str, Callable[[str], int]] = field(default_factory=dict)

    def specs(self) -> dict[str, ToolSpec]:
        return {spec.name: spec for spec in self.connector.tools()}

    def need(self, *names: str) -> None:
        """Skips the test unless the connector offers the tools (or families) named."""
        offered = self.specs()
        for name in names:
            if name in self.lacks:
                pytest.skip(f"the backend lacks {name}")
            if name not in offered and name not in self.connector.families:
                pytest.skip(f"{self.connector.name} does not offer {name}")

    def need_colleague(self) -> Account:
        if self.colleague is None:
            pytest.skip("no second account was given")
        return self.colleague

    def of(self, account: Account) -> Provider:
        """The same connector, seen from another account."""
        return replace(self, account=account)

    def read(self, tool: str, /, **args: Any) -> Any:
        return asyncio.run(self.connector.call(tool, args, account=self.account, key=None))

    def do(self, tool: str, args: Mapping[str, Any], *, key: str | None = None, account: Account | None = None) -> Any:
        """One effect; with a key of its own unless one is given."""
        return asyncio.run(self.connector.call(tool, args, account=account or self.account, key=key or new_key()))

    def reconcile(self, tool: str, args: Mapping[str, Any], key: str) -> Reconciled:
        attempted_at = self.now() - timedelta(seconds=1)
        return asyncio.run(
            self.connector.reconcile(tool, args, account=self.account, key=key, attempted_at=attempted_at)
        )

    def preconditions(self, tool: str, args: Mapping[str, Any]) -> Sequence[Precondition]:
        return asyncio.run(self.connector.preconditions(tool, args, account=self.account, now=self.now()))

    def check(self, precondition: Precondition, *, later: timedelta = timedelta(0)) -> str | None:
        return asyncio.run(self.connector.check(precondition, account=self.account, now=self.now() + later))


EFFECTS = sorted(spec.name for family in families.FAMILIES for spec in families.tool_specs(family) if not spec.is_read)
# Those whose second effect under another key must be another object.
MAKERS = (
    "mail.send",
    "mail.reply",
    "mail.forward",
    "mail.create_draft",
    "calendar.create_event",
    "chat.post_message",
    "chat.send_direct",
    "chat.send_file",
    "chat.schedule_message",
)
READS = sorted(spec.name for family in families.FAMILIES for spec in families.tool_specs(family) if spec.is_read)


def new_key() -> str:
    """As the gate makes them: 32 lower-case letters and digits."""
    return uuid.uuid4().hex


def new_word() -> str:
    """A word that occurs nowhere else, to find again what a test wrote."""
    return f"zq{uuid.uuid4().hex[:12]}"


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
