"""Files and scheduled messages in the office: delivered by its clock, to followers too, and kept by an older office's file."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import Conflict, Unreachable
from connectors.office import Office, OfficeConnector, seed
from connectors.office.schema import VERSION
from connectors.spec import Account

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
AT_NINE = "2026-11-23T09:00:00+00:00"
Do = Callable[..., Any]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = seed(tmp_path / "office.db", people=8, weeks=2, now=NOW)
    yield office
    office.close()


def _do(office: Office, tool: str, key: str | None = None, *, as_: str | None = None, **args: Any) -> Any:
    account = Account(connection_id="mine", subject=as_ or office.owner())
    return OfficeConnector(office).call_now(tool, args, account=account, key=key)


def _colleague(office: Office) -> str:
    return next(str(one["address"]) for one in office.people() if one["inside"] and one["address"] != office.owner())


def _new(office: Office, cursor: str | None) -> tuple[list[str], str]:
    account = Account(connection_id="theirs", subject=_colleague(office))
    changes = asyncio.run(OfficeConnector(office).changes("chat", account=account, cursor=cursor))
    return [str(one.record["text"]) for one in changes.changes], changes.cursor


def test_who_follows_the_chat_hears_of_it_at_its_moment(office: Office) -> None:
    """Not when it is scheduled, and once when it is due; another process's office sees the same."""
    _, cursor = _new(office, None)
    _do(office, "chat.schedule_message", "k1", channel="#general", text="Stand-up now", send_at=AT_NINE)

    before, cursor = _new(office, cursor)
    office.set_now(NOW + timedelta(hours=1, seconds=1))
    at_its_moment, cursor = _new(Office(office.path), cursor)
    again, _ = _new(office, cursor)

    assert (before, at_its_moment, again) == ([], ["Stand-up now"], [])


def test_an_answer_for_later_counts_once_it_is_there(office: Office) -> None:
    """The thread's first message counts the answers that readers see."""
    first = _do(office, "chat.post_message", "k1", channel="#general", text="Who comes?")
    where = {"channel": first["channel"], "thread_id": first["message_id"]}
    _do(office, "chat.schedule_message", "k2", text="I do", send_at=AT_NINE, **where)

    def counted() -> tuple[int, int]:
        thread = _do(office, "chat.get_thread", message_id=first["message_id"])["messages"]
        return thread[0]["reply_count"], len(thread)

    before = counted()
    office.set_now(NOW + timedelta(hours=2))

    assert (before, counted()) == ((0, 1), (1, 2))


def test_what_is_scheduled_stands_apart_in_the_diff(office: Office) -> None:
    """Until its moment it is no message; cancelled, it is neither."""
    kept = _do(office, "chat.schedule_message", "k1", channel="#general", text="Kept", send_at=AT_NINE)
    lost = _do(office, "chat.schedule_message", "k2", channel="#general", text="Lost", send_at=AT_NINE)

    _do(office, "chat.cancel_scheduled", "k3", scheduled_id=lost["scheduled_id"])
    before = office.diff()
    office.set_now(NOW + timedelta(hours=2))
    after = office.diff()

    assert [one["scheduled_id"] for one in before["scheduled"]] == [kept["scheduled_id"]]
    assert before["messages"] == []
    assert [one["text"] for one in after["messages"]] == ["Kept"]
    assert after["scheduled"] == []


def test_a_message_cannot_be_named_before_its_moment(office: Office) -> None:
    """Whoever guesses the id of the message to come reads, changes and deletes nothing."""
    made = _do(office, "chat.schedule_message", "k1", channel="#general", text="Soon", send_at=AT_NINE)
    message_id = made["scheduled_id"].replace("sch_", "cm_")

    for tool, key in (("chat.get_thread", None), ("chat.delete_message", "k2"), ("chat.add_reaction", "k3")):
        args = {"message_id": message_id} | ({"name": "eyes"} if tool == "chat.add_reaction" else {})
        with pytest.raises(Exception, match="there is no chat message"):
            _do(office, tool, key, **args)


def test_what_was_posted_is_not_cancelled(office: Office) -> None:
    """A Conflict that says how to take the message back, which stays."""
    made = _do(office, "chat.schedule_message", "k1", channel="#general", text="Zebra crossing", send_at=AT_NINE)
    office.set_now(NOW + timedelta(hours=2))

    with pytest.raises(Conflict) as caught:
        _do(office, "chat.cancel_scheduled", "k2", scheduled_id=made["scheduled_id"])

    assert "chat.delete_message" in caught.value.fix
    assert len(_do(office, "chat.search", query="Zebra crossing")["messages"]) == 1


def test_a_deleted_message_takes_its_file_along(office: Office) -> None:
    """Neither listed nor read any more."""
    posted = _do(office, "chat.send_file", "k1", channel="#general", name="plan.txt", content="The plan")

    _do(office, "chat.delete_message", "k2", message_id=posted["message_id"])

    assert _do(office, "chat.list_files", query="plan")["files"] == []


# ---- an office of an earlier version ---------------------------------------------------------------------------------


def _of_version_1(path: Path) -> None:
    """A file as version 1 wrote it: this version's, without what came since."""
    with sqlite3.connect(path) as c:
        c.execute("drop index messages_due")
        c.execute("drop table files")
        c.execute("alter table messages drop column due_at")
        c.execute("alter table events drop column conference_url")
        c.execute("update meta set value = '1' where name = 'schema'")
        c.execute("pragma user_version = 1")


def _contents(path: Path) -> dict[str, list[Any]]:
    with sqlite3.connect(path) as c:
        tables = [row[0] for row in c.execute("select name from sqlite_master where type = 'table' order by name")]
        columns = {table: [row[1] for row in c.execute(f"pragma table_info({table})")] for table in tables}
        new = ("due_at", "conference_url")
        return {
            table: c.execute(
                f"select {', '.join(one for one in columns[table] if one not in new)} from {table}"
            ).fetchall()
            for table in tables
            if table not in ("files", "meta")
        }


def test_an_earlier_office_keeps_everything(office: Office, tmp_path: Path) -> None:
    """Opened by this version, it holds what it held, takes files, and says its version."""
    _do(office, "chat.post_message", "k1", channel="#general", text="From before")
    path = tmp_path / "old.db"
    office.copy_to(path).close()
    _of_version_1(path)
    before = _contents(path)

    migrated = Office(path)

    assert _contents(path) == before
    with sqlite3.connect(path) as c:
        assert c.execute("pragma user_version").fetchone() == (VERSION,)
    assert [one["text"] for one in _do(migrated, "chat.search", query="From before")["messages"]] == ["From before"]
    _do(migrated, "chat.send_file", "k2", channel="#general", name="new.txt", content="New")
    assert len(_do(migrated, "chat.list_files", query="new.txt")["files"]) == 1
    migrated.close()


def test_many_open_an_earlier_office_at_once(office: Office, tmp_path: Path) -> None:
    """It is brought up to date once, and none of them fails."""
    path = tmp_path / "old.db"
    office.copy_to(path).close()
    _of_version_1(path)

    with ThreadPoolExecutor(8) as pool:
        owners = list(pool.map(lambda _: Office(path).owner(), range(8)))

    assert set(owners) == {office.owner()}


def test_a_later_office_is_left_alone(office: Office, tmp_path: Path) -> None:
    """A file of a version nobody knows yet is refused, and unchanged."""
    path = tmp_path / "later.db"
    office.copy_to(path).close()
    with sqlite3.connect(path) as c:
        c.execute(f"pragma user_version = {VERSION + 1}")
    before = json.dumps(_contents(path))

    with pytest.raises(Unreachable):
        Office(path)

    assert json.dumps(_contents(path)) == before
