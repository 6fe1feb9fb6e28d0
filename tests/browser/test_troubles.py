"""What schedules did without their owner, in the browser: told as it happens, counted until looked at, and decided by the digest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from orchestrator import clock
from orchestrator.domain.schedule import FiringState
from orchestrator.store import approvals, firings, schedules, worklist
from tests.browser.conftest import Watched
from tests.browser.desk import Desk


@pytest.fixture
def name(desk: Desk) -> Iterator[str]:
    """A schedule that expects a change outside; it comes only when a test says so."""
    desk.place.desk.schedules.add(
        desk.place.me, "invoices", when="yearly on 24 december 10:00", request="Chase", expects=["effects>=1"]
    )
    yield "invoices"
    desk.place.desk.schedules.change(desk.place.me, "invoices", "remove")


def ended(desk: Desk, name: str) -> str:
    """One time of it, with a run that has changed nothing; its item."""
    fired = desk.place.desk.schedules.fire_now(desk.place.me, name)
    with desk.store.tx() as tx:
        worklist.cancel(tx, fired["item_id"], desk.place.me.principal_id, clock.now(), "enough")
        firings.sweep(tx, clock.now())
    return str(fired["item_id"])


def waits(desk: Desk, name: str, title: str) -> str:
    """One time of it, with a run that waits for a decision; its card."""
    card = desk.park(title)
    fired = desk.place.desk.schedules.fire_now(desk.place.me, name)
    order = desk.place.desk.schedules.one(desk.place.me, name)["schedule_id"]
    with desk.store.tx() as tx:
        worklist.cancel(tx, fired["item_id"], desk.place.me.principal_id, clock.now(), "another stands for it")
        at = datetime.fromisoformat(fired["at"])
        asked = approvals.get(tx, card).item_id
        assert schedules.change(tx, order, at, FiringState.STARTED, item_id=asked)
    return card


def test_a_failed_post_condition_is_told_and_counted_until_it_is_looked_at(desk: Desk, page: Page, name: str) -> None:
    """A toast and a number beside Schedules, on any page and after loading it again; the item says which check failed."""
    page.goto("/audit")
    expect(page.locator(".side [data-live]")).to_have_text("live")
    item = ended(desk, name)

    expect(page.locator(".side .toast").first).to_contain_text("invoices did not end as expected")
    expect(page.locator(".side [data-count=schedules]")).not_to_be_empty()
    page.reload()
    expect(page.locator(".side [data-count=schedules]")).not_to_be_empty()

    page.goto(f"/work/{item}")
    expect(page.get_by_text("Not as its schedule expects")).to_be_visible()
    page.goto("/schedules")
    expect(page.locator("li.card", has_text="invoices").locator(".chip.bad", has_text="Failed").first).to_be_visible()
    expect(page.locator(".side [data-count=schedules]")).to_be_empty()
    assert Axe().run(page).response["violations"] == []
    with page.expect_response(lambda answer: "/schedules/troubles" in answer.url) as told:
        page.goto("/audit")
    assert told.value.json()["troubles"] == []
    expect(page.locator(".side [data-count=schedules]")).to_be_empty()


def test_a_digest_approves_exactly_what_it_lists_and_says_what_did_not_count(
    desk: Desk, page: Page, watched: Watched, name: str
) -> None:
    """Two cards of two times: one was decided meanwhile, the other is approved; each line says what became of it."""
    first, second = waits(desk, name, "The first"), waits(desk, name, "The second")
    bystander = desk.park("Nobody's")
    page.goto("/schedules")
    lines = page.locator("#to-approve > li")
    expect(lines).to_have_count(2)
    expect(page.get_by_role("heading", name="Waiting (2)")).to_be_visible()
    assert "deputy inbox" not in page.locator("main").inner_text()
    card = desk.read(approvals.get, first)
    desk.place.desk.decide(desk.place.me, first, "deny", digest=card.digest)

    page.get_by_role("button", name="Approve these 2").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Approve them").press("Enter")

    expect(page.locator(f'#to-approve [data-key="{first}"]')).to_contain_text("Not counted")
    expect(page.locator(f'#to-approve [data-key="{second}"]')).to_have_count(0)
    assert (desk.state(first), desk.state(second), desk.state(bystander)) == ("denied", "approved", "pending")
    assert Axe().run(page).response["violations"] == []


def test_a_single_card_of_a_digest_is_approved_by_its_own_button(desk: Desk, page: Page, name: str) -> None:
    """By its own id; the request of each time is a link."""
    card = waits(desk, name, "Alone")
    page.goto("/schedules")
    item = desk.read(approvals.get, card).item_id
    expect(page.locator(f'.card a[href="/work/{item}"]').first).to_be_visible()

    page.get_by_role("button", name="Approve: ").click()

    expect(page.locator("#to-approve")).to_have_count(0)
    assert desk.state(card) == "approved"
