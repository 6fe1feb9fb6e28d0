"""Silence is impossible: what did not start or did not end as expected is told its owner, wherever they look."""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestrator.domain import schedule_news
from orchestrator.domain.schedule import FiringState
from orchestrator.surfaces.cli import checkup
from tests.e2e.place import Place

CALENDAR = "what is on my calendar tomorrow"


def order(place: Place, name: str = "job", **more: Any) -> dict[str, Any]:
    return place.desk.schedules.add(place.me, name, **({"when": "daily 09:30 UTC", "request": CALENDAR} | more))


def failed(place: Place, name: str = "job") -> dict[str, Any]:
    order(place, name, expects=["effects>=1"])
    fired = place.desk.schedules.fire_now(place.me, name)
    place.work(linger_s=0.0)
    return fired


def doctor(place: Place) -> dict[str, Any]:
    found = checkup.checks(place.settings, probe=False, is_offline=True)
    return next(one for one in found if one["check"] == "schedules")


@pytest.mark.parametrize("state", sorted(schedule_news.TROUBLED))
def test_every_trouble_has_words_and_something_to_do(state: FiringState) -> None:
    """Whatever a name holds, the command that is told can be typed as it stands."""
    name = "Ana's invoices; really"

    assert schedule_news.head(state, name).startswith(name) and schedule_news.head(state, name) != f"{name} {state}"
    told = schedule_news.fix(state, name)
    assert told
    if "deputy" in told:
        assert f"deputy schedule {'show' if state is FiringState.SKIPPED else 'run'} {shlex.quote(name)}" in told


def test_troubles_are_the_owners_own_and_end_where_they_were_seen(any_place: Place) -> None:
    """The newest first, with what to do; none of those up to the one that was seen; nobody else's."""
    place = any_place
    failed(place)
    order(place, "late", missed="skip")
    place.later(timedelta(days=2))
    place.work(linger_s=0.0)

    found = place.desk.schedules.troubles(place.me)

    assert found == sorted(found, key=lambda one: str(one["settled_at"]), reverse=True)
    assert {("late", "missed"), ("job", "failed")} <= {(one["name"], one["state"]) for one in found}
    assert all(one["fix"] and one["why"] for one in found)
    newest, first = (datetime.fromisoformat(one["settled_at"]) for one in (found[0], found[-1]))
    assert place.desk.schedules.troubles(place.me, newest) == []
    assert place.desk.schedules.troubles(place.me, first) == [
        one for one in found if one["settled_at"] != found[-1]["settled_at"]
    ]
    stranger = next(one["address"] for one in place.desk.people() if one["address"] != place.me.principal_id)
    assert place.desk.schedules.troubles(place.desk.principal(stranger)) == []


def test_a_time_that_did_not_start_leads_to_the_item_that_says_so(place: Place) -> None:
    """On the schedule, in the digest and among the troubles; and the item names the schedule and what to do."""
    order(place, missed="skip")
    place.later(timedelta(days=2))
    place.work(linger_s=0.0)

    (trouble, *_) = place.desk.schedules.troubles(place.me)
    item = place.item(trouble["item_id"])
    digest = place.desk.schedules.digest(place.me)

    assert item["state"] == "failed" and "job did not start: nobody was working" in item["error"]["message"]
    assert item["error"]["fix"] == "to run it now: deputy schedule run job"
    assert item["schedule"]["state"] == "missed"
    assert {one["item_id"] for one in digest["not_started"]} == {trouble["item_id"]}


def test_news_of_a_time_without_an_item_reaches_its_owner(place: Place) -> None:
    """Whoever may see nothing but their own hears of their own schedules, and of nobody else's."""
    failed(place)
    heard = [one for one in place.desk.news.after(0, 5000) if one.kind == "schedule.failed"]

    assert [one.body["owner"] for one in heard] == [place.me.principal_id]
    assert all(place.me.principal_id in (one.seen_by or ()) for one in heard)
    assert all(len(one.seen_by or ()) == 1 for one in heard)


def test_doctor_names_each_schedule_whose_latest_time_went_wrong(place: Place) -> None:
    """With the command that shows it; well again once it ended as expected, or when it was put away."""
    order(place, "fine")
    place.desk.schedules.fire_now(place.me, "fine")
    place.work(linger_s=0.0)
    assert doctor(place)["ok"]
    failed(place, "chase mails")

    told = doctor(place)
    assert not told["ok"]
    assert "chase mails did not end as expected" in told["detail"] and "fine" not in told["detail"]
    assert told["fix"] == f"deputy schedule show 'chase mails' --as {place.me.principal_id}"
    place.desk.schedules.update(place.me, "chase mails", expects=["effects=0"])
    place.later(timedelta(minutes=1))
    place.desk.schedules.fire_now(place.me, "chase mails")
    place.work(linger_s=0.0)
    assert doctor(place)["ok"]


def test_the_item_says_which_check_failed(place: Place) -> None:
    """At a terminal: a run that is done and left less than expected does not read as if all were well."""
    from rich.console import Console

    from orchestrator.surfaces.cli import view

    fired = failed(place)
    console = Console(width=200, record=True, force_terminal=False)
    console.print(view.item_tree(place.item(fired["item_id"]), "UTC"))
    shown = console.export_text()

    assert "schedule job: not as expected: " in shown and "effects>=1" in shown
    assert "fix: look at the item; to ask again now: deputy schedule run job" in shown
