"""Who could have read what a piece of work has read: told by its logs, of every agent in the tree, and by nothing but known rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from orchestrator.domain.item import Origin
from orchestrator.domain.principal import Principal
from orchestrator.store import retention, steplog
from orchestrator.store.database import Store
from policies.listeners import EVERY_COLLEAGUE, Readers
from tests.agents.cast import ODD, Script, cast, delegate, hire, supervise
from tests.agents.puppet import Asked, Call, Says, finish, puppet
from tests.e2e.place import DANA, Place

WEEK = {"start": "2026-11-23T00:00:00+00:00", "end": "2026-11-28T00:00:00+00:00"}
FREE = Call("calendar_freebusy", {**WEEK, "people": ["alex@northwind.example"]})
MAILS = Call("mail_search", {"from": DANA})


def readers(place: Place, document: dict[str, Any], who: Principal | None = None) -> frozenset[Readers] | None:
    return place.desk.slack.readers_of(who or place.me, document)


def reads(*calls: Call) -> Script:
    """An agent that makes these calls at once, and is done."""

    def script(asked: Asked) -> Says:
        return list(calls) if asked.turn == 0 else finish("I have looked.")

    return script


def of_me(call: Call, place: Place) -> Call:
    return Call(call.name, {**call.args, "people": [place.me.principal_id]})


def run(place: Place, script: Script, **options: Any) -> dict[str, Any]:
    with puppet(script) as model:
        place.set(model="openai:puppet", model_base_url=model.url)
        done = place.ask(ODD, **options)
    assert done["state"] == "done", done["error"]
    return done


def looker(place: Place, *calls: Call) -> dict[str, Any]:
    hire(place, "looker", ["calendar.freebusy", "mail.search", "memory.recall"])
    return run(place, reads(*calls), agent="looker")


def test_free_times_of_colleagues_are_every_colleagues(place: Place) -> None:
    """A saved workflow and an agent alike."""
    colleague = next(one for one in place.desk.people() if one["inside"] and one["address"] != place.me.principal_id)
    by_workflow = place.ask(f"Find 45 minutes for {colleague['name']} and me")
    by_agent = looker(place, of_me(FREE, place))

    assert by_workflow["route"] != "agent"
    assert readers(place, by_workflow) == {EVERY_COLLEAGUE}
    assert readers(place, by_agent) == {EVERY_COLLEAGUE}


def test_a_mail_has_the_readers_it_names(place: Place) -> None:
    """Beside what every colleague may read: both count."""
    done = looker(place, of_me(FREE, place), MAILS)

    found = readers(place, done)

    assert found is not None
    assert EVERY_COLLEAGUE in found
    assert {DANA, place.me.principal_id} <= frozenset().union(*found)


def test_what_a_task_agent_reads_counts_for_all(place: Place) -> None:
    """A supervisor that read nothing itself; and a child whose read has no readers closes the whole tree."""
    open_one = run(
        place,
        cast(supervise(delegate("free", "calendar.freebusy")), free=reads(of_me(FREE, place))),
    )
    unread = Call("mail_search", {"unread": True})
    closed = run(
        place,
        cast(
            supervise(delegate("free", "calendar.freebusy"), delegate("mail", "mail.search")),
            free=reads(of_me(FREE, place)),
            mail=reads(unread),
        ),
    )

    assert readers(place, open_one) == {EVERY_COLLEAGUE}
    assert readers(place, closed) is None


def test_what_is_remembered_is_nobodys_else(place: Place) -> None:
    """Recalled by the agent, or told to it at the start."""
    asked_for = looker(place, of_me(FREE, place), Call("memory_recall", {"query": "week"}))
    place.desk.memories.add(place.me, "my week is busy with the doctor", scope="person")
    told = looker(place, of_me(FREE, place))

    assert readers(place, asked_for) is None
    assert readers(place, told) is None


def test_only_the_requesters_own_words_are_told_on(place: Place) -> None:
    """A remark by another person, and a request that no person made, close; one's own remark does not."""
    hire(place, "looker", ["calendar.freebusy"])
    admin = Principal(**{**_fields(place.me), "principal_id": "root@northwind.example"})
    found = []
    for who, origin in ((place.me, Origin.HUMAN), (admin, Origin.HUMAN), (None, Origin.SCHEDULE), (None, Origin.AGENT)):
        item_id = place.desk.submit(place.me, ODD, origin=origin, options={"agent": "looker"})
        if who is not None:
            place.desk.nudge(who, item_id, "this week")
        with puppet(reads(of_me(FREE, place))) as model:
            place.set(model="openai:puppet", model_base_url=model.url)
            place.work()
        found.append(readers(place, place.item(item_id)))

    assert found == [{EVERY_COLLEAGUE}, None, None, None]


def _fields(who: Principal) -> dict[str, Any]:
    return {name: getattr(who, name) for name in Principal.__dataclass_fields__}


def test_what_was_forgotten_was_read_all_the_same(place: Place) -> None:
    """Once its log had its time, who could have read it is not known any more."""
    done = looker(place, of_me(FREE, place))
    assert readers(place, done) == {EVERY_COLLEAGUE}

    store = Store.open(place.settings.store_url, name="sweeper")
    store.write(retention.sweep, place.office.now() + timedelta(days=400), retention.Policy())
    store.close()

    assert readers(place, done) is None


ROWS: list[tuple[str, Any, bool]] = [
    # what a model made of what was read
    ("reply", {"text": "fine"}, True),
    # a kind of row that nobody here knows, and rows that do not say what they hold
    ("novelty", {"text": "fine"}, False),
    ("read", {"tool": "calendar.freebusy"}, False),
    ("read", {"tool": "web.get_page", "args": {}, "result": {"readers": None}}, False),
    ("read", None, False),
    ("result", {"tool": "memory.remember", "value": {}}, False),
    ("nudge", {"text": "fine", "by": "sam@northwind.example", "human": True}, False),
    ("effect", {"tool": "calendar.freebusy", "args": {}, "result": {}}, False),
]


@pytest.mark.parametrize(("kind", "body", "is_open"), ROWS)
def test_a_row_that_is_not_understood_closes(place: Place, kind: str, body: Any, is_open: bool) -> None:
    """One more row on the log of work that was everybody's."""
    done = looker(place, of_me(FREE, place))
    (run_id,) = done["runs"]

    store = Store.open(place.settings.store_url, name="writer")
    store.write(steplog.add, run_id, 1, [steplog.Row(kind=kind, key="more", body=body)], place.office.now())
    store.close()

    assert readers(place, done) == ({EVERY_COLLEAGUE} if is_open else None)


def test_whoever_did_not_ask_is_told_nothing_of_it(place: Place) -> None:
    """The rule is about the requester's own post."""
    done = looker(place, of_me(FREE, place))
    other = Principal(**{**_fields(place.me), "principal_id": "sam@northwind.example"})

    assert readers(place, done, other) is None


@pytest.mark.parametrize("what", ["effects", "approvals"])
def test_what_changed_something_is_the_askers(place: Place, what: str) -> None:
    """Done, refused or asked: that is told to whoever asked."""
    done = looker(place, of_me(FREE, place))

    assert readers(place, {**done, what: [{"tool": "mail.send"}]}) is None


PREFERRING = """\
name: my-ways
version: 1.0.0
title: Say what I prefer
description: Tells of preferences.
examples:
  - Say what ways I like
near_misses:
  - Like what I say
grant: []
slots: {{}}
steps:
  - id: found
    call: directory.list_people
    args: {{}}
    says: I look.
{step}text: "{text}"
output:
  people: "{{{{ found.people }}}}"
"""


@pytest.mark.parametrize(
    ("step", "text", "is_open"),
    [
        ("", "You set {{ preferences }}.", False),
        ("", "You set {{ {'it': 1}['it'] ~ preferences }}.", False),
        ("", "You set {{ slot_preferences() }}.", False),
        ('  - id: set\n    value: "{{ preferences }}"\n    says: I tell.\n', "You set {{ set }}.", False),
        ("", "These are your ways.", True),
    ],
)
def test_preferences_are_not_written_out(place: Place, step: str, text: str, is_open: bool) -> None:
    """They narrow the times that are found; a workflow of one's own that says them is answered in private."""
    folder = place.home / "workflows"
    folder.mkdir()
    (folder / "my-ways.yaml").write_text(PREFERRING.format(step=step, text=text))

    done = place.ask("Say what ways I like")

    assert done["state"] == "done", done["error"]
    assert readers(place, done) == ({EVERY_COLLEAGUE} if is_open else None)
