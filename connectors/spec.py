"""The contract between the gate and every provider: what a tool is, and how it is called once.

Third parties implement `Connector` and register it under the entry-point group `deputy.connectors`. Values that cross this
border are plain JSON (dict, list, str, int, float, bool, None); times are ISO 8601 strings with an offset. A connector never
decides whether a call may happen and never retries a call that may have arrived: that is the gate's work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, Union, runtime_checkable

Json: TypeAlias = Union[None, bool, int, float, str, "list[Json]", "dict[str, Json]"]

ENTRY_POINT_GROUP = "deputy.connectors"


class EffectClass(StrEnum):
    """How a tool may be treated after a doubtful attempt."""

    READ = "read"  # changes nothing; may be repeated
    IDEMPOTENT = "idempotent"  # repeating leaves the same state (cancel, set a flag); may be repeated
    KEYED = "keyed"  # the provider refuses a second call with the same key; may be repeated after `absent`
    UNKEYED = "unkeyed"  # a second call does it twice, but reconcile can find the first one
    IRREVERSIBLE = "irreversible"  # as unkeyed, and nothing takes it back


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """One tool of a family. MCP annotations, OAuth scopes and manifests are derived from this, never typed twice."""

    name: str  # family.verb_noun, e.g. "calendar.create_event"
    title: str  # a few words for people, e.g. "Create an event"
    description: str  # for a model: what it does, what it returns
    parameters: Mapping[str, Any]  # JSON Schema (draft 2020-12) of the arguments, additionalProperties false
    manifest: Mapping[
        str, Any
    ]  # the guard's view, in the per-tool shape of the manifest format (effect, noun, args, output, …)
    effect_class: EffectClass
    scopes: Sequence[str] = ()
    undo: str | None = None  # the tool that takes it back
    wire_timeout_s: float = 10.0  # after this long an attempt cannot arrive any more
    capability: str | None = None  # absent at providers that lack it
    output: Mapping[str, Any] = field(default_factory=dict)  # JSON Schema of the answer; further fields may be present

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]

    @property
    def is_read(self) -> bool:
        return self.effect_class is EffectClass.READ

    @property
    def annotations(self) -> dict[str, Any]:
        """The tool's hints in the words of MCP's ToolAnnotations (2025-11-25). A repeat of a keyed call is one only with its key,
        which is no argument: it is not idempotent to whoever calls it."""
        is_idempotent = self.effect_class in (EffectClass.READ, EffectClass.IDEMPOTENT)
        return {
            "title": self.title,
            "readOnlyHint": self.is_read,
            "destructiveHint": not self.is_read and bool(self.manifest.get("destructive", False)),
            "idempotentHint": is_idempotent,
            "openWorldHint": True,
        }

    @property
    def provider_refuses_second(self) -> bool:
        """Whether `absent` permits a re-send: only where the provider itself would refuse or absorb a second one."""
        return self.effect_class in (EffectClass.KEYED, EffectClass.IDEMPOTENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose account a call uses. Built by the gate at the last hop; agents and workflows only ever see `connection_id`."""

    connection_id: str
    subject: str  # the account's own address at the provider, e.g. "alex@northwind.example"
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)  # secrets: tokens, passwords
    settings: Mapping[str, Any] = field(default_factory=dict)  # what is no secret: hosts, ports, calendar addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """Something that was true when a person was asked and must still be true at the moment of sending.

    `kind` and `args` are the connector's own; `text` is a sentence for the card, e.g. "Dana is free on Tue 24 Nov 10:00–10:30".
    """

    kind: str
    args: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The attempt did arrive; `result` is what the call would have returned."""

    result: Json


@dataclass(frozen=True, slots=True)
class Absent:
    """The provider, asked with a consistent read, has no trace of the attempt."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The provider cannot say. A person has to look."""

    why: str


Reconciled: TypeAlias = Done | Absent | Unknown


@runtime_checkable
class Connector(Protocol):
    """One provider. Holds no credentials and no state of Deputy's; `account` says for whom.

    `key` is the gate's idempotency key of the effect: stable over retries of one effect, different for any other
    (lower-case letters and digits only, 32 characters). Reads get None.
    """

    name: str  # e.g. "office", "google"
    families: frozenset[str]  # e.g. {"mail", "calendar"}

    def tools(self) -> Sequence[ToolSpec]:
        """Every tool it offers, stable over the process."""
        ...

    async def call(self, tool: str, args: Mapping[str, Any], *, account: Account, key: str | None) -> Json:
        """Exactly one attempt on the wire. Raises `connectors.errors.*`; `OutcomeUnknown` if it may have arrived."""
        ...

    async def reconcile(
        self, tool: str, args: Mapping[str, Any], *, account: Account, key: str, attempted_at: datetime
    ) -> Reconciled:
        """What became of an attempt whose answer was lost. Reads only."""
        ...

    async def preconditions(
        self, tool: str, args: Mapping[str, Any], *, account: Account, now: datetime
    ) -> Sequence[Precondition]:
        """What a person who approves these arguments takes for granted, as of now. Reads only."""
        ...

    async def check(self, precondition: Precondition, *, account: Account, now: datetime) -> str | None:
        """None while it holds; else one sentence saying what changed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something new or changed at a provider. `change_id` is the same however often it is reported: the key of "each once"."""

    change_id: str
    kind: str  # "message" | "event" | "chat_message"
    record: Mapping[str, Any]  # as the family's list tool gives it


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """One page of changes, oldest first. `cursor` continues behind them; with `is_resync` the old cursor had expired, and what is
    listed is what changed since about then, known ones among them."""

    changes: Sequence[Change]
    cursor: str
    more: bool = False
    is_resync: bool = False


@runtime_checkable
class Streaming(Protocol):
    """What a connector offers besides, if its families can be followed without a public address. Reads only."""

    streams: frozenset[str]  # families that can be followed

    async def changes(self, family: str, *, account: Account, cursor: str | None) -> Changes:
        """What changed since `cursor`; without one nothing, only the cursor that means now. Raises `connectors.errors.*`."""
        ...

    async def wait(self, family: str, *, account: Account, cursor: str, at_most_s: float) -> None:
        """Returns when something may be new (push or IDLE), at the latest after `at_most_s`."""
        ...


class MailProvider(Connector, Protocol):
    """A connector whose families include "mail": every tool named in `connectors.families.MAIL`."""


class CalendarProvider(Connector, Protocol):
    """A connector whose families include "calendar": every tool named in `connectors.families.CALENDAR`."""


class ChatProvider(Connector, Protocol):
    """A connector whose families include "chat": every tool named in `connectors.families.CHAT`."""


class DirectoryProvider(Connector, Protocol):
    """A connector whose families include "directory": every tool named in `connectors.families.DIRECTORY`."""
