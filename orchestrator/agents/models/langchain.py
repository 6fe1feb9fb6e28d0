"""Any LangChain chat model behind the same protocol. The only home of LangChain, imported when the first call is made.

One attempt is one POST: the vendor library's own retries are off. LangSmith tracing stays off whatever the environment says, since
prompts go to the model's endpoint and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.agents.models.classify import event_error, not_taken, refusal
from orchestrator.agents.models.profiles import SEED, Profile
from orchestrator.agents.models.protocol import (
    Answer,
    ModelError,
    ModelRequest,
    OnText,
    ToolAsk,
    Usage,
    estimated,
    finish_of,
)

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage

EXTRAS = {"anthropic": "anthropic", "azure_openai": "azure", "openai": "azure"}
DISTRIBUTION = "deputy-orchestrator"
MOST_TEXT = 8 * 1024 * 1024
_TELL_FINISH = frozenset({"anthropic", "azure_openai", "openai"})
_TAKE_FORMAT = frozenset({"azure_openai", "openai"})
_NEED_KEY = frozenset({"anthropic"})  # its library would send the prompt first, without one
_MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError)
_UNREACHABLE = ("Timeout", "Connect", "Network", "Protocol", "Disconnect", "Transport", "ReadError", "WriteError")
_MOST_CHATS = 8  # clients kept, one for each longest reply asked for


@dataclass(slots=True, kw_only=True)
class LangChainWire:
    """One model of one provider, as `init_chat_model` makes it. Keys come from the provider's own variables where none is given."""

    endpoint: str
    provider: str
    model: str
    profile: Profile
    base_url: str | None = None
    key: str | None = None
    idle_s: float = 60.0
    _chats: dict[int, Any] = field(default_factory=dict)
    _not_taken: dict[str, None] = field(default_factory=dict)

    async def attempt(self, request: ModelRequest, on_text: OnText | None) -> Answer:
        """One whole reply; a parameter the provider says it does not take is left out, at once and from then on."""
        posts = 1
        while True:
            try:
                answer = await self._once(request, on_text)
            except Exception as error:
                name = self._refused_parameter(error)
                if name is None or name in self._not_taken:
                    raise self._error(error) from error
                self._not_taken[name] = None
                self._chats.clear()
                posts += 1
                continue
            dropped = self._dropped(request)
            if request.tool_choice == "none" and answer.calls:
                answer = Answer(
                    text=answer.text, calls=(), finish="stop", usage=answer.usage, model=answer.model, sent_bytes=0
                )
                dropped.append("tool_choice")
            return Answer(
                text=answer.text,
                calls=answer.calls,
                finish=answer.finish,
                usage=answer.usage,
                model=answer.model,
                sent_bytes=request.size,
                dropped=tuple(dict.fromkeys(dropped)),
                posts=posts,
            )

    async def aclose(self) -> None:
        self._chats.clear()

    # ---- what is sent --------------------------------------------------------------------------------------------
    async def _once(self, request: ModelRequest, on_text: OnText | None) -> Answer:
        from langchain_core.messages import convert_to_messages
        from langsmith import tracing_context

        with tracing_context(enabled=False):
            chat = self._bound(request)
            messages = convert_to_messages([json.loads(message) for message in request.messages])
            if self.profile.stream or on_text is not None:
                reply: AIMessage = await self._streamed(chat, messages, on_text)
            else:
                reply = await chat.ainvoke(messages)
        return self._answer(reply, request)

    def _chat(self, max_tokens: int) -> Any:
        """The provider's client for replies of this length."""
        most = min(max_tokens, self.profile.output_tokens or max_tokens)
        if (kept := self._chats.get(most)) is not None:
            return kept
        from langchain.chat_models import init_chat_model

        if self.provider in _NEED_KEY and not self.key:
            raise self._no_key()
        options: dict[str, Any] = {"max_retries": 0, "max_tokens": most}
        if self._takes("temperature", self.profile.temperature):
            options["temperature"] = 0
        if self._takes("seed", self.profile.seed):
            options["seed"] = SEED
        if self.base_url:
            options["base_url"] = self.base_url
        if self.key:
            options["api_key"] = self.key
        if self.provider in _TAKE_FORMAT:
            options["stream_usage"] = self.profile.stream_usage
        if len(self._chats) >= _MOST_CHATS:
            del self._chats[next(iter(self._chats))]
        try:
            chat = init_chat_model(self.model, model_provider=self.provider, **options)
        except ImportError as error:
            raise _missing(self.provider, error) from error
        except ValueError as error:
            raise self._not_made(error) from error
        self._chats[most] = chat
        return chat

    def _bound(self, request: ModelRequest) -> Any:
        chat = self._chat(request.max_tokens)
        if request.tools:
            options: dict[str, Any] = {}
            if request.tool_choice != "auto" and "tool_choice" not in self._dropped(request):
                options["tool_choice"] = self._choice(request.tool_choice)
            if self.profile.parallel_calls is not None and "parallel_tool_calls" not in self._not_taken:
                options["parallel_tool_calls"] = self.profile.parallel_calls
            chat = chat.bind_tools(json.loads(request.tools), **options)
        if request.schema is not None and "response_format" not in self._dropped(request):
            form = {"name": "reply", "strict": True, "schema": request.schema}
            # Beside the library's own parameter, which would make it parse the reply and refuse tools that are not strict.
            chat = chat.bind(extra_body={"response_format": {"type": "json_schema", "json_schema": form}})
        return chat

    def _choice(self, word: str) -> Any:
        if word == "none":
            return {"type": "none"} if self.provider == "anthropic" else "none"
        return "any" if word == "required" else word

    def _takes(self, name: str, by_profile: bool) -> bool:
        return by_profile and name not in self._not_taken

    def _dropped(self, request: ModelRequest) -> list[str]:
        profile = self.profile
        dropped = [
            n
            for n, taken in (("temperature", profile.temperature), ("seed", profile.seed))
            if not self._takes(n, taken)
        ]
        if request.tools and request.tool_choice != "auto":
            taken = profile.no_calls if request.tool_choice == "none" else profile.forced_choice
            if not self._takes("tool_choice", taken):
                dropped.append("tool_choice")
        if request.schema is not None and not self._takes(
            "response_format", profile.schemas and self.provider in _TAKE_FORMAT
        ):
            dropped.append("response_format")
        return dropped

    # ---- what comes back -----------------------------------------------------------------------------------------
    async def _streamed(self, chat: Any, messages: Sequence[BaseMessage], on_text: OnText | None) -> AIMessageChunk:
        from langchain_core.messages.ai import add_ai_message_chunks

        chunks: list[AIMessageChunk] = []
        size, loop = 0, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as idle:
                async for chunk in chat.astream(messages):
                    chunks.append(chunk)
                    text = str(chunk.text)
                    size += len(text)
                    if size > MOST_TEXT:
                        raise ValueError("too large a reply")
                    if text and on_text is not None:
                        on_text(text)
                    idle.reschedule(loop.time() + self.idle_s)
            if not chunks:
                raise ValueError("an empty stream")
            whole = add_ai_message_chunks(chunks[0], *chunks[1:])
            if self.provider in _TELL_FINISH and _finish(whole) is None:
                raise ValueError("a stream that was cut")
        except BaseException:
            if size and on_text is not None:
                on_text("")
            raise
        return whole

    def _answer(self, reply: AIMessage, request: ModelRequest) -> Answer:
        text = str(reply.text)
        calls = [
            ToolAsk(
                id=call["id"] or f"call_{at}", name=call["name"], arguments=json.dumps(call["args"], ensure_ascii=False)
            )
            for at, call in enumerate(reply.tool_calls)
        ]
        calls += [
            ToolAsk(id=call["id"] or f"call_{at}", name=call["name"] or "", arguments=call["args"] or "")
            for at, call in enumerate(reply.invalid_tool_calls, len(calls))
        ]
        told = reply.usage_metadata
        if told is None or told["input_tokens"] <= 0:
            usage = estimated(request.size, len(text) + sum(len(call.arguments) for call in calls))
        else:
            details = told.get("input_token_details") or {}
            usage = Usage(
                input_tokens=told["input_tokens"],
                output_tokens=told["output_tokens"],
                cached_tokens=min(details.get("cache_read") or 0, told["input_tokens"]),
            )
        named = reply.response_metadata.get("model_name") or reply.response_metadata.get("model")
        return Answer(
            text=text,
            calls=tuple(calls),
            finish=finish_of(_finish(reply), calls),
            usage=usage,
            model=named if isinstance(named, str) else self.model,
            sent_bytes=request.size,
        )

    # ---- what went wrong -----------------------------------------------------------------------------------------
    def _refused_parameter(self, error: Exception) -> str | None:
        status, body, _ = _response(error)
        sent = ("temperature", "seed", "tool_choice", "parallel_tool_calls", "response_format")
        return not_taken(status, body, sent)

    def _error(self, error: Exception) -> ModelError:
        """What a vendor's exception means. Raw ValueErrors are bodies that its library could not read: passing faults."""
        if isinstance(error, ModelError):
            return error
        status, body, headers = _response(error)
        if status >= 400:
            return refusal(status, body, headers, endpoint=self.endpoint)
        if status and b'"error"' in body:
            told = json.loads(body)
            return event_error(told.get("error", told), endpoint=self.endpoint)
        kinds = [kind.__name__ for kind in type(error).__mro__]
        at = f"model endpoint {self.endpoint!r}"
        if isinstance(error, ImportError):
            return _missing(self.provider, error)
        if isinstance(error, OSError) or any(word in kind for kind in kinds for word in _UNREACHABLE):
            return ModelError(
                "model_unreachable",
                f"{at} cannot be reached or hung up: {kinds[0]}",
                is_transient=True,
                fix="look at the network and the provider's status",
            )
        if any(word in str(error).lower() for word in ("api_key", "api key", "authentication")):
            return self._not_made(error)
        if isinstance(error, _MALFORMED) or status or any("Validation" in kind for kind in kinds):
            return ModelError(
                "model_malformed",
                f"the reply of {at} could not be read: {kinds[0]}",
                is_transient=True,
                fix="try again",
            )
        return ModelError("model_refused", f"{at} failed: {kinds[0]}")

    def _not_made(self, error: Exception) -> ModelError:
        if str(error).startswith("Unsupported provider"):
            return ModelError(
                "model_refused",
                f"there is no provider {self.provider!r}",
                fix="write provider:model, e.g. openai:NAME; or set model_base_url for an OpenAI-style endpoint",
            )
        return self._no_key()

    def _no_key(self) -> ModelError:
        return ModelError(
            "model_auth",
            f"model endpoint {self.endpoint!r} has no usable key",
            fix="set model_api_key, api_key_env of the endpoint, or the provider's own variable such as ANTHROPIC_API_KEY",
        )


def _missing(provider: str, error: ImportError) -> ModelError:
    """LangChain, or the provider's package, is not installed."""
    extra = EXTRAS.get(provider)
    package = (
        f"'{DISTRIBUTION}[{extra}]'" if extra else f"'{DISTRIBUTION}[langchain]' langchain-{provider.replace('_', '-')}"
    )
    return ModelError(
        "model_refused", f"models of {provider!r} need a package that is not installed", fix=f"pip install {package}"
    )


def _finish(reply: AIMessage) -> Any:
    told = reply.response_metadata
    return told.get("finish_reason") or told.get("stop_reason") or told.get("done_reason")


def _response(error: Exception) -> tuple[int, bytes, Mapping[str, str]]:
    """(HTTP status or 0, body, headers) of a vendor's exception, in the shapes their libraries have."""
    response = getattr(error, "response", None)
    body = getattr(error, "body", None)
    headers: Mapping[str, str] = {}
    if isinstance(response, dict):  # botocore
        status: Any = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        body = {"error": response.get("Error")}
    else:
        status = getattr(error, "status_code", None) or getattr(error, "code", None)
        headers = getattr(response, "headers", None) or {}
    if not isinstance(status, int):
        return 0, b"", {}
    if isinstance(body, dict):
        told = body if "error" in body else {"error": body}
    else:
        told = {"error": {"message": str(error)}}
    return int(status), json.dumps(told, default=str).encode(), headers
