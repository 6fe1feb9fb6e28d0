"""Durable runs as tasks: a task is a worklist item seen by its requester's program. Nothing is kept here, so that nothing is lost here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from mcp.server.context import HandlerResult
from mcp_types import CallToolRequestParams

from orchestrator.domain.item import State
from orchestrator.errors import Conflict, DeputyError, NotEligible, NotFound
from orchestrator.surfaces.mcp_server import asking, documents, work
from orchestrator.surfaces.mcp_server.callers import Caller
from orchestrator.surfaces.mcp_server.room import Context, Room
from orchestrator.surfaces.mcp_server.tasks import Status, Task
from orchestrator.surfaces.mcp_server.tools import Entry, answered, failed

PREFIX = "task_"
ITEM = "item_"
LIVES_MS = 30 * 24 * 3600 * 1000
POLL_MS = 2000
POLL_PEOPLE_MS = 15_000  # while a person is waited for
INTERNAL_ERROR = -32603


class Runs:
    """The source of tasks over the front desk. `entries`: the tools whose calls become tasks."""

    required: Collection[str] = ()

    def __init__(self, room: Room, entries: Collection[Entry]) -> None:
        self._room = room
        self._starts = {one.name: one for one in entries if one.starts is not None}

    async def begin(self, context: Context, params: CallToolRequestParams) -> Task | HandlerResult:
        entry = self._starts.get(params.name)
        if entry is None or entry.starts is None:
            return None
        try:
            caller = await self._room.caller(context)
            arguments = params.arguments or {}
            entry.check(caller, arguments)
            item_id = await work.submit(self._room, caller, entry.starts(arguments))
            return self._told(await self._room.item(caller, item_id), context)
        except DeputyError as error:
            return failed(error)

    async def task(self, context: Context, task_id: str) -> Task | None:
        found = await self._found(context, task_id)
        if found is None:
            return None
        await self._room.wake()
        return self._told(found[1], context)

    async def answer(self, context: Context, task_id: str, responses: Mapping[str, Any]) -> bool:
        found = await self._found(context, task_id)
        if found is None:
            return False
        caller, item = found
        for question in item["questions"]:
            said = asking.answer_in(responses.get(question["question_id"]))
            if question["kind"] == "answer" and said is not None:
                with contextlib.suppress(Conflict):  # answered elsewhere meanwhile: no error of the client's (SEP-2663)
                    await asyncio.to_thread(
                        self._room.desk.answer,
                        caller.who,
                        item["item_id"],
                        said,
                        question_id=question["question_id"],
                    )
        for card in item["approvals"]:
            if card["approval_id"] in responses:
                self._room.was_asked(caller, card["approval_id"])
        await self._room.wake()
        return True

    async def cancel(self, context: Context, task_id: str) -> bool:
        found = await self._found(context, task_id)
        if found is None:
            return False
        caller, item = found
        if not documents.is_final(item):
            with contextlib.suppress(Conflict):
                await asyncio.to_thread(self._room.desk.cancel, caller.who, item["item_id"])
            await self._room.wake()
        return True

    async def _found(self, context: Context, task_id: str) -> tuple[Caller, dict[str, Any]] | None:
        """INVARIANT: a task is told to its requester's own programs alone, whatever else they may see."""
        try:
            caller = await self._room.caller(context)
            if not task_id.startswith(PREFIX) or "read" not in caller.scopes:
                return None
            item = await self._room.item(caller, ITEM + task_id.removeprefix(PREFIX))
        except (NotFound, NotEligible):
            return None
        return (caller, item) if item["requester"] == caller.who.principal_id else None

    def _told(self, item: Mapping[str, Any], context: Context) -> Task:
        question = documents.question_of(item)
        document = documents.status(item, self._room.pages(context))
        status = _status(item, has_question=question is not None)
        waits = item["state"] == State.WAITING
        return Task(
            task_id=PREFIX + str(item["item_id"]).removeprefix(ITEM),
            status=status,
            created_at=_moment(item["created_at"]),
            updated_at=_moment(item["finished_at"] or item["started_at"] or item["created_at"]),
            ttl_ms=LIVES_MS,
            poll_ms=POLL_PEOPLE_MS if waits else POLL_MS,
            message=_message(document),
            requests={question["question_id"]: asking.form(question).model_dump(by_alias=True, exclude_none=True)}
            if question is not None
            else {},
            result=answered(document, is_error=item["state"] != State.DONE) if documents.is_final(item) else None,
            error=_error(item) if status is Status.FAILED else None,
        )


def _status(item: Mapping[str, Any], *, has_question: bool) -> Status:
    """An end that is an answer (denied, over budget, failed with a reason) is a result; `failed` is the house's own fault."""
    match State(item["state"]):
        case State.CANCELLED:
            return Status.CANCELLED
        case State.FAILED if _is_ours(item["error"]):
            return Status.FAILED
        case State.DONE | State.FAILED | State.DENIED | State.NEEDS_MODEL | State.OVER_BUDGET:
            return Status.COMPLETED
        case State.WAITING if has_question:
            return Status.INPUT_REQUIRED
    return Status.WORKING


def _is_ours(error: Mapping[str, Any] | None) -> bool:
    """Whether the house, not the request, is why it failed."""
    code = str((error or {}).get("code", ""))
    return code in ("internal", "error") or code.startswith(("model_", "provider_"))


def _message(document: Mapping[str, Any]) -> str:
    """One line of our own words: what it waits for, and where a person decides."""
    lines = [f"{document['item_id']} is {document['state']}"]
    for one in document["pending_approval"]:
        lines.append(f"pending_approval of {one['tool']}, by a person at {one['url'] or one['at_the_terminal']}")
    return "; ".join([*lines, document["next"]])


def _error(item: Mapping[str, Any]) -> dict[str, Any]:
    error = item["error"] or {}
    return {"code": INTERNAL_ERROR, "message": str(error.get("message", "")), "data": {"error": error.get("code")}}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
