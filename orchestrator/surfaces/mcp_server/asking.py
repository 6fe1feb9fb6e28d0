"""Asking the user by way of the client that declares it can: questions as forms, approvals never; for those the address of the desk's page.

On 2026-07-28 the answer to the call is the question, and the client calls again; before, it is a request of ours on the open stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from mcp.server.mcpserver import Context
from mcp_types import (
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from orchestrator.errors import DeputyError
from orchestrator.surfaces.mcp_server import documents
from orchestrator.surfaces.mcp_server.callers import Caller
from orchestrator.surfaces.mcp_server.room import Room

PATIENCE_S = 300.0  # for an answer on an open stream
MOST_CHOICES = 50
FIELD = "answer"


def form(question: Mapping[str, Any]) -> ElicitRequest:
    """The open question as a form of one field."""
    field: dict[str, Any] = {"type": "string", "title": "Answer"}
    if 0 < len(question["choices"]) <= MOST_CHOICES:
        field["enum"] = list(dict.fromkeys(question["choices"]))
    schema = {"type": "object", "properties": {FIELD: field}, "required": [FIELD]}
    return ElicitRequest(params=ElicitRequestFormParams(message=question["text"], requested_schema=schema))


def page(card: Mapping[str, Any]) -> ElicitRequest:
    """The way to the page on which a person decides. Going there decides nothing."""
    return ElicitRequest(
        params=ElicitRequestURLParams(
            message=f"Deputy waits for your decision about {card['tool'] or 'an action'}. Open the desk to see and decide it.",
            url=card["url"],
            elicitation_id=card["approval_id"],
        )
    )


def answer_in(response: Any) -> str | None:
    """What the user answered; None where they declined, or sent nothing that is an answer."""
    found = response if isinstance(response, Mapping) else response.model_dump(by_alias=True) if response else {}
    content = found.get("content")
    value = content.get(FIELD) if found.get("action") == "accept" and isinstance(content, Mapping) else None
    return value.strip() if isinstance(value, str) and value.strip() else None


async def ask(
    room: Room, caller: Caller, item: Mapping[str, Any], context: Context[Any, Any]
) -> InputRequiredResult | bool:
    """What the client has to ask before the call is answered; else whether an answer came, so that the item is another one now."""
    question = documents.question_of(item)
    responses = context.input_responses or {}
    if question is not None and question["question_id"] in responses:
        return await _take(room, caller, item, question, responses[question["question_id"]])
    capability = context.client_capabilities.elicitation if context.client_capabilities else None
    wanted = _wanted(room, caller, item, question, capability, room.pages(context.request_context))
    if not wanted or "submit" not in caller.scopes:
        return False
    if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return InputRequiredResult(input_requests=dict(wanted))
    if not context.session.can_send_request:
        return False
    for key, request in wanted.items():
        try:
            async with asyncio.timeout(PATIENCE_S):
                response = await context.session.send_request(request, ElicitResult)
        except TimeoutError:
            return False
        if question is not None and key == question["question_id"]:
            return await _take(room, caller, item, question, response)
    return False


def _wanted(
    room: Room,
    caller: Caller,
    item: Mapping[str, Any],
    question: Mapping[str, Any] | None,
    capability: ElicitationCapability | None,
    desk_url: str | None,
) -> dict[str, ElicitRequest]:
    """Each at most once: who declined, or went to the page, is not asked at every look."""
    if capability is None:
        return {}
    forms = capability.form is not None or capability.url is None  # {} means forms, as before there were two kinds
    if question is not None:
        key = question["question_id"]
        return {key: form(question)} if forms and not room.was_asked(caller, f"{item['item_id']} {key}") else {}
    if capability.url is None or desk_url is None:
        return {}
    cards = documents.pending(item, desk_url)
    return {one["approval_id"]: page(one) for one in cards if not room.was_asked(caller, one["approval_id"])}


async def _take(
    room: Room, caller: Caller, item: Mapping[str, Any], question: Mapping[str, Any], response: Any
) -> bool:
    said = answer_in(response)
    if said is None:
        return False
    try:
        await asyncio.to_thread(
            room.desk.answer, caller.who, item["item_id"], said, question_id=question["question_id"]
        )
    except DeputyError:
        return False  # answered elsewhere meanwhile, or no choice of it: the status says what is open
    await room.wake()
    return True
