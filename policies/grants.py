"""Bounded authority as a value: which effects on which nouns, with which tools, how often, until when.

A grant is compiled from a request, published with a workflow, or handed to a child; it is only ever narrowed. Nothing here
looks at tool results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from policies import lexicon
from policies.manifest import Tool
from policies.words import normal, strings

Writer = Literal["model", "template"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One thing that may be done. None stands for "any"; an empty tuple for "none at all"."""

    effects: tuple[str, ...]
    nouns: tuple[str, ...] | None = None  # names of `lexicon.NOUNS`, or a manifest's own noun
    tools: tuple[str, ...] | None = None
    constraints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # argument → the only values it may take
    # argument → values that whoever published the grant wrote in: they need no other source
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    quotas: Mapping[str, int] = field(
        default_factory=dict
    )  # quota name → calls in all; a child draws from its parent's too
    expires_at: datetime | None = None

    def matches(self, tool: Tool, args: Mapping[str, Any], now: datetime) -> bool:
        """Whether the call is one of those meant. Quotas are counted by the caller."""
        if self.expires_at is not None and now >= self.expires_at:
            return False
        if tool.effect not in self.effects or (self.tools is not None and tool.name not in self.tools):
            return False
        if self.nouns is not None and not answers(tool) & set(self.nouns):
            return False
        return all(_within(args.get(arg), allowed) for arg, allowed in self.constraints.items())

    def has_room(self, used: Mapping[str, int]) -> bool:
        return all(used.get(name, 0) < most for name, most in self.quotas.items())

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"effect": list(self.effects) if len(self.effects) != 1 else self.effects[0]}
        if self.nouns is not None:
            told["noun"] = list(self.nouns) if len(self.nouns) != 1 else self.nouns[0]
        if self.tools is not None:
            told["tools"] = list(self.tools)
        if self.constraints:
            told["constraints"] = {arg: list(values) for arg, values in sorted(self.constraints.items())}
        if self.values:
            told["values"] = {arg: list(values) for arg, values in sorted(self.values.items())}
        if self.quotas:
            told["quotas"] = dict(sorted(self.quotas.items()))
        if self.expires_at is not None:
            told["expires_at"] = self.expires_at.isoformat()
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Clauses of which any one suffices; no clause means: nothing is granted (every effect then asks, or is denied).

    `writer`: who writes the texts that leave. "template": code fills a reviewed text, so that only what verbatim stands in it
    can leave; "model": a text may carry everything that was read. `links`: those a reviewed text may contain.
    `scope`: tools that may be used at all, reads included; None: every mounted one.
    """

    clauses: tuple[Clause, ...] = ()
    writer: Writer = "model"
    links: tuple[str, ...] = ()
    scope: tuple[str, ...] | None = None

    def covers(
        self, tool: Tool, args: Mapping[str, Any], now: datetime, used: Mapping[str, int]
    ) -> tuple[Clause | None, bool]:
        """The clause that grants the call and whether its quota has room; a clause with room is preferred."""
        meant = [clause for clause in self.clauses if clause.matches(tool, args, now)]
        with_room = next((clause for clause in meant if clause.has_room(used)), None)
        return (with_room, True) if with_room is not None else (meant[0] if meant else None, False)

    def intersect(self, other: Grant) -> Grant:
        """What both grant: never wider than either. Quotas of both are drawn from."""
        clauses = []
        for mine in self.clauses:
            for theirs in other.clauses:
                both = _narrow(mine, theirs)
                if both is not None and both not in clauses:
                    clauses.append(both)
        return Grant(
            clauses=tuple(_needed(clauses)),
            writer="template" if "template" == self.writer == other.writer else "model",
            links=tuple(sorted(set(self.links) & set(other.links))),
            scope=_both(self.scope, other.scope),
        )

    def handed_on(self, scope: Sequence[str], may: Sequence[Mapping[str, Any]] | None) -> Grant:
        """What is left of this grant for whoever takes work over: these tools, and of what it grants only what `may` says."""
        if may is None:
            return replace(self, scope=_both(self.scope, tuple(scope)))
        try:
            asked = Grant.from_json({"clauses": list(may), "writer": self.writer, "links": self.links, "scope": scope})
        except (TypeError, AttributeError) as error:
            raise ValueError(
                f"grant: {error}; write clauses such as {{effect: send, noun: email, quota: 1}}"
            ) from error
        return self.intersect(asked)

    def plus(self, clauses: Sequence[Clause]) -> Grant:
        """Widened by the requester's own later words. Nobody else's words may come here."""
        return replace(self, clauses=(*self.clauses, *(clause for clause in clauses if clause not in self.clauses)))

    def to_json(self) -> dict[str, Any]:
        return {
            "clauses": [clause.to_json() for clause in self.clauses],
            "writer": self.writer,
            "links": list(self.links),
            "scope": None if self.scope is None else list(self.scope),
        }

    def brings(self, tool: Tool, arg: str, value: str) -> bool:
        """Whether a clause for this tool itself names the value: a reviewed default, such as a channel. Only a published
        grant has such values; one that an agent hands to a child loses them, because the intersection keeps common ones."""
        return any(
            tool.effect in clause.effects
            and (clause.tools is None or tool.name in clause.tools)
            and normal(value) in {normal(entry) for entry in clause.values.get(arg, ())}
            for clause in self.clauses
        )

    @classmethod
    def from_json(cls, told: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Grant:
        """From `to_json`, or from a plain list as a workflow file has it:
        [{"effect": "create", "noun": "event", "tools": ["calendar.create_event"], "quota": 1}]. ValueError if unreadable."""
        if not isinstance(told, Mapping):
            told = {"clauses": list(told)}
        writer = told.get("writer", "model")
        if writer not in ("model", "template"):
            raise ValueError(f"grant: writer is {writer!r}; use model or template")
        scope = told.get("scope")
        return cls(
            clauses=tuple(_clause(number, clause) for number, clause in enumerate(told.get("clauses") or ())),
            writer="template" if writer == "template" else "model",
            links=tuple(told.get("links") or ()),
            scope=None if scope is None else tuple(scope),
        )


NOTHING = Grant()


def answers(tool: Tool) -> frozenset[str]:
    """The nouns of a request that mean what this tool acts on."""
    return lexicon.ANSWERS.get(tool.kind, frozenset()) | {tool.kind, tool.noun}


def quota_name(effects: Sequence[str], nouns: Sequence[str] | None, tools: Sequence[str] | None) -> str:
    """A stable name under which use is counted over the whole tree of runs."""
    what = "+".join(nouns) if nouns is not None else "+".join(tools) if tools is not None else "*"
    return f"{'+'.join(sorted(effects))}:{what}"


def _clause(number: int, told: Any) -> Clause:
    if not isinstance(told, Mapping) or "effect" not in told:
        raise ValueError(f"grant: clause {number} has no effect; write {{effect: create, noun: event, quota: 1}}")
    effects = _tuple(told["effect"])
    unknown = [effect for effect in effects if effect not in lexicon.EFFECTS]
    if unknown:
        raise ValueError(
            f"grant: clause {number} has effect {unknown[0]!r}; use one of {', '.join(sorted(lexicon.EFFECTS))}"
        )
    nouns = None if told.get("noun") is None else tuple(lexicon.NOUNS.get(noun, noun) for noun in _tuple(told["noun"]))
    tools = None if told.get("tools") is None else _tuple(told["tools"])
    quotas = {str(name): int(most) for name, most in (told.get("quotas") or {}).items()}
    if told.get("quota") is not None:
        quotas[quota_name(effects, nouns, tools)] = int(told["quota"])
    expires = told.get("expires_at")
    return Clause(
        effects=effects,
        nouns=nouns,
        tools=tools,
        constraints={str(arg): _tuple(values) for arg, values in (told.get("constraints") or {}).items()},
        values={str(arg): _tuple(values) for arg, values in (told.get("values") or {}).items()},
        quotas=quotas,
        expires_at=datetime.fromisoformat(expires) if isinstance(expires, str) else expires,
    )


def _tuple(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(entry) for entry in value)


def _both(mine: tuple[str, ...] | None, theirs: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if mine is None or theirs is None:
        return theirs if mine is None else mine
    return tuple(entry for entry in mine if entry in theirs)


def _narrow(mine: Clause, theirs: Clause) -> Clause | None:
    effects = tuple(effect for effect in mine.effects if effect in theirs.effects)
    nouns, tools = _both(mine.nouns, theirs.nouns), _both(mine.tools, theirs.tools)
    if not effects or nouns == () or tools == ():
        return None
    constraints = dict(mine.constraints)
    for arg, values in theirs.constraints.items():
        constraints[arg] = (
            tuple(value for value in constraints[arg] if value in values) if arg in constraints else tuple(values)
        )
    brought = {arg: _both(mine.values[arg], theirs.values[arg]) or () for arg in mine.values if arg in theirs.values}
    quotas = dict(mine.quotas)
    for name, most in theirs.quotas.items():
        quotas[name] = min(most, quotas.get(name, most))
    expiries = [at for at in (mine.expires_at, theirs.expires_at) if at is not None]
    return Clause(
        effects=effects,
        nouns=nouns,
        tools=tools,
        constraints=constraints,
        values=brought,
        quotas=quotas,
        expires_at=min(expiries) if expiries else None,
    )


def _needed(clauses: Sequence[Clause]) -> list[Clause]:
    """Without those that a wider one among them makes idle, so that grants handed on and on do not grow."""
    return [
        clause
        for at, clause in enumerate(clauses)
        if not any(
            _is_inside(clause, other) and (before < at or not _is_inside(other, clause))
            for before, other in enumerate(clauses)
            if before != at
        )
    ]


def _is_inside(one: Clause, other: Clause) -> bool:
    """Whether whatever the one grants, now or later, the other grants too."""
    return (
        set(one.effects) <= set(other.effects)
        and _fits(one.nouns, other.nouns)
        and _fits(one.tools, other.tools)
        and all(
            arg in one.constraints and set(one.constraints[arg]) <= set(other.constraints[arg])
            for arg in other.constraints
        )
        and all(arg in other.values and set(one.values[arg]) <= set(other.values[arg]) for arg in one.values)
        and all(name in one.quotas and one.quotas[name] <= most for name, most in other.quotas.items())
        and (other.expires_at is None or (one.expires_at is not None and one.expires_at <= other.expires_at))
    )


def _fits(inner: tuple[str, ...] | None, outer: tuple[str, ...] | None) -> bool:
    return outer is None or (inner is not None and set(inner) <= set(outer))


def _within(value: Any, allowed: Sequence[str]) -> bool:
    wanted = {normal(entry) for entry in allowed}
    return all(normal(text) in wanted for text in strings(value))
