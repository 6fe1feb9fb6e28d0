"""The directory family: who there is. People come from the company's own list, never from senders of mail."""

from __future__ import annotations

from connectors.families import schema as s

WORKING_HOURS = s.record(
    {
        "days": s.list_of({"type": "string", "enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}),
        "start": s.CLOCK_TIME,
        "end": s.CLOCK_TIME,
    }
)
PERSON = s.record(
    {
        "person_id": s.STRING,
        "name": s.STRING,
        "aliases": s.list_of(s.STRING),
        "address": s.ADDRESS,
        "zone": s.STRING,
        "working_hours": WORKING_HOURS,
        "role": s.STRING,
        "team": s.STRING,
        "manager": s.nullable(s.ADDRESS),
        "inside": s.BOOLEAN,
    }
)
PERSON_OUTPUT = {
    "fields": {
        "person_id": "id",
        "name": "attested",
        "aliases": "attested",
        "address": "attested",
        "zone": "attested",
        "working_hours": "attested",
        "role": "attested",
        "team": "attested",
        "manager": "attested",
        "inside": "attested",
    }
} | s.OPEN

TOOLS = (
    s.tool(
        "directory.list_people",
        "List people",
        "People of the company and the outside people it knows, by name. `query` matches name, alias, address, role and team.",
        takes=s.paged({"query": s.text("Words to find, in any case.")}),
        gives=s.page("people", PERSON),
        manifest={
            "effect": "read",
            "noun": "person",
            "collection": "people",
            "records": "people",
            "args": {"query": {"role": "query", "type": "text"}, "limit": "pick", "cursor": "pick"},
            "output": PERSON_OUTPUT,
        },
    ),
    s.tool(
        "directory.get_person",
        "Look up a person",
        "One person, by id or by address.",
        takes={"person_id": s.text("Id of the person."), "address": s.address()},
        at_least_one=True,
        gives=PERSON,
        manifest={
            "effect": "read",
            "noun": "person",
            "collection": "people",
            "record": "person_id",
            "args": {
                "person_id": {"role": "what", "type": "id(people)"},
                "address": {"role": "query", "type": "address"},
            },
            "output": PERSON_OUTPUT,
        },
    ),
)
