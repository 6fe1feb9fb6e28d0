"""Laws of who may hear an answer: whatever more was read, and whoever more listens, a closed place stays closed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.families import FAMILIES, tool_specs
from policies.listeners import Place, may_hear, readers_of
from policies.manifest import parse
from policies.people import COLLEAGUES

PEOPLE = ["alex@north.example", "dana@north.example", "sam@north.example", "eve@else.example"]
ANYBODY = st.sampled_from(PEOPLE)
READERS = st.frozensets(st.sampled_from([*PEOPLE, COLLEAGUES]), max_size=4)
READ = st.one_of(st.none(), st.frozensets(READERS, max_size=4))
PLACES = st.one_of(st.none(), st.builds(Place, listeners=st.frozensets(ANYBODY, max_size=4), is_public=st.booleans()))
TOOLS = [
    parse({"name": spec.name, "parameters": dict(spec.parameters), "manifest": dict(spec.manifest)})
    for family in sorted(FAMILIES)
    for spec in tool_specs(family)
]
LISTED = [tool for tool in TOOLS if tool.output.records and tool.output.readers and not tool.output.open_to]
RECORDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"text": st.sampled_from(["lunch", "password: hunter2hunter2"])},
    optional={
        "from": ANYBODY,
        "to": st.lists(ANYBODY, max_size=2),
        "cc": st.one_of(st.none(), st.lists(ANYBODY, max_size=2)),
        "author": ANYBODY,
        "organizer": ANYBODY,
        "attendees": st.lists(st.fixed_dictionaries({"address": ANYBODY}), max_size=2),
        "readers": st.one_of(st.none(), st.lists(st.sampled_from([*PEOPLE, COLLEAGUES]), max_size=3)),
        "labels": st.sampled_from([["inbox"], ["draft"], []]),
        "visibility": st.sampled_from(["default", "private"]),
    },
)


@given(READ, PLACES, READERS)
def test_another_record_opens_no_place(
    read: frozenset[frozenset[str]] | None, place: Place | None, more: frozenset[str]
) -> None:
    """A record that more was read of closes, or changes nothing; one without readers closes every place."""
    before = may_hear(read, place)

    assert not may_hear(None if read is None else read | {more}, place) or before
    assert not may_hear(None, place)
    assert not may_hear(None if read is None else read | {frozenset()}, place)


@given(READ, st.frozensets(ANYBODY, min_size=1, max_size=4), st.booleans(), ANYBODY)
def test_another_listener_opens_no_place(
    read: frozenset[frozenset[str]] | None, listeners: frozenset[str], is_public: bool, more: str
) -> None:
    """Whoever joins closes, or changes nothing; so does a channel that is made public."""
    before = may_hear(read, Place(listeners=listeners, is_public=is_public))

    assert not may_hear(read, Place(listeners=listeners | {more}, is_public=is_public)) or before
    assert not may_hear(read, Place(listeners=listeners, is_public=True)) or before


@given(st.sampled_from(LISTED), st.lists(RECORDS, min_size=1, max_size=3), RECORDS, PLACES)
def test_another_record_of_an_answer_opens_no_place(
    tool: Any, records: list[dict[str, Any]], more: dict[str, Any], place: Place | None
) -> None:
    """Read together or apart, and whatever stands in the records."""
    few = readers_of(tool, {}, {tool.output.records: records}, is_inside=lambda _: True)
    many = readers_of(tool, {}, {tool.output.records: [*records, more]}, is_inside=lambda _: True)
    bare = readers_of(tool, {}, {tool.output.records: [*records, {"text": "lunch"}]}, is_inside=lambda _: True)

    assert not may_hear(many, place) or may_hear(few, place)
    assert bare is None


@given(st.sampled_from(TOOLS), RECORDS, PLACES)
def test_only_a_read_has_readers(tool: Any, record: dict[str, Any], place: Place | None) -> None:
    """What an effect answered is told to nobody else, whatever it looks like."""
    found = readers_of(tool, {}, record, is_inside=lambda _: True)

    assert tool.effect == "read" or found is None
