"""What arrives never changes what a key decides: the cursor is an id, on the list and at the approve key."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from orchestrator import clock
from orchestrator.store import approvals
from tests.browser.conftest import Watched
from tests.browser.desk import Desk


def option(page: Page, approval_id: str) -> Locator:
    return page.locator(f"#o-{approval_id}")


def decide(page: Page, act: Callable[[], None]) -> None:
    """Does it, and waits for the desk's answer: the page paints before that."""
    with page.expect_response(lambda answer: answer.url.endswith("/decide")):
        act()


def opened(page: Page, many: int) -> None:
    """The inbox with so many cards on it, live."""
    page.goto("/")
    expect(page.locator("#total")).to_have_text(str(many))
    expect(page.locator(".side [data-live]")).to_have_text("live")


def test_a_card_that_arrives_between_two_keys_is_not_the_one_approved(desk: Desk, page: Page) -> None:
    """j, then a push, then a: the card that j went to is approved, and nothing else."""
    cards = [desk.park() for _ in range(3)]
    opened(page, 3)
    page.keyboard.press("j")
    expect(option(page, cards[1])).to_have_class(re.compile("cur"))

    fresh = desk.park()
    expect(option(page, fresh)).to_be_visible()
    decide(page, lambda: page.keyboard.press("a"))
    expect(page.locator("#total")).to_have_text("3")
    expect(option(page, cards[1])).to_contain_text("Approved")

    assert desk.state(cards[1]) == "approved"
    assert [desk.state(one) for one in (cards[0], cards[2], fresh)] == ["pending"] * 3


def test_pushes_between_all_keys_never_misfire(desk: Desk, page: Page) -> None:
    """Cards arrive, and others are decided elsewhere, in every gap of j a j a j a: exactly the named three are approved."""
    cards = [desk.park() for _ in range(8)]
    opened(page, 8)
    before = desk.approved()
    wanted = {cards[1], cards[3], cards[5]}
    for place in (1, 3, 5):
        page.keyboard.press("j")
        fresh = desk.park()
        expect(option(page, fresh)).to_have_count(1)
        if place > 1:
            page.keyboard.press("j")
        expect(option(page, cards[place])).to_have_class(re.compile("cur"))
        elsewhere = cards[place + 1]
        digest = desk.read(approvals.get, elsewhere).digest
        desk.place.desk.decide(desk.place.me, elsewhere, "deny", digest=digest)
        expect(option(page, elsewhere)).to_contain_text("Denied")
        decide(page, lambda: page.keyboard.press("a"))
        expect(option(page, cards[place])).to_contain_text("Approved")

    assert desk.approved() - before == wanted


def test_the_same_key_twice_or_held_down_decides_one_card(desk: Desk, page: Page) -> None:
    """After a decision the card stays: a second a, or a key that repeats, meets nothing."""
    cards = [desk.park() for _ in range(3)]
    opened(page, 3)
    before = desk.approved()

    decide(page, lambda: page.keyboard.down("a"))
    page.keyboard.down("a")
    page.keyboard.down("a")
    page.keyboard.up("a")
    page.keyboard.press("a")
    expect(page.locator("#total")).to_have_text("2")

    assert desk.approved() - before == {cards[0]}


def test_a_second_click_on_approve_decides_nothing_more(desk: Desk, page: Page) -> None:
    """A double click on Approve is one decision: no other card slides under the pointer."""
    cards = [desk.park() for _ in range(3)]
    opened(page, 3)
    before = desk.approved()

    decide(page, page.get_by_role("button", name="Approve").dblclick)
    expect(page.locator("#total")).to_have_text("2")

    assert desk.approved() - before == {cards[0]}


def test_a_card_decided_elsewhere_is_told_and_not_decided_again(desk: Desk, watched: Watched) -> None:
    """Somebody was faster: 409 is told with its fix, the row shows the true state."""
    watched.expected.append("409")
    page = watched.new_page()
    card = desk.park()
    desk.park()
    opened(page, 2)
    page.route("**/api/v1/approvals/apr_*", lambda route: route.fulfill(status=503, json={"message": "busy"}))
    watched.expected.append("503")
    digest = desk.read(approvals.get, card).digest
    with desk.store.tx() as tx:
        approvals.decide(tx, card, "deny", digest=digest, by=desk.place.me.principal_id, now=clock.now(), reason="no")
    page.unroute("**/api/v1/approvals/apr_*")
    decide(page, lambda: page.keyboard.press("a"))

    expect(page.get_by_text("Not counted").first).to_be_visible()
    expect(option(page, card)).to_contain_text("Denied")
    assert desk.state(card) == "denied"


def test_nothing_that_is_seen_moves_when_cards_arrive(desk: Desk, page: Page) -> None:
    """Rows keep their places; what arrived below the edge is offered by a pill."""
    cards = [desk.park() for _ in range(12)]
    opened(page, 12)
    before = [option(page, one).bounding_box() for one in cards[:6]]
    approve = page.get_by_role("button", name="Approve").bounding_box()

    for _ in range(3):
        desk.park()
    expect(page.get_by_role("button", name="3 new")).to_be_visible()

    assert [option(page, one).bounding_box() for one in cards[:6]] == before
    assert page.get_by_role("button", name="Approve").bounding_box() == approve
    page.get_by_role("button", name="3 new").click()
    expect(page.get_by_role("button", name="3 new")).to_be_hidden()


def test_a_filter_that_hides_the_card_takes_no_other_under_the_key(desk: Desk, page: Page) -> None:
    """Filtered away, the card that is shown stays the one that a key decides."""
    cards = [desk.park("Alpha"), desk.park("Beta"), desk.park("Gamma")]
    opened(page, 3)
    before = desk.approved()
    page.keyboard.press("/")
    page.locator("#q").fill("gamma")
    expect(option(page, cards[0])).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("#card-title")).to_be_visible()
    decide(page, lambda: page.keyboard.press("a"))

    assert desk.approved() - before == {cards[0]}


def test_several_tabs_share_one_stream(desk: Desk, watched: Watched) -> None:
    """Only one tab holds the connection, and both hear of a card at once."""
    desk.park()
    pages = [watched.new_page(), watched.new_page()]
    streams: list[str] = []
    for one in pages:
        one.on("request", lambda request: streams.append(request.url) if "/events" in request.url else None)
        opened(one, 1)

    fresh = desk.park()
    for one in pages:
        expect(one.locator(f"#o-{fresh}")).to_have_count(1)

    assert len(streams) == 1
