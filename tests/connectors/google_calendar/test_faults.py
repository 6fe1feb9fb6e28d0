"""Every change under every fault of the line: what the gate would do next leaves exactly one of it on the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connectors.conformance import Provider
from connectors.conformance.provider import new_key
from connectors.errors import ConnectorError, OutcomeUnknown, RateLimited, ReconsentNeeded, Unreachable
from connectors.google.connector import GoogleConnector
from connectors.spec import Absent, Done
from tests.connectors.google_calendar.world import ANN, BEN, account
from tests.services.google_calendar import Fault, GoogleCalendar

HOUR: dict[str, Any] = {
    "title": "Talk",
    "start": "2027-05-04T10:00:00+01:00",
    "end": "2027-05-04T11:00:00+01:00",
    "attendees": [BEN],
}
DONE = (
    Fault.LOSE_ANSWER,
    Fault.HALF_ANSWER,
    Fault.LATE_ANSWER,
    Fault.SERVER_ERROR,
)  # the change was made, and the caller cannot know
NOT_DONE = (Fault.LOSE_REQUEST, Fault.UNAVAILABLE)  # it was not, and the caller cannot know
REFUSED: dict[Fault, type[ConnectorError]] = {
    Fault.RATE_LIMIT: RateLimited,
    Fault.TOO_MANY: RateLimited,
    Fault.UNAUTHORIZED: ReconsentNeeded,
}


def _create(ann: Provider, ben: Provider) -> tuple[str, dict[str, Any]]:
    return "calendar.create_event", HOUR


def _update(ann: Provider, ben: Provider) -> tuple[str, dict[str, Any]]:
    event = ann.do("calendar.create_event", HOUR)
    return "calendar.update_event", {"event_id": event["event_id"], "start": "2027-05-05T09:00:00+00:00"}


def _cancel(ann: Provider, ben: Provider) -> tuple[str, dict[str, Any]]:
    return "calendar.cancel_event", {"event_id": ann.do("calendar.create_event", HOUR)["event_id"]}


def _respond(ann: Provider, ben: Provider) -> tuple[str, dict[str, Any]]:
    event = ben.do("calendar.create_event", HOUR | {"attendees": [ANN]})
    return "calendar.respond", {"event_id": event["event_id"], "response": "accepted"}


Prepared = Callable[[Provider, Provider], tuple[str, dict[str, Any]]]
EACH_CHANGE = pytest.mark.parametrize("prepare", [_create, _update, _cancel, _respond])


@pytest.mark.usefixtures("impatient")
@EACH_CHANGE
@pytest.mark.parametrize("fault", [*DONE, *NOT_DONE])
def test_a_doubtful_attempt_is_made_exactly_once(
    ann: Provider, ben: Provider, server: GoogleCalendar, prepare: Prepared, fault: Fault
) -> None:
    """The attempt is one request; reconcile tells whether it was made; sent again when absent, it stands once and is told once."""
    tool, args = prepare(ann, ben)
    server.requests.clear()
    server.world.notices.clear()
    key = new_key()

    server.fail_next(fault)
    with pytest.raises(OutcomeUnknown):
        ann.do(tool, args, key=key)
    attempts = len(server.writes())
    found = ann.reconcile(tool, args, key)
    if isinstance(found, Absent):
        ann.do(tool, args, key=key)

    assert attempts == (0 if fault is Fault.UNAVAILABLE else 1)
    assert isinstance(found, Done if fault in DONE else Absent)
    assert isinstance(ann.reconcile(tool, args, key), Done)
    assert len(server.world.notices) == 1
    assert len(server.world.calendars[ANN].events) == 1


@EACH_CHANGE
@pytest.mark.parametrize("fault", list(REFUSED))
def test_a_refused_attempt_did_not_happen(
    ann: Provider, ben: Provider, server: GoogleCalendar, prepare: Prepared, fault: Fault
) -> None:
    """Google's refusal comes as its own error, once, with Google's own word how long to wait; nothing was changed."""
    tool, args = prepare(ann, ben)
    server.world.notices.clear()
    key = new_key()

    server.fail_next(fault)
    with pytest.raises(REFUSED[fault]) as caught:
        ann.do(tool, args, key=key)

    assert not isinstance(caught.value, RateLimited) or caught.value.retry_after_s == 7
    assert ann.reconcile(tool, args, key) == Absent()
    assert server.world.notices == []


@EACH_CHANGE
def test_a_second_attempt_after_a_lost_answer_changes_nothing(
    ann: Provider, ben: Provider, server: GoogleCalendar, prepare: Prepared
) -> None:
    """Even without asking first: the same key is absorbed, and the guests hear of it once."""
    tool, args = prepare(ann, ben)
    server.world.notices.clear()
    key = new_key()
    server.fail_next(Fault.LOSE_ANSWER)
    with pytest.raises(OutcomeUnknown):
        ann.do(tool, args, key=key)

    second = ann.do(tool, args, key=key)

    assert ann.reconcile(tool, args, key) == Done(second)
    assert len(server.world.notices) == 1


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_ANSWER, Fault.HALF_ANSWER, Fault.UNAVAILABLE])
def test_a_read_that_failed_is_unreachable(ann: Provider, server: GoogleCalendar, fault: Fault) -> None:
    """Never in doubt: a read may be asked again. So is a change that failed while its event was still being read."""
    event = ann.do("calendar.create_event", HOUR)
    server.requests.clear()

    acts: list[Callable[[], Any]] = [
        lambda: ann.read("calendar.get_event", event_id=event["event_id"]),
        lambda: ann.read("calendar.freebusy", people=[ANN], start=event["start"], end=event["end"]),
        lambda: ann.do("calendar.update_event", {"event_id": event["event_id"], "title": "Other"}),
    ]
    for act in acts:
        server.fail_next(fault, writes=False)
        with pytest.raises(Unreachable):
            act()

    assert server.writes() == []


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.RATE_LIMIT, Fault.UNAUTHORIZED])
def test_what_fails_after_the_change_never_says_that_it_was_not_made(
    ann: Provider, server: GoogleCalendar, fault: Fault
) -> None:
    """The answer to a change of a series takes a further read: when that fails, the outcome is open, and found by the key."""
    ann.do("calendar.create_event", HOUR | {"recurrence": "FREQ=WEEKLY;COUNT=3"})
    span = {"start": "2027-05-01T00:00:00+00:00", "end": "2027-06-01T00:00:00+00:00"}
    second = ann.read("calendar.list_events", **span)["events"][1]
    args = {"event_id": second["event_id"], "title": "Walk", "scope": "series"}
    key = new_key()
    server.meanwhile = lambda: server.fail_next(fault, writes=False)

    with pytest.raises(OutcomeUnknown):
        ann.do("calendar.update_event", args, key=key)

    assert isinstance(ann.reconcile("calendar.update_event", args, key), Done)
    assert [one["title"] for one in ann.read("calendar.list_events", **span)["events"]] == ["Walk"] * 3


def test_no_token_is_in_what_goes_wrong(connector: GoogleConnector, server: GoogleCalendar) -> None:
    """Errors name the tool's trouble, not the secret, nor whose it is."""
    stranger = Provider(connector=connector, account=account("zoe@north.example"))

    with pytest.raises(ReconsentNeeded) as caught:
        stranger.read("calendar.freebusy", people=[BEN], start=HOUR["start"], end=HOUR["end"])

    for text in (str(caught.value), repr(caught.value), caught.value.fix):
        assert "token-zoe" not in text
        assert "zoe@north.example" not in text
