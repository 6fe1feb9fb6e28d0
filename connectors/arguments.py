"""The arguments of a call against the schema of its tool, before anything leaves; each schema is compiled at its first call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.errors import InvalidCall
from connectors.spec import ToolSpec


def _quoting(error: Any) -> str:
    return f": {error.message}"


class Arguments:
    """Called with a tool and its arguments, gives the tool's spec. InvalidCall for an unknown tool or arguments that do not fit.

    `whose`: who has the tools, as an error names it. `words`: what is said of a misfit after its place; by default the validator's
    own words, which quote the value.
    """

    def __init__(
        self,
        whose: str,
        specs: Callable[[], Mapping[str, ToolSpec]],
        words: Callable[[Any], str] = _quoting,
    ) -> None:
        self._whose = whose
        self._specs = specs
        self._words = words
        self._validators: dict[str, Any] = {}

    def __call__(self, tool: str, args: Mapping[str, Any]) -> ToolSpec:
        spec = self._specs().get(tool)
        if spec is None:
            raise InvalidCall(f"{self._whose} has no tool {tool!r}", fix="Use one of its tools().")
        for error in self._validator(spec).iter_errors(dict(args)):
            where = "/".join(str(part) for part in error.absolute_path) or "arguments"
            raise InvalidCall(f"{tool}: {where}{self._words(error)}", fix="Follow the tool's parameter schema.")
        return spec

    def _validator(self, spec: ToolSpec) -> Any:
        found = self._validators.get(spec.name)
        if found is None:
            from jsonschema import Draft202012Validator  # here: client commands never call a tool, and it costs 80 ms

            found = self._validators[spec.name] = Draft202012Validator(spec.parameters)
        return found
