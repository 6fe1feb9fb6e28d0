"""What a model takes, by name pattern; what nobody told is guessed low, since a small window only folds a little earlier.

The numbers are those of the makers' model pages (OpenAI, Anthropic, Google, DeepSeek, xAI) rounded down to the family's smallest;
any of them can be set. What a model does not take is left out of the request and named on the receipt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one model takes. parallel_calls: None leaves it to the model; True or False is sent. output_tokens: the most it writes."""

    temperature: bool = True
    seed: bool = False
    forced_choice: bool = True  # tool_choice: required, or a tool's name
    no_calls: bool = True  # tool_choice: none
    parallel_calls: bool | None = None
    schemas: bool = False  # response_format: json_schema, strict
    tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream: bool = False
    stream_usage: bool = True
    context_tokens: int = 32_768
    output_tokens: int | None = None


_REASONING: dict[str, Any] = {"temperature": False, "schemas": True, "tokens_name": "max_completion_tokens"}
_FAMILIES: tuple[tuple[str, dict[str, Any]], ...] = (  # first match wins
    (r"gpt-5.*chat", {"seed": True, "schemas": True, "context_tokens": 128_000, "output_tokens": 16_384}),
    (r"gpt-[5-9]", {**_REASONING, "context_tokens": 272_000, "output_tokens": 128_000}),
    (r"o1-(mini|preview)", {**_REASONING, "schemas": False, "context_tokens": 128_000, "output_tokens": 32_768}),
    (r"o\d", {**_REASONING, "context_tokens": 200_000, "output_tokens": 100_000}),
    (r"gpt-4\.1", {"seed": True, "schemas": True, "context_tokens": 1_000_000, "output_tokens": 32_768}),
    (r"(chat)?gpt-4o", {"seed": True, "schemas": True, "context_tokens": 128_000, "output_tokens": 16_384}),
    (r"gpt-4-(turbo|1106|0125)", {"seed": True, "context_tokens": 128_000, "output_tokens": 4_096}),
    (r"gpt-4", {"context_tokens": 8_192, "output_tokens": 4_096}),
    (r"gpt-3\.5", {"seed": True, "context_tokens": 16_385, "output_tokens": 4_096}),
    (r"claude-3-5|claude-3\.5", {"context_tokens": 200_000, "output_tokens": 8_192}),
    (r"claude-3-(opus|sonnet|haiku)", {"context_tokens": 200_000, "output_tokens": 4_096}),
    (r"claude", {"context_tokens": 200_000, "output_tokens": 32_000}),
    (r"gemini", {"context_tokens": 1_000_000, "output_tokens": 8_192}),
    (r"deepseek-reasoner", {"forced_choice": False, "context_tokens": 64_000, "output_tokens": 32_000}),
    (r"deepseek", {"context_tokens": 64_000, "output_tokens": 8_000}),
    (r"grok", {"context_tokens": 131_072}),
)
_LOCAL: dict[str, Any] = {"seed": True, "schemas": True}  # vLLM, llama.cpp, Ollama and LM Studio take both


def profile_of(model: str, *, is_local: bool, overrides: Mapping[str, Any] | None = None) -> Profile:
    """The profile of a model by its wire name ("org/gpt-4o-mini"); `overrides` are what the person set."""
    bare = model.rpartition("/")[2].lower()
    family = next((takes for pattern, takes in _FAMILIES if re.match(pattern, bare)), None)
    found = Profile(**(family if family is not None else _LOCAL if is_local else {}))
    return replace(found, **{name: value for name, value in (overrides or {}).items() if value is not None})
