"""A door before an HTTP service on loopback: counts what comes, and fails on demand as networks and Google do.

What it is not told to fail goes through untouched, so the service behind it answers for everything else.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"})


class Loss(Enum):
    """REQUEST: read, and not passed on. ANSWER: passed on, and its answer kept back. HALF: passed on, and half of its answer given.

    All end in a closed connection.
    """

    REQUEST = "request"
    ANSWER = "answer"
    HALF = "half"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer given in place of the service."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Front:
    """`seen`: (method, path without query) of every request that came, in order; `queries` and `bodies` theirs."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.seen: list[tuple[str, str]] = []
        self.queries: list[dict[str, list[str]]] = []
        self.bodies: list[bytes] = []
        self._armed: list[tuple[str, re.Pattern[str], Loss | Answer]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def arm(self, method: str, path: str, fault: Loss | Answer) -> None:
        """The next request of this method whose path the pattern finds fails so."""
        with self._lock:
            self._armed.append((method, re.compile(path), fault))

    def disarm(self) -> None:
        with self._lock:
            self._armed.clear()

    def count(self, method: str, path: str) -> int:
        return sum(1 for one, where in self.seen if one == method and re.search(path, where))

    def meet(self, method: str, target: str, body: bytes) -> Loss | Answer | None:
        path = urlsplit(target).path
        with self._lock:
            self.queries.append(parse_qs(urlsplit(target).query))
            self.seen.append((method, path))
            self.bodies.append(body)
            for place, (one, pattern, fault) in enumerate(self._armed):
                if one == method and pattern.search(path):
                    del self._armed[place]
                    return fault
        return None

    @contextmanager
    def opened(self) -> Iterator[Front]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(10)


def _handler(front: Front) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = front.meet(self.command, self.path, body)
            if fault is Loss.REQUEST:
                self.close_connection = True
                return
            if isinstance(fault, Answer):
                self._answer(fault.status, dict(fault.headers), json.dumps(dict(fault.body)).encode())
                return
            host = urlsplit(front.upstream)
            line = http.client.HTTPConnection(str(host.hostname), host.port, timeout=20)
            try:
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
                headers["Accept-Encoding"] = "identity"
                line.request(self.command, self.path, body, headers)
                answer = line.getresponse()
                content = answer.read()
                told = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            finally:
                line.close()
            if fault is Loss.ANSWER:
                self.close_connection = True
                return
            self._answer(answer.status, told, content, is_half=fault is Loss.HALF)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def _answer(self, status: int, headers: Mapping[str, str], content: bytes, *, is_half: bool = False) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if is_half else content)
            self.close_connection = self.close_connection or is_half

        def log_message(self, *_: Any) -> None:
            return

    return Handler
