"""Texts by people who mean harm, on every page that shows them: seen as they are, and never more than text."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import Desk

MARKUP = (
    '<img src=x onerror="window.taken=1"><script>window.taken=2</script>"><svg onload=window.taken=3> ]]></script><!--'
)
FLIPPED = "Invoice \u202egnp.exe\u2066 \u200bfrom \U000e0041Dana"
SEEN = "Invoice ⟨U+202E⟩gnp.exe⟨U+2066⟩ ⟨U+200B⟩from ⟨U+E0041⟩Dana"


def places(desk: Desk, title: str) -> list[str]:
    """The pages that show a card with this title, its request and its run."""
    card = desk.park(title)
    item = next(one["item_id"] for one in desk.place.desk.approvals(desk.place.me) if one["approval_id"] == card)
    run = desk.place.desk.item(desk.place.me, item)["run_id"]
    return ["/", f"/approvals/{card}", "/work", f"/work/{item}", f"/runs/{run}"]


def test_markup_is_text_everywhere(page: Page, desk: Desk) -> None:
    """It is shown letter by letter, and no part of it becomes a part of the page."""
    for path in places(desk, MARKUP):
        page.goto(path)
        expect(page.locator("main")).to_contain_text("<script>window.taken=2")
        assert page.evaluate("window.taken") is None
        assert page.locator("main img, main script").count() == 0


@pytest.mark.parametrize("text", ["مرحبا بالعالم", "👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 é", "two\nlines"])
def test_what_people_write_stays_as_it_is(page: Page, desk: Desk, text: str) -> None:
    """Other scripts, families and flags of emoji, and line breaks are shown without marks."""
    page.goto(places(desk, text)[1])
    expect(page.locator("#detail")).to_contain_text(text)
    assert "⟨U+" not in page.locator("#detail").inner_text()


def test_a_name_that_reads_otherwise_than_it_is_is_seen(page: Page, desk: Desk) -> None:
    """Turned writing and letters without width stand there by their numbers, where one decides and wherever one looks."""
    for path in places(desk, FLIPPED):
        page.goto(path)
        expect(page.locator("main")).to_contain_text(SEEN)
        assert page.evaluate("/[\\u202e\\u2066\\u200b]/.test(document.querySelector('main').innerText)") is False
