"""What the guard and the ledger are told about a server's tool: by a person's manifest, else by the server's own hints, else the worst.

A manifest file is the word of whoever configured the server, and stands as it is written. Hints (MCP's annotations) are the
server's own word about itself, and are believed only as far as a lie costs little:
- `readOnlyHint` makes a tool a fetch: something is sent out and something comes back. So it may go ahead unasked, but what is
  sent counts as leaving (no secret goes with it), and nothing that comes back has an inside author. It is not believed where
  the tool's own name says that it changes something, or `destructiveHint` does.
- `destructiveHint: false` and `idempotentHint` decide whether a doubtful attempt may be repeated, and whether the tool is
  treated as destructive where its name names an ordinary effect. A server could do its own work twice without us anyway.
- Without hints, or with a name nobody understands, the tool is a destructive effect that nothing takes back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.errors import ConnectorError
from connectors.mcp import manifest_words
from connectors.mcp.manifest_words import Fault
from connectors.spec import EffectClass

AUTHOR = (
    "server"  # the field that would name the author; a server's records have none, so that nobody inside wrote them
)
OUTPUT: Mapping[str, Any] = {"fields": {AUTHOR: "text"}, "author": AUTHOR}  # every value is text, save ids
DESTRUCTIVE = frozenset({"delete", "remove", "pay", "rule"})
UNKNOWN = "rule"  # the guard's word for what is destructive whatever it touches

READS = frozenset(
    "get list search read find fetch show view describe query lookup look check count status diff log head tail tree "
    "info stat browse resolve convert calculate compute validate preview explain compare echo".split()
)
CHANGES: Mapping[str, str] = {
    verb: effect
    for effect, verbs in {
        "send": "send reply forward submit",
        "create": "create add new insert book schedule make draft generate upload save",
        "update": "update set edit modify move rename mark assign append write put patch replace change commit merge "
        "checkout archive label enable disable complete close reopen",
        "delete": "delete destroy drop purge clear cancel erase wipe reset trash",
        "remove": "remove revoke unshare",
        "share": "share grant",
        "invite": "invite",
        "pay": "pay transfer buy purchase refund charge order",
        "publish": "publish deploy push release broadcast",
        UNKNOWN: "run execute exec eval call invoke install kill stop start restart",
    }.items()
    for verb in verbs.split()
}  # fmt: skip
NOUNS_TOO: Mapping[str, str] = {"post": "send", "message": "send", "email": "send", "notify": "send", "comment": "send"}
_LINKLIKE = re.compile(r"ur[il]|link|href|site|page|domain|host|address|path|file", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """effect_class: the ledger's; manifest: the guard's; source: who says so, "manifest" | "annotations" | "nobody"."""

    effect_class: EffectClass
    manifest: Mapping[str, Any]
    source: str


class BadManifest(ConnectorError):
    """A manifest file that says what nobody understands; the message names the file, the line and the field."""

    code = "bad_manifest"


def read_file(path: Path) -> dict[str, Any]:
    """A manifest file (CONTRACT: Manifests) as JSON has it. ConnectorError that names the file if it cannot be used."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        told = json.loads(json.dumps(yaml.safe_load(text), default=str))
    except (OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise BadManifest(f"the manifest {path.name!r} cannot be read", fix="see that it is a YAML file") from error
    return checked(told, path.name, text)


def of(given: str | Path | Mapping[str, Any] | None, called: str) -> dict[str, Any] | None:
    """The manifest in a file, or one that was read already. ConnectorError if it cannot be used."""
    if given is None:
        return None
    return checked(dict(given), called) if isinstance(given, Mapping) else read_file(Path(given))


def checked(told: Any, called: str, text: str = "") -> dict[str, Any]:
    """The same manifest. ConnectorError, which says what it is `called`, if it cannot be used. text: the file, for its lines."""
    if not isinstance(told, dict) or told.get("version") != 1 or not isinstance(told.get("tools"), dict):
        raise BadManifest(
            f"the manifest {called!r} is not one of version 1 with `tools`", fix="begin it with `version: 1`"
        )
    for tool, entry in told["tools"].items():
        if not isinstance(entry, dict) or not isinstance(entry.get("effect"), str):
            raise BadManifest(
                f"the manifest {called!r} says no effect for {str(tool)!r}", fix="give each tool an `effect`"
            )
    refuse(manifest_words.faults(told), called, text)
    return told


def refuse(faults: Iterable[Fault], called: str, text: str = "") -> None:
    """Raises BadManifest that names every fault, each with its place; nothing where there is none."""
    found = list(faults)
    if found:
        said = "; ".join(f"{_place(one.path, text)}: {one.says}" for one in found)
        fixes = list(dict.fromkeys(f"{'.'.join(one.path)}: {one.fix}" for one in found))
        raise BadManifest(f"the manifest {called!r}, {said}", fix=fixes[0] if len(fixes) == 1 else "; ".join(fixes))


def _place(path: Sequence[str], text: str) -> str:
    """A fault's field, with its line where the file is at hand."""
    import yaml

    node, line = yaml.compose(text) if text else None, 0
    for key in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        found = next((pair for pair in pairs if str(pair[0].value) == key), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return f"line {line}, {'.'.join(path)}" if line else ".".join(path)


def word(tool: str, parameters: Mapping[str, Any], hints: Mapping[str, Any], told: Mapping[str, Any] | None) -> Word:
    """What is said about a tool (its name on the wire, its closed schema, its annotations, its entry of the manifest)."""
    if told is not None:
        return Word(effect_class=_class_of(str(told["effect"]), hints, told), manifest=dict(told), source="manifest")
    effect, noun = _of_name(tool)
    said_harmless = hints.get("destructiveHint") is False and hints.get("readOnlyHint") is not True
    if hints.get("readOnlyHint") is True and effect is None and hints.get("destructiveHint") is not True:
        fetch: dict[str, Any] = {
            "effect": "fetch",
            "noun": noun,
            "args": _leaving(parameters),
            "output": dict(OUTPUT),
        }
        return Word(effect_class=EffectClass.READ, manifest=fetch, source="annotations")
    is_hinted = said_harmless and effect is not None
    manifest: dict[str, Any] = {
        "effect": effect or UNKNOWN,
        "noun": noun,
        "destructive": not is_hinted or effect in DESTRUCTIVE,
        "output": dict(OUTPUT),
    }
    effect_class = _class_of(str(manifest["effect"]), hints, {})
    return Word(effect_class=effect_class, manifest=manifest, source="annotations" if is_hinted else "nobody")


def _class_of(effect: str, hints: Mapping[str, Any], told: Mapping[str, Any]) -> EffectClass:
    """The ledger's word. Never KEYED: MCP carries no idempotency key, so nobody refuses a second call."""
    if effect in ("read", "fetch"):
        return EffectClass.READ
    is_idempotent = told.get("idempotent")
    if is_idempotent is None:
        is_idempotent = hints.get("idempotentHint") is True and hints.get("destructiveHint") is False
    if is_idempotent:
        return EffectClass.IDEMPOTENT
    return EffectClass.UNKEYED if isinstance(told.get("lookup"), Mapping) else EffectClass.IRREVERSIBLE


def _of_name(tool: str) -> tuple[str | None, str]:
    """The effect that a name names (None: it reads, or names none that we know), and what it is about."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", tool)
    words = [part.lower() for part in re.split(r"[^A-Za-z0-9]+", spaced) if part]
    for verbs in (READS | CHANGES.keys(), NOUNS_TOO.keys()):
        for at, part in enumerate(words):
            if part in verbs:
                noun = " ".join(words[:at] + words[at + 1 :])
                return (None if part in READS else CHANGES.get(part) or NOUNS_TOO[part]), noun
    return None, " ".join(words)


def _leaving(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Free texts among the arguments: what is written into them leaves. Addresses of pages and files keep the guard's own roles."""
    found: dict[str, Any] = {}
    for name, schema in (parameters.get("properties") or {}).items():
        is_free = isinstance(schema, Mapping) and schema.get("type") == "string" and "enum" not in schema
        if is_free and not _LINKLIKE.search(name) and schema.get("format") is None:
            found[name] = "text"
    return found


def renamed(value: Any, ours: Mapping[str, str]) -> Any:
    """A manifest's directory and collections, with the tools that they name called as we call them."""
    if isinstance(value, Mapping):
        return {
            key: renamed(entry, ours)
            if not (key in ("tool", "list", "get") and isinstance(entry, str))
            else ours.get(entry, entry)
            for key, entry in value.items()
        }
    if isinstance(value, list):
        return [ours.get(entry, entry) if isinstance(entry, str) else renamed(entry, ours) for entry in value]
    return value
