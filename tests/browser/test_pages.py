"""Every page, in light, in dark and on a phone: no axe violation, nothing wider than the screen, nothing on the console."""

from __future__ import annotations

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, StorageState, expect

from orchestrator.surfaces.web.pages import PAGES
from tests.browser.conftest import Watched
from tests.browser.desk import STRANGER, Desk

LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "has_touch": True},
    "narrow": {"color_scheme": "dark", "viewport": {"width": 320, "height": 640}, "has_touch": True},
}
WIDER = """() => [...document.querySelectorAll('body *')].filter(one => {
  const box = one.getBoundingClientRect();
  return box.width > 0 && box.right > innerWidth + 1 && !one.closest('.scroll, .vh, pre, textarea')
    && getComputedStyle(one).visibility !== 'hidden';
}).map(one => one.tagName + '.' + one.className).slice(0, 5)"""


@pytest.fixture(scope="session")
def furnished(served: tuple[Desk, StorageState]) -> dict[str, str]:
    """Something of everything on the desk; path by name."""
    desk, _ = served
    desk.clear()
    card = desk.park("Quarterly planning with a title that is rather long for a narrow screen", to=STRANGER)
    desk.park("Planning")
    desk.ask("What is on my calendar today?")
    item = next(one["item_id"] for one in desk.place.desk.approvals(desk.place.me) if one["approval_id"] == card)
    run = desk.place.desk.runs(desk.place.me, limit=1)[0]["run_id"]
    desk.place.desk.schedules.add(desk.place.me, "morning", when="weekdays 07:30", request="Give me my morning brief")
    return {
        "a card": f"/approvals/{card}",
        "a request": f"/work/{item}",
        "a run": f"/runs/{run}",
        "a workflow": "/workflows/move-meeting",
    }


NAMES = [one.name for one in PAGES] + ["a card", "a request", "a run", "a workflow"]


def settled(page: Page) -> None:
    """What the page loads is there, and it is live."""
    page.wait_for_load_state("load")
    expect(page.locator("main")).to_be_visible()
    expect(page.locator("[data-live]:visible")).to_have_text("live")
    page.wait_for_function(
        "() => !document.querySelector('#body') || document.querySelector('#body').children.length > 0"
    )


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_fit_for_everybody(
    browser: Browser, served: tuple[Desk, StorageState], furnished: dict[str, str], look: str
) -> None:
    """axe (WCAG 2.2 AA and best practice) finds nothing; at each width nothing runs out of the screen; the console is quiet."""
    context = browser.new_context(
        base_url=served[0].url, storage_state=served[1], reduced_motion="reduce", **LOOKS[look]
    )
    watched = Watched(context)
    page = watched.new_page()
    axe = Axe()
    wrong: dict[str, object] = {}
    for name in NAMES:
        page.goto(furnished.get(name) or next(one.path for one in PAGES if one.name == name))
        settled(page)
        wider = page.evaluate(WIDER)
        if wider or page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong[f"{name}: wider than the screen"] = wider
        if look != "narrow":
            found = axe.run(page).response["violations"]
            if found:
                wrong[name] = [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in found]
    context.close()

    assert wrong == {}, json.dumps(wrong, indent=1)
    assert watched.unexpected() == []


def test_tables_stand_in_rows_on_a_phone(furnished: dict[str, str], page: Page) -> None:
    """No table is pushed sideways, no cell is cut, each value stands beside its head; wide, it is a table with heads."""
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/runs", "/workflows", "/people", "/audit", "/settings"):
        page.goto(path)
        settled(page)
        rows = page.locator(".stacks tbody tr")
        expect(rows.first).to_be_visible()
        cut = page.evaluate(
            "[...document.querySelectorAll('.stacks')].filter(one => one.scrollWidth > one.clientWidth).length"
        )
        assert cut == 0, path
        label = rows.first.locator("td[data-head]").first
        assert label.get_attribute("data-head") in label.evaluate("one => getComputedStyle(one, '::before').content")
        width = rows.first.bounding_box()
        cell = label.bounding_box()
        assert width and cell and cell["width"] > width["width"] * 0.9, path

    page.set_viewport_size({"width": 1280, "height": 800})
    expect(page.locator("thead th").first).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_request_that_is_not_there_is_told_in_its_place(page: Page, watched: Watched, width: int) -> None:
    """Where the request would stand there are words, and on a phone the way back to the list."""
    watched.expected.append("404")
    page.set_viewport_size({"width": width, "height": 844})
    page.goto("/work/item_nowhere")
    expect(page.locator("#detail")).to_contain_text("There is no item 'item_nowhere'")
    if width == 390:
        page.get_by_role("button", name="Worklist").click()
        expect(page.get_by_role("heading", name="Worklist")).to_be_visible()


def test_every_label_of_a_chart_is_whole(page: Page, furnished: dict[str, str]) -> None:
    """On a phone and wide, no label runs out of its chart."""
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto("/overview")
        settled(page)
        expect(page.locator("svg.chart text").first).to_be_attached()
        out = page.evaluate(
            "[...document.querySelectorAll('svg.chart text')].filter(one => one.getBoundingClientRect().right"
            " > one.ownerSVGElement.getBoundingClientRect().right + 1).map(one => one.textContent)"
        )
        assert out == []


def test_who_was_signed_out_is_told(browser: Browser, served: tuple[Desk, StorageState]) -> None:
    """The page of an ended session does not pretend that only the line is down; one step leads to the door and back here."""
    desk = served[0]
    context = browser.new_context(base_url=desk.url)
    watched = Watched(context)
    watched.expected += ["401"]
    page = watched.new_page()
    access, me = desk.place.desk.access, desk.place.me
    before = {one["session_id"] for one in access.sessions(me)}
    page.goto(f"/signin?token={access.new_link(me)}&next=/runs")
    settled(page)
    (session,) = {one["session_id"] for one in access.sessions(me)} - before
    access.end_sessions(me, session_id=session)

    expect(page.locator(".side [data-live]")).to_have_text("signed out", timeout=15_000)
    page.locator(".side .toast").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.url.endswith("/signin?next=%2Fruns")
    context.close()
    assert watched.unexpected() == []


def test_going_everywhere_by_keys(furnished: dict[str, str], page: Page) -> None:
    """g and a letter for each page that has one; the palette finds the others; ? tells the keys."""
    page.goto("/")
    for one in PAGES:
        if one.key:
            page.keyboard.press("g")
            page.keyboard.press(one.key)
            expect(page.locator(".side .nav [aria-current=page]")).to_contain_text(one.label)
            settled(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("people")
    page.keyboard.press("Enter")
    expect(page.locator(".side .nav [aria-current=page]")).to_have_text("People")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_have_count(0)


def test_going_everywhere_by_pointer_on_a_phone(furnished: dict[str, str], page: Page) -> None:
    """Every page is reached from the tabs or from More."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    for one in PAGES:
        if one.short:
            page.locator(".tabs").get_by_role("link", name=one.short).click()
        else:
            page.get_by_role("button", name="More").click()
            page.get_by_role("dialog").get_by_role("link", name=one.label).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(one.label)


def test_the_theme_is_kept(page: Page) -> None:
    """t goes from the system's to light to dark; the next page begins with it."""
    page.emulate_media(color_scheme="light")
    page.goto("/")
    page.keyboard.press("t")
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto("/people")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_words_about_what_happened_cover_no_control(desk: Desk, page: Page) -> None:
    """A toast lies over no button, link or field, wide and narrow."""
    desk.park()
    for width, height in ((1280, 800), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto("/")
        page.keyboard.press("t")
        expect(page.locator(".toast:visible").first).to_be_visible()
        covered = page.evaluate("""() => {
          const box = [...document.querySelectorAll('.toast')].map(one => one.getBoundingClientRect()).find(one => one.width > 0);
          return [...document.querySelectorAll('main button, main a, main input, main select, .tabs a, .nav a')]
            .filter(one => one.checkVisibility()).map(one => [one, one.getBoundingClientRect()])
            .filter(([one, b]) => b.width && b.left < box.right && b.right > box.left && b.top < box.bottom && b.bottom > box.top)
            .map(([one]) => one.outerHTML.slice(0, 80));
        }""")
        assert covered == []


def test_nothing_on_a_page_is_inline(page: Page) -> None:
    """No inline script or style: the strict policy is met by the pages themselves."""
    for one in PAGES:
        answer = page.goto(one.path)
        assert answer is not None
        text = answer.text()
        assert "style=" not in text
        assert "onclick=" not in text
        assert "<style" not in text
        assert text.count("<script>") == 0
        assert "script-src 'self'" in answer.headers["content-security-policy"]
