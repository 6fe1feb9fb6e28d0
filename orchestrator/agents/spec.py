"""What an agent is: prompt, tools, model, result, checks and limits, as one frozen value; and the predefined ones, read from files.

A spec grants nothing: what its tools may do is decided at the gate. Files are Markdown (docs/agents.md); a spec is pinned on the
run it was made for, so later edits of a file change no run that has begun.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from connectors.families import FAMILIES, tool_specs
from orchestrator.agents import checks, prompts
from orchestrator.agents.prompts import Prompt, digest_of
from orchestrator.agents.prompts.front_matter import Source, fault, read
from orchestrator.agents.result_schema import problem_of
from orchestrator.errors import UsageError

LIBRARY = Path(__file__).parent / "library"
ROLES = ("supervisor", "task")
LIMITS = ("model_calls", "tokens", "cost_microusd", "wall_ms", "effects", "turns")
UNITS: Mapping[str, tuple[str, int]] = {"usd": ("cost_microusd", 1_000_000), "minutes": ("wall_ms", 60_000)}
EVERY_TASK = ("agent.ask_requester", "finish")  # what a task agent has besides the tools of its file
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """One agent as it is run. `tools`: canonical names, connectors' and the house's. `budget`: LIMITS of its subtree."""

    name: str
    prompt: str  # the system prompt, rendered
    prompt_digest: str  # of the source text it was rendered from
    tools: tuple[str, ...]
    role: str = "task"  # which model
    model: str | None = None  # a model of its own instead
    output: Mapping[str, Any] | None = None  # JSON Schema of finish's `result`; None: any object
    checks: tuple[str, ...] = ()
    judge: str = ""  # criteria; "": no judge
    plan: bool = False  # a planning turn comes first
    budget: Mapping[str, int] = field(default_factory=dict)
    max_turns: int = 40
    max_checks: int = 3  # refused results, after which it ends as failed
    agents: tuple[str, ...] | None = None  # predefined agents it may hand work to; None: it makes its own

    def as_json(self) -> dict[str, Any]:
        """Every field, as lists and objects of its own."""
        return {
            "name": self.name,
            "prompt": self.prompt,
            "prompt_digest": self.prompt_digest,
            "tools": list(self.tools),
            "role": self.role,
            "model": self.model,
            "output": None if self.output is None else dict(self.output),
            "checks": list(self.checks),
            "judge": self.judge,
            "plan": self.plan,
            "budget": dict(self.budget),
            "max_turns": self.max_turns,
            "max_checks": self.max_checks,
            "agents": None if self.agents is None else list(self.agents),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, where: str = "agent spec") -> AgentSpec:
        """The inverse of `as_json`. Raises UsageError naming `where` and the field; absent fields take their defaults."""
        reader = _Reader(value, where)
        reader.only({one.name for one in fields(cls)})
        return cls(
            prompt=reader.text("prompt", required=True),
            prompt_digest=reader.text("prompt_digest", required=True),
            **reader.settings(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A predefined agent as its file has it. `tools` are patterns still; `description` is for whoever chooses among agents."""

    name: str
    description: str
    prompt: Prompt  # its own instructions, a template over prompts.AGENT_VARIABLES
    tools: tuple[str, ...]
    settings: Mapping[str, Any]

    def spec(self, names: Iterable[str], *, task: Prompt, variables: Mapping[str, Any]) -> AgentSpec:
        """The agent for one run. `names`: the tools there are; `task`: the prompt around its own; `variables`: AGENT_VARIABLES."""
        tools = expand(self.tools, names, where=f"{self.prompt.path}: tools")
        if self.tools and not tools:
            raise fault(self.prompt.path, "tools", "none of them is there", "connect an account that has them")
        return AgentSpec(
            prompt=prompts.around(self.prompt.render(**variables), task, variables),
            prompt_digest=digest_of(self.prompt.digest, task.digest),
            **{**self.settings, "tools": tuple(dict.fromkeys((*tools, *EVERY_TASK)))},
        )


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue(Mapping[str, Definition]):
    """Predefined agents by name, sorted. `faults`: files that could not be used."""

    _definitions: Mapping[str, Definition]
    faults: tuple[UsageError, ...] = ()

    def __getitem__(self, name: str) -> Definition:
        return self._definitions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions)

    def __len__(self) -> int:
        return len(self._definitions)

    def named(self, name: str) -> Definition:
        """Raises UsageError with the nearest name where there is none."""
        if name not in self._definitions:
            raise UsageError(f"there is no agent {name!r}", fix=did_you_mean(name, self._definitions))
        return self._definitions[name]


def catalogue(folders: Sequence[Path] = ()) -> Catalogue:
    """The shipped agents and those of the folders; a later folder's file replaces an earlier one of the same name.

    A file with a fault is left out, reported in `faults`, and takes nothing else with it. What it would have replaced is
    left out as well: an agent that somebody meant to change is not run unchanged.
    """
    found: dict[str, Definition] = {}
    faults: list[UsageError] = []
    for folder in (LIBRARY, *folders):
        for path in sorted(folder.glob("*.md")):
            try:
                found[path.stem] = definition(path)
            except UsageError as error:
                faults.append(error)
                found.pop(path.stem, None)
    return Catalogue({name: found[name] for name in sorted(found)}, tuple(faults))


def definition(path: Path) -> Definition:
    """One file of the library. Raises UsageError naming file and field."""
    return _definition(read(path))


def expand(patterns: Iterable[str], names: Iterable[str], *, where: str = "tools") -> tuple[str, ...]:
    """The tools that patterns such as "mail.*" or "mail.send" mean: each once, in the order of the patterns, else sorted.

    A name may be given as on a model's wire ("mail_send"). One that is not there is a UsageError, except with a "?" at its
    end ("chat.search?"): a tool that is welcome but not needed. One that is needed may be of an office family of which
    nothing is there so far: whoever calls it waits for an account.
    """
    known = sorted(set(names))
    here = {name.partition(".")[0] for name in known}
    lacking = [spec.name for family in sorted(FAMILIES - here) for spec in tool_specs(family)]
    found: dict[str, None] = {}
    for pattern in patterns:
        wanted = pattern.removesuffix("?")
        hits = _hits(wanted, known) or (_hits(wanted, lacking) if wanted == pattern else [])
        if not hits and wanted == pattern:
            what = "matches no tool" if _WILD.search(wanted) else "is no tool there is"
            raise UsageError(f"{where}: {pattern!r} {what}", fix=did_you_mean(pattern, known))
        found.update(dict.fromkeys(hits))
    return tuple(found)


def _hits(wanted: str, names: Sequence[str]) -> list[str]:
    """The names that a pattern means, given as they are or as on a model's wire."""
    return [name for name in names if fnmatchcase(name, wanted)] or [
        name for name in names if name.replace(".", "_") == wanted
    ]


def limits_of(value: Mapping[str, Any], *, where: str = "budget") -> dict[str, int]:
    """Limits under the names in LIMITS; `usd` and `minutes` are converted. Raises UsageError naming the one that is off."""
    limits: dict[str, int] = {}
    for name, most in value.items():
        target, unit = UNITS.get(name, (name, 1))
        if target not in LIMITS:
            raise UsageError(f"{where}: {name!r} is no limit", fix=did_you_mean(str(name), (*LIMITS, *UNITS)))
        is_number = isinstance(most, int | float) and not isinstance(most, bool) and (name == "turns") <= most < 10**15
        if not is_number or (unit == 1 and int(most) != most):
            raise UsageError(
                f"{where}.{name}: {most!r} is no such number",
                fix="a number from 0 (turns: from 1), whole where it counts",
            )
        limits[target] = int(most * unit)
    return limits


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A fix for a name that is not there."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else "there are none"


def _definition(source: Source) -> Definition:
    path = str(source.path)
    reader = _Reader({"name": source.path.stem, **source.front}, path)
    reader.only({"version", "description", *(one.name for one in fields(AgentSpec))} - {"prompt", "prompt_digest"})
    settings = reader.settings()
    if not _NAME.fullmatch(source.path.stem):
        raise fault(path, "name", f"{source.path.stem!r} is no name", "small letters, digits, - and _, a letter first")
    if settings["name"] != source.path.stem:
        raise fault(
            path, "name", f"{settings['name']!r} is not the file's", f"leave it out, or rename to {settings['name']}.md"
        )
    if not source.body.strip():
        raise fault(path, "text", "is empty", "write below the front matter what the agent is and how it works")
    return Definition(
        name=settings["name"],
        description=prompts.as_line(reader.text("description", required=True)),
        prompt=prompts.of_source(settings["name"], source, prompts.AGENT_VARIABLES),
        tools=settings["tools"],
        settings=settings,
    )


class _Reader:
    """Typed fields out of an untyped mapping; every fault names where and which field."""

    def __init__(self, value: Mapping[str, Any], where: str) -> None:
        if not isinstance(value, Mapping):
            raise fault(where, "", "is not an object", "see docs/agents.md")
        self._value, self._where = value, where

    def only(self, known: set[str]) -> None:
        for key in self._value:
            if key not in known:
                raise fault(self._where, str(key), "is no field of an agent", did_you_mean(str(key), known))

    def settings(self) -> dict[str, Any]:
        """The fields that a file and a spec have in common."""
        name = self.text("name", required=True)
        if len(name) > 64 or prompts.as_line(name) != name:
            raise fault(self._where, "name", "is longer than 64 characters or not one line", "take a short name")
        role = self.text("role") or "task"
        if role not in ROLES:
            raise fault(self._where, "role", f"{role!r} is none", did_you_mean(role, ROLES))
        output = self._value.get("output")
        if output is not None and (problem := problem_of(output)) is not None:
            raise fault(self._where, "output", problem, "write a JSON Schema (2020-12) of type object, with properties")
        wanted = self.texts("checks")
        for check in wanted:
            if not checks.is_known(check):
                raise fault(self._where, "checks", f"{check!r} is no check", did_you_mean(check, checks.names()))
        budget = self._value.get("budget") or {}
        if not isinstance(budget, Mapping):
            raise fault(self._where, "budget", "is not an object", "e.g. {model_calls: 20, usd: 0.50}")
        limits = limits_of(budget, where=f"{self._where}: budget")
        turns = self.count("max_turns", 40, 1000)
        return {
            "name": name,
            "tools": self.texts("tools"),
            "role": role,
            "model": self.text("model") or None,
            "output": output,
            "checks": wanted,
            "judge": self.text("judge").strip(),
            "plan": self.flag("plan"),
            "budget": {name: most for name, most in limits.items() if name != "turns"},
            "max_turns": min(turns, limits.get("turns", turns)),  # two ways to say one limit
            "max_checks": self.count("max_checks", 3, 20),
            "agents": None if self._value.get("agents") is None else self.texts("agents"),
        }

    def text(self, key: str, *, required: bool = False) -> str:
        value = self._value.get(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or (required and not value.strip()):
            raise fault(self._where, key, "is missing or no text", f"give {key} as text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._value.get(key)
        listed = [] if value is None else value
        if not isinstance(listed, list | tuple) or not all(isinstance(one, str) and one.strip() for one in listed):
            raise fault(self._where, key, "is not a list of names", f"e.g. {key}: [one, two]")
        return tuple(dict.fromkeys(listed))

    def flag(self, key: str) -> bool:
        value = self._value.get(key, False)
        if not isinstance(value, bool):
            raise fault(self._where, key, f"{value!r} is neither true nor false", f"{key}: true, or leave it out")
        return value

    def count(self, key: str, default: int, most: int) -> int:
        value = self._value.get(key, default)
        if type(value) is not int or not 1 <= value <= most:
            raise fault(self._where, key, f"{value!r} is not a whole number from 1 to {most}", f"{key}: {default}")
        return value
