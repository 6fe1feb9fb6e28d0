"""The people of an invented company: who works there, in which team and zone, for whom, and the outsiders they deal with."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors import wire
from connectors.office.seeding import names
from connectors.office.seeding.world import Someone, World

WEEK = ("mon", "tue", "wed", "thu", "fri")

# The first eight are the smallest company; the rest join in this order, and again from the ninth when it grows further.
JOBS: Sequence[tuple[str, str]] = (
    ("Account manager", "Sales"),  # the owner
    ("Customer success lead", "Customer Success"),  # who asks the owner to talk
    ("Chief executive", "Leadership"),
    ("Finance manager, invoice approver", "Finance"),
    ("Head of sales", "Sales"),
    ("Sales associate", "Sales"),  # the newcomer
    ("Head of engineering", "Engineering"),
    ("People partner", "People"),
    ("Software engineer", "Engineering"),
    ("Product manager", "Product"),
    ("Software engineer", "Engineering"),
    ("Customer success manager", "Customer Success"),
    ("Account manager", "Sales"),
    ("Designer", "Product"),
    ("Test engineer", "Engineering"),
    ("Accountant", "Finance"),
    ("Head of marketing", "Marketing"),
    ("Office manager", "Operations"),
    ("Software engineer", "Engineering"),
    ("Chief operating officer", "Leadership"),
    ("Solutions engineer", "Sales"),
    ("Support specialist", "Customer Success"),
    ("Firmware engineer", "Engineering"),
    ("Product manager", "Product"),
    ("Content editor", "Marketing"),
    ("Supply planner", "Operations"),
    ("Recruiter", "People"),
    ("Software engineer", "Engineering"),
    ("Account manager", "Sales"),
    ("Support specialist", "Customer Success"),
    ("Data engineer", "Engineering"),
    ("Controller", "Finance"),
    ("User researcher", "Product"),
    ("Event manager", "Marketing"),
    ("Firmware engineer", "Engineering"),
    ("Customer success manager", "Customer Success"),
    ("Site reliability engineer", "Engineering"),
    ("Logistics coordinator", "Operations"),
    ("Payroll specialist", "People"),
    ("Software engineer", "Engineering"),
)
HEADS = {
    "Sales": "Head of sales",
    "Customer Success": "Customer success lead",
    "Engineering": "Head of engineering",
    "Product": "Product manager",
    "Finance": "Finance manager, invoice approver",
    "People": "People partner",
    "Marketing": "Head of marketing",
    "Operations": "Office manager",
}
HOURS = (("09:00", "17:30"), ("09:00", "17:30"), ("08:30", "17:00"), ("08:00", "16:30"), ("10:00", "18:30"))
PREFERENCES: Sequence[Mapping[str, Any]] = (
    {},
    {},
    {"lunch": ["12:30", "13:30"]},
    {"earliest": "10:00"},
    {"buffer_minutes": 10, "lunch": ["13:00", "14:00"]},
    {"avoid_days": ["fri"]},
    {"latest": "16:00"},
)


def build(*, seed: int, now: datetime, people: int, weeks: int) -> World:
    """A company of `people` (at least 8) and its outside contacts. Seed 1 has one Dana, Dana Ruiz, and no name twice."""
    # The type is part of the dice: other counts make other companies, of which each is the same every time.
    dice = random.Random(f"office/{seed}")
    company = names.COMPANIES[0] if seed == 1 else dice.choice(names.COMPANIES)
    domain = f"{_slug(company.split(' & ')[0].split()[0])}.example"
    drawn = _draw_names(dice, max(people, 8), seed)
    staff = _hire(dice, drawn, domain)
    world = World(
        dice=dice,
        now=now,
        weeks=weeks,
        company=company,
        domain=domain,
        staff=staff,
        projects=dice.sample(names.PROJECTS, 4),
        owner=staff[0],
        asker=staff[1],
        approver=staff[3],
        newcomer=staff[5],
    )
    taken = {one.name for one in staff}
    count = max(2, round(people * 0.3))
    world.customers = [
        _outsider(dice, company, "Customer contact", taken) for company in _cycle(dice, names.CUSTOMERS, count)
    ]
    world.suppliers = [
        _outsider(dice, company, "Supplier contact", taken)
        for company in _cycle(dice, names.SUPPLIERS, max(2, round(people * 0.12)))
    ]
    return world


def _slug(text: str) -> str:
    return "".join(sign for sign in wire.fold(text) if sign.isalnum())


def address_of(name: str, domain: str) -> str:
    return f"{'.'.join(_slug(part) for part in name.split())}@{domain}"


def _draw_names(dice: random.Random, count: int, seed: int) -> list[str]:
    """Full names, none twice. From twenty people on two colleagues share a first name, as they do in life."""
    firsts = list(names.FIRST if seed == 1 else (*names.FIRST, "Dana", "Alex", "Sam"))
    lasts = list(names.LAST)
    dice.shuffle(firsts)
    dice.shuffle(lasts)
    # The step of 11 pairs them anew in each round through the first names, so that no full name repeats.
    drawn = [
        f"{firsts[number % len(firsts)]} {lasts[(number % len(firsts) + number // len(firsts) * 11) % len(lasts)]}"
        for number in range(count)
    ]
    if seed == 1:
        drawn[0], drawn[1] = "Alex Moreau", "Dana Ruiz"
    for number in range(19, min(count, len(firsts)), 20):
        drawn[number] = f"{drawn[number - 9].split()[0]} {drawn[number].split()[1]}"
    return drawn


def _hire(dice: random.Random, drawn: Sequence[str], domain: str) -> list[Someone]:
    zones = [zone for zone, weight in names.ZONES for _ in range(weight)]
    staff: list[Someone] = []
    taken: set[str] = set()
    for number, name in enumerate(drawn):
        role, team = JOBS[number] if number < len(JOBS) else JOBS[8 + (number - 8) % (len(JOBS) - 8)]
        zone = {0: "Europe/Lisbon", 1: "America/New_York", 3: "Europe/Lisbon"}.get(number) or dice.choice(zones)
        start, end = HOURS[0] if number < 2 else dice.choice(HOURS)
        address = address_of(name, domain)
        while address in taken:
            address = address.replace("@", f"{number}@")
        taken.add(address)
        part_time = number > 8 and dice.random() < 0.1
        staff.append(
            Someone(
                name=name,
                address=address,
                zone=zone,
                days=WEEK[:4] if part_time else WEEK,
                start=start,
                end=end,
                role=role,
                team=team,
                manager=None,
                inside=True,
                aliases=_aliases(dice, name),
                preferences={"lunch": ["12:30", "13:30"]} if number == 0 else dice.choice(PREFERENCES),
            )
        )
    chief = staff[2].address
    heads: dict[str, str] = {}
    for one in staff:
        if HEADS.get(one.team) == one.role:
            heads.setdefault(one.team, one.address)
    return [replace(one, manager=_manager(one, chief, heads)) for one in staff]


def _aliases(dice: random.Random, name: str) -> list[str]:
    first, _, last = name.partition(" ")
    plain = wire.fold(first).title()
    return ([plain] if plain != first else []) + ([f"{first[0]}. {last}"] if dice.random() < 0.1 else [])


def _manager(one: Someone, chief: str, heads: Mapping[str, str]) -> str | None:
    if one.address == chief:
        return None
    head = heads.get(one.team, chief)
    return chief if head == one.address else head


def _cycle(dice: random.Random, values: Sequence[str], count: int) -> list[str]:
    shuffled = dice.sample(values, len(values))
    return [shuffled[number % len(shuffled)] for number in range(count)]


def _outsider(dice: random.Random, company: str, role: str, taken: set[str]) -> Someone:
    name = f"{dice.choice(names.FIRST)} {dice.choice(names.LAST)}"
    while name in taken:
        name = f"{dice.choice(names.FIRST)} {dice.choice(names.LAST)}"
    taken.add(name)
    return Someone(
        name=name,
        address=address_of(name, f"{_slug(company)}.example"),
        zone=dice.choice(["Europe/Lisbon", "Europe/Madrid", "Europe/London", "America/New_York"]),
        days=WEEK,
        start="09:00",
        end="17:00",
        role=role,
        team=company,
        manager=None,
        inside=False,
        company=company,
        aliases=[wire.fold(name.split()[0]).title()] if not name.isascii() else [],
    )
