"""OUR OWN DOUBLE, not a real server: an MCP server over HTTP (revision 2025-06-18) whose front door refuses, breaks and lies."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOOL = {
    "name": "add_note",
    "description": "Adds.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
    "annotations": {"readOnlyHint": False},
}
READ = {**TOOL, "name": "get_note", "annotations": {"readOnlyHint": True}}


class Front:
    """trouble: what becomes of the next tools/call. calls: how many arrived. seen: their headers."""

    def __init__(self) -> None:
        self.trouble = ""
        self.calls = 0
        self.seen: list[dict[str, str]] = []
        self.url = ""


@contextmanager
def running() -> Iterator[Front]:
    front = Front()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            return

        def do_GET(self) -> None:
            self.reply(405, b"")

        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["content-length"])))
            ident, method = told.get("id"), told.get("method")
            if ident is None:
                self.reply(202, b"")
            elif method == "initialize":
                about = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
                self.result(ident, {**about, "serverInfo": {"name": "front", "version": "1"}})
            elif method == "tools/list":
                self.result(ident, {"tools": [TOOL, READ]})
            elif method == "tools/call":
                front.calls += 1
                front.seen.append({key.lower(): value for key, value in self.headers.items()})
                trouble, front.trouble = front.trouble, ""
                self.call(ident, trouble)
            else:
                self.error(ident, -32601)

        def call(self, ident: Any, trouble: str) -> None:
            if trouble.isdigit():
                extra = {"retry-after": "7"} if trouble == "429" else {}
                self.reply(int(trouble), b"no", "text/plain", extra)
            elif trouble == "drop":
                self.close_connection = True
                self.connection.close()
            elif trouble == "half":
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "5000")
                self.end_headers()
                self.wfile.write(b'{"jsonrpc": "2.0"')
                self.wfile.flush()
                self.connection.close()
                self.close_connection = True
            elif trouble == "bomb":
                packed = gzip.compress(b'{"a": "' + b"a" * 5_000_000 + b'"}')
                self.reply(200, packed, "application/json", {"content-encoding": "gzip"})
            elif trouble == "huge":
                self.result(ident, {"content": [{"type": "text", "text": "a" * 3_000_000}]})
            elif trouble.startswith("-"):
                self.error(ident, int(trouble))
            else:
                self.result(ident, {"content": [{"type": "text", "text": "noted"}]})

        def result(self, ident: Any, result: dict[str, Any]) -> None:
            self.reply(200, json.dumps({"jsonrpc": "2.0", "id": ident, "result": result}).encode())

        def error(self, ident: Any, code: int) -> None:
            told = {"jsonrpc": "2.0", "id": ident, "error": {"code": code, "message": "no"}}
            self.reply(200, json.dumps(told).encode())

        def reply(
            self, status: int, body: bytes, kind: str = "application/json", extra: dict[str, str] | None = None
        ) -> None:
            self.send_response(status)
            for key, value in {"content-type": kind, "content-length": str(len(body)), **(extra or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            return  # connections that were dropped on purpose

    server = Quiet(("127.0.0.1", 0), Handler)
    front.url = f"http://127.0.0.1:{server.server_address[1]}/mcp"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
