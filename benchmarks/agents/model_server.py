"""A scripted chat model on the OpenAI wire, in a process of its own so that its CPU is nobody else's: prints its port, serves.

    python -m benchmarks.agents.model_server

It keeps no conversation: it counts the tool results in a request and says what the script has for so many. `/set` changes turns,
latency, the size of results that are asked for and the turn at which requests are held; `/release`, `/stats` and `/seen` are for the harness.
"""

from __future__ import annotations

import asyncio
import json
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from benchmarks.agents import script

TOOL_RESULT = b'"role":"tool"'
FINISH_LISTED = b'"name":"finish"'
SUPERVISES = b'"name":"agent_delegate"'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@lru_cache(maxsize=4096)
def reply(answered: int, turns: int, limit: int, *, supervises: bool, has_finish: bool) -> bytes:
    """The body for a conversation with so many tool results."""
    if supervises:
        return script.completion(script.supervisor_calls(answered), "", answered)
    if answered < turns:
        return script.completion([script.tool_call(answered, limit)], "", answered)
    finish: list[script.Asked] = [("finish", {"answer": script.ANSWER})] if has_finish else []
    return script.completion(finish, script.ANSWER, answered)


class Room:
    """What all connections share."""

    def __init__(self) -> None:
        self.turns = script.TURNS
        self.latency_s = 0.0
        self.limit = script.SMALL
        self.hold_at = -1  # requests with so many tool results wait for `/release`
        self.requests = 0
        self.bytes = 0
        self.held: list[tuple[Served, bytes]] = []
        self.seen: dict[str, bytes] = {}  # latest request of each kind: first and last of a task, first of a supervisor

    def control(self, target: str) -> Any:
        parts = urlsplit(target)
        match parts.path:
            case "/set":
                for name, value in parse_qsl(parts.query):
                    setattr(self, name, float(value) if name == "latency_s" else int(value))
                self.requests = self.bytes = 0
            case "/release":
                self.hold_at = -1
                held, self.held = self.held, []
                for connection, body in held:
                    connection.answer(body)
            case "/seen":
                return {name: body.decode() for name, body in self.seen.items()}
        return {"requests": self.requests, "bytes": self.bytes, "held": len(self.held)}

    def ask(self, connection: Served, body: bytes) -> None:
        self.requests += 1
        self.bytes += len(body)
        answered = body.count(TOOL_RESULT)
        supervises = SUPERVISES in body
        if answered == 0:
            self.seen["supervisor" if supervises else "first"] = body
        elif answered == self.turns and not supervises:
            self.seen["last"] = body
        body_of = reply(answered, self.turns, self.limit, supervises=supervises, has_finish=FINISH_LISTED in body)
        said = body_of % (len(body) // 4)
        if answered == self.hold_at:
            self.held.append((connection, said))
        elif self.latency_s:
            asyncio.get_running_loop().call_later(self.latency_s, connection.answer, said)
        else:
            connection.answer(said)


class Served(asyncio.Protocol):
    """One connection: one request after the other."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._buffer = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end])
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        if head.startswith(b"POST"):
            self._room.ask(self, body)
        else:
            self.answer(json.dumps(self._room.control(head.split(b" ", 2)[1].decode())).encode())

    def answer(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(HEAD % len(body) + body)


async def main() -> None:
    room = Room()
    server = await asyncio.get_running_loop().create_server(lambda: Served(room), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
