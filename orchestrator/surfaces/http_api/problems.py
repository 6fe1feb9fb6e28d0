"""Errors as the wire tells them: problem details (RFC 9457) with the error document's own three fields."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.errors import ConnectorError
from orchestrator.errors import DeputyError

log = logging.getLogger("deputy.http")
STATUS = {  # error code → status
    "usage": 422,
    "not_found": 404,
    "unauthorized": 401,
    "not_eligible": 403,
    "csrf": 403,
    "conflict": 409,
    "gone": 410,
    "too_large": 413,
    "unsupported_media_type": 415,
    "not_json": 400,
    "method_not_allowed": 405,
    "misdirected": 421,
    "provider_unreachable": 502,
    "rate_limited": 429,
    "not_built": 501,
    "store_unavailable": 503,
    "contended": 503,
    "unavailable": 503,
    "bad_workflow": 422,
    "invalid_call": 422,
}
MEANING = {  # error code → what it says to a caller
    "usage": "a value, parameter or body is off",
    "not_found": "no such thing, or not for you",
    "unauthorized": "nobody is signed in, or the key is no longer good",
    "not_eligible": "you are known, but may not do this",
    "csrf": "a page's token is missing or old",
    "conflict": "it has moved on: decided already, expired, other digest, other state; nothing was changed",
    "gone": "it was there, and is not kept any more",
    "too_large": "the body is too large",
    "unsupported_media_type": "the body is not JSON by its content type",
    "not_json": "the body is not JSON",
    "method_not_allowed": "there is no such method here",
    "misdirected": "the desk is not called that",
    "rate_limited": "too many requests; Retry-After says when to come again",
    "not_built": "this is not built yet",
    "store_unavailable": "the database cannot be reached or is locked",
}
EVERYWHERE = (  # codes that every endpoint may answer with
    "unauthorized", "not_eligible", "csrf", "not_found", "misdirected", "too_large", "usage", "rate_limited", "store_unavailable",
)  # fmt: skip


class WireError(DeputyError):
    """An error that only callers over the wire meet."""

    def __init__(self, code: str, message: str, *, fix: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message, fix=fix)
        self.code = code
        self.headers = headers or {}


def problem(code: str, message: str, fix: str = "", headers: dict[str, str] | None = None) -> Response:
    """`application/problem+json` with the status that belongs to the code."""
    status = STATUS.get(code, 500)
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": message,
        "error": code,
        "message": message,
        "fix": fix,
    }
    extra = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse(body, status, media_type="application/problem+json", headers=extra | (headers or {}))


async def of_error(request: Request, error: Exception) -> Response:
    """Handler for every error on the way. What nobody foresaw is logged and told without its words."""
    if isinstance(error, WireError):
        return problem(error.code, error.message, error.fix, error.headers)
    if isinstance(error, DeputyError | ConnectorError):
        return problem(error.code, error.message, error.fix)
    if isinstance(error, HTTPException):
        codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}
        code = codes.get(error.status_code, "usage")
        return problem(code, str(error.detail), "see: /api/openapi.json", dict(error.headers or {}))
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    return problem("internal", "this was not foreseen", "look at the server's log")


def handlers() -> dict[Any, Any]:
    """For Starlette's `exception_handlers`."""
    return {DeputyError: of_error, ConnectorError: of_error, HTTPException: of_error, Exception: of_error}
