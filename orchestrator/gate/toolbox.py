"""Every enabled tool by name, with the connector behind it and its argument schema compiled once.

Installed is not enabled: only connectors handed in by the composition root are here. Nothing is called from this file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.spec import Connector, ToolSpec
from orchestrator.errors import UsageError


@dataclass(frozen=True, slots=True)
class Tool:
    spec: ToolSpec
    connector: Connector
    digest: str  # of what a model or workflow was shown: pinned on a run, a change is drift


class Toolbox:
    """Tools by (connector name, tool name); a tool's family and connector pick the connection that may call it."""

    def __init__(self, connectors: Sequence[Connector]) -> None:
        self._tools: dict[tuple[str, str], Tool] = {}
        self._by_name: dict[str, Tool] = {}
        self._validators: dict[tuple[str, int], Any] = {}
        self._for_guard: list[dict[str, Any]] = []
        self._connectors = {connector.name: connector for connector in connectors}
        for connector in connectors:
            for spec in connector.tools():
                key = (connector.name, spec.name)
                if key in self._tools:
                    raise UsageError(
                        f"connector {connector.name!r} offers {spec.name!r} twice", fix="remove one of the two"
                    )
                self._tools[key] = Tool(spec, connector, schema_digest(spec))
                self._by_name.setdefault(spec.name, self._tools[key])

    def families(self) -> frozenset[str]:
        return frozenset(tool.spec.family for tool in self._tools.values())

    def names(self) -> frozenset[str]:
        return frozenset(name for _, name in self._tools)

    def any_of(self, name: str) -> Tool | None:
        """The tool under any connector: for schemas and manifests, which a family's providers share."""
        return self._by_name.get(name)

    def at(self, connector: str, name: str) -> Tool | None:
        return self._tools.get((connector, name))

    def connector(self, name: str) -> Connector | None:
        return self._connectors.get(name)

    def problems(self, spec: ToolSpec, args: Mapping[str, Any]) -> list[str]:
        """What is wrong with `args` by the tool's JSON Schema; empty when they fit."""
        key = (spec.name, id(spec))
        validator = self._validators.get(key)
        if validator is None:
            import jsonschema

            validator = self._validators[key] = jsonschema.Draft202012Validator(dict(spec.parameters))
        return [
            f"{'.'.join(map(str, error.path)) or 'arguments'}: {error.message}"
            for error in validator.iter_errors(dict(args))
        ]

    def for_guard(self) -> list[dict[str, Any]]:
        """name, description, parameters and manifest of every tool, as `policies.guard` takes them."""
        if self._for_guard:
            return self._for_guard
        seen: dict[str, dict[str, Any]] = {}
        for (_, name), tool in self._tools.items():
            seen.setdefault(
                name,
                {
                    "name": name,
                    "description": tool.spec.description,
                    "parameters": dict(tool.spec.parameters),
                    "manifest": dict(tool.spec.manifest),
                },
            )
        self._for_guard = list(seen.values())
        return self._for_guard


def schema_digest(spec: ToolSpec) -> str:
    """Digest of everything about a tool that a plan could rely on."""
    text = json.dumps(
        [spec.name, spec.description, dict(spec.parameters), dict(spec.manifest)], sort_keys=True, default=str
    )
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
