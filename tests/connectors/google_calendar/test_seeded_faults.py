"""Days of work under faults drawn by a seed, retried as the gate retries: what stands on the server is what was meant, once.

`DEPUTY_FAULT_RUNS` says how many days; CI takes a sample.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.errors import OutcomeUnknown, RateLimited, ReconsentNeeded, Unreachable
from connectors.google.connector import GoogleConnector
from connectors.spec import Absent, Done
from tests.connectors.attempts import Outcome, is_true, look, runs
from tests.connectors.gated import Gated
from tests.connectors.google_calendar.world import ANN, BEN, provider
from tests.services.google_calendar import Fault, GoogleCalendar

ATTEMPTS = 12


def _perform(draw: random.Random, person: Provider, server: GoogleCalendar, tool: str, args: dict[str, Any]) -> Any:
    """As the gate does it: a doubtful attempt is asked about, and made again only when the provider has no trace of it."""
    key = f"{draw.getrandbits(128):032x}"
    for _ in range(ATTEMPTS):
        if draw.random() < 0.6:
            server.fail_next(draw.choice(list(Fault)), writes=draw.random() < 0.8)
        try:
            return person.do(tool, args, key=key)
        except OutcomeUnknown:
            found = _reconcile(person, tool, args, key)
            if isinstance(found, Done):
                return found.result
            assert found == Absent()
        except (RateLimited, ReconsentNeeded, Unreachable):
            continue
    raise AssertionError(f"{tool} did not succeed in {ATTEMPTS} attempts")


def _reconcile(person: Provider, tool: str, args: dict[str, Any], key: str) -> Any:
    for _ in range(ATTEMPTS):
        try:
            return person.reconcile(tool, args, key)
        except (RateLimited, ReconsentNeeded, Unreachable):
            continue
    raise AssertionError(f"{tool} could not be reconciled in {ATTEMPTS} attempts")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("seed", range(runs(25)))
def test_a_day_of_faults_leaves_what_was_meant(connector: GoogleConnector, server: GoogleCalendar, seed: int) -> None:
    """Every event is there once, in its last state, on the calendars of both; each change was told once."""
    draw = random.Random(seed)
    ann, ben = provider(connector, ANN), provider(connector, BEN)
    meant: dict[str, dict[str, Any]] = {}
    told: Counter[str] = Counter()

    for number in range(8):
        tool = draw.choice(["create", "update", "cancel", "respond"]) if meant else "create"
        event_id = draw.choice(sorted(meant)) if meant else ""
        if tool == "create":
            start = datetime(2027, 5, 3, 9, tzinfo=UTC) + timedelta(days=number)
            times = {"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()}
            args = {"title": f"Talk {number}", "attendees": [BEN], **times}
            event_id = _perform(draw, ann, server, "calendar.create_event", args)["event_id"]
            meant[event_id] = {"title": f"Talk {number}", "response": "needs_action"}
        elif tool == "update":
            meant[event_id]["title"] = f"Walk {number}"
            args = {"event_id": event_id, "title": f"Walk {number}"}
            _perform(draw, ann, server, "calendar.update_event", args)
        elif tool == "cancel":
            del meant[event_id]
            _perform(draw, ann, server, "calendar.cancel_event", {"event_id": event_id})
        else:
            meant[event_id]["response"] = answer = draw.choice(["accepted", "tentative"])
            _perform(draw, ben, server, "calendar.respond", {"event_id": event_id, "response": answer})
        told[{"create": "insert"}.get(tool, "patch")] += 1

    server.begin_again(server.world)  # no fault is left over
    span = {"start": "2027-05-01T00:00:00+00:00", "end": "2027-06-01T00:00:00+00:00"}
    for person in (ann, ben):
        found = person.read("calendar.list_events", **span)["events"]
        assert {
            one["event_id"]: {"title": one["title"], "response": one["attendees"][0]["response"]} for one in found
        } == meant
    assert Counter(notice.method for notice in server.world.notices) == told


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("seed", range(runs(20, share=10)))
def test_what_the_gate_attempts_is_there_once_and_told_once(
    connector: GoogleConnector, server: GoogleCalendar, gated: Gated, seed: int
) -> None:
    """The ledger says done, since the server refuses a second; or nothing was attempted, and nobody was told of anything."""
    draw = random.Random(10_000 + seed)
    ann, ben = provider(connector, ANN), provider(connector, BEN)
    tool, args, state = _change(draw, ann, ben)
    server.requests.clear()
    server.world.notices.clear()
    for _ in range(draw.randint(1, 4)):
        fault = draw.choice([one for one in Fault if one is not Fault.UNAUTHORIZED])  # that asks for another login
        server.fail_next(fault, writes=draw.random() < 0.8)

    outcome, key = gated.perform(ann, tool, args)

    server.begin_again(server.world)
    told = len(server.world.notices)
    (event,) = server.world.calendars[ANN].events.values() if key or tool != "calendar.create_event" else ({},)
    assert outcome is Outcome.DONE or not key
    assert told == int(outcome is Outcome.DONE)
    assert is_true(outcome, int(state(event)), look(ann, tool, args, key) if key else None), (tool, outcome, event)


def _change(
    draw: random.Random, ann: Provider, ben: Provider
) -> tuple[str, dict[str, Any], Callable[[Mapping[str, Any]], bool]]:
    """A call of Ann's, after what it changes was made; and whether an event is as the call leaves it."""
    hour = {"start": "2027-05-04T10:00:00+01:00", "end": "2027-05-04T11:00:00+01:00"}
    tool = draw.choice(["calendar.create_event", "calendar.update_event", "calendar.cancel_event", "calendar.respond"])
    if tool == "calendar.create_event":
        return tool, {"title": "Talk", "attendees": [BEN], **hour}, lambda event: event.get("summary") == "Talk"
    by, guest = (ben, ANN) if tool == "calendar.respond" else (ann, BEN)
    event_id = by.do("calendar.create_event", {"title": "Talk", "attendees": [guest], **hour})["event_id"]
    if tool == "calendar.update_event":
        return tool, {"event_id": event_id, "title": "Walk"}, lambda event: event["summary"] == "Walk"
    if tool == "calendar.cancel_event":
        return tool, {"event_id": event_id}, lambda event: event["status"] == "cancelled"
    args = {"event_id": event_id, "response": "accepted"}
    return tool, args, lambda event: event["attendees"][0]["responseStatus"] == "accepted"
