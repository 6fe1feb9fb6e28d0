"""The floors: a bare aiohttp loop that keeps nothing (N), and one that has each step on disk before the next one starts (D).

No framework, no gate, no budget. D is what the machine takes for durable steps: SQLite, WAL, synchronous=FULL, one writer thread,
as many steps per commit as are waiting. The messages, tools and tool results are those that the product sent in the same run.

Both encode the whole request at each step, as a loop written by hand does. The tight D encodes each message once and joins bytes:
what remains is the HTTP client, the reply and the commit.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.agents import child, script

SET = {"model": "script", "temperature": 0, "seed": 0, "max_tokens": 4096}


class GroupCommit:
    """Steps of all tasks, each durable before `put` returns."""

    def __init__(self, path: Path) -> None:
        self._queue: queue.SimpleQueue[tuple[Any, asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def put(self, task: int, step: int, body: bytes) -> asyncio.Future[None]:
        durable: asyncio.Future[None] = self._loop.create_future()
        self._queue.put(((task, step, body), durable))
        return durable

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        c = sqlite3.connect(self._path, isolation_level=None)
        c.execute("pragma synchronous=FULL")
        while (first := self._queue.get()) is not None:
            batch = [first]
            while not self._queue.empty() and (more := self._queue.get()) is not None:
                batch.append(more)
            c.execute("begin immediate")
            c.executemany("insert into steps (task, step, body) values (?, ?, ?)", [row for row, _ in batch])
            c.execute("commit")
            self._loop.call_soon_threadsafe(_tell, [durable for _, durable in batch])
        c.close()


def _tell(durable: list[asyncio.Future[None]]) -> None:
    for one in durable:
        one.set_result(None)


class Plain:
    """A conversation as a list of messages."""

    def __init__(self, told: list[Any], tools: list[Any]) -> None:
        self._messages, self._tools = list(told), tools

    def body(self) -> bytes:
        return script.encoded({**SET, "messages": self._messages, "tools": self._tools}).encode()

    def add(self, messages: list[Any]) -> bytes:
        """The row of a step."""
        self._messages += messages
        return script.encoded(messages).encode()


class Tight:
    """A conversation as encoded messages."""

    def __init__(self, told: list[Any], tools: list[Any]) -> None:
        self._messages = [script.encoded(message).encode() for message in told]
        self._head = script.encoded(SET).encode()[:-1] + b',"messages":['
        self._tail = b'],"tools":' + script.encoded(tools).encode() + b"}"

    def body(self) -> bytes:
        return self._head + b",".join(self._messages) + self._tail

    def add(self, messages: list[Any]) -> bytes:
        encoded = [script.encoded(message).encode() for message in messages]
        self._messages += encoded
        return b",".join(encoded)


class Floor:
    """One contestant. `given`: url; first messages and tools by kind of task, results by tool; database (None: nothing is kept)."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.url = given["url"] + "/chat/completions"
        self.told, self.tools, self.results = given["told"], given["tools"], given["results"]
        self.database = given["database"]
        self.request = Tight if given["is_tight"] else Plain
        self.next_task = 0

    async def start(self) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
        )
        self.log = None if self.database is None else GroupCommit(_made(Path(self.database)))

    async def task(self, kind: str) -> str:
        """One task to its end; its answer."""
        number, step, answer = self.next_task, 0, None
        self.next_task += 1
        request = self.request(self.told[kind], self.tools[kind])
        while answer is None:
            headers = {"Content-Type": "application/json"}
            async with self.session.post(self.url, data=request.body(), headers=headers) as response:
                said = json.loads(await response.read())["choices"][0]["message"]
            added = [said]
            for call in said.get("tool_calls") or ():
                name = call["function"]["name"]
                arguments = json.loads(call["function"]["arguments"])
                if name == "finish":
                    answer = arguments["answer"]
                    break
                result = await self.task("first") if name == "agent_delegate" else self.results[name]
                added.append({"role": "tool", "tool_call_id": call["id"], "content": result})
            else:
                answer = said["content"]
            row = request.add(added)
            if self.log is not None:
                await self.log.put(number, step, row)
            step += 1
        return str(answer)

    async def tasks(self, count: int, concurrency: int, kind: str) -> dict[str, float]:
        """Runs so many tasks, so many at a time; seconds in all, and at the 50th and 99th percentile of tasks."""
        left, taken = iter(range(count)), []

        async def lane() -> None:
            for _ in left:
                began_s = time.perf_counter()
                await self.task(kind)
                taken.append(time.perf_counter() - began_s)

        began_s = time.perf_counter()
        await asyncio.gather(*(lane() for _ in range(concurrency)))
        wall_s = time.perf_counter() - began_s
        taken.sort()
        return {"wall_s": wall_s, "p50_s": taken[len(taken) // 2], "p99_s": taken[int(len(taken) * 0.99)]}


def _made(path: Path) -> Path:
    c = sqlite3.connect(path)
    c.execute("pragma journal_mode=WAL")
    c.execute("create table if not exists steps (task integer, step integer, body blob, primary key (task, step))")
    c.commit()
    c.close()
    return path


async def main() -> None:
    floor = Floor(json.loads(sys.stdin.readline()))
    await floor.start()
    loop = asyncio.get_running_loop()
    running: list[asyncio.Task[dict[str, float]]] = []
    child.tell({"ready": True})
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        match json.loads(line):
            case {"tasks": count, "concurrency": concurrency, "kind": kind}:
                running = [asyncio.create_task(floor.tasks(count, concurrency, kind))]
                child.tell({})
            case {"finished": True}:
                child.tell(await running.pop())
            case {"mark": collect}:
                child.tell(child.mark(collect=collect))
    await floor.session.close()
    if floor.log is not None:
        floor.log.close()


if __name__ == "__main__":
    asyncio.run(main())
