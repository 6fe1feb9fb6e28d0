"""A thin client for OpenAI-style `/chat/completions`: one request, one POST, one whole reply, over a shared aiohttp session.

The body is joined from messages that were encoded before; the history is never walked, so a call costs the same at any length.
Nothing is sent but the request itself, redirects are not followed, and neither keys nor bodies are ever logged.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

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
from orchestrator.agents.models.sse import Events, Message

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

MOST_REPLY_BYTES = 8 * 1024 * 1024
CONNECT_S = 10.0
AFTER_DONE_S = 0.5
MOST_HEADS = 64
_WARNED_BYTES = 1024 * 1024  # aiohttp sends larger bodies in pieces, and warns unless they come as a file
_MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
_SWAPPED = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_OPTIONAL = frozenset(
    {"temperature", "seed", "tool_choice", "parallel_tool_calls", "response_format", "stream_options", *_SWAPPED}
)


@dataclass(slots=True, kw_only=True)
class OpenAIWire:
    """One endpoint, one model. `base_url` ends before /chat/completions. idle_s: the longest silence inside a stream."""

    endpoint: str
    base_url: str
    model: str
    profile: Profile
    key: str | None = None
    idle_s: float = 60.0
    most_bytes: int = MOST_REPLY_BYTES
    headers: Mapping[str, str] = field(default_factory=dict)
    _not_taken: dict[str, None] = field(default_factory=dict)  # learnt from refusals, for as long as the process lives
    _heads: dict[tuple[int, str, bool, bool], tuple[bytes, tuple[str, ...]]] = field(default_factory=dict)
    _session: ClientSession | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _url: Any = None

    async def attempt(self, request: ModelRequest, on_text: OnText | None) -> Answer:
        """One whole reply. A parameter the endpoint says it does not take is left out, at once and from then on."""
        posts = 1
        streams = self.profile.stream or on_text is not None
        while True:
            head, dropped = self._head(request, streams)
            try:
                answer = await self._post(_joined(head, request), on_text, streams)
            except _NotTaken as refused:
                if refused.name in self._not_taken:  # said again although it was left out: it is something else
                    raise refused.error from None
                self._not_taken[refused.name] = None
                self._heads.clear()
                posts += 1
                continue
            if request.tool_choice == "none" and answer.calls:
                dropped = tuple(dict.fromkeys([*dropped, "tool_choice"]))
                answer = replace(answer, calls=(), finish="stop")
            return answer if posts == 1 and not dropped else replace(answer, dropped=dropped, posts=posts)

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # ---- what is sent --------------------------------------------------------------------------------------------
    def _head(self, request: ModelRequest, streams: bool) -> tuple[bytes, tuple[str, ...]]:
        """The body up to the messages, and what was left out; encoded once for requests that differ in nothing but content."""
        if request.schema is not None:
            return self._encoded_head(request, streams)
        key = (request.max_tokens, request.tool_choice, bool(request.tools), streams)
        if (known := self._heads.get(key)) is None:
            if len(self._heads) >= MOST_HEADS:
                self._heads.clear()
            known = self._heads[key] = self._encoded_head(request, streams)
        return known

    def _encoded_head(self, request: ModelRequest, streams: bool) -> tuple[bytes, tuple[str, ...]]:
        parameters, dropped = self._parameters(request, streams)
        whole = json.dumps({"model": self.model, **parameters}, separators=(",", ":")).encode()
        return whole[:-1] + b',"messages":[', tuple(dropped)

    def _parameters(self, request: ModelRequest, streams: bool) -> tuple[dict[str, Any], list[str]]:
        """Everything but messages and tools, and the names of what the model does not take."""
        profile, refused = self.profile, self._not_taken
        wanted: dict[str, Any] = {}
        dropped: list[str] = []

        def take(name: str, value: Any, taken: bool) -> None:
            if taken and name not in refused:
                wanted[name] = value
            else:
                dropped.append(name)

        take("temperature", 0, profile.temperature)
        take("seed", SEED, profile.seed)
        if request.tools and request.tool_choice != "auto":
            forced = request.tool_choice != "none"
            take("tool_choice", _choice(request.tool_choice), profile.forced_choice if forced else profile.no_calls)
        if request.tools and profile.parallel_calls is not None:
            take("parallel_tool_calls", profile.parallel_calls, True)
        if request.schema is not None:
            form = {"name": "reply", "strict": True, "schema": request.schema}
            take("response_format", {"type": "json_schema", "json_schema": form}, profile.schemas)
        if streams:
            wanted["stream"] = True
            if profile.stream_usage and "stream_options" not in refused:
                wanted["stream_options"] = {"include_usage": True}
        name: str = profile.tokens_name
        wanted[_SWAPPED[name] if name in refused else name] = min(
            request.max_tokens, profile.output_tokens or request.max_tokens
        )
        return wanted, dropped

    def _open(self) -> ClientSession:
        """The session of this event loop; connections stay open between calls, as many as there are calls at once."""
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
        from yarl import URL

        headers = {"Content-Type": "application/json", "User-Agent": "deputy", **self.headers}
        if self.key and urlsplit(self.base_url).username is None:  # else the address has credentials of its own
            headers["Authorization"] = f"Bearer {self.key}"
        self._loop = asyncio.get_running_loop()
        self._url = URL(self.base_url.rstrip("/") + "/chat/completions")
        self._session = ClientSession(
            connector=TCPConnector(limit=0, keepalive_timeout=30, ttl_dns_cache=300),
            cookie_jar=DummyCookieJar(),
            headers=headers,
            timeout=ClientTimeout(total=None, sock_connect=CONNECT_S),
            proxy=_proxy(self.base_url),
        )
        return self._session

    # ---- what comes back -----------------------------------------------------------------------------------------
    async def _post(self, body: bytes, on_text: OnText | None, streams: bool) -> Answer:
        from aiohttp import ClientError

        session = self._session if self._session is not None and self._loop is asyncio.get_running_loop() else None
        session = session or self._open()
        data = body if len(body) <= _WARNED_BYTES else io.BytesIO(body)
        try:
            async with session.post(self._url, data=data, allow_redirects=False) as response:
                if response.status != 200:
                    raise self._refused(response.status, await self._read(response), response.headers, body)
                if response.content_type == "text/event-stream":
                    message = await self._stream(response, on_text)
                else:
                    message = json.loads(await self._read(response))
        except (ClientError, OSError) as error:  # TimeoutError is an OSError: connecting took too long
            raise ModelError(
                "model_unreachable",
                f"model endpoint {self.endpoint!r} cannot be reached or hung up: {type(error).__name__}",
                fix="look at model_base_url, and whether the server runs",
                is_transient=True,
            ) from error
        except (ValueError, RecursionError) as error:
            raise self._malformed("is no JSON") from error
        try:
            answer = self._answer(message, len(body))
        except _MALFORMED as error:
            raise self._malformed("is no chat completion") from error
        if on_text is not None and not streams:
            on_text(answer.text)
        return answer

    def _refused(self, status: int, told: bytes, headers: Mapping[str, str], body: bytes) -> Exception:
        error = refusal(status, told, headers, endpoint=self.endpoint)
        name = not_taken(status, told, _OPTIONAL.intersection(_names(body)))
        return error if name is None else _NotTaken(name, error)

    async def _read(self, response: ClientResponse) -> bytes:
        """The whole body, up to `most_bytes` of it after decompression."""
        length = response.content_length
        if length is not None and length <= self.most_bytes and "Content-Encoding" not in response.headers:
            return await response.read()
        pieces: list[bytes] = []
        size = 0
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > self.most_bytes:
                raise self._malformed(f"is larger than {self.most_bytes} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    async def _stream(self, response: ClientResponse, on_text: OnText | None) -> dict[str, Any]:
        """The message a stream adds up to. Raises for one that was cut, went silent, or told an error."""
        message = Message()
        try:
            await self._follow(response, message, on_text)
            if message.error is not None:
                raise event_error(message.error, endpoint=self.endpoint)
            if not message.is_finished:
                raise self._malformed("was cut before its end")
        except BaseException as error:
            if message.has_text and on_text is not None:
                on_text("")
            if isinstance(error, _MALFORMED):
                raise self._malformed("is no stream of chat completion chunks") from error
            raise
        return message.as_body()

    async def _follow(self, response: ClientResponse, message: Message, on_text: OnText | None) -> None:
        """Reads to the end, so that the connection can be used again; past `[DONE]` only for a moment."""
        events, size, loop = Events(), 0, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.idle_s) as idle:
                async for chunk in response.content.iter_any():
                    size += len(chunk)
                    if size > self.most_bytes:
                        raise self._malformed(f"is larger than {self.most_bytes} bytes")
                    for data in events.feed(chunk):
                        if (text := message.add(data)) and on_text is not None:
                            on_text(text)
                    idle.reschedule(loop.time() + (AFTER_DONE_S if message.is_done else self.idle_s))
                for data in events.close():
                    message.add(data)
        except TimeoutError as error:
            if not message.is_done:
                raise ModelError(
                    "model_unreachable",
                    f"model endpoint {self.endpoint!r} fell silent for {self.idle_s:g} s inside a reply",
                    fix="set model_idle_s if it needs longer",
                    is_transient=True,
                ) from error

    def _answer(self, message: Any, sent_bytes: int) -> Answer:
        """A reply out of a chat completion; ValueError, TypeError or KeyError where it is none."""
        if not isinstance(message, dict) or "choices" not in message:
            if isinstance(message, dict) and message.get("error"):
                raise event_error(message["error"], endpoint=self.endpoint)
            raise ValueError("no choices")
        choice = message["choices"][0]
        said = choice["message"]
        calls = tuple(_call(asked, at) for at, asked in enumerate(said.get("tool_calls") or ()))
        text, refused = _text(said.get("content")), said.get("refusal")
        finish = "content_filter" if refused else finish_of(choice.get("finish_reason"), calls)
        text = text or (str(refused) if refused else "")
        usage = _usage(message.get("usage"))
        if usage is None:
            usage = estimated(sent_bytes, len(text) + sum(len(call.name) + len(call.arguments) for call in calls))
        model = message.get("model")
        return Answer(
            text=text,
            calls=calls,
            finish=finish,
            usage=usage,
            model=model if isinstance(model, str) and model else self.model,
            sent_bytes=sent_bytes,
        )

    def _malformed(self, what: str) -> ModelError:
        return ModelError(
            "model_malformed",
            f"the reply of model endpoint {self.endpoint!r} {what}",
            fix="try again; if it stays so, the endpoint does not speak OpenAI's chat completions",
            is_transient=True,
        )


class _NotTaken(Exception):
    """The endpoint does not take parameter `name`; `error` is what it said."""

    def __init__(self, name: str, error: ModelError) -> None:
        super().__init__(name)
        self.name = name
        self.error = error


def _joined(head: bytes, request: ModelRequest) -> bytes:
    """The request's JSON: messages and tools byte for byte as they were handed in."""
    messages = b",".join(request.messages)
    return b"".join((head, messages, b'],"tools":', request.tools, b"}") if request.tools else (head, messages, b"]}"))


def _names(body: bytes) -> list[str]:
    """Names of the optional parameters in a body; they stand before the messages."""
    head = body[: body.index(b',"messages":[')]
    return list(json.loads(head + b"}"))


def _choice(word: str) -> Any:
    return word if word in ("none", "required") else {"type": "function", "function": {"name": word}}


def _call(asked: Mapping[str, Any], at: int) -> ToolAsk:
    function = asked["function"]
    arguments = function.get("arguments")
    if not isinstance(arguments, str):  # some servers send the object itself
        arguments = "" if arguments is None else json.dumps(arguments)
    return ToolAsk(id=str(asked.get("id") or f"call_{at}"), name=str(function["name"]), arguments=arguments)


def _text(content: Any) -> str:
    """Text of a content that is a string, nothing, or a list of parts."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _usage(told: Any) -> Usage | None:
    """What the endpoint counted; None where it counted nothing, or says that a request had no tokens at all."""
    if not isinstance(told, dict):
        return None
    taken, written = told.get("prompt_tokens"), told.get("completion_tokens")
    if not isinstance(taken, int) or not isinstance(written, int) or taken <= 0 or written < 0:
        return None
    details = told.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else told.get("prompt_cache_hit_tokens")
    cached = min(cached, taken) if isinstance(cached, int) and cached > 0 else 0
    return Usage(input_tokens=taken, output_tokens=written, cached_tokens=cached)


def _proxy(url: str) -> str | None:
    """The environment's proxy for this address; never one for this host itself."""
    parts = urlsplit(url)
    if is_loopback(parts.hostname or "") or proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme)


def is_loopback(host: str) -> bool:
    """Whether a name or address means this very host."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
