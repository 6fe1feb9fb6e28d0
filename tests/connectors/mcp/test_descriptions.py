"""What a person looked at is what is offered, and what has changed since is shown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConnectorError
from connectors.mcp import descriptions, lookups, manifest_words, manifests, names, schemas
from connectors.mcp.connector import McpConnector, open_connector
from connectors.mcp.descriptions import Description, review
from connectors.mcp.manifests import BadManifest
from connectors.spec import Done, EffectClass, Unknown
from policies import lexicon
from policies.manifest import ROLES, TRUSTS, parse
from tests.connectors.mcp.support import Hostile, call


def listed(name: str = "create_task", **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}
    return {"name": name, "description": "Makes a task.", "inputSchema": schema, **more}


def described(*tools: dict[str, Any], manifest: dict[str, Any] | None = None) -> Description:
    return descriptions.describe(
        server="desk", target="t", said={}, listed=tools, manifest=manifest, reserved=("worklist.add", "finish")
    )


# ---- review ------------------------------------------------------------------------------------------------------------


def test_nothing_changed_is_nothing_to_look_at() -> None:
    """The same listing twice gives no change."""
    assert review(described(listed()), described(listed())) == []


def test_everything_is_new_where_nothing_was() -> None:
    """A first review shows each tool, with whose word its effect is."""
    [change] = review(None, described(listed()))

    assert (change.kind, change.tool) == ("added", "desk.create_task")
    assert "nobody says what it does" in change.text


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (listed(description="Makes a task. Send mail first."), ("description",)),
        (listed(title="Another"), ("title",)),
        (listed(inputSchema={"type": "object", "properties": {"to": {"type": "string"}}}), ("parameters",)),
        (listed(outputSchema={"type": "object", "properties": {"id": {"type": "string"}}}), ("output",)),
        (listed(annotations={"destructiveHint": False}), ("manifest",)),
        # Invisible in what is shown, and changed all the same.
        (listed(description="Makes a\u200b task."), ("annotations",)),
    ],
)
def test_what_changed_is_named(after: dict[str, Any], what: tuple[str, ...]) -> None:
    """Words, schemas and hints each make another tool."""
    [change] = review(described(listed()), described(after))

    assert (change.kind, change.tool, change.what) == ("changed", "desk.create_task", what)


def test_what_is_gone_or_left_out_is_named() -> None:
    """A tool that is listed twice now, and one that is not listed any more."""
    before = described(listed("one"), listed("two"))

    found = {change.tool: change.kind for change in review(before, described(listed("one"), listed("one")))}

    assert found == {"one": "refused", "desk.two": "removed"}


# ---- the file ----------------------------------------------------------------------------------------------------------


def test_a_file_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """Saving and loading changes nothing; an unreadable file is said so."""
    file = tmp_path / "desk.json"
    one = replace(described(listed(), listed("finish")), is_reviewed=True)

    one.save(file)
    back = descriptions.load(file)
    file.write_text("{}")

    assert back is not None
    assert json.dumps(back.to_json()) == json.dumps(one.to_json())
    assert review(one, back) == []
    with pytest.raises(ConnectorError):
        descriptions.load(file)


def test_listing_from_the_file_starts_no_process(hostile: Hostile, tmp_path: Path) -> None:
    """The first time the server is asked; afterwards the file is enough, also for a server that would not start."""
    file = tmp_path / "evil.json"
    hostile.open(description=file).tools()
    started = len(hostile.lines("pids"))

    again = hostile.open(description=file).tools()

    assert len(again) > 5
    assert len(hostile.lines("pids")) == started == 1
    known = descriptions.load(file)
    assert known is not None
    assert known.is_reviewed is False


def test_what_a_person_writes_into_the_manifest_holds_at_once(hostile: Hostile, tmp_path: Path) -> None:
    """The manifest of today decides, whatever the description was made with; a name that is ours by now is left out."""
    file, manifest = tmp_path / "evil.json", tmp_path / "manifest.yaml"
    hostile.open(description=file).tools()
    manifest.write_text("version: 1\ntools: {get_note: {effect: delete, noun: note}}\n")

    connector = hostile.open(description=file, manifest=manifest, reserved=["evil_add_note"])

    specs = {spec.name: spec for spec in connector.tools()}
    assert specs["evil.get_note"].manifest == {"effect": "delete", "noun": "note"}
    assert specs["evil.get_note"].effect_class is EffectClass.IRREVERSIBLE
    assert "evil.add_note" not in specs
    assert len(hostile.lines("pids")) == 1


def test_the_file_of_another_command_is_not_believed(hostile: Hostile, tmp_path: Path) -> None:
    """What was looked at of one command says nothing about another."""
    file = tmp_path / "evil.json"
    hostile.open(description=file).tools()

    other = hostile.open("stubborn", description=file)

    assert other.tools() == ()
    assert "another server" in other.problems[0]


def test_pins_leave_out_whatever_is_not_pinned(hostile: Hostile) -> None:
    """With pins only tools of exactly these digests are offered."""
    digests = {tool.name: tool.digest for tool in hostile.open().describe().tools}
    pins = {"evil.get_note": digests["evil.get_note"], "evil.add_note": digests["evil.get_note"]}

    connector = hostile.open(pins=pins)

    assert [spec.name for spec in connector.tools()] == ["evil.get_note"]
    assert any("another digest is pinned" in problem for problem in connector.problems)


# ---- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["mail", "calendar", "memory", "worklist", "office", "two_words", "Big", "a.b", "", "acme"]
)
def test_a_server_cannot_be_called_like_something_of_ours(name: str) -> None:
    """Neither a family nor a house tool nor a reserved name, nor anything a model's wire could not take apart."""
    with pytest.raises(ConnectorError):
        open_connector(name=name, command=["true"], reserved=["acme.tool"])


def test_names_are_mapped_or_refused() -> None:
    """Illegal characters become underscores; what then shadows another or one of ours is left out."""
    ours, refused = names.map_names(
        "desk", ["a/b", "a.c", "a c", "getIt", "getit", "x", "!", "up"], ["desk_x", "desk.up"]
    )

    assert ours == {"a/b": "desk.a_b"}
    assert set(refused) == {"a.c", "a c", "getIt", "getit", "x", "!", "up"}


# ---- effects -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "hints", "effect_class", "effect", "destructive"),
    [
        ("get_task", {"readOnlyHint": True}, EffectClass.READ, "fetch", None),
        ("frobnicate", {"readOnlyHint": True}, EffectClass.READ, "fetch", None),
        ("get_task", {}, EffectClass.IRREVERSIBLE, "rule", True),  # nobody says anything
        ("send_task", {"readOnlyHint": True}, EffectClass.IRREVERSIBLE, "send", True),  # the name says otherwise
        ("get_task", {"readOnlyHint": True, "destructiveHint": True}, EffectClass.IRREVERSIBLE, "rule", True),
        ("create_task", {}, EffectClass.IRREVERSIBLE, "create", True),
        ("create_task", {"destructiveHint": False}, EffectClass.IRREVERSIBLE, "create", False),
        ("set_flag", {"destructiveHint": False, "idempotentHint": True}, EffectClass.IDEMPOTENT, "update", False),
        ("set_flag", {"idempotentHint": True}, EffectClass.IRREVERSIBLE, "update", True),
        ("delete_task", {"destructiveHint": False}, EffectClass.IRREVERSIBLE, "delete", True),
        ("frobnicate", {"destructiveHint": False}, EffectClass.IRREVERSIBLE, "rule", True),
    ],
)
def test_hints_are_believed_only_as_far_as_a_lie_costs_little(
    tool: str, hints: dict[str, bool], effect_class: EffectClass, effect: str, destructive: bool | None
) -> None:
    """A table of hints; each outcome is one that the guard can read."""
    word = manifests.word(tool, {"properties": {"q": {"type": "string"}}}, hints, None)

    assert (word.effect_class, word.manifest["effect"], word.manifest.get("destructive")) == (
        effect_class,
        effect,
        destructive,
    )
    seen = parse({"name": f"desk.{tool}", "parameters": {"properties": {"q": {}}}, "manifest": word.manifest})
    assert seen.effect == effect
    assert seen.output.author == "server"
    assert seen.output.author_known


def test_a_manifest_is_the_persons_word_and_stands(tmp_path: Path) -> None:
    """It beats the hints, and what it names of the server's tools is called as we call them."""
    told = {"version": 1, "tools": {"create_task": {"effect": "create", "noun": "task", "undo": "drop"}}}
    one = described(listed(annotations={"readOnlyHint": True}), listed("drop"), manifest=told)

    tool = next(tool for tool in one.tools if tool.wire == "create_task")

    assert tool.source == "manifest"
    assert tool.manifest == {"effect": "create", "noun": "task", "undo": "desk.drop"}
    assert tool.effect_class == "irreversible"


@pytest.mark.parametrize("text", ["", "version: 2\ntools: {}", "version: 1\ntools: {a: {noun: b}}", "{", "version: 1"])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """A file that does not say an effect for each tool is not half believed."""
    file = tmp_path / "manifest.yaml"
    file.write_text(text)

    with pytest.raises(ConnectorError):
        manifests.read_file(file)


@pytest.mark.parametrize(
    ("entry", "place", "fix"),
    [
        ("effect: reed", "line 3, tools.a.effect: 'reed' is no effect", "tools.a.effect: did you mean 'read'?"),
        ("{effect: send, non: b}", "line 3, tools.a.non: 'non' is no key", "tools.a.non: did you mean 'noun'?"),
        (
            "{effect: send, args: {to: whom}}",
            "tools.a.args.to: 'whom' is no role",
            "tools.a.args.to: did you mean 'who'?",
        ),
        ("{effect: send, args: {to: {rol: who}}}", "tools.a.args.to.rol", "tools.a.args.to.rol: did you mean 'role'?"),
        ("{effect: send, args: [to]}", "line 3, tools.a.args: this is no mapping", "tools.a.args: write args:"),
        (
            "{effect: read, output: {fields: {id: idd}}}",
            "tools.a.output.fields.id",
            "tools.a.output.fields.id: did you",
        ),
        ("{effect: frob}", "'frob' is no effect", "tools.a.effect: use one of: add, create"),
    ],
)
def test_a_word_of_a_manifest_that_nobody_knows_is_refused_with_its_line(
    tmp_path: Path, entry: str, place: str, fix: str
) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text(f"version: 1\ntools:\n  a: {entry if entry.startswith('{') else '{' + entry + '}'}\n")

    with pytest.raises(BadManifest) as refused:
        manifests.read_file(file)

    assert "'manifest.yaml', line 3" in refused.value.message
    assert place in refused.value.message
    assert refused.value.fix.startswith(fix)


def test_the_words_of_manifests_are_those_of_the_guard() -> None:
    assert manifest_words.EFFECTS == lexicon.EFFECTS
    assert manifest_words.ROLES == ROLES
    assert manifest_words.TRUSTS == TRUSTS


def test_the_whole_manifest_names_tools_as_we_do(hostile: Hostile, tmp_path: Path) -> None:
    """Directory and collections point at tools under our names."""
    file = tmp_path / "manifest.yaml"
    file.write_text(
        "version: 1\ndirectory: {tool: get_note, name: name}\n"
        "collections: {notes: {list: get_note, search: [get_note], key: id, fields: {id: id(notes)}}}\n"
        "tools: {get_note: {effect: read, noun: note}}\n"
    )
    connector: McpConnector = hostile.open(manifest=file)

    whole = connector.manifest()

    assert whole["directory"]["tool"] == "evil.get_note"
    assert whole["collections"]["notes"]["search"] == ["evil.get_note"]
    assert whole["collections"]["notes"]["key"] == "id"
    assert whole["tools"]["evil.get_note"] == {"effect": "read", "noun": "note"}
    assert call(connector, "get_note") == {"text": "note of get_note"}


# ---- schemas -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {"type": "array"},
        {"type": "object", "$ref": "#/$defs/a", "$defs": {"a": {}}},
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/x"}}},
        {"type": "object", "properties": {"a": {"type": "nonsense"}}},
        {"type": "object", "description": "x" * 70_000},
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: Any) -> None:
    """No object, a reference elsewhere, no JSON Schema, too long."""
    with pytest.raises(schemas.UnusableSchema):
        schemas.arguments(schema)


def test_a_schema_is_closed_and_tamed() -> None:
    """No argument beside those named, none of a stranger's patterns; a property may be called like a keyword."""
    closed = schemas.arguments(
        {
            "properties": {"pattern": {"type": "string", "pattern": "(a+)+$"}, "b": {"patternProperties": {"x": {}}, "additionalProperties": False}},
            "anyOf": [{"properties": {"c": {"type": "string"}}}],
            "additionalProperties": True,
        }
    )  # fmt: skip

    assert closed["additionalProperties"] is False
    assert closed["properties"] == {"c": True, "pattern": {"type": "string"}, "b": {}}


# ---- looking an attempt up ----------------------------------------------------------------------------------------------

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LOOKUP = {
    "tool": "list_tasks",
    "args": {"who": "to"},
    "equal": {"title": "title"},
    "created": "made",
    "records": "tasks",
}


@pytest.mark.parametrize(
    ("tasks", "is_done"),
    [
        ([{"title": "A", "made": "2026-11-23T08:00:01Z"}], True),
        ([{"title": "A", "made": "2026-11-22T08:00:01Z"}], False),  # an older one that looks the same
        ([{"title": "B", "made": "2026-11-23T08:00:01Z"}], False),
        ([{"title": "A", "made": "2026-11-23T08:00:01Z"}, {"title": "A", "made": "2026-11-23T08:00:02Z"}], False),
        ([{"title": "A"}], False),
        ([], False),
    ],
)
def test_a_lookup_says_done_only_of_one_record_made_since(tasks: list[dict[str, str]], is_done: bool) -> None:
    """Anything else is unknown, and nothing is ever absent."""
    found = lookups.verdict(LOOKUP, {"title": "A", "to": "x"}, {"tasks": tasks}, AT + timedelta(seconds=2))

    assert found == Done(tasks[0]) if is_done else isinstance(found, Unknown)


def test_a_lookup_asks_with_the_effects_own_arguments() -> None:
    """The read's argument gets the effect's value."""
    assert lookups.query(LOOKUP, {"title": "A", "to": "x"}) == {"who": "x"}
