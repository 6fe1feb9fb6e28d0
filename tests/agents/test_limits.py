"""Models that misbehave: each ends at its stated limit with a reason and what there is, as an item and as somebody's task."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.agents.cast import LOOK, ODD, Script, cast, delegate, ended, hire, supervise
from tests.agents.puppet import Asked, Call, Puppet, Says, finish, puppet
from tests.e2e.place import Place

TOOLS = ("calendar.list_events", "calendar.list_rooms", "directory.list_people")


def never(asked: Asked) -> Says:
    """Always another look, never an end."""
    return Call("directory_list_people", {"query": f"somebody {asked.turn}"})


def loops(_: Asked) -> Says:
    return LOOK


def swings(asked: Asked) -> Says:
    """A, B, A, B …"""
    return LOOK if asked.turn % 2 else Call("calendar_list_rooms")


def invents(asked: Asked) -> Says:
    return Call("calendar_teleport", {"to": "Mars"})


def trespasses(asked: Asked) -> Says:
    """A tool there is, but not for it."""
    return Call("mail_search", {"query": f"salary {asked.turn}"})


def babbles(_: Asked) -> Says:
    return Call("calendar_list_events", raw='{"start": ')


def lists(_: Asked) -> Says:
    return Call("calendar_list_events", raw='["not", "an", "object"]')


def nods(_: Asked) -> Says:
    return "Of course! I will get right on it. Have a wonderful day!"


def is_silent(_: Asked) -> Says:
    return ""


def mistypes(asked: Asked) -> Says:
    return Call("calendar_list_events", {"start": 17, "end": [asked.turn]})


def gives_up(_: Asked) -> Says:
    return finish("I found no calendar.", outcome="not_possible")


@dataclass(frozen=True)
class Bad:
    script: Script
    code: str
    calls: int  # of the model, at most
    turns: int = 12


BAD = [
    Bad(never, "turns_exhausted", 12),
    Bad(loops, "agent_looped", 6),
    Bad(swings, "agent_looped", 11, 40),
    Bad(invents, "agent_malformed", 3),
    Bad(trespasses, "agent_malformed", 3),
    Bad(babbles, "agent_malformed", 3),
    Bad(lists, "agent_malformed", 3),
    Bad(nods, "agent_chatted", 3),
    Bad(is_silent, "agent_chatted", 3),
    Bad(mistypes, "turns_exhausted", 12),
    Bad(gives_up, "agent_gave_up", 1),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.script.__name__)
def test_a_model_that_misbehaves_ends_at_its_limit(place: Place, bad: Bad) -> None:
    """Failed with the limit's code and a reason, after no more model calls than the limit allows."""
    hire(place, "clerk", TOOLS, max_turns=bad.turns)
    with puppet(bad.script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert done["state"] == "failed", done
    assert done["error"]["code"] == bad.code, done["error"]
    assert done["error"]["message"]
    assert len(model.asked) == bad.calls == done["receipt"]["model_calls"]
    assert place.exit_code(done) == 1
    assert place.sent() == []


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.script.__name__)
def test_its_supervisor_hears_of_it_as_a_value(place: Place, bad: Bad) -> None:
    """The child's failure is a result with a report; the supervisor goes on and answers."""
    child = delegate("clerk", *TOOLS, budget={"turns": bad.turns})
    with puppet(cast(supervise(child), clerk=bad.script)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD)

    assert done["state"] == "done", done["error"]
    (told,) = ended(done)
    assert (told["state"], told["report"]["code"]) == ("failed", bad.code)
    assert len(model.asked) == bad.calls + 3


def test_a_tool_outside_the_subset_is_neither_listed_nor_allowed(place: Place) -> None:
    """What a model was not shown is refused on record when it calls it all the same; nothing is read."""

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return [Call("mail_search", {"query": "x"}), Call("calendar_list_rooms")]
        return finish(json.dumps(asked.answers))

    hire(place, "clerk", ["calendar.list_rooms"])
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert all("mail_search" not in asked.tools for asked in model.asked)
    refused, rooms = json.loads(done["text"])
    assert refused["code"] == "denied" and refused["refused"]
    assert "rooms" in rooms
    (kept,) = [effect for effect in done["effects"] if effect["tool"] == "mail.search"]
    assert (kept["state"], kept["decision"]) == ("failed", "deny")
    assert [step["body"]["tool"] for step in place.steps(done, "read")] == ["calendar.list_rooms"]


def test_a_house_tool_outside_the_subset_is_refused_too(place: Place) -> None:
    """A task agent that was not given delegation cannot hand work on, whatever it calls."""

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return [delegate("spy", "mail.*"), Call("calendar_list_rooms")]
        return finish(json.dumps(asked.answers[0]))

    hire(place, "clerk", ["calendar.list_rooms"])
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert done["state"] == "done"
    assert done["children"] == []
    assert not {"started", "item_id"} & set(json.loads(done["text"]))


def test_wrong_types_are_told_in_words_the_model_can_use(place: Place) -> None:
    """The answer names the argument that does not fit; the next, right call works."""

    def script(asked: Asked) -> Says:
        match asked.turn:
            case 0:
                return Call("calendar_list_events", {"start": 17, "end": None})
            case 1:
                assert "start" in asked.last
                return LOOK
        return finish("fine")

    hire(place, "clerk", TOOLS)
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert (done["state"], done["text"]) == ("done", "fine")


def test_arguments_that_are_no_json_are_told_back_and_stay_valid_on_the_wire(place: Place) -> None:
    """The model reads what was wrong; the conversation it is sent holds JSON objects as arguments only."""

    def script(asked: Asked) -> Says:
        match asked.turn:
            case 0:
                return [Call("calendar_list_events", raw="{'start': 1}"), Call("calendar_list_rooms", raw="")]
            case 1:
                assert asked.answers[0]["code"] == "bad_arguments"
                assert "rooms" in asked.answers[1]
                for call in asked.messages[-3]["tool_calls"]:
                    assert isinstance(json.loads(call["function"]["arguments"] or "{}"), dict)
        return finish("fine")

    hire(place, "clerk", TOOLS)
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        assert place.ask(ODD, agent="clerk")["state"] == "done"


@pytest.mark.parametrize("name", ["", "a b", "x" * 200, "calendar.list_rooms", "finish ", "Ünïcode"])
def test_names_no_wire_takes_are_told_back_and_never_sent_again(place: Place, name: str) -> None:
    """A call by an impossible name is answered, and the name in the conversation is one that endpoints take."""

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return Call(name, {})
        for message in asked.messages:
            for call in message.get("tool_calls") or ():
                assert call["function"]["name"] and len(call["function"]["name"]) <= 64
                assert call["function"]["name"].replace("_", "").replace("-", "").isascii()
        return finish("fine")

    hire(place, "clerk", TOOLS)
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        assert place.ask(ODD, agent="clerk")["text"] == "fine"


def test_five_megabytes_of_text_are_kept_and_the_run_goes_on(place: Place) -> None:
    """A huge reply is on the log whole; the run ends by finish, or at a stated limit, never by an error of ours."""
    huge = "word " * 1_000_000

    def script(asked: Asked) -> Says:
        return huge if asked.turn == 0 else finish("short")

    hire(place, "clerk", TOOLS)
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert done["state"] in ("done", "failed", "over_budget"), done
    assert done["error"] is None or done["error"]["code"] in ("over_budget", "context_too_long", "model_malformed")


def test_a_huge_tool_result_is_cut_for_the_model_and_whole_in_the_log(place: Place) -> None:
    """The model reads the beginning and how long it was; the log holds every byte."""
    body = "lorem ipsum dolor " * 20_000
    mail = place.office.add_mail(
        author="dana.ruiz@brightwater.example", to=[place.me.principal_id], subject="Long", body=body
    )
    seen: list[int] = []

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return Call("mail_get_message", {"message_id": mail})
        seen.append(len(asked.last))
        assert "cut" in asked.last[-80:]
        return finish("long")

    hire(place, "clerk", ["mail.get_message"])
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert done["text"] == "long"
    assert seen and seen[0] < 60_000
    (read,) = place.steps(done, "read")
    assert len(json.dumps(read["body"])) > len(body)


def test_a_finish_beside_a_failing_call_is_not_accepted(place: Place) -> None:
    """It claims success before it has seen the failure; it is told to look first, and then may finish."""

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return [finish("all done"), Call("calendar_get_event", {"event_id": "evt_none"})]
        if asked.turn == 1:
            assert {key for answer in asked.answers for key in answer} >= {"not_accepted", "failed"}, asked.answers
        return finish("there is no such event")

    hire(place, "clerk", ["calendar.get_event"])
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert done["text"] == "there is no such event"


def test_a_finish_beside_a_good_call_ends_the_run(place: Place) -> None:
    """The neighbour is carried out first, wherever finish stands in the reply."""
    hire(place, "clerk", TOOLS)
    with puppet(lambda asked: [finish("busy"), LOOK]) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert done["text"] == "busy"
    assert len(model.asked) == 1
    assert len(place.steps(done, "read")) == 1


def test_two_finishes_in_one_reply_end_once(place: Place) -> None:
    """The first is taken, or both are refused; nothing hangs."""
    hire(place, "clerk", TOOLS)
    with puppet(lambda asked: [finish("one"), finish("two")]) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert done["state"] == "done", (done["state"], done["waiting_on"], done["error"])
    assert done["text"] in ("one", "two")


def test_finish_while_children_run_is_refused_until_they_ended(place: Place) -> None:
    """A supervisor that does not wait is told which tasks still run."""

    def lead(asked: Asked) -> Says:
        if asked.turn == 0:
            return [delegate("slow", "calendar.list_events"), finish("done already")]
        if asked.turn == 1:
            assert "still running" in str(asked.answers[1]), asked.answers
            return Call("worklist_wait", {})
        return finish("now done")

    with puppet(cast(lead, slow=lambda asked: LOOK if asked.turn == 0 else finish("busy"))) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD)

    assert (done["state"], done["text"]) == ("done", "now done"), done["error"]


def test_a_supervisor_that_insists_on_finishing_early_ends_and_so_do_its_children(place: Place) -> None:
    """After its attempts are used up it has failed; nothing below it runs on."""

    def lead(asked: Asked) -> Says:
        return delegate("slow", "agent.ask_requester") if asked.turn == 0 else finish("done already")

    def slow(asked: Asked) -> Says:
        return Call("agent_ask_requester", {"question": "Really?"})

    with puppet(cast(lead, slow=slow)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD)

    assert done["state"] == "failed", (done["state"], done["waiting_on"], place.steps(done)[-3:])
    assert done["error"]["code"] == "checks_failed"
    assert [place.item(child)["state"] for child in done["children"]] == ["cancelled"]


def test_the_same_call_twice_in_one_reply_is_two_calls(place: Place) -> None:
    """Both are answered, under ids of their own, although the model gave them one id."""
    asked_ids: list[Any] = []

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return [LOOK, LOOK]
        asked_ids.extend(m["tool_call_id"] for m in asked.messages if m["role"] == "tool")
        return finish("twice")

    hire(place, "clerk", TOOLS)
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert done["text"] == "twice"
    assert len(set(asked_ids)) == 2
    assert len(place.steps(done, "read")) == 2


def test_duplicate_call_ids_of_a_model_do_not_mix_up_answers(place: Place) -> None:
    """Ids on the wire are ours, so that an endpoint that repeats them does no harm."""

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return [Call("calendar_list_rooms"), LOOK]
        assert "rooms" in asked.answers[0]
        assert "events" in asked.answers[1]
        return finish("in order")

    class Same(Puppet):
        def _answer(self, asked: Asked) -> Any:
            status, told = super()._answer(asked)
            for call in told["choices"][0]["message"].get("tool_calls") or ():
                call["id"] = "call_same"
            return status, told

    hire(place, "clerk", TOOLS)
    model = Same(script)
    try:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")
    finally:
        model.close()

    assert model.problems == []
    assert done["text"] == "in order"


def test_a_partial_result_is_in_the_text(place: Place) -> None:
    """What a run that ended at a limit had done so far is told with the reason."""

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return Call("calendar_create_event", {"title": "Focus", **_hour(9)})
        return LOOK

    hire(place, "clerk", [*TOOLS, "calendar.create_event"], max_turns=20)
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask("block an hour for focus on Tuesday at 9", agent="clerk", approve_all=True)

    assert done["error"]["code"] == "agent_looped", done
    assert "Focus" in done["text"]
    assert len(place.sent()) == 1


def _hour(hour: int) -> dict[str, str]:
    return {"start": f"2026-11-24T{hour:02}:00:00+00:00", "end": f"2026-11-24T{hour + 1:02}:00:00+00:00"}


def test_an_answer_at_once_costs_one_call(place: Place) -> None:
    """A model that answers at once needs one call, and what it was told is the request itself."""
    hire(place, "clerk", TOOLS)
    with puppet(lambda asked: finish(asked.told)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert done["text"] == ODD
    assert len(model.asked) == 1
