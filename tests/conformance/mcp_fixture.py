"""The conformance suite's own tools on the product's server: `python -m tests.conformance.mcp_fixture --port N`.

Builder, HTTP door and tasks extension are the product's. What is here are the names and texts that the scenarios of
@modelcontextprotocol/conformance ask a server under test to have.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import struct
import zlib
from typing import Annotated, Any

import mcp_types as types
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.prompts.base import Message, UserMessage
from mcp.server.mcpserver.tools import Tool
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import TextContent
from pydantic import Field
from starlette.applications import Starlette

from orchestrator.surfaces.http_api.draining import Drain
from orchestrator.surfaces.mcp_server import stack
from tests.conformance.mcp_fixture_asking import add_asking_tools, add_input_required, add_sampling_tools
from tests.conformance.mcp_fixture_tasks import Jobs, said

Here = Context[Any, Any]
RETRY_MS = 500
WATCHED = "test://watched-resource"


def _png() -> bytes:
    """One red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
    )


def _wav() -> bytes:
    """Eight samples of silence."""
    fmt = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
    return (
        b"RIFF"
        + struct.pack("<I", 44)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", 8)
        + b"\x80" * 8
    )


PNG, WAV = base64.b64encode(_png()).decode(), base64.b64encode(_wav()).decode()
IMAGE = types.ImageContent(type="image", data=PNG, mime_type="image/png")
SCHEMA: dict[str, Any] = {  # what the scenario json-schema-2020-12 compares
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def application() -> Starlette:
    """The fixture's server as the product serves it."""
    server = stack.build(
        source=Jobs(), instructions="Fixture of the conformance suite.", tools=[schema_tool()], tells_changes=True
    )
    add_plain_tools(server)
    add_asking_tools(server)
    add_sampling_tools(server)
    add_input_required(server)
    add_tasks_tools(server)
    add_resources(server)
    add_prompts(server)
    add_older_methods(server)
    door = stack.Door(
        server,
        hosts=[],
        origins=lambda request: {f"http://{request.headers.get('host', '').lower()}"},
        drain=Drain(),
        events=Events(),
        retry_ms=RETRY_MS,
    )
    return Starlette(routes=door.routes(), lifespan=door.lifespan)


class Events(EventStore):
    """What streams said, in memory, so that one that was cut can go on."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self._kept.append((stream_id, message))
        return str(len(self._kept))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        number = int(last_event_id) if last_event_id.isdigit() else 0
        if not 0 < number <= len(self._kept):
            return None
        stream = self._kept[number - 1][0]
        for later, (of, message) in enumerate(self._kept[number:], number + 1):
            if of == stream and message is not None:
                await send_callback(EventMessage(message, str(later)))
        return stream


def add_plain_tools(server: MCPServer) -> None:
    """What answers by itself."""

    @server.tool()
    def test_simple_text() -> str:
        """Text."""
        return "This is a simple text response for testing."

    @server.tool(structured_output=False)
    def test_image_content() -> types.CallToolResult:
        """A picture."""
        return types.CallToolResult(content=[IMAGE])

    @server.tool(structured_output=False)
    def test_audio_content() -> types.CallToolResult:
        """A sound."""
        return types.CallToolResult(content=[types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")])

    @server.tool(structured_output=False)
    def test_embedded_resource() -> types.CallToolResult:
        """A resource."""
        return types.CallToolResult(
            content=[_embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]
        )

    @server.tool(structured_output=False)
    def test_multiple_content_types() -> types.CallToolResult:
        """Several."""
        text = TextContent(type="text", text="Multiple content types test:")
        data = json.dumps({"test": "data", "value": 123}, separators=(",", ":"))
        return types.CallToolResult(
            content=[text, IMAGE, _embedded("test://mixed-content-resource", "application/json", data)]
        )

    @server.tool(structured_output=False)
    def test_error_handling() -> types.CallToolResult:
        """Fails."""
        return said("This tool intentionally returns an error for testing", is_error=True)

    @server.tool()
    async def test_tool_with_progress(ctx: Here) -> str:
        """Progress."""
        for progress in (0, 50, 100):
            await ctx.report_progress(progress, 100)
            await asyncio.sleep(0.05)
        return "done"

    @server.tool()
    async def test_tool_with_logging(ctx: Here) -> str:
        """Log messages."""
        for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.info(text)
            await asyncio.sleep(0.05)
        return "done"

    @server.tool()
    async def test_logging_tool(ctx: Here) -> str:
        """Log messages, where the request asks for them."""
        await ctx.info("a line")
        return "done"

    @server.tool()
    async def test_reconnection(ctx: Here) -> str:
        """Cuts its stream, and answers on the next one."""
        await ctx.close_sse_stream()
        await asyncio.sleep(0.2)
        return "Reconnection test completed successfully."

    @server.tool()
    def test_custom_headers(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})], note: str = ""
    ) -> str:
        """An argument that gateways see."""
        return region

    @server.tool()
    async def test_trigger_tool_change(ctx: Here) -> str:
        """Says that the tools have changed."""
        await ctx.notify_tools_changed()
        return "told"

    @server.tool()
    async def test_trigger_prompt_change(ctx: Here) -> str:
        """Says that the prompts have changed."""
        await ctx.notify_prompts_changed()
        return "told"


def _embedded(uri: str, kind: str, text: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(
        type="resource", resource=types.TextResourceContents(uri=uri, mime_type=kind, text=text)
    )


def add_tasks_tools(server: MCPServer) -> None:
    """What the tasks scenarios call. Their work is in `Jobs`; here is what a client without the extension gets."""

    @server.tool()
    def greet(name: str) -> str:
        """Never a task."""
        return f"Hello, {name}!"

    @server.tool()
    async def slow_compute(seconds: float = 0, label: str = "") -> str:
        """Takes its time."""
        await asyncio.sleep(seconds)
        return f"computed in {seconds:g} s"

    def needs_tasks(filename: str = "") -> str:
        """Of use as a task only."""
        return "ask for it as a task"

    for name in ("failing_job", "protocol_error_job", "confirm_delete", "multi_input", "test_tool_with_task"):
        server.add_tool(needs_tasks, name=name)


def schema_tool() -> Tool:
    """A tool whose schema uses everything that JSON Schema 2020-12 has."""

    def json_schema_2020_12_tool(name: str = "") -> str:
        """A schema with everything."""
        return "ok"

    return Tool.from_function(json_schema_2020_12_tool).model_copy(update={"parameters": SCHEMA})


def add_resources(server: MCPServer) -> None:
    @server.resource("test://static-text", name="text", description="Text.", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", name="binary", description="A picture.", mime_type="image/png")
    def static_binary() -> bytes:
        return _png()

    @server.resource(WATCHED, name="watched", description="Something to follow.", mime_type="text/plain")
    def watched() -> str:
        return "Nothing new."

    @server.resource("test://template/{id}/data", name="template", description="By id.", mime_type="application/json")
    def template(id: str) -> str:
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def add_prompts(server: MCPServer) -> None:
    @server.prompt(description="Text.")
    def test_simple_prompt() -> str:
        return "This is a simple prompt for testing."

    @server.prompt(description="Text with arguments.")
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt(description="A resource in it.")
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[Message]:
        resource = _embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
        return [UserMessage(content=resource), UserMessage("Please process the embedded resource above.")]

    @server.prompt(description="A picture in it.")
    def test_prompt_with_image() -> list[Message]:
        return [UserMessage(content=IMAGE), UserMessage("Please analyze the image above.")]

    @server.completion()  # type: ignore[no-untyped-call,untyped-decorator]  # the SDK leaves it untyped
    async def complete(reference: Any, argument: Any, context: Any) -> types.Completion:
        found = [one for one in ("paris", "park", "party") if one.startswith(argument.value)]
        return types.Completion(values=found, total=len(found), has_more=False)


def add_older_methods(server: MCPServer) -> None:
    """What revisions before 2026-07-28 had and the SDK's own server has no decorator for; the product offers none of it."""
    lowlevel = server._lowlevel_server

    async def nothing(ctx: Any, params: Any) -> types.EmptyResult:
        return types.EmptyResult()

    lowlevel.add_request_handler("logging/setLevel", types.SetLevelRequestParams, nothing)
    lowlevel.add_request_handler("resources/subscribe", types.SubscribeRequestParams, nothing)
    lowlevel.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, nothing)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(application(), host="127.0.0.1", port=parser.parse_args().port, log_level="warning")
