"""Agents that need a person: cards answered in any order and depth, edits, refusals, questions."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import permutations

import pytest

from orchestrator.errors import Conflict, DeputyError
from orchestrator.surfaces.cli.exitcode import Exit
from tests.agents.cast import ODD, Script, cast, delegate, hire, supervise, told_of
from tests.agents.puppet import Asked, Call, Says, finish, puppet
from tests.e2e.place import Place, tools

DANA, AISHA, BRUNO = (f"{who}@brightwater.example" for who in ("dana.ruiz", "aisha.weber", "bruno.rossi"))
THREE = "Please write Dana Ruiz, Aisha Weber and Bruno Rossi one line each that the fire drill is at noon"


def mail(to: str, subject: str = "Fire drill", body: str = "The fire drill is at noon.") -> Call:
    return Call("mail_send", {"to": [to], "subject": subject, "body": body})


def three_at_once(asked: Asked) -> Says:
    if asked.turn == 0:
        return [mail(DANA), mail(AISHA), mail(BRUNO)]
    return finish(told_of(asked.answers))


def to_of(card: dict[str, object]) -> str:
    args = card["args"]
    assert isinstance(args, dict)
    return str(args["to"][0])


@pytest.mark.parametrize("order", list(permutations((DANA, AISHA, BRUNO)))[::2], ids=lambda order: order[0][:5])
def test_three_cards_of_one_turn_are_answered_in_any_order(any_place: Place, order: tuple[str, ...]) -> None:
    """Each is sent when it is approved, none twice; the model is asked again only when all have answers, in its own order."""
    place = any_place
    hire(place, "clerk", ["mail.send"])
    with puppet(three_at_once) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(THREE, agent="clerk")
        assert (asked["state"], asked["waiting_on"]) == ("waiting", ["approval"]), asked["error"]
        assert place.exit_code(asked) == 3
        for number, who in enumerate(order, 1):
            (card,) = [card for card in place.cards(asked) if to_of(card) == who]
            place.decide(card)
            place.work()
            assert len(place.sent()) == number
            assert len(model.asked) == (2 if number == 3 else 1)
        done = place.item(asked)

    assert done["state"] == "done", done["error"]
    mails = place.diff()["mails"]
    assert sorted(address for one in mails for address in one["to"]) == sorted((DANA, AISHA, BRUNO))
    assert [message["tool_call_id"][-3:] for message in model.asked[1].messages if message["role"] == "tool"]


def test_all_decided_at_once_are_sent_in_the_models_order(place: Place) -> None:
    """Cards approved while no worker ran are carried out in one go, as the model had ordered them."""
    hire(place, "clerk", ["mail.send"])
    with puppet(three_at_once) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(THREE, agent="clerk")
        for card in reversed(place.cards(asked)):
            place.decide(card)
        place.work()

    assert place.item(asked)["state"] == "done"
    assert [one["to"][0] for one in place.diff()["mails"]] == [DANA, AISHA, BRUNO]


def test_one_of_three_denied_is_told_and_the_others_are_done(place: Place) -> None:
    """The model reads the denial with its code and reason; what was approved happened; the item is done."""
    hire(place, "clerk", ["mail.send"])
    with puppet(three_at_once) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(THREE, agent="clerk")
        for card in place.cards(asked):
            if to_of(card) == AISHA:
                place.decide(card, "deny", reason="she knows already")
            else:
                place.decide(card)
        place.work()
        done = place.item(asked)

    assert done["state"] == "done"
    first, second, third = sorted(json.loads(done["text"]), key=lambda one: "code" in one)
    assert (third["code"], "she knows already" in third["refused"]) == ("approval_denied", True), third
    assert "code" not in first and "code" not in second
    assert len(place.sent()) == 2


def test_denied_and_nothing_done_ends_denied(place: Place) -> None:
    """State and error code are the contract's, whatever the agent says; exit code 4."""
    hire(place, "clerk", ["mail.send"])
    script: Script = lambda asked: mail(DANA) if asked.turn == 0 else finish("All sent!")  # noqa: E731
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask("write Dana Ruiz that the fire drill is at noon, however you like", agent="clerk")
        place.decide(place.card(asked, "mail.send"), "deny")
        place.work()
        done = place.item(asked)

    assert (done["state"], done["error"]["code"]) == ("denied", "approval_denied")
    assert place.exit_code(done) is Exit.DENIED
    assert place.sent() == []


def test_expired_and_nothing_done_ends_denied_as_expired(place: Place) -> None:
    """Nobody decided in time: the agent hears it, and the item's error says which."""
    hire(place, "clerk", ["mail.send"])

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return mail(DANA)
        assert asked.answers[0]["code"] == "approval_expired", asked.answers
        return finish("Nobody decided.")

    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask("write Dana Ruiz that the fire drill is at noon, however you like", agent="clerk")
        place.later(timedelta(days=8))
        place.work(linger_s=0.0)
        done = place.item(asked)

    assert (done["state"], (done["error"] or {}).get("code")) == ("denied", "approval_expired"), done
    assert len(model.asked) == 2


def test_an_edited_card_is_told_to_the_model(place: Place) -> None:
    """The effect has the person's arguments, and the model reads what was changed."""
    hire(place, "clerk", ["mail.send"])
    heard: list[object] = []

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return mail(DANA)
        heard.extend(asked.answers)
        return finish("sent")

    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask("write Dana Ruiz that the fire drill is at noon, however you like", agent="clerk")
        place.decide(place.card(asked, "mail.send"), "edit", args={"body": "Drill at noon. Bring a coat."})
        place.work()
        done = place.approve_all(place.item(asked))

    assert done["state"] == "done", done
    (sent,) = place.diff()["mails"]
    assert sent["body"].startswith("Drill at noon. Bring a coat.")
    assert "Bring a coat" in json.dumps(heard)


def planner(asked: Asked) -> Says:
    """An agent that delegates to one more."""
    if asked.turn == 0:
        return delegate("clerk", "mail.send", goal="do clerk")
    if asked.turn == 1:
        return Call("worklist_wait", {"until": "all"})
    return finish(told_of(asked.answers[0]))


def three_levels(clerk: Script) -> Script:
    """supervisor → planner → clerk."""

    def supervisor(asked: Asked) -> Says:
        if "do planner" in asked.told:
            return planner(asked)
        return supervise(Call("agent_delegate", {"name": "planner", "goal": "do planner", "agent": "planner"}))(asked)

    return cast(supervisor, clerk=clerk)


def writes_to_dana(asked: Asked) -> Says:
    return mail(DANA) if asked.turn == 0 else finish("sent")


DEEP = "Have somebody write Dana Ruiz that the fire drill is at noon, in whichever way suits best"


def test_an_approval_three_levels_deep_reaches_the_root(any_place: Place) -> None:
    """The card stands in the root's document with the item it belongs to; approved there, all three levels end."""
    place = any_place
    hire(place, "planner", ["agent.delegate", "worklist.wait", "mail.send"])
    with puppet(three_levels(writes_to_dana)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(DEEP)
        assert "approval" in asked["waiting_on"], (asked["state"], asked["waiting_on"], asked["error"])
        (card,) = [card for card in asked["approvals"] if card["state"] == "pending"]
        assert card["item_id"] != asked["item_id"]
        assert place.item(card["item_id"])["parent"] not in (None, asked["item_id"])
        assert place.exit_code(asked) == 3
        (open_card,) = place.desk.approvals(place.admin)
        place.decide(open_card)
        place.work()
        done = place.item(asked)

    assert done["state"] == "done", done["error"]
    assert tools(done, "done") == ["mail.send"]
    assert done["receipt"]["model_calls"] == len(model.asked) == 8
    assert len(place.sent()) == 1


def test_yes_covers_what_is_three_levels_deep(place: Place) -> None:
    """`deputy ask --yes` approves the card of an agent's agent and follows to the end."""
    hire(place, "planner", ["agent.delegate", "worklist.wait", "mail.send"])
    with puppet(three_levels(writes_to_dana)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        code, done = place.deputy("ask", DEEP, "--yes")

    assert (code, done["state"]) == (0, "done"), done
    assert [card["state"] for card in done["approvals"]] == ["approved"]
    assert len(place.sent()) == 1
    assert len(model.asked) == 8


def test_a_denial_three_levels_deep_is_a_value_on_every_level(place: Place) -> None:
    """Each parent hears `denied` with the code; the root ends denied, since nothing was done."""
    hire(place, "planner", ["agent.delegate", "worklist.wait", "mail.send"])
    with puppet(three_levels(writes_to_dana)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(DEEP)
        (card,) = place.desk.approvals(place.admin)
        place.decide(card, "deny", reason="not now")
        place.work()
        done = place.item(asked)

    assert (done["state"], (done["error"] or {}).get("code")) == ("denied", "approval_denied"), done
    assert place.sent() == []
    (told,) = json.loads(done["text"])["ended"]
    assert told["state"] == "denied"


@pytest.mark.parametrize("order", list(permutations(range(3)))[::2], ids=str)
def test_children_finish_in_any_order(place: Place, order: tuple[int, ...]) -> None:
    """Whichever is answered first ends first; the supervisor hears of each once, and of all in the end."""
    names = ("one", "two", "three")

    def asks(asked: Asked) -> Says:
        if asked.turn == 0:
            return Call("agent_ask_requester", {"question": f"{asked.told.removeprefix('Goal: do ')}?"})
        return finish(asked.answers[0]["answer"])

    def supervisor(asked: Asked) -> Says:
        if asked.turn == 0:
            return [delegate(name) for name in names]
        if asked.turn == 1:
            return Call("worklist_wait", {"until": "any"})
        ended = [
            child["text"]
            for message in asked.messages
            if message["role"] == "tool" and "ended" in message["content"]
            for child in json.loads(message["content"])["ended"]
        ]
        return finish(" ".join(ended)) if len(ended) == 3 else Call("worklist_wait", {"until": "any"})

    with puppet(cast(supervisor, one=asks, two=asks, three=asks)) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(ODD)
        assert "answer" in asked["waiting_on"]
        assert place.exit_code(asked) == 9
        for number in order:
            questions = {
                (place.item(child)["question"] or {}).get("text"): child for child in asked["children"]
            }  # one that has ended asks nothing
            wanted = questions[f"{names[number]}?"]
            place.desk.answer(place.me, wanted, f"answer {number}")
            place.work()
        done = place.item(asked)

    assert done["state"] == "done", (done["error"], done["waiting_on"])
    assert done["text"] == " ".join(f"answer {number}" for number in order)


def test_a_question_is_answered_by_choice_and_only_by_who_may(place: Place) -> None:
    """The agent reads the choice and who made it; somebody else's answer is refused."""
    hire(place, "clerk", ["calendar.list_rooms"])

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return Call("agent_ask_requester", {"question": "Which day?", "choices": ["Tuesday", "Wednesday"]})
        return finish(told_of(asked.answers[0]))

    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(ODD, agent="clerk")
        assert asked["question"]["text"] == "Which day?"
        assert list(asked["question"]["choices"]) == ["Tuesday", "Wednesday"]
        stranger = place.desk.principal("aisha.weber@brightwater.example")
        with pytest.raises(DeputyError):
            place.desk.answer(stranger, asked["item_id"], "Tuesday")
        place.desk.answer(place.me, asked["item_id"], "Wednesday")
        place.work()
        done = place.item(asked)

    said = json.loads(done["text"])
    assert said == {"answer": "Wednesday", "by": place.me.principal_id}
    with pytest.raises(Conflict):
        place.desk.answer(place.me, asked["item_id"], "Tuesday")


def test_two_questions_in_one_turn_are_answered_one_after_the_other(place: Place) -> None:
    """Both stand open; each answer goes to its question."""
    hire(place, "clerk", ["calendar.list_rooms"])

    def script(asked: Asked) -> Says:
        if asked.turn == 0:
            return [Call("agent_ask_requester", {"question": q}) for q in ("First?", "Second?")]
        return finish(" ".join(answer["answer"] for answer in asked.answers))

    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(ODD, agent="clerk")
        for said in ("one", "two"):
            assert place.item(asked)["question"]["text"] == {"one": "First?", "two": "Second?"}[said]
            place.desk.answer(place.me, asked["item_id"], said)
            place.work()
        done = place.item(asked)

    assert (done["state"], done["text"]) == ("done", "one two"), (done["error"], done["waiting_on"])
    assert len(model.asked) == 2


def test_a_need_for_a_person_waits_for_repair_and_goes_on_with_what_they_say(place: Place) -> None:
    """`needs_person` parks the run; "try again" brings it back with the person's word."""
    hire(place, "clerk", ["calendar.list_rooms"])

    def script(asked: Asked) -> Says:
        return finish("The room is double booked.", outcome="needs_person") if asked.turn == 0 else finish("went on")

    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        asked = place.ask(ODD, agent="clerk")
        assert asked["waiting_on"] == ["repair"]
        assert "double booked" in asked["question"]["text"]
        place.desk.answer(place.me, asked["item_id"], asked["question"]["choices"][0])
        place.work()
        done = place.item(asked)

    assert (done["state"], done["text"]) == ("done", "went on"), done["error"]
    assert len(model.asked) == 2
