"""Whatever can be done by hand can be done without one: each flow by keys alone, and by pointer alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from orchestrator.store import approvals, worklist
from tests.browser.desk import Desk
from tests.browser.test_cursor import decide, option
from tests.browser.test_cursor import opened as inbox

WAYS = ("keys", "pointer")
FAR = 120  # more stops of Tab than any page here has before what is looked for
both = pytest.mark.parametrize("by", WAYS)


def reach(page: Page, target: Locator) -> None:
    """Tab until the focus is on it."""
    expect(target).to_be_visible()
    for _ in range(FAR):
        if target.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way by Tab to {target}")


def press(page: Page, target: Locator, by: str) -> None:
    """Its button, link or choice, the one way or the other."""
    if by == "pointer":
        target.click()
    else:
        reach(page, target)
        page.keyboard.press("Enter")


def write(page: Page, target: Locator, text: str, by: str) -> None:
    """Instead of what stands in the field."""
    if by == "pointer":
        target.click()
    else:
        reach(page, target)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def live(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.locator(".side [data-live]")).to_have_text("live")


def do(page: Page, key: str, name: str, by: str) -> None:
    """By its key on the page, or by its button."""
    button = page.get_by_role("button", name=name, exact=True)
    expect(button).to_be_visible()
    if by == "pointer":
        button.click()
    else:
        page.keyboard.press(key)


@both
def test_denying(desk: Desk, page: Page, by: str) -> None:
    card = desk.park()
    inbox(page, 1)
    do(page, "d", "Deny", by)
    dialog = page.get_by_role("dialog", name="Deny this")
    write(page, dialog.get_by_label("Why?"), "Not this week", by)
    decide(page, lambda: press(page, dialog.get_by_role("button", name="Deny"), by))

    expect(option(page, card)).to_contain_text("Denied")
    assert desk.read(approvals.get, card).reason == "Not this week"


@both
def test_editing(desk: Desk, page: Page, by: str) -> None:
    card = desk.park("Planning")
    inbox(page, 1)
    do(page, "e", "Edit", by)
    write(page, page.get_by_label("title"), "Planning, moved", by)
    decide(page, lambda: press(page, page.get_by_role("button", name="Check and ask again"), by))

    expect(option(page, card)).to_contain_text("Replaced")
    assert desk.state(card) == "void"


@both
def test_snoozing(desk: Desk, page: Page, by: str) -> None:
    item = desk.ask("Later, please")
    live(page, f"/work/{item}")
    do(page, "s", "Snooze", by)
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        press(page, page.get_by_role("dialog").get_by_role("button", name="Tomorrow, 09:00"), by)

    assert desk.read(worklist.get, item).snooze_until is not None


def steered(desk: Desk, where: str) -> tuple[str, str]:
    """A request that waits, and the path of a page on which it is steered."""
    card = desk.park("Steered")
    item = next(one["item_id"] for one in desk.place.desk.approvals(desk.place.me) if one["approval_id"] == card)
    run = desk.place.desk.item(desk.place.me, item)["run_id"]
    return item, f"/work/{item}" if where == "request" else f"/runs/{run}"


@both
@pytest.mark.parametrize("where", ["request", "run"])
def test_pausing_nudging_and_stopping(desk: Desk, page: Page, where: str, by: str) -> None:
    """On the page of the request as on that of its run."""
    item, path = steered(desk, where)
    live(page, path)
    do(page, "p", "Pause", by)
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    assert desk.read(worklist.get, item).paused
    do(page, "p", "Go on", by)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert not desk.read(worklist.get, item).paused

    do(page, "n", "Nudge", by)
    dialog = page.get_by_role("dialog", name="Nudge")
    write(page, dialog.get_by_role("textbox"), "not Monday", by)
    with page.expect_response(lambda answer: answer.url.endswith("/nudge")) as told:
        press(page, dialog.get_by_role("button", name="Send"), by)
    assert told.value.ok

    do(page, "Shift+X", "Stop", by)
    dialog = page.get_by_role("dialog", name="Stop this request?")
    write(page, dialog.get_by_role("textbox"), "no longer needed", by)
    with page.expect_response(lambda answer: answer.url.endswith("/cancel")):
        press(page, dialog.get_by_role("button", name="Stop it"), by)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    assert desk.read(worklist.get, item).state.value == "cancelled"


@both
def test_asking_only_after_another(desk: Desk, page: Page, by: str) -> None:
    """Chosen among the open requests; the new one waits for it, is marked so, and stands at the other."""
    first = desk.ask("Wish the first")
    desk.ask("Wish the second")
    live(page, "/work")
    press(page, page.get_by_role("button", name="After…"), by)
    dialog = page.get_by_role("dialog", name="Only after these are done")
    write(page, dialog.get_by_label("Open requests"), "first", by)
    box = dialog.get_by_label("Wish the first")
    expect(dialog.get_by_role("checkbox")).to_have_count(1)
    if by == "pointer":
        box.click()
    else:
        reach(page, box)
        page.keyboard.press("Space")
    press(page, dialog.get_by_role("button", name="Choose"), by)
    expect(page.get_by_role("button", name="After 1")).to_be_visible()
    expect(page.locator("#request")).to_be_focused()
    page.keyboard.type("Then tell me")
    press(page, page.get_by_role("button", name="Ask", exact=True), by)

    expect(page.locator("#detail")).to_contain_text("Needs to be done first")
    expect(page.locator(".opt.cur")).to_contain_text("Waits for another request")
    expect(page.get_by_role("button", name="After…")).to_be_visible()
    press(page, page.locator("#detail").get_by_role("link", name="Wish the first"), by)
    expect(page.locator("#detail")).to_contain_text("Waits for this to be done")
    expect(page.locator("#detail").get_by_role("link", name="Then tell me")).to_be_visible()
    assert [one["request"] for one in desk.place.desk.item(desk.place.me, first)["needed_by"]] == ["Then tell me"]


@both
def test_halting_and_lifting(desk: Desk, page: Page, by: str) -> None:
    live(page, "/people")
    if by == "pointer":
        page.locator(".side").get_by_role("button", name="Stop everything…").click()
    else:
        page.keyboard.press("!")
    dialog = page.get_by_role("dialog", name="Stop")
    write(page, dialog.get_by_label("Why"), "odd mails", by)
    press(page, dialog.get_by_role("button", name="Stop it now"), by)
    expect(dialog).to_contain_text("It stands still")
    assert len(desk.place.desk.halts.all()) == 1
    press(page, dialog.get_by_role("button", name="Close"), by)

    press(page, page.locator(".side").get_by_role("button", name="Lift…"), by)
    press(page, page.get_by_role("dialog").get_by_role("button", name="Lift", exact=True), by)
    expect(page.locator(".side .halted")).to_have_count(0)
    assert desk.place.desk.halts.all() == []


@both
def test_the_bench(page: Page, by: str) -> None:
    live(page, "/policy")
    write(page, page.get_by_label("and a call of"), "mail.send", by)
    press(page, page.get_by_role("button", name="What would happen?"), by)

    expect(page.locator("#body")).to_contain_text("A person is asked")


@both
def test_changing_a_workflow(desk: Desk, page: Page, by: str) -> None:
    """Saved from where one writes, which is where one stands afterwards; by the button, too; and taken away."""
    live(page, "/workflows/move-meeting")
    text = page.locator("#text")
    expect(text).to_be_visible()
    whole = text.input_value()
    if by == "pointer":
        text.click()
    else:
        reach(page, text)
    newer = re.sub(r"(?m)^version: .*$", "version: 9.0.0", whole)
    text.fill(newer.replace("title: ", "title: My ", 1))
    if by == "pointer":
        page.get_by_role("button", name="Save").click()
    else:
        page.keyboard.press("Control+s")
    expect(page.locator("#body h2").first).to_contain_text("My ")
    expect(page.get_by_role("button", name="Save") if by == "pointer" else text).to_be_focused()
    assert desk.place.desk.library.one("move-meeting")["own"]

    press(page, page.get_by_role("button", name="Take away"), by)
    dialog = page.get_by_role("dialog")
    write(page, dialog.get_by_role("textbox"), "move-meeting", by)
    press(page, dialog.get_by_role("button", name="Take it away"), by)
    expect(page.get_by_role("heading", level=1)).to_have_text("Workflows")


@both
def test_the_audit_is_filtered_verified_and_exported(desk: Desk, page: Page, by: str, tmp_path: Path) -> None:
    desk.park()
    live(page, "/audit")
    kind = page.get_by_label("Kind")
    if by == "pointer":
        kind.select_option("decision")  # what a click on it opens is the browser's own
    else:
        reach(page, kind)
        page.keyboard.press("ArrowDown")
    expect(kind).to_have_value("decision")
    expect(page.locator("tbody tr").first).to_contain_text("decision")
    who = page.get_by_label("Who (address)")
    write(page, who, "nobody@elsewhere.example", by)
    if by == "pointer":
        page.get_by_label("Request (item_…)").click()
    else:
        page.keyboard.press("Tab")
    expect(page.locator("#body")).to_contain_text("No such events")

    press(page, page.get_by_role("button", name="Verify"), by)
    press(page, page.get_by_role("dialog").get_by_role("button", name="Verify"), by)
    expect(page.locator(".side .toast").first).to_contain_text("The chain holds")
    with page.expect_download() as got:
        press(page, page.get_by_role("link", name="Export"), by)
    file = tmp_path / "audit.jsonl"
    got.value.save_as(file)
    seqs = [json.loads(line)["seq"] for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(seqs) > 1
    assert seqs == sorted(seqs)
