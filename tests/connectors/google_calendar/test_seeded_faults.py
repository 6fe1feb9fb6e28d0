"""Days of work under faults drawn by a seed, retried as the gate retries: what stands on the server is what was meant, once.

`DEPUTY_FAULT_RUNS` says how many days; CI takes a sample.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.errors import OutcomeUnknown, RateLimited, ReconsentNeeded, Unreachable
from connectors.google.connector import GoogleConnector
from connectors.spec import Absent, Done
from tests.connectors.google_calendar.world import ANN, BEN, provider
from tests.services.google_calendar import Fault, GoogleCalendar

RUNS = int(os.environ.get("DEPUTY_FAULT_RUNS", "25"))
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
@pytest.mark.parametrize("seed", range(RUNS))
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
