"""Calendars: team series, one-to-ones, all-hands, single meetings with notes, customer calls, private hours, holidays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors import recurrence
from connectors.office import calendar_effects
from connectors.office.context import Context
from connectors.office.seeding import names, texts
from connectors.office.seeding.letters import fill
from connectors.office.seeding.world import Someone, World
from connectors.scheduling import DAYS

TICK_S = 1800
CODES = ("MO", "TU", "WE", "TH", "FR")


class Diary:
    """Who is taken when, in half hours, so that single meetings do not collide and no room is booked twice."""

    def __init__(self) -> None:
        self._taken: dict[str, set[int]] = {}

    def is_free(self, addresses: Sequence[str], start: int, end: int) -> bool:
        ticks = range(start // TICK_S, -(-end // TICK_S))
        return all(tick not in self._taken.get(address, ()) for address in addresses for tick in ticks)

    def take(self, addresses: Sequence[str], start: int, end: int) -> None:
        for address in addresses:
            self._taken.setdefault(address, set()).update(range(start // TICK_S, -(-end // TICK_S)))


def hold(world: World, ctx: Context) -> None:
    diary = Diary()
    for number, (name, capacity) in enumerate(names.ROOMS[: max(2, len(world.staff) // 6)]):
        ctx.c.execute(
            "insert into rooms (address, room_id, name, capacity) values (?, ?, ?, ?)",
            (f"room-{name.lower()}@{world.domain}", f"room_{number + 1}", name, capacity),
        )
    rooms = [row["address"] for row in ctx.c.execute("select address from rooms order by capacity")]
    _all_hands(world, ctx, diary)
    _team_series(world, ctx, diary, rooms)
    _one_to_ones(world, ctx, diary)
    for someone in world.staff:
        _singles(world, ctx, diary, rooms, someone)
        _private(world, ctx, diary, someone)
    _absences(world, ctx)
    _for_owner(world, ctx, diary)


def _series(
    world: World,
    ctx: Context,
    diary: Diary,
    *,
    organizer: Someone,
    attendees: Sequence[Someone],
    title: str,
    first: date,
    at: str,
    minutes: int,
    rule: str,
    room: str | None = None,
    description: str = "",
) -> None:
    start = int(datetime.combine(first, time.fromisoformat(at), ZoneInfo(organizer.zone)).timestamp())
    everybody = [organizer.address, *(one.address for one in attendees), *([room] if room else [])]
    calendar_effects.insert(
        ctx,
        event_id=world.new_id("evt"),
        organizer=organizer.address,
        title=title,
        start=start,
        end=start + minutes * 60,
        zone=organizer.zone,
        attendees=[one.address for one in attendees],
        description=description,
        room=room,
        recurrence_rule=f"RRULE:{rule}",
        responses={one.address: "accepted" for one in attendees},
    )
    last = int(datetime.combine(world.last_day, time(), ZoneInfo(organizer.zone)).timestamp())
    for one in recurrence.starts_between(f"RRULE:{rule}", start, organizer.zone, start - 1, last):
        diary.take(everybody, one, one + minutes * 60)


def _first(world: World, weekday: int) -> date:
    day = world.first_day
    return day + timedelta(days=(weekday - day.weekday()) % 7)


def _first_thursday(world: World) -> date:
    """The first one of a month, at or after the first day."""
    day = _first(world, 3)
    return day + timedelta(weeks=next(week for week in range(6) if (day + timedelta(weeks=week)).day <= 7))


def _all_hands(world: World, ctx: Context, diary: Diary) -> None:
    host = max(world.staff[2:8], key=lambda one: one.zone.startswith("Europe"))
    _series(
        world,
        ctx,
        diary,
        organizer=host,
        attendees=[one for one in world.staff if one is not host],
        title="All-hands",
        first=_first_thursday(world),
        at="15:00",
        minutes=60,
        rule="FREQ=MONTHLY;BYDAY=1TH",
        description="Numbers of the month, new colleagues, questions.",
    )


def _team_series(world: World, ctx: Context, diary: Diary, rooms: Sequence[str]) -> None:
    for number, team in enumerate(dict.fromkeys(one.team for one in world.staff)):
        people = world.team(team)
        if len(people) < 2:
            continue
        weekday = number % 4
        _series(
            world,
            ctx,
            diary,
            organizer=people[-1] if team == "Sales" else people[0],
            attendees=[one for one in people if one is not (people[-1] if team == "Sales" else people[0])],
            title=f"{team} weekly",
            first=_first(world, weekday),
            at=("10:00", "11:00", "14:00", "15:30")[number % 4],
            minutes=60,
            rule=f"FREQ=WEEKLY;BYDAY={CODES[weekday]}",
            room=rooms[number % len(rooms)] if number < len(rooms) else None,
            description=fill(world, texts.AGENDA, me=people[0]),
        )
        if team == "Engineering":
            _series(
                world,
                ctx,
                diary,
                organizer=people[0],
                attendees=people[1:],
                title="Stand-up",
                first=_first(world, 0),
                at="09:30",
                minutes=15,
                rule="FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
            )


def _one_to_ones(world: World, ctx: Context, diary: Diary) -> None:
    people = world.by_address()
    for number, one in enumerate(world.staff):
        if one.manager is None:
            continue
        manager = people[one.manager]
        for attempt in range(12):  # the first time that suits both, else the last one tried, as at any real company
            weekday, at = (number + attempt) % 5, time(10 + (number * 3 + attempt) % 7, 30 * (number % 2))
            start = _instant(manager, _first(world, weekday), at)
            weeks = [start + week * 7 * 86_400 for week in range(4)]
            pair = [manager.address, one.address]
            if _works(world, one, start, start + TICK_S) and all(
                diary.is_free(pair, at_, at_ + TICK_S) for at_ in weeks
            ):
                break
        _series(
            world,
            ctx,
            diary,
            organizer=manager,
            attendees=[one],
            title=f"1:1 {manager.first} / {one.first}",
            first=_first(world, weekday),
            at=at.isoformat("minutes"),
            minutes=30,
            rule=f"FREQ=WEEKLY;INTERVAL={1 + number % 2};BYDAY={CODES[weekday]}",
        )


def _instant(someone: Someone, day: date, at: time) -> int:
    return int(datetime.combine(day, at, ZoneInfo(someone.zone)).timestamp())


def _works(world: World, someone: Someone, start: int, end: int) -> bool:
    return world.works(someone, datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))


def _singles(world: World, ctx: Context, diary: Diary, rooms: Sequence[str], organizer: Someone) -> None:
    """One or two a week of one's own, more by invitation; the past ones have notes."""
    day = world.first_day
    while day < world.last_day:
        for _ in range(3 if world.chance(0.5) else 2):
            with_customer = organizer.team in ("Sales", "Customer Success") and world.chance(0.5)
            drawn = [world.pick(world.staff) for _ in range(1 + int(world.dice.random() * 4))]
            others = list({one.address: one for one in drawn if one is not organizer}.values())
            if with_customer:
                others = [world.pick(world.customers)]
            if others:
                _single(world, ctx, diary, rooms, organizer, others, day + timedelta(days=int(world.dice.random() * 7)))
        day += timedelta(weeks=1)


def _single(
    world: World,
    ctx: Context,
    diary: Diary,
    rooms: Sequence[str],
    organizer: Someone,
    others: Sequence[Someone],
    day: date,
) -> None:
    if DAYS[day.weekday()] not in organizer.days or day > world.last_day:
        return
    zone = ZoneInfo(organizer.zone)
    minutes = 60 if world.chance(0.3) else 30
    everybody = [organizer.address, *(one.address for one in others)]
    opening = int(datetime.combine(day, time.fromisoformat(organizer.start), zone).timestamp())
    start = opening + TICK_S * int(world.dice.random() * 15)
    end = start + minutes * 60
    if not diary.is_free(everybody, start, end) or not all(_works(world, one, start, end) for one in others):
        return
    room = world.pick(rooms) if world.chance(0.3) else None
    if room is not None and not diary.is_free([room], start, end):
        room = None
    diary.take([*everybody, *([room] if room else [])], start, end)
    outside = next((one for one in others if not one.inside), None)
    title = world.pick(texts.CUSTOMER_MEETINGS if outside else texts.MEETINGS)
    is_past = end < world.now.timestamp()
    notes = world.pick(texts.NOTES) if is_past and world.chance(0.6) else texts.AGENDA
    answers = {one.address: "accepted" if is_past or world.chance(0.7) else "needs_action" for one in others}
    more = {"project": world.pick(world.projects)} | ({"company": outside.company} if outside else {})
    calendar_effects.insert(
        ctx,
        event_id=world.new_id("evt"),
        organizer=organizer.address,
        title=fill(world, title, me=organizer, given=more),
        start=start,
        end=end,
        zone=organizer.zone,
        attendees=[one.address for one in others],
        description=fill(world, notes, me=organizer, to=others[0], given=more),
        location="Video call" if room is None else "",
        room=room,
        responses=answers,
    )


def _private(world: World, ctx: Context, diary: Diary, someone: Someone) -> None:
    for _ in range(max(1, world.weeks // 6)):
        days = (world.last_day - world.first_day).days
        day = world.first_day + timedelta(days=int(world.dice.random() * days))
        if day.weekday() > 4:
            continue
        start = int(datetime.combine(day, time(8 + int(world.dice.random() * 9)), ZoneInfo(someone.zone)).timestamp())
        if diary.is_free([someone.address], start, start + 3600):
            diary.take([someone.address], start, start + 3600)
            calendar_effects.insert(
                ctx,
                event_id=world.new_id("evt"),
                organizer=someone.address,
                title=world.pick(texts.PRIVATE),
                start=start,
                end=start + 3600,
                zone=someone.zone,
                visibility="private",
            )


def _absences(world: World, ctx: Context) -> None:
    """Holidays of some weeks for some (busy), and birthdays that keep nobody from working (not busy)."""
    for number, someone in enumerate(world.staff):
        zone = ZoneInfo(someone.zone)
        days = (world.last_day - world.first_day).days
        if number > 8 and world.chance(0.4):
            first = world.first_day + timedelta(days=int(world.dice.random() * days))
            _whole_days(world, ctx, someone, zone, first, 5, f"{someone.first} on holiday", busy=True)
        if world.chance(0.5):
            day = world.first_day + timedelta(days=int(world.dice.random() * days))
            _whole_days(world, ctx, someone, zone, day, 1, f"{someone.first}'s birthday", busy=False)


def _whole_days(
    world: World, ctx: Context, someone: Someone, zone: ZoneInfo, first: date, days: int, title: str, *, busy: bool
) -> None:
    calendar_effects.insert(
        ctx,
        event_id=world.new_id("evt"),
        organizer=someone.address,
        title=title,
        start=int(datetime.combine(first, time(), zone).timestamp()),
        end=int(datetime.combine(first + timedelta(days=days), time(), zone).timestamp()),
        zone=someone.zone,
        busy=busy,
    )


def _for_owner(world: World, ctx: Context, diary: Diary) -> None:
    """A meeting of the owner's last week with notes, one to come, and an invitation not answered yet."""
    owner, colleague, host = world.owner, world.staff[4], world.staff[7]
    now = int(world.now.timestamp())
    project = {"project": world.projects[0]}
    past = _next_free(world, diary, [owner, colleague], now - 4 * 86_400, 3600)
    coming = _next_free(world, diary, [owner, colleague], now + 2 * 3600, 3600)
    asked = _next_free(world, diary, [owner, host], now + 2 * 86_400, TICK_S)
    for start, organizer, other, title, text, response in (
        (past, owner, colleague, "Pipeline review", texts.NOTES[0], "accepted"),
        (coming, owner, colleague, "Forecast check", texts.AGENDA, "accepted"),
        (asked, host, owner, "Welcome plan", texts.WELCOME_PLAN, "needs_action"),
    ):
        length = TICK_S if organizer is host else 3600
        diary.take([organizer.address, other.address], start, start + length)
        calendar_effects.insert(
            ctx,
            event_id=world.new_id("evt"),
            organizer=organizer.address,
            title=title,
            start=start,
            end=start + length,
            zone=organizer.zone,
            attendees=[other.address],
            description=fill(world, text, me=organizer, to=other, given={"other": world.newcomer.first} | project),
            location="Video call",
            responses={other.address: response},
        )


def _next_free(world: World, diary: Diary, people: Sequence[Someone], after: int, length: int) -> int:
    """The first half hour after a moment that suits everybody; else one within the first person's hours."""
    start = -(-after // TICK_S) * TICK_S
    ticks = range(start, start + 14 * 86_400, TICK_S)
    free = [
        tick
        for tick in ticks
        if _works(world, people[0], tick, tick + length)
        and diary.is_free([one.address for one in people], tick, tick + length)
    ]
    return next((tick for tick in free if _works(world, people[1], tick, tick + length)), free[0])
