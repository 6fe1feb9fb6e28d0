"""The tools of the suite's tasks scenarios: short jobs in memory as another source of tasks for the product's extension."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mcp.server.context import HandlerResult
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    TextContent,
)

from orchestrator.surfaces.mcp_server.tasks import Context, Status, Task

LIVES_MS, POLL_MS = 300_000, 200


def question(message: str, name: str, kind: str) -> ElicitRequest:
    """A form of one required field."""
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def said(text: str, *, is_error: bool = False) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=is_error)


@dataclass(slots=True)
class Job:
    """One task under way. `pending`: what the client still has to answer."""

    task_id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: Status = Status.WORKING
    pending: dict[str, ElicitRequest] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    result: CallToolResult | None = None
    work: asyncio.Task[None] | None = None

    def become(self, status: Status) -> None:
        self.status, self.updated_at = status, datetime.now(UTC)

    async def ask(self, *requests: ElicitRequest) -> dict[str, Any]:
        self.pending = {secrets.token_hex(4): one for one in requests}
        self.become(Status.INPUT_REQUIRED)
        await self.answered.wait()
        self.become(Status.WORKING)
        return self.answers

    def told(self) -> Task:
        requests = {k: one.model_dump(by_alias=True, exclude_none=True, mode="json") for k, one in self.pending.items()}
        return Task(
            task_id=self.task_id,
            status=self.status,
            created_at=self.created_at,
            updated_at=self.updated_at,
            ttl_ms=LIVES_MS,
            poll_ms=POLL_MS,
            requests=requests,
            result=self.result,
            error={"code": -32603, "message": "internal error"} if self.status is Status.FAILED else None,
        )


Work = Callable[[Job, Mapping[str, Any]], Awaitable[CallToolResult]]


async def _compute(job: Job, arguments: Mapping[str, Any]) -> CallToolResult:
    seconds = float(arguments.get("seconds", 0))
    await asyncio.sleep(seconds)
    return said(f"computed in {seconds:g} s")


async def _fail(job: Job, arguments: Mapping[str, Any]) -> CallToolResult:
    await asyncio.sleep(0.5)
    return said("the job failed", is_error=True)


async def _break(job: Job, arguments: Mapping[str, Any]) -> CallToolResult:
    await asyncio.sleep(0.1)
    raise LookupError("broken on purpose")


async def _confirm(job: Job, arguments: Mapping[str, Any]) -> CallToolResult:
    return said(f"answered: {await job.ask(question('Delete it?', 'confirm', 'boolean'))}")


async def _ask_two(job: Job, arguments: Mapping[str, Any]) -> CallToolResult:
    return said(f"answered: {await job.ask(question('Name?', 'name', 'string'), question('Age?', 'age', 'integer'))}")


async def _greet(job: Job, arguments: Mapping[str, Any]) -> CallToolResult:
    await asyncio.sleep(0.1)
    return said(f"Hello, {arguments['user_name']}!")


JOBS: Mapping[str, Work] = {
    "slow_compute": _compute,
    "failing_job": _fail,
    "protocol_error_job": _break,
    "confirm_delete": _confirm,
    "multi_input": _ask_two,
    "test_tool_with_task": _greet,
}


class Jobs:
    """The source: of every caller, and gone with the process."""

    required: Collection[str] = ("failing_job", "test_tool_with_task")

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    async def begin(self, context: Context, params: CallToolRequestParams) -> Task | HandlerResult:
        work = JOBS.get(params.name)
        if work is None:
            return None
        arguments = dict(params.arguments or {})
        if params.name == "test_tool_with_task":  # asks first, and becomes a task with the answer
            response = (params.input_responses or {}).get("user_name")
            if response is None:
                return InputRequiredResult(input_requests={"user_name": question("Your name?", "name", "string")})
            arguments["user_name"] = content_of(response).get("name")
        job = Job()
        self._jobs[job.task_id] = job
        job.work = asyncio.create_task(self._run(job, work, arguments))
        return job.told()

    async def task(self, context: Context, task_id: str) -> Task | None:
        job = self._jobs.get(task_id)
        return None if job is None else job.told()

    async def answer(self, context: Context, task_id: str, responses: Mapping[str, Any]) -> bool:
        job = self._jobs.get(task_id)
        if job is None:
            return False
        for key in [key for key in responses if key in job.pending]:
            del job.pending[key]
            job.answers[key] = responses[key]
        if not job.pending:
            job.answered.set()
        return True

    async def cancel(self, context: Context, task_id: str) -> bool:
        job = self._jobs.get(task_id)
        if job is None:
            return False
        if job.status in (Status.WORKING, Status.INPUT_REQUIRED) and job.work is not None:
            job.work.cancel()
            job.become(Status.CANCELLED)
        return True

    async def _run(self, job: Job, work: Work, arguments: Mapping[str, Any]) -> None:
        try:
            job.result = await work(job, arguments)
            job.become(Status.COMPLETED)
        except LookupError:
            job.become(Status.FAILED)


def content_of(response: Any) -> Mapping[str, Any]:
    """What a form was filled in with; nothing where it was not."""
    found = response if isinstance(response, Mapping) else response.model_dump(by_alias=True)
    content = found.get("content")
    return content if isinstance(content, Mapping) else {}
