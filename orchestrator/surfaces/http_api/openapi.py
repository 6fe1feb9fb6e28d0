"""The OpenAPI 3.1 document, made from the table of endpoints: what it says is what is served."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator import __version__
from orchestrator.surfaces.http_api.endpoint import JSON, PREFIX, Endpoint
from orchestrator.surfaces.http_api.problems import EVERYWHERE, MEANING, STATUS
from orchestrator.surfaces.http_api.schemas import SCHEMAS

PATH = "/api/openapi.json"
PROBLEM = "application/problem+json"
ABOUT = (
    "Deputy's desk. Every error is a problem document (RFC 9457) with a stable code in `error` and a remedy in `fix`. Lists have "
    "`next`, the cursor of the page after. Send an API key as `Authorization: Bearer KEY`; a browser's session also shows its "
    "token in `X-CSRF-Token` with every change."
)


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        paths.setdefault(PREFIX + one.path, {})[one.method.lower()] = operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Deputy", "version": __version__, "description": ABOUT},
        "paths": paths,
        "security": [{"key": []}, {"session": [], "csrf": []}],
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "deputy config key create --scope …"},
                "session": {"type": "apiKey", "in": "cookie", "name": "deputy_session"},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
            },
        },
    }


def operation(one: Endpoint) -> dict[str, Any]:
    """One endpoint as the document tells it."""
    told: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.says,
        "tags": [one.group],
        "x-scope": one.scope,
        "parameters": [*_parameters(one)],
        "responses": {str(one.status): _answer(one), **_problems(one)},
    }
    if one.method == "GET" and one.media == JSON:
        told["responses"]["304"] = {"description": "What `If-None-Match` names is still the answer."}
    if one.body is not None:
        told["requestBody"] = {"required": not one.body_judge.takes({}), "content": {JSON: {"schema": one.body}}}
    return told


def _parameters(one: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", one.path)
    ]
    found += [
        {"name": name, "in": "query", "schema": schema} | ({"required": True} if name in one.needs else {})
        for name, schema in one.query.items()
    ]
    found += [{"name": name, "in": "header", "schema": schema} for name, schema in one.headers.items()]
    return found


def _answer(one: Endpoint) -> dict[str, Any]:
    told: dict[str, Any] = {"description": "As asked." if one.status != 202 else "Accepted; the work goes on."}
    if one.status != 204:
        told["content"] = {one.media: {"schema": one.answer}}
    return told


def _problems(one: Endpoint) -> dict[str, Any]:
    """By status; several codes may share one."""
    codes: dict[str, list[str]] = {}
    for code in dict.fromkeys(
        [*EVERYWHERE, *(["not_json", "unsupported_media_type"] if one.body else []), *one.errors]
    ):
        codes.setdefault(str(STATUS[code]), []).append(code)
    return {
        status: {
            "description": "; ".join(f"`{code}`: {MEANING[code]}" for code in same),
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, same in sorted(codes.items())
    }


def routes(endpoints: Sequence[Endpoint]) -> list[Route]:
    """The document, for anybody: it says what everybody's copy of this program says."""
    written: list[bytes] = []

    async def show(request: Request) -> Response:
        if not written:
            written.append(json.dumps(document(endpoints), ensure_ascii=False, default=str).encode())
        return Response(written[0], media_type=JSON, headers={"Cache-Control": "public, max-age=60"})

    return [Route(PATH, show)]
