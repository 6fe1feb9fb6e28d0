"""What a server's tools were when a person looked at them: what tools() reads, and what has changed since.

A digest covers everything a server says of a tool, as it said it; so a word slipped into a description is a changed tool. What
is kept is what a model is shown, which is never what a server says today.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from connectors.errors import ConnectorError
from connectors.mcp import manifests, names, schemas
from connectors.mcp.text import label
from connectors.spec import EffectClass, ToolSpec

VERSION = 1
MOST_TOOLS = 500
MOST_TITLE = 120
MOST_DESCRIPTION = 2000
HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
AGAIN = "look at the server again with `deputy connect mcp`"
FOREIGN = "A tool of the server {name}, in that server's own words: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One tool. name: ours; wire: the server's; source: whose word `manifest` is (`manifests.Word`)."""

    name: str
    wire: str
    title: str
    description: str
    parameters: Mapping[str, Any]
    output: Mapping[str, Any]
    is_wrapped: bool  # whether an answer is the member `result` of an object
    effect_class: str
    manifest: Mapping[str, Any]
    source: str
    hints: Mapping[str, Any]  # the server's own
    digest: str

    def spec(self, wire_timeout_s: float) -> ToolSpec:
        return ToolSpec(
            name=self.name,
            title=self.title,
            description=self.description,
            parameters=self.parameters,
            output=self.output,
            manifest=self.manifest,
            effect_class=EffectClass(self.effect_class),
            undo=self.manifest.get("undo"),
            wire_timeout_s=wire_timeout_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """All of a server. target: digest of how it is reached; refused: name on the wire → why it is left out."""

    server: str
    target: str
    said: Mapping[str, str] = field(default_factory=dict)  # what it calls itself, for people
    is_reviewed: bool = False  # a person has seen exactly this
    tools: Sequence[Described] = ()
    refused: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self), "tools": [asdict(tool) for tool in self.tools]}

    def save(self, path: Path) -> None:
        """Whole or not at all; the old file stays until the new one is complete."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                json.dump(self.to_json(), out, indent=1, ensure_ascii=False)
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise


class Keeper(Protocol):
    """Where the description of one server is kept. ConnectorError where it cannot be used at the moment."""

    def load(self) -> Description | None: ...

    def keep(self, first: Description) -> Description:
        """Keeps what nobody has reviewed, and gives what holds: another's, where that was sooner. OSError: it is not kept."""
        ...


@dataclass(frozen=True, slots=True)
class File:
    """A file as the keeper."""

    path: Path

    def load(self) -> Description | None:
        return load(self.path)

    def keep(self, first: Description) -> Description:
        first.save(self.path)
        return first


def load(path: Path) -> Description | None:
    """The description in a file, None where there is no file. ConnectorError where it cannot be used."""
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConnectorError(f"the description {path.name!r} cannot be read", fix=AGAIN) from error
    return from_json(told, path.name)


def from_json(told: Any, called: str) -> Description:
    """What `to_json` gave. ConnectorError, which says what it is `called`, where it cannot be used."""
    try:
        if told["version"] != VERSION:
            raise ConnectorError(f"the description {called!r} is of version {told['version']!r}", fix=AGAIN)
        return Description(
            server=told["server"],
            target=told["target"],
            said=told["said"],
            is_reviewed=told["is_reviewed"] is True,
            tools=[Described(**tool) for tool in told["tools"]],
            refused=told["refused"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ConnectorError(f"the description {called!r} cannot be read", fix=AGAIN) from error


def digest_of(listed: Mapping[str, Any]) -> str:
    """Of everything that decides what a tool is: its name, words, schemas and hints, exactly as they came."""
    parts = {
        key: listed.get(key) for key in ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def target_of(command: Sequence[str] | None, url: str | None) -> str:
    """Digest of how a server is reached: what was reviewed of one command says nothing about another."""
    return "sha256:" + hashlib.sha256(json.dumps([list(command or ()), url]).encode()).hexdigest()


def describe(
    *,
    server: str,
    target: str,
    said: Mapping[str, str],
    listed: Sequence[Mapping[str, Any]],
    manifest: Mapping[str, Any] | None,
    reserved: Iterable[str],
) -> Description:
    """What a listing (tools as they are on the wire) amounts to. `manifest`: the person's file, read."""
    entries = (manifest or {}).get("tools") or {}
    ours, refused = names.map_names(server, [str(tool["name"]) for tool in listed[:MOST_TOOLS]], set(reserved))
    for tool in listed[MOST_TOOLS:]:
        refused[str(tool["name"])] = f"a server may offer {MOST_TOOLS} tools, and this is one more"
    tools: list[Described] = []
    for tool in listed[:MOST_TOOLS]:
        wire = str(tool["name"])
        if wire not in ours:
            continue
        try:
            tools.append(_described(server, ours, tool, entries.get(wire)))
        except schemas.UnusableSchema as error:
            refused[wire] = str(error)
    return Description(
        server=server,
        target=target,
        said={key: label(value, MOST_TITLE) for key, value in said.items()},
        tools=sorted(tools, key=lambda tool: tool.name),
        refused={label(wire, MOST_TITLE): why for wire, why in sorted(refused.items())},
    )


def _described(
    server: str, ours: Mapping[str, str], tool: Mapping[str, Any], entry: Mapping[str, Any] | None
) -> Described:
    wire = str(tool["name"])
    hints = {key: value for key, value in (tool.get("annotations") or {}).items() if key in HINTS}
    parameters = schemas.arguments(tool.get("inputSchema"))
    output = schemas.answer(tool.get("outputSchema"))
    is_wrapped = schemas.is_wrapped(output)
    word = manifests.word(wire, parameters, hints, _with_our_names(entry, ours))
    title = tool.get("title") or (tool.get("annotations") or {}).get("title") or wire.replace("_", " ")
    words = label(str(tool.get("description") or ""), MOST_DESCRIPTION)
    return Described(
        name=ours[wire],
        wire=wire,
        title=f"{label(str(title), MOST_TITLE)} ({server})",
        description=FOREIGN.format(name=server) + (words or "none."),
        parameters=parameters,
        output=schemas.unwrapped(output) if is_wrapped else output,
        is_wrapped=is_wrapped,
        effect_class=word.effect_class.value,
        manifest=word.manifest,
        source=word.source,
        hints=hints,
        digest=digest_of(tool),
    )


def as_now(known: Description, manifest: Mapping[str, Any] | None, reserved: Iterable[str]) -> Description:
    """A description as today's manifest and today's rules have it: what a person writes into the manifest holds at once."""
    entries = (manifest or {}).get("tools") or {}
    ours, refused = names.map_names(known.server, [tool.wire for tool in known.tools], set(reserved))
    tools = []
    for tool in known.tools:
        if ours.get(tool.wire) == tool.name:
            entry = _with_our_names(entries.get(tool.wire), ours)
            word = manifests.word(tool.wire, tool.parameters, tool.hints, entry)
            told = replace(tool, effect_class=word.effect_class.value, manifest=word.manifest, source=word.source)
            tools.append(told)
    return replace(known, tools=tools, refused={**known.refused, **refused})


def _with_our_names(entry: Mapping[str, Any] | None, ours: Mapping[str, str]) -> dict[str, Any] | None:
    """A manifest's entry, with the tools that it names called as we call them."""
    if entry is None:
        return None
    undo = entry.get("undo")
    return {**entry, "undo": ours.get(str(undo))} if undo is not None else dict(entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. kind: added | removed | changed | refused; what: which of its parts; a sentence for people."""

    kind: str
    tool: str
    what: tuple[str, ...]
    text: str


PARTS = ("title", "description", "parameters", "output", "manifest", "effect_class")


def review(old: Description | None, new: Description) -> list[Change]:
    """What a person has to look at before `new` may replace `old`: everything, where there is nothing old."""
    before = {tool.wire: tool for tool in (old.tools if old is not None else ())}
    after = {tool.wire: tool for tool in new.tools}
    found: list[Change] = []
    for wire, tool in after.items():
        known = before.get(wire)
        if known is None:
            found.append(Change(kind="added", tool=tool.name, what=PARTS, text=_introduced(tool)))
        elif known != tool:
            what = tuple(part for part in PARTS if getattr(known, part) != getattr(tool, part))
            found.append(
                Change(kind="changed", tool=tool.name, what=what or ("annotations",), text=_told(known, tool, what))
            )
    for wire, tool in before.items():
        if wire not in after and wire not in new.refused:
            found.append(Change(kind="removed", tool=tool.name, what=(), text=f"{tool.name} is gone."))
    for wire, why in new.refused.items():
        if old is None or old.refused.get(wire) != why:
            found.append(Change(kind="refused", tool=wire, what=(), text=f"{wire!r} is left out: {why}."))
    return found


def _introduced(tool: Described) -> str:
    effect = tool.manifest.get("effect")
    how = {
        "manifest": f"{effect}, by your manifest",
        "annotations": f"{effect}, by the server's own word",
        "nobody": "nobody says what it does: treated as a destructive effect that nothing takes back",
    }[tool.source]
    return f"{tool.name} is new ({how}). {tool.description}"


def _told(old: Described, new: Described, what: Sequence[str]) -> str:
    said = [f"{part}: {json.dumps(getattr(old, part))} → {json.dumps(getattr(new, part))}" for part in what]
    return f"{new.name} has changed: {'; '.join(said) or 'in what the server says of it beside its words and schemas'}."
