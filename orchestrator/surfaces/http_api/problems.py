"""Errors as the wire tells them: problem details (RFC 9457) with the error document's own three fields; a page for who asked for one."""

from __future__ import annotations

import logging
import re
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, Response

from connectors.errors import ConnectorError
from orchestrator.errors import DeputyError, StoreUnavailable

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
TITLES = {  # status → heading of the page
    401: "Sign in first",
    403: "Not for you",
    404: "There is no such page",
    421: "Not this desk's address",
    429: "Too many requests",
    500: "Something went wrong",
    503: "The desk cannot work right now",
}
GONE = 499  # what nginx calls it; never sent
TEMPLATES = Path(__file__).parents[1] / "web" / "templates"
_PLACE = re.compile(r" ?\b[a-z][a-z0-9+]*://\S*", re.IGNORECASE)
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


def wants_a_page(request: HTTPConnection) -> bool:
    """Whether somebody looks at a page of the desk, and no program asks."""
    return (
        request.scope["method"] == "GET"
        and "text/html" in request.headers.get("accept", "")
        and "authorization" not in request.headers
        and not request.scope["path"].startswith(("/api/", "/static/"))
    )


def answer(
    request: HTTPConnection, code: str, message: str, fix: str = "", headers: dict[str, str] | None = None
) -> Response:
    """The problem as a page, or as a document for programs."""
    if not wants_a_page(request):
        return problem(code, message, fix, headers)
    status = STATUS.get(code, 500)
    told = {"title": TITLES.get(status, HTTPStatus(status).phrase), "message": message.rstrip("."), "fix": fix}
    return HTMLResponse(_templates().get_template("stray.html").render(told), status, headers=headers)


def without_place(message: str) -> str:
    """What a store's error says, without where the store is: that is the house's own business."""
    return _PLACE.sub("", message)


async def of_error(request: HTTPConnection, error: Exception) -> Response:
    """Handler for every error on the way. What nobody foresaw is logged and told without its words."""
    if isinstance(error, WireError):
        return answer(request, error.code, error.message, error.fix, error.headers)
    if isinstance(error, StoreUnavailable):
        log.warning("%s %s: %s", request.scope["method"], request.url.path, error.message)
        return answer(request, error.code, without_place(error.message), error.fix)
    if isinstance(error, DeputyError | ConnectorError):
        return answer(request, error.code, error.message, error.fix)
    if isinstance(error, HTTPException):
        codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}
        code, headers = codes.get(error.status_code, "usage"), dict(error.headers or {})
        if wants_a_page(request):
            return answer(request, code, "nothing is at this address", "check it, or begin at the desk", headers)
        return problem(code, str(error.detail), "see: /api/openapi.json", headers)
    log.error(
        "%s %s: %s", request.scope["method"], request.url.path, type(error).__name__
    )  # the server logs the traceback
    return answer(request, "internal", "this was not foreseen", "look at the server's log")


@cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)


async def hung_up(request: HTTPConnection, error: Exception) -> Response:
    """Whoever asked went away in the middle of it, as a browser does with a page that is left: no error, and heard by nobody."""
    return Response(status_code=GONE)


def handlers() -> dict[Any, Any]:
    """For Starlette's `exception_handlers`."""
    known = dict.fromkeys((DeputyError, ConnectorError, HTTPException, Exception), of_error)
    return {**known, ClientDisconnect: hung_up}
