"""What an agent asks of a model and what comes back, whatever stands behind it. Imports nothing but errors.

A request holds messages that were encoded once; a reply is only ever whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from orchestrator.errors import DeputyError

Code = Literal[
    "model_unreachable",
    "model_rate_limited",
    "model_refused",
    "model_auth",
    "context_too_long",
    "model_malformed",
    "model_not_admitted",
    "model_overloaded",
]
OnText = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call. `cached_tokens` are part of `input_tokens`. Estimated where the endpoint told nothing."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    is_estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAsk:
    """A tool call as the model wrote it: wire name, and the arguments' raw text, which nobody has parsed yet."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One model call.

    messages: each one JSON object in the OpenAI chat form, encoded once by the caller; never walked again on that wire.
    tools: JSON array in the OpenAI form; b"": none. tool_choice: auto | none | required | a wire name.
    schema: strict JSON Schema the text must fit, where the profile takes it. secret: only to endpoints that admit secrets.
    timeout_s: the whole reply, retries and other endpoints included.
    """

    messages: Sequence[bytes]
    tools: bytes = b""
    tool_choice: str = "auto"
    max_tokens: int = 4096
    schema: Mapping[str, Any] | None = None
    secret: bool = False
    timeout_s: float = 120.0

    @property
    def size(self) -> int:
        """Bytes that become input tokens: an upper bound of them."""
        schema = 0 if self.schema is None else len(json.dumps(self.schema))
        return sum(map(len, self.messages)) + len(self.tools) + schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """A whole reply. finish: stop | tool_calls | length | content_filter. `model` as the endpoint names it.

    retries: requests sent beyond the first. dropped: what was asked and not taken, by parameter name; "price_unknown" where the
    cost is 0 because nobody has said the price. cost_microusd: millionths of a US dollar, rounded up.
    """

    text: str
    calls: tuple[ToolAsk, ...]
    finish: str
    usage: Usage
    model: str
    endpoint: str
    sent_bytes: int
    cost_microusd: int
    retries: int
    dropped: tuple[str, ...]
    wall_ms: int


class Model(Protocol):
    """Something that replies. `name` as set ("openai:gpt-x"); `context_tokens`: its window, prompt and reply together."""

    @property
    def name(self) -> str: ...

    @property
    def context_tokens(self) -> int: ...

    async def reply(self, request: ModelRequest, *, on_text: OnText | None = None) -> ModelReply:
        """The reply. `on_text` hears text as it comes; an empty text says that all before it is void. Raises ModelError."""
        ...

    def most_microusd(self, request: ModelRequest) -> int:
        """What one call may cost at most: its bytes as input tokens, and max_tokens."""
        ...


class ModelError(DeputyError):
    """No reply. is_transient: trying again later may help, and was tried already. `status`: the HTTP status, 0 where none came."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        fix: str = "",
        is_transient: bool = False,
        retry_after_s: float | None = None,
        status: int = 0,
    ) -> None:
        super().__init__(message, fix=fix)
        self.code: str = code
        self.is_transient = is_transient
        self.retry_after_s = retry_after_s
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one attempt on one endpoint brought; the endpoint makes a ModelReply of it."""

    text: str
    calls: tuple[ToolAsk, ...]
    finish: str
    usage: Usage
    model: str
    sent_bytes: int
    dropped: tuple[str, ...] = ()
    posts: int = 1


class Wire(Protocol):
    """A way to one endpoint: one attempt, nothing tried again but a parameter it does not take. Raises ModelError."""

    async def attempt(self, request: ModelRequest, on_text: OnText | None) -> Answer: ...

    async def aclose(self) -> None: ...


def finish_of(said: object, calls: Sequence[ToolAsk]) -> str:
    """The four words of a reply's end, from what vendors call it."""
    if said in ("length", "max_tokens", "MAX_TOKENS", "model_length", "model_context_window_exceeded"):
        return "length"
    if said in ("content_filter", "refusal", "SAFETY", "safety"):
        return "content_filter"
    return "tool_calls" if calls else "stop"


def estimated(input_bytes: int, output_bytes: int) -> Usage:
    """Usage where an endpoint tells none: three bytes a token, which is more tokens than most texts have."""
    return Usage(input_tokens=-(-input_bytes // 3), output_tokens=-(-output_bytes // 3), is_estimated=True)
