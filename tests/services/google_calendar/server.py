"""The double over HTTP: bearer tokens, conditional requests, and faults ordered one request at a time."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.services.google_calendar import changing, discovery, reading
from tests.services.google_calendar.calendars import Resource
from tests.services.google_calendar.discovery import Method, Refusal
from tests.services.google_calendar.world import World

SLOW_S, LATE_S = 0.05, 1.5


class Fault(StrEnum):
    """What happens to the next request that fits."""

    LOSE_REQUEST = "lose_request"  # read, then the line is cut; nothing was done
    LOSE_ANSWER = "lose_answer"  # done, then the line is cut
    HALF_ANSWER = "half_answer"  # done, then the line is cut in the middle of the body
    SLOW_ANSWER = "slow_answer"  # done, and answered after `SLOW_S`
    LATE_ANSWER = "late_answer"  # done, and answered after `LATE_S`: a caller who is less patient does not hear it
    SERVER_ERROR = "server_error"  # 500 after it was done
    UNAVAILABLE = "unavailable"  # 503, nothing was done
    RATE_LIMIT = "rate_limit"  # 403 rateLimitExceeded with Retry-After
    TOO_MANY = "too_many"  # 429 with Retry-After
    UNAUTHORIZED = "unauthorized"  # 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that arrived, as it was understood."""

    method_id: str
    reader: str
    query: Mapping[str, Any]
    body: Resource | None
    if_match: str | None


@dataclass(frozen=True, slots=True)
class _Order:
    fits: Callable[[str, str], bool]  # HTTP method, method id
    fault: Fault


class GoogleCalendar:
    """Runs in threads of its own until `stop`. `root` is what a client takes for Google's address."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.requests: list[Request] = []
        self.meanwhile: Callable[[], None] | None = None  # done once, just before the next change is
        self._orders: deque[_Order] = deque()
        self._lock = threading.Lock()
        self.stopped = threading.Event()
        self._document = discovery.load()
        double = self

        class Handler(_Handler):
            owner = double

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def begin_again(self, world: World) -> None:
        """Another world, nothing recorded, no fault ordered."""
        with self._lock:
            self.world = world
            self.requests.clear()
            self._orders.clear()
            self.meanwhile = None

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail_next(self, fault: Fault, *, writes: bool = True) -> None:
        """Orders a fault for the next request that changes something (or the next that does not)."""
        self._orders.append(_Order(lambda verb, name: _changes(verb, name) is writes, fault))

    def writes(self) -> list[Request]:
        """What arrived that changes something, in order."""
        return [
            one for one in self.requests if one.method_id.rpartition(".")[2] in ("insert", "patch", "update", "delete")
        ]

    def answer(self, verb: str, target: str, headers: Mapping[str, str], raw: bytes) -> tuple[int, Any, Fault | None]:
        """(status, body, fault that still has to strike the answer). Header names in lower case. Raises Refusal."""
        parts = urlsplit(target)
        method, path_values = self._document.route(verb, parts.path)
        reader = self._reader(headers, method)
        query = self._document.read_query(method, parse_qs(parts.query, keep_blank_values=True)) | path_values
        body = json.loads(raw) if raw else None
        self._document.check_body(method, body)
        with self._lock:
            fault = self._take(verb, method.method_id)
            _strike_before(fault)
            if self.meanwhile is not None and _changes(verb, method.method_id):
                act, self.meanwhile = self.meanwhile, None
                act()
            if_match = headers.get("if-match")
            self.requests.append(
                Request(method_id=method.method_id, reader=reader, query=query, body=body, if_match=if_match)
            )
            if fault is Fault.LOSE_REQUEST:
                return 200, None, fault
            result = self._perform(method, reader, query, body or {}, if_match)
        if fault is Fault.SERVER_ERROR:
            raise Refusal(500, "backendError", "Backend Error")
        status = 200 if result is not None else 204
        return status, _selected(result, query.get("fields")), fault

    def _reader(self, headers: Mapping[str, str], method: Method) -> str:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.world.users:
            raise Refusal(401, "authError", "Invalid Credentials", WWW_Authenticate='Bearer error="invalid_token"')
        granted = self.world.scopes.get(token)
        if granted is not None and not granted & method.scopes:
            raise Refusal(
                *(403, "insufficientPermissions", "Insufficient Permission"),
                WWW_Authenticate='Bearer error="insufficient_scope"',
            )
        return self.world.users[token]

    def _take(self, verb: str, method_id: str) -> Fault | None:
        for order in self._orders:
            if order.fits(verb, method_id):
                self._orders.remove(order)
                return order.fault
        return None

    def _perform(
        self, method: Method, reader: str, query: dict[str, Any], body: Resource, if_match: str | None
    ) -> Resource | None:
        world = self.world
        match method.method_id.removeprefix("calendar."):
            case "events.list":
                return reading.list_events(world, reader, query)
            case "events.get":
                return reading.get(world, reader, query)
            case "events.instances":
                return reading.instances(world, reader, query)
            case "events.insert":
                return changing.insert(world, reader, query, body)
            case "events.patch":
                return changing.patch(world, reader, query, body, if_match=if_match)
            case "events.update":
                return changing.update(world, reader, query, body, if_match=if_match)
            case "events.delete":
                changing.delete(world, reader, query, if_match=if_match)
                return None
            case "freebusy.query":
                return reading.freebusy(world, reader, body)
            case "calendarList.list":
                return reading.calendar_list(world, reader, query)
            case "calendarList.get":
                return reading.list_entry(world, reader, query["calendarId"])
            case "calendars.get":
                return reading.get_calendar(world, reader, query["calendarId"])
            case name:
                raise Refusal(501, "notImplemented", f"the double does not have {name}")


def _changes(verb: str, method_id: str) -> bool:
    return verb != "GET" and method_id != "calendar.freebusy.query"


def _strike_before(fault: Fault | None) -> None:
    match fault:
        case Fault.UNAVAILABLE:
            raise Refusal(503, "backendError", "Service Unavailable")
        case Fault.RATE_LIMIT:
            raise Refusal(403, "rateLimitExceeded", "Rate Limit Exceeded", Retry_After="7")
        case Fault.TOO_MANY:
            raise Refusal(429, "rateLimitExceeded", "Too Many Requests", Retry_After="7")
        case Fault.UNAUTHORIZED:
            raise Refusal(401, "authError", "Invalid Credentials")
        case _:
            return


def _selected(result: Resource | None, fields: str | None) -> Resource | None:
    """Partial answers by names of the top level; finer selectors are none of this double's."""
    if result is None or fields is None:
        return result
    if not fields.replace(",", "").isalnum():
        raise Refusal(501, "notImplemented", f"the double does not select {fields!r}")
    return {name: value for name, value in result.items() if name in fields.split(",")}


class _Handler(BaseHTTPRequestHandler):
    owner: GoogleCalendar
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        extra: Mapping[str, str] = {}
        fault = None
        try:
            status, result, fault = self.owner.answer(
                self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, raw
            )
        except Refusal as refusal:
            status, result, extra = refusal.status, refusal.body(), refusal.headers
        except json.JSONDecodeError:
            status, result = 400, Refusal(400, "parseError", "Parse Error").body()
        if fault in (Fault.LOSE_REQUEST, Fault.LOSE_ANSWER):
            self.close_connection = True
            return
        if fault in (Fault.SLOW_ANSWER, Fault.LATE_ANSWER):
            self.owner.stopped.wait(SLOW_S if fault is Fault.SLOW_ANSWER else LATE_S)
        content = b"" if status == 204 else json.dumps(result).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json; charset=UTF-8", **extra}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault is Fault.HALF_ANSWER:
            content = content[: len(content) // 2]
            self.close_connection = True
        with suppress(OSError):  # whoever asked has hung up
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Tests read `requests` instead."""
