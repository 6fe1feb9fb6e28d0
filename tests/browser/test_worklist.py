"""The worklist in the browser: asking, order by keys and by hand, snoozing, nudging, answering, pausing, stopping."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from orchestrator.store import worklist
from tests.browser.desk import Desk


def row(page: Page, item_id: str) -> Locator:
    return page.locator(f"#o-{item_id}")


def opened(page: Page) -> None:
    page.goto("/work")
    expect(page.locator(".side [data-live]")).to_have_text("live")


def changed(page: Page, act: Callable[[], None]) -> None:
    """Does it, and waits until the desk has it and the page has read the new order."""
    with (
        page.expect_response(lambda answer: answer.request.method in ("PATCH", "POST") and "/items" in answer.url),
        page.expect_response(lambda answer: "/items?" in answer.url),
    ):
        act()


def positions(desk: Desk, ids: list[str]) -> list[str]:
    """These items in serving order."""
    listed = [one["item_id"] for one in desk.place.desk.items(desk.place.me, states=["ready"], limit=500)["items"]]
    return [one for one in listed if one in ids]


def test_asking_from_the_page(desk: Desk, page: Page) -> None:
    """Words and Enter: it stands on the list and is shown."""
    opened(page)
    page.keyboard.press("/")
    page.locator("#request").fill("What is on my calendar today?")
    page.keyboard.press("Enter")

    expect(page.locator("#detail h2").first).to_have_text("What is on my calendar today?")
    expect(page).to_have_url(re.compile("/work/item_"))


def test_reordering_by_keys(desk: Desk, page: Page) -> None:
    """Shift and k serve it earlier, b first of all; why each stands where it does is told."""
    ids = [desk.ask(f"Wish {n}") for n in range(3)]
    opened(page)
    row(page, ids[2]).click()
    expect(page.locator("#detail h2").first).to_have_text("Wish 2")
    changed(page, lambda: page.keyboard.press("Shift+K"))
    assert positions(desk, ids) == [ids[0], ids[2], ids[1]]

    row(page, ids[1]).click()
    expect(page.locator("#detail h2").first).to_have_text("Wish 1")
    changed(page, lambda: page.keyboard.press("b"))
    assert positions(desk, ids) == [ids[1], ids[0], ids[2]]
    expect(row(page, ids[1]).locator(".l2")).not_to_be_empty()


def test_reordering_by_hand(desk: Desk, page: Page) -> None:
    """Dragged onto the first row, the last one is served first."""
    ids = [desk.ask(f"Wish {n}") for n in range(3)]
    opened(page)
    expect(row(page, ids[2])).to_be_visible()

    changed(page, lambda: row(page, ids[2]).drag_to(row(page, ids[0])))

    assert positions(desk, ids) == [ids[2], ids[0], ids[1]]


def test_snoozing(desk: Desk, page: Page) -> None:
    """s and a time: it sleeps until then."""
    item = desk.ask("Later, please")
    opened(page)
    row(page, item).click()
    expect(page.locator("#detail h2").first).to_have_text("Later, please")
    page.keyboard.press("s")
    changed(page, page.get_by_role("button", name="Tomorrow, 09:00").click)

    assert desk.read(worklist.get, item).snooze_until is not None


def test_pausing_nudging_and_stopping(desk: Desk, page: Page) -> None:
    """p holds it and lets it go on; n leaves a remark; X ends it, with a reason."""
    desk.park("Steered")
    opened(page)
    page.keyboard.press("j")
    expect(page.locator("#detail h2").first).to_contain_text("Steered")
    item = page.url.rsplit("/", 1)[1] if "/work/" in page.url else ""
    changed(page, lambda: page.keyboard.press("p"))
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    changed(page, lambda: page.keyboard.press("p"))
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.keyboard.press("n")
    page.get_by_label("A remark").fill("not Monday")
    changed(page, page.get_by_role("button", name="Send").click)
    page.keyboard.press("Shift+X")
    page.get_by_label("It and its tasks end").fill("no longer needed")
    changed(page, page.get_by_role("button", name="Stop it").click)

    expect(page.locator("#detail .actions")).to_contain_text("Ended")
    if item:
        assert desk.read(worklist.get, item).state.value == "cancelled"


def test_what_arrives_comes_at_the_end(desk: Desk, page: Page) -> None:
    """A new request takes no place that is seen, though it may be served first; the shown one stays shown."""
    ids = [desk.ask(f"Wish {n}") for n in range(3)]
    opened(page)
    row(page, ids[1]).click()
    expect(page.locator("#detail h2").first).to_have_text("Wish 1")
    before = [row(page, one).bounding_box() for one in ids]

    fresh = desk.place.desk.submit(desk.place.me, "Urgent", priority=-5000)
    expect(row(page, fresh)).to_be_visible()

    assert [row(page, one).bounding_box() for one in ids] == before
    expect(page.locator("#detail h2").first).to_have_text("Wish 1")
