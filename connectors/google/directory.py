"""The directory family on the People API: the organisation's own directory, and the contacts its administrators share.

Nobody is listed for having written a mail. Google says nothing of zones and working hours here: everybody has those of the
connection's settings `zone` (default UTC) and `working_hours` (default Monday to Friday, 09:00 to 17:00). Inside are the addresses
of the account's own domain, and of those in the setting `domains`. A personal account has no directory: then there is nobody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from connectors.errors import Forbidden, InvalidCall, NotFound
from connectors.google import gmail_values as v
from connectors.google.context import Context, Handler
from connectors.google.discovery import SCOPE

FIELDS = "names,nicknames,emailAddresses,organizations,relations,metadata"
SOURCES = ["DIRECTORY_SOURCE_TYPE_DOMAIN_PROFILE", "DIRECTORY_SOURCE_TYPE_DOMAIN_CONTACT"]
PROFILES = ["READ_SOURCE_TYPE_PROFILE", "READ_SOURCE_TYPE_DOMAIN_CONTACT"]
PAGE = 1000
MOST_PAGES = 50
HOURS: Mapping[str, Any] = {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:00"}


def list_people(ctx: Context, args: v.Args) -> dict[str, Any]:
    position = v.read_cursor(args.get("cursor"), int)
    wanted = _fold(args.get("query") or "").split()
    found = [person for person in _everybody(ctx) if all(word in _searched(person) for word in wanted)]
    start = position[0] if position else 0
    end = start + v.limit_of(args)
    return {"people": found[start:end], "next": v.write_cursor([end]) if end < len(found) else None}


def get_person(ctx: Context, args: v.Args) -> dict[str, Any]:
    """By id, by address (any of theirs), or both at once."""
    address = args["address"].strip().lower() if args.get("address") is not None else None
    found = None
    if args.get("person_id") is not None:
        found = _by_id(ctx, args["person_id"])
    elif address is not None:
        answer = ctx.request(
            "people.people.searchDirectoryPeople", query=address, readMask=FIELDS, sources=SOURCES, pageSize=30
        )
        found = next((one for one in answer.get("people", ()) if address in _addresses(one)), None)
    if found is None or not _addresses(found) or (address is not None and address not in _addresses(found)):
        raise NotFound("the directory has nobody of this id or address", fix="Find them with directory.list_people.")
    return _person(ctx, found)


def _by_id(ctx: Context, person_id: str) -> dict[str, Any] | None:
    own = v.google_id(person_id, "per_")
    try:
        return ctx.request("people.people.get", resourceName=f"people/{own}", personFields=FIELDS, sources=PROFILES)
    except (NotFound, InvalidCall):  # 400 for what cannot be an id
        return None


def _everybody(ctx: Context) -> list[dict[str, Any]]:
    """By name, one for each address."""
    listed: dict[str, dict[str, Any]] = {}
    try:
        for page in ctx.pages(
            "people.people.listDirectoryPeople", most=MOST_PAGES, readMask=FIELDS, sources=SOURCES, pageSize=PAGE
        ):
            for one in page.get("people", ()):
                if _addresses(one):
                    person = _person(ctx, one)
                    listed.setdefault(person["address"], person)
    except (Forbidden, InvalidCall):
        if ctx.me.endswith(("@gmail.com", "@googlemail.com")):
            return []
        raise
    return sorted(listed.values(), key=lambda person: (_fold(person["name"]), person["address"]))


def _addresses(one: Mapping[str, Any]) -> list[str]:
    """The primary one first."""
    told = sorted(one.get("emailAddresses", ()), key=lambda each: not each.get("metadata", {}).get("primary", False))
    plain = [str(each.get("value", "")).strip().lower() for each in told]
    return [address for address in plain if re.fullmatch(r"[^\s@]+@[^\s@]+", address)]


def _person(ctx: Context, one: Mapping[str, Any]) -> dict[str, Any]:
    addresses = _addresses(one)
    names = [each["displayName"] for each in one.get("names", ()) if each.get("displayName")]
    nicknames = [each["value"] for each in one.get("nicknames", ()) if each.get("value")]
    work: Mapping[str, Any] = next(iter(one.get("organizations", ())), {})
    managers = [each.get("person", "") for each in one.get("relations", ()) if each.get("type") == "manager"]
    manager = next((each.strip().lower() for each in managers if "@" in each), None)
    settings = ctx.account.settings
    domains = {ctx.me.rpartition("@")[2], *(str(each).lower() for each in settings.get("domains") or ())}
    return {
        "person_id": f"per_{str(one['resourceName']).removeprefix('people/')}",
        "name": names[0] if names else addresses[0],
        "aliases": list(dict.fromkeys([*names[1:], *nicknames])),
        "address": addresses[0],
        "zone": str(settings.get("zone") or "UTC"),
        "working_hours": dict(settings.get("working_hours") or HOURS),
        "role": work.get("title", ""),
        "team": work.get("department", ""),
        "manager": manager,
        "inside": addresses[0].rpartition("@")[2] in domains,
    }


def _searched(person: Mapping[str, Any]) -> str:
    words = [person["name"], *person["aliases"], person["address"], person["role"], person["team"]]
    return _fold(" ".join(words))


def _fold(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in parts if not unicodedata.combining(sign)).casefold()


HANDLERS: Mapping[str, Handler] = {
    "directory.list_people": list_people,
    "directory.get_person": get_person,
}

SCOPES: Mapping[str, tuple[str, ...]] = {
    "directory.list_people": (SCOPE + "directory.readonly",),
    "directory.get_person": (SCOPE + "directory.readonly",),
}
