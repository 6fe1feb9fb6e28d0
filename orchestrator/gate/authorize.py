"""Asks the guard about one call and says who may open the gate. It adds facts of the house (quotas, halts); it decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.spec import Json
from orchestrator.domain.call import ToolCall
from orchestrator.domain.effect import Approval, ApprovalState
from orchestrator.domain.person import Person
from policies import digest as digests
from policies.decision import Decision
from policies.guard import Approval as Leave
from policies.guard import Call, Case, Guard, Result
from policies.people import World


@dataclass(slots=True, kw_only=True)
class Authority:
    """One run's case before the guard. `used`: quotas of the whole tree so far; `roles`: principal id → roles."""

    case: Case
    requester: str
    bundle_digest: str
    used: Mapping[str, int]
    flags: Mapping[str, Any]
    roles: Mapping[str, frozenset[str]]
    unusual: Callable[[ToolCall], str] | None = None  # how a call leaves what earlier runs of its schedule did
    deciding: frozenset[str] = frozenset()  # the local owner, who said with --yes that they decide this item's cards

    def decide(self, call: ToolCall, *, approval: Approval | None, sent_before: bool = False) -> Decision:
        """The guard's answer as of now. `sent_before`: this effect holds its quota already, so the tree's use is not counted."""
        leaves: tuple[Leave, ...] = ()
        if approval is not None and approval.state is ApprovalState.APPROVED:
            roles = sorted({role for person in approval.decided_by for role in self.roles.get(person, ())})
            leaves = tuple(
                Leave(digest=approval.digest, by=person, roles=tuple(roles), at=approval.decided_at)
                for person in approval.decided_by
            )
        flags = dict(self.flags) | ({"unusual": self.unusual(call)} if self.unusual is not None else {})
        return self.case.decide(_call(call), approvals=leaves, used={} if sent_before else dict(self.used), flags=flags)

    def observe(self, call: ToolCall, result: Json) -> None:
        self.case.observe(Result(call=_call(call), value=result, error=None))

    def observe_labelled(self, tool: str, value: Json, labels: Mapping[str, Any]) -> None:
        """A value that did not come from outside just now: a child's result, a remembered fact. Code knows its labels."""
        self.case.observe(Result(call=Call(tool=tool, args={}), value=value, error=None, labels=labels))

    def say(self, text: str, by: str, *, human: bool) -> None:
        """Later words: an answer or a nudge. Only the requester's own, as a human, weigh as the request does."""
        self.case.say(text, by, origin="human" if human else "agent")

    def digest(self, call: ToolCall) -> str:
        return digests.of(_call(call))

    def needed(self, decision: Decision) -> int:
        return max([1, *(int(o.get("n", 1)) for o in decision.obligations if o.get("kind") == "require_approval")])

    def eligible(self, decision: Decision) -> list[str]:
        """Principals who may decide: the requester (and an owner who said --yes), or holders of the role that the decision asks for."""
        wanted = {o["role"] for o in decision.obligations if o.get("kind") == "require_approval" and o.get("role")}
        holders = [person for person, roles in self.roles.items() if wanted & roles]
        return sorted({self.requester, *self.deciding, *holders} if not wanted or "requester" in wanted else {*holders})


def _call(call: ToolCall) -> Call:
    return Call(tool=call.tool, args=dict(call.args))


def words_of(value: Any) -> str:
    """What a person typed into an edited card, as words."""
    if isinstance(value, Mapping):
        return "; ".join(words_of(entry) for entry in value.values())
    if isinstance(value, list):
        return ", ".join(words_of(entry) for entry in value)
    return str(value)


def open_case(
    guard: Guard,
    *,
    request: str,
    requester: str,
    origin: str,
    now: datetime,
    tools: Sequence[Mapping[str, Any]],
    people: Sequence[Person],
    inside_domains: Sequence[str],
    grant: Any | None,
    parent: Mapping[str, Any] | None = None,
) -> Case:
    """A case opened with the words of the request, over the house's own directory.

    parent: the dumped case of whoever handed the work on; then the request is nobody's own words, and grants nothing.
    """
    return guard.open(
        request=request,
        principal=requester,
        now=now,
        origin=origin,
        tools=list(tools),
        world=world_of(people, inside_domains),
        parent=parent,
        grant=grant,
    )


def world_of(people: Sequence[Person], inside_domains: Sequence[str]) -> World:
    """The directory as the guard takes it."""
    return World(
        people=[
            {
                "id": person.address,
                "names": [person.name, *person.aliases],
                "addresses": [person.address],
                "inside": person.inside,
                "roles": [person.role] if person.role else [],
            }
            for person in people
        ],
        inside_domains=list(inside_domains),
    )
