"""The door, as somebody meets it who is not signed in: in light, in dark, on a phone; in by a link, out by the keyboard."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, StorageState, expect

from tests.browser.conftest import Watched
from tests.browser.desk import Desk
from tests.browser.test_pages import LOOKS


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", ["/signin", "/signin?token=used"])
def test_the_door_is_fit_for_everybody(
    browser: Browser, served: tuple[Desk, StorageState], look: str, path: str
) -> None:
    """axe finds nothing, nothing runs out of the screen, and the policy lets everything on the page work."""
    context = browser.new_context(base_url=served[0].url, reduced_motion="reduce", **LOOKS[look])
    watched = Watched(context)
    watched.expected = ["401"]
    page = watched.new_page()
    page.goto(path)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    if "used" in path:
        expect(page.get_by_role("alert")).to_contain_text("used before")
    found = Axe().run(page).response["violations"]
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    context.close()

    assert [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found] == []
    assert not wide and watched.unexpected() == []


def test_in_by_a_link_back_to_where_one_was_and_out_by_keys(
    browser: Browser, served: tuple[Desk, StorageState]
) -> None:
    """A page that needs somebody leads to the door; the link leads back to it and leaves no token in the address; out is out."""
    desk = served[0]
    context = browser.new_context(base_url=desk.url, reduced_motion="reduce")
    watched = Watched(context)
    page = watched.new_page()
    page.goto("/work")
    expect(page).to_have_url(re.compile(r"/signin\?next=%2Fwork$"))
    token = desk.place.desk.access.new_link(desk.place.me)
    page.goto(f"/signin?token={token}&next=/work")
    expect(page).to_have_url(f"{desk.url}/work")
    assert token not in page.evaluate("JSON.stringify([document.referrer, location.href, document.cookie])")
    page.keyboard.press("Control+k")
    page.keyboard.type("sign out")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/signin$"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"/signin"))
    context.close()

    assert watched.unexpected() == []
