"""The small pure parts: profiles by name, prices, Retry-After, split event streams, sizes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.agents.models.classify import not_taken, refusal, retry_after_s
from orchestrator.agents.models.prices import Price, price_of
from orchestrator.agents.models.profiles import profile_of
from orchestrator.agents.models.protocol import ModelError, Usage
from orchestrator.agents.models.sse import Events, Message
from orchestrator.errors import DeputyError
from orchestrator.model_settings import PriceSettings, split_model
from tests.models.peer import TOOLS, USER, delta, request


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-4o-mini", {"temperature": True, "seed": True, "schemas": True, "context_tokens": 128_000}),
        ("openai/gpt-4o", {"seed": True, "context_tokens": 128_000}),  # a gateway's name
        ("gpt-5-mini", {"temperature": False, "tokens_name": "max_completion_tokens"}),
        ("o3", {"temperature": False, "schemas": True, "context_tokens": 200_000}),
        ("claude-sonnet-9", {"seed": False, "context_tokens": 200_000}),
        ("GPT-4", {"schemas": False, "context_tokens": 8_192}),
        ("olmo-2", {"temperature": True, "seed": False, "schemas": False, "context_tokens": 32_768}),  # not o-something
        ("never-heard-of", {"seed": False, "schemas": False, "context_tokens": 32_768}),
    ],
)
def test_profiles_follow_the_name(name: str, expected: dict[str, Any]) -> None:
    """Known families by pattern, everything else guessed low."""
    profile = profile_of(name, is_local=False)

    assert {key: getattr(profile, key) for key in expected} == expected


def test_a_local_server_takes_seed_and_schema() -> None:
    """Of a model nobody knows, served on this host; of a known one its own profile counts."""
    assert (profile_of("qwen3", is_local=True).seed, profile_of("claude-x", is_local=True).seed) == (True, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("openai:gpt-x", ("openai", "gpt-x")),
        ("google-genai:gemini", ("google_genai", "gemini")),
        ("llama3.1:8b", ("", "llama3.1:8b")),  # Ollama's tag is part of the name
        ("recorded:/a:b", ("recorded", "/a:b")),
        ("bare", ("", "bare")),
    ],
)
def test_only_a_providers_name_is_split_off(text: str, expected: tuple[str, str]) -> None:
    """What stands before a colon and is no provider belongs to the model's name."""
    assert split_model(text) == expected


tokens = st.integers(0, 10**7)
money = st.floats(0, 1000, allow_nan=False)


@given(tokens, tokens, st.integers(0, 4096), money, money, money)
def test_a_call_never_costs_more_than_its_bound(
    size: int, cached: int, written: int, fresh: float, cheap: float, out: float
) -> None:
    """Whatever of the input was cached, however much was written."""
    message = b"x" * (size % 5000)
    price = Price(fresh, out, cheap)
    asked = request(messages=[message], max_tokens=4096)

    taken = min(cached, len(message))
    usage = Usage(input_tokens=len(message), output_tokens=written, cached_tokens=taken)

    assert price.microusd(usage) <= price.most_microusd(asked)


def test_prices_go_by_the_first_name_that_has_one() -> None:
    """The endpoint's own, then the model's; cached input costs as much as fresh where nothing is said."""
    prices = {"m": PriceSettings(input=1, output=2), "a": PriceSettings(input=3, output=4, cached=0.5)}

    assert price_of(prices, "a", "m") == Price(3, 4, 0.5)
    assert price_of(prices, "b", "m") == Price(1, 2, 1)
    assert price_of(prices, "b") is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25),  # OpenAI and Azure
        (
            {"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"},
            30.0,
        ),  # by the server's own clock
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}, None),  # without its clock a date says nothing
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], expected: float | None) -> None:
    """Seconds, milliseconds or a date (RFC 9110 §10.2.3); nonsense is nothing."""
    assert retry_after_s(headers) == expected


@given(st.integers(100, 599), st.binary(max_size=300), st.dictionaries(st.text(max_size=9), st.text(max_size=9)))
def test_any_refusal_is_an_error_with_a_code(status: int, body: bytes, headers: dict[str, str]) -> None:
    """No status, body or header breaks the classification."""
    error = refusal(status, body, headers, endpoint="e")

    assert error.as_json()["error"] == error.code != DeputyError.code
    not_taken(status, body, ["seed"])


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["error", "message", "code"]), inner),
)


@given(st.sampled_from([400, 401, 404, 422, 429, 500]), json_like)
def test_error_bodies_of_any_shape_are_read(status: int, body: object) -> None:
    """As above, for bodies that are JSON but not OpenAI's."""
    encoded = json.dumps(body).encode()

    assert isinstance(refusal(status, encoded, {}, endpoint="e"), ModelError)
    not_taken(status, encoded, ["seed", "temperature"])


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6), st.integers(1, 40), st.booleans())
def test_a_stream_is_the_same_however_the_network_cuts_it(texts: list[str], size: int, crlf: bool) -> None:
    """Pieces of any size, in the middle of a character or a line end."""
    end = b"\r\n\r\n" if crlf else b"\n\n"
    events = [delta(text) for text in texts] + [delta(finish="stop")]
    whole = b"".join(b"data: " + json.dumps(event, ensure_ascii=False).encode() + end for event in events)
    split, message = Events(), Message()

    for at in range(0, len(whole), size):
        for data in split.feed(whole[at : at + size]):
            message.add(data)
    for data in split.close():
        message.add(data)

    assert message.is_finished
    assert message.as_body()["choices"][0]["message"]["content"] == "".join(texts)


def test_the_size_of_a_request_bounds_its_tokens() -> None:
    """Messages, tools and schema all count."""
    schema = {"type": "object"}

    assert request(tools=TOOLS, schema=schema).size == len(USER) + len(TOOLS) + len(json.dumps(schema))
