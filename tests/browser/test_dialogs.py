"""Every dialog and form, open, in light, in dark and on a phone: no axe violation, nothing wider than the screen."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.browser.conftest import Watched
from tests.browser.desk import STRANGER, Desk
from tests.browser.test_pages import LOOKS, WIDER, settled

Opening = Callable[[Page], None]


def key(name: str) -> Opening:
    return lambda page: page.keyboard.press(name)


def click(name: str) -> Opening:
    return lambda page: page.get_by_role("button", name=name, exact=True).first.click()


def dialog(page: Page) -> None:
    expect(page.get_by_role("dialog")).to_be_visible()


def new_schedule(page: Page) -> None:
    """With a rule that is tried while it is written."""
    click("New")(page)
    page.get_by_label("When (").fill("weekdays 07:30")
    expect(page.get_by_role("dialog")).to_contain_text("next:")


def palette(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type("people")
    expect(page.get_by_role("option").first).to_be_visible()


def bench(page: Page) -> None:
    page.get_by_label("and a call of").fill("mail.send")
    click("What would happen?")(page)
    expect(page.locator("#body")).to_contain_text("A person is asked")


def bench_refuses(page: Page) -> None:
    page.get_by_label("and a call of").fill("mail.send")
    page.get_by_role("textbox", name="with").fill("no JSON")
    click("What would happen?")(page)
    expect(page.get_by_role("alert")).to_be_visible()


def edited(page: Page) -> None:
    page.keyboard.press("e")
    expect(page.get_by_role("form", name="Edit before it is sent")).to_be_visible()


def halted(page: Page) -> None:
    page.keyboard.press("!")
    page.locator("#h-scope").select_option("agent")
    expect(page.get_by_label("Which")).to_be_visible()


def broken(page: Page) -> None:
    page.locator("#text").fill("nonsense: 1")
    expect(page.locator(".problems li").first).to_be_visible()


# name → (page, what opens it, what is there then)
FORMS: dict[str, tuple[str, Opening, Opening]] = {
    "help": ("/", key("?"), dialog),
    "palette": ("/people", palette, dialog),
    "ask": ("/people", key("c"), dialog),
    "deny": ("card", key("d"), dialog),
    "edit": ("card", edited, lambda page: None),
    "snooze": ("item", key("s"), dialog),
    "nudge": ("item", key("n"), dialog),
    "stop": ("run", key("Shift+X"), dialog),
    "after another": ("/work", click("After…"), dialog),
    "new schedule": ("/schedules", new_schedule, dialog),
    "halt": ("/people", halted, dialog),
    "bench": ("/policy", bench, lambda page: None),
    "bench with a fault": ("/policy", bench_refuses, lambda page: None),
    "workflow with a fault": ("/workflows/morning-brief", broken, lambda page: None),
    "verify": ("/audit", click("Verify"), dialog),
}


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_every_form_is_fit_for_everybody(
    browser: Browser, served: tuple[Desk, StorageState], desk: Desk, look: str
) -> None:
    card = desk.park("Planning with people of another house", to=STRANGER)
    item = next(one["item_id"] for one in desk.place.desk.approvals(desk.place.me) if one["approval_id"] == card)
    desk.ask("What is on my calendar today?")
    paths = {
        "card": f"/approvals/{card}",
        "item": f"/work/{item}",
        "run": f"/runs/{desk.place.desk.item(desk.place.me, item)['run_id']}",
    }
    context = browser.new_context(base_url=desk.url, storage_state=served[1], reduced_motion="reduce", **LOOKS[look])
    watched = Watched(context)
    page, axe = watched.new_page(), Axe()
    wrong: dict[str, object] = {}
    for name, (path, opens, there) in FORMS.items():
        page.goto(paths.get(path, path))
        settled(page)
        if path in paths:
            expect(page.locator("#detail .actions button, #tools button").first).to_be_visible()
        opens(page)
        there(page)
        if wider := page.evaluate(WIDER):
            wrong[f"{name}: wider than the screen"] = wider
        if found := axe.run(page).response["violations"]:
            wrong[name] = [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in found]
    context.close()

    assert wrong == {}, json.dumps(wrong, indent=1)
    assert watched.unexpected() == []
