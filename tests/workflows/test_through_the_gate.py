"""Each shipped workflow from the sentence to done through the real house: settings, store, worker, guard, cards and office."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.office import Office, seed
from orchestrator import app, clock
from orchestrator.domain.item import Origin
from orchestrator.settings import Settings

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
# What is asked, and the tools whose effects must be done at the end.
STORIES = {
    "schedule-call-from-mail": ("Set up a 30 minute call with Dana about her last mail", ["calendar.create_event", "mail.reply"]),
    "move-meeting": ("Move the design walkthrough to Thursday", ["calendar.update_event"]),
    "cancel-meeting": ("Cancel the design walkthrough because I am ill", ["calendar.cancel_event"]),
    "morning-brief": ("What's on my plate today?", []),
    "find-group-time": ("Find a 30 minute slot for Dana, Teresa and me next week", []),
    "book-group-meeting": ("Book a 30 minute meeting with Dana and Teresa about the pilot next week", ["calendar.create_event"]),
    "reply-with-availability": ("Reply to Dana with my availability next week", ["mail.reply"]),
    "follow-up-unanswered": ("Follow up on my mails nobody answered for 3 days", ["mail.reply"]),
    "notes-to-channel": ("Post the notes of the pipeline review to #sales", ["chat.post_message"]),
    "unread-by-sender": ("Show my unread mail grouped by sender", []),
    "out-of-office-cover": (
        "Set up my out of office from 7 to 11 December, Dana covers",
        ["calendar.create_event", "mail.set_auto_reply", "chat.send_direct"],
    ),
    "forward-invoice": ("Forward the latest invoice to the approver", ["mail.forward"]),
    "channel-decisions": ("What was decided in #finance last week?", []),
    "welcome-colleague": ("Welcome Raquel", ["chat.post_message", "chat.invite", "calendar.create_event"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded office, copied for each test."""
    path = tmp_path_factory.mktemp("world") / "office.db"
    seed(path, seed=1, now=MONDAY, people=16, weeks=8).close()
    return path


@pytest.fixture
def settings(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A home with that office in it, on Monday morning."""
    import os

    for name in [name for name in os.environ if name.startswith("DEPUTY_") and name != "DEPUTY_TEST_REQUIRE"]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    Office(world).copy_to(home / "office.db")
    opened = Office(home / "office.db")
    opened.set_now(MONDAY)
    opened.close()
    yield Settings.load(home=home)
    clock.follow(lambda: timedelta(0))


@pytest.mark.parametrize("name", sorted(STORIES))
def test_a_workflow_reaches_its_cards_and_is_done_when_they_are_approved(name: str, settings: Settings) -> None:
    """The guard refuses nothing a shipped workflow proposes: whatever needs a person is a card, and approved it is done."""
    text, tools = STORIES[name]
    desk = app.desk(settings)
    try:
        me = desk.principal(None)
        item_id = desk.submit(me, text, origin=Origin.HUMAN)
        for _ in range(5):
            app.run_worker(settings, until_idle=True)
            cards = [card for card in desk.approvals(me) if card["item_id"] == item_id]
            if not cards:
                break
            for card in cards:
                desk.decide(me, card["approval_id"], "approve", digest=card["digest"])
        item = desk.item(me, item_id)
    finally:
        desk.close()

    assert item["state"] == "done", item["error"] or item["text"]
    assert item["match"]["workflow"] == name
    done = [effect["tool"] for effect in item["effects"] if effect["state"] == "done"]
    assert sorted(set(done)) == sorted(tools)
    assert len(done) == len(item["effects"]), "nothing was denied, nothing is left open"
