"""The calendar family: series, free time, changing and cancelling, and what others may see."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.conformance.examples import an_event, an_invitation, next_hour
from connectors.conformance.provider import Provider, iso, new_word
from connectors.errors import Conflict, Forbidden, InvalidCall


def _around(provider: Provider, days: int = 90) -> dict[str, str]:
    return {"start": iso(provider.now() - timedelta(days=1)), "end": iso(provider.now() + timedelta(days=days))}


def _found(provider: Provider, word: str, **more: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = provider.read("calendar.list_events", query=word, **_around(provider), **more)[
        "events"
    ]
    return events


class TestCalendar:
    family = "calendar"

    def test_a_series_is_listed_instance_by_instance(self, provider: Provider) -> None:
        """Each instance has an id and a time of its own and names its series; pages walk them in order."""
        provider.need("calendar")
        word = new_word()
        series = an_event(provider, word, recurrence="RRULE:FREQ=WEEKLY;COUNT=4")

        instances = _found(provider, word)
        first = provider.read("calendar.list_events", query=word, limit=3, **_around(provider))
        second = provider.read("calendar.list_events", query=word, limit=3, cursor=first["next"], **_around(provider))

        assert len({one["event_id"] for one in instances}) == 4
        assert {one["series_id"] for one in instances} == {series["event_id"]}
        assert [one["start"] for one in instances] == sorted(one["start"] for one in instances)
        assert first["events"] + second["events"] == instances
        assert second["next"] is None
        assert _found(provider, word, order="newest") == instances[::-1]
        assert provider.read("calendar.get_event", event_id=instances[2]["event_id"]) == instances[2]

    def test_one_instance_is_changed_and_one_cancelled(self, provider: Provider) -> None:
        """Changes to an instance leave the others as they are."""
        provider.need("calendar")
        word = new_word()
        an_event(provider, word, recurrence="RRULE:FREQ=WEEKLY;COUNT=4")
        instances = _found(provider, word)

        provider.do("calendar.cancel_event", {"event_id": instances[1]["event_id"]})
        provider.do("calendar.update_event", {"event_id": instances[2]["event_id"], "title": f"{word} moved"})

        assert [one["title"] for one in _found(provider, word)] == [word, f"{word} moved", word]

    def test_a_whole_series_is_cancelled(self, provider: Provider) -> None:
        """With scope series nothing of it is left."""
        provider.need("calendar")
        word = new_word()
        an_event(provider, word, recurrence="RRULE:FREQ=DAILY;COUNT=3")

        provider.do("calendar.cancel_event", {"event_id": _found(provider, word)[1]["event_id"], "scope": "series"})

        assert _found(provider, word) == []

    def test_an_invitation_reaches_the_attendee_and_the_answer_the_organizer(self, provider: Provider) -> None:
        """The event stands in both calendars; an answer shows to both; a new time asks again."""
        provider.need("calendar")
        colleague = provider.need_colleague()
        word = new_word()
        event = an_invitation(provider, word)

        [mine] = _found(provider, word)
        provider.do("calendar.respond", {"event_id": event["event_id"], "response": "accepted"})
        seen = provider.of(colleague).read("calendar.get_event", event_id=event["event_id"])
        later = next_hour(provider.now()) + timedelta(days=32)
        moved = provider.do(
            "calendar.update_event", {"event_id": event["event_id"], "start": iso(later)}, account=colleague
        )

        assert mine["attendees"][0]["response"] == "needs_action"
        assert seen["attendees"][0]["response"] == "accepted"
        assert moved["start"] == iso(later)
        assert moved["end"] == iso(later + timedelta(minutes=30))
        assert moved["attendees"][0]["response"] == "needs_action"

    def test_a_declined_event_leaves_the_time_free(self, provider: Provider) -> None:
        """Whoever declines is free again, and the organizer is not."""
        provider.need("calendar")
        colleague = provider.need_colleague()
        event = an_invitation(provider, new_word())
        span = {"start": event["start"], "end": event["end"]}
        before = provider.read("calendar.freebusy", people=[provider.account.subject], **span)["busy"]

        provider.do("calendar.respond", {"event_id": event["event_id"], "response": "declined"})

        people = [provider.account.subject, colleague.subject]
        after = provider.read("calendar.freebusy", people=people, **span)["busy"]
        assert before[people[0]]
        assert after[people[0]] == []
        assert after[people[1]]

    def test_a_stale_etag_is_a_conflict(self, provider: Provider) -> None:
        """A change conditional on an etag that is no longer current is refused, and changes nothing."""
        provider.need("calendar")
        word = new_word()
        event = an_event(provider, word)
        provider.do("calendar.update_event", {"event_id": event["event_id"], "etag": event["etag"], "location": "A"})

        with pytest.raises(Conflict):
            provider.do(
                "calendar.update_event", {"event_id": event["event_id"], "etag": event["etag"], "location": "B"}
            )

        assert provider.read("calendar.get_event", event_id=event["event_id"])["location"] == "A"

    def test_only_the_organizer_changes_or_cancels(self, provider: Provider) -> None:
        """An attendee is refused, with a way out in the fix."""
        provider.need("calendar")
        event = an_invitation(provider, new_word())

        for tool in ("calendar.cancel_event", "calendar.update_event"):
            with pytest.raises(Forbidden) as caught:
                provider.do(tool, {"event_id": event["event_id"]})
            assert caught.value.fix

    def test_a_private_event_shows_to_others_as_busy_only(self, provider: Provider) -> None:
        """Its time is seen, its title, text and place are not."""
        provider.need("calendar")
        colleague = provider.need_colleague()
        word = new_word()
        event = an_event(provider, word, visibility="private", description=word, location=word)
        span = {"start": event["start"], "end": event["end"], "calendar": provider.account.subject}

        seen = provider.of(colleague).read("calendar.list_events", **span)["events"]

        assert word not in str(seen)
        assert "busy" in [one["title"] for one in seen]

    def test_outside_calendars_are_unknown(self, provider: Provider) -> None:
        """Free/busy and slots name them as unknown; listing them is refused."""
        provider.need("calendar")
        span = _around(provider, 7)
        me, outsider = provider.account.subject, provider.outsider

        times = provider.read("calendar.freebusy", people=[me, outsider], **span)
        slots = provider.read("calendar.find_slots", attendees=[outsider], minutes=30, **span)

        assert set(times["busy"]) == {me}
        assert times["unknown"] == [outsider]
        assert slots["unknown"] == [outsider]
        with pytest.raises(Forbidden):
            provider.read("calendar.list_events", calendar=outsider, **span)

    def test_slots_offered_are_free_and_to_come(self, provider: Provider) -> None:
        """No slot overlaps anybody's busy time, and booking one removes it from the next offer."""
        provider.need("calendar")
        colleague = provider.need_colleague()
        people = [provider.account.subject, colleague.subject]
        ask: dict[str, Any] = {"attendees": people[1:], "minutes": 30, "count": 5, **_around(provider, 21)}

        slots = provider.read("calendar.find_slots", **ask)["slots"]
        taken = provider.read("calendar.freebusy", people=people, **_around(provider, 21))["busy"]
        first = {"start": slots[0]["start"], "end": slots[0]["end"]}
        provider.do("calendar.create_event", {"title": new_word(), "attendees": people[1:], **first})
        again = provider.read("calendar.find_slots", **ask)["slots"]

        assert slots == sorted(slots, key=lambda slot: slot["start"])
        for slot in slots:
            assert slot["start"] >= iso(provider.now() - timedelta(minutes=1))
            for times in taken.values():
                assert all(one["end"] <= slot["start"] or one["start"] >= slot["end"] for one in times)
        assert first["start"] not in [slot["start"] for slot in again]

    def test_a_booking_takes_for_granted_that_people_are_free(self, provider: Provider) -> None:
        """When an attendee is booked in the meantime, a precondition says so; when the time has passed, too."""
        provider.need("calendar")
        colleague = provider.need_colleague()
        ask = {"attendees": [colleague.subject], "minutes": 30, **_around(provider, 21)}
        slot = provider.read("calendar.find_slots", **ask)["slots"][0]
        time = {"start": slot["start"], "end": slot["end"]}
        taken = provider.preconditions(
            "calendar.create_event", {"title": "A", "attendees": [colleague.subject], **time}
        )

        past = [provider.check(one, later=timedelta(days=60)) for one in taken]
        provider.do("calendar.create_event", {"title": "B", **time}, account=colleague)
        booked = [provider.check(one) for one in taken]

        assert len(taken) >= 3
        assert any(past)
        assert any(booked)

    def test_a_change_takes_for_granted_that_the_event_is_as_read(self, provider: Provider) -> None:
        """A change by somebody else, or a cancellation, breaks what was approved."""
        provider.need("calendar")
        event = an_event(provider, new_word())
        taken = provider.preconditions("calendar.cancel_event", {"event_id": event["event_id"]})

        provider.do("calendar.update_event", {"event_id": event["event_id"], "title": "Other"})

        assert any(provider.check(one) for one in taken)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"start": "2030-01-01T10:00:00"},  # no offset
            {"start": "tomorrow"},
            {"end": "2000-01-01T10:00:00+00:00"},  # before the start
            {"recurrence": "every day"},
            {"zone": "Mars/Olympus"},
            {"attendees": ["nobody"]},
        ],
    )
    def test_nonsense_is_refused(self, provider: Provider, wrong: dict[str, Any]) -> None:
        """An event that cannot be is InvalidCall."""
        provider.need("calendar")

        with pytest.raises(InvalidCall):
            an_event(provider, new_word(), **wrong)

    def test_a_conference_link_comes_with_the_event(self, provider: Provider) -> None:
        """Asked for, every attendee's copy has the same link; a calendar without video calls refuses, and makes nothing."""
        provider.need("calendar")
        colleague = provider.need_colleague()
        word = new_word()
        if not provider.makes_conferences:
            with pytest.raises(InvalidCall) as caught:
                an_event(provider, word, conference=True)
            assert "location" in caught.value.fix
            assert _found(provider, word) == []
            return

        event = an_event(provider, word, conference=True, attendees=[colleague.subject])

        [theirs] = _found(provider.of(colleague), word)
        assert str(event["conference_url"]).startswith("https://")
        assert theirs["conference_url"] == event["conference_url"]

    def test_no_link_is_made_unasked(self, provider: Provider) -> None:
        """Without `conference`, or with false, there is none."""
        provider.need("calendar")

        events = [an_event(provider, new_word()), an_event(provider, new_word(), conference=False)]

        assert [event["conference_url"] for event in events] == [None, None]
