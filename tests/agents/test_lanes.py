"""Few advances at a time use the processor, and none keeps the others from it."""

from __future__ import annotations

import asyncio

from orchestrator.agents.lanes import Lanes


def test_the_first_are_out_before_the_last_begin() -> None:
    """Six that each need three turns of the loop, two at a time: they begin and end in pairs."""
    seen: list[str] = []

    async def one(name: str, lanes: Lanes) -> None:
        async with lanes.lane():
            seen.append(f"+{name}")
            for _ in range(3):
                await asyncio.sleep(0)
            seen.append(f"-{name}")

    async def work() -> None:
        lanes = Lanes(at_once=2, longest_s=60)
        await asyncio.gather(*(one(name, lanes) for name in "abcdef"))

    asyncio.run(work())
    assert seen[:4] == ["+a", "+b", "-a", "-b"]
    assert seen[-2:] == ["-e", "-f"]


def test_who_waits_for_something_else_loses_the_lane() -> None:
    """A tool that never answers holds nobody up, and what it held is free once only."""

    async def work() -> int:
        lanes = Lanes(at_once=1, longest_s=0.01)
        never = asyncio.Event()

        async def stuck() -> None:
            async with lanes.lane():
                await never.wait()

        task = asyncio.create_task(stuck())
        await asyncio.sleep(0)
        async with asyncio.timeout(10), lanes.lane() as lane:
            lane.leave()
            await lane.enter()
        never.set()
        await task
        inside = 0
        for _ in range(2):
            try:
                async with asyncio.timeout(0):
                    await lanes.lane().enter()
                    inside += 1
            except TimeoutError:
                pass
        return inside

    assert asyncio.run(work()) == 1


def test_an_advance_that_fails_gives_its_lane_back() -> None:
    """Also one that is cancelled."""

    async def work() -> None:
        lanes = Lanes(at_once=1, longest_s=60)
        try:
            async with lanes.lane():
                raise RuntimeError("broken")
        except RuntimeError:
            pass
        async with asyncio.timeout(10), lanes.lane():
            pass

    asyncio.run(work())
