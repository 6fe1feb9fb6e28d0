"""Every shipped workflow, end to end, in the office of the size it is shipped with: cards approved, effects seen in the office."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator import workflows
from tests.e2e.place import NOTHING, Place, tools

# workflow → (request, the tools that must have been called with effect)
REQUESTS: dict[str, tuple[str, list[str]]] = {
    "schedule-call-from-mail": (
        "Set up a 30 minute call with Dana about her last mail",
        ["calendar.create_event", "mail.reply"],
    ),
    "move-meeting": ("Move the forecast check to tomorrow", ["calendar.update_event"]),
    "cancel-meeting": ("Cancel the contract questions meeting because I am ill", ["calendar.cancel_event"]),
    "morning-brief": ("What does my day look like today?", []),
    "find-group-time": ("Find 30 minutes for Clara, Felix and me this week", []),
    "book-group-meeting": ("Book a 45 minute meeting with Clara and Felix this week", ["calendar.create_event"]),
    "reply-with-availability": ("Reply to Dana's last mail with three times when I am free", ["mail.reply"]),
    "follow-up-unanswered": ("Follow up on mails nobody answered for 5 days", ["mail.reply"]),
    "notes-to-channel": ("Post Elias's latest notes mail to #general", ["chat.post_message"]),
    "unread-by-sender": ("Show my unread mail grouped by sender", []),
    "out-of-office-cover": (
        "I'm away from 7 to 11 December, Clara covers for me",
        ["calendar.create_event", "chat.send_direct", "mail.set_auto_reply"],
    ),
    "forward-invoice": ("Forward the latest invoice to Teresa Cabral", ["mail.forward"]),
    "channel-decisions": ("What was decided in #sales in the last 30 days?", []),
    "welcome-colleague": ("Welcome our new colleague Bruno Rossi", ["calendar.create_event", "chat.post_message"]),
}


def test_no_workflow_is_without_its_story() -> None:
    """A workflow that is shipped is tried here."""
    assert {path.stem for path in Path(workflows.SHIPPED).glob("*.yaml")} == REQUESTS.keys()


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_a_shipped_workflow_does_what_it_says(make_place: Callable[[Path], Place], company: Path, name: str) -> None:
    """Matched without a model, every card approved, done with a text; effects, and only those, in the office."""
    place = make_place(company)
    request, effects = REQUESTS[name]

    asked = place.ask(request)
    assert asked["match"]["workflow"] == name, (asked["state"], asked["match"], asked["error"])
    asks = {e["tool"] for e in asked["effects"] if e["decision"] == "ask"}
    assert not asks & {tool for tool, _ in place.sent()}, "nothing that tells others anything before an approval"
    done = place.approve_all(asked)

    assert done["state"] == "done", (done["error"], done["waiting_on"], done["question"])
    assert done["text"].strip()
    assert "{{" not in done["text"]
    assert done["receipt"]["model_calls"] == 0
    assert set(effects) <= set(tools(done, "done")), done["effects"]
    assert set(tools(done)) <= {*effects, "chat.invite"}
    keys = [key for _, key in place.sent()]
    assert len(keys) == len(set(keys)) == len(tools(done, "done"))
    changed = place.diff()
    if not effects:
        assert changed == NOTHING
    for tool, kind in (
        ("calendar.create_event", "events"),
        ("mail.reply", "mails"),
        ("mail.forward", "mails"),
        ("chat.post_message", "messages"),
        ("chat.send_direct", "messages"),
    ):
        if tool in effects:
            assert changed[kind], f"{tool} left nothing in {kind}"
    if {"calendar.update_event", "calendar.cancel_event", "mail.set_auto_reply"} & set(effects):
        assert changed["changed"]
    assert place.desk.audit_verify(place.admin)["ok"]


def test_following_up_again_the_same_day_bothers_nobody_twice(
    make_place: Callable[[Path], Place], company: Path
) -> None:
    """Mails that were chased are answered for by the chase: a second run finds other ones, or none."""
    place = make_place(company)
    first = place.approve_all(place.ask(REQUESTS["follow-up-unanswered"][0]))
    threads = set(first["output"]["threads"])

    second = place.ask(REQUESTS["follow-up-unanswered"][0])

    again = set(second["output"].get("threads", ()))
    assert not threads & again
    assert not place.cards(second), "nobody is asked about a mail that was chased a minute ago"
