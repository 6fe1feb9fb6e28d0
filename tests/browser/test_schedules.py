"""The page of schedules: all that a schedule says can be set, read and changed here, and what it made leads back to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.browser.desk import Desk

CALENDAR = "what is on my calendar today"


@pytest.fixture(autouse=True)
def _taken_back(desk: Desk) -> Iterator[None]:
    """What these tests add is gone behind each of them."""
    yield
    for name in names(desk) & {"brief", "other one"}:
        desk.place.desk.schedules.change(desk.place.me, name, "remove")


def names(desk: Desk) -> set[str]:
    return {one["name"] for one in desk.place.desk.schedules.all(desk.place.me)}


def kept(desk: Desk, name: str = "brief") -> dict[str, object]:
    return desk.place.desk.schedules.one(desk.place.me, name)


def test_all_that_a_schedule_says_is_set_shown_and_changed(desk: Desk, page: Page) -> None:
    """Limits, the end of the wait with its default, and checks: given at first, read in its row, and edited; the rest stays."""
    page.goto("/schedules")
    page.get_by_role("button", name="New", exact=True).click()
    page.get_by_label("Name", exact=True).fill("brief")
    page.get_by_label("When (").fill("weekdays 08:15 Europe/Lisbon")
    page.get_by_label("Asks").fill(CALENDAR)
    page.get_by_label("Wait until").fill("10:00")
    expect(page.get_by_label("Answer: the name of a choice")).to_be_hidden()
    page.get_by_label("Then").select_option("default")
    page.get_by_label("Answer: the name of a choice").fill("the first one")
    page.get_by_label("Model calls").fill("20")
    page.get_by_label("US dollars").fill("0.5")
    page.get_by_label("Expects of each run").fill("effects=0\nstate=done")
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("button", name="Add", exact=True).click()
    row = page.locator('li.card[data-name="brief"]')
    row.get_by_text("What it says").click()
    expect(row).to_contain_text("until 10:00; then “the first one”")
    expect(row).to_contain_text("Model calls 20 · US dollars 0.5")
    expect(row).to_contain_text("effects=0 and state=done")
    expect(row).to_contain_text(desk.place.me.principal_id)
    made = kept(desk)
    assert made["options"] == {"budget": {"model_calls": 20, "cost_microusd": 500_000}}

    page.get_by_role("button", name="Edit brief").click()
    expect(page.get_by_label("Wait until")).to_have_value("10:00")
    page.get_by_label("Then").select_option("deny")
    page.get_by_label("Model calls").fill("7")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(row).to_contain_text("until 10:00, then no")
    changed = kept(desk)

    assert changed["options"] == {"budget": {"model_calls": 7, "cost_microusd": 500_000}}
    assert {name: changed[name] for name in ("rule", "request", "expects", "next_at")} == {
        name: made[name] for name in ("rule", "request", "expects", "next_at")
    }


def test_what_cannot_be_is_told_in_the_form(desk: Desk, page: Page, watched: Watched) -> None:
    """A wait that never ends is refused with what to write, and nothing is kept."""
    watched.expected.append("422")
    page.goto("/schedules")
    page.get_by_role("button", name="New", exact=True).click()
    page.get_by_label("Name", exact=True).fill("brief")
    page.get_by_label("When (").fill("weekdays 08:15")
    page.get_by_label("Asks").fill(CALENDAR)
    page.get_by_label("Wait until").fill("whenever")
    page.get_by_role("button", name="Add", exact=True).click()

    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("2h30m")
    assert "brief" not in names(desk)


def test_what_a_schedule_made_leads_to_it(desk: Desk, page: Page) -> None:
    """From the request to the one schedule, shown open with what became of its times; by its name as well."""
    rooms = desk.place.desk.schedules
    for name in ("other one", "brief"):
        rooms.add(desk.place.me, name, when="weekdays 07:30", request=CALENDAR)
    fired = rooms.fire_now(desk.place.me, "brief")

    page.goto(f"/work/{fired['item_id']}")
    page.get_by_role("link", name="by the schedule brief").click()
    page.wait_for_url(re.compile(r"/schedules#sch_"))
    row = page.locator('li.card[data-name="brief"]')
    expect(row.locator("details")).to_have_attribute("open", "")
    expect(row).to_be_focused()
    expect(row.locator("details").get_by_role("link", name="its request")).to_have_attribute(
        "href", f"/work/{fired['item_id']}"
    )
    assert Axe().run(page).response["violations"] == []

    page.goto("/schedules?#other%20one")
    expect(page.locator("li.card", has_text="other one")).to_be_focused()
