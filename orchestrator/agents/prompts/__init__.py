"""What agents are told, as versioned Markdown files beside this one; a person's file of the same name in the home replaces it.

Bodies are Jinja2 templates in a sandbox. A template sees only the variables named here, so that a file that asks for another
one is refused when it is loaded, not when somebody waits. Rendering is a function of template and variables alone.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
import jinja2.meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from orchestrator.agents.prompts.front_matter import Source, digest_of, fault, parse
from orchestrator.errors import UsageError

SHIPPED = Path(__file__).parent
AGENT_VARIABLES = frozenset({"today", "now", "zone", "requester"})
"""What a predefined agent's own text may use."""
VARIABLES: Mapping[str, frozenset[str]] = {
    "supervisor": AGENT_VARIABLES | {"tools", "agents", "examples", "limits", "memories", "may_create"},
    "task": AGENT_VARIABLES | {"instructions"},
    "packet": frozenset({"goal", "known", "references", "result", "constraints", "report", "memories"}),
    "plan": frozenset(),
    "summary": frozenset(),
    "judge": frozenset(),
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "supervisor": {"agents": (), "examples": (), "limits": {}, "memories": (), "may_create": True},
    "packet": dict.fromkeys(("known", "references", "result", "constraints", "report", "memories"), ()),
}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_LIMITS = (
    ("model_calls", "model calls", 1),
    ("tokens", "tokens", 1),
    ("cost_microusd", "USD", 1_000_000),
    ("wall_ms", "minutes", 60_000),
    ("effects", "effects", 1),
    ("turns", "turns", 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One file, ready to render. `text`: the template; `digest`: over the file's bytes, pinned on every run that uses it."""

    name: str
    version: int
    text: str
    digest: str
    front: Mapping[str, Any]
    path: Path

    def render(self, **variables: Any) -> str:
        """The text for these variables, without a newline at its end. Raises UsageError naming the file where it cannot be."""
        try:
            return _compiled(self.text).render({**DEFAULTS.get(self.name, {}), **variables}).strip("\n")
        except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise fault(self.path, "text", f"cannot be rendered: {error}", "correct it, or remove your file") from error


def load(name: str, folder: Path | None = None) -> Prompt:
    """The prompt of that name: `folder`/NAME.md where it exists, else the shipped one.

    A file of one's own with a fault is an error: the shipped one never stands in for it unnoticed.
    """
    if name not in VARIABLES:
        raise UsageError(f"there is no prompt {name!r}", fix=_did_you_mean(name, VARIABLES))
    own = folder / f"{name}.md" if folder is not None else None
    path = own if own is not None and own.is_file() else SHIPPED / f"{name}.md"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise fault(path, "", f"cannot be read: {error.strerror}", "check path and rights") from error
    return _prompt(name, raw, path)


def every(folder: Path | None = None) -> tuple[Prompt, ...]:
    """All prompts in force, by name. Raises UsageError for a file in `folder` that replaces none: its name is likely a slip."""
    for path in sorted(folder.glob("*.md")) if folder is not None else ():
        if path.stem not in VARIABLES:
            raise fault(path, "", "replaces no prompt", _did_you_mean(path.stem, VARIABLES))
    return tuple(load(name, folder) for name in sorted(VARIABLES))


def of_source(name: str, source: Source, variables: Iterable[str]) -> Prompt:
    """A prompt of a file that is already read, its template checked against the variables it will get."""
    try:
        used = jinja2.meta.find_undeclared_variables(_environment().parse(source.body))
        _compiled(source.body)
    except jinja2.TemplateSyntaxError as error:
        raise fault(source.path, "text", f"line {error.lineno} of it: {error.message}", "see docs/agents.md") from error
    except jinja2.TemplateError as error:
        raise fault(source.path, "text", f"is no template: {error}", "see docs/agents.md") from error
    known = frozenset(variables)
    for variable in sorted(used - known):
        raise fault(source.path, "text", f"uses {variable!r}, which it is not given", _did_you_mean(variable, known))
    return Prompt(
        name=name,
        version=source.front["version"],
        text=source.body,
        digest=source.digest,
        front=source.front,
        path=source.path,
    )


def around(instructions: str, task: Prompt, variables: Mapping[str, Any]) -> str:
    """A task agent's whole prompt. `instructions` are a value, never a template, whoever wrote them."""
    return task.render(instructions=instructions.strip(), **variables)


def moment(now: datetime, zone: str) -> dict[str, str]:
    """The variables today, now and zone for an instant, as a clock on the wall of that zone shows it."""
    local = now.astimezone(ZoneInfo(zone))
    return {
        "today": f"{_WEEKDAYS[local.weekday()]}, {local.date().isoformat()}",
        "now": local.replace(microsecond=0).isoformat(),
        "zone": zone,
    }


@lru_cache(maxsize=64)
def _prompt(name: str, raw: bytes, path: Path) -> Prompt:
    source = parse(raw, path)
    for key in sorted(set(source.front) - {"version", "description"}):
        raise fault(path, key, "is no field of a prompt", "prompts have version and description")
    return of_source(name, source, VARIABLES[name])


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["line"] = as_line
    environment.filters["json"] = _as_json
    environment.filters["limits"] = _as_limits
    environment.filters["indented"] = _as_indented
    return environment


@lru_cache(maxsize=256)
def _compiled(text: str) -> jinja2.Template:
    return _environment().from_string(text)


def as_line(value: Any) -> str:
    """One line whatever the value holds, so that a name or a fact cannot pose as a part of the prompt."""
    return _SPACE.sub(" ", str(value)).strip()


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def _as_indented(value: Any) -> str:
    """Several lines, none of which begins where a heading of ours would."""
    text = value if isinstance(value, str) else _as_json(value)
    return "\n".join(f"  {line}" for line in text.strip().splitlines())


def _as_limits(value: Mapping[str, int]) -> str:
    """Limits in people's units, e.g. "40 model calls, 0.5 USD"."""
    return ", ".join(f"{value[name] / unit:g} {word}" if unit > 1 else f"{value[name]} {word}"
                     for name, word, unit in _LIMITS if value.get(name) is not None)  # fmt: skip


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"


__all__ = [
    "AGENT_VARIABLES",
    "SHIPPED",
    "VARIABLES",
    "Prompt",
    "around",
    "as_line",
    "digest_of",
    "every",
    "load",
    "moment",
    "of_source",
]
