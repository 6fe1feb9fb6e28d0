"""People from files: whose form is guessed, whose faults are named, and who is a colleague only where somebody says so."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.directory.files import read
from connectors.errors import InvalidCall
from connectors.families import tool_specs

CARD = """BEGIN:VCARD
VERSION:3.0
FN:Zoë Ångström
N:Ångström;Zoë;;;
NICKNAME:Zo
EMAIL;TYPE=HOME:zoe@home.example
EMAIL;TYPE=WORK,PREF:Zoe@Firm.example
ORG:Firm;Sales
TITLE:Head of
  Sales
TZ:Europe/Stockholm
END:VCARD
"""


def by_address(text: str, **more: Any) -> dict[str, dict[str, Any]]:
    return {one["address"]: one for one in read(text, **more)}


def test_records_are_those_of_the_family() -> None:
    """What a file gives fits the schema that every directory answers with."""
    import jsonschema

    (spec,) = [one for one in tool_specs("directory") if one.name == "directory.list_people"]
    for text in ("address,name\na@b.example,Ann\n", CARD):
        jsonschema.validate({"people": read(text), "next": None}, dict(spec.output))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_as_programs_write_it(mark: str, delimiter: str, end: str) -> None:
    """Commas, semicolons or tabs, a mark in front, other names of columns, empty lines, columns that mean nothing here."""
    rows = [
        ["E-Mail", "Full name", "Department", "Time zone", "Shoe size"],
        ["ANN@b.example", '"Lee, Ann"', "Ops", "Asia/Tokyo", "38"],
        ["", "", "", "", ""],
    ]
    (ann,) = read(mark + end.join(delimiter.join(row) for row in rows) + end)

    assert (ann["address"], ann["name"], ann["team"], ann["zone"]) == ("ann@b.example", "Lee, Ann", "Ops", "Asia/Tokyo")


def test_a_vcard_gives_its_preferred_address() -> None:
    """Folded lines, several addresses, a team within a firm, letters beyond ASCII."""
    (zoe,) = read(CARD)

    assert (zoe["address"], zoe["name"], zoe["aliases"]) == ("zoe@firm.example", "Zoë Ångström", ["Zo"])
    assert (zoe["team"], zoe["role"], zoe["zone"]) == ("Sales", "Head of Sales", "Europe/Stockholm")


def test_nobody_is_inside_unless_somebody_says_so() -> None:
    """A domain that is named, or a column; a column that says no wins over the domain; a look-alike domain is another one."""
    rows = "address,inside\na@firm.example,\nb@firm.example,no\nc@other.example,yes\nd@firm.example.evil.example,\n"

    assert not any(one["inside"] for one in read("address\na@firm.example\n") + read(CARD))
    people = by_address(rows, inside=["@Firm.example"])
    assert [one["inside"] for one in people.values()] == [True, False, True, False]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "column"),
        ("address,name\n", "nobody"),
        ("name\nAnn\n", "column"),
        ("address\nnot an address\n", "line 2"),
        ("address\na@b.example\nA@b.example\n", "twice"),
        ("address,zone\na@b.example,Mars/Phobos\n", "line 2"),
        ("address,inside\na@b.example,maybe\n", "line 2"),
        ("address,manager\na@b.example,Boss\n", "line 2"),
        ('address,name\na@b.example,"never closed\n', "line "),
        ("BEGIN:VCARD\nEMAIL:a@b.example\n", "card 1"),
        ("BEGIN:VCARD\nVERSION:3.0\nFN:Firm\nEND:VCARD\n", "nobody"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(text: str, where: str) -> None:
    with pytest.raises(InvalidCall) as error:
        read(text)
    assert where in error.value.message and error.value.fix


def test_names_hold_no_control_characters_and_no_novels() -> None:
    """A name from a file is shown in terminals and cards."""
    (one,) = read(f'address,name\na@b.example,"Ann\x1b[2J\nLee{"x" * 999}"\n')
    assert "\x1b" not in one["name"] and "\n" not in one["name"] and len(one["name"]) <= 200
