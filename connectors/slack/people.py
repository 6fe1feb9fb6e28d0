"""Who is in the workspace: Slack's user ids and our addresses, and the directory family.

Slack knows neither working hours nor teams nor managers: the first are the usual ones, the others empty. Somebody without a mail
address, as bots and people of other organisations are, gets one under `slack.invalid` that no mail can ever reach.
Inside is who belongs to the account's own workspace and is no guest; who was deactivated is still named, but not listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from connectors import wire
from connectors.errors import ConnectorError, Forbidden, NotFound, ReconsentNeeded
from connectors.slack.line import Line
from connectors.wire import Args

PAGE = 200
MOST_PAGES = 100
SLACKBOT = "USLACKBOT"
_HOURS: Mapping[str, Any] = {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:30"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    user_id: str
    address: str
    handle: str
    name: str
    aliases: tuple[str, ...] = ()
    zone: str = "UTC"
    role: str = ""
    inside: bool = False
    is_own: bool = False  # of the account's own workspace, guests among them
    is_active: bool = True
    is_human: bool = True

    def record(self) -> dict[str, Any]:
        """As the directory family tells a person."""
        return {
            "person_id": self.user_id,
            "name": self.name,
            "aliases": list(self.aliases),
            "address": self.address,
            "zone": self.zone,
            "working_hours": {**_HOURS, "days": list(_HOURS["days"])},
            "role": self.role,
            "team": "",
            "manager": None,
            "inside": self.inside,
        }


@dataclass(slots=True)
class People:
    """Everybody of the workspace, and strangers met since. Answers for ids nobody knows with a stand-in."""

    team_id: str
    by_id: dict[str, Person] = field(default_factory=dict)

    def add(self, raw: Mapping[str, Any]) -> None:
        person = _person(raw, self.team_id)
        self.by_id[person.user_id] = person

    def get(self, user_id: str) -> Person:
        return self.by_id.get(user_id) or stand_in(user_id, self.team_id)

    def find(self, address: str) -> Person | None:
        """By address; who is active is preferred to who was deactivated."""
        found = [person for person in self.by_id.values() if person.address == address]
        return max(found, key=lambda person: (person.is_active, person.inside), default=None)

    def listed(self) -> list[Person]:
        """Active human members, colleagues first, then by name."""
        listed = [person for person in self.by_id.values() if person.is_active and person.is_human]
        return sorted(listed, key=lambda person: (not person.inside, person.name, person.address))

    def handles(self) -> dict[str, str]:
        """User id by handle, of those who can be mentioned."""
        known = sorted(self.by_id.values(), key=lambda person: (person.is_own, person.inside))  # the last one counts
        return {person.handle: person.user_id for person in known if person.is_active}

    def settle(self) -> None:
        """Takes addresses of our own domains from people of other workspaces, whose administrators can write anything there."""
        ours = {_domain(person.address) for person in self.by_id.values() if person.inside}
        for person in list(self.by_id.values()):
            if not person.is_own and _domain(person.address) in ours:
                plain = stand_in(person.user_id, self.team_id).address
                self.by_id[person.user_id] = replace(person, address=plain)


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def stand_in(user_id: str, team_id: str, name: str = "") -> Person:
    """For a bot, or somebody Slack does not tell us about."""
    address = f"{user_id}@{team_id or 'team'}.slack.invalid".lower()
    handle = user_id.lower()
    return Person(user_id=user_id, address=address, handle=handle, name=name or user_id, is_human=False)


def _person(raw: Mapping[str, Any], team_id: str) -> Person:
    profile: Mapping[str, Any] = raw.get("profile") or {}
    user_id = str(raw["id"])
    address = str(profile.get("email") or "").strip().lower()
    handle = str(raw.get("name") or user_id).lower()
    name = str(profile.get("real_name") or raw.get("real_name") or profile.get("display_name") or handle)
    aliases = dict.fromkeys(str(one) for one in (profile.get("display_name"), handle) if one and one != name)
    is_human = not raw.get("is_bot") and user_id != SLACKBOT and not raw.get("is_workflow_bot")
    is_guest = bool(raw.get("is_restricted") or raw.get("is_ultra_restricted") or raw.get("is_stranger"))
    is_active = not raw.get("deleted")
    return Person(
        user_id=user_id,
        address=address if "@" in address[1:-1] else stand_in(user_id, team_id).address,
        handle=handle,
        name=name,
        aliases=tuple(aliases),
        zone=str(raw.get("tz") or "UTC"),
        role=str(profile.get("title") or ""),
        inside=is_human and is_active and not is_guest and raw.get("team_id") == team_id,
        is_own=raw.get("team_id") == team_id and not raw.get("is_stranger"),
        is_active=is_active,
        is_human=is_human,
    )


async def load(line: Line, team_id: str) -> People:
    """The whole workspace. ReconsentNeeded where Slack leaves out the addresses: without them nobody can be named."""
    people = People(team_id)
    has_addresses = False
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        answer = await line.read("users.list", limit=PAGE, cursor=cursor)
        for raw in answer.get("members") or ():
            people.add(raw)
            has_addresses = has_addresses or bool((raw.get("profile") or {}).get("email"))
        cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
        if cursor is None:
            break
    people.settle()
    if people.listed() and not has_addresses:
        raise ReconsentNeeded(
            "Slack does not tell the addresses of its users",
            fix="Add users:read.email to the app's manifest and install it again: deputy connect slack.",
        )
    return people


async def meet(line: Line, people: People, user_ids: Iterable[str]) -> None:
    """Learns who the users are that were not in the list: people of other workspaces, or newcomers."""
    for user_id in sorted({one for one in user_ids if one and one not in people.by_id}):
        try:
            people.add((await line.read("users.info", user=user_id))["user"])
            people.settle()
        except (NotFound, Forbidden, KeyError):
            people.by_id[user_id] = stand_in(user_id, people.team_id)
        except ConnectorError:  # a name is not worth the call; asked again next time
            return


def list_people(people: People, args: Args) -> dict[str, Any]:
    wanted = wire.words(args.get("query"))
    found = [person.record() for person in people.listed() if all(word in _search(person) for word in wanted)]
    return wire.cut_page(found, args, "people")


def get_person(people: People, args: Args) -> dict[str, Any]:
    person: Person | None
    if args.get("person_id") is not None:
        person = people.by_id.get(args["person_id"])
    else:
        person = people.find(wire.lower(args["address"]))
    if person is None or not person.is_human or not person.is_active:
        raise NotFound("the workspace has no such person", fix="Look with directory.list_people.")
    return person.record()


def list_users(people: People, args: Args) -> dict[str, Any]:
    users = [{"address": one.address, "name": one.name, "handle": one.handle} for one in people.listed()]
    return wire.cut_page(users, args, "users")


def reachable(people: People, address: str) -> Person:
    """The user of an address who can be written to. NotFound for everybody else."""
    person = people.find(address)
    if person is None or not person.is_active or not person.is_human:
        raise NotFound("somebody named is not in the chat", fix="Choose somebody of chat.list_users, or write a mail.")
    return person


def _search(person: Person) -> str:
    return wire.fold(" ".join((person.name, *person.aliases, person.address, person.role)))
