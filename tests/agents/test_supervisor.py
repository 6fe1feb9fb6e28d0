"""A request without a sure match, worked on by a supervisor and the task agents it makes, on a model whose words the test writes."""

from __future__ import annotations

from tests.agents.puppet import Asked, Call, Says, finish, puppet
from tests.e2e.place import Place

LOOKER = """---
version: 1
description: Looks at the calendar.
tools: [calendar.list_events]
---
You look at the calendar and say what you see.
"""
ODD = "Please look into how busy my week is and tell me in one line"


def test_a_named_agent_reads_through_the_gate_and_finishes(place: Place) -> None:
    """`--agent` runs one predefined agent; its read is on the log, its answer is the item's text, its calls are on the receipt."""

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return Call(
                "calendar_list_events", {"start": "2026-11-23T00:00:00+00:00", "end": "2026-11-28T00:00:00+00:00"}
            )
        return finish("You have a week with some meetings.")

    (place.home / "agents").mkdir()
    (place.home / "agents" / "looker.md").write_text(LOOKER)
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="looker")

    assert (done["state"], done["route"]) == ("done", "agent"), done["error"]
    assert done["text"] == "You have a week with some meetings."
    assert done["receipt"]["model_calls"] == 2
    assert done["receipt"]["determinism"] == "model"
    assert [step["kind"] for step in place.steps(done)] == ["agent", "reply", "read", "reply"]


def three(asked: Asked) -> Says:
    """A supervisor that starts three agents at once, waits for all, and answers with what they said."""
    if not asked.is_supervisor:
        return finish(f"{asked.told.removeprefix('Goal: ')}: nothing special")
    if asked.turn == 0:
        return [
            Call(
                "agent_delegate",
                {
                    "name": name,
                    "goal": f"look at {name}",
                    "instructions": "You look.",
                    "tools": [tool],
                    "priority": 90 + place,
                },
            )
            for place, (name, tool) in enumerate(
                [("mail", "mail.search"), ("calendar", "calendar.list_events"), ("chat", "chat.list_channels")]
            )
        ]
    if asked.turn == 1:
        return Call("worklist_wait", {"until": "all"})
    ended = asked.answers[0]["ended"]
    return finish("; ".join(child["text"] for child in ended))


def test_a_supervisor_starts_three_agents_waits_for_all_and_answers(any_place: Place) -> None:
    """Three task agents work in contexts and with tools of their own; the supervisor answers with what they returned."""
    place = any_place
    with puppet(three) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD)

    assert done["state"] == "done", done["error"]
    assert sorted(done["text"].split("; ")) == [
        f"look at {name}: nothing special" for name in ("calendar", "chat", "mail")
    ]
    assert done["receipt"]["model_calls"] == 6
    subsets = {tuple(asked.tools) for asked in model.asked if not asked.is_supervisor}
    assert subsets == {
        (tool, "agent_ask_requester", "finish")
        for tool in ("mail_search", "calendar_list_events", "chat_list_channels")
    }
