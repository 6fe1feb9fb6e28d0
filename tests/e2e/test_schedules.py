"""Standing orders by the clock: what they ask, what they tell when something is not as it should be, and what they never do twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from orchestrator import clock
from orchestrator.domain.principal import Principal
from orchestrator.domain.schedule import FiringState
from orchestrator.domain.watch import Counts
from orchestrator.errors import Conflict, NotEligible, NotFound, UsageError
from orchestrator.store import connections, people, schedules
from orchestrator.store.database import Store
from tests.e2e.place import Place

CALENDAR = "what is on my calendar tomorrow"
FOLLOW_UP = "Follow up on my unanswered mails"  # four replies in this office
NOTES = "Post the notes of the budget meeting to #general"  # asks, also where trust is earned
DAY = timedelta(days=1)


def order(place: Place, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"when": "daily 09:30 UTC", "request": CALENDAR} | more
    return place.desk.schedules.add(place.me, given.pop("name", "job"), **given)


def comes(place: Place, days: int = 1) -> None:
    """The office's clock passes the schedule's time, and a worker does what it can."""
    local = place.office.now()
    target = local.replace(hour=9, minute=31, second=0, microsecond=0)
    place.later((target if target > local else target + DAY) + (days - 1) * DAY - local)
    place.work(linger_s=0.0)


def firings(place: Place, name: str = "job") -> list[dict[str, Any]]:
    """Oldest first."""
    found: list[dict[str, Any]] = place.desk.schedules.one(place.me, name)["firings"]
    return found[::-1]


def order_id(place: Place) -> str:
    return str(place.desk.schedules.one(place.me, "job")["schedule_id"])


def states(place: Place, name: str = "job") -> list[str]:
    return [one["state"] for one in firings(place, name)]


def news(place: Place) -> list[str]:
    return [
        one["kind"] for one in place.desk.events_after(place.me, 0, limit=1000) if one["kind"].startswith("schedule")
    ]


def store_of(place: Place) -> Store:
    return Store.open(place.settings.store_url)


# ---- asked in time ---------------------------------------------------------------------------------------------------
def test_at_its_time_it_asks_once_as_its_owner(any_place: Place) -> None:
    """One item a day, with the origin of a schedule and its owner's words; however many workers and restarts."""
    place = any_place
    order(place)
    place.work()
    assert firings(place) == []

    comes(place)
    place.restart()
    place.work()
    comes(place)

    assert states(place) == ["done", "done"]
    items = [place.item(one["item_id"]) for one in firings(place)]
    assert {(one["origin"], one["requester"], one["request"]) for one in items} == {
        ("schedule", place.me.principal_id, CALENDAR)
    }
    kinds = [event["kind"] for event in place.desk.audit_tail(place.admin)]
    assert kinds.count("schedule.fired") == 2 and kinds.count("schedule.done") == 2


def test_only_a_person_gives_keeps_and_ends_a_standing_order(place: Place) -> None:
    """A program cannot; and nobody can decide for all the times to come."""
    program = Principal(principal_id=place.me.principal_id, name="bot", roles=frozenset(), is_human=False)
    with pytest.raises(NotEligible):
        place.desk.schedules.add(program, "x", when="hourly", request=CALENDAR)
    order(place)
    for change in ("pause", "resume", "remove"):
        with pytest.raises(NotEligible):
            place.desk.schedules.change(program, "job", change)
    with pytest.raises(UsageError, match="approve_all"):
        order(place, name="trusting", options={"approve_all": True})
    with pytest.raises(Conflict):
        order(place)


OFF: list[dict[str, Any]] = [
    {"request": "do \x00 it"},
    {"request": "half \ud800 a letter"},
    {"name": "two\nlines"},
    {"expects": ["text~\ud800"]},
    {"options": {"workflow": 5}},
    {"options": {"input": {"x": "\ud800"}}},
    {"options": {"wish": 1}},
    {"grace": timedelta(0)},
    {"asks_wait": timedelta(days=99)},
    {"kind": "dream"},
    {"overlap": "both"},
    {"priority": 10**9},
    {"when": "DTSTART:99990101T090000 FREQ=DAILY"},
]


def test_what_no_schedule_can_hold_is_refused_with_a_fix(any_place: Place) -> None:
    """Whatever a door lets through: an error that says what to do, on both databases, and nothing is written."""
    for given in OFF:
        with pytest.raises(UsageError) as error:
            order(any_place, **given)
        assert error.value.fix, given
    assert any_place.desk.schedules.all(any_place.me) == []


def test_another_persons_schedules_are_out_of_reach(place: Place) -> None:
    """Neither listed nor shown nor changed."""
    other = place.desk.principal(next(str(one["address"]) for one in place.office.people() if one["address"] != place.me.principal_id))  # fmt: skip
    order(place)
    assert place.desk.schedules.all(other) == []
    with pytest.raises(NotFound):
        place.desk.schedules.change(other, "job", "remove")


def test_paused_times_are_not_missed_and_changes_count_from_now(place: Place) -> None:
    """What passes while it is paused is not made up for; a new rule counts from when it was given."""
    order(place)
    place.desk.schedules.change(place.me, "job", "pause")
    comes(place, days=3)
    place.desk.schedules.change(place.me, "job", "resume")
    place.work(linger_s=0.0)
    assert firings(place) == []

    changed = place.desk.schedules.update(place.me, "job", when="daily 09:30 UTC", missed="skip", expects=["effects=0"])
    comes(place)
    assert changed["missed"] == "skip" and states(place) == ["done"]
    place.desk.schedules.change(place.me, "job", "remove")
    assert place.desk.schedules.all(place.me) == []


def test_one_run_now_keeps_the_times(place: Place) -> None:
    """Fired by hand it runs beside its times, and the next one comes as it would have."""
    before = order(place)["next_at"]
    fired = place.desk.schedules.fire_now(place.me, "job")
    place.work(linger_s=0.0)
    assert fired["state"] == "started" and states(place) == ["done"]
    assert place.desk.schedules.one(place.me, "job")["next_at"] == before


# ---- silence is impossible -------------------------------------------------------------------------------------------
def test_a_run_that_leaves_less_than_expected_is_told(place: Place) -> None:
    """Done, and yet not what its owner expects: the firing failed, with the check that did not hold; in news and audit."""
    order(place, expects=["effects>=1", "state=done"])
    comes(place)
    (one,) = firings(place)
    assert place.item(one["item_id"])["state"] == "done"
    assert one["state"] == "failed" and one["why"] == "effects>=1 was expected, and effects is 0"
    assert place.item(one["item_id"])["schedule"] == {"name": "job", "schedule_id": order_id(place), **one}
    assert "schedule.failed" in news(place)
    assert "schedule.failed" in [event["kind"] for event in place.desk.audit_tail(place.admin)]


def test_a_run_that_ends_badly_has_failed_whatever_is_expected(place: Place) -> None:
    """A request that nobody can do is not passed over in silence."""
    order(place, request="make the moon rise in the west for zorp", expects=["effects=0"])
    comes(place)
    assert states(place) == ["failed"] and "ended as needs_model" in firings(place)[0]["why"]
    assert news(place) == ["schedule.failed"]


def test_missed_times_stand_on_the_worklist(place: Place) -> None:
    """Nobody worked for days: what was dropped is one item that says so, and the digest lists it."""
    order(place, missed="skip")
    place.later(5 * DAY)
    place.work(linger_s=0.0)
    assert set(states(place)) == {"missed"}
    failed = place.desk.items(place.me, states=["failed"])["items"]
    assert len(failed) == 1
    assert place.item(failed[0])["error"]["code"] == "schedule_missed"
    assert news(place) == ["schedule.missed"]
    digest = place.desk.schedules.digest(place.me, clock.now() - 9 * DAY)
    assert digest["counts"]["not_started"] == len(states(place))


def test_nothing_runs_for_somebody_who_is_gone(place: Place) -> None:
    """The owner has left the directory and has no account any more: told, not run."""
    order(place)
    store = store_of(place)
    with store.tx() as tx:
        connections.remove(tx, [one.connection_id for one in connections.every(tx)], actor="admin", now=clock.now())
        rest = [one for one in people.all(tx) if one.address != place.me.principal_id]
        people.upsert_many(tx, rest, "office", clock.now())
    store.close()
    comes(place)
    assert states(place) == ["stopped"] and news(place) == ["schedule.stopped"]


def test_a_lapsed_connection_parks_the_run_and_is_told_once(place: Place) -> None:
    """It waits for its owner's account, and goes on by itself when that is back."""
    order(place)
    mine = f"conn_office_{place.me.principal_id}"
    store = store_of(place)
    with store.tx() as tx:
        connections.set_state(tx, mine, "reconsent")
    comes(place)
    place.work(linger_s=0.0)
    assert states(place) == ["started"] and news(place) == ["schedule.waiting"]
    assert place.item(firings(place)[0]["item_id"])["waiting_on"] == ["reconsent"]

    with store.tx() as tx:
        connections.set_state(tx, mine, "active")
    store.close()
    place.work(linger_s=0.0)
    assert states(place) == ["done"]


# ---- unattended ------------------------------------------------------------------------------------------------------
def test_asks_wait_so_long_and_are_then_denied(place: Place) -> None:
    """Nobody is there: the card expires when the schedule says, the run ends denied, and that is told."""
    order(place, request=NOTES, asks_wait=timedelta(hours=2))
    comes(place)
    (one,) = firings(place)
    (card,) = place.cards(place.item(one["item_id"]))
    assert card["expires_at"] == one["asks_until"]

    place.later(timedelta(hours=3))
    place.work(linger_s=0.0)
    found = place.item(one["item_id"])
    assert (found["state"], found["error"]["code"]) == ("denied", "approval_expired")
    assert states(place) == ["failed"] and "schedule.failed" in news(place)
    assert place.sent() == []


def test_a_question_that_nobody_answers_ends_the_run(place: Place) -> None:
    """Nobody says which meeting is meant: after the wait the run is cancelled, and that is told."""
    order(place, request="Cancel the meeting", asks_wait=timedelta(hours=1))
    comes(place)
    (one,) = firings(place)
    assert place.item(one["item_id"])["waiting_on"] == ["answer"]
    place.later(timedelta(hours=2))
    place.work(linger_s=0.0)
    assert place.item(one["item_id"])["state"] == "cancelled"
    assert "nobody answered in time" in firings(place)[0]["why"]


def test_a_run_that_waits_for_people_stops_no_other(place: Place) -> None:
    """The next day's run begins although yesterday's card is open; another schedule goes on as well."""
    order(place, request=NOTES, overlap="skip")
    order(place, name="other")
    comes(place)
    comes(place)
    assert states(place, "other") == ["done", "done"]
    assert len(firings(place)) == 2 and "skipped" not in states(place)


def test_identical_asks_become_one_card(place: Place) -> None:
    """The later run asks for exactly the same: the earlier one ends without a decision, one approval sends once."""
    order(place, request=NOTES)
    comes(place)
    (first,) = firings(place)
    (old,) = place.cards(place.item(first["item_id"]))
    comes(place)

    assert states(place) == ["superseded", "started"]
    (card,) = place.desk.approvals(place.me)
    assert card["digest"] == old["digest"] and card["approval_id"] != old["approval_id"]
    with pytest.raises(Conflict):
        place.decide(old)
    place.decide(card)
    place.work(linger_s=0.0)
    assert states(place) == ["superseded", "done"]
    assert [tool for tool, _ in place.sent()] == ["chat.post_message"]
    assert "schedule.superseded" in news(place)


def test_the_digest_names_what_to_approve_by_its_id(place: Place) -> None:
    """Done, waiting and failed in one page; two orders that ask for the same effect are one line with both ids."""
    order(place)
    order(place, name="notes", request=NOTES)
    order(place, name="notes again", request=NOTES)
    order(place, name="odd", request="make the moon rise in the west for zorp")
    comes(place)
    page = place.desk.schedules.digest(place.me)

    assert page["counts"] == {"done": 1, "waiting": 2, "running": 0, "failed": 1, "not_started": 0}
    (ask,) = page["approve"]
    assert sorted(ask["approval_ids"]) == sorted(card["approval_id"] for card in place.desk.approvals(place.me))
    assert ask["schedules"] == ["notes", "notes again"]
    assert all(f"deputy inbox approve {one}" in page["text"] for one in ask["approval_ids"])
    assert {one["schedule"] for one in page["next"]} == {"job", "notes", "notes again", "odd"}


def test_a_digest_comes_by_itself(place: Place) -> None:
    """A schedule of digests makes an item whose text is the page, since the digest before it, without any run."""
    order(place)
    order(place, name="page", kind="digest", request="", when="daily 09:45 UTC")
    comes(place)
    place.later(timedelta(minutes=15))
    place.work(linger_s=0.0)
    (one,) = firings(place, "page")
    made = place.item(one["item_id"])
    assert made["state"] == "done" and made["runs"] == [] and made["text"].startswith("1 done")
    assert made["output"]["digest"]["counts"]["done"] == 1


# ---- the watch -------------------------------------------------------------------------------------------------------
def habits(place: Place, *replies: int) -> None:
    """Runs of the order "job" that have ended well, with so many replies each."""
    store = store_of(place)
    with store.tx() as tx:
        (one,) = schedules.every(tx)
        for number, count in enumerate(replies, 1):
            at = one.created_at - number * DAY
            schedules.record(tx, one, [at], FiringState.STARTED, "", at)
            counts = Counts(tools={"mail.reply": count} if count else {}, outside=6, reads=60)
            done = {"state": "done", "counts": counts.as_json(), "settled_at": at}
            assert schedules.change(tx, one.schedule_id, at, FiringState.STARTED, **done)
    store.close()


@pytest.mark.parametrize(
    ("replies", "let_pass", "why"),
    [
        ((), 4, ""),  # no history: nothing is unusual
        ((0, 0, 0, 0), 4, ""),  # not yet one
        ((2, 3, 2, 2, 3), 4, ""),  # within what it does
        ((0, 0, 0, 0, 0), 0, "1 × mail.reply; the last 5 runs did none"),  # never did that
        ((1, 1, 0, 1, 1, 1), 3, "4 × mail.reply; the last 6 runs did 0–1"),
    ],
    ids=["no history", "too short", "as ever", "never before", "more than ever"],
)
def test_a_run_that_leaves_its_history_asks_before_it_acts(
    place: Place, replies: tuple[int, ...], let_pass: int, why: str
) -> None:
    """Trusted to reply unasked, it replies as often as it used to; beyond that a person looks, and reads why."""
    place.set(profile="delegated")
    order(place, request=FOLLOW_UP)
    habits(place, *replies)
    comes(place)

    item = place.item(firings(place)[-1]["item_id"])
    asked = place.cards(item)
    assert len(place.sent()) == let_pass and len(asked) == (4 - let_pass if let_pass else len(asked))
    assert bool(asked) == bool(why)
    assert all("is not what earlier runs did" in card["why"] for card in asked)
    assert why in " ".join(card["why"] for card in asked)
    if asked:
        assert why in place.desk.schedules.digest(place.me)["text"]
        done = place.approve_all(item)
        assert done["state"] == "done" and len(place.sent()) == 4


def test_a_person_who_asks_themselves_is_not_watched(place: Place) -> None:
    """The same words asked by hand have no history to leave."""
    place.set(profile="delegated")
    order(place, request=FOLLOW_UP)
    habits(place, 0, 0, 0, 0, 0)
    assert place.ask(FOLLOW_UP)["state"] == "done"
    assert len(place.sent()) == 4
