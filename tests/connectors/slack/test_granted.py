"""What a token may do, as Slack says it with an answer, or does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from connectors.slack.connector import open_connector
from orchestrator import providers
from tests.connectors.slack import world


@contextmanager
def slack(scopes: str | None) -> Iterator[str]:
    """A Web API that answers everything with ok and no records, and says the scopes in a header where it has any."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = b'{"ok": true, "user_id": "U1", "team_id": "T1", "members": [], "channels": []}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            if scopes is not None:
                self.send_header("x-oauth-scopes", scopes)
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [
        ("users:read,users:read.email", []),  # as Slack writes them
        ("users:read, chat:write", ["users:read.email"]),
        (None, None),  # nothing said: not known, rather than none
    ],
)
def test_scopes_held_are_compared_with_those_the_families_need(scopes: str | None, missing: list[str] | None) -> None:
    """Only the families of the connection count; without the header nobody claims to know."""
    with slack(scopes) as url:
        seen = providers.look(open_connector(base_url=url), world.account(), ["directory"])

    assert seen.needed == ["users:read", "users:read.email"]
    assert (seen.problem, seen.missing) == ("", missing)
    assert "does not tell what is left" in seen.quota


def test_the_header_is_found_in_any_case() -> None:
    """Header names have no case."""
    with slack("chat:write") as url:
        assert asyncio.run(open_connector(base_url=url).granted(world.account())) == "chat:write"
