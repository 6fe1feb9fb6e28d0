"""Whole journeys on a desk with its own worker: asked, decided and done in the browser; and everything stopped by one switch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.agents.cast import cast, delegate, hire, supervise
from tests.agents.puppet import Asked, Call, Puppet, Says
from tests.browser.conftest import PATIENCE_MS, Watched, signed_in
from tests.browser.desk import Desk, Serving
from tests.e2e.place import CALL, DANA, Place

MAIL = {"to": [DANA], "subject": "Unread", "body": "Three mails wait for me."}
LONG_MS = 30_000  # a worker starts, on a machine that does other things as well


@pytest.fixture
def working(browser: Browser, world: Path, tmp_path: Path) -> Iterator[tuple[Place, Page]]:
    """A desk with a worker beside it, and a page of its owner."""
    place = Place(tmp_path / "home", world)
    with Serving(place.home, with_worker=True) as serving:
        context = browser.new_context(base_url=serving.url, storage_state=signed_in(serving))
        watched = Watched(context)
        page = watched.new_page()
        page.set_default_timeout(LONG_MS)
        expect.set_options(timeout=LONG_MS)
        try:
            yield place, page
        finally:
            expect.set_options(timeout=PATIENCE_MS)
            context.close()
    place.close()
    assert watched.unexpected() == []


def test_from_a_wish_to_what_was_done(working: tuple[Place, Page]) -> None:
    """Asked on the page; both cards arrive by themselves; approved by keys; the calendar and the mail hold it; the run tells all."""
    place, page = working
    page.goto("/work")
    page.keyboard.press("/")
    page.locator("#request").fill(CALL)
    page.keyboard.press("Enter")
    expect(page.locator("#detail .chip").first).to_have_text("Waits for an approval")
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.locator(".opt")).to_have_count(2)
    page.keyboard.press("k")  # to the top: which card arrived first is chance
    rows = [page.locator(".opt").nth(place).inner_text() for place in range(2)]
    headings = [next(one for one in ("Create an event", "Reply to a mail") if one in row) for row in rows]
    assert len(set(headings)) == 2
    for heading in headings:
        expect(page.locator("#card-title")).to_have_text(heading)
        with page.expect_response(lambda answer: answer.url.endswith("/decide")):
            page.keyboard.press("a")
        page.keyboard.press("j")
    expect(page.get_by_role("list", name="Progress")).to_contain_text("Done")
    page.get_by_role("link", name="See the run").click()

    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.get_by_text("waits for a person").first).to_be_visible()
    expect(page.get_by_role("heading", name="Why it waited, and who decided")).to_be_visible()
    page.get_by_role("button", name="Why", exact=True).first.click()
    expect(page.get_by_role("dialog", name="Why")).to_contain_text("Rules")
    changed = place.diff()
    assert len(changed["events"]) == 1
    assert len(changed["mails"]) == 1


def test_answering_a_question_by_its_number(working: tuple[Place, Page]) -> None:
    """A question with choices: its digit answers it, and the work goes on."""
    place, page = working
    first, *_ = [one for one in place.desk.people() if one["inside"]]
    twin = first["name"].split()[0]
    place.office.add_person(name=f"{twin} Doubleday", address="double@brightwater.example")
    page.goto("/work")
    page.keyboard.press("/")
    page.locator("#request").fill(f"Book a 30 minute meeting with {twin} about logistics tomorrow")
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="Question")).to_contain_text(twin)
    page.keyboard.press("1")

    expect(page.get_by_role("group", name="Question")).to_have_count(0)
    expect(page.locator("#detail .chip").first).not_to_have_text("Waits for your answer")


def test_an_agents_run_is_told_turn_by_turn(
    browser: Browser, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor and its task agent: the tree under the request, each one's timeline and transcript, and the card it waits for."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def reader(asked: Asked) -> Says:
        return Call("mail_search", {"unread": True}) if asked.turn == 0 else Call("mail_send", MAIL)

    puppet = Puppet(
        cast(supervise(delegate("reader", "mail.search", "mail.send", goal="do reader: mail Dana Ruiz")), reader=reader)
    )
    place = Place(tmp_path / "home", world, model="openai:test", model_base_url=puppet.url)
    hire(place, "reader", ["mail.search", "mail.send"])
    with ThreadPoolExecutor(1) as pool:  # a loop of its own: the browser's runs in this thread
        asking = pool.submit(place.ask, "Tell Dana Ruiz by mail how many mails I have not read", no_match=True)
        document = asking.result()
    puppet.close()
    assert document["waiting_on"] == ["approval", "child"]
    with Serving(place.home, with_worker=False) as serving:
        context = browser.new_context(base_url=serving.url, storage_state=signed_in(serving))
        watched = Watched(context)
        page = watched.new_page()
        page.goto(f"/work/{document['item_id']}")
        expect(page.get_by_role("heading", name="Tasks below it")).to_be_visible()
        page.get_by_role("link", name="its run", exact=True).click()
        expect(page.get_by_role("heading", name="Transcript")).to_be_visible()
        expect(page.locator(".turn")).to_have_count(2)
        expect(page.locator(".waterfall .span").first).to_be_visible()
        found = Axe().run(page).response["violations"]
        page.get_by_role("link", name="Send a mail").click()
        expect(page.locator("#card-title")).to_have_text("Send a mail")
        context.close()
    place.close()

    assert found == []
    assert watched.unexpected() == []


def test_everything_is_stopped_and_goes_on(desk: Desk, page: Page) -> None:
    """! and one button: every page tells that it stands still, until it is lifted."""
    page.goto("/people")
    expect(page.locator(".side [data-live]")).to_have_text("live")
    page.keyboard.press("!")
    page.get_by_label("Why").fill("odd mails")
    page.locator("#halt-now").click()
    expect(page.get_by_role("dialog")).to_contain_text("It stands still")
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".side .halted")).to_be_visible()
    assert len(desk.place.desk.halts.all()) == 1

    page.locator(".side").get_by_role("button", name="Lift…").click()
    page.get_by_role("dialog").get_by_role("button", name="Lift", exact=True).click()
    expect(page.locator(".side .halted")).to_have_count(0)
    assert desk.place.desk.halts.all() == []


def test_a_schedule_is_tried_before_it_is_kept(desk: Desk, page: Page) -> None:
    """The next times stand there while the rule is typed; kept, it can be paused and removed."""
    page.goto("/schedules")
    page.get_by_role("button", name="New", exact=True).click()
    page.get_by_label("Name", exact=True).fill("brief")
    page.get_by_label("When (").fill("weekdays 08:15 Europe/Lisbon")
    expect(page.get_by_role("dialog")).to_contain_text("next:")
    page.get_by_label("Asks").fill("Give me my morning brief")
    page.get_by_role("button", name="Add", exact=True).click()
    kept = page.locator("li.card", has_text="weekdays 08:15")
    expect(kept).to_be_visible()
    kept.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()

    expect(kept).to_have_count(0)


def test_the_bench_tells_what_would_happen(page: Page) -> None:
    """A request and a call: asked, refused or sent, with the rule; nothing is done."""
    page.goto("/policy")
    page.get_by_label("and a call of").fill("mail.send")
    page.get_by_role("button", name="What would happen?").click()

    expect(page.locator("#body")).to_contain_text("A person is asked")


def test_a_workflow_is_checked_while_it_is_written_and_kept_in_versions(desk: Desk, page: Page) -> None:
    """A fault is told by its line; mended and saved, it is one's own, and can be taken away."""
    page.goto("/workflows/morning-brief")
    text = page.locator("#text")
    whole = text.input_value()
    text.fill(whole + "\nnonsense: 1\n")
    expect(page.locator(".problems").first).to_contain_text("nonsense")
    text.fill(whole.replace("title: ", "title: My ", 1).replace("version: 1.0.0", "version: 1.0.1"))
    page.keyboard.press("Control+s")
    expect(page.get_by_role("heading", name=re.compile("^My "))).to_be_visible()
    page.get_by_role("button", name="Take away").click()
    page.get_by_label("A copy is kept").fill("morning-brief")
    page.get_by_role("button", name="Take it away").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Workflows")
    expect(page.get_by_role("link", name=re.compile("^My "))).to_have_count(0)


def test_the_chain_is_filtered_and_verified(desk: Desk, page: Page) -> None:
    """Only decisions are shown when asked for; the chain holds."""
    desk.park()
    page.goto("/audit")
    page.get_by_label("Kind").select_option("decision")
    expect(page.locator("tbody tr").first).to_contain_text("decision")
    page.get_by_role("button", name="Verify").click()
    page.get_by_role("dialog").get_by_role("button", name="Verify").click()

    expect(page.get_by_text("The chain holds").first).to_be_visible()
