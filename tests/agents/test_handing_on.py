"""Handing work on: waiting for any, all or a deadline, steering what runs, what may be handed on and to whom."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.engine.advance import House
from tests.agents.cast import ODD, Script, cast, delegate, ended, hire, supervise, told_of, wait
from tests.agents.puppet import Asked, Call, Says, finish, puppet
from tests.agents.test_asks import AISHA, DANA, mail
from tests.e2e.place import Place, tools


def asks(asked: Asked) -> Says:
    """A child that needs the requester, so that a test decides when it ends."""
    if asked.turn == 0:
        return Call("agent_ask_requester", {"question": asked.told.removeprefix("Goal: ")})
    return finish(str(asked.answers[0]["answer"]))


def at_once(asked: Asked) -> Says:
    return finish(f"{asked.told.removeprefix('Goal: ')} done")


def answer(place: Place, item: dict[str, Any], question: str, said: str) -> None:
    """Answers the child that asks `question`, and lets everybody go on."""
    (child,) = [
        child
        for child in item["children"]
        if (place.item(child)["question"] or {}).get("text", "").startswith(question)
    ]
    place.desk.answer(place.me, child, said)
    place.work()


def test_wait_for_any_returns_with_the_first(place: Place) -> None:
    """One of two has ended: the supervisor hears of it, and of the other that it is still open."""
    seen: list[Any] = []

    def lead(asked: Asked) -> Says:
        if asked.turn == 0:
            return [delegate("quick"), delegate("slow")]
        if asked.turn == 1:
            return wait("any")
        if asked.turn == 2:
            seen.append(asked.answers[0])
            return wait("all")
        return finish(told_of(asked.answers[0]))

    with puppet(cast(lead, quick=at_once, slow=asks)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(ODD)
        answer(place, asked, "do slow", "later")
        done = place.item(asked)

    ((first,),) = [one["ended"] for one in seen]
    assert (first["name"], first["text"], len(seen[0]["still_open"])) == ("quick", "do quick done", 1)
    assert [child["name"] for child in ended(done)] == ["slow"]


def test_wait_until_a_deadline(place: Place) -> None:
    """Nobody answers for an hour: the supervisor hears that the time is over, cancels the task, and answers."""

    def lead(asked: Asked) -> Says:
        match asked.turn:
            case 0:
                return delegate("slow")
            case 1:
                return wait("all", at_most_minutes=60)
            case 2:
                told = asked.answers[0]
                assert (told["ended"], told["why"]) == ([], "the time is over"), told
                return Call("worklist_cancel", {"item": told["still_open"][0], "reason": "too late"})
        return finish("nobody answered in time")

    with puppet(cast(lead, slow=asks)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        item_id = place.submit(ODD)
        place.work(linger_s=0.0)
        asked = place.item(item_id)
        assert place.item(asked)["state"] == "waiting"
        place.later(timedelta(minutes=61))
        place.work(linger_s=0.0)
        done = place.item(asked)

    assert (done["state"], done["text"]) == ("done", "nobody answered in time"), (done["error"], done["waiting_on"])
    assert place.item(done["children"][0])["state"] == "cancelled"


def test_a_deadline_that_is_not_reached_leaves_nothing_behind(place: Place) -> None:
    """The task ended in time: no timer stays open, and the request ends at once."""

    def lead(asked: Asked) -> Says:
        if asked.turn == 0:
            return delegate("slow")
        return wait("all", at_most_minutes=60) if asked.turn == 1 else finish(told_of(asked.answers[0]))

    with puppet(cast(lead, slow=asks)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        item_id = place.submit(ODD)
        place.work(linger_s=0.0)
        asked = place.item(item_id)
        child = asked["children"][0]
        place.desk.answer(place.me, child, "in time")
        place.work(linger_s=0.0)
        done = place.item(asked)

    assert done["state"] == "done", (done["error"], done["waiting_on"])
    assert [one["text"] for one in ended(done)] == ["in time"]
    assert done["waiting_on"] == []


def test_priorities_decide_who_is_served_first(place: Place) -> None:
    """Two tasks of one turn: the more urgent speaks first, however they were listed, on a worker that serves one at a time."""
    order: list[str] = []

    def notes(asked: Asked) -> Says:
        order.append(asked.told.removeprefix("Goal: do "))
        return finish("x")

    children = [delegate("late", priority=150), delegate("soon", priority=20), delegate("usual")]
    script = cast(supervise(*children), late=notes, soon=notes, usual=notes)
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        item_id = place.submit(ODD)
        one_at_a_time(place)
        done = place.item(item_id)

    assert done["state"] == "done", done["error"]
    assert order == ["soon", "usual", "late"]


def one_at_a_time(place: Place) -> None:
    """A worker that never has two items at once."""
    from orchestrator.engine.advance import Advancer
    from orchestrator.engine.serving import Pace
    from orchestrator.engine.worker import Worker
    from orchestrator.store.database import Store

    store = Store.open(place.settings.store_url, name="worker")
    house = place.house
    try:
        assert Worker(store, Advancer(lambda: house), pace=Pace(until_idle=True, cap=1), on_end=house.agents.models.aclose if house.agents else None).run() == 0  # fmt: skip
    finally:
        store.close()


def test_reprioritise_nudge_and_cancel_reach_only_ones_own(place: Place) -> None:
    """A supervisor steers its own tasks; items of others are refused as not its own, and stay as they are."""
    other = place.submit("something else entirely, of no concern", priority=70)
    told: list[Any] = []

    def lead(asked: Asked) -> Says:
        if asked.turn == 0:
            return delegate("slow")
        if asked.turn == 1:
            mine = asked.answers[0]["item_id"]
            return [
                Call("worklist_reprioritise", {"item": mine, "priority": 5}),
                Call("worklist_nudge", {"item": mine, "text": "be brief"}),
                Call("worklist_reprioritise", {"item": other, "priority": 1}),
                Call("worklist_nudge", {"item": other, "text": "stop"}),
                Call("worklist_cancel", {"item": other}),
            ]
        if asked.turn == 2:
            told.extend(asked.answers)
            return wait()
        return finish("fine")

    def slow(asked: Asked) -> Says:
        remark = any("Whoever gave you this task says meanwhile: be brief" in str(m["content"]) for m in asked.messages)
        return finish("briefly") if remark else Call("agent_ask_requester", {"question": "Hm?"})

    with puppet(lambda asked: finish("other") if "no concern" in asked.told else cast(lead, slow=slow)(asked)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD)

    assert done["state"] == "done", (done["error"], done["waiting_on"])
    assert [answer.get("ok") for answer in told[:2]] == [True, True]
    assert [answer["code"] for answer in told[2:]] == ["not_yours"] * 3
    assert place.item(done["children"][0])["text"] == "briefly"
    assert place.item(done["children"][0])["priority"] == 5
    assert place.item(other)["priority"] == 70


def test_a_task_that_needs_another_starts_after_it(place: Place) -> None:
    """`after` holds an item back until the other is done, by its id."""
    order: list[str] = []

    def lead(asked: Asked) -> Says:
        if asked.turn == 0:
            return delegate("first")
        if asked.turn == 1:
            return delegate("second", after=[asked.answers[0]["item_id"]])
        return wait() if asked.turn == 2 else finish(told_of(asked.answers[0]))

    def notes(asked: Asked) -> Says:
        order.append(asked.told.removeprefix("Goal: do "))
        return asks(asked) if "first" in asked.told else finish("second done")

    with puppet(cast(lead, first=notes, second=notes)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(ODD)
        assert order == ["first"]
        answer(place, asked, "do first", "go")
        done = place.item(asked)

    assert done["state"] == "done", (done["error"], done["waiting_on"])
    assert order == ["first", "first", "second"]


def test_a_task_whose_need_fails_is_told_as_a_value(place: Place) -> None:
    """What it waited for did not come about: it does not hang, and its supervisor hears how both ended."""

    def lead(asked: Asked) -> Says:
        if asked.turn == 0:
            return delegate("first")
        if asked.turn == 1:
            return delegate("second", after=[asked.answers[0]["item_id"]])
        return wait() if asked.turn == 2 else finish(told_of(asked.answers[0]))

    script = cast(lead, first=lambda asked: finish("cannot", outcome="not_possible"), second=at_once)
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD)

    assert done["state"] == "done", (done["error"], done["waiting_on"])
    states = {child.get("name"): child["state"] for child in ended(done)}
    assert states["first"] == "failed"
    assert states["second"] != "done", states


def test_a_plain_request_is_served_by_a_saved_workflow(place: Place) -> None:
    """worklist.add of words that a workflow surely fits runs it, as the requester's; its card reaches the root."""

    def lead(asked: Asked) -> Says:
        if asked.turn == 0:
            return Call("worklist_add", {"request": "set up a 30 minute call with Dana Ruiz about her last mail"})
        return wait() if asked.turn == 1 else finish(told_of(asked.answers[0]))

    with puppet(lead) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask("There is this mail of Dana Ruiz: see to it that a call with her comes about, half an hour")
        (child,) = asked["children"]
        assert place.item(child)["route"] == "match", place.item(child)
        open_cards = place.desk.approvals(place.admin)
        assert {card["item_id"] for card in open_cards} == {child}, (asked["waiting_on"], place.item(child)["error"])
        done = place.approve_all(place.item(child))
        place.work()
        done = place.item(asked)

    assert done["state"] == "done", (done["error"], done["waiting_on"])
    assert "calendar.create_event" in tools(done, "done")


def test_a_workflow_below_an_agent_has_no_more_authority_than_the_agent(place: Place) -> None:
    """What the requester never asked for does not happen because an agent words it as a workflow's request."""

    def lead(asked: Asked) -> Says:
        if asked.turn == 0:
            return Call("worklist_add", {"request": "set up a 30 minute call with Dana Ruiz about her last mail"})
        return wait() if asked.turn == 1 else finish(told_of(asked.answers[0]))

    with puppet(lead) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(ODD)
        for card in place.desk.approvals(place.admin):
            assert card["tool"]
        states = {effect["decision"] for effect in asked["effects"]}

    assert place.sent() == []
    assert "allow" not in states


def test_depth_is_limited(place: Place) -> None:
    """An agent that hands everything on to itself is stopped at the depth that is allowed; the refusal is a value."""
    hire(place, "mirror", ["agent.delegate", "worklist.wait"])

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return Call("agent_delegate", {"name": "mirror", "goal": "again", "agent": "mirror"})
        if asked.turn == 1 and "item_id" in asked.answers[0]:
            return wait()
        return finish(told_of(asked.answers[0]))

    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD)

    assert done["state"] == "done", (done["error"], done["waiting_on"])
    assert "too_deep" in done["text"]
    assert len(model.asked) == 5 * 3 + 2


def test_the_number_of_tasks_is_limited(place: Place) -> None:
    """The tree's size is a limit that a model cannot talk itself past."""
    from dataclasses import replace

    def few(house: House) -> House:
        assert house.agents is not None
        return replace(house, agents=replace(house.agents, items=3))

    def lead(asked: Asked) -> Says:
        if asked.turn == 0:
            return [delegate(f"n{number}") for number in range(5)]
        return wait() if asked.turn == 1 else finish("ended")

    seen: list[Any] = []

    def script(asked: Asked) -> Says:
        if asked.is_supervisor and asked.turn == 1:
            seen.extend(asked.answers)
        return lead(asked) if asked.is_supervisor else finish("x")

    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        item_id = place.submit(ODD)
        place.work_with(few)
        done = place.item(item_id)

    assert done["state"] == "done", (done["error"], done["waiting_on"])
    assert [answer.get("code") for answer in seen] == [None, None, None, "too_many", "too_many"]
    assert len(done["children"]) == 3


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"tools": ["mail.explode"]}, "mail.explode"),
    ({"tools": ["nothing.*"]}, "nothing.*"),
    ({"agent": "nobody"}, "nobody"),
    ({"checks": ["is_nice"]}, "is_nice"),
    ({"budget": {"cake": 3}}, "cake"),
    ({"result": {"type": "banana"}}, "result"),
    ({"due": "tomorrow"}, "tomorrow"),
    ({"due": "2026-11-24T09:00:00"}, "offset"),
    ({"priority": 99_999_999}, "priority"),
    ({"priority": "high"}, "priority"),
    ({"after": ["item_nothere"]}, "item_nothere"),
    ({"may": [{"effect": "explode"}]}, "explode"),
    ({"may": [{"quota": "many"}]}, ""),
]


@pytest.mark.parametrize(("more", "named"), WRONG, ids=lambda value: str(value)[:30])
def test_what_cannot_be_handed_on_is_told_in_words(place: Place, more: dict[str, Any], named: str) -> None:
    """A wrong name, limit, time or schema is a value that names it; the supervisor corrects itself and ends well."""
    seen: list[Any] = []

    def lead(asked: Asked) -> Says:
        if asked.turn == 0:
            return delegate("clerk", **{"tools": ["mail.search"], **more})
        if asked.turn == 1:
            seen.append(asked.answers[0])
            if "item_id" in asked.answers[0]:  # taken: then the child's end has to tell
                return wait()
            return finish("told")
        seen.append(asked.answers[0])
        return finish("told")

    with puppet(cast(lead, clerk=at_once)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD)

    assert (done["state"], done["text"]) == ("done", "told"), (done["error"], done["waiting_on"])
    assert named in json.dumps(seen[-1]), seen
    assert any(word in json.dumps(seen[-1]) for word in ("failed", "refused", "schema")), seen


def test_a_supervisor_can_be_limited_to_predefined_agents(place: Place) -> None:
    """With the option `agents` it makes none of its own and reaches no others; the named one works."""
    hire(place, "clerk", ["calendar.list_rooms"])
    hire(place, "other", ["mail.search"])
    seen: list[Any] = []

    def lead(asked: Asked) -> Says:
        if asked.turn == 0:
            return [
                delegate("own", "mail.search"),
                Call("agent_delegate", {"name": "x", "goal": "do other", "agent": "other"}),
                Call("agent_delegate", {"name": "x", "goal": "do clerk", "agent": "clerk"}),
            ]
        if asked.turn == 1:
            seen.extend(asked.answers)
            return wait()
        return finish(told_of(asked.answers[0]))

    with puppet(cast(lead, clerk=at_once)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agents=["clerk"])
        prompt = str(model.asked[0].messages[0]["content"])

    assert done["state"] == "done", (done["error"], done["waiting_on"])
    assert ["failed" in one for one in seen] == [True, True, False]
    assert [child["text"] for child in ended(done)] == ["do clerk done"]
    assert "clerk" in prompt and "- other:" not in prompt


def test_an_agent_that_is_not_there_fails_with_what_there_is(place: Place) -> None:
    """The error names the agent and what was probably meant; the model is never asked."""
    hire(place, "clerk", ["calendar.list_rooms"])
    with puppet(at_once) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clark")

    assert done["state"] == "failed"
    assert "clark" in done["error"]["message"] and "clerk" in done["error"]["fix"]
    assert model.asked == []


def test_a_child_does_alone_only_what_it_may(place: Place) -> None:
    """Under a profile that asks for little, `may` allows one mail: it goes out, the second is a person's to approve."""

    def clerk(asked: Asked) -> Says:
        if asked.turn == 0:
            return mail(DANA)
        return mail(AISHA) if asked.turn == 1 else finish("both")

    child = delegate("clerk", "mail.send", may=[{"effect": "send", "noun": "email", "quota": 1}])
    with puppet(cast(supervise(child), clerk=clerk)) as model:
        place.set(model="openai:puppet", model_base_url=model.url, profile="delegated")
        asked = place.ask(
            "Please tell Dana Ruiz and Aisha Weber by mail, whichever way, that the fire drill is at noon"
        )

    decisions = [(effect["args"]["to"][0], effect["decision"], effect["state"]) for effect in asked["effects"]]
    assert decisions == [(DANA, "allow", "done"), (AISHA, "ask", "intended")], decisions


def retry(asked: Asked) -> Says:
    """A supervisor that starts a failed task again with its report."""
    if asked.turn == 0:
        return delegate("clerk", goal="do clerk")
    if asked.turn in (1, 3):
        return wait()
    if asked.turn == 2:
        told = asked.answers[0]["ended"][0]
        assert told["state"] == "failed"
        return delegate("clerk", goal="do clerk", report=told["report"]["message"])
    return finish(told_of(asked.answers[0]))


def test_a_failed_task_is_started_again_with_its_report(place: Place) -> None:
    """The second attempt reads what went wrong in the first, and succeeds."""
    told: list[str] = []

    def clerk(asked: Asked) -> Says:
        told.append(asked.told)
        return finish("second time lucky") if "the door was shut" in asked.told else finish("the door was shut", outcome="not_possible")  # fmt: skip

    with puppet(cast(retry, clerk=clerk)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD)

    assert [child["text"] for child in ended(done)] == ["second time lucky"]
    assert len(told) == 2
    assert len(model.asked) == 7


def test_an_items_document_shows_the_whole_tree(place: Place) -> None:
    """Receipt, children, and the trace with the packet of each task: what it was told, with which tools, by which prompt."""
    child = delegate("clerk", "calendar.list_rooms", context="Dana likes mornings")
    script: Script = cast(supervise(child), clerk=at_once)
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD)

    assert done["receipt"]["model_calls"] == len(model.asked) == 4
    (below,) = done["children"]
    opened = place.steps({"item_id": below})[0]["body"]
    assert opened["packet"]["context"] == "Dana likes mornings"
    assert [tool["name"] for tool in opened["tools"]] == ["calendar.list_rooms", "agent.ask_requester", "finish"]
    run = place.desk.run(place.admin, below)
    assert run["pins"]["prompt"].startswith("sha256:")
    assert set(run["pins"]["tools"]) == {"calendar.list_rooms"}
