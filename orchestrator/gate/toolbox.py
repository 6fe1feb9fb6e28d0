"""Every enabled tool by name, with the connector behind it and its argument schema compiled once.

Installed is not enabled: here are connectors handed in by the composition root, and those of accounts that somebody connected.
Nothing is called from this file.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.errors import ConnectorError
from connectors.families import FAMILIES, declared
from connectors.spec import Connector, ToolSpec
from orchestrator.errors import DeputyError, UsageError
from orchestrator.store.connections import Connection
from policies.manifest import problems_of

log = logging.getLogger("deputy.gate")


@dataclass(frozen=True, slots=True)
class Known:
    spec: ToolSpec
    digest: str  # of what a model or workflow was shown: pinned on a run, a change is drift


@dataclass(frozen=True, slots=True)
class Tool(Known):
    connector: Connector


class Toolbox:
    """Tools by (connector name, tool name); a tool's family and connector pick the connection that may call it."""

    def __init__(
        self, connectors: Sequence[Connector], load: Callable[[Connection], Connector | None] | None = None
    ) -> None:
        self._tools: dict[tuple[str, str], Tool] = {}
        self._by_name: dict[str, Tool] = {}
        self._validators: dict[tuple[str, int], Any] = {}
        self._for_guard: list[dict[str, Any]] = []
        self._connectors: dict[str, Connector] = {}
        self._load = load
        self._empty: set[str] = set()  # connectors that had no tools when they were added
        self._met: dict[str, str] = {}  # connector → what of its connection it was built from
        self.problems_of: dict[str, str] = {}  # connector → why it is not here
        for connector in connectors:
            self._add(connector)

    def enable(self, known: Iterable[Connection]) -> None:
        """Adds the connectors of active connections; a tool server's is built anew when its settings or its review change.

        One that cannot be built is left out and said in `problems_of`: the others' work goes on.
        """
        for one in known:
            if one.state != "active" or self._load is None:
                continue
            made_of = (
                json.dumps([one.settings, one.reviewed], sort_keys=True, default=str) if "kind" in one.settings else ""
            )
            if self._met.get(one.connector, "" if one.connector in self._connectors else None) == made_of:
                self._fill(one.connector)
                continue
            self._met[one.connector] = made_of
            self.problems_of.pop(one.connector, None)
            try:
                built = self._load(one)
                if built is not None:
                    self._remove(one.connector)
                    self._add(built)
            except (ConnectorError, DeputyError) as error:
                self.problems_of[one.connector] = error.message
                log.warning("the connector %s is left out: %s", one.connector, error.message)

    def _fill(self, name: str) -> None:
        """A tool server that could not be asked at first may have answered since."""
        if name in self._empty and self._connectors[name].tools():
            connector = self._connectors[name]
            self._remove(name)
            self._add(connector)

    def _add(self, connector: Connector) -> None:
        self._connectors[connector.name] = connector
        offered = connector.tools()
        (self._empty.discard if offered else self._empty.add)(connector.name)
        for spec in offered:
            key = (connector.name, spec.name)
            if key in self._tools:
                raise UsageError(
                    f"connector {connector.name!r} offers {spec.name!r} twice", fix="remove one of the two"
                )
            if problems := problems_of(spec.name, spec.manifest):
                self.problems_of[connector.name] = f"{spec.name} is left out: {'; '.join(problems)}"
                log.warning("the tool %s is left out: %s", spec.name, "; ".join(problems))
                continue
            self._tools[key] = Tool(spec, schema_digest(spec), connector)
            self._by_name.setdefault(spec.name, self._tools[key])
        self._for_guard = []

    def _remove(self, name: str) -> None:
        if self._connectors.pop(name, None) is None:
            return
        self._empty.discard(name)
        self._tools = {key: tool for key, tool in self._tools.items() if key[0] != name}
        self._by_name = {}
        for tool in self._tools.values():
            self._by_name.setdefault(tool.spec.name, tool)
        self._validators = {}

    def close(self) -> None:
        """Lets go of lines, threads and server processes of all connectors. They open again when they are called."""
        _close(self._connectors)

    def close_when_unused(self) -> None:
        """The same once nobody holds this toolbox any more: calls that are under way with it come to their end.

        In a thread of its own, because closing may block whoever happens to let go of it last.
        """
        weakref.finalize(self, _close_aside, self._connectors).atexit = False

    def families(self) -> frozenset[str]:
        return frozenset(tool.spec.family for tool in self._tools.values())

    def names(self) -> frozenset[str]:
        return frozenset(name for _, name in self._tools)

    def names_for(self, mine: Iterable[Connection]) -> frozenset[str]:
        """What somebody with these connections is shown: the office's families, and tool servers of their own."""
        reached = FAMILIES | {family for one in mine for family in one.families}
        return frozenset(name for name in self.names() if name.partition(".")[0] in reached)

    def any_of(self, name: str) -> Tool | None:
        """The tool under any connector: for schemas and manifests, which a family's providers share."""
        return self._by_name.get(name)

    def known(self, name: str) -> Known | None:
        """The same, or what its family says of a tool that no connector offers yet: it is there once an account is connected."""
        if (found := self.any_of(name)) is not None:
            return found
        spec = declared(name)
        return None if spec is None else Known(spec, schema_digest(spec))

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


def _close(connectors: Mapping[str, Connector]) -> None:
    for connector in list(connectors.values()):
        end = getattr(connector, "close", None)
        if end is not None:
            end()


def _close_aside(connectors: Mapping[str, Connector]) -> None:
    threading.Thread(target=_close, args=(connectors,), name="deputy-close", daemon=True).start()
