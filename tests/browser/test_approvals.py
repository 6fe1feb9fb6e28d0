"""Deciding in the browser, by keys and by hand: one card, many by their ids, a changed one; what is shown is what is decided."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from orchestrator.store import approvals
from tests.browser.desk import STRANGER, Desk
from tests.browser.test_cursor import decide, opened, option


def test_a_page_and_one_key_approve(desk: Desk, page: Page) -> None:
    """Open, a: approved; its progress is told on the card and on its row."""
    card = desk.park()
    opened(page, 1)

    decide(page, lambda: page.keyboard.press("a"))

    expect(page.get_by_role("list", name="Progress")).to_contain_text("Approved")
    expect(option(page, card)).to_contain_text("Approved")
    assert desk.state(card) == "approved"


def test_denying_by_keys_keeps_the_reason(desk: Desk, page: Page) -> None:
    """d, words, Ctrl Enter: denied, and the words stand at the card."""
    card = desk.park()
    opened(page, 1)
    page.keyboard.press("d")
    page.get_by_label("Why?").fill("Not this week")

    decide(page, lambda: page.keyboard.press("Control+Enter"))

    expect(page.locator("#detail")).to_contain_text("Not this week")
    assert desk.read(approvals.get, card).reason == "Not this week"
    assert desk.state(card) == "denied"


def test_deciding_by_pointer(desk: Desk, page: Page) -> None:
    """Click a row, click Approve; click another, Deny, and leave it: one approved, one untouched."""
    first, second = desk.park(), desk.park()
    opened(page, 2)
    option(page, second).click()
    decide(page, page.get_by_role("button", name="Approve").click)
    option(page, first).click()
    page.get_by_role("button", name="Deny").click()
    page.get_by_role("button", name="Leave it").click()

    assert [desk.state(first), desk.state(second)] == ["pending", "approved"]


def test_an_edit_asks_again_about_the_changed_call(desk: Desk, page: Page) -> None:
    """e, another title, send: this card is void and cannot be used; the run is told exactly what was changed."""
    card = desk.park("Planning")
    opened(page, 1)
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    page.keyboard.press("e")
    page.get_by_label("title").fill("Planning, moved")
    decide(page, page.get_by_role("button", name="Check and ask again").click)

    expect(option(page, card)).to_contain_text("Replaced")
    assert desk.state(card) == "void"


def test_leaving_an_edit_changes_nothing(desk: Desk, page: Page) -> None:
    """Escape in the form: the card stands as it did, and the approve key works on it."""
    card = desk.park("Planning")
    opened(page, 1)
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    page.keyboard.press("e")
    page.get_by_label("title").fill("Something else")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Approve")).to_be_visible()

    assert desk.state(card) == "pending"


@pytest.mark.parametrize("by", ["keys", "pointer"])
def test_many_are_decided_by_their_own_ids(desk: Desk, page: Page, by: str) -> None:
    """Selected cards are approved, whatever arrived since; nothing else is."""
    cards = [desk.park() for _ in range(4)]
    opened(page, 4)
    before = desk.approved()
    if by == "keys":
        page.keyboard.press("x")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("x")
    else:
        option(page, cards[0]).locator(".tick").click()
        option(page, cards[2]).locator(".tick").click()
    expect(page.get_by_role("group", name="Selected approvals")).to_contain_text("2 selected")
    fresh = desk.park()
    expect(option(page, fresh)).to_have_count(1)
    if by == "keys":
        decide(page, lambda: page.keyboard.press("Shift+A"))
    else:
        decide(page, page.get_by_role("button", name="Approve them").click)

    expect(page.locator("#total")).to_have_text("3")
    assert desk.approved() - before == {cards[0], cards[2]}


def test_outside_people_are_told_by_shape_and_words(desk: Desk, page: Page) -> None:
    """On the row and on the card, in words; where the address came from stands beside it."""
    card = desk.park(to=STRANGER)
    opened(page, 1)

    expect(option(page, card)).to_contain_text("Outside")
    expect(page.locator("#detail .chip.outside").first).to_be_visible()
    expect(page.locator("#detail")).to_contain_text("from the text of a record you named")


def test_somebody_elses_card_offers_no_decision(desk: Desk, page: Page) -> None:
    """Who is not on the card sees who is, and no key decides it."""
    card = desk.park(eligible="nora.lind@brightwater.example")
    opened(page, 1)
    expect(page.locator("#detail")).to_contain_text("nora.lind@brightwater.example may decide this")
    expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)

    page.keyboard.press("a")
    expect(page.get_by_text("nora.lind@brightwater.example may decide this.").first).to_be_visible()

    assert desk.state(card) == "pending"


def test_a_card_has_an_address_and_leads_to_what_made_it(desk: Desk, page: Page) -> None:
    """Its own link shows it; from it to the request, and to the run."""
    desk.park()
    card = desk.park("The linked one")
    page.goto(f"/approvals/{card}")
    expect(page.locator("#detail")).to_contain_text("The linked one")
    page.get_by_role("link", name="Open the request").click()
    expect(page).to_have_url(re.compile("/work/item_"))
    page.get_by_role("link", name="Steps and timeline").click()
    expect(page).to_have_url(re.compile("/runs/run_"))
    expect(page.get_by_role("heading", name="Steps")).to_be_visible()


def test_an_empty_inbox_shows_the_command_that_fills_it(desk: Desk, page: Page) -> None:
    """Nothing waits: it says so, with a command."""
    page.goto("/")

    expect(page.locator("#detail")).to_contain_text("Nothing waits for you")
    expect(page.locator("#detail code")).to_contain_text("deputy ask")


def test_a_narrow_screen_goes_from_list_to_card_and_back(desk: Desk, page: Page) -> None:
    """390 px: tap the card, approve it, back to the list."""
    page.set_viewport_size({"width": 390, "height": 844})
    card = desk.park()
    opened_narrow = page.goto("/")
    assert opened_narrow is not None
    option(page, card).click()
    decide(page, page.get_by_role("button", name="Approve").click)
    page.get_by_role("button", name="All approvals").click()

    expect(option(page, card)).to_contain_text("Approved")
    assert desk.state(card) == "approved"


def test_nothing_is_approved_from_beside_a_changed_call(desk: Desk, page: Page) -> None:
    """While the form is open there is no Approve, and the key does nothing."""
    card = desk.park("Planning")
    opened(page, 1)
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    page.keyboard.press("e")
    expect(page.get_by_label("title")).to_be_focused()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    page.locator("#list").focus()
    page.keyboard.press("a")
    page.get_by_role("button", name="Leave it").click()
    expect(page.get_by_role("button", name="Approve")).to_be_visible()

    assert desk.state(card) == "pending"
