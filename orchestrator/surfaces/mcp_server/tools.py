"""The table of tools: name, title, one sentence, schemas, hints, scope. Short on purpose: every assistant carries all of it in every chat.

INVARIANT: there is no tool that approves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jsonschema
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import func_metadata
from mcp_types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import PrivateAttr

from orchestrator.domain.item import State
from orchestrator.domain.rights import Scope
from orchestrator.errors import DeputyError, NotEligible, UsageError
from orchestrator.surfaces.mcp_server import documents, work
from orchestrator.surfaces.mcp_server.callers import Caller
from orchestrator.surfaces.mcp_server.room import LONGEST_WAIT_S, Room
from orchestrator.surfaces.mcp_server.text import label

_ITEM = {"type": "string", "maxLength": 100}
_WORDS = {"type": "string", "minLength": 1, "maxLength": 20_000}
_SHORT = {"type": "string", "minLength": 1, "maxLength": 200}
KEY = {**_SHORT, "description": "Same key again: same work, not a second one"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tool. `is_for`: whose assistants see it; None: everybody's with the scope."""

    name: str
    title: str
    says: str
    do: work.Verb
    scope: Scope
    takes: Mapping[str, Any]
    needs: tuple[str, ...]
    gives: Mapping[str, Any]
    reads: bool = False
    destroys: bool = False
    repeats: bool = False  # calling it again with the same arguments changes nothing more
    is_for: frozenset[str] | None = None
    starts: Callable[[work.Args], work.Args] | None = None  # what `work.submit` takes of its arguments

    @property
    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": dict(self.takes),
            "required": list(self.needs),
            "additionalProperties": False,
        }

    def is_seen_by(self, caller: Caller) -> bool:
        return self.scope in caller.scopes and (self.is_for is None or caller.who.principal_id in self.is_for)

    def check(self, caller: Caller, arguments: Mapping[str, Any]) -> None:
        """Raises NotEligible, UsageError."""
        if not self.is_seen_by(caller):
            raise NotEligible(f"this caller has no tool {self.name!r}", fix="ask an admin for a key that has the scope")
        first = next(jsonschema.Draft202012Validator(self.schema).iter_errors(arguments), None)
        if first is not None:
            where = ".".join(map(str, first.absolute_path)) or "arguments"
            raise UsageError(f"{where}: {first.message[:300]}", fix=f"takes: {', '.join(self.takes) or 'nothing'}")
        check_text(arguments)


def check_text(value: Any) -> None:
    """UsageError for text that no database and no wire takes."""
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= one <= "\udfff" for one in value):
            raise UsageError("a text holds a character that is none", fix="send plain Unicode text")
    elif isinstance(value, Mapping):
        for name, one in value.items():
            check_text(name)
            check_text(one)
    elif isinstance(value, list):
        for one in value:
            check_text(one)


ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="work_start",
        title="Start work",
        says=(
            "Hand office work (mail, calendar, chat) to Deputy in the user's own words. Returns at once with an id: do not wait for it. "
            "What it may send or change is asked of a person in Deputy."
        ),
        do=work.start,
        scope="submit",
        takes={
            "request": _WORDS,
            "key": KEY,
            "workflow": {**_SHORT, "description": "Only a name from workflow_find"},
            "input": {"type": "object", "description": "The workflow's inputs"},
            "priority": {"type": "integer", "description": "Smaller is more urgent; usual 100"},
        },
        needs=("request",),
        gives=documents.STARTED,
        starts=lambda arguments: arguments,
    ),
    Entry(
        name="work_status",
        title="Look at work",
        says="State of a piece of work: result, open question, approvals that a person has to give, effects. `data` is outside text.",
        do=work.status,
        scope="read",
        takes={
            "item_id": _ITEM,
            "wait_s": {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT_S, "description": "Usual 0"},
        },
        needs=("item_id",),
        gives=documents.STATUS,
        reads=True,
        repeats=True,
    ),
    Entry(
        name="work_answer",
        title="Pass on an answer",
        says="Pass the user's answer to the open question on. Never make one up.",
        do=work.answer,
        scope="submit",
        takes={"item_id": _ITEM, "answer": _WORDS, "question_id": _SHORT},
        needs=("item_id", "answer"),
        gives=documents.TOUCHED,
    ),
    Entry(
        name="work_nudge",
        title="Correct work under way",
        says='A remark for running or waiting work, e.g. "not on Monday".',
        do=work.nudge,
        scope="submit",
        takes={"item_id": _ITEM, "text": _WORDS},
        needs=("item_id", "text"),
        gives=documents.TOUCHED,
    ),
    Entry(
        name="work_cancel",
        title="Cancel work",
        says="End a piece of work. What is done stays done.",
        do=work.cancel,
        scope="submit",
        takes={"item_id": _ITEM, "reason": _SHORT},
        needs=("item_id",),
        gives=documents.TOUCHED,
        destroys=True,
        repeats=True,
    ),
    Entry(
        name="worklist_list",
        title="List work",
        says="Work of the user, in the order it is served.",
        do=work.listed,
        scope="read",
        takes={
            "state": {"type": "string", "enum": [one.value for one in State]},
            "limit": {"type": "integer", "minimum": 1, "maximum": work.MOST_LISTED},
        },
        needs=(),
        gives=documents.ITEMS,
        reads=True,
        repeats=True,
    ),
    Entry(
        name="approvals_list",
        title="List pending approvals",
        says="What waits for a person's decision, and where they decide it. Cannot be decided here.",
        do=work.approvals,
        scope="read",
        takes={},
        needs=(),
        gives=documents.APPROVALS,
        reads=True,
        repeats=True,
    ),
    Entry(
        name="workflow_find",
        title="Find a workflow",
        says="Which saved workflow a request in these words would run, and the nearest ones.",
        do=work.find,
        scope="read",
        takes={"words": _WORDS},
        needs=("words",),
        gives=documents.FOUND,
        reads=True,
        repeats=True,
    ),
)


class RoomTool(Tool):
    """An entry of the table as the SDK's tool, over one room."""

    _entry: Entry = PrivateAttr()
    _room: Room = PrivateAttr()

    @classmethod
    def of(cls, entry: Entry, room: Room) -> RoomTool:
        made = cls(
            fn=_not_called,
            name=entry.name,
            title=entry.title,
            description=entry.says,
            parameters=entry.schema,
            fn_metadata=func_metadata(_not_called),
            is_async=True,
            annotations=ToolAnnotations(
                read_only_hint=entry.reads,
                destructive_hint=None if entry.reads else entry.destroys,
                idempotent_hint=None if entry.reads else entry.repeats,
                open_world_hint=False,
            ),
        )
        made._entry, made._room = entry, room
        return made

    @cached_property
    def output_schema(self) -> dict[str, Any] | None:
        return dict(self._entry.gives)

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        try:
            caller = await self._room.caller(context.request_context)
            self._entry.check(caller, arguments)
            found = await self._entry.do(self._room, caller, arguments, context)
        except DeputyError as error:
            return failed(error)
        return found if isinstance(found, InputRequiredResult) else answered(found)


async def _not_called() -> dict[str, Any]:
    """What the SDK's tool would call; `RoomTool.run` stands before it."""
    return {}


def answered(document: Mapping[str, Any], *, is_error: bool = False) -> CallToolResult:
    """The typed document, and beside it a short text (the whole of it, where the document is no piece of work)."""
    plain = documents.told(document) if "item_id" in document else json.dumps(document, ensure_ascii=False)
    return CallToolResult(
        content=[TextContent(type="text", text=plain)], structured_content=dict(document), is_error=is_error
    )


def failed(error: DeputyError) -> CallToolResult:
    """A refusal that the model reads: code, what is wrong, what to do."""
    told = {name: label(text, 600) for name, text in error.as_json().items()}
    return CallToolResult(content=[TextContent(type="text", text=json.dumps(told, ensure_ascii=False))], is_error=True)


def seen_by(caller: Caller, entries: Iterable[Entry]) -> frozenset[str]:
    return frozenset(one.name for one in entries if one.is_seen_by(caller))
