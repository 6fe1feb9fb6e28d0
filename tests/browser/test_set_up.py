"""What people set up for themselves and for others in the browser: preferences, facts, standing orders, roles."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.browser.desk import Desk
from tests.e2e.place import DANA


def fit(page: Page) -> None:
    """axe finds nothing, the dialog that is open included."""
    assert Axe().run(page).response["violations"] == []


def toasted(page: Page, words: str) -> None:
    expect(page.locator(".side .toast").first).to_contain_text(words)


def test_preferences_are_kept_and_taken_back(desk: Desk, page: Page) -> None:
    """What is typed is what the directory says from then on; emptied, it is gone; half a lunch is refused."""
    me = desk.place.me.principal_id

    def kept() -> dict[str, object]:
        return next(dict(one["preferences"]) for one in desk.place.desk.people() if one["address"] == me)

    before = kept()
    page.goto("/you")
    page.get_by_label("Not before").fill("09:30")
    page.get_by_label("Lunch from").fill("12:00")
    page.get_by_label("Lunch until").fill("")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("alert")).to_contain_text("Lunch has one end only")
    assert kept() == before
    page.get_by_label("Lunch until").fill("12:45")
    page.get_by_label("Fri").check()
    page.get_by_role("button", name="Keep").click()
    toasted(page, "Kept.")
    found = kept()
    assert (found["earliest"], found["lunch"], found["avoid_days"]) == ("09:30", ["12:00", "12:45"], ["fri"])

    page.reload()
    expect(page.get_by_label("Not before")).to_have_value("09:30")
    expect(page.get_by_label("Fri")).to_be_checked()
    for one in ("Not before", "Not after", "Lunch from", "Lunch until", "Minutes between meetings", "Time zone"):
        page.get_by_label(one).fill("")
    page.get_by_label("Fri").uncheck()
    with page.expect_response(lambda answer: answer.url.endswith("/preferences")):
        page.get_by_role("button", name="Keep").click()
    assert kept() == {}


def test_a_fact_is_added_put_right_and_forgotten_by_keys(desk: Desk, page: Page) -> None:
    """One's own fact, in one's own words, gone when it is forgotten."""

    def texts() -> list[str]:
        return [one["text"] for one in desk.place.desk.memories.all(desk.place.me)]

    page.goto("/you")
    page.get_by_role("button", name="New fact").press("Enter")
    expect(page.get_by_label("What is so")).to_be_focused()
    fit(page)
    page.keyboard.type("Dana likes short meetings")
    page.get_by_role("dialog").get_by_role("button", name="Keep").press("Enter")
    expect(page.get_by_text("Dana likes short meetings")).to_be_visible()
    assert texts() == ["Dana likes short meetings"]

    page.get_by_role("button", name="Edit: Dana likes short meetings").press("Enter")
    page.get_by_role("dialog").get_by_role("textbox").fill("Dana likes long meetings")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Dana likes long meetings")).to_be_visible()
    assert texts() == ["Dana likes long meetings"]

    page.get_by_role("button", name="Forget: Dana likes long meetings").press("Enter")
    page.get_by_role("button", name="Keep it").press("Enter")
    assert texts() == ["Dana likes long meetings"]
    page.get_by_role("button", name="Forget: Dana likes long meetings").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Forget").press("Enter")
    toasted(page, "Forgotten.")
    assert texts() == []


def test_a_standing_order_is_given_paused_and_taken_back(desk: Desk, page: Page, watched: Watched) -> None:
    """A condition on no field of a mail is refused with the fields there are; a good one asks from then on."""
    watched.expected.append("422")

    def orders() -> list[tuple[str, str]]:
        return [(one["name"], one["state"]) for one in desk.place.desk.triggers.all(desk.place.me)]

    page.goto("/schedules")
    page.get_by_role("button", name="New order").click()
    page.get_by_label("Name").fill("invoices")
    page.get_by_label("Where").fill("colour=red")
    page.get_by_label("Ask (").fill("File the mail {message_id}")
    fit(page)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("subject")
    assert orders() == []
    page.get_by_label("Where").fill("subject~invoice\nlabels!=newsletter")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("subject~invoice")).to_be_visible()
    assert orders() == [("invoices", "active")]

    page.get_by_role("button", name="Pause invoices").click()
    expect(page.get_by_role("button", name="Resume invoices")).to_be_visible()
    assert orders() == [("invoices", "paused")]
    page.get_by_role("button", name="Remove invoices").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    toasted(page, "Removed.")
    assert orders() == []


@pytest.fixture
def colleague(desk: Desk) -> str:
    return next(
        one["address"]
        for one in desk.place.desk.people()
        if one["inside"] and one["address"] not in (desk.place.me.principal_id, DANA)
    )


def test_roles_are_given_and_taken_back(desk: Desk, page: Page, watched: Watched, colleague: str) -> None:
    """An approver of mail alone; none stands by itself; the last admin is told that they are."""
    watched.expected.append("409")
    roles = desk.place.desk.roles
    name = next(one["name"] for one in desk.place.desk.people() if one["address"] == colleague)

    def given() -> list[tuple[str, object]]:
        entry = next(one for one in roles.all(desk.place.me) if one["person"] == colleague)
        return [(one["role"], one["limits"]) for one in entry["given"]]

    page.goto("/people")
    page.get_by_role("button", name=f"Change what {name} may").click()
    page.get_by_label("approver asks").check()
    page.get_by_label("Approver only for families").fill("mail")
    fit(page)
    page.get_by_role("button", name="Give").click()
    toasted(page, "Given")
    assert given() == [("approver", {"families": ["mail"]})]

    page.get_by_role("button", name=f"Change what {name} may").click()
    expect(page.get_by_label("Approver only for families")).to_have_value("mail")
    page.get_by_label("none may not").check()
    expect(page.get_by_label("approver asks")).not_to_be_checked()
    expect(page.get_by_label("Approver only for families")).to_be_hidden()
    page.get_by_label("none may not").uncheck()
    with page.expect_response(lambda answer: "/roles/" in answer.url):
        page.get_by_role("button", name="Give").click()
    assert given() == []

    page.get_by_role("button", name=f"Change what {desk.place.me.name} may").click()
    page.get_by_label("viewer reads").check()
    page.get_by_role("button", name="Give").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("last admin")
