"""Facts: who may read them, how long they live, which are recalled first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator.errors import NotEligible, NotFound, UsageError
from orchestrator.store import memories, retention
from orchestrator.store.agent_tables import memories as table
from orchestrator.store.database import Store
from orchestrator.store.memories import Memory, Reader
from tests.store.nouns import ALEX, DANA, NOW, SAM, later

SOURCE = {"kind": "person", "ref": None, "by": ALEX}


def keep(store: Store, text: str, *, scope: str = "person", owner: str = ALEX, by: str = ALEX, **more: Any) -> str:
    """Id of a remembered fact."""
    more.setdefault("now", NOW)
    return store.write(memories.add, scope=scope, owner=owner, text=text, source=SOURCE, created_by=by, **more)


def texts(store: Store, reader: Reader, now: datetime = NOW, **more: Any) -> list[str]:
    with store.read() as tx:
        return [memory.text for memory in memories.list_for(tx, reader, now, **more)]


def recalled(store: Store, words: str, *, person: str = ALEX, now: datetime = NOW, **more: Any) -> list[str]:
    told: dict[str, Any] = {"team": "", "workflow": None, "run_id": None, "limit": 10, **more}
    with store.read() as tx:
        return [memory.text for memory in memories.recall(tx, person=person, words=words, now=now, **told)]


def read(store: Store, memory_id: str, reader: Reader, now: datetime = NOW) -> Memory:
    with store.read() as tx:
        return memories.get(tx, memory_id, reader, now)


def test_a_fact_comes_back_with_its_source_and_label(store: Store) -> None:
    """What was recorded about it is there again, word for word."""
    memory_id = keep(store, " Tea, no coffee ", label={"level": 2}, expires_at=later(days=3))

    fact = read(store, memory_id, Reader(person=ALEX))

    assert (fact.text, fact.scope, fact.owner) == ("Tea, no coffee", "person", ALEX)
    assert (fact.source, fact.label, fact.created_by) == (SOURCE, {"level": 2}, ALEX)
    assert (fact.created_at, fact.expires_at) == (NOW, later(days=3))


@pytest.mark.parametrize("admin", [False, True])
def test_another_persons_fact_is_unreadable(store: Store, admin: bool) -> None:
    """By id, in lists and in recalls it is not there, for an admin neither, and cannot be changed."""
    memory_id = keep(store, "looks for another job")
    other = Reader(person=DANA, team="sales", is_admin=admin)

    with pytest.raises(NotFound):
        read(store, memory_id, other)
    with pytest.raises(NotFound):
        store.write(memories.edit, memory_id, other, NOW, text="x", source=SOURCE)
    with pytest.raises(NotFound):
        store.write(memories.forget, memory_id, other, NOW)
    assert texts(store, other) == []
    assert recalled(store, "job", person=DANA, team="sales") == []
    assert recalled(store, "job") == ["looks for another job"]


def test_a_persons_fact_written_by_another_is_the_persons(store: Store) -> None:
    """Who wrote it does not keep it; whom it is about does."""
    keep(store, "likes short mails", owner=DANA, by=ALEX)

    assert texts(store, Reader(person=DANA)) == ["likes short mails"]
    assert texts(store, Reader(person=ALEX)) == []


def test_a_teams_fact_is_read_by_its_members(store: Store) -> None:
    """Members read it, others do not; its writer or an admin changes it."""
    memory_id = keep(store, "Fridays without meetings", scope="team", owner="sales")

    assert texts(store, Reader(person=DANA, team="sales")) == ["Fridays without meetings"]
    assert texts(store, Reader(person=SAM, team="legal")) == []
    assert texts(store, Reader(person=SAM)) == []
    with pytest.raises(NotEligible):
        store.write(memories.forget, memory_id, Reader(person=DANA, team="sales"), NOW)
    store.write(memories.forget, memory_id, Reader(person=DANA, team="sales", is_admin=True), NOW)
    assert texts(store, Reader(person=DANA, team="sales")) == []


def test_a_runs_fact_is_read_within_its_tree(store: Store) -> None:
    """Another tree does not see it, even the same person's; the person who asked may list and forget it."""
    keep(store, "the room is 4.12", scope="run", owner="item_one")

    assert recalled(store, "room", run_id="item_one") == ["the room is 4.12"]
    assert recalled(store, "room", run_id="item_two") == []
    assert texts(store, Reader(person=ALEX)) == ["the room is 4.12"]
    assert texts(store, Reader(person=DANA)) == []


def test_a_workflows_fact_is_its_writers_unless_it_is_shared(store: Store) -> None:
    """A person reads their own and those that an admin wrote for everybody, of the workflow that runs."""
    keep(store, "mine", scope="workflow", owner="plan-call", by=ALEX)
    keep(store, "theirs", scope="workflow", owner="plan-call", by=DANA)
    keep(store, "for all", scope="workflow", owner="plan-call", by=SAM, is_shared=True)
    keep(store, "elsewhere", scope="workflow", owner="cancel-call", by=ALEX)

    assert sorted(texts(store, Reader(person=ALEX, workflow="plan-call"))) == ["for all", "mine"]
    assert sorted(texts(store, Reader(person=ALEX))) == ["elsewhere", "for all", "mine"]
    assert sorted(recalled(store, "", workflow="plan-call")) == ["for all", "mine"]
    assert recalled(store, "") == []


def test_an_expired_fact_is_never_returned(store: Store) -> None:
    """From its last instant on it is gone, by id, in lists and in recalls, and its words may be kept anew."""
    memory_id = keep(store, "on holiday", expires_at=later(days=2))
    me = Reader(person=ALEX)

    assert texts(store, me, later(days=1)) == ["on holiday"]
    assert texts(store, me, later(days=2)) == []
    assert recalled(store, "holiday", now=later(days=2)) == []
    with pytest.raises(NotFound):
        read(store, memory_id, me, later(days=2))
    assert keep(store, "on holiday", now=later(days=3)) != memory_id
    assert texts(store, me, later(days=3)) == ["on holiday"]


def test_the_same_words_are_one_fact(store: Store) -> None:
    """A re-run that remembers again meets its own; the first label stays."""
    first = keep(store, "likes tea", label={"level": 0})
    again = keep(store, "likes tea", label={"level": 4}, now=later(minutes=1))

    assert first == again
    assert read(store, first, Reader(person=ALEX)).label == {"level": 0}
    assert keep(store, "likes tea", owner=DANA) != first


def test_an_edit_changes_words_and_source(store: Store) -> None:
    """The words are the editor's own now: the label of the old ones goes, and the old ones may be kept again."""
    memory_id = keep(store, "likes tea", label={"level": 0})

    changed = store.write(
        memories.edit, memory_id, Reader(person=ALEX), NOW, text="likes coffee", source={"kind": "edit"}
    )

    assert (changed.memory_id, changed.text, changed.source, changed.label) == (
        memory_id,
        "likes coffee",
        {"kind": "edit"},
        None,
    )
    assert keep(store, "likes tea", now=later(minutes=1)) != memory_id


def test_recall_ranks_by_shared_words_then_by_age(store: Store) -> None:
    """Rare words count for more; among equals the newest is first; what shares nothing stays away; plurals are one word."""
    for age, text in enumerate(
        (
            "Prefers meetings in the morning",
            "Budget review is led by Dana",
            "Meetings with Dana are at most 30 minutes",
            "Prefers meetings at the window",
            "Coffee is bad",
        )
    ):
        keep(store, text, now=later(minutes=age))
    now = later(days=1)

    assert recalled(store, "Plan a meeting with Dana, please", now=now) == [
        "Meetings with Dana are at most 30 minutes",
        "Budget review is led by Dana",
        "Prefers meetings at the window",
        "Prefers meetings in the morning",
    ]
    assert recalled(store, "a meeting with Dana", now=now, limit=1) == ["Meetings with Dana are at most 30 minutes"]
    assert recalled(store, "quarterly figures", now=now) == []
    assert recalled(store, "", now=now, limit=2) == ["Coffee is bad", "Prefers meetings at the window"]


def test_lists_page_through_every_fact_once(store: Store) -> None:
    """Newest first, in pages, facts of one instant included."""
    for number in range(7):
        keep(store, f"fact {number}", now=later(minutes=number // 3))
    me = Reader(person=ALEX)
    seen: list[str] = []
    last: str | None = None
    while True:
        with store.read() as tx:
            page = memories.list_for(tx, me, later(days=1), limit=3, after=last)
        if not page:
            break
        seen += [fact.text for fact in page]
        last = page[-1].memory_id

    assert sorted(seen) == [f"fact {number}" for number in range(7)]
    assert seen[0] == "fact 6"
    assert texts(store, me, scope="team") == []


@pytest.mark.parametrize("text", ["", "  ", "a\x00b", "x" * 2001])
def test_a_text_that_cannot_be_kept_is_refused(store: Store, text: str) -> None:
    """Nothing, and more than 2,000 characters, are refused in words."""
    with pytest.raises(UsageError) as refused:
        keep(store, text)

    assert refused.value.fix
    assert texts(store, Reader(person=ALEX)) == []


@pytest.mark.parametrize(
    "wrong", [{"scope": "planet"}, {"owner": ""}, {"expires_at": NOW}], ids=["scope", "owner", "expired"]
)
def test_a_fact_of_nobody_or_for_no_time_is_refused(store: Store, wrong: dict[str, Any]) -> None:
    """Each with what would do."""
    with pytest.raises(UsageError) as refused:
        keep(store, "a fact", **wrong)

    assert refused.value.fix


def test_too_many_facts_of_one_owner_are_refused(store: Store) -> None:
    """The error names the oldest one; other owners and expired facts do not count."""
    keep(store, "long ago", now=later(days=-9), expires_at=later(days=-1))
    rows = [
        {
            "tenant_id": "default",
            "memory_id": f"mem_{number:04}",
            "scope": "person",
            "owner": ALEX,
            "text": f"fact {number}",
            "source": {},
            "created_by": ALEX,
            "shared": False,
            "created_at": later(seconds=number),
        }
        for number in range(memories.MOST)
    ]
    with store.tx() as tx:
        tx.c.execute(sa.insert(table), rows)

    with pytest.raises(UsageError) as refused:
        keep(store, "one more", now=later(days=1))

    assert "mem_0000" in refused.value.fix
    keep(store, "one of Dana's", owner=DANA)
    store.write(memories.forget, "mem_0000", Reader(person=ALEX), later(days=1))
    keep(store, "one more", now=later(days=1))


def test_another_tenants_facts_are_not_there(sqlite_url: str) -> None:
    """Two tenants in one database do not share what they remember."""
    ours, theirs = Store.open(sqlite_url), Store.open(sqlite_url, tenant_id="other")
    memory_id = keep(ours, "ours")

    with pytest.raises(NotFound):
        read(theirs, memory_id, Reader(person=ALEX))
    assert texts(theirs, Reader(person=ALEX)) == []
    ours.close()
    theirs.close()


def test_retention_forgets_what_expired_long_ago(store: Store) -> None:
    """Facts without an end stay; expired ones go after their time."""
    keep(store, "for good")
    keep(store, "for a day", expires_at=later(days=1))

    assert store.write(retention.sweep, later(days=50), retention.Policy())["memories"] == 0
    assert store.write(retention.sweep, later(days=92), retention.Policy())["memories"] == 1
    assert texts(store, Reader(person=ALEX), later(days=92)) == ["for good"]
