"""What happens beside an agent's turns: its result is checked and judged, its conversation is kept within the window, facts outlive it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.agents.cast import LOOK, ODD, hire
from tests.agents.puppet import Asked, Call, Says, finish, puppet
from tests.e2e.place import Place

SLOT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["start"],
    "properties": {"start": {"type": "string"}},
}


def steps(place: Place, done: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [step for step in place.steps(done) if step["kind"] == kind]


# ---- checks ----------------------------------------------------------------------------------------------------------
def test_a_result_goes_back_with_the_report_until_it_fits(any_place: Place) -> None:
    """First the schema, then the named checks, each told with its attempt; the result that fits is the one that counts."""
    place = any_place
    said: list[Any] = []

    def script(asked: Asked) -> Says:
        if asked.turn:
            said.append(asked.answers[0])
        tries = [{"begin": "ten"}, {"start": "2026-11-24T10:00:00"}, {"start": "2026-11-24T10:00:00+00:00"}]
        return finish("Tuesday at ten", result=tries[asked.turn])

    hire(place, "clerk", ["calendar.list_events"], output=SLOT, checks=["times_have_offset"])
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert (done["state"], done["output"]["result"]) == ("done", {"start": "2026-11-24T10:00:00+00:00"}), done["error"]
    assert "begin" in json.dumps(said[0]) and said[0]["attempt"] == 1
    assert "offset" in json.dumps(said[1]) and said[1]["attempt"] == 2
    assert [step["body"]["by"] for step in steps(place, done, "check")] == ["schema", "check:times_have_offset"]


def test_a_result_that_never_fits_ends_the_run_with_the_last_report(place: Place) -> None:
    """Bounded by the agent's own limit; what it said stands as the text."""
    hire(place, "clerk", ["calendar.list_events"], output=SLOT, max_checks=2)
    with puppet(lambda asked: finish("no idea", result={"when": asked.turn})) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert (done["state"], done["error"]["code"], done["text"]) == ("failed", "checks_failed", "no idea"), done["error"]
    assert "start" in done["error"]["message"]
    assert len(model.asked) == 2


# ---- the judge -------------------------------------------------------------------------------------------------------
def test_a_judge_refuses_accepts_and_is_counted(any_place: Place) -> None:
    """It sees criteria, request, result and what was done; its refusal goes back; its calls are on the receipt and the log."""
    place = any_place
    seen: list[dict[str, Any]] = []

    def script(asked: Asked) -> Says:
        if not asked.tools:
            seen.append(json.loads(asked.last))
            return json.dumps({"ok": len(seen) > 1, "problems": [] if len(seen) > 1 else ["Name the day."]})
        if asked.turn == 0:
            return LOOK
        return finish("busy" if asked.turn == 1 else f"busy on Monday; told: {asked.answers[0]['not_accepted'][0]}")

    hire(place, "clerk", ["calendar.list_events"], judge="The answer names a day.")
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert (done["state"], done["text"]) == ("done", "busy on Monday; told: Name the day."), done["error"]
    assert [one["criteria"] for one in seen] == ["The answer names a day."] * 2
    assert seen[0]["request"] == ODD and seen[0]["result"]["answer"] == "busy"
    assert [one["body"]["ok"] for one in steps(place, done, "check")] == [False, True]
    assert done["receipt"]["model_calls"] == 5 == len(model.asked)


@pytest.mark.parametrize("says", ["It is fine, I suppose.", '{"ok": "maybe"}', ""])
def test_an_unreadable_verdict_accepts_nothing(place: Place, says: str) -> None:
    """In doubt the answer is no, and the run ends with the report."""
    hire(place, "clerk", ["calendar.list_events"], judge="It is true.", max_checks=1)
    with puppet(lambda asked: finish("true") if asked.tools else says) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, agent="clerk")

    assert (done["state"], done["error"]["code"]) == ("failed", "checks_failed"), done["error"]


# ---- the window ------------------------------------------------------------------------------------------------------
def long_talk(asked: Asked, until: int) -> Says:
    """Reads the week again and again, a little differently each time, then finishes."""
    if not asked.tools:
        return "SUMMARY: the week was read several times."
    taken = sum(
        json.dumps(message).count("calendar_list_events")
        for message in asked.messages
        if message["role"] == "assistant"
    )
    if "SUMMARY" in json.dumps(asked.messages):
        return finish("read it all")
    if taken >= until:
        return finish("read it all")
    day = 2 + taken
    return Call(
        "calendar_list_events", {"start": f"2026-11-{day:02}T00:00:00+00:00", "end": "2026-12-05T00:00:00+00:00"}
    )


def test_oldest_results_become_references_before_anything_is_lost(any_place: Place) -> None:
    """Every request stays within the window; the latest result stays whole; the log keeps all."""
    place = any_place
    window = 12_000
    hire(place, "clerk", ["calendar.list_events"], max_turns=40)
    with puppet(lambda asked: long_talk(asked, 6)) as model:
        place.set(model="openai:puppet", model_base_url=model.url, model_context_tokens=window, model_max_tokens=500)
        done = place.ask(ODD, agent="clerk")

    assert (done["state"], done["text"]) == ("done", "read it all"), done["error"]
    assert steps(place, done, "fold")
    sizes = [len(json.dumps(asked.body)) / 4 + 500 for asked in model.asked]
    assert max(sizes) <= window, sizes
    last = [asked for asked in model.asked if asked.tools][-1]
    results = [message["content"] for message in last.messages if message["role"] == "tool"]
    assert len(results[-1]) > len(results[0]), [len(text) for text in results]
    assert all(len(json.dumps(step["body"]["result"])) > 2000 for step in steps(place, done, "read"))


def test_a_conversation_that_stays_too_long_is_summarised(any_place: Place) -> None:
    """One call without tools makes the summary; the rest of the run goes on from it, and it is on the log and the receipt."""
    place = any_place
    hire(place, "clerk", ["calendar.list_events"], max_turns=60)
    with puppet(lambda asked: long_talk(asked, 40)) as model:
        place.set(model="openai:puppet", model_base_url=model.url, model_context_tokens=6_000, model_max_tokens=400)
        done = place.ask(ODD, agent="clerk")

    assert (done["state"], done["text"]) == ("done", "read it all"), done["error"]
    (summary,) = steps(place, done, "summary")
    assert summary["body"]["text"].startswith("SUMMARY")
    assert len([asked for asked in model.asked if not asked.tools]) == 1
    assert ODD in model.asked[-1].told  # the request itself is never summarised away
    assert done["receipt"]["model_calls"] == len(model.asked)


# ---- facts -----------------------------------------------------------------------------------------------------------
def test_a_fact_outlives_its_run_and_is_read_by_its_person_alone(any_place: Place) -> None:
    """Remembered in one run, told at the beginning of the next one of the same person, with its source; nobody else meets it."""
    place = any_place
    fact = "Alex wants reports about the lighthouse on Thursdays"

    def script(asked: Asked) -> Says:
        if "lighthouse" in json.dumps(asked.messages):
            return finish("known: Thursdays")
        if asked.turn == 0 and "keep this" in asked.told:
            return Call("memory_remember", {"text": fact, "scope": "person"})
        return finish("nothing known")

    hire(place, "clerk", ["memory.remember", "memory.recall"])
    other = next(
        one["address"] for one in place.office.people() if one["inside"] and one["address"] != place.me.principal_id
    )
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        place.ask("Somehow keep this for later: reports are for Thursdays", agent="clerk")
        mine = place.ask("Somehow say what you know of my reports about Thursdays", agent="clerk")
        theirs = place.ask(
            "Somehow say what you know of my reports about Thursdays",
            agent="clerk",
            who=place.desk.principal(other),
        )

    assert mine["text"] == "known: Thursdays"
    assert theirs["text"] == "nothing known"
    (begun,) = steps(place, mine, "agent")
    assert [one["text"] for one in begun["body"]["recalled"]] == [fact]
