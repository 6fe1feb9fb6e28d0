"""The main job, from the sentence to the receipts: two cards together, approved after a restart, each effect once."""

from __future__ import annotations

from orchestrator.surfaces.cli.exitcode import Exit
from tests.e2e.place import CALL, DANA, NOTHING, Place, tools


def test_a_request_stops_at_two_cards_shown_together(any_place: Place) -> None:
    """Invitation and answer are both on show before anything is sent, each with what it takes for granted."""
    asked = any_place.ask(CALL)

    assert asked["state"] == "waiting"
    assert asked["waiting_on"] == ["approval"]
    assert any_place.exit_code(asked) is Exit.APPROVAL
    assert sorted((e["tool"], e["state"]) for e in asked["effects"]) == [
        ("calendar.create_event", "intended"),
        ("mail.reply", "intended"),
    ]
    assert {(s["name"], s["source"]) for s in asked["slots"]} == {
        ("person", "directory"),
        ("minutes", "request"),
        ("window", "computed"),
    }
    invite, reply = any_place.cards(asked)
    assert len(invite["preconditions"]) == 3, "still to come, and both of them free"
    assert len(reply["preconditions"]) == 2, "nothing newer in the thread, nothing newer from her"
    assert invite["eligible"] == [any_place.me.principal_id]
    assert any_place.diff() == NOTHING


def test_cards_approved_after_a_restart_are_sent_once_each(any_place: Place) -> None:
    """Approved by another process after a restart: one event, one answer in the thread, no model, an intact audit chain."""
    asked = any_place.ask(CALL)
    head = any_place.desk.audit_head(any_place.admin)
    any_place.restart()

    for card in any_place.cards(asked):
        any_place.decide(card)
    any_place.restart()
    any_place.work()

    done = any_place.item(asked)
    assert done["state"] == "done"
    assert any_place.exit_code(done) is Exit.OK
    assert done["text"]
    assert done["receipt"]["model_calls"] == 0
    assert done["receipt"]["determinism"] == "replayable"
    assert done["receipt"]["wall_s"] > 0
    assert sorted((e["tool"], e["state"]) for e in done["effects"]) == [
        ("calendar.create_event", "done"),
        ("mail.reply", "done"),
    ]
    changed = any_place.diff()
    assert [e["attendees"][0]["address"] for e in changed["events"]] == [DANA]
    assert [m["to"] for m in changed["mails"]] == [[DANA]]
    assert changed["mails"][0]["thread_id"] == done["output"]["thread_id"]
    assert changed["events"][0]["start"] == done["output"]["start"]
    assert not changed["messages"]
    assert not changed["changed"]
    assert [tool for tool, _ in any_place.sent()] == ["calendar.create_event", "mail.reply"]
    verdict = any_place.desk.audit_verify(any_place.admin, head)
    assert verdict["ok"], verdict
    assert verdict["checked"] > head["seq"]


def test_a_run_is_one_trace_with_its_waits(any_place: Place) -> None:
    """One root, everything else below it, over two workers and a wait; a wait is no error."""
    done = any_place.approve_all(any_place.ask(CALL))

    spans = any_place.spans(done)
    (root,) = [span for span in spans if span["parent_id"] is None]
    assert {span["parent_id"] for span in spans if span is not root} == {root["span_id"]}
    assert len({span["span_id"] for span in spans}) == len(spans)
    assert sum(span["name"] == "deputy.approval wait" for span in spans) == 2
    assert not [span for span in spans if span["status"] == "error"]
    for span in spans:
        assert root["started_at"] <= span["started_at"] <= span["ended_at"] <= root["ended_at"]
    called = [span["attributes"].get("gen_ai.tool.name") for span in spans]
    assert {"mail.search", "calendar.find_slots", "calendar.create_event", "mail.reply"} <= set(called)


def test_the_send_itself_is_in_the_trace(place: Place) -> None:
    """After an approval, the trace shows the call that reached the provider, not only the one that asked."""
    done = place.approve_all(place.ask(CALL))

    sent = [s for s in place.spans(done) if s["attributes"].get("deputy.effect.id")]
    assert {s["attributes"]["gen_ai.tool.name"] for s in sent} == {"calendar.create_event", "mail.reply"}
    assert {s["status"] for s in sent} == {"ok"}


def test_every_decision_can_be_explained(place: Place) -> None:
    """`run why` names the rule, the facts and the bundle behind each card."""
    asked = place.ask(CALL)

    for effect in asked["effects"]:
        why = place.desk.why(place.me, effect["effect_id"])
        assert why["decision"] == "ask"
        assert why["rules"]
        assert why["reason"]
        assert why["bundle_digest"].startswith("sha256:")
        assert why["facts"]


def test_the_command_line_tells_the_same_story(place: Place) -> None:
    """`deputy ask`, `inbox approve` and `ask --yes` as processes: exit 3, then done, then 0 with everything sent."""
    code, asked = place.deputy("ask", CALL)
    assert code == Exit.APPROVAL
    cards = [a["approval_id"] for a in asked["approvals"]]
    assert len(cards) == 2

    code, _ = place.deputy("inbox", "approve", *cards)
    assert code == Exit.OK
    place.work()  # whatever worker the command started has the lock, or this one finishes the run
    code, shown = place.deputy("work", "show", asked["item_id"])
    assert shown["state"] == "done"
    assert len(place.sent()) == 2

    code, again = place.deputy("ask", CALL, "--yes")
    assert code == Exit.OK
    assert again["state"] == "done"
    assert len(place.sent()) == 4
    assert tools(again, "done") == ["calendar.create_event", "mail.reply"]


def test_the_same_key_is_the_same_item(any_place: Place) -> None:
    """A request submitted twice with one key is one item, and is done once."""
    first = any_place.submit(CALL, key="once")
    again = any_place.submit(CALL, key="once")
    any_place.work()

    assert first == again
    assert any_place.approve_all(any_place.item(first))["state"] == "done"
    assert any_place.submit(CALL, key="once") == first
    any_place.work()
    assert len(any_place.sent()) == 2
