"""A TCP line that breaks where a test says so: stands between a client and a real server on loopback.

    with FaultProxy(port=server.port) as line:  # clients speak to line.port
        line.arm(Fault.DROP_REPLY, when=b"POST /v1/send")
        ...
        assert line.sent(b"POST /v1/send") == 1

A fault strikes once, at the first connection on which the client says `when` (any connection with an empty `when`). It reads
bytes, so the line must not be encrypted. Nothing here knows what is a request: choose `when` inside the part that matters, e.g.
a word of the body, or for SMTP the final dot.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType

_CHUNK = 65536
_TEXTS = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests", 500: "Internal Server Error"}


class Fault(StrEnum):
    """What happens where the client says the words."""

    DROP_AT_ACCEPT = "drop_at_accept"  # the connection is accepted and closed; `when` is not looked at
    DROP_REQUEST = "drop_request"  # nothing from the words on is passed to the server, and the line is cut
    HALF_REQUEST = "half_request"  # the words and half of what follows are passed on, and the line is cut
    DROP_REPLY = "drop_reply"  # all is passed on; when the server begins to answer, the line is cut
    HALF_REPLY = "half_reply"  # half of the answer's first bytes get through
    DELAY = "delay"  # the answer comes `seconds` later, unless somebody hangs up first
    ANSWER = "answer"  # HTTP: the proxy answers `status` itself, and the server hears nothing
    ANSWER_AFTER = "answer_after"  # HTTP: the server does it, and the client is told `status`


@dataclass(kw_only=True)
class Armed:
    """A fault that waits for its words. `struck` is set when it happens, `answered` when the server then began to answer."""

    fault: Fault
    when: bytes = b""
    seconds: float = 0.0
    status: int = 500
    retry_after_s: int | None = None
    body: bytes = b'{"error": {"code": 500, "message": "fault"}}'
    skip: int = 0
    struck: threading.Event = field(default_factory=threading.Event)
    answered: threading.Event = field(default_factory=threading.Event)

    def http(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {_TEXTS.get(self.status, 'Error')}", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(self.body)}", "Connection: close"]
        if self.retry_after_s is not None:
            lines.append(f"Retry-After: {self.retry_after_s}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


class FaultProxy:
    """Listens on a free loopback port (`port`) until `stop`. Safe to arm from any thread."""

    def __init__(self, *, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._lock = threading.Lock()
        self._armed: list[Armed] = []
        self._said: list[bytearray] = []  # what each client said, whether it was passed on or not
        self._open: set[socket.socket] = set()
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name=f"fault-proxy-{self.port}", daemon=True).start()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        with self._lock:
            return len(self._said)

    def arm(
        self,
        fault: Fault,
        *,
        when: bytes = b"",
        seconds: float = 0.0,
        status: int = 500,
        retry_after_s: int | None = None,
        body: bytes | None = None,
        skip: int = 0,
    ) -> Armed:
        """The next time a client says `when` (upper or lower case), `fault` happens; `skip` lets it pass so often before.

        Faults armed first strike first.
        """
        armed = Armed(fault=fault, when=when, seconds=seconds, status=status, retry_after_s=retry_after_s, skip=skip)
        if body is not None:
            armed.body = body
        with self._lock:
            self._armed.append(armed)
        return armed

    def disarm(self) -> None:
        with self._lock:
            self._armed.clear()

    def sent(self, words: bytes) -> int:
        """How often clients said `words` since the last `forget`, on all connections."""
        with self._lock:
            return sum(len(re.findall(re.escape(words), bytes(one), re.IGNORECASE)) for one in self._said)

    def forget(self) -> None:
        """Starts counting anew."""
        with self._lock:
            for one in self._said:
                one.clear()

    def cut(self) -> None:
        """Cuts every line that is open now; new ones are accepted."""
        with self._lock:
            opened = list(self._open)
        for one in opened:
            _close(one)

    def stop(self) -> None:
        self._stopped.set()
        _close(self._listener)
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        said = bytearray()
        with self._lock:
            self._said.append(said)
        if self._take(lambda one: one.fault is Fault.DROP_AT_ACCEPT) is not None:
            _close(client)
            return
        try:
            server = socket.create_connection(self._target, timeout=10)
        except OSError:
            _close(client)
            return
        server.settimeout(None)
        for one in (client, server):  # small pieces go on at once
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open |= {client, server}
        line = _Line(self, client, server, said)
        threading.Thread(target=line.answers, daemon=True).start()
        line.requests()
        with self._lock:
            self._open -= {client, server}

    def _take(self, fits: Callable[[Armed], bool]) -> Armed | None:
        with self._lock:
            found = next((one for one in self._armed if fits(one)), None)
            if found is not None and found.skip > 0:
                found.skip -= 1
                return None
            if found is not None:
                self._armed.remove(found)
        if found is not None:
            found.struck.set()
        return found

    def struck_by(self, text: bytes) -> Armed | None:
        """Takes the first fault whose words occur in `text`."""
        folded = text.lower()
        return self._take(lambda one: one.fault is not Fault.DROP_AT_ACCEPT and one.when.lower() in folded)

    @property
    def longest(self) -> int:
        with self._lock:
            return max((len(one.when) for one in self._armed), default=1)

    def wait(self, seconds: float) -> None:
        """At most so long; less when the proxy stops."""
        self._stopped.wait(seconds)


class _Line:
    """One connection: what the client says goes to the server, and back, until a fault strikes."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket, said: bytearray) -> None:
        self.proxy, self.client, self.server, self.said = proxy, client, server, said
        self.on_answer: Armed | None = None

    def requests(self) -> None:
        tail = b""
        while chunk := _receive(self.client):
            self.said += chunk
            text = tail + chunk
            armed = self.proxy.struck_by(text)
            if armed is None:
                tail = text[-max(self.proxy.longest - 1, 1) :]
                if not _send(self.server, chunk):
                    break
                continue
            tail = b""
            if not self._strike(armed, text, chunk):
                break
        self.close()

    def _strike(self, armed: Armed, text: bytes, chunk: bytes) -> bool:
        """Whether the connection goes on."""
        before = len(text) - len(chunk)  # passed on already
        start = text.lower().index(armed.when.lower())
        match armed.fault:
            case Fault.DROP_REQUEST:
                _send(self.server, chunk[: max(start - before, 0)])
                return False
            case Fault.HALF_REQUEST:
                end = max(start + len(armed.when) - before, 0)
                _send(self.server, chunk[: end + (len(chunk) - end) // 2])
                return False
            case Fault.ANSWER:
                self._read_rest(text)
                _send(self.client, armed.http())
                return False
            case _:
                self.on_answer = armed
                return _send(self.server, chunk)

    def _read_rest(self, text: bytes) -> None:
        """Reads an HTTP request to its end, so that the client is not cut while it still writes."""
        while b"\r\n\r\n" not in text and (chunk := _receive(self.client)):
            self.said += chunk
            text += chunk
        head, _, body = text.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length:\s*(\d+)", head)
        while length is not None and len(body) < int(length[1]) and (chunk := _receive(self.client)):
            self.said += chunk
            body += chunk

    def answers(self) -> None:
        while chunk := _receive(self.server):
            armed, self.on_answer = self.on_answer, None
            if armed is not None:
                armed.answered.set()
            if armed is not None and armed.fault is Fault.DELAY:
                self.proxy.wait(armed.seconds)
            elif armed is not None:
                if armed.fault is Fault.HALF_REPLY:
                    _send(self.client, chunk[: len(chunk) // 2])
                elif armed.fault is Fault.ANSWER_AFTER:
                    _send(self.client, armed.http())
                break
            if not _send(self.client, chunk):
                break
        self.close()

    def close(self) -> None:
        _close(self.server)
        _close(self.client)


def _receive(one: socket.socket) -> bytes:
    try:
        return one.recv(_CHUNK)
    except OSError:
        return b""


def _send(one: socket.socket, data: bytes) -> bool:
    try:
        one.sendall(data)
    except OSError:
        return False
    return True


def _close(one: socket.socket) -> None:
    # A thread that waits in recv or accept wakes only by shutdown.
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
