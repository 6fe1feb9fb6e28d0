"""People from a CSV or vCard file, as records of `directory.list_people`.

Whoever is inside is said by whoever imports (domains, or a column); nothing in a vCard makes anybody inside.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from connectors.errors import InvalidCall

MOST_PEOPLE = 100_000
USUAL_HOURS = {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:30"}  # files do not say
COLUMNS = ("address", "name", "aliases", "zone", "role", "team", "manager", "inside")
_SAME = {
    "email": "address", "e-mail": "address", "mail": "address", "email address": "address", "primary email": "address",
    "full name": "name", "display name": "name", "nickname": "aliases", "timezone": "zone", "time zone": "zone",
    "title": "role", "job title": "role", "department": "team", "organisation": "team", "organization": "team",
    "manager email": "manager",
}  # fmt: skip
_ADDRESS = re.compile(r"[^@\s<>,;\"]{1,64}@[^@\s<>,;\"]{1,255}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def read(text: str, *, inside: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The people of a file, by its own form. `inside`: domains of colleagues. InvalidCall with the line where something is wrong."""
    body = text.lstrip("\ufeff")
    domains = {domain.lower().lstrip("@") for domain in inside}
    entries = _vcards(body) if body.lstrip()[:11].upper() == "BEGIN:VCARD" else _rows(body)
    found: dict[str, dict[str, Any]] = {}
    for where, entry in entries:
        record = _record(where, entry, domains)
        if record["address"] in found:
            raise InvalidCall(f"{where}: {record['address']} is there twice", fix="Keep one of the two.")
        found[record["address"]] = record
        if len(found) > MOST_PEOPLE:
            raise InvalidCall(f"more than {MOST_PEOPLE} people", fix="Import them in parts.")
    if not found:
        raise InvalidCall(
            "there is nobody in the file", fix="Give a CSV file with the columns address and name, or vCards."
        )
    return list(found.values())


def of_card(text: str, *, inside: Sequence[str] = ()) -> dict[str, Any] | None:
    """The person of one vCard; None where it has no mail address, as companies, groups and telephones. InvalidCall for no vCard."""
    entry = next(_vcards(text), None)
    return None if entry is None else _record(*entry, {domain.lower().lstrip("@") for domain in inside})


def _record(where: str, entry: Mapping[str, str], domains: set[str]) -> dict[str, Any]:
    address = entry.get("address", "").strip().lower()
    if _ADDRESS.fullmatch(address) is None:
        raise InvalidCall(f"{where}: {address!r} is no address", fix="Give each person one mail address.")
    zone = entry.get("zone", "").strip()
    if zone and not _is_zone(zone):
        raise InvalidCall(f"{where}: {zone!r} is no time zone", fix="Write an IANA name, e.g. Europe/Lisbon.")
    manager = entry.get("manager", "").strip().lower() or None
    if manager is not None and _ADDRESS.fullmatch(manager) is None:
        raise InvalidCall(f"{where}: the manager {manager!r} is no address", fix="Give the manager's address.")
    said = entry.get("inside", "").strip().casefold()
    if said not in ("", "true", "false", "yes", "no", "1", "0"):
        raise InvalidCall(f"{where}: inside is {said!r}", fix="Write yes or no.")
    is_inside = said in ("true", "yes", "1") or (not said and address.partition("@")[2] in domains)
    return {
        "person_id": f"per_{hashlib.sha256(address.encode()).hexdigest()[:20]}",
        "name": _plain(entry.get("name", "")) or address,
        "aliases": [alias for part in re.split("[;|]", entry.get("aliases", "")) if (alias := _plain(part))],
        "address": address,
        "zone": zone or "UTC",
        "working_hours": dict(USUAL_HOURS),
        "role": _plain(entry.get("role", "")),
        "team": _plain(entry.get("team", "")),
        "manager": manager,
        "inside": is_inside,
    }


def _rows(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = {name: _SAME.get(name.strip().casefold(), name.strip().casefold()) for name in reader.fieldnames or ()}
        if "address" not in names.values():
            raise InvalidCall("the file has no column of addresses", fix=f"Name the columns: {', '.join(COLUMNS)}.")
        for row in reader:
            entry = {names[name]: value or "" for name, value in row.items() if name in names}
            if any(value.strip() for value in entry.values()):
                yield f"line {reader.line_num}", entry
    except csv.Error as error:
        raise InvalidCall(f"line {reader.line_num}: {error}", fix="Save it as CSV again.") from error


def _vcards(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    import vobject

    cards = vobject.readComponents(text)
    number = 0
    while True:
        number += 1
        try:
            card = next(cards)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 - the parser fails in many ways on what is no vCard
            raise InvalidCall(
                f"card {number} cannot be read: {type(error).__name__}", fix="Export it again."
            ) from error
        mails = [one.value for one in card.contents.get("email", ())]
        if not mails:
            continue  # cards of companies and telephones
        yield (
            f"card {number}",
            {
                "address": _preferred(card),
                "name": _text(card, "fn"),
                "aliases": _text(card, "nickname"),
                "zone": zone if _is_zone(zone := _text(card, "tz")) else "",
                "role": _text(card, "title") or _text(card, "role"),
                "team": _text(card, "org"),
            },
        )


def _preferred(card: Any) -> str:
    mails = card.contents["email"]
    best = next((one for one in mails if "PREF" in [kind.upper() for kind in one.params.get("TYPE", ())]), mails[0])
    return str(best.value)


def _text(card: Any, name: str) -> str:
    found = card.contents.get(name)
    value = found[0].value if found else ""
    return str(value[-1] if isinstance(value, list) and value else value or "")


def _plain(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())[:200]


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return bool(name)
