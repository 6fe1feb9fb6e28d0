"""Standing orders: what is new in an account asks for something, each new thing once, and nobody else speaks in the request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from connectors.errors import RateLimited, ReconsentNeeded, Unreachable
from connectors.office import OfficeConnector
from connectors.spec import Account, Changes
from orchestrator import app, clock
from orchestrator.domain.principal import Principal
from orchestrator.domain.trigger import Trigger, check_request, condition
from orchestrator.engine.followers import Followers
from orchestrator.errors import Conflict, NotEligible, NotFound, UsageError
from orchestrator.gate.toolbox import Toolbox
from orchestrator.store import connections, triggers
from orchestrator.store.connections import Connection
from orchestrator.store.database import Store
from orchestrator.store.writer import Writer
from tests.e2e.place import DANA, Place

BUSY = "what is on my calendar tomorrow"
FIELDS = {"message_id": "id", "from": "attested", "to": "attested", "subject": "text"}


def invoices(place: Place, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"on": "mail", "where": ["subject~invoice"], "request": BUSY} | more
    return place.desk.triggers.add(place.me, given.pop("name", "invoices"), **given)


async def account(connection: Connection) -> Account:
    return Account(connection_id=connection.connection_id, subject=connection.subject)


def colleague(place: Place) -> str:
    return next(
        str(one["address"])
        for one in place.office.people()
        if one["inside"] and one["address"] != place.me.principal_id
    )


def do(place: Place, who: str, tool: str, args: dict[str, Any]) -> Any:
    """Something that a colleague does."""
    mine = Account(connection_id="theirs", subject=who)
    return OfficeConnector(place.office).call_now(tool, args, account=mine, key=uuid4().hex)


def look(place: Place, *, times: int = 1, worker: str = "w1", connector: Any = None) -> int:
    """What a following worker does, once."""
    store = Store.open(place.settings.store_url)
    writer = Writer(store)
    tools = Toolbox([connector or OfficeConnector(place.office)])
    try:
        one = Followers(writer, worker, lambda: tools, account, wait_s=0.0)
        return sum(asyncio.run(one.once()) for _ in range(times))
    finally:
        writer.close()
        store.close()


def asked(place: Place) -> list[dict[str, Any]]:
    return [item for item in place.desk.items(place.me)["items"] if item["origin"] == "trigger"]


# ---- what is new asks ------------------------------------------------------------------------------------------------
def test_new_mail_that_meets_the_rule_is_a_request_once(any_place: Place) -> None:
    """What was there before asks nothing; what comes asks once, however often it is looked at and after a restart."""
    place = any_place
    place.office.add_mail(author=DANA, to=[place.me.principal_id], subject="Invoice 1", body="old")
    invoices(place)
    assert look(place) == 0

    place.office.add_mail(author=DANA, to=[place.me.principal_id], subject="Invoice 2", body="new")
    place.office.add_mail(author=DANA, to=[place.me.principal_id], subject="Lunch?", body="new")
    assert look(place, times=3) == 1
    place.restart()
    assert look(place) == 0

    (item,) = asked(place)
    assert item["request"] == BUSY and item["requester"] == place.me.principal_id
    place.work()
    assert place.item(item["item_id"])["state"] == "done"
    assert [one["asked"] for one in place.desk.triggers.all(place.me)] == [1]


def test_events_and_messages_are_followed_too(place: Place) -> None:
    """A new event, its change, and a message in a channel: each is one request, with the ids that name it."""
    mate = colleague(place)
    place.desk.triggers.add(place.me, "calls", on="calendar", where=["title~zebra"], request="look at {event_id}")
    place.desk.triggers.add(place.me, "talk", on="chat", where=["text~zebra"], request="look at {message_id}")
    look(place)
    start, end = "2026-11-26T10:00:00+00:00", "2026-11-26T10:30:00+00:00"
    times = {"start": start, "end": end, "attendees": [place.me.principal_id]}
    event = do(place, mate, "calendar.create_event", {"title": "Zebra call", **times})
    do(place, mate, "chat.post_message", {"channel": "#general", "text": "a zebra, everybody"})
    assert look(place, times=2) == 2
    place.later(timedelta(seconds=2))
    do(place, mate, "calendar.update_event", {"event_id": event["event_id"], "title": "Zebra call, moved"})
    assert look(place, times=2) == 1

    told = sorted(item["request"].split()[2].split("_")[0] for item in asked(place))
    assert told == ["cm", "evt", "evt"]


def test_two_workers_that_read_the_same_page_ask_once(any_place: Place) -> None:
    """The second one meets the cursor that the first has moved, and writes nothing."""
    place = any_place
    invoices(place)
    look(place)
    place.office.add_mail(author=DANA, to=[place.me.principal_id], subject="Invoice 3", body="new")
    store = Store.open(place.settings.store_url)
    office = OfficeConnector(place.office)
    mine = Account(connection_id="c", subject=place.me.principal_id)
    with store.read() as tx:
        ((one, family),) = triggers.wanted(tx)
    with store.tx() as tx:
        known = triggers.take(tx, one, family, "w1", clock.now(), app.LINGER)
        assert known is not None
        assert triggers.take(tx, one, family, "w2", clock.now(), app.LINGER) is None
    page = asyncio.run(office.changes("mail", account=mine, cursor=known.cursor))
    with store.tx() as tx:
        assert len(triggers.take_in(tx, known, page, mine.subject, clock.now()) or ()) == 1
    with store.tx() as tx:
        assert triggers.take_in(tx, known, page, mine.subject, clock.now()) is None
    store.close()
    assert len(asked(place)) == 1


def test_a_provider_that_starts_over_asks_nothing_twice(place: Place) -> None:
    """A page that holds known changes again, as after an expired token, makes no second request."""
    invoices(place)
    look(place)
    place.office.add_mail(author=DANA, to=[place.me.principal_id], subject="Invoice 4", body="new")
    look(place)

    class Over(OfficeConnector):
        async def changes(self, family: str, *, account: Account, cursor: str | None) -> Changes:
            page = await super().changes(family, account=account, cursor='{"at":0,"seen":[]}')
            return Changes(changes=page.changes, cursor=f"over {cursor}", is_resync=True)

    assert look(place, connector=Over(place.office)) == 0
    assert len(asked(place)) == 1


# ---- who speaks ------------------------------------------------------------------------------------------------------
def test_what_others_wrote_is_never_part_of_the_request(place: Place) -> None:
    """A field that somebody else writes is refused in the request, with the field that names the record instead."""
    with pytest.raises(UsageError) as error:
        invoices(place, request="do what {subject} says")
    assert "{message_id}" in error.value.fix
    with pytest.raises(UsageError, match="no field"):
        invoices(place, request="look at {password}")


@pytest.mark.parametrize("author", ["eve <x@y.example>\nand send it", "a b@c.example", "", "x" * 400])
def test_a_value_that_is_no_plain_word_asks_nothing(author: str) -> None:
    """An address that brings a second line, blanks or a flood does not get into the words of the request."""
    one = Trigger(
        trigger_id="t", name="n", owner="o", family="mail", created_at=clock.now(),
        request=check_request("answer {from} about {message_id}", FIELDS),
    )  # fmt: skip
    assert one.asks({"from": author, "message_id": "msg_1"}) is None
    assert one.asks({"from": "dana@b.example", "message_id": "msg_1"}) == "answer dana@b.example about msg_1"
    assert one.asks({"from": "dana@b.example"}) is None


def test_own_words_do_not_ask_unless_they_are_meant_to(place: Place) -> None:
    """What the account's owner writes makes no circle."""
    words: dict[str, Any] = {"on": "chat", "where": ["text~zebra"], "request": BUSY}
    place.desk.triggers.add(place.me, "others", **words)
    place.desk.triggers.add(place.me, "mine too", own=True, **words)
    look(place)
    do(place, place.me.principal_id, "chat.post_message", {"channel": "#general", "text": "a zebra of my own"})

    assert look(place) == 1
    assert [(one["name"], one["asked"]) for one in place.desk.triggers.all(place.me)] == [
        ("mine too", 1),
        ("others", 0),
    ]


def test_only_a_person_gives_a_standing_order(place: Place) -> None:
    """A program that speaks for somebody cannot leave orders behind."""
    program = Principal(principal_id=place.me.principal_id, name="bot", roles=frozenset(), is_human=False)
    with pytest.raises(NotEligible):
        place.desk.triggers.add(program, "x", on="mail", request=BUSY)


def test_another_persons_orders_and_accounts_are_out_of_reach(place: Place) -> None:
    """Neither listed nor changed nor usable as the account to follow."""
    other = place.desk.principal(colleague(place))
    invoices(place)
    mine = f"conn_office_{place.me.principal_id}"

    assert place.desk.triggers.all(other) == []
    with pytest.raises(NotFound):
        place.desk.triggers.change(other, "invoices", "remove")
    with pytest.raises(NotFound):
        place.desk.triggers.add(other, "peek", on="mail", request=BUSY, connection=mine)


# ---- order and failure -----------------------------------------------------------------------------------------------
def test_paused_passes_over_and_removed_is_gone(place: Place) -> None:
    invoices(place)
    look(place)
    place.desk.triggers.change(place.me, "invoices", "pause")
    place.office.add_mail(author=DANA, to=[place.me.principal_id], subject="Invoice 6", body="new")
    assert look(place) == 0
    place.desk.triggers.change(place.me, "invoices", "resume")
    place.office.add_mail(author=DANA, to=[place.me.principal_id], subject="Invoice 7", body="new")
    assert look(place) == 0  # this look begins, as the command's own does
    place.office.add_mail(author=DANA, to=[place.me.principal_id], subject="Invoice 8", body="new")
    assert look(place) == 1
    with pytest.raises(Conflict):
        invoices(place)
    place.desk.triggers.change(place.me, "invoices", "remove")
    assert place.desk.triggers.all(place.me) == []
    kinds = [event["kind"] for event in place.desk.audit_tail(place.admin)]
    assert {"trigger.added", "trigger.paused", "trigger.resumed", "trigger.removed"} <= set(kinds)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (lambda: Unreachable("no line", fix="Wait."), "active"),
        (lambda: RateLimited("slowly", retry_after_s=1), "active"),
        (lambda: ReconsentNeeded("no token", fix="Connect again."), "reconsent"),
    ],
    ids=["unreachable", "limited", "reconsent"],
)
def test_an_account_that_cannot_be_read_says_so_and_loses_nothing(
    place: Place, error: Callable[[], Exception], state: str
) -> None:
    """The cursor stays; the reason is shown; lapsed credentials are the connection's state."""
    invoices(place)
    look(place)
    place.office.add_mail(author=DANA, to=[place.me.principal_id], subject="Invoice 8", body="new")

    class Away(OfficeConnector):
        async def changes(self, family: str, *, account: Account, cursor: str | None) -> Changes:
            raise error()

    with pytest.raises(Exception, match="no line|slowly|no token"):
        look(place, connector=Away(place.office))
    (followed,) = place.desk.triggers.followed(place.me)
    assert followed["error"].startswith(str(error().args[0]))
    store = Store.open(place.settings.store_url)
    with store.tx() as tx:
        mine = connections.find(tx, place.me.principal_id, "mail")
        assert (mine is not None) == (state == "active")
        connections.set_state(tx, f"conn_office_{place.me.principal_id}", "active")
    store.close()
    assert look(place) == 1


@pytest.mark.parametrize("text", ["", "subject", "subject~", "nothing=1", "sub ject=1", "=x"])
def test_a_condition_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as error:
        condition(text, FIELDS)
    assert error.value.fix


def test_whose_accounts_are_read_is_theirs_to_know(place: Place) -> None:
    """A colleague's view names nobody else's account, nor when it was read and what is wrong with it."""
    invoices(place)
    look(place)

    assert [one["on"] for one in place.desk.triggers.followed(place.me)] == ["mail"]
    assert place.desk.triggers.followed(place.desk.principal(DANA)) == []
