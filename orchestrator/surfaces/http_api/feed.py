"""One reader of the news for the whole process, and as many listeners as there are pages and waiting calls.

A listener costs a queue, not a thread and no query: what is new is read once, and handed to each who may see it. It rests while nobody
listens. Runs in the server's event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from orchestrator.deputy import Deputy
from orchestrator.deputy.news import Heard
from orchestrator.domain.principal import Principal
from orchestrator.errors import StoreUnavailable
from orchestrator.surfaces.http_api.draining import Drain

LOOK_EVERY_S = 0.04  # on SQLite: one pragma in a thread
SAFETY_S = 1.0  # where the database tells by itself
PROGRESS_EVERY_S = 0.25
MOST_WAITING = 2000  # news that one listener may leave unread
PAGE = 500
MOST_MISSED = 5000  # news that is told again one by one; beyond, a page does better to load anew


@dataclass(frozen=True, slots=True)
class Progress:
    """A run's log has grown. Not news: it has no number, and nobody misses it."""

    run_id: str
    item_id: str
    step: int


@dataclass(eq=False, slots=True)
class Listener:
    """`who` None: one of our own, who sees everything. `tree`: only of this item and what hangs under it."""

    who: Principal | None
    tree: str | None
    queue: asyncio.Queue[Heard | Progress | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    is_closed: bool = False

    def hear(self, told: Heard | Progress) -> None:
        if isinstance(told, Heard):
            if self.who is not None and not told.is_for(self.who):
                return
            if self.tree is not None and self.tree not in (told.item_id, told.root_id) and told.item_id is not None:
                return
        try:
            self.queue.put_nowait(told)
        except asyncio.QueueFull:
            self.close()  # too slow: it comes again, and says how far it has read

    def close(self) -> None:
        """The last thing it hears."""
        if not self.is_closed:
            self.is_closed = True
            with contextlib.suppress(asyncio.QueueFull):
                self.queue.put_nowait(None)

    async def next(self, timeout_s: float) -> Heard | Progress | None:
        """None after so long without any. Raises EOFError once it is closed and everything was heard."""
        try:
            async with asyncio.timeout(timeout_s):
                told = await self.queue.get()
        except TimeoutError:
            if self.is_closed:
                raise EOFError from None
            return None
        if told is None:
            raise EOFError
        return told


class Feed:
    """`position`: the number of the newest news that was handed out, or that there was before anybody listened."""

    def __init__(self, desk: Deputy, drain: Drain) -> None:
        self._news = desk.news
        self._drain = drain
        self._listeners: set[Listener] = set()
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._fresh = asyncio.Event()
        self.position = 0

    @contextlib.asynccontextmanager
    async def listening(self, who: Principal | None, *, tree: str | None = None) -> AsyncIterator[Listener]:
        """From now on: everything behind `position`, which stands before anything of it is heard."""
        await self._start()
        listener = Listener(who, tree)
        if self._drain.has_begun():
            listener.close()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._reading is not None:
                self._reading.cancel()
                self._reading = None

    def streams_of(self, who: Principal) -> int:
        """How many of this person's are open here."""
        return sum(one.who is not None and one.who.principal_id == who.principal_id for one in self._listeners)

    async def _end(self) -> None:
        """Ends every listener as the server ends. What they miss they are told elsewhere."""
        await self._drain.ends(float("inf"))
        for listener in list(self._listeners):
            listener.close()

    async def missed(self, listener: Listener, after: int) -> list[Heard] | None:
        """What the listener would have heard between `after` and the present; None where that is too much, or not known any more.

        To be called with a listener that listens already. What it hears of the same news meanwhile is told by its number.
        """
        upto = self.position
        oldest, _ = await asyncio.to_thread(self._news.bounds)
        if after > upto or after + 1 < oldest:
            return None
        found: list[Heard] = []
        while after < upto:
            page = [told for told in await asyncio.to_thread(self._news.after, after, PAGE) if told.seq <= upto]
            if not page:
                break
            after = page[-1].seq
            found += page
            if len(found) > MOST_MISSED:
                return None
        return [
            told
            for told in found
            if (listener.who is None or told.is_for(listener.who))
            and (listener.tree is None or listener.tree in (told.item_id, told.root_id) or told.item_id is None)
        ]

    # ---- reading -----------------------------------------------------------------------------------------------------
    async def _start(self) -> None:
        """Returns with a reader that knows its position. Raises what kept it from looking."""
        while True:
            if self._reading is None or self._reading.done():
                self._ready = asyncio.Event()
                self._reading = asyncio.create_task(self._read(self._ready))
            reading, ready = self._reading, self._ready
            await ready.wait()
            if reading is not self._reading:
                continue  # its last listener left meanwhile
            if reading.done():
                self._reading = None
                reading.result()
            return

    async def _read(self, ready: asyncio.Event) -> None:
        beside = [asyncio.create_task(self._end())]
        if self._news.is_told:
            beside.append(asyncio.create_task(self._news.listen(self._fresh.set)))
        steps: dict[str, int] = {}
        looked_at = 0.0
        try:
            self.position = (await asyncio.to_thread(self._news.bounds))[1]
            ready.set()
            while True:
                await self._pause()
                try:
                    if not await asyncio.to_thread(self._news.changed):
                        continue
                    await self._take()
                    now = asyncio.get_running_loop().time()
                    if now - looked_at >= PROGRESS_EVERY_S:
                        looked_at = now
                        await self._take_progress(steps)
                except StoreUnavailable:
                    await asyncio.sleep(SAFETY_S)  # listeners stay: they hear of it when it is back
        finally:
            self._news.rest()
            for task in beside:
                task.cancel()
            asyncio.get_running_loop().call_soon(ready.set)  # once this task is done

    async def _pause(self) -> None:
        if not self._news.is_told:
            await asyncio.sleep(LOOK_EVERY_S)
            return
        wait_s = PROGRESS_EVERY_S if self._trees() else SAFETY_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._fresh.wait()
        self._fresh.clear()

    async def _take(self) -> None:
        while True:
            page = await asyncio.to_thread(self._news.after, self.position, PAGE)
            for told in page:
                self.position = told.seq
                for listener in list(self._listeners):
                    listener.hear(told)
            if len(page) < PAGE:
                return

    async def _take_progress(self, steps: dict[str, int]) -> None:
        trees = self._trees()
        if not trees:
            return
        found = await asyncio.to_thread(self._news.progress, trees)
        for run_id, (item_id, root_id, step) in found.items():
            if steps.get(run_id) == step:
                continue
            steps[run_id] = step
            for listener in list(self._listeners):
                if listener.who is not None and listener.tree in (item_id, root_id):
                    listener.hear(Progress(run_id, item_id, step))
        for gone in steps.keys() - found.keys():
            del steps[gone]

    def _trees(self) -> set[str]:
        return {one.tree for one in self._listeners if one.who is not None and one.tree is not None}


def lines(event: dict[str, Any], *, number: int | None = None) -> Iterator[str]:
    """One event as the stream writes it (WHATWG HTML, Server-sent events)."""
    import json

    if number is not None:
        yield f"id: {number}\n"
    yield f"data: {json.dumps(event, ensure_ascii=False, separators=(',', ':'))}\n\n"
