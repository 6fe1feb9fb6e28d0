"""One table of endpoints, from which routes, the OpenAPI document and the table of rights are made."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jsonschema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.deputy import Deputy
from orchestrator.domain.principal import Principal
from orchestrator.errors import UsageError
from orchestrator.settings import Settings
from orchestrator.surfaces import named
from orchestrator.surfaces.http_api.auth.caller import Caller, Scope, require
from orchestrator.surfaces.http_api.feed import Feed
from orchestrator.surfaces.http_api.problems import WireError

LARGEST_BODY = 1_000_000  # bytes
MOST_SHOWN = 80  # characters of a value that does not fit
MOST_SAID = 200  # characters of what is said of it
PREFIX = "/api/v1"
JSON = "application/json"
LIMIT: Mapping[str, Any] = {"type": "integer", "minimum": 1, "maximum": 500, "description": "Most entries of a page."}
CURSOR: Mapping[str, Any] = {"type": "string", "maxLength": 300, "description": "`next` of the page before, unchanged."}
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What every endpoint works with."""

    desk: Deputy
    settings: Settings
    feed: Feed


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One validated call. `query` and `body` fit their schemas; `path` are the names in the path."""

    room: Room
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any
    headers: Mapping[str, str]  # lower-case names

    @property
    def desk(self) -> Deputy:
        return self.room.desk

    @property
    def who(self) -> Principal:
        return self.caller.principal

    def check_names(self, options: Mapping[str, Any]) -> None:
        """NotFound or UsageError for options that name a workflow, an input or an agent that is not there."""
        named.check(self.room.settings, options, lambda name: self.desk.library.one(name)["slots"])


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """`do` answers with a JSON-able value, or with a Response. A plain function runs in a thread, a coroutine in the event loop.

    `query`, `headers`: name → JSON schema of one value. `answer`: schema of the body, {"$ref": "#/components/schemas/…"} for one of
    `schemas.SCHEMAS`; `media`: its type where it is not JSON. `errors`: codes beyond those every endpoint may answer with
    (`problems.EVERYWHERE`). `is_built`: False for a verb that the front desk does not have yet; no page offers it.
    """

    method: str
    path: str
    name: str  # operation id
    says: str
    scope: Scope
    do: Callable[[Call], Any | Awaitable[Any]]
    query: Mapping[str, Schema] = field(default_factory=dict)
    needs: Sequence[str] = ()  # of `query`
    headers: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    answer: Schema = field(default_factory=lambda: {"type": "object"})
    media: str = JSON
    status: int = 200
    errors: Sequence[str] = ()
    is_built: bool = True

    @property
    def group(self) -> str:
        """The noun it is about."""
        return self.path.split("/")[1]

    @cached_property
    def body_judge(self) -> Any:
        return _Judge(self.body or {})

    @cached_property
    def query_judges(self) -> Mapping[str, Any]:
        return {name: _Judge(schema) for name, schema in self.query.items()}


def routes(room: Room, endpoints: Sequence[Endpoint]) -> list[Route]:
    """A route for each path; what stands first in the table is tried first."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for one in endpoints:
        by_path.setdefault(one.path, {})[one.method] = one
    return [
        Route(PREFIX + path, _handler(room, methods), methods=list(methods), name=next(iter(methods.values())).name)
        for path, methods in by_path.items()
    ]


def _handler(room: Room, methods: Mapping[str, Endpoint]) -> Callable[[Request], Any]:
    async def handle(request: Request) -> Response:
        endpoint = methods["GET" if request.method == "HEAD" else request.method]
        caller = require(request, endpoint.scope)
        for name, value in request.path_params.items():
            _clean(value, name)
        call = Call(
            room=room,
            caller=caller,
            path=dict(request.path_params),
            query=_query(request, endpoint),
            body=await _body(request, endpoint),
            headers=request.headers,
        )
        if inspect.iscoroutinefunction(endpoint.do):
            answer = await endpoint.do(call)
        else:
            answer = await asyncio.to_thread(endpoint.do, call)
        if isinstance(answer, Response):
            return answer
        return _rendered(request, answer, endpoint.status)

    return handle


def _rendered(request: Request, answer: Any, status: int) -> Response:
    """The answer as JSON; a GET whose answer the caller has already gets an empty 304 (RFC 9110, section 13.1.2)."""
    content = json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    headers = {"Cache-Control": "private, no-cache"}
    if request.method in ("GET", "HEAD") and status == 200:
        tag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers["ETag"] = tag
        if tag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
    return Response(content, status, media_type=JSON, headers=headers)


def _query(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in request.query_params.multi_items():
        if name not in endpoint.query:
            raise UsageError(
                f"there is no parameter {name[:80]!r}", fix=f"known: {', '.join(endpoint.query) or 'none'}"
            )
        if name in found:
            raise UsageError(f"the parameter {name!r} stands there twice", fix="give it once")
        value: Any = text
        kind = endpoint.query[name].get("type")
        if kind in ("integer", "number"):
            value = _number(text)
        elif kind == "boolean" and text in ("true", "false"):
            value = text == "true"
        endpoint.query_judges[name].check(value, name)
        found[name] = value
    for name in endpoint.needs:
        if name not in found:
            raise UsageError(f"the parameter {name!r} is missing", fix="see: /api/openapi.json")
    return found


def _number(text: str) -> Any:
    """The number that the text is, as JSON has it; the text itself where it is none."""
    try:
        value = json.loads(text, parse_constant=lambda name: name)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text


async def _body(request: Request, endpoint: Endpoint) -> Any:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_BODY:
            raise WireError("too_large", f"the body has more than {LARGEST_BODY} bytes", fix="send less at once")
    if endpoint.body is None:
        return None
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind != JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        raise WireError("unsupported_media_type", f"the body is {kind[:80]!r}", fix=f"send {JSON}")
    try:
        body = json.loads(bytes(raw).decode("utf-8"), parse_float=_finite, parse_constant=_no_constant) if raw else {}
    except (ValueError, RecursionError) as error:
        raise WireError("not_json", f"the body is not JSON: {error}", fix="send a JSON document in UTF-8") from error
    endpoint.body_judge.check(body, "body")
    return body


def _finite(text: str) -> float:
    """No database and no wire takes what lies beyond the largest number."""
    if math.isinf(number := float(text)):
        raise ValueError("a number is too large")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


# ---- what fits a schema ----------------------------------------------------------------------------------------------
_whole = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
)
_Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=_whole)  # type: ignore[no-untyped-call]  # jsonschema leaves it untyped


class _Judge:
    """One schema, compiled once."""

    def __init__(self, schema: Schema) -> None:
        self._validator = _Validator(schema)

    def takes(self, value: Any) -> bool:
        return bool(self._validator.is_valid(value))

    def check(self, value: Any, name: str) -> None:
        """Raises UsageError naming the place of what does not fit."""
        first = min(self._validator.iter_errors(value), key=lambda one: len(one.absolute_path), default=None)
        if first is not None:
            first = _plainest(first)
            where = ".".join([name, *map(str, first.absolute_path)])
            raise UsageError(f"{where[:MOST_SAID]}: {_said(first)[:MOST_SAID]}", fix="see: /api/openapi.json")
        _clean(value, name)


def _said(error: Any) -> str:
    """What is off, with the value cut short: nobody is sent their whole body back."""
    value = repr(error.instance)
    shown = value if len(value) <= MOST_SHOWN else f"{value[:MOST_SHOWN]}…"
    if error.validator == "enum":
        return f"{shown} is none of: {', '.join(map(str, error.validator_value))}"
    return str(error.message).replace(value, shown)


def _plainest(error: Any) -> Any:
    """Of a value that fits none of several forms: what is off in the form it seems to be meant as."""
    while error.context:
        kind_fits = [one for one in error.context if one.validator != "type" or len(one.relative_path) > 0]
        error = max(kind_fits or error.context, key=lambda one: len(one.absolute_path))
    return error


def _clean(value: Any, name: str) -> None:
    """UsageError for text that no database and no wire takes: NUL, and halves of surrogate pairs."""
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= one <= "\udfff" for one in value):
            raise UsageError(f"{name} holds a character that is none", fix="send plain Unicode text")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _clean(key, name)
            _clean(inner, f"{name}.{key}"[:200])
    elif isinstance(value, list):
        for inner in value:
            _clean(inner, name)
