"""Every shipped workflow with mail on Dovecot and calendars on Radicale: done as in the office, each effect once on the servers.

Chat and directory stay with the office. IMAP has no automatic replies, so what needs one does nothing at all there. Radicale
sends no invitations: whoever approves a card is told so (tests/connectors/caldav), and the answer says so in place of what the office's says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.imap.connector import LACKS
from tests.e2e.backends import receipts
from tests.e2e.backends.mirror import Accounts, MailAndCalendar
from tests.e2e.place import NOTHING, Place
from tests.e2e.test_library import REQUESTS

UNTOLD = {  # workflow → what the office's answer says of invitations, and what it says where nobody is told
    "book-group-meeting": (
        "invitations are out",
        "your calendar server sends no invitations, so tell them yourself",
    ),
    "cancel-meeting": (
        "the calendar tells the attendees",
        "your calendar server tells nobody, so tell the attendees yourself",
    ),
    "schedule-call-from-mail": (
        "The invitation is out and I answered the mail",
        "I answered the mail with it; your calendar server sends no invitations",
    ),
    "move-meeting": ("The calendar tells 1 attendee.", "Your calendar server tells nobody: tell 1 attendee yourself."),
    "welcome-colleague": ("invited to a", "to be told of (your calendar server sends no invitations) a"),
}


@pytest.fixture
def servers(
    make_place: Callable[[Path], Place], company: Path, mail_and_calendar: MailAndCalendar
) -> Iterator[tuple[Place, Accounts]]:
    """A place whose main person has their mail and calendar on servers."""
    place = make_place(company)
    accounts = mail_and_calendar.give(place)
    yield place, accounts
    accounts.close(place)


@pytest.mark.parametrize("name", sorted(name for name, (_, effects) in REQUESTS.items() if not LACKS & set(effects)))
def test_a_workflow_does_on_servers_what_it_does_in_the_office(
    make_place: Callable[[Path], Place], company: Path, servers: tuple[Place, Accounts], name: str
) -> None:
    """The same workflow, effects, decisions and answer; on the servers each effect once, and nothing else."""
    place, accounts = servers
    request, effects = REQUESTS[name]
    office = make_place(company)
    in_office = office.approve_all(office.ask(request))

    asked = place.ask(request)
    before = accounts.counts()
    done = place.approve_all(asked)

    assert before == Counter(), "nothing that tells others anything before an approval"
    expected = receipts.told(in_office)
    said, instead = UNTOLD.get(name, ("", ""))
    assert said in expected["text"]
    assert receipts.told(done) == expected | {
        "text": expected["text"].replace(said, instead) if said else expected["text"]
    }
    assert done["state"] == "done", (done["error"], done["waiting_on"], done["question"])
    made = receipts.made(done)
    assert set(effects) <= set(made)
    assert accounts.counts() == +Counter(receipts.objects(made), submitted=made["mail.reply"] + made["mail.forward"])
    here, there = place.diff(), office.diff()
    assert here == {**NOTHING, **{kind: here[kind] for kind in ("messages", "channels")}}, (
        "the office keeps the chat only"
    )
    assert [one["text"] for one in here["messages"]] == [one["text"] for one in there["messages"]]
    _check_mails(accounts, there["mails"])
    assert place.desk.audit_verify(place.admin)["ok"]


def _check_mails(accounts: Accounts, in_office: list[dict[str, Any]]) -> None:
    """Handed over to the same recipients as in the office."""
    here = sorted(sorted(recipients) for _, recipients, _ in accounts.submitted())
    assert here == sorted(sorted({*mail["to"], *mail["cc"]}) for mail in in_office)


@pytest.mark.parametrize("name", sorted(name for name, (_, effects) in REQUESTS.items() if LACKS & set(effects)))
def test_a_workflow_that_needs_what_imap_lacks_begins_nothing(servers: tuple[Place, Accounts], name: str) -> None:
    """Neither the calendar entry nor the message to the cover: the item says which tool there is not."""
    place, accounts = servers
    request, effects = REQUESTS[name]

    ended = place.approve_all(place.ask(request))

    (lacked,) = LACKS & set(effects)
    assert ended["state"] == "denied", ended["waiting_on"]
    assert lacked in str(ended["error"]), ended["error"]
    assert accounts.counts() == Counter()
    assert place.diff() == NOTHING
    pytest.skip(f"the backend lacks {lacked}: {name} does nothing there")
