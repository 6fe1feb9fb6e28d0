"""The broken line itself: what the server hears and what the client is told, per fault."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.services.fault_proxy import Fault, FaultProxy


@dataclass
class Server:
    """Notes every body it was sent whole, and answers 200."""

    port: int
    heard: list[bytes] = field(default_factory=list)
    idle: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) == length:
                noted.heard.append(body)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: the tests look at what was heard."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    noted = Server(port=running.server_address[1])
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield noted
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def line(server: Server) -> Iterator[FaultProxy]:
    with FaultProxy(port=server.port) as proxy:
        yield proxy


def post(line: FaultProxy, body: bytes) -> tuple[int, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", line.port, timeout=5)
    try:
        connection.request("POST", "/send", body)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Retry-After")
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        (Fault.DROP_AT_ACCEPT, []),
        (Fault.DROP_REQUEST, []),
        (Fault.HALF_REQUEST, []),
        (Fault.DROP_REPLY, [b"word and more"]),
    ],
)
def test_a_broken_line_is_an_error_and_the_server_heard_all_or_nothing(
    server: Server, line: FaultProxy, fault: Fault, heard: list[bytes]
) -> None:
    """The client is left without an answer; the server did it only where the reply was lost. It strikes once."""
    armed = line.arm(fault, when=b"word")

    with pytest.raises((OSError, http.client.HTTPException)):
        post(line, b"word and more")

    assert armed.struck.is_set()
    assert server.heard == heard
    assert post(line, b"word again") == (200, None)


def test_half_an_answer_is_cut_in_the_middle(server: Server, line: FaultProxy) -> None:
    """The server did it, and the client has the beginning of an answer without its end."""
    line.arm(Fault.HALF_REPLY, when=b"word")

    with socket.create_connection(("127.0.0.1", line.port), timeout=5) as client:
        client.sendall(b"POST /send HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nword")
        answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert server.heard == [b"word"]
    assert answer.startswith(b"HTTP/1.1 200")
    assert not answer.endswith(b"ok")


@pytest.mark.parametrize(("fault", "heard"), [(Fault.ANSWER, []), (Fault.ANSWER_AFTER, [b"word"])])
def test_a_refusal_is_told_with_and_without_the_server(
    server: Server, line: FaultProxy, fault: Fault, heard: list[bytes]
) -> None:
    """429 with Retry-After in the server's place, or behind its back."""
    line.arm(fault, when=b"POST", status=429, retry_after_s=7)

    assert post(line, b"word") == (429, "7")

    assert server.heard == heard
    assert line.sent(b"POST /send") == 1


def test_a_late_answer_comes(line: FaultProxy) -> None:
    """A delay changes nothing but the time."""
    armed = line.arm(Fault.DELAY, when=b"word", seconds=0.05)

    assert post(line, b"word") == (200, None)

    assert armed.struck.is_set()


def test_a_fault_lets_pass_what_it_is_told_to(server: Server, line: FaultProxy) -> None:
    """With `skip` one, the second time is struck."""
    line.arm(Fault.ANSWER, when=b"word", status=500, skip=1)

    assert [post(line, b"word")[0] for _ in range(3)] == [200, 500, 200]
    assert server.heard == [b"word", b"word"]
