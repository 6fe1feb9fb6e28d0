"""Random small offices in which the held-out requests are said, and what stands for each placeholder there.

A world is drawn from its seed alone: company, people, meetings, mail and the moment at which everything is said. Only the
office's own interface is used to add what the placeholders need.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from connectors.office import Office, OfficeConnector, seed
from connectors.spec import Account
from orchestrator.domain.person import Person
from orchestrator.gate.directory import person_of

# Titles as people write them, among them some that name a day, an act or a kind of message.
TITLES = (
    "Quarterly forecast", "Website relaunch", "Brand refresh", "Vendor comparison", "Interview debrief", "Site visit prep",
    "Warehouse tour", "Security training", "Onboarding plan", "Lessons learned", "Beta feedback round", "Sales kickoff",
    "Partner update", "Travel policy talk", "Release train", "Cost review", "Customer advisory board", "Mentoring hour",
    "Retro team North", "Data quality circle", "Press Q&A", "Trade fair setup", "Year-end planning", "Churn analysis",
    "Strategy offsite prep", "Architecture forum", "Pipeline check", "Hardware bring-up", "Support rota", "Grant proposal",
    "Friday demo", "Weekly numbers", "Invoice process workshop", "Move to the cloud", "Team breakfast", "Call centre tour",
    "Translation review", "Library migration", "Works council", "Photo session",
)  # fmt: skip
UNKNOWN_FIRST_NAMES = (
    "Walter", "Gwendolyn", "Noah", "Zebulon", "Matilda", "Ferdinand", "Olga", "Percival", "Xenia", "Bertram", "Quentin",
    "Henrietta", "Igor", "Philippa", "Rufus", "Svetlana", "Thaddeus", "Winifred", "Aoife", "Kwame",
)  # fmt: skip
NAMESAKE_LAST_NAMES = ("Albright", "Castellan", "Dunmore", "Eklund", "Fairweather", "Hartigan", "Lindqvist", "Okonjo")
SUBJECTS = ("A quick question", "Next steps", "The plan for spring", "Your thoughts?", "Two small things")
PLACEHOLDER = re.compile(r"\{([A-Z]+\d)\}")
# Workflows in which a colleague must stand for every person; elsewhere {P1} and {F1} may be from outside.
COLLEAGUES_ONLY = frozenset(
    {"out-of-office-cover", "forward-invoice", "welcome-colleague", "find-group-time", "book-group-meeting"}
)


def fold(text: str) -> str:
    """Lower case without accents."""
    return "".join(
        sign for sign in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(sign)
    ).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """One request as it is said in a world. `refs`: per placeholder the address(es), channel or title it stands for."""

    text: str
    values: Mapping[str, str]
    refs: Mapping[str, tuple[str, ...]]

    def say(self, words: str) -> str:
        return PLACEHOLDER.sub(lambda found: self.values[found[1]], words)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An office on disk and what is known of it from outside. now: aware, in the owner's zone.

    `event_id`: the meeting {EV1}; `title_source`: "calendar" where the office had it, "invented" where it was added;
    `calendar`: titles and starts of all my meetings, sixty days either way.
    """

    number: int
    path: Path
    now: datetime
    me: Person
    people: Sequence[Person]
    event_id: str
    title_source: str
    calendar: Sequence[tuple[str, datetime]] = field(repr=False)
    inside: Mapping[str, tuple[str, tuple[str, ...]]] = field(repr=False)
    outside: Mapping[str, tuple[str, tuple[str, ...]]] = field(repr=False)

    def fill(self, request: Mapping[str, Any]) -> Filled:
        """The request's text with this world's names. Every third world says outsiders' names where that is possible."""
        mixed = self.number % 3 == 0 and request["workflow"] not in COLLEAGUES_ONLY and "{P2}" not in request["text"]
        drawn = {**self.inside, **(self.outside if mixed else {})}
        values = {name: value for name, (value, _) in drawn.items()}
        refs = {name: ref for name, (_, ref) in drawn.items()}
        text = PLACEHOLDER.sub(lambda found: values[found[1]], request["text"])
        return Filled(text=text, values=values, refs=refs)


def draw_now(dice: random.Random) -> datetime:
    """A moment of three years, in UTC: nine times in ten in office hours of a working day, else any time."""
    day = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=dice.randrange(3 * 365))
    if dice.random() < 0.9:
        day += timedelta(days=7 - day.weekday() if day.weekday() > 4 else 0)
        return day + timedelta(hours=8, minutes=dice.randrange(9 * 60))
    return day + timedelta(minutes=dice.randrange(24 * 60))


def build(path: Path, *, number: int, seed_of_run: int) -> World:
    """Seeds the office at `path`, adds what placeholders need, and draws the placeholders."""
    dice = random.Random(f"held-out/{seed_of_run}/{number}")
    said_at = draw_now(dice)
    office = seed(
        path,
        seed=2 + dice.randrange(1_000_000),
        now=said_at,
        people=dice.randrange(14, 25),
        weeks=dice.randrange(1, 4),
    )
    try:
        return _furnish(office, path, dice, number, said_at)
    finally:
        office.close()


def _furnish(office: Office, path: Path, dice: random.Random, number: int, said_at: datetime) -> World:
    owner = office.owner()
    staff = [one for one in office.people() if one["inside"] and one["address"] != owner]
    shared = dice.choice(staff)["name"].split()[0]
    office.add_person(f"{shared} {dice.choice(NAMESAKE_LAST_NAMES)}", role="Analyst", team="Operations")
    people = [person_of(record, "office") for record in office.people()]
    me = next(one for one in people if one.address == owner)
    unique = _with_unique_first_names(people, me)
    colleagues = [one for one in unique if one.inside]
    dice.shuffle(colleagues)
    outsiders = [one for one in unique if not one.inside]
    suppliers = [one for one in outsiders if "supplier" in one.role.lower()] or [_add_supplier(office, dice, people)]
    people = [person_of(record, "office") for record in office.people()]
    supplier = dice.choice(suppliers)
    title, event_id, title_source = _draw_meeting(office, dice, said_at, me, colleagues)
    for one in (*people, supplier):
        if one.address != owner:
            _add_mails(office, dice, said_at, me, one, with_invoice=one is supplier)
    zone = ZoneInfo(me.zone)
    known = {name for one in people for name in _names(one)}
    teams = sorted({one.team for one in people if one.inside and sum(two.team == one.team for two in people) > 1})
    team = dice.choice(teams)
    channel = dice.choice(_channels(office))
    third = colleagues[3]
    inside = {
        **{f"P{place + 1}": (one.first_name, (one.address,)) for place, one in enumerate(colleagues[:3])},
        "F1": (third.name, (third.address,)),
        "A1": (shared, ()),
        "X1": (dice.choice([name for name in UNKNOWN_FIRST_NAMES if fold(name) not in known]), ()),
        "CH1": (channel, (channel,)),
        "EV1": (title, (title,)),
        "TEAM1": (team, tuple(sorted(one.address for one in people if one.team == team and one is not me))),
        "SUP1": (supplier.first_name, (supplier.address,)),
    }
    strangers = [one for one in outsiders if one.address != supplier.address]
    dice.shuffle(strangers)
    outside = {
        name: (one.first_name if name == "P1" else one.name, (one.address,))
        for name, one in zip(("P1", "F1"), strangers, strict=False)
    }
    return World(
        number=number,
        path=path,
        now=said_at.astimezone(zone),
        me=me,
        people=people,
        event_id=event_id,
        title_source=title_source,
        calendar=[(one["title"], one["start"]) for one in _my_events(office, said_at)],
        inside=inside,
        outside=outside,
    )


def _names(one: Person) -> set[str]:
    return {fold(part) for name in (one.name, *one.aliases) for part in name.split()}


def _with_unique_first_names(people: Sequence[Person], me: Person) -> list[Person]:
    """People other than me whose first name no one else has, neither as a first name nor as any other part."""
    uses = Counter(name for one in people for name in _names(one))
    return sorted(
        (one for one in people if one is not me and uses[fold(one.first_name)] == 1), key=lambda one: one.address
    )


def _add_supplier(office: Office, dice: random.Random, people: Sequence[Person]) -> Person:
    """Where all contacts of suppliers share a first name with somebody: one more, with a name of her own."""
    taken = {name for one in people for name in _names(one)}
    first = dice.choice([name for name in ("Solveig", "Radek", "Imogen", "Tobias") if fold(name) not in taken])
    address = office.add_person(
        f"{first} Harrow",
        address=f"{fold(first)}@harrowprint.example",
        role="Supplier contact",
        team="Harrow Print",
        inside=False,
    )
    return person_of(office.person(address), "office")


def _draw_meeting(
    office: Office, dice: random.Random, said_at: datetime, me: Person, others: Sequence[Person]
) -> tuple[str, str, str]:
    """A meeting of mine within seven days whose title no other event of mine has: title, id and source of the title.

    Half of them are the office's own, half are added under an invented title.
    """
    events = _my_events(office, said_at)
    uses = Counter(fold(one["title"]) for one in events)
    own = [
        one
        for one in events
        if uses[fold(one["title"])] == 1
        and one["organizer"] == me.address
        and one["attendees"]
        and timedelta() < one["start"] - said_at < timedelta(days=7)
    ]
    if own and dice.random() < 0.5:
        chosen = dice.choice(own)
        return chosen["title"], chosen["event_id"], "calendar"
    title = dice.choice([title for title in TITLES if fold(title) not in uses])
    days = (4 - said_at.weekday()) % 7 or 7 if "Friday" in title else dice.randrange(1, 7)
    start = (said_at + timedelta(days=days)).replace(hour=dice.randrange(9, 16), minute=0, second=0, microsecond=0)
    event_id = office.add_event(
        organizer=me.address,
        title=title,
        start=start,
        end=start + timedelta(minutes=dice.choice((30, 45, 60))),
        attendees=[one.address for one in others[3:6]],
        description="Notes: we agreed on the next three steps and who does them.",
    )
    return title, event_id, "invented"


def _my_events(office: Office, said_at: datetime) -> list[dict[str, Any]]:
    """All events of my calendar, sixty days either way, with `start` as a datetime."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = _read(
            office,
            "calendar.list_events",
            start=(said_at - timedelta(days=60)).isoformat(),
            end=(said_at + timedelta(days=60)).isoformat(),
            limit=200,
            **cursor,
        )
        found += [
            {**one, "title": one.get("title") or "", "start": datetime.fromisoformat(one["start"])}
            for one in page["events"]
        ]
        if not page["next"]:
            return found
        cursor = {"cursor": page["next"]}


def _add_mails(
    office: Office, dice: random.Random, said_at: datetime, me: Person, one: Person, *, with_invoice: bool
) -> None:
    """One mail from the person to me, and an older one of mine that she or he left unanswered."""
    subject = "Notes: our last meeting" if dice.random() < 0.5 else dice.choice(SUBJECTS)
    office.add_mail(
        author=me.address,
        to=[one.address],
        subject="Could you have a look?",
        body="Hello, could you tell me what you think? Thank you!",
        sent_at=said_at - timedelta(days=dice.randrange(20, 40)),
    )
    office.add_mail(
        author=one.address,
        to=[me.address],
        subject="Invoice 2044" if with_invoice else subject,
        body="Our invoice is attached." if with_invoice else "Hello, could we talk about this some time?",
        attachments=[("invoice-2044.pdf", "application/pdf", "Invoice 2044, total 410 EUR")] if with_invoice else (),
        sent_at=said_at - timedelta(hours=dice.randrange(2, 100)),
    )


def _channels(office: Office) -> list[str]:
    listed = _read(office, "chat.list_channels")["channels"]
    return sorted("#" + str(one["name"]).removeprefix("#") for one in listed)


def _read(office: Office, tool: str, **args: Any) -> dict[str, Any]:
    found = OfficeConnector(office).call_now(
        tool, args, account=Account(connection_id="measure", subject=office.owner()), key=None
    )
    assert isinstance(found, dict)
    return found
