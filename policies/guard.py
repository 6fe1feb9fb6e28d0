"""The guard: opens a case with the user's own words, hears and observes, and decides every call.

Pure: no I/O after loading, no clock but the one passed, and `decide` changes nothing. Replaying open, say and observe gives an
equal case, so a dump is only a cache. Callers: the gate, the evaluation commands, and anybody who wants the policy without
the rest. The agent's own claims about where a value came from are never an input.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import cedarpy

from policies import audience, digest, facts, handover, outgoing, reasons, records, request
from policies import bundle as bundles
from policies.bundle import Bundle
from policies.decision import Decision
from policies.evaluate import Verdict, evaluate
from policies.grants import NOTHING, Grant
from policies.labels import Memory, Saying
from policies.manifest import Tool, derive, parse
from policies.people import Directory, World
from policies.records import Record
from policies.words import days, instant, normal, strings

__all__ = ["Approval", "Call", "Case", "CaseState", "Decision", "Grant", "Guard", "Origin", "Result", "World"]

Origin = Literal["human", "agent", "schedule", "trigger"]
ORIGINS: frozenset[str] = frozenset({"human", "agent", "schedule", "trigger"})
_MOST_VERDICTS = 4096
_WEIGHTS = {"human": 4, "schedule": 4, "trigger": 4, "agent": 2}  # of the words that open a case


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    tool: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came back. `labels` are only ever set by code, for values of children and memory:
    {"level": 0..4, "values": {value: level}, "author": address, "readers": [address], "class": "normal|secret"}."""

    call: Call
    value: Any = None
    error: str | None = None
    labels: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A human's answer to one digest. Who may approve is the gate's business; here it counts only if the digest is the call's."""

    digest: str
    by: str
    roles: Sequence[str] = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CaseState:
    """A dump: plain JSON, equal for equal cases."""

    data: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return dict(self.data)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> CaseState:
        return cls(dict(told))


class Guard:
    """Rules and profile, loaded once. Cases share it."""

    def __init__(self, bundle: Bundle, profile: str) -> None:
        if profile not in bundles.PROFILES:
            raise ValueError(f"no profile {profile!r}; use one of {', '.join(bundles.PROFILES)}")
        self.bundle = bundle
        self.profile = profile
        self._entities: dict[tuple[str, ...], cedarpy.Entities] = {}
        self._parsed: dict[str, tuple[Mapping[str, Any], Tool]] = {}  # by name: what was parsed, and what came out
        self._known: tuple[World, str, Directory] | None = None
        self._verdicts: dict[
            tuple[Any, ...], Verdict
        ] = {}  # INVARIANT: rules are pure, so equal questions have one answer

    @classmethod
    def load(cls, bundle_dir: str | Path | None = None, profile: str = "delegated") -> Guard:
        """The shipped rules, with those of `bundle_dir` added. BundleError if any of them is not in order."""
        return cls(bundles.load(None if bundle_dir is None else Path(bundle_dir)), profile)

    @property
    def bundle_digest(self) -> str:
        """Changes with every word of the rules; each decision is recorded with it."""
        return self.bundle.digest

    def open(
        self,
        *,
        request: str,
        principal: str,
        now: datetime,
        origin: Origin | str = "human",
        tools: Sequence[Mapping[str, Any]],
        world: World | None = None,
        parent: CaseState | Mapping[str, Any] | None = None,
        grant: Grant | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> Case:
        """A case. With a `parent` the request is a supervisor's words and grants nothing that the parent lacks.

        A `grant` that is given replaces the one compiled from the request. ManifestError or ValueError for unusable input.
        """
        if origin not in ORIGINS:
            raise ValueError(f"origin is {origin!r}; use one of {', '.join(sorted(ORIGINS))}")
        given = grant if grant is None or isinstance(grant, Grant) else Grant.from_json(grant)
        case = Case(self, principal=principal, now=now, origin=str(origin), tools=tools, world=world)
        if parent is None:
            case._open(request, given)
        else:
            case._open_child(request, given, parent.data if isinstance(parent, CaseState) else parent)
        return case

    def restore(
        self,
        state: CaseState | Mapping[str, Any],
        *,
        now: datetime,
        world: World | None = None,
        tools: Sequence[Mapping[str, Any]],
    ) -> Case:
        """The dumped case, in the current world and with the current tools."""
        told = state.data if isinstance(state, CaseState) else state
        case = Case(
            self, principal=str(told["principal"]), now=now, origin=str(told["origin"]), tools=tools, world=world
        )
        case._load(told)
        return case

    def verdict(self, profile: str, entities: cedarpy.Entities, **asked: Any) -> Verdict:
        """What the rules say (`evaluate`), remembered by everything that they can look at."""
        context = tuple(asked["context"].items())
        facts_of = (asked["principal"], asked["action"], asked["tool"], asked["approvers"], *asked["roles"])
        key = (profile, id(entities), facts_of, context)
        known = self._verdicts.get(key)
        if known is None:
            if len(self._verdicts) >= _MOST_VERDICTS:
                self._verdicts.clear()
            known = evaluate(self.bundle, profile, entities, **asked)
            if not known.error:
                self._verdicts[key] = known
        return known

    def tool(self, told: Mapping[str, Any]) -> Tool:
        """The tool of a manifest, parsed again only where it differs from the last one of its name."""
        name = str(told.get("name"))
        known = self._parsed.get(name)
        if known is None or known[0] != told:
            known = self._parsed[name] = (copy.deepcopy(dict(told)), parse(told))
        return known[1]

    def directory(self, world: World | None, principal: str) -> Directory:
        """The people of a world, indexed again only where it differs from the last one."""
        if world is None:
            return Directory.of(None, principal)
        if self._known is None or self._known[0] != world or self._known[1] != principal:
            self._known = (copy.deepcopy(world), principal, Directory.of(world, principal))
        return self._known[2].again()

    def entities(self, tools: Iterable[Tool]) -> cedarpy.Entities:
        """Tools and their families, parsed once per set of tools."""
        names = tuple(sorted({tool.name for tool in tools}))
        if names not in self._entities:
            families = sorted({name.partition(".")[0] for name in names if "." in name})
            told: list[dict[str, Any]] = [
                {"uid": {"type": "Family", "id": family}, "attrs": {}, "parents": []} for family in families
            ]
            for name in names:
                parents = [{"type": "Family", "id": name.partition(".")[0]}] if "." in name else []
                told.append({"uid": {"type": "Tool", "id": name}, "attrs": {}, "parents": parents})
            self._entities[names] = cedarpy.Entities.from_json_str(json.dumps(told))
        return self._entities[names]


class Case:
    """One run before the guard. `say` and `observe` are the only ways to change it."""

    def __init__(
        self,
        guard: Guard,
        *,
        principal: str,
        now: datetime,
        origin: str,
        tools: Sequence[Mapping[str, Any]],
        world: World | None,
    ) -> None:
        self.guard = guard
        self.principal = principal
        self.now = now
        self.origin = origin
        self.tools: dict[str, Tool] = {tool.name: tool for tool in map(guard.tool, tools)}
        self.grant: Grant = NOTHING
        self._memory = Memory(guard.directory(world, principal), now.date())
        self._done: dict[str, int] = {}  # quota → effects of this case that were observed
        self._is_given = False
        self._is_child = False
        self._label: tuple[int, audience.Context] | None = None
        self._entities = guard.entities(self.tools.values())

    # ---- opening ---------------------------------------------------------------------------------------------------

    def _open(self, words: str, given: Grant | None) -> None:
        self._memory.record_saying(Saying(words, _WEIGHTS[self.origin]))
        self._is_given = given is not None
        self.grant = given if given is not None else Grant(clauses=request.compile_clauses(words))

    def _open_child(self, words: str, given: Grant | None, parent: Mapping[str, Any]) -> None:
        """The child hears what its parent heard and saw; its own request narrows, and is nobody's own words."""
        self._is_child = True
        self._is_given = True
        self._load_memory(parent)
        self._done = {str(name): int(count) for name, count in parent["done"].items()}
        parental = Grant.from_json(parent["grant"])
        own = (
            given
            if given is not None
            else Grant(clauses=request.compile_clauses(words), writer=parental.writer, links=parental.links)
        )
        self.grant = parental.intersect(own)
        if parent["origin"] == "agent" or self.origin == "agent":
            self.origin = "agent"

    # ---- hearing ---------------------------------------------------------------------------------------------------

    def say(self, text: str, principal: str, origin: str = "human") -> None:
        """Later words. Only the requester's, as a human, are their own and may widen the grant; an assistant's weigh 2 at
        most, anybody else's 1, and neither grants anything. An agent's to a child are like its brief: they weigh nothing."""
        mine = normal(principal) == normal(self.principal) or self._memory.directory.is_me(principal)
        if mine and origin == "human" and self.origin != "agent":
            self._memory.record_saying(Saying(text, 4))
            if not self._is_given and not self._is_child:
                self.grant = self.grant.plus(request.compile_clauses(text))
            return
        if origin == "human" or not self._is_child:
            self._memory.record_saying(Saying(text, 2 if mine else 1))

    def observe(self, result: Result) -> None:
        """What a call brought back. Errors and work handed on teach nothing; an effect's answer only the ids it minted.
        With labels it is what they say: the call then only names where it came from."""
        if result.error is not None and result.labels is None:
            return
        args = dict(result.call.args)
        tool = self.tools.get(result.call.tool) or derive(
            result.call.tool, "", {"properties": {name: {} for name in args}}
        )
        if result.labels is not None:
            self._memory.record_all(handover.records_of(tool, result.value, result.labels, self._memory))
            self._memory.laundered |= handover.written_in(result.labels)
            return
        if tool.effect not in ("read", "fetch"):
            self._count(tool, args)
        if tool.effect == "delegate":
            return  # what came back is an echo of ours, or comes once more with labels
        if tool.effect not in ("read", "fetch"):
            self._memory.record_written(strings(args))
        found = tool.effect in ("read", "fetch") and self._was_meant(tool, args)
        self._memory.record_all(records.take_apart(tool, args, result.value, found=found))
        if tool.is_directory:
            self._learn_people(result.value, tool)

    def _count(self, tool: Tool, args: Mapping[str, Any]) -> None:
        clause, _ = self.grant.covers(tool, args, self.now, self._done)
        for name in clause.quotas if clause is not None else ():
            self._done[name] = self._done.get(name, 0) + 1

    def _was_meant(self, tool: Tool, args: Mapping[str, Any]) -> bool:
        """Whether every weighty argument of a read came from the user's own words, and at least one is there."""
        weighty = False
        for arg in tool.args_of("query", "what", "where", "who", "url"):
            for text in strings(args.get(arg.name)):
                if not text.strip():
                    continue
                weighty = True
                level = self._memory.level(text).number
                if arg.role == "query" and (level >= 3 or self._memory.comes_from_words(text)):
                    continue
                if arg.role == "url" and level >= 1 and request.delegates(self._memory.own_text):
                    continue  # a person let it be visited: the user sent us to a record, and the record on to its link
                if level >= 3 or any(self._memory.meant(record) for record in self._memory.sightings(text)):
                    continue
                return False
        if not weighty and tool.effect == "read":
            times = [moment for arg in tool.args_of("time") if (moment := instant(args.get(arg.name))) is not None]
            said = days(self._memory.own_text, self._memory.today)
            if times and all(any(day.is_near(moment.date(), 1) for day in said) for moment in times):
                return True
            flags = [arg.name for arg in tool.args_of("pick") if args.get(arg.name) is True]
            return any(self._memory.comes_from_words(flag.replace("_", " ")) for flag in flags)
        return True

    def _learn_people(self, value: Any, tool: Tool) -> None:
        for entry in records.split(value, tool.output.records):
            if isinstance(entry, Mapping):
                name = next(
                    (str(entry[key]) for key in ("name", "full_name", "display_name", "username") if entry.get(key)), ""
                )
                address = next((str(entry[key]) for key in ("address", "email", "email_address") if entry.get(key)), "")
                if name and address:
                    self._memory.directory.learn(name, address)

    # ---- deciding --------------------------------------------------------------------------------------------------

    def decide(
        self,
        call: Call,
        approvals: Sequence[Approval] = (),
        used: Mapping[str, int] | None = None,
        flags: Mapping[str, Any] | None = None,
    ) -> Decision:
        """May this call happen? `used`: the tree's quotas so far. `flags`: what is suspended: {"all"|"principal"|"agent":
        true, "connector": true or [families or tool names]}; and "unusual": how this call leaves what earlier runs of the same
        order did, in a sentence."""
        args = dict(call.args)
        tool = self.tools.get(call.tool)
        told_unusual = str((flags or {}).get("unusual") or "")
        halted = _is_suspended({name: value for name, value in (flags or {}).items() if name != "unusual"}, call.tool)
        spent = dict(self._done)
        for name, count in (used or {}).items():
            spent[name] = max(count, spent.get(name, 0))
        if tool is None:
            computed = facts.unknown(call.tool, self.origin, halted)
        else:
            computed = facts.compute(
                tool,
                args,
                self._memory,
                grant=self.grant,
                used=spent,
                suspended=halted,
                now=self.now,
                origin=self.origin,
                unusual=told_unusual,
            )
        final = Call(tool=call.tool, args={**args, **computed.rewrite})
        holding = _holding(approvals, final)
        verdict = self.guard.verdict(
            "careful" if self.origin == "agent" else self.guard.profile,
            self._entities,
            principal=self.principal,
            action=tool.effect if tool is not None else "rule",
            tool=call.tool,
            context=computed.context,
            approvers=len({approval.by for approval in holding}),
            roles=sorted({role for approval in holding for role in approval.roles}),
        )
        told = {**computed.told, "bundle": self.guard.bundle_digest, "profile": self.guard.profile}
        if verdict.error:
            told["error"] = verdict.error
        return Decision(
            effect=verdict.effect,
            rules=list(verdict.rules),
            reason=reasons.reason(verdict.rules, told, verdict.effect),
            rewrite=dict(computed.rewrite) or None,
            obligations=_obligations(
                verdict.effect,
                computed.rewrite,
                verdict.quorum.n if verdict.quorum else 0,
                verdict.quorum.role if verdict.quorum else None,
            ),
            batch_key=f"{call.tool}: {verdict.rules[0]}" if verdict.effect == "ask" else None,
            facts=told,
            reserve=dict(computed.reserve) if verdict.effect != "deny" else {},
            near_miss=reasons.near_miss(verdict.rules, told, verdict.effect),
        )

    @property
    def label(self) -> audience.Context:
        """Class, taint and readers of everything read so far; never gets cleaner."""
        count = len(self._memory.records)
        if (
            self._label is None or not self._memory.directory.has_world
        ):  # who is learnt meanwhile may be an inside author
            self._label = (count, audience.label(self._memory))
        elif self._label[0] != count:
            self._label = (count, audience.label(self._memory, self._label[1], self._label[0]))
        return self._label[1]

    # ---- handing on ------------------------------------------------------------------------------------------------

    def labels_of(self, value: Any, most: int = 4) -> dict[str, Any]:
        """What another case may know of a value that leaves this one (`Result.labels`): for each piece of it the level it has
        here, and class and readers of everything read so far. A huge value is of level 0 as a whole.

        `most`: no level above it. Use 2 for what is kept beyond this request: what the user meant now is not meant later.
        """
        return handover.labels_of(self._memory, value, most=most, written=self._is_child)

    def child_grant(self, scope: Sequence[str], may: Sequence[Mapping[str, Any]] | None = None) -> Grant:
        """A grant for work that is handed on, never wider than this case's own: only these tools, and of its clauses only
        what `may` (clauses as a workflow file has them) leaves of them. ValueError for clauses that cannot be read."""
        return self.grant.handed_on(scope, may)

    def without_links(self, text: str) -> str:
        """A text as it may be put before a person: links that the user did not write are taken out."""
        return outgoing.clean(text, self._memory, self.grant.links)

    # ---- parking ---------------------------------------------------------------------------------------------------

    def dump(self) -> CaseState:
        return CaseState(
            {
                "version": 1,
                "principal": self.principal,
                "origin": self.origin,
                "grant": self.grant.to_json(),
                "is_given": self._is_given,
                "is_child": self._is_child,
                "done": dict(sorted(self._done.items())),
                "sayings": [[saying.text, saying.weight] for saying in self._memory.sayings],
                "records": [record.to_json() for record in self._memory.records],
                "laundered": sorted(self._memory.laundered),
                "learnt": [[" ".join(person.names[0]), person.addresses[0]] for person in self._learnt()],
            }
        )

    def _learnt(self) -> list[Any]:
        directory = self._memory.directory
        return (
            [] if directory.has_world else [person for person in directory.people if person.names and person.addresses]
        )

    def _load(self, told: Mapping[str, Any]) -> None:
        self.grant = Grant.from_json(told["grant"])
        self._is_given, self._is_child = bool(told["is_given"]), bool(told["is_child"])
        self._done = {str(name): int(count) for name, count in told["done"].items()}
        self._load_memory(told)

    def _load_memory(self, told: Mapping[str, Any]) -> None:
        for name, address in told["learnt"]:
            self._memory.directory.learn(name, address)
        for text, weight in told["sayings"]:
            self._memory.record_saying(Saying(text, weight))
        self._memory.laundered = set()  # the records' echoes hold it already
        self._memory.record_all([Record.from_json(record) for record in told["records"]])
        self._memory.laundered = set(told["laundered"])


def _holding(approvals: Sequence[Approval], call: Call) -> list[Approval]:
    """INVARIANT: an approval holds for the digest of exactly these arguments, after the rewrite, and for nothing else."""
    if not approvals:
        return []
    wanted = digest.of(call)
    return [approval for approval in approvals if approval.digest == wanted]


def _is_suspended(flags: Mapping[str, Any], tool: str) -> bool:
    for value in flags.values():
        if value is True:
            return True
        named = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple, set, frozenset)) else []
        if any(name in (tool, tool.partition(".")[0], "all", "*") for name in named):
            return True
    return False


def _obligations(effect: str, rewrite: Mapping[str, Any], n: int, role: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if rewrite:
        found.append({"kind": "rewrite", "args": sorted(rewrite)})
    if effect == "ask":
        found.append({"kind": "require_approval", "n": n, **({"role": role} if role else {})})
    return found
