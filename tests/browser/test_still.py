"""Nothing moves under the pointer, and nothing that somebody opened, wrote or stands on is lost when there is news."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from orchestrator import clock, ids
from orchestrator.domain.outcome import Done
from orchestrator.store import approvals, lease, runs, spans, steplog, worklist
from orchestrator.store.fence import Lease
from orchestrator.store.spans import SpanRow
from orchestrator.store.steplog import Row
from orchestrator.store.worklist import NewItem
from orchestrator.telemetry import RUN
from tests.browser.desk import Desk, claimed
from tests.e2e.place import DANA


def live(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.locator(".side [data-live]")).to_have_text("live")


def stands(one: Locator) -> tuple[float, str]:
    """Where it is on the screen, and what it says."""
    box = one.bounding_box()
    assert box is not None
    return round(box["y"]), one.inner_text()


def focused(one: Locator) -> bool:
    return bool(one.evaluate("one => one === document.activeElement"))


@contextmanager
def under_way(desk: Desk, steps: int) -> Iterator[tuple[Lease, str]]:
    """A request that a worker holds, and its run with so many steps."""
    with desk.store.tx() as tx:
        now = clock.now()
        made, _ = worklist.submit(
            tx, NewItem(request="Look around", requester=desk.place.me.principal_id, priority=-1000), now
        )
        mine = claimed(tx, made, now)
        run_id = runs.start(tx, mine, route="match", workflow="morning-brief", version="1.0.0", pins={}, now=now)
    for number in range(steps):
        step(desk, mine, f"g{number}")
    yield mine, run_id
    with desk.store.tx() as tx:
        lease.settle(tx, mine, Done(text="Done."), clock.now())


def step(desk: Desk, mine: Lease, key: str) -> None:
    result = {"events": [f"Meeting {number} of {key}, which is told in many words" for number in range(8)]}
    with desk.store.tx() as tx:
        steplog.append(
            tx,
            mine,
            [Row(kind="read", key=key, body={"tool": "mail.search", "args": {}, "result": result})],
            clock.now(),
        )
        now, trace = clock.now(), ids.trace_id(mine.item.root_id)
        spans.put_many(
            tx,
            [
                SpanRow(
                    trace_id=trace,
                    span_id=f"span-{key}",
                    parent_id=None,
                    name="execute_tool mail.search",
                    started_at=now,
                    ended_at=now + timedelta(seconds=2),
                    attributes={RUN: runs.of_item(tx, mine.item.item_id)[-1].run_id},
                )
            ],
        )


def news(desk: Desk, mine: Lease) -> None:
    """Something of the request changes, so that its pages read it again."""
    desk.made += 1
    desk.place.desk.reprioritise(desk.place.me, mine.item.item_id, priority=100 + desk.made)


def test_a_new_run_takes_no_place_on_the_list(desk: Desk, page: Page) -> None:
    """It is told; the row under the pointer and the link that has the focus stay; asked for, it stands first."""
    for _ in range(3):
        desk.park()
    live(page, "/runs")
    rows = page.locator("tbody tr")
    page.get_by_label("Show").select_option("open")  # what other tests have left has ended
    expect(rows).to_have_count(3)
    first = rows.first
    link = first.get_by_role("link", name="its request")
    link.focus()
    first.hover()
    many, before, where = rows.count(), stands(first), link.get_attribute("href")

    desk.park()
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    desk.park()
    expect(page.get_by_role("button", name="2 new")).to_be_visible()
    assert (rows.count(), stands(first), focused(link)) == (many, before, True)

    page.get_by_role("button", name="2 new").press("Enter")
    expect(rows).to_have_count(many + 2)
    assert rows.nth(2).get_by_role("link", name="its request").get_attribute("href") == where
    expect(page.get_by_role("button", name="2 new")).to_be_hidden()
    expect(page.locator("#body")).to_be_focused()


def test_a_row_of_the_runs_tells_its_new_state_where_it_stands(desk: Desk, page: Page) -> None:
    """It ends while somebody stands on it."""
    with under_way(desk, 1) as (mine, run_id):
        live(page, "/runs")
        row = page.locator(f'tr[data-key="{run_id}"]')
        link = row.get_by_role("link", name="its request")
        link.focus()
        expect(row).not_to_contain_text("Done")
    expect(row).to_contain_text("Done")

    assert focused(link)
    assert mine.item.item_id in str(link.get_attribute("href"))


@pytest.mark.parametrize("by", ["focus", "pointer"])
def test_a_live_run_is_read_while_it_goes_on(desk: Desk, page: Page, by: str) -> None:
    """What is opened stays open, and what is looked at stands where it stood, though the timeline above grows."""
    with under_way(desk, 3) as (mine, run_id):
        live(page, f"/runs/{run_id}")
        steps = page.locator(".steps > li")
        expect(steps).to_have_count(3)
        summary = steps.nth(1).locator("summary")
        summary.click()
        if by == "focus":
            summary.focus()
            page.mouse.move(2, 2)
        before, bars = stands(summary), page.locator(".waterfall .span").count()

        for number in range(3, 7):
            step(desk, mine, f"g{number}")
        news(desk, mine)
        expect(steps).to_have_count(7)
        expect(page.locator(".waterfall .span")).not_to_have_count(bars)

        assert stands(summary) == before
        assert focused(summary)
        assert steps.nth(1).locator("details").evaluate("one => one.open")


def test_buttons_of_a_live_run_keep_the_focus(desk: Desk, page: Page) -> None:
    """On Pause while there is news, and after it was pressed; when the run has ended and there is no button, on the page."""
    with under_way(desk, 2) as (mine, run_id):
        live(page, f"/runs/{run_id}")
        pause = page.get_by_role("button", name="Pause")
        pause.focus()
        step(desk, mine, "later")
        news(desk, mine)
        expect(page.locator(".steps > li")).to_have_count(3)
        assert focused(pause)

        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Go on")).to_be_focused()
        page.keyboard.press("Enter")
        expect(pause).to_be_focused()
    expect(page.locator(".run-head")).to_contain_text("Done")
    expect(pause).to_have_count(0)
    expect(page.locator("#body")).to_be_focused()


def test_the_timeline_keeps_what_was_chosen(desk: Desk, page: Page) -> None:
    """A bar that was opened, and the true scale, are there after news; the bar has the focus."""
    with under_way(desk, 2) as (mine, run_id):
        live(page, f"/runs/{run_id}")
        page.get_by_role("button", name="True scale").click()
        bar = page.locator(".waterfall .span").last
        bar.press("Enter")
        expect(page.locator(".waterfall .about")).to_have_count(1)
        opened = bar.get_attribute("id")
        step(desk, mine, "later")
        news(desk, mine)
        expect(page.locator(".steps > li")).to_have_count(3)

        expect(page.get_by_role("button", name="Compress waits")).to_be_visible()
        expect(page.locator(".waterfall .about")).to_have_count(1)
        assert page.evaluate("document.activeElement.id") == opened


def test_new_events_wait_until_they_are_asked_for(desk: Desk, page: Page) -> None:
    """On the audit, an opened entry stays open where it is; asked for, what is new comes before what was there."""
    desk.park()
    live(page, "/audit")
    rows = page.locator("tbody tr")
    expect(rows.first).to_be_visible()
    older = page.get_by_role("button", name="Show older ones")
    if older.count():
        older.click()
        expect(rows).not_to_have_count(100)
    opened = rows.nth(2).locator("details")
    key = rows.nth(2).get_attribute("data-key")
    opened.locator("summary").click()
    many, before = rows.count(), stands(rows.nth(2))

    desk.park()
    pill = page.get_by_role("button", name=re.compile(r"^\d+ new$"))
    expect(pill).to_be_visible()
    assert (rows.count(), stands(rows.nth(2))) == (many, before)

    pill.click()
    expect(rows).not_to_have_count(many)
    assert rows.count() > many
    assert page.locator(f'tr[data-key="{key}"] details').evaluate("one => one.open")


def test_a_request_that_is_read_keeps_the_focus(desk: Desk, page: Page) -> None:
    """On the worklist, news of the request that is shown takes nobody off the button they stand on."""
    item = desk.ask("Look around")
    live(page, f"/work/{item}")
    nudge = page.get_by_role("button", name="Nudge")
    nudge.focus()
    desk.place.desk.reprioritise(desk.place.me, item, priority=40)
    expect(page.locator("#detail .card-head")).to_contain_text("priority 40")

    assert focused(nudge)


def test_what_is_being_written_stays(desk: Desk, page: Page) -> None:
    """Preferences half typed are there after a fact was added below them; the button that was pressed has the focus."""
    live(page, "/you")
    page.get_by_label("Not before").fill("09:45")
    add = page.get_by_role("button", name="New fact")
    add.press("Enter")
    page.keyboard.type("Dana likes tea")
    page.get_by_role("dialog").get_by_role("button", name="Keep").press("Enter")
    expect(page.get_by_text("Dana likes tea")).to_be_visible()

    expect(page.get_by_label("Not before")).to_have_value("09:45")
    assert focused(add)
    page.get_by_role("button", name="Forget: Dana likes tea").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Forget").press("Enter")
    expect(page.get_by_text("Dana likes tea")).to_have_count(0)
    expect(page.locator("#body")).to_be_focused()


def test_giving_roles_leaves_one_on_the_same_person(desk: Desk, page: Page) -> None:
    """The list is read anew; the focus is where it was."""
    name = next(one["name"] for one in desk.place.desk.people() if one["address"] == DANA)
    live(page, "/people")
    change = page.get_by_role("button", name=f"Change what {name} may")
    change.press("Enter")
    with page.expect_response(lambda answer: "/people?" in answer.url):
        page.get_by_role("dialog").get_by_role("button", name="Give").press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)

    expect(change).to_be_focused()


def test_a_card_that_is_read_stays_as_it_was_opened(desk: Desk, page: Page) -> None:
    """What was folded stays folded and keeps the focus when its request has news."""
    card = desk.park()
    live(page, f"/approvals/{card}")
    expect(page.get_by_role("link", name="See the run")).to_be_visible()
    folded = page.locator("#detail details").first
    folded.locator("summary").click()
    expect(folded).not_to_have_attribute("open", "")
    digest = desk.read(approvals.get, card).digest
    desk.place.desk.decide(desk.place.me, card, "deny", digest=digest, reason="Not this week")
    expect(page.locator("#detail")).to_contain_text("Not this week")

    expect(folded).not_to_have_attribute("open", "")
    assert focused(folded.locator("summary"))
