"""Whatever breaks on the way to a real server, an effect is there once or not at all, and what is said about it is true."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from connectors.conformance.provider import new_key
from connectors.errors import (
    Conflict,
    ConnectorError,
    Forbidden,
    InvalidCall,
    OutcomeUnknown,
    RateLimited,
    ReconsentNeeded,
    Unreachable,
)
from connectors.spec import Absent, Done, Unknown
from tests.connectors.caldav.world import ALEX, DANA, World, elsewhere
from tests.services.fault_proxy import Fault
from tests.services.radicale import PASSWORD

PUT = b"PUT /"
WHEN = {"start": "2027-02-01T10:00:00+00:00", "end": "2027-02-01T10:30:00+00:00"}
BODY = b"BEGIN:VEVENT"

# What happens on the wire, what the caller is told, and whether the server has it afterwards.
FAULTS: list[tuple[str, dict[str, Any], type[ConnectorError], bool]] = [
    ("dropped before it arrived", {"fault": Fault.DROP_REQUEST, "when": PUT}, OutcomeUnknown, False),
    ("cut in the middle", {"fault": Fault.HALF_REQUEST, "when": BODY}, OutcomeUnknown, False),
    ("answer lost", {"fault": Fault.DROP_REPLY, "when": PUT}, OutcomeUnknown, True),
    ("half an answer", {"fault": Fault.HALF_REPLY, "when": PUT}, OutcomeUnknown, True),
    ("500 and nothing done", {"fault": Fault.ANSWER, "when": PUT, "status": 500}, OutcomeUnknown, False),
    ("500 and done", {"fault": Fault.ANSWER_AFTER, "when": PUT, "status": 500}, OutcomeUnknown, True),
    ("503", {"fault": Fault.ANSWER, "when": PUT, "status": 503, "retry_after_s": 7}, OutcomeUnknown, False),
    ("429", {"fault": Fault.ANSWER, "when": PUT, "status": 429, "retry_after_s": 7}, RateLimited, False),
    ("401", {"fault": Fault.ANSWER, "when": PUT, "status": 401}, ReconsentNeeded, False),
    ("403", {"fault": Fault.ANSWER, "when": PUT, "status": 403}, Forbidden, False),
    ("412", {"fault": Fault.ANSWER, "when": PUT, "status": 412}, Conflict, False),
    ("400", {"fault": Fault.ANSWER, "when": PUT, "status": 400}, InvalidCall, False),
]
IDS = [name for name, *_ in FAULTS]

CHANGES: dict[str, dict[str, Any]] = {
    "update_event": {"title": "Later", "start": "2027-02-01T11:00:00+00:00"},
    "cancel_event": {"message": "Off"},
    "respond": {"response": "accepted"},
}


def _made(world: World, tool: str) -> dict[str, Any]:
    """Arguments of a change to an event that is there."""
    if tool != "respond":
        return {"event_id": world.do("create_event", title="First", **WHEN)["event_id"], **CHANGES[tool]}
    lines = f"""DTSTART:20270201T100000Z\r\nDTEND:20270201T103000Z\r\nSUMMARY:First\r\nORGANIZER:mailto:{DANA}
ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{ALEX}"""
    world.server.put(ALEX, "from-dana", lines.replace("\r\n", "\n").replace("\n", "\r\n"))
    return {"event_id": "evt_from-dana", **CHANGES[tool]}


@pytest.mark.parametrize(("name", "fault", "error", "is_done"), FAULTS, ids=IDS)
def test_a_broken_create_makes_one_event_or_none(
    world: World, name: str, fault: dict[str, Any], error: type[ConnectorError], is_done: bool
) -> None:
    """One PUT for one attempt; reconcile tells what the server has; the same key never makes a second."""
    args: Mapping[str, Any] = {"title": "Once", **WHEN}
    key = new_key()
    world.line.arm(**fault)

    with pytest.raises(error):
        world.do("create_event", key=key, **args)
    puts, stored = world.line.sent(PUT), len(world.objects())
    world.line.disarm()
    found = world.reconcile("create_event", args, key)
    again = world.do("create_event", key=key, **args)

    assert puts == 1
    assert stored == int(is_done)
    assert found == (Done(again) if is_done else Absent())
    assert len(world.objects()) == 1


@pytest.mark.parametrize("tool", list(CHANGES))
@pytest.mark.parametrize(("name", "fault", "error", "is_done"), FAULTS, ids=IDS)
def test_a_broken_change_is_made_once_or_not(
    world: World, tool: str, name: str, fault: dict[str, Any], error: type[ConnectorError], is_done: bool
) -> None:
    """The object is as before, or as changed; the key tells which, and a second attempt changes nothing more."""
    args, key = _made(world, tool), new_key()
    before = world.objects()
    world.line.forget()
    world.line.arm(**fault)

    with pytest.raises(error):
        world.do(tool, key=key, **args)
    puts, after = world.line.sent(PUT), world.objects()
    world.line.disarm()
    found = world.reconcile(tool, args, key)
    again = world.do(tool, key=key, **args)
    finally_ = world.objects()
    world.do(tool, key=key, **args)

    assert puts == 1
    assert (after != before) is is_done
    assert found == (Done(again) if is_done else Absent())
    assert len(finally_) == 1
    assert not is_done or finally_ == after
    assert world.objects() == finally_


def test_an_undisturbed_effect_is_one_put(world: World) -> None:
    """Neither the library's retries nor its authentication nor redirects add a second request."""
    for tool in CHANGES:
        args = _made(world, tool)
        world.line.forget()

        world.do(tool, **args)

        assert world.line.sent(PUT) == 1


def test_nobody_listening_is_unreachable_though_the_server_is_known(world: World) -> None:
    """A change that finds no server was certainly not made."""
    account = world.account()
    world.do("create_event", title="Known", **WHEN)
    world.line.stop()

    with pytest.raises(Unreachable):
        world.do("create_event", by=account, title="Lost", **WHEN)

    assert len(world.objects()) == 1


def test_a_dead_server_is_unreachable(world: World) -> None:
    """Also for reads, and without a word about the login."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(Unreachable) as caught:
        world.read("list_events", by=elsewhere(world.account(), port), **WHEN)

    assert PASSWORD not in f"{caught.value.message}{caught.value.fix}{caught.value!r}"


def test_a_read_that_finds_its_line_cut_is_asked_once_more(world: World) -> None:
    """A line kept open may die between calls; nobody notices."""
    world.do("create_event", title="There", **WHEN)
    world.line.arm(Fault.DROP_REPLY, when=b"REPORT /")

    events = world.read("list_events", **WHEN)["events"]

    assert [one["title"] for one in events] == ["There"]


def test_a_read_of_a_failing_server_is_unreachable(world: World) -> None:
    """5xx, and what is no WebDAV at all."""
    world.read("list_events", **WHEN)
    for status in (500, 200):
        world.line.arm(Fault.ANSWER, when=b"REPORT /", status=status, body=b"<html>Oops</html>")

        with pytest.raises(Unreachable):
            world.read("list_events", **WHEN)


def test_a_wrong_password_asks_for_a_new_one(world: World) -> None:
    """Reads and effects alike; the password is in no text."""
    account = world.account()
    wrong = type(account)(
        connection_id="other",
        subject=ALEX,
        credentials={"username": ALEX, "password": "Wr0ng-Wr0ng"},
        settings=account.settings,
    )

    for attempt in (
        lambda: world.read("list_events", by=wrong, **WHEN),
        lambda: world.do("create_event", by=wrong, title="No", **WHEN),
    ):
        with pytest.raises(ReconsentNeeded) as caught:
            attempt()
        assert "Wr0ng" not in f"{caught.value.message}{caught.value!r}{wrong!r}"
    assert world.objects() == {}


def test_writers_of_one_version_win_once(world: World) -> None:
    """Of six changes to the version that was read, one is made and five are conflicts."""
    event = world.do("create_event", title="Race", **WHEN)

    async def all_at_once() -> list[Any]:
        calls = [
            world.connector.call(
                "calendar.update_event",
                {"event_id": event["event_id"], "etag": event["etag"], "location": f"Place {number}"},
                account=world.account(),
                key=new_key(),
            )
            for number in range(6)
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    outcomes = asyncio.run(all_at_once())

    winners = [one for one in outcomes if isinstance(one, dict)]
    assert len(winners) == 1
    assert all(isinstance(one, Conflict) for one in outcomes if not isinstance(one, dict))
    assert world.read("get_event", event_id=event["event_id"])["location"] == winners[0]["location"]


def test_one_key_many_times_at_once_makes_one_event(world: World) -> None:
    """Six attempts under one key: one object, and every answer is that object."""
    key = new_key()

    async def all_at_once() -> list[Any]:
        args = {"title": "Same", **WHEN}
        calls = [
            world.connector.call("calendar.create_event", args, account=world.account(), key=key) for _ in range(6)
        ]
        return await asyncio.gather(*calls)

    answers = asyncio.run(all_at_once())

    assert len(world.objects()) == 1
    assert all(one == answers[0] for one in answers)


def test_a_key_does_not_make_two_different_events(world: World) -> None:
    """Other arguments under a key that was used are a conflict."""
    key = new_key()
    world.do("create_event", key=key, title="One", **WHEN)

    with pytest.raises(Conflict):
        world.do("create_event", key=key, title="Two", **WHEN)

    assert len(world.objects()) == 1


def test_an_event_deleted_meanwhile_counts_as_cancelled(world: World) -> None:
    """Asked what became of a lost cancellation, an event that is gone is off."""
    args, key = _made(world, "cancel_event"), new_key()
    world.server.empty()

    found = world.reconcile("cancel_event", args, key)

    assert found == Done({"event_id": args["event_id"], "status": "cancelled"})


@pytest.mark.parametrize(("status", "error"), [(500, Unreachable), (401, ReconsentNeeded), (429, RateLimited)])
def test_a_server_that_cannot_be_asked_is_asked_again_later(
    world: World, status: int, error: type[ConnectorError]
) -> None:
    """What became of an attempt is neither absent nor a person's question while the server does not answer."""
    args, key = {"title": "Once", **WHEN}, new_key()
    world.do("create_event", key=key, **args)
    world.line.arm(Fault.ANSWER, when=b"GET /", status=status, retry_after_s=3)

    with pytest.raises(error):
        world.reconcile("create_event", args, key)

    assert isinstance(world.reconcile("create_event", args, key), Done)


def test_an_object_that_cannot_be_read_leaves_a_question(world: World) -> None:
    """What the server refuses to show is for a person to look at."""
    args, key = {"title": "Once", **WHEN}, new_key()
    world.do("create_event", key=key, **args)
    world.line.arm(Fault.ANSWER, when=b"GET /", status=403)

    assert isinstance(world.reconcile("create_event", args, key), Unknown)
