"""Several endpoints behind one model: order, weights, breakers, secrets, limits of each; against real servers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agents.models.breaker import PROBE_S, Breaker
from orchestrator.agents.models.pool import Pool
from orchestrator.agents.models.protocol import ModelError, ModelReply
from orchestrator.agents.models.registry import Models
from orchestrator.settings import Settings
from tests.models.peer import Peer, Step, after, fails, hangs_up, peer, request, says


class House:
    """Servers a, b, c …, one for each script, and a model over all of them."""

    def __init__(
        self, home: Path, *scripts: tuple[Step, ...], tables: tuple[dict[str, Any], ...] = (), **settings: Any
    ):
        self.home, self.scripts, self.settings = home, scripts, settings
        self.tables = tables or tuple({} for _ in scripts)
        self.peers: list[Peer] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> House:
        tables = []
        for name, script, table in zip("abcdef", self.scripts, self.tables, strict=False):
            server = await self._stack.enter_async_context(peer(*script))
            self.peers.append(server)
            tables.append({"name": name, "model": "openai:gpt-4o", "base_url": server.url, **table})
        self.models = Models.of(Settings.load(home=self.home, models=tables, **self.settings), environment={})
        self._stack.push_async_callback(self.models.aclose)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def model(self) -> Pool:
        found = self.models.role("task")
        assert isinstance(found, Pool)
        found.retry_first_s = 0.001
        return found

    async def ask(self, times: int = 1, **more: Any) -> list[ModelReply]:
        return [await self.model.reply(request(**more)) for _ in range(times)]

    def heard(self) -> list[int]:
        return [len(server.bodies) for server in self.peers]


# ---- order and weight ------------------------------------------------------------------------------------------------
def test_equals_share_by_weight(tmp_path: Path) -> None:
    """Weights 3 and 1 give every fourth request to the second, evenly spread, and the same each time."""

    async def story() -> list[str]:
        async with House(tmp_path, (says(),), (says(),), tables=({"weight": 3}, {"weight": 1})) as house:
            return [reply.endpoint for reply in await house.ask(8)]

    assert asyncio.run(story()) == ["a", "a", "b", "a", "a", "a", "b", "a"]


def test_the_next_order_is_asked_only_when_the_first_fails(tmp_path: Path) -> None:
    """A healthy first keeps all; a failing one is tried twice, then the second answers, and the retries are counted."""

    async def story() -> tuple[list[ModelReply], list[int]]:
        scripts = ((says("first"), fails(500)), (says("second"),))
        async with House(tmp_path, *scripts, tables=({"order": 1}, {"order": 2})) as house:
            return await house.ask(2), house.heard()

    replies, heard = asyncio.run(story())

    assert [(reply.text, reply.endpoint, reply.retries) for reply in replies] == [("first", "a", 0), ("second", "b", 2)]
    assert heard == [3, 1]


@pytest.mark.parametrize(
    ("step", "goes_on"),
    [
        (hangs_up, True),
        (fails(429, Retry_After="30"), True),  # rather than wait so long
        (fails(401), True),  # the other one may have a key that is good
        (fails(404), True),  # the other one may have the model
        (fails(400, "bad request"), False),  # it is the request
        (fails(400, "too long", code="context_length_exceeded"), False),
    ],
)
def test_only_what_another_endpoint_can_mend_goes_on_to_it(tmp_path: Path, step: Step, goes_on: bool) -> None:
    """A fault of the endpoint goes to the next one; a fault of the request is told."""

    async def story() -> tuple[str, list[int]]:
        async with House(tmp_path, (step,), (says("there"),), tables=({"order": 1}, {"order": 2})) as house:
            try:
                return (await house.ask())[0].text, house.heard()
            except ModelError as error:
                return error.code, house.heard()

    told, heard = asyncio.run(story())

    assert (told == "there") is goes_on
    assert heard[1] == int(goes_on)


def test_an_endpoint_that_asked_for_peace_is_passed_over(tmp_path: Path) -> None:
    """After a 429 with Retry-After its equals are asked, without trying it again."""

    async def story() -> list[int]:
        scripts = ((fails(429, Retry_After="30"),), (says(),))
        async with House(tmp_path, *scripts) as house:
            await house.ask(5)
            return house.heard()

    assert asyncio.run(story()) == [1, 5]


def test_the_error_of_the_last_endpoint_is_told(tmp_path: Path) -> None:
    """When nobody answers, each was tried, and the error is transient."""

    async def story() -> tuple[ModelError, list[int]]:
        async with House(tmp_path, (fails(500),), (fails(503),), model_retries=2) as house:
            with pytest.raises(ModelError) as caught:
                await house.ask()
            return caught.value, house.heard()

    error, heard = asyncio.run(story())

    assert (error.code, error.is_transient, heard) == ("model_overloaded", True, [2, 3])


# ---- secrets and limits ----------------------------------------------------------------------------------------------
def test_secrets_go_only_where_they_may(tmp_path: Path) -> None:
    """With something secret inside, an endpoint that does not admit it is never asked, not even as the last resort."""

    async def story() -> tuple[list[int], str]:
        tables = ({"admits_secret": False, "order": 1}, {"order": 2})
        async with House(tmp_path, (says(),), (says(), fails(500)), tables=tables, model_retries=0) as house:
            await house.ask(secret=True)
            with pytest.raises(ModelError) as caught:
                await house.ask(secret=True)
            return house.heard(), caught.value.code

    assert asyncio.run(story()) == ([0, 2], "model_unreachable")


def test_without_an_admitted_endpoint_nothing_is_sent(tmp_path: Path) -> None:
    """Nobody may see it: the error says so, and no request leaves."""

    async def story() -> tuple[list[int], ModelError]:
        async with House(tmp_path, (says(),), tables=({"admits_secret": False},)) as house:
            with pytest.raises(ModelError) as caught:
                await house.ask(secret=True)
            return house.heard(), caught.value

    heard, error = asyncio.run(story())

    assert (heard, error.code, error.is_transient) == ([0], "model_not_admitted", False)
    assert "admits_secret" in error.fix


def test_no_more_requests_are_under_way_than_allowed(tmp_path: Path) -> None:
    """max_in_flight holds, and everybody is served in the end."""

    async def story() -> tuple[int, int]:
        ready = asyncio.Event()
        async with House(tmp_path, (after(ready, says()),), tables=({"max_in_flight": 3},)) as house:
            asking = [asyncio.create_task(house.ask()) for _ in range(10)]
            while len(house.peers[0].bodies) < 3:
                await asyncio.sleep(0)
            ready.set()
            replies = await asyncio.gather(*asking)
            return len(replies), house.peers[0].most_at_once

    assert asyncio.run(story()) == (10, 3)


def test_a_full_endpoint_leaves_the_work_to_its_equal(tmp_path: Path) -> None:
    """While one is at its limit, the others take what comes."""

    async def story() -> Counter[str]:
        ready = asyncio.Event()
        tables: tuple[dict[str, Any], ...] = ({"max_in_flight": 1, "weight": 100}, {})
        async with House(tmp_path, (after(ready, says()),), (says(),), tables=tables) as house:
            first = asyncio.create_task(house.ask())
            while not house.peers[0].bodies:
                await asyncio.sleep(0)
            replies = await house.ask(4)
            ready.set()
            return Counter(reply.endpoint for reply in [*replies, *await first])

    assert asyncio.run(story()) == {"b": 4, "a": 1}


def test_a_cancelled_caller_leaves_no_trace(tmp_path: Path) -> None:
    """His place is free again, and the endpoint is not blamed."""

    async def story() -> tuple[int, int, str]:
        ready = asyncio.Event()
        async with House(tmp_path, (after(ready, says()), says("next")), tables=({"max_in_flight": 1},)) as house:
            asking = asyncio.create_task(house.ask())
            while not house.peers[0].bodies:
                await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            endpoint = house.model.endpoints[0]
            failures, in_flight = endpoint.breaker.failures, endpoint.in_flight
            ready.set()
            return failures, in_flight, (await house.ask())[0].text

    assert asyncio.run(story()) == (0, 0, "next")


# ---- breakers --------------------------------------------------------------------------------------------------------
def test_a_broken_endpoint_is_left_alone_until_a_probe_succeeds(tmp_path: Path) -> None:
    """Five failures in a row open the breaker; its equal takes over; after the rest one request closes it again."""

    async def story() -> tuple[list[int], list[int], str, list[int], str]:
        scripts = ((*[fails(500)] * 5, says("back")), (says(),))
        tables = ({"weight": 9}, {"weight": 1})
        async with House(tmp_path, *scripts, tables=tables) as house:
            endpoint = house.model.endpoints[0]
            while endpoint.breaker.state(time.monotonic()) == "closed":
                await house.ask()
            opened = house.heard()
            await house.ask(3)
            rested, state = house.heard(), endpoint.breaker.state(time.monotonic())
            endpoint.breaker = Breaker(failures=5, _until=0.0, _rest=1.0)  # its rest is over
            assert endpoint.breaker.state(time.monotonic()) == "half-open"
            await house.ask(10)
            return opened, rested, state, house.heard(), endpoint.breaker.state(time.monotonic())

    opened, rested, state, closed, last = asyncio.run(story())

    assert opened[0] == rested[0] == 5
    assert (rested[1] - opened[1], state) == (3, "open")
    assert (closed[0] > 6, last) == (True, "closed")


def test_a_resting_endpoint_is_waited_for_when_it_is_the_only_one(tmp_path: Path) -> None:
    """An outage shorter than the retries costs time, not the run; nothing is sent while it rests."""

    async def story() -> tuple[str, int, float]:
        async with House(tmp_path, (says("back"),)) as house:
            began = time.monotonic()
            house.model.endpoints[0].breaker = Breaker(failures=5, _until=began + 0.3, _rest=0.3)
            reply = (await house.ask())[0]
            return reply.text, len(house.peers[0].bodies), time.monotonic() - began

    text, sent, took_s = asyncio.run(story())

    assert (text, sent) == ("back", 1)
    assert took_s >= 0.3


def test_only_one_request_probes() -> None:
    """Half open, the first may go and the others hold back; a failed probe doubles the rest, up to its limit."""
    breaker = Breaker(most_failures=2, rest_s=5.0, most_rest_s=12.0)
    for _ in range(2):
        breaker.begin()
        breaker.failed(100.0)

    assert (breaker.state(100.0), breaker.wait_s(101.0), breaker.wait_s(105.0)) == ("open", 4.0, 0.0)
    breaker.begin()
    assert breaker.wait_s(105.0) == PROBE_S
    breaker.failed(106.0)
    assert breaker.wait_s(106.0) == 10.0
    breaker.begin()
    breaker.failed(116.0)
    assert breaker.wait_s(116.0) == 12.0
    breaker.begin()
    breaker.gave_up()
    assert breaker.wait_s(128.0) == 0.0
    breaker.begin()
    breaker.succeeded()
    assert (breaker.state(128.0), breaker.failures) == ("closed", 0)


def test_a_success_in_between_keeps_it_closed() -> None:
    """Failures count in a row only."""
    breaker = Breaker(most_failures=2)
    for end in (breaker.failed, None, breaker.failed):
        breaker.begin()
        if end is None:
            breaker.succeeded()
        else:
            end(1.0)

    assert breaker.state(1.0) == "closed"


def test_refusals_and_limits_do_not_open_it(tmp_path: Path) -> None:
    """An endpoint that answers is not broken, even if it says no."""

    async def story() -> str:
        async with House(tmp_path, (fails(400), fails(429, Retry_After="0")), model_retries=0) as house:
            for _ in range(8):
                with pytest.raises(ModelError):
                    await house.ask()
            return house.model.endpoints[0].breaker.state(time.monotonic())

    assert asyncio.run(story()) == "closed"


# ---- money -----------------------------------------------------------------------------------------------------------
def test_cost_follows_the_price_table(tmp_path: Path) -> None:
    """Fresh and cached input and output at their own prices, rounded up; the upper bound lies above it."""
    prices = {"openai:gpt-4o": {"input": 2.5, "cached": 1.25, "output": 10.0}}

    async def story() -> tuple[ModelReply, int]:
        async with House(tmp_path, (says(),), prices=prices) as house:
            asked = request(max_tokens=10)
            return await house.model.reply(asked), house.model.most_microusd(asked)

    reply, most = asyncio.run(story())

    assert reply.cost_microusd == 60 * 2.5 + 40 * 1.25 + 10 * 10
    assert "price_unknown" not in reply.dropped
    assert most == -(-len(request().messages[0]) * 5 // 2) + 100


def test_the_dearest_endpoint_bounds_the_cost(tmp_path: Path) -> None:
    """A request may land anywhere in the pool, secrets only where they are admitted."""
    prices = {"a": {"input": 0, "output": 1.0}, "b": {"input": 0, "output": 7.0}}

    async def story() -> tuple[int, int]:
        tables: tuple[dict[str, Any], ...] = ({}, {"admits_secret": False})
        async with House(tmp_path, (says(),), (says(),), tables=tables, prices=prices) as house:
            return (
                house.model.most_microusd(request(max_tokens=10)),
                house.model.most_microusd(request(max_tokens=10, secret=True)),
            )

    assert asyncio.run(story()) == (70, 10)
