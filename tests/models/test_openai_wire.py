"""The thin client against a real server on loopback: what goes over the wire, what comes back, and every way it can go wrong."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agents.models.openai_wire import MOST_REPLY_BYTES
from orchestrator.agents.models.protocol import ModelError, ModelReply, ToolAsk, Usage
from orchestrator.agents.models.registry import Models
from tests.models.peer import (
    TOOLS,
    USAGE,
    USER,
    Peer,
    Step,
    ask,
    delta,
    fails,
    gives,
    hangs_up,
    models,
    never_answers,
    peer,
    request,
    says,
    streams,
)

CALL = {"name": "mail_search", "arguments": '{"q": "caf\u00e9"}'}


def run(tmp_path: Path, *script: Step, **more: Any) -> tuple[ModelReply, Peer]:
    """One reply, and the server as it was left."""

    async def story() -> tuple[ModelReply, Peer]:
        async with peer(*script) as server:
            return await ask(server.url, tmp_path, **more), server

    return asyncio.run(story())


def run_to_error(tmp_path: Path, *script: Step, **more: Any) -> tuple[ModelError, Peer]:
    """The error instead of a reply, and the server as it was left."""

    async def story() -> tuple[ModelError, Peer]:
        async with peer(*script) as server:
            with pytest.raises(ModelError) as caught:
                await ask(server.url, tmp_path, **more)
            return caught.value, server

    return asyncio.run(story())


# ---- what is sent ----------------------------------------------------------------------------------------------------
def test_messages_and_tools_go_out_byte_for_byte(tmp_path: Path) -> None:
    """The body is the encoded messages joined by commas, spaces and escapes as the caller chose them."""
    odd = b'{ "role" : "user" ,"content":"\\u00e9\\n" }'

    _, server = run(tmp_path, says(), asked=request(messages=[USER, odd], tools=TOOLS))

    assert b'"messages":[' + USER + b"," + odd + b"]" in server.bodies[0]
    assert b'"tools":' + TOOLS + b"}" in server.bodies[0]


def test_a_body_past_a_megabyte_is_sent_whole(tmp_path: Path) -> None:
    """aiohttp's limit for bodies in one piece is no limit of ours, and no warning is given."""
    long = json.dumps({"role": "user", "content": "x" * 2_000_000}).encode()

    reply, server = run(tmp_path, says(), asked=request(messages=[long]))

    assert len(server.bodies[0]) == reply.sent_bytes > 2_000_000


def test_parameters_are_those_of_the_profile(tmp_path: Path) -> None:
    """A model that takes everything gets temperature 0, a seed, the limit and the strict schema, under its own name."""
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}

    reply, server = run(tmp_path, says(), asked=request(schema=schema, max_tokens=77))

    sent = server.requests[0]
    assert {key: sent[key] for key in sent if key not in ("messages", "response_format")} == {
        "model": "gpt-4o",
        "temperature": 0,
        "seed": 7,
        "max_tokens": 77,
    }
    assert sent["response_format"]["json_schema"] == {"name": "reply", "strict": True, "schema": schema}
    assert reply.dropped == ("price_unknown",)


def test_what_the_profile_does_not_take_is_left_out_and_named(tmp_path: Path) -> None:
    """A reasoning model gets no temperature, and its own word for the limit."""
    reply, server = run(tmp_path, says(), model="openai:o3-mini")

    assert "temperature" not in server.requests[0] and "max_tokens" not in server.requests[0]
    assert server.requests[0]["max_completion_tokens"] == 4096
    assert {"temperature", "seed"} <= set(reply.dropped)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", None),  # what a model does anyway is not said
        ("none", "none"),  # listed, not callable
        ("required", "required"),  # any of them
        ("mail_search", {"type": "function", "function": {"name": "mail_search"}}),  # this one
    ],
)
def test_the_choice_of_tools_is_openais(tmp_path: Path, choice: str, sent: object) -> None:
    """The four kinds of choice have OpenAI's form on the wire."""
    _, server = run(tmp_path, says(), asked=request(tools=TOOLS, tool_choice=choice))

    assert server.requests[0].get("tool_choice") == sent


def test_calls_of_a_model_told_not_to_call_are_not_returned(tmp_path: Path) -> None:
    """With choice none there are no calls in the reply, whatever the endpoint sends."""
    reply, _ = run(tmp_path, says("plan", [CALL]), asked=request(tools=TOOLS, tool_choice="none"))

    assert (reply.text, reply.calls, reply.finish) == ("plan", (), "stop")
    assert "tool_choice" in reply.dropped


def test_nothing_of_deputy_rides_along(tmp_path: Path) -> None:
    """Headers are the key, the content type, the agent's name and what HTTP needs."""
    _, server = run(tmp_path, says(), model_api_key="sk-test")

    headers = {name.lower(): value for name, value in server.headers[0].items()}
    assert set(headers) == {
        "host",
        "authorization",
        "content-type",
        "user-agent",
        "accept",
        "accept-encoding",
        "content-length",
    }
    assert headers["authorization"] == "Bearer sk-test"
    assert headers["user-agent"] == "deputy"


def test_credentials_in_the_address_are_the_ones_sent(tmp_path: Path) -> None:
    """A gateway behind basic authentication gets that, and no key beside it."""

    async def story() -> str:
        async with peer(says()) as server:
            await ask(server.url.replace("://", "://me:hush@"), tmp_path, model_api_key="sk-test")
            return server.headers[0]["Authorization"]

    assert asyncio.run(story()) == "Basic bWU6aHVzaA=="


def test_connections_are_used_again(tmp_path: Path) -> None:
    """Ten replies one after another, streamed or not, open one connection."""

    async def story() -> int:
        ports: set[object] = set()

        async def noting(incoming: Any) -> Any:
            ports.add(incoming.transport.get_extra_info("peername"))
            step = streams(delta("a"), delta(finish="stop")) if b'"stream":true' in await incoming.read() else says()
            return await step(incoming)

        async with peer(noting) as server:
            built = models(tmp_path, server.url)
            model = built.role("task")
            for at in range(10):
                await model.reply(request(), on_text=(lambda text: None) if at % 2 else None)
            await built.aclose()
        return len(ports)

    assert asyncio.run(story()) == 1


# ---- what comes back -------------------------------------------------------------------------------------------------
def test_a_reply_holds_text_calls_and_usage(tmp_path: Path) -> None:
    """Text, raw arguments, the reason of the end, tokens with their cached part, and the model's own name."""
    reply, server = run(
        tmp_path, says(None, [CALL, {"name": "x", "arguments": "{not json"}]), asked=request(tools=TOOLS)
    )

    assert reply.calls == (
        ToolAsk(id="call_0", name="mail_search", arguments='{"q": "caf\u00e9"}'),
        ToolAsk(id="call_1", name="x", arguments="{not json"),
    )
    assert (reply.text, reply.finish, reply.model) == ("", "tool_calls", "served-model")
    assert reply.usage == Usage(input_tokens=100, output_tokens=10, cached_tokens=40)
    assert (reply.retries, reply.sent_bytes) == (0, len(server.bodies[0]))


def test_missing_usage_is_estimated(tmp_path: Path) -> None:
    """Without counted tokens, a third of the bytes, marked as an estimate."""
    reply, server = run(tmp_path, says("four", usage=None))

    assert reply.usage == Usage(input_tokens=-(-len(server.bodies[0]) // 3), output_tokens=2, is_estimated=True)


@pytest.mark.parametrize(
    ("message", "finish", "expected"),
    [
        ({"content": "cut"}, "length", ("cut", "length")),  # out of room
        ({"content": None}, "content_filter", ("", "content_filter")),  # filtered
        ({"content": None, "refusal": "I will not"}, "stop", ("I will not", "content_filter")),  # refused in words
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "stop", ("ab", "stop")),  # parts
        ({"content": "x"}, None, ("x", "stop")),  # a server that gives no reason
    ],
)
def test_ends_have_four_words(tmp_path: Path, message: Any, finish: Any, expected: tuple[str, str]) -> None:
    """Whatever the vendor calls it, a reply ends by stop, tool_calls, length or content_filter."""
    body = {"choices": [{"message": message, "finish_reason": finish}]}

    reply, _ = run(tmp_path, gives(json.dumps(body).encode()))

    assert (reply.text, reply.finish) == expected


def test_arguments_sent_as_an_object_become_text(tmp_path: Path) -> None:
    """Servers that send arguments unencoded are understood."""
    reply, _ = run(tmp_path, says(None, [{"name": "f", "arguments": {"a": 1}}]), asked=request(tools=TOOLS))

    assert json.loads(reply.calls[0].arguments) == {"a": 1}


def test_a_stream_adds_up_to_the_same_reply(tmp_path: Path) -> None:
    """Text is heard as it comes; calls in pieces, interleaved, are put together; usage is the last chunk's."""
    heard: list[str] = []
    first = {"index": 0, "id": "a", "function": {"name": "one", "arguments": ""}}
    second = {"index": 1, "id": "b", "function": {"name": "two", "arguments": '{"y":'}}
    step = streams(
        delta(""),
        delta("Hel"),
        delta("lo"),
        delta(calls=[first]),
        delta(calls=[second]),
        delta(calls=[{"index": 0, "function": {"arguments": "{}"}}]),
        delta(calls=[{"index": 1, "function": {"arguments": "2}"}}]),
        delta(finish="tool_calls"),
        USAGE,
    )

    reply, server = run(tmp_path, step, asked=request(tools=TOOLS), on_text=heard.append)

    assert heard == ["Hel", "lo"]
    assert reply.text == "Hello"
    assert [(call.id, call.name, call.arguments) for call in reply.calls] == [
        ("a", "one", "{}"),
        ("b", "two", '{"y":2}'),
    ]
    assert reply.usage == Usage(input_tokens=100, output_tokens=10)
    assert server.requests[0]["stream_options"] == {"include_usage": True}


def test_calls_with_one_index_and_ids_of_their_own_stay_apart(tmp_path: Path) -> None:
    """Some servers number every call 0."""
    pieces = [{"index": 0, "id": name, "function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]
    step = streams(*(delta(calls=[piece]) for piece in pieces), delta(finish="tool_calls"))

    reply, _ = run(tmp_path, step, asked=request(tools=TOOLS), model_stream=True)

    assert [call.name for call in reply.calls] == ["a", "b"]


def test_comments_crlf_and_a_missing_done_are_understood(tmp_path: Path) -> None:
    """Keep-alive comments, CRLF line ends and a stream that ends after its finish without [DONE]."""
    raw = b": keep-alive\r\n\r\ndata: " + json.dumps(delta("hi", "stop")).encode() + b"\r\n\r\n"

    reply, _ = run(tmp_path, streams(raw=raw, done=False), model_stream=True)

    assert reply.text == "hi"


def test_a_stream_is_followed_when_none_was_asked_for(tmp_path: Path) -> None:
    """The content type says what comes, not the request; the other way round too."""
    streamed, _ = run(tmp_path, streams(delta("a"), delta(finish="stop")))
    whole, _ = run(tmp_path, says("b"), model_stream=True)

    assert (streamed.text, whole.text) == ("a", "b")


# ---- what goes wrong -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(fails(500), id="500"),
        pytest.param(fails(502), id="502"),
        pytest.param(fails(503), id="503"),
        pytest.param(fails(408), id="408"),
        pytest.param(fails(409), id="409"),
        pytest.param(fails(425), id="425"),
        pytest.param(fails(429), id="429"),
        pytest.param(hangs_up, id="disconnect"),
        pytest.param(gives(b'{"choices": [{"mess'), id="cut JSON"),
        pytest.param(gives(b"\xff\xfe\x00garbage"), id="no text"),
        pytest.param(gives(b"[]"), id="no object"),
        pytest.param(gives(b'{"choices": []}'), id="no choices"),
        pytest.param(gives(b'{"choices": [null]}'), id="null choice"),
        pytest.param(gives(b'{"choices": [{"message": {"tool_calls": [{}]}}]}'), id="empty call"),
        pytest.param(gives(b'{"error": {"message": "overloaded", "type": "overloaded"}}'), id="error in a 200"),
        pytest.param(gives(b"no gzip", Content_Encoding="gzip"), id="not packed as it says"),
        pytest.param(gives(b"[" * 100_000), id="nested without end"),
        pytest.param(gives(b"", content_type="text/html"), id="nothing"),
        pytest.param(streams(delta("half"), cut=True), id="stream cut"),
        pytest.param(streams(delta("half"), done=False), id="stream without finish"),
        pytest.param(streams(delta("half"), done=True), id="done without finish"),
        pytest.param(streams(raw=b"data: {broken\n\n"), id="malformed event"),
        pytest.param(streams({"error": {"message": "x", "type": "server_error"}}), id="error event"),
        pytest.param(streams({"choices": [7]}), id="odd chunk"),
    ],
)
def test_passing_faults_are_tried_again(tmp_path: Path, broken: Step) -> None:
    """One faulty answer costs a retry and nothing else; nothing of it is in the reply."""
    reply, server = run(tmp_path, broken, says("whole"), asked=request())

    assert (reply.text, reply.retries, len(server.bodies)) == ("whole", 1, 2)
    assert server.bodies[0] == server.bodies[1]


def test_text_of_a_cut_stream_is_taken_back(tmp_path: Path) -> None:
    """Who listens is told by an empty text that what was heard so far is void."""
    heard: list[str] = []

    reply, _ = run(
        tmp_path, streams(delta("half"), cut=True), streams(delta("whole"), delta(finish="stop")), on_text=heard.append
    )

    assert heard == ["half", "", "whole"]
    assert reply.text == "whole"


def test_silence_inside_a_stream_is_a_passing_fault(tmp_path: Path) -> None:
    """A stream that stops talking is left after the idle time."""
    reply, server = run(
        tmp_path, streams(delta("half"), silent=True), says("whole"), model_stream=True, model_idle_s=0.1
    )

    assert (reply.text, reply.retries, len(server.bodies)) == ("whole", 1, 2)


def test_a_reply_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    """Past the limit reading stops, with or without an announced length, packed or not."""
    huge = b" " * (MOST_REPLY_BYTES + 1)
    packed = gives(gzip.compress(huge), Content_Encoding="gzip")

    for step in (gives(huge), packed, streams(raw=b"data: " + huge)):
        error, _ = run_to_error(tmp_path, step, model_retries=0)
        assert error.code == "model_malformed"


def test_a_server_that_never_answers_costs_the_caller_his_time_and_no_more(tmp_path: Path) -> None:
    """timeout_s bounds the whole reply, retries included."""
    error, server = run_to_error(tmp_path, hangs_up, never_answers, asked=request(timeout_s=0.3))

    assert (error.code, error.is_transient, len(server.bodies)) == ("model_unreachable", True, 2)
    assert "within 0.3 s" in error.message and "hung up" in error.message


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    """A port nobody listens on is a passing fault until the retries are used up."""

    async def story() -> ModelError:
        async with peer(says()) as server:
            gone = server.url
        with pytest.raises(ModelError) as caught:
            await ask(gone, tmp_path, model_retries=1)
        return caught.value

    error = asyncio.run(story())

    assert (error.code, error.is_transient) == ("model_unreachable", True)


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (fails(401, "Incorrect API key provided: sk-abcdefghijkl"), "model_auth"),
        (fails(403), "model_auth"),
        (fails(404, "no such model"), "model_refused"),
        (fails(400, "bad"), "model_refused"),
        (fails(429, "You exceeded your current quota", code="insufficient_quota"), "model_rate_limited"),
        (gives(b"", 307, Location="http://127.0.0.1:1/v1/chat/completions"), "model_refused"),  # never followed
        (fails(400, "long", code="context_length_exceeded"), "context_too_long"),  # OpenAI
        (fails(400, "This model's maximum context length is 8192 tokens. However, you requested"), "context_too_long"),
        (fails(400, "prompt is too long: 210000 tokens > 200000 maximum"), "context_too_long"),  # Anthropic
        (
            fails(400, "the request exceeds the available context size. try increasing the context size"),
            "context_too_long",
        ),
        (
            fails(400, "The input token count (1200000) exceeds the maximum number of tokens allowed"),
            "context_too_long",
        ),  # Gemini
        (fails(413), "context_too_long"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(tmp_path: Path, step: Step, code: str) -> None:
    """Keys, names, quotas and lengths are told at once, with no key in the message."""
    error, server = run_to_error(tmp_path, step)

    assert (error.code, error.is_transient, len(server.bodies)) == (code, False, 1)
    assert "sk-abc" not in error.message


def test_retry_after_is_obeyed(tmp_path: Path) -> None:
    """The next request does not come before the time the endpoint asked for."""
    times: list[float] = []

    def noting(then: Step) -> Step:
        async def step(incoming: Any) -> Any:
            times.append(asyncio.get_running_loop().time())
            return await then(incoming)

        return step

    limited = fails(429, Retry_After="0.4")
    reply, _ = run(tmp_path, noting(limited), noting(says()))

    assert reply.retries == 1
    assert times[1] - times[0] >= 0.4


def test_a_wait_that_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    """Asked to come back after the caller's time is over, it says so at once."""
    error, server = run_to_error(tmp_path, fails(429, Retry_After="30"), asked=request(timeout_s=5))

    assert (error.code, error.retry_after_s, len(server.bodies)) == ("model_rate_limited", 30.0, 1)


@pytest.mark.parametrize(
    ("refused", "name"),
    [
        (fails(400, "Unsupported parameter: 'temperature' is not supported with this model.", param="temperature"), "temperature"),
        (fails(400, "Unsupported value: 'temperature' does not support 0 with this model", code="unsupported_value"), "temperature"),
        (fails(422, "body.seed: Extra inputs are not permitted"), "seed"),
        (gives(b'{"detail":[{"loc":["body","seed"],"msg":"extra fields not permitted"}]}', 422), "seed"),
        (fails(400, "Unrecognized request argument supplied: seed"), "seed"),
    ],
)  # fmt: skip
def test_a_parameter_the_endpoint_refuses_is_left_out_from_then_on(tmp_path: Path, refused: Step, name: str) -> None:
    """It is dropped once, remembered for the process, and named on every reply."""

    async def story() -> tuple[list[ModelReply], Peer]:
        async with peer(refused, says()) as server:
            built = models(tmp_path, server.url)
            model = built.role("task")
            replies = [await model.reply(request()) for _ in range(2)]
            await built.aclose()
            return replies, server

    replies, server = asyncio.run(story())

    assert [name in sent for sent in server.requests] == [True, False, False]
    assert [reply.retries for reply in replies] == [1, 0]
    assert all(name in reply.dropped for reply in replies)


def test_the_limit_changes_its_name_where_the_endpoint_says_so(tmp_path: Path) -> None:
    """max_tokens is never left out, since budgets rest on it: it goes under its other name."""
    told = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."

    _, server = run(tmp_path, fails(400, told, param="max_tokens", code="unsupported_parameter"), says())

    assert "max_tokens" not in server.requests[1]
    assert server.requests[1]["max_completion_tokens"] == 4096


def test_a_refusal_that_does_not_end_is_told(tmp_path: Path) -> None:
    """An endpoint that goes on refusing what is no longer sent is not asked for ever."""
    error, server = run_to_error(tmp_path, fails(400, "unsupported parameter: temperature", param="temperature"))

    assert (error.code, len(server.bodies)) == ("model_refused", 2)


def test_a_closed_registry_serves_another_loop(tmp_path: Path) -> None:
    """Sessions belong to an event loop; after `aclose` the next loop opens its own."""
    built: list[Models] = []

    async def once(port: int) -> tuple[str, int]:
        async with peer(says("here"), port=port) as server:
            built.append(built[0] if built else models(tmp_path, server.url))
            reply = await built[0].role("task").reply(request())
            await built[0].aclose()
            return reply.text, int(server.url.rpartition(":")[2].partition("/")[0])

    first, port = asyncio.run(once(0))
    second, _ = asyncio.run(once(port))

    assert [first, second] == ["here", "here"]
