"""One line to a Deputy server: requests out, answers and errors back, as if the front desk had raised them itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from orchestrator import errors
from orchestrator.errors import DeputyError, StoreUnavailable, Unauthorized, UsageError

TIMEOUT_S = 90.0
_KINDS: Mapping[str, type[DeputyError]] = {
    kind.code: kind
    for kind in (
        errors.UsageError,
        errors.NotFound,
        errors.Unauthorized,
        errors.NotEligible,
        errors.Conflict,
        errors.StoreUnavailable,
    )
}


class Unreachable(StoreUnavailable):
    """Nobody answers at the server's address."""

    code = "unreachable"


class Refused(DeputyError):
    """An answer of the server's that has no kind of its own here."""

    def __init__(self, code: str, message: str, *, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.code = code


class Line:
    """Kept open between requests. For one thread."""

    def __init__(self, url: str, token: str | None) -> None:
        parts = urlsplit(url)
        self._url = url.rstrip("/")
        self._base = parts.path.rstrip("/") + "/api/v1"
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        self._headers = {"Accept": "application/json", "User-Agent": "deputy"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        self._connection.close()

    def get(self, *path: str, **query: Any) -> Any:
        return self.call("GET", *path, query=query)

    def post(self, *path: str, body: Any = None) -> Any:
        return self.call("POST", *path, body={} if body is None else body)

    def call(self, method: str, *path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """The answer, read. `path`: its parts, quoted here. Raises what the server's problem document says."""
        content = self._send(method, path, body, query).read()
        return json.loads(content) if content else None

    def lines(self, *path: str) -> Iterator[Any]:
        """An answer of one JSON document a line."""
        answer = self._send("GET", path, None, None)
        for line in answer:
            if line.strip():
                yield json.loads(line)

    def _send(self, method: str, path: tuple[str, ...], body: Any, query: Mapping[str, Any] | None) -> HTTPResponse:
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        target = "/".join([self._base, *(quote(part, safe="") for part in path)])
        target += f"?{urlencode(asked)}" if asked else ""
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        headers = self._headers | ({"Content-Type": "application/json"} if content is not None else {})
        try:
            answer = self._exchange(method, target, content, headers)
            if answer.status < 400:
                return answer
            problem = answer.read()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise Unreachable(
                f"the server at {self._url} does not answer: {error}", fix="check DEPUTY_URL, and that it runs"
            ) from error
        raise self._error(answer.status, problem)

    def _exchange(self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]) -> HTTPResponse:
        """INVARIANT: only what changes nothing is sent again, on a fresh connection where the server has closed an idle one."""
        try:
            self._connection.request(method, target, body=content, headers=dict(headers))
            return self._connection.getresponse()
        except (ConnectionError, HTTPException):
            self._connection.close()
            if method != "GET":
                raise
            self._connection.request(method, target, body=content, headers=dict(headers))
            return self._connection.getresponse()

    def _error(self, status: int, content: bytes) -> DeputyError:
        try:
            told = json.loads(content)
            code, message, fix = str(told["error"]), str(told["message"]), str(told["fix"])
        except (ValueError, KeyError, TypeError):
            what = f"the server at {self._url} answers with status {status}, and not as Deputy does"
            return (
                Unreachable(what, fix="check DEPUTY_URL") if status >= 500 else UsageError(what, fix="check DEPUTY_URL")
            )
        if code == Unauthorized.code:
            return Unauthorized(message, fix="set DEPUTY_TOKEN to a key of that server: deputy config key create")
        kind = _KINDS.get(code)
        return kind(message, fix=fix) if kind is not None else Refused(code, message, fix=fix)
