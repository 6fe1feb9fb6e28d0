"""The fixture's tools that ask the client: on an open stream as up to 2025-11-25, and by input-required results as in 2026-07-28."""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import InputRequiredResult, TextContent

from tests.conformance.mcp_fixture_tasks import content_of, question, said

Here = Context[Any, Any]
Answer = types.CallToolResult | InputRequiredResult
DEFAULTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
    "required": [],
}
ENUMS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {
            "type": "string",
            "oneOf": [
                {"const": f"value{n}", "title": f"{word} Option"}
                for n, word in enumerate(("First", "Second", "Third"), 1)
            ],
        },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"const": f"value{n}", "title": f"{word} Choice"}
                    for n, word in enumerate(("First", "Second", "Third"), 1)
                ]
            },
        },
    },
    "required": [],
}


ACCOUNT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    },
    "required": ["username", "email"],
}
NAME = question("What is your name?", "name", "string")
ROOTS = types.ListRootsRequest()


def sampling(text: str, most: int) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=most))


def add_asking_tools(server: MCPServer) -> None:
    """Elicitation on an open stream."""

    async def ask(ctx: Here, message: str, schema: dict[str, Any]) -> types.ElicitResult:
        capabilities = ctx.client_capabilities
        if capabilities is None or capabilities.elicitation is None:
            raise ToolError("this client takes no elicitation")
        found: types.ElicitResult = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
        return found

    @server.tool()
    async def test_elicitation(message: str, ctx: Here) -> str:
        """Asks for an account."""
        found = await ask(ctx, message, ACCOUNT)
        return f"User response: action: {found.action}, content: {json.dumps(found.content)}"

    @server.tool()
    async def test_elicitation_sep1034_defaults(ctx: Here) -> str:
        """Asks with defaults."""
        found = await ask(ctx, "Please review", DEFAULTS)
        return f"Elicitation completed: action={found.action}, content={json.dumps(found.content)}"

    @server.tool()
    async def test_elicitation_sep1330_enums(ctx: Here) -> str:
        """Asks with choices of every kind."""
        found = await ask(ctx, "Please choose", ENUMS)
        return f"Elicitation completed: action={found.action}, content={json.dumps(found.content)}"

    @server.tool(structured_output=False)
    async def test_streaming_elicitation(ctx: Here) -> types.CallToolResult | InputRequiredResult:
        """Asks by its result, while its stream carries notifications alone."""
        if "user_name" in (ctx.input_responses or {}):
            return said("thank you")
        await ctx.report_progress(1, 2)
        return InputRequiredResult(input_requests={"user_name": NAME})


def add_sampling_tools(server: MCPServer) -> None:
    """What asks for the client's model."""

    @server.tool()
    async def test_sampling(prompt: str, ctx: Here) -> str:
        """Asks the client's model on an open stream."""
        capabilities = ctx.client_capabilities
        if capabilities is None or capabilities.sampling is None:
            raise ToolError("this client has no model to ask")
        found = await ctx.session.send_request(sampling(prompt, 100), types.CreateMessageResult)
        return f"LLM response: {found.content.text if isinstance(found.content, TextContent) else found.content}"

    @server.tool()
    async def test_missing_capability(ctx: Here) -> str:
        """Refuses a client that has no model to ask."""
        capabilities = ctx.client_capabilities
        if capabilities is None or capabilities.sampling is None:
            raise MCPError(code=-32021, message="needs sampling", data={"requiredCapabilities": {"sampling": {}}})
        return "ok"


def add_input_required(server: MCPServer) -> None:
    """Results that are questions (SEP-2322). What they keep between rounds is sealed by the product's builder."""

    def answers(ctx: Here) -> dict[str, Any]:
        return dict(ctx.input_responses or {})

    @server.tool(structured_output=False)
    async def test_input_required_result_elicitation(ctx: Here) -> Answer:
        """Asks for a name."""
        name = content_of(answers(ctx)["user_name"]).get("name") if "user_name" in answers(ctx) else None
        return said(f"Hello, {name}!") if name else InputRequiredResult(input_requests={"user_name": NAME})

    @server.tool(structured_output=False)
    async def test_input_required_result_sampling(ctx: Here) -> Answer:
        """Asks the client's model."""
        if "capital_question" in answers(ctx):
            return said(f"The model said: {answers(ctx)['capital_question']}")
        return InputRequiredResult(input_requests={"capital_question": sampling("What is the capital of France?", 100)})

    @server.tool(structured_output=False)
    async def test_input_required_result_list_roots(ctx: Here) -> Answer:
        """Asks for the roots."""
        if "client_roots" in answers(ctx):
            return said(f"The roots are: {answers(ctx)['client_roots']}")
        return InputRequiredResult(input_requests={"client_roots": ROOTS})

    @server.tool(structured_output=False)
    async def test_input_required_result_request_state(ctx: Here) -> Answer:
        """Keeps something between two rounds."""
        if "confirm" in answers(ctx) and ctx.request_state == "kept":
            return said("state-ok")
        confirm = question("Please confirm", "ok", "boolean")
        return InputRequiredResult(input_requests={"confirm": confirm}, request_state="kept")

    @server.tool(structured_output=False)
    async def test_input_required_result_tampered_state(ctx: Here) -> Answer:
        """Keeps something that nobody else may write."""
        if ctx.request_state == "kept":
            return said("state-ok")
        confirm = question("Please confirm", "ok", "boolean")
        return InputRequiredResult(input_requests={"confirm": confirm}, request_state="kept")

    @server.tool(structured_output=False)
    async def test_input_required_result_multiple_inputs(ctx: Here) -> Answer:
        """Asks three things at once."""
        asked: dict[str, Any] = {
            "user_name": NAME,
            "greeting": sampling("Generate a greeting", 50),
            "client_roots": ROOTS,
        }
        if asked.keys() <= answers(ctx).keys():
            return said("All three are there.")
        return InputRequiredResult(input_requests=asked, request_state="kept")

    @server.tool(structured_output=False)
    async def test_input_required_result_multi_round(ctx: Here) -> Answer:
        """Asks one thing after another."""
        if ctx.request_state == "second" and "step2" in answers(ctx):
            return said("Both are there.")
        if ctx.request_state == "first" and "step1" in answers(ctx):
            color = question("Step 2: What is your favorite color?", "color", "string")
            return InputRequiredResult(input_requests={"step2": color}, request_state="second")
        name = question("Step 1: What is your name?", "name", "string")
        return InputRequiredResult(input_requests={"step1": name}, request_state="first")

    @server.tool(structured_output=False)
    async def test_input_required_result_capabilities(ctx: Here) -> Answer:
        """Asks what the client can be asked."""
        capabilities = ctx.client_capabilities or types.ClientCapabilities()
        wanted: dict[str, Any] = {}
        if capabilities.elicitation is not None:
            wanted["user_name"] = NAME
        if capabilities.sampling is not None:
            wanted["greeting"] = sampling("Generate a greeting", 50)
        missing = {key: one for key, one in wanted.items() if key not in answers(ctx)}
        return InputRequiredResult(input_requests=missing) if missing else said("Nothing to ask.")

    @server.prompt(description="Asks before it is written.")
    async def test_input_required_result_prompt(ctx: Here) -> str | InputRequiredResult:
        if "user_context" in answers(ctx):
            return f"The context is: {content_of(answers(ctx)['user_context']).get('context')}"
        asked = question("What context should the prompt use?", "context", "string")
        return InputRequiredResult(input_requests={"user_context": asked})
