"""The tasks extension `io.modelcontextprotocol/tasks` of MCP 2026-07-28 (SEP-2663), over any source of tasks.

The server decides which calls become tasks, and only for clients that declare the extension. Tasks live in the source, never here:
a server that starts anew, or another one, goes on telling of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, CallToolResult, RequestParams
from mcp_types.jsonrpc import HEADER_MISMATCH
from pydantic import Field

IDENTIFIER = "io.modelcontextprotocol/tasks"
VERSIONS = frozenset({"2026-07-28"})
NAME_HEADER = "mcp-name"
Context = ServerRequestContext[Any, Any]


class Status(StrEnum):
    WORKING = "working"
    INPUT_REQUIRED = "input_required"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as it is now. requests: key → what the client is asked, while input is required. A tool's own error is a result."""

    task_id: str
    status: Status
    created_at: datetime
    updated_at: datetime
    ttl_ms: int
    poll_ms: int
    message: str = ""
    requests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    result: CallToolResult | None = None
    error: Mapping[str, Any] | None = None

    def brief(self) -> dict[str, Any]:
        """What a client is told when the task begins."""
        told: dict[str, Any] = {
            "taskId": self.task_id,
            "status": self.status.value,
            "createdAt": _instant(self.created_at),
            "lastUpdatedAt": _instant(self.updated_at),
            "ttlMs": self.ttl_ms,
            "pollIntervalMs": self.poll_ms,
        }
        return told | ({"statusMessage": self.message} if self.message else {})

    def whole(self) -> dict[str, Any]:
        """What a client is told when it asks."""
        match self.status:
            case Status.INPUT_REQUIRED:
                return {**self.brief(), "inputRequests": {key: dict(one) for key, one in self.requests.items()}}
            case Status.COMPLETED if self.result is not None:
                result = self.result.model_dump(by_alias=True, exclude_none=True, mode="json")
                return {**self.brief(), "result": {"resultType": "complete", **result}}
            case Status.FAILED:
                return {**self.brief(), "error": dict(self.error or {})}
        return self.brief()


class Source(Protocol):
    """Where tasks come from. Each verb knows the caller by the context, and tells of nobody else's tasks."""

    @property
    def required(self) -> Collection[str]:
        """Tools that only clients with the extension may call."""

    async def begin(self, context: Context, params: CallToolRequestParams) -> Task | HandlerResult:
        """The task that this call became, kept durably; or its answer at once; None where it is an ordinary call."""

    async def task(self, context: Context, task_id: str) -> Task | None:
        """None for a task that there is not, or that is somebody else's."""

    async def answer(self, context: Context, task_id: str, responses: Mapping[str, Any]) -> bool:
        """Takes what the client was asked, as far as it was; False as `task`."""

    async def cancel(self, context: Context, task_id: str) -> bool:
        """Ends it where it has not ended; False as `task`."""


class TaskRef(RequestParams):
    task_id: str = Field(alias="taskId", max_length=200)


class TaskUpdate(TaskRef):
    input_responses: dict[str, Any] = Field(default_factory=dict, alias="inputResponses")


class Tasks(Extension):
    """The extension over one source."""

    identifier = IDENTIFIER

    def __init__(self, source: Source) -> None:
        self._source = source

    def methods(self) -> Sequence[MethodBinding]:
        return (
            MethodBinding("tasks/get", TaskRef, self.get, protocol_versions=VERSIONS),
            MethodBinding("tasks/update", TaskUpdate, self.update, protocol_versions=VERSIONS),
            MethodBinding("tasks/cancel", TaskRef, self.cancel, protocol_versions=VERSIONS),
        )

    async def get(self, context: Context, params: TaskRef) -> HandlerResult:
        _is_about(context, params)
        found = await self._source.task(context, params.task_id)
        if found is None:
            raise _unknown()
        return {"resultType": "complete", **found.whole()}

    async def update(self, context: Context, params: TaskUpdate) -> HandlerResult:
        _is_about(context, params)
        if not await self._source.answer(context, params.task_id, params.input_responses):
            raise _unknown()
        return {"resultType": "complete"}

    async def cancel(self, context: Context, params: TaskRef) -> HandlerResult:
        _is_about(context, params)
        if not await self._source.cancel(context, params.task_id):
            raise _unknown()
        return {"resultType": "complete"}

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Context, call_next: CallNext
    ) -> HandlerResult:
        if not _speaks_tasks(ctx):
            if params.name in self._source.required:
                require_client_extension(ctx, IDENTIFIER)
            return await call_next(ctx)
        begun = await self._source.begin(ctx, params)
        if isinstance(begun, Task):
            return {"resultType": "task", **begun.brief()}
        return await call_next(ctx) if begun is None else begun


def _speaks_tasks(context: Context) -> bool:
    declared = context.session.client_capabilities
    return context.protocol_version in VERSIONS and IDENTIFIER in ((declared and declared.extensions) or {})


def _is_about(context: Context, params: TaskRef) -> None:
    """The header that gateways route by names the same task (SEP-2663, SEP-2243)."""
    require_client_extension(context, IDENTIFIER)
    if context.request is not None and context.request.headers.get(NAME_HEADER) != params.task_id:
        raise MCPError(code=HEADER_MISMATCH, message="Mcp-Name must equal params.taskId")


def _unknown() -> MCPError:
    return MCPError(code=INVALID_PARAMS, message="there is no such task")


def _instant(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")
