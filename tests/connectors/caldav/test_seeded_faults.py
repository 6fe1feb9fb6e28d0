"""Faults drawn at random on the line to Radicale: an event is made, changed, answered or cancelled once or not at all.

A sample here; DEPUTY_FAULT_RUNS=1000 for more. Counted are the objects on the server's disk.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.conformance.provider import new_word
from tests.connectors.attempts import ANSWER_S, Attempt, Outcome, arm, is_true, look, perform_alone, runs
from tests.connectors.caldav.world import ALEX, DANA, World
from tests.connectors.gated import Gated

PUT, BODY = b"PUT /", b"BEGIN:VEVENT"
READS = [b"GET /", b"REPORT /", b"PROPFIND /", b"OPTIONS /"]
WHEN = {"start": "2027-02-01T10:00:00+00:00", "end": "2027-02-01T10:30:00+00:00"}
CHANGES: dict[str, tuple[dict[str, Any], str]] = {  # what is asked, and what then stands in the object
    "calendar.update_event": ({"title": "Later"}, "SUMMARY:Later"),
    "calendar.cancel_event": ({"message": "Off"}, "STATUS:CANCELLED"),
    "calendar.respond": ({"response": "accepted"}, "PARTSTAT=ACCEPTED"),
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an answer can be too late without a test of minutes."""
    monkeypatch.setattr("connectors.caldav.line.ANSWER_S", ANSWER_S)
    monkeypatch.setattr("connectors.caldav.line.READ_S", ANSWER_S)


@pytest.mark.parametrize("seed", range(runs(60)))
def test_an_effect_is_there_once_or_not_at_all(world: World, seed: int) -> None:
    """It is done in the end, since the server refuses a second; a further attempt under the same key changes nothing."""
    _attempt(world, seed, perform_alone)


@pytest.mark.parametrize("seed", range(runs(20, share=10)))
def test_what_the_gate_attempts_is_there_once_or_not_at_all(world: World, gated: Gated, seed: int) -> None:
    """And the ledger says which; where nothing could be read for too long, nothing was attempted."""
    _attempt(world, 10_000 + seed, gated.perform)


def _attempt(world: World, seed: int, attempt: Attempt) -> None:
    draw = random.Random(seed)
    provider = Provider(connector=world.connector, account=world.account())
    tool, word = draw.choice(["calendar.create_event", *CHANGES]), new_word()
    args, mark = _call(world, tool, word)
    world.line.forget()
    for _ in range(draw.randint(1, 4)):
        arm(draw, world.line, draw.choice([PUT, BODY] if draw.random() < 0.7 else READS))

    outcome, key = attempt(provider, tool, args)

    world.line.disarm()
    there = world.objects()
    assert outcome is Outcome.DONE or not key
    done = sum(mark in text.replace("\n ", "") for text in there.values())
    assert is_true(outcome, done, look(provider, tool, args, key) if key else None), (tool, outcome, done)
    assert len(there) == (1 if key else int(tool != "calendar.create_event"))
    if key:
        provider.do(tool, args, key=key)
        assert world.objects() == there


def _call(world: World, tool: str, word: str) -> tuple[dict[str, Any], str]:
    """Arguments, and what the object says when it is done."""
    if tool == "calendar.create_event":
        return {"title": word, "attendees": [DANA], **WHEN}, f"SUMMARY:{word}"
    asked, mark = CHANGES[tool]
    if tool != "calendar.respond":
        return {"event_id": world.do("create_event", title=word, **WHEN)["event_id"], **asked}, mark
    lines = [
        "DTSTART:20270201T100000Z",
        "DTEND:20270201T103000Z",
        f"SUMMARY:{word}",
        f"ORGANIZER:mailto:{DANA}",
        f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{ALEX}",
    ]
    world.server.put(ALEX, word, "\r\n".join(lines))
    return {"event_id": f"evt_{word}", **asked}, mark
