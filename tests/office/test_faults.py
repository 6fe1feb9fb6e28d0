"""Faults to order: each kind does what its line says, as often and as late as ordered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import OutcomeUnknown, RateLimited, ReconsentNeeded, Unreachable
from connectors.office import Fault, Office, OfficeConnector, seed
from connectors.spec import Account

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = seed(tmp_path / "office.db", people=8, weeks=1, now=NOW)
    yield office
    office.close()


def _call(office: Office, tool: str, key: str | None = None, **args: Any) -> Any:
    account = Account(connection_id="mine", subject=office.owner())
    return OfficeConnector(office).call_now(tool, args, account=account, key=key)


def _post(office: Office, key: str) -> Any:
    return _call(office, "chat.post_message", key, channel="#general", text=f"zq {key}")


def _keys(office: Office) -> list[str]:
    return [str(one["key"]) for one in office.diff()["messages"]]


def test_a_fault_strikes_as_often_and_as_late_as_ordered(office: Office) -> None:
    """after=1, times=2: the first call passes, the next two fail, the fourth passes."""
    office.faults.add(tool="chat.post_message", kind=Fault.UNREACHABLE, times=2, after=1)

    struck = []
    for key in ("k1", "k2", "k3", "k4"):
        try:
            _post(office, key)
        except Unreachable:
            struck.append(key)

    assert struck == ["k2", "k3"]
    assert _keys(office) == ["k1", "k4"]
    assert office.faults.ordered() == []


def test_other_tools_are_spared_and_families_and_all_are_not(office: Office) -> None:
    """A fault names one tool, "family.*" or "*"."""
    office.faults.add(tool="mail.*", kind=Fault.UNREACHABLE, times=-1)
    _post(office, "k1")
    with pytest.raises(Unreachable):
        _call(office, "mail.search")

    office.faults.add(tool="*", kind=Fault.RECONSENT)
    with pytest.raises(ReconsentNeeded):
        _post(office, "k2")

    office.faults.clear()
    assert _call(office, "mail.search")["messages"]


@pytest.mark.parametrize(("kind", "happened"), [(Fault.TIMEOUT_AFTER_COMMIT, 1), (Fault.TIMEOUT_BEFORE_COMMIT, 0)])
def test_a_time_out_leaves_the_caller_in_doubt(office: Office, kind: Fault, happened: int) -> None:
    """The caller hears the same either way; the office knows what happened."""
    office.faults.add(tool="chat.post_message", kind=kind)

    with pytest.raises(OutcomeUnknown):
        _post(office, "k1")

    assert len(_keys(office)) == happened
    assert len(office.effects()) == happened


def test_a_rate_limit_says_when_to_come_back(office: Office) -> None:
    """Nothing happened, and the wait is the provider's own word."""
    office.faults.add(kind="rate_limit", seconds=17.0)

    with pytest.raises(RateLimited) as caught:
        _post(office, "k1")

    assert caught.value.retry_after_s == 17.0
    assert _keys(office) == []


def test_a_duplicate_delivery_is_one_mail_with_two_copies(office: Office) -> None:
    """The reader finds two messages of one thread; the world has one mail."""
    office.faults.add(tool="mail.send", kind=Fault.DUPLICATE_DELIVERY)

    _call(office, "mail.send", "k1", to=[office.owner(), "x@far.example"], subject="zq", body="Text.")
    other = next(one["address"] for one in office.people() if one["inside"] and one["address"] != office.owner())
    office.faults.add(tool="mail.send", kind=Fault.DUPLICATE_DELIVERY)
    _call(office, "mail.send", "k2", to=[other], subject="zq", body="Text.")

    account = Account(connection_id="theirs", subject=other)
    found = OfficeConnector(office).call_now("mail.search", {"subject": "zq"}, account=account, key=None)
    assert isinstance(found, dict)
    messages: Any = found["messages"]
    assert [message["message_id"] for message in messages] == ["msg_k2~2", "msg_k2"]
    assert len({message["thread_id"] for message in messages}) == 1
    assert [mail["key"] for mail in office.diff()["mails"]] == ["k1", "k2"]


def test_what_lags_is_found_by_id_at_once_and_by_search_later(office: Office) -> None:
    """Eventual consistency: searches and lists catch up after the time ordered."""
    office.faults.add(tool="*", kind=Fault.LAG, times=3, seconds=60)
    start = {"start": "2026-11-24T10:00:00+00:00", "end": "2026-11-24T10:30:00+00:00"}
    span = {"start": "2026-11-24T00:00:00+00:00", "end": "2026-11-25T00:00:00+00:00"}

    def found() -> list[int]:
        return [
            len(_call(office, "chat.search", query="zq")["messages"]),
            len(_call(office, "mail.search", query="zq", label="draft")["messages"]),
            len(_call(office, "calendar.list_events", query="zq", **span)["events"]),
        ]

    post = _post(office, "k1")
    draft = _call(office, "mail.create_draft", "k2", to=[], subject="zq", body="Text.")
    event = _call(office, "calendar.create_event", "k3", title="zq", **start)

    assert found() == [0, 0, 0]
    assert _call(office, "chat.get_thread", message_id=post["message_id"])["messages"]
    assert _call(office, "mail.get_message", message_id=draft["draft_id"])["subject"] == "zq"
    assert _call(office, "calendar.get_event", event_id=event["event_id"])["title"] == "zq"
    office.set_now(NOW + timedelta(seconds=90))
    assert found() == [1, 1, 1]


def test_a_stale_read_misses_the_newest(office: Office) -> None:
    """One search overlooks what was just made; the next one does not."""
    _post(office, "k1")
    office.faults.add(tool="chat.search", kind=Fault.STALE_READ, seconds=30)

    assert _call(office, "chat.search", query="zq")["messages"] == []
    assert len(_call(office, "chat.search", query="zq")["messages"]) == 1


def test_a_refused_call_does_not_use_up_a_fault(office: Office) -> None:
    """A fault ordered for an effect waits for one that gets so far."""
    office.faults.add(tool="chat.post_message", kind=Fault.TIMEOUT_AFTER_COMMIT)

    with pytest.raises(Exception, match="no channel"):
        _call(office, "chat.post_message", "k1", channel="#nowhere", text="Text.")
    with pytest.raises(OutcomeUnknown):
        _post(office, "k2")

    assert _keys(office) == ["k2"]
