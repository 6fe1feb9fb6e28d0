"""The kill switch: what is halted begins nothing, what was under way is told and ends, and a lift lets everything go on once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from connectors.office import OfficeConnector
from connectors.spec import Account, Json
from orchestrator import clock, ids
from orchestrator.errors import Conflict, NotEligible, NotFound, UsageError
from orchestrator.store import connections
from orchestrator.store.database import Store
from tests.agents.cast import LOOK, ODD, cast, delegate, hire, supervise
from tests.agents.puppet import Asked, Call, Says, finish, puppet
from tests.distributed.desks import HOLD
from tests.e2e.place import CALL, Place, tools, wrapped

WISHES = 200


@contextmanager
def working(work: Callable[[], None]) -> Any:
    """The worker in a thread of its own; its end is waited for."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # raised again in the test
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield thread
    thread.join(30)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def until(holds: Callable[[], bool]) -> None:
    """Looks again and again, for half a minute at most."""
    waiting = threading.Event()
    for _ in range(600):
        if holds():
            return
        waiting.wait(0.05)
    raise AssertionError("it did not come about")


@pytest.mark.parametrize("given", [{}, {"connector": "office"}], ids=["everything", "connector"])
def test_what_was_approved_waits_for_the_lift_and_happens_once(any_place: Place, given: dict[str, str]) -> None:
    place = any_place
    asked = place.ask(CALL)
    for card in place.cards(asked):
        place.decide(card)
    halt = place.desk.halts.begin(place.me, reason="look into it", **given)
    place.work()
    stopped = place.item(asked)
    assert (stopped["state"], stopped["waiting_on"]) == ("waiting", ["paused"])
    assert "look into it" in stopped["waits"][-1]["text"]
    assert place.sent() == []
    assert halt["in_flight"] == []
    place.restart()
    place.work()
    assert place.sent() == []
    (lifted,) = place.desk.halts.lift(place.me)
    assert lifted["items"] == [asked["item_id"]]
    place.work()
    done = place.item(asked)
    assert done["state"] == "done", done["error"]
    assert tools(done, "done") == ["calendar.create_event", "mail.reply"]
    assert len(place.sent()) == 2
    assert [e["kind"] for e in place.desk.audit_tail(place.me) if e["kind"].startswith("halt.")] == [
        "halt.begun",
        "halt.lifted",
    ]


def test_nothing_new_begins_while_everything_is_halted(any_place: Place) -> None:
    place = any_place
    place.desk.halts.begin(place.me)
    asked = place.ask(CALL)
    assert (asked["state"], asked["runs"], asked["effects"]) == ("waiting", [], [])
    assert "halt" in asked["why_here"]
    place.desk.halts.lift(place.me)
    place.work()
    assert place.approve_all(asked)["state"] == "done"


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        ({"connector": "slak"}, "did you mean 'slack'?"),
        ({"connector": "mcp"}, "there are: "),
        ({"agent": "clark"}, "did you mean 'clerk'?"),
        ({"agent": "nosuch"}, "there are: "),
    ],
)
def test_a_name_of_nothing_halts_nothing_and_says_so(place: Place, given: dict[str, str], fix: str) -> None:
    hire(place, "clerk", ["calendar.list_events"])
    with pytest.raises(NotFound, match="nothing was halted") as refused:
        place.desk.halts.begin(place.me, **given)
    assert refused.value.fix.startswith(fix)
    assert place.desk.halts.all() == []


def test_an_agent_made_by_another_is_halted_by_its_own_name_while_it_is_under_way(any_place: Place) -> None:
    """Its name is in no file."""
    place = any_place

    def hunter(asked: Asked) -> Says:
        if asked.turn == 0:
            return Call("agent_ask_requester", {"question": "Which?"})
        return finish("that one")

    with puppet(cast(supervise(delegate("hunter")), hunter=hunter)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(ODD)
        halt = place.desk.halts.begin(place.me, agent="hunter")
        place.desk.halts.lift(place.me, halt["halt_id"])
        (child,) = (one for one in place.desk.items(place.admin)["items"] if one["item_id"] != asked["item_id"])
        place.desk.answer(place.me, child["item_id"], "this")
        place.work()
        assert place.item(asked)["state"] == "done"
    with pytest.raises(NotFound):
        place.desk.halts.begin(place.me, agent="hunter")


def test_a_tool_server_is_halted_by_the_name_it_is_connected_under(any_place: Place) -> None:
    place = any_place
    store = Store.open(place.settings.store_url)
    try:
        told: dict[str, Any] = {"owner": place.me.principal_id, "subject": "tr7", "families": ["tr7"]}
        with store.tx() as tx:
            connections.add(tx, connection_id="conn_tr7", connector="tr7", now=clock.now(), **told)
    finally:
        store.close()
    assert place.desk.halts.begin(place.me, connector="tr7")["name"] == "tr7"


def test_another_connector_and_another_agent_go_on(place: Place) -> None:
    hire(place, "somebody", ["calendar.list_events"])
    place.desk.halts.begin(place.me, connector="slack")
    place.desk.halts.begin(place.me, agent="somebody")
    assert place.approve_all(place.ask(CALL))["state"] == "done"


def test_a_model_call_under_way_ends_and_the_agent_goes_on_after_the_lift(any_place: Place) -> None:
    """The model never answers the first call: only the halt can end it."""
    place = any_place
    release, calls = threading.Event(), []

    def script(asked: Asked) -> Says:
        calls.append(asked)
        if len(calls) == 1:
            release.wait(60)
        return LOOK if asked.turn == 0 else finish("busy enough")

    hire(place, "clerk", ["calendar.list_events"])
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        item_id = place.submit(ODD, options={"agent": "clerk"})
        with working(place.work):
            until(lambda: len(calls) == 1)
            halt = place.desk.halts.begin(place.me, agent="clerk", reason="it goes round")
            until(lambda: place.item(item_id)["state"] == "waiting")
        assert not release.is_set()
        assert place.item(item_id)["waiting_on"] == ["paused"]
        place.work()
        assert len(calls) == 1
        place.desk.halts.lift(place.me, halt["halt_id"])
        release.set()
        place.work()
        done = place.item(item_id)
    assert (done["state"], done["text"]) == ("done", "busy enough")
    assert done["receipt"]["model_calls"] == 2


def test_an_effect_under_way_is_told_and_ends(place: Place) -> None:
    """It is past the point where it could be held back: it is listed, not cut off, and the next one does not begin."""
    on_the_wire, go_on = threading.Event(), threading.Event()

    class Slow(OfficeConnector):
        async def call(self, tool: str, args: Mapping[str, Any], *, account: Account, key: str | None = None) -> Json:
            if tool == "calendar.create_event":
                on_the_wire.set()
                await asyncio.to_thread(go_on.wait, 30)
            return await super().call(tool, args, account=account, key=key)

    asked = place.ask(CALL)
    for card in place.cards(asked):
        place.decide(card)
    change = wrapped(place, lambda connector: Slow(connector.office))
    with working(lambda: place.work_with(change)):
        assert on_the_wire.wait(30)
        halt = place.desk.halts.begin(place.me)
        assert [one["tool"] for one in halt["in_flight"]] == ["calendar.create_event"]
        go_on.set()
    held = place.item(asked)
    assert tools(held, "done") == ["calendar.create_event"]
    assert [tool for tool, _ in place.sent()] == ["calendar.create_event"]
    place.desk.halts.lift(place.me)
    place.work()
    assert place.item(asked)["state"] == "done"
    assert sorted(tool for tool, _ in place.sent()) == ["calendar.create_event", "mail.reply"]


def test_no_effect_begins_after_a_halt_in_the_middle_of_many(any_place: Place) -> None:
    """By the ledger's own times: whatever was begun at all was begun before the halt was answered."""
    place = any_place
    place.set(profile="delegated")
    folder = place.settings.workflow_folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hold-time.yaml").write_text(HOLD)
    for number in range(WISHES):
        place.submit(f"hold hour number {number}", options={"workflow": "hold-time", "input": {"number": number}})

    with working(lambda: place.work(linger_s=0.0)):
        until(lambda: len(place.sent()) >= 5)
        place.desk.halts.begin(place.me)
        answered = clock.now()
    held = [place.item(one) for one in place.desk.items(place.admin, limit=WISHES)["items"]]
    effects = [effect for item in held for effect in item["effects"] if effect["attempted_at"]]
    attempted = [datetime.fromisoformat(effect["attempted_at"]) for effect in effects]

    assert 5 <= len(attempted) < WISHES
    assert max(attempted) <= answered
    assert {item["state"] for item in held} <= {"done", "waiting"}, [e for e in effects if e["state"] != "done"]
    done = [ids.effect_key(effect["effect_id"]) for effect in effects if effect["state"] == "done"]
    sent = [key for _, key in place.sent()]
    assert len(sent) == len(set(sent)) and set(done) <= set(sent)  # one under way may stand to be looked up


def test_who_may(place: Place) -> None:
    halts = place.desk.halts
    colleague = place.desk.principal("dana.ruiz@brightwater.example")
    program = replace(place.me, is_human=False)
    with pytest.raises(NotEligible):
        halts.begin(colleague)
    with pytest.raises(UsageError):
        halts.begin(place.me, agent="a", connector="b")
    made = halts.begin(program, connector="office")
    with pytest.raises(Conflict):
        halts.begin(place.me, connector="office")
    with pytest.raises(NotEligible):
        halts.lift(program)
    with pytest.raises(NotEligible):
        halts.lift(colleague)
    assert [one["halt_id"] for one in halts.all()] == [made["halt_id"]]
    halts.lift(place.me, made["halt_id"])
    with pytest.raises(Conflict):
        halts.lift(place.me, made["halt_id"])
    with pytest.raises(NotFound):
        halts.lift(place.me, "halt_none")
    assert halts.all() == []
    assert halts.lift(place.me) == []


def test_the_command(place: Place) -> None:
    code, made = place.deputy("halt", "--connector", "office", "--reason", "odd mails")
    assert (code, made["scope"], made["name"], made["in_flight"]) == (0, "connector", "office", [])
    assert place.deputy("halt", "--ls")[1]["halts"][0]["reason"] == "odd mails"
    assert place.deputy("halt", "--lift", "halt_none")[0] == 7
    assert place.deputy("halt", made["halt_id"])[0] == 2
    code, lifted = place.deputy("halt", "--lift", made["halt_id"])
    assert (code, [one["halt_id"] for one in lifted["lifted"]]) == (0, [made["halt_id"]])
    assert place.deputy("halt", "--ls")[1] == {"halts": []}
