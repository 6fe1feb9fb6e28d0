"""The office as a world: adding to it, its clock, what changed since the seed, copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import InvalidCall, NotFound, ReconsentNeeded, Unreachable
from connectors.office import Office, OfficeClock, OfficeConnector, seed
from connectors.spec import Account

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
Do = Callable[..., Any]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = seed(tmp_path / "office.db", people=8, weeks=2, now=NOW)
    yield office
    office.close()


@pytest.fixture
def do(office: Office) -> Do:
    """One call as the owner (or `as_`): do("mail.send", key, to=…)."""
    connector = OfficeConnector(office)

    def call(tool: str, key: str | None = None, *, as_: str | None = None, **args: Any) -> Any:
        account = Account(connection_id="mine", subject=as_ or office.owner())
        return connector.call_now(tool, args, account=account, key=key)

    return call


def _dana(office: Office) -> str:
    return next(str(one["address"]) for one in office.people() if one["name"] == "Dana Ruiz")


def test_a_fresh_seed_differs_in_nothing(office: Office) -> None:
    """Nothing was made or changed."""
    assert all(found == [] for found in office.diff().values())


def test_an_invitation_is_one_event_and_a_mail_to_two_is_one_mail(office: Office, do: Do) -> None:
    """Objects count once, however many calendars and mailboxes hold them; notices of the provider stand apart."""
    dana = _dana(office)
    start = {"start": "2026-11-24T10:00:00+00:00", "end": "2026-11-24T10:30:00+00:00"}

    do("calendar.create_event", "k1", title="Talk", attendees=[dana], **start)
    do("mail.send", "k2", to=[dana], cc=[office.people()[0]["address"]], subject="Hello", body="Text.")
    do("chat.send_direct", "k3", to=dana, text="Hi")

    diff = office.diff()
    assert [(one["title"], one["key"]) for one in diff["events"]] == [("Talk", "k1")]
    assert [(one["subject"], one["key"]) for one in diff["mails"]] == [("Hello", "k2")]
    assert [(one["text"], one["to"], one["key"]) for one in diff["messages"]] == [("Hi", [dana], "k3")]
    assert [(one["subject"], one["to"]) for one in diff["notices"]] == [("Invitation: Talk", [dana])]
    assert diff["changed"] == []
    assert [one["key"] for one in office.effects()] == ["k1", "k2", "k3"]


def test_changes_to_seeded_objects_are_named_and_to_new_ones_are_not(office: Office, do: Do) -> None:
    """A seeded mail that was archived is changed; a new event that was moved is simply new."""
    mail = do("mail.search", limit=1)["messages"][0]
    start = {"start": "2026-11-24T10:00:00+00:00", "end": "2026-11-24T10:30:00+00:00"}
    event = do("calendar.create_event", "k1", title="Talk", **start)

    do("mail.archive", "k2", message_id=mail["message_id"])
    do("calendar.update_event", "k3", event_id=event["event_id"], title="Long talk")

    diff = office.diff()
    assert [(one["kind"], one["id"]) for one in diff["changed"]] == [("mail", mail["message_id"])]
    assert [one["title"] for one in diff["events"]] == ["Long talk"]


def test_a_refused_effect_leaves_nothing(office: Office, do: Do) -> None:
    """Half of an effect is never committed."""
    busy = office.add_event(
        organizer=_dana(office),
        title="Taken",
        start=NOW + timedelta(hours=3),
        end=NOW + timedelta(hours=4),
        room=do("calendar.list_rooms")["rooms"][0]["address"],
    )
    before = office.diff()

    with pytest.raises(Exception, match="room is taken"):
        do(
            "calendar.create_event",
            "k1",
            title="Also there",
            start=(NOW + timedelta(hours=3)).isoformat(),
            end=(NOW + timedelta(hours=4)).isoformat(),
            room=do("calendar.get_event", event_id=busy)["room"],
        )

    assert office.diff() == before
    assert office.effects() == []


def test_what_is_added_is_seen_through_the_tools(office: Office, do: Do) -> None:
    """A person, a mail, an event and a message put into the world are found like any other."""
    ines = office.add_person("Inês Araújo", zone="Europe/Lisbon", role="Analyst", team="Finance")
    mail = office.add_mail(author=ines, to=[office.owner()], subject="Budget", body="Can we talk?")
    office.add_mail(author="x@far.example", to=[ines], subject="Re: Budget", body="No.", in_reply_to=mail)
    event = office.add_event(
        organizer=ines,
        title="Budget talk",
        start=NOW + timedelta(days=1),
        end=NOW + timedelta(days=1, minutes=30),
        attendees=[office.owner()],
    )
    office.add_message(channel="#general", author=ines, text="Hello everybody")

    assert ines.startswith("ines.araujo@")
    assert [one["name"] for one in do("directory.list_people", query="ARAUJO")["people"]] == ["Inês Araújo"]
    assert [one["message_id"] for one in do("mail.search", query="budget", unanswered=True)["messages"]] == [mail]
    assert do("calendar.get_event", event_id=event)["attendees"][0]["address"] == office.owner()
    assert do("chat.history", channel="general", limit=1)["messages"][0]["author"] == ines
    assert [one["address"] for one in office.diff()["people"]] == [ines]


def test_a_reset_takes_everything_back(office: Office, do: Do) -> None:
    """After a reset, of the same size and seed, nothing is left of what was done; a given now is the office's time."""
    people = [one["address"] for one in office.people()]
    do("mail.send", "k1", to=["x@far.example"], subject="Gone", body="Text.")
    office.faults.add(tool="*", kind="unreachable")

    office.reset(now=NOW + timedelta(days=30))

    assert [one["address"] for one in office.people()] == people
    assert all(found == [] for found in office.diff().values())
    assert office.effects() == []
    assert office.faults.ordered() == []
    assert abs(office.now() - NOW - timedelta(days=30)) < timedelta(seconds=30)
    office.reset(seed=2)
    assert [one["address"] for one in office.people()] != people


@pytest.mark.parametrize("content", [b"This is no database, but long enough to be looked at as one." * 20, None])
def test_a_file_that_is_no_office_is_named(tmp_path: Path, content: bytes | None) -> None:
    """A file of another kind, or a folder, is Unreachable with the file's name; it is left as it was."""
    path = tmp_path / "office.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with pytest.raises(Unreachable, match="office.db"):
        Office(path)

    assert path.is_dir() if content is None else path.read_bytes() == content


def test_an_automatic_answer_is_no_answer(office: Office, do: Do) -> None:
    """A mail that only a machine answered still awaits a reply, and an approved reply to it stays approved."""
    dana = _dana(office)
    span = {"start": NOW.isoformat(), "end": (NOW + timedelta(days=2)).isoformat()}
    do("mail.set_auto_reply", "k1", as_=dana, subject="Away", body="Back soon.", audience="everyone", **span)

    sent = do("mail.send", "k2", to=[dana], subject="zq", body="Text.")

    assert len(do("mail.get_thread", thread_id=sent["thread_id"])["messages"]) == 2
    assert [one["message_id"] for one in do("mail.search", subject="zq", awaiting_reply=True)["messages"]] == [
        sent["message_id"]
    ]


def test_a_sender_does_not_become_a_person(office: Office, do: Do) -> None:
    """Mail from a stranger arrives, and the directory still does not know them."""
    office.add_mail(author="Stranger@Far.Example", to=[office.owner()], subject="Hi", body="Text.")

    assert do("mail.search", **{"from": "stranger@far.example"})["messages"]
    with pytest.raises(NotFound):
        do("directory.get_person", address="stranger@far.example")


def test_strangers_have_no_account(office: Office, do: Do) -> None:
    """Whoever does not work there cannot read or write."""
    for tool, key in (("directory.list_people", None), ("mail.clear_auto_reply", "k1")):
        with pytest.raises(ReconsentNeeded):
            do(tool, key, as_="x@far.example")


def test_every_process_follows_the_clock(office: Office) -> None:
    """A clock set through one object is read through another, and real time comes back."""
    other = OfficeClock(office.path)
    assert abs(other.now() - NOW) < timedelta(seconds=30)

    office.set_now(NOW + timedelta(days=3))
    assert abs(other.now() - NOW - timedelta(days=3)) < timedelta(seconds=30)

    office.set_now(None)
    assert other.offset() == timedelta(0)


def test_an_office_without_a_clock_file_keeps_real_time(tmp_path: Path) -> None:
    """No office, no offset."""
    assert OfficeClock(tmp_path / "none.db").offset() == timedelta(0)


def test_a_copy_lives_on_its_own(office: Office, do: Do, tmp_path: Path) -> None:
    """What happens on an overlay leaves the original alone, and its clock is the same."""
    do("mail.send", "k1", to=["x@far.example"], subject="Before", body="Text.")
    copy = office.copy_to(tmp_path / "copy.db")

    copy.add_mail(author="x@far.example", to=[office.owner()], subject="After", body="Text.")

    assert [one["subject"] for one in copy.diff()["mails"]] == ["Before", "After"]
    assert [one["subject"] for one in office.diff()["mails"]] == ["Before"]
    assert abs(copy.now() - office.now()) < timedelta(seconds=5)
    copy.close()


def test_an_empty_office_says_so(tmp_path: Path) -> None:
    """Before a seed there is no owner, and the fix says how to get one."""
    office = Office(tmp_path / "empty.db")

    assert not office.is_seeded
    with pytest.raises(NotFound) as caught:
        office.owner()
    assert "reset" in caught.value.fix
    office.close()


def test_a_key_belongs_to_one_set_of_arguments(office: Office, do: Do) -> None:
    """A keyed tool called again with its key and other arguments is a Conflict; an effect without key is refused."""
    do("mail.send", "k1", to=["x@far.example"], subject="One", body="Text.")

    with pytest.raises(Exception, match="other arguments"):
        do("mail.send", "k1", to=["x@far.example"], subject="Two", body="Text.")
    with pytest.raises(InvalidCall):
        do("mail.send", None, to=["x@far.example"], subject="Three", body="Text.")
    assert [one["subject"] for one in office.diff()["mails"]] == ["One"]


def test_chat_has_no_handle_against_a_second_post(office: Office, do: Do) -> None:
    """As at real chat providers, a second post with the same key posts twice; the key shows it."""
    for _ in range(2):
        do("chat.post_message", "k1", channel="#general", text="Twice")

    assert [one["key"] for one in office.diff()["messages"]] == ["k1", "k1"]


def test_an_absent_colleague_answers_automatically(office: Office, do: Do) -> None:
    """While an automatic reply is on, writers get it as a notice in the thread; outside its time they do not."""
    dana = _dana(office)
    span = {"start": NOW.isoformat(), "end": (NOW + timedelta(days=2)).isoformat()}
    do("mail.set_auto_reply", "k1", as_=dana, subject="Away", body="Back soon.", audience="inside", **span)

    sent = do("mail.send", "k2", to=[dana], subject="Hello", body="Text.")
    office.set_now(NOW + timedelta(days=5))
    later = do("mail.send", "k3", to=[dana], subject="Hello again", body="Text.")

    thread = do("mail.get_thread", thread_id=sent["thread_id"])["messages"]
    assert [(one["from"], one["subject"]) for one in thread] == [(office.owner(), "Hello"), (dana, "Away")]
    assert len(do("mail.get_thread", thread_id=later["thread_id"])["messages"]) == 1
    assert do("mail.search", query="away", unanswered=True)["messages"] == []


def test_a_moved_series_moves_whole(office: Office, do: Do) -> None:
    """Moving a series by one of its instances shifts every instance by the same time, and keeps its length."""
    series = do(
        "calendar.create_event",
        "k1",
        title="Weekly zq",
        start="2026-11-24T10:00:00+00:00",
        end="2026-11-24T10:30:00+00:00",
        recurrence="FREQ=WEEKLY;COUNT=3",
        zone="Europe/Lisbon",
    )
    span = {"start": NOW.isoformat(), "end": (NOW + timedelta(days=40)).isoformat()}
    instances = do("calendar.list_events", query="zq", **span)["events"]

    moved = do(
        "calendar.update_event",
        "k2",
        event_id=instances[1]["event_id"],
        scope="series",
        start="2026-12-01T14:00:00+00:00",
    )
    renamed = do("calendar.update_event", "k3", event_id=series["event_id"], title="Other zq")

    starts = [
        (one["start"], one["end"], one["title"]) for one in do("calendar.list_events", query="zq", **span)["events"]
    ]
    assert moved["event_id"] == renamed["event_id"] == series["event_id"]
    assert starts == [
        (f"2026-{day}T14:00:00+00:00", f"2026-{day}T14:30:00+00:00", "Other zq") for day in ("11-24", "12-01", "12-08")
    ]
