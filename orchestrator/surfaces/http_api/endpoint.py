"""One table of endpoints, from which routes, the OpenAPI document and the table of rights are made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jsonschema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator.deputy import Deputy
from orchestrator.domain.principal import Principal
from orchestrator.errors import UsageError
from orchestrator.surfaces.http_api.auth.caller import Caller, Scope, require
from orchestrator.surfaces.http_api.problems import WireError

LARGEST_BODY = 1_000_000  # bytes
PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One validated call. `query` and `body` fit their schemas; `path` are the names in the path."""

    desk: Deputy
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any

    @property
    def who(self) -> Principal:
        return self.caller.principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`do` answers with a JSON-able value, or with a Response; it runs in a thread. `query`: name → JSON schema of one value.

    `errors`: codes beyond those every endpoint may answer with (unauthorized, not_eligible, usage, not_found, rate_limited,
    store_unavailable).
    """

    method: str
    path: str
    name: str  # operation id
    says: str
    scope: Scope
    do: Callable[[Call], Any]
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})
    status: int = 200
    errors: Sequence[str] = ()


def routes(desk: Deputy, endpoints: Sequence[Endpoint]) -> list[Route]:
    """A route for each path and method."""
    return [Route(PREFIX + one.path, _handler(desk, one), methods=[one.method], name=one.name) for one in endpoints]


def _handler(desk: Deputy, endpoint: Endpoint) -> Callable[[Request], Any]:
    async def handle(request: Request) -> Response:
        caller = require(request, endpoint.scope)
        query = _query(request, endpoint.query)
        body = await _body(request, endpoint.body)
        call = Call(desk=desk, caller=caller, path=dict(request.path_params), query=query, body=body)
        answer = await asyncio.to_thread(endpoint.do, call)
        return answer if isinstance(answer, Response) else JSONResponse(answer, endpoint.status)

    return handle


def _query(request: Request, known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in request.query_params.multi_items():
        if name not in known:
            raise UsageError(f"there is no parameter {name!r}", fix=f"known: {', '.join(known) or 'none'}")
        value: Any = text
        kind = known[name].get("type")
        if kind in ("integer", "number") and text.lstrip("-").replace(".", "", 1).isdigit():
            value = float(text) if "." in text or kind == "number" else int(text)
        elif kind == "boolean" and text in ("true", "false"):
            value = text == "true"
        _fits(value, known[name], name)
        found[name] = value
    return found


async def _body(request: Request, schema: Mapping[str, Any] | None) -> Any:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_BODY:
            raise WireError("too_large", f"the body has more than {LARGEST_BODY} bytes", fix="send less at once")
    if schema is None:
        return None
    try:
        body = json.loads(bytes(raw).decode("utf-8")) if raw else {}
    except (ValueError, RecursionError) as error:
        raise WireError("not_json", f"the body is not JSON: {error}", fix="send a JSON document in UTF-8") from error
    _fits(body, schema, "body")
    return body


def _fits(value: Any, schema: Mapping[str, Any], name: str) -> None:
    error = jsonschema.Draft202012Validator(schema).iter_errors(value)
    first = next(iter(sorted(error, key=lambda one: len(one.absolute_path))), None)
    if first is not None:
        where = ".".join([name, *map(str, first.absolute_path)])
        raise UsageError(f"{where}: {first.message[:300]}", fix="see: /api/openapi.json")
