"""The only place where the outside world is changed. After a crash any line here may run again; a send runs again only when
the ledger, the tool's effect class and the provider's own lookup say that it may.

One `Gate` lives for one advance of one run. It holds what was read at the claim (ledger, approvals, waits, step log) and the
guard's case; everything it records is fenced by the claim.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from connectors.errors import ConnectorError, InvalidCall, ReconsentNeeded, Unreachable
from connectors.spec import Absent, Account, Done, Json, Precondition, Reconciled, ToolSpec
from orchestrator import clock, ids
from orchestrator.domain import boundary
from orchestrator.domain.call import Broken, CallOutcome, Completed, Failed, Ready, Refused, ToolCall, Waiting
from orchestrator.domain.effect import Approval, ApprovalState, Effect, EffectState
from orchestrator.domain.item import WaitKind
from orchestrator.domain.person import Person
from orchestrator.gate import cards, credentials, execute, missing
from orchestrator.gate.authorize import Authority
from orchestrator.gate.credentials import Vault, telling_nothing, without_secrets
from orchestrator.gate.records import Records
from orchestrator.gate.toolbox import Tool, Toolbox
from orchestrator.store import aftermath
from orchestrator.store.connections import MADE_UP, Connection, choose
from orchestrator.store.credentials import Sealed
from policies.decision import Decision

LOOK_AGAIN = timedelta(seconds=20)  # until an outcome is asked for again when the provider cannot be reached
_EDITED = re.compile(r"(.*)~(\d+)", re.DOTALL)
RESTORED = "restored-from-backup"  # the rule on a card that only a restore asks for
MISFIT = "changed-as-no-tool-takes-it"  # the rule on a card that is shown again because an edit of it did not fit
FRESH_ATTEMPTS = 3  # of a send that could not be begun in time, before it counts as failed


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWait:
    """A wait row as the gate sees it: open (answer None) or answered."""

    wait_id: str
    kind: WaitKind
    answer: Any
    answered_by: str | None
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What the `attempted` commit said. Both None: send now.

    over_quota: name of a quota that others of the tree have used up meanwhile. stopped: cancelled | approval_expired |
    over_budget (the effect has failed with that code; `why` in words) | paused | woken | halted | revoked (it is untouched:
    somebody's word is to be heard first, or the connection no longer serves the requester).
    """

    over_quota: str | None = None
    stopped: str | None = None
    why: str = ""


class Inside(Protocol):
    """Tools of the house itself. What they change are our own rows, in one commit with their result: nothing is in doubt after a crash."""

    @property
    def specs(self) -> Mapping[str, ToolSpec]: ...
    async def perform(self, call: ToolCall) -> CallOutcome: ...


class Ledger(Protocol):
    """The fenced writes of one claim. Implemented over the store's verbs by the engine; each method is one commit."""

    async def record_read(self, call: ToolCall, result: Json, error: Mapping[str, str] | None) -> None: ...
    async def record_denied(self, effect: Effect) -> None: ...
    async def hold(self, effect: Effect) -> None: ...
    async def ask(self, effect: Effect, approval: Approval, wait_id: str) -> None: ...
    async def attempt(
        self, effect_id: str, *, expect: EffectState, wire_s: float, reserve: Mapping[str, tuple[int, int]]
    ) -> Attempt: ...
    async def used(self) -> Mapping[str, int]: ...
    async def sealed(self, connection_id: str) -> Sealed | None: ...
    async def done(self, call: ToolCall, effect_id: str, result: Json, *, expect: EffectState) -> None: ...
    async def found(self, call: ToolCall, effect: Effect, result: Json, used: Mapping[str, int]) -> None: ...
    async def failed(self, effect_id: str, error: Mapping[str, str], *, expect: EffectState) -> None: ...
    async def refused(self, effect: Effect, *, expect: EffectState) -> None: ...
    async def unknown(self, effect_id: str, wait_id: str, payload: Mapping[str, Any]) -> None: ...
    async def wait(self, wait_id: str, kind: WaitKind, payload: Mapping[str, Any], due_at: datetime | None) -> None: ...


@dataclass(slots=True, kw_only=True)
class Gate:
    run_id: str
    item_id: str
    request: str
    requester: str
    zone: str
    toolbox: Toolbox
    authority: Authority
    ledger: Ledger
    people: Mapping[str, Person]
    connections: Sequence[Connection]
    reads: MutableMapping[str, Any]  # call id → recorded result, from the step log
    effects: MutableMapping[str, Effect]  # call id → ledger entry
    approvals: MutableMapping[str, Approval]  # effect id → its latest approval
    waits: MutableMapping[str, OpenWait]
    inside: Inside | None = None
    vault: Vault = field(default_factory=Vault)
    pins: Mapping[str, str] = field(default_factory=dict)  # tool → schema digest pinned at the run's start
    now: Callable[[], datetime] = clock.now
    approval_expiry: timedelta = timedelta(days=7)
    asks_until: datetime | None = None  # no card of this run waits longer
    lost_since: datetime | None = None  # restored from a backup of this instant: what was done after it is not known
    on_decision: Callable[[ToolCall, Decision | None, CallOutcome, datetime], None] | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether it is open what became of an attempt of this run: until that is known, nothing may be planned anew."""
        return any(effect.state in (EffectState.ATTEMPTED, EffectState.UNKNOWN) for effect in self.effects.values())

    async def settle_doubts(self) -> None:
        """Looks up every attempt of this run whose outcome is open, and hears what a person found out about one."""
        for effect in list(self.effects.values()):
            if effect.state in (EffectState.ATTEMPTED, EffectState.UNKNOWN):
                await self.perform(ToolCall(call_id=effect.call_id, tool=effect.tool, args=effect.args), hold=True)

    # ---- the checklist -------------------------------------------------------------------------------------------
    async def perform(self, call: ToolCall, *, hold: bool = False, unfit: str = "") -> CallOutcome:
        """One answer for one call; the same call id always meets its own earlier read, card or effect.

        hold: decide and ask, but do not send; an allowed call answers `Ready`. unfit: why a change of this call was no use; then
        a person is asked about the call where the policy would allow it.
        """
        started = self.now()
        decision, outcome = await self._perform(call, hold=hold, unfit=unfit)
        if self.on_decision is not None and not isinstance(outcome, Ready):
            self.on_decision(call, decision, outcome, started)
        return outcome

    async def _perform(self, call: ToolCall, *, hold: bool, unfit: str) -> tuple[Decision | None, CallOutcome]:
        if call.call_id in self.reads:
            return None, _recorded(self.reads[call.call_id])
        known = self.latest(call.call_id)
        if known is not None:
            return await self._resume(known, hold=hold)

        if self.inside is not None and (own := self.inside.specs.get(call.tool)) is not None:
            return await self._perform_inside(call, own, self.inside)
        shown = self.toolbox.known(call.tool)
        if shown is None:
            return None, await self._refuse(call, "", f"there is no tool {call.tool!r}", ("unknown-tool",))
        if problems := self.toolbox.problems(shown.spec, call.args):
            return None, await self._refuse(call, "", f"{call.tool}: {'; '.join(problems)}", ("schema-mismatch",))
        connection = self._connection(shown.spec.family)
        if connection is None:
            return None, await self._reconsent(call, shown.spec.family)
        tool = self.toolbox.at(connection.connector, call.tool)
        if tool is None:
            return None, await self._refuse(
                call, connection.connection_id, f"{connection.connector} does not offer {call.tool}", ("unknown-tool",)
            )
        # providers word the tools of a family differently; a plan was shown one of them
        if self.pins.get(call.tool, tool.digest) not in (tool.digest, shown.digest):
            return None, Failed(
                code="drift",
                message=f"the tool {call.tool} has changed since this run began",
                fix="ask again: a new run starts on the present tool",
            )

        decision = self.authority.decide(call, approval=None)
        if decision.effect == "deny":
            return decision, await self._refuse(
                call, connection.connection_id, decision.reason, decision.rules, decision
            )
        if unfit:
            reason = f"What was changed does not fit ({unfit}), so this is as it was. {decision.reason}".strip()
            decision = replace(decision, effect="ask", rules=[*decision.rules, MISFIT], reason=reason)
        if tool.spec.is_read and decision.effect == "allow":
            return decision, await self._read(call, tool, connection)
        return decision, await self._first(call, tool, connection, decision, hold=hold)

    # ---- the house's own tools ---------------------------------------------------------------------------------------
    async def _perform_inside(
        self, call: ToolCall, spec: ToolSpec, inside: Inside
    ) -> tuple[Decision | None, CallOutcome]:
        """Decided like any call. Nobody is asked about one: what is not allowed outright is refused."""
        if problems := self.toolbox.problems(spec, call.args):
            return None, Failed(code="schema-mismatch", message=f"{call.tool}: {'; '.join(problems)}")
        decision = self.authority.decide(call, approval=None)
        if decision.effect != "allow":
            return decision, await self._refuse(call, "", decision.reason, decision.rules, decision)
        return decision, await inside.perform(call)

    async def withdraw(self, call_id: str) -> None:
        """The call is no longer wanted: its card becomes void, and an approval that came meanwhile opens nothing."""
        effect = self.latest(call_id)
        if effect is not None and effect.state in (EffectState.INTENDED, EffectState.APPROVED):
            error = {"code": "withdrawn", "message": "a remark came in, and it was not wanted any more", "fix": ""}
            await self._fail(effect, error, expect=effect.state)

    # ---- reads ---------------------------------------------------------------------------------------------------
    async def _read(self, call: ToolCall, tool: Tool, connection: Connection) -> CallOutcome:
        try:
            result = await execute.read(tool, call.args, await self._account(connection))
        except ReconsentNeeded as error:
            return await self._reconsent(call, tool.spec.family, error)
        except ConnectorError as error:
            return Failed(code=error.code, message=error.message, fix=error.fix)
        await self.ledger.record_read(call, result, None)
        self.reads[call.call_id] = result
        self.authority.observe(call, result)
        return Completed(result=result)

    # ---- an effect met for the first time ------------------------------------------------------------------------
    async def _first(
        self, call: ToolCall, tool: Tool, connection: Connection, decision: Decision, *, hold: bool
    ) -> CallOutcome:
        call = _rewritten(call, decision)
        try:
            account = await self._account(connection)
            with telling_nothing(account):
                conditions = await tool.connector.preconditions(call.tool, call.args, account=account, now=self.now())
        except ReconsentNeeded as error:
            return await self._reconsent(call, tool.spec.family, error)
        except ConnectorError as error:
            return Failed(code=error.code, message=error.message, fix=error.fix)
        effect = self._effect(call, tool, connection, decision, conditions)
        if self.lost_since is not None:
            met = await self._met_before(effect, tool, connection, decision)
            return met or await self._ask_anew(call, tool, connection, decision, conditions)
        if decision.effect == "ask":
            return await self._ask(effect, tool, connection, decision, conditions)
        self.effects[call.call_id] = effect
        await self.ledger.hold(effect)
        boundary.reached("gate:held")
        if hold:
            return Ready(effect_id=effect.effect_id)
        _, outcome = await self._send(effect, tool, connection, conditions)
        return outcome

    async def _ask(
        self, effect: Effect, tool: Tool, connection: Connection, decision: Decision, conditions: Sequence[Precondition]
    ) -> CallOutcome:
        now = self.now()
        number = 1 + sum(1 for wait in self.waits if wait.startswith(f"{effect.effect_id}:"))
        approval = Approval(
            approval_id=ids.approval_id(effect.effect_id, number),
            effect_id=effect.effect_id,
            item_id=self.item_id,
            digest=effect.args_digest,
            state=ApprovalState.PENDING,
            eligible=self.authority.eligible(decision),
            needed=self.authority.needed(decision),
            preconditions=[{"kind": c.kind, "args": dict(c.args), "text": c.text} for c in conditions],
            card=cards.card(
                tool.spec,
                effect.args,
                request=self.request,
                requester=self.requester,
                account=connection.subject,
                zone=self.zone,
                people=self.people,
                decision_rules=decision.rules,
                decision_reason=decision.reason,
                facts=decision.facts,
                preconditions=conditions,
                records=Records.of(self.reads.values()),
            ),
            created_at=now,
            expires_at=min(
                _expiry(effect.args, now, self.approval_expiry), self.asks_until or datetime.max.replace(tzinfo=UTC)
            ),
        )
        wait_id = f"{effect.effect_id}:{number}"
        await self.ledger.ask(effect, approval, wait_id)
        boundary.reached("gate:asked")
        self.effects[effect.call_id] = effect
        self.approvals[effect.effect_id] = approval
        self.waits[wait_id] = OpenWait(
            wait_id=wait_id,
            kind=WaitKind.APPROVAL,
            answer=None,
            answered_by=None,
            payload={"approval_id": approval.approval_id},
        )
        return Waiting(wait_ids=[wait_id])

    # ---- an effect met again: after a wait, a restart or a crash -------------------------------------------------
    async def _resume(self, effect: Effect, *, hold: bool) -> tuple[Decision | None, CallOutcome]:
        call = ToolCall(call_id=effect.call_id, tool=effect.tool, args=effect.args)
        if effect.state in (EffectState.DONE, EffectState.UNDONE):
            return None, Completed(result=effect.result, effect_id=effect.effect_id)
        if effect.state is EffectState.FAILED and (effect.error or {}).get("code") == "edited":
            return None, await self._edited(effect, hold=hold)
        if effect.state is EffectState.FAILED:
            return None, _failure(effect)
        connection = next((c for c in self.connections if c.connection_id == effect.connection_id), None)
        if connection is None or connection.state != "active" or not connection.serves(self.requester):
            family = effect.tool.partition(".")[0]
            other = self._connection(family)
            if other is not None and effect.state in (EffectState.INTENDED, EffectState.APPROVED):
                why = f"its account is no longer connected; {other.subject} is"
                await self._fail(effect, {"code": "broken", "message": why, "fix": ""}, expect=effect.state)
                return None, Broken(reason=why)
            return None, await self._reconsent(call, family)
        tool = self.toolbox.at(connection.connector, effect.tool)
        if tool is None:
            return None, Failed(code="drift", message=f"{connection.connector} no longer offers {effect.tool}")

        if effect.state is EffectState.INTENDED:
            return None, await self._decided(effect, tool, hold=hold)
        before = Decision(  # what was denied never got so far
            effect="ask" if effect.decision == "ask" else "allow", rules=effect.rules, reason=effect.reason
        )
        if effect.state is EffectState.UNKNOWN:
            return before, await self._looked_into(effect, tool, connection)
        if effect.state is EffectState.ATTEMPTED:
            return before, await self._reconcile(effect, tool, connection)
        conditions = _conditions(effect, self.approvals.get(effect.effect_id))
        if self.lost_since is not None:
            answer = await self._met_again(effect, tool, connection, conditions)
            if answer is not None:
                return before, answer
        if hold:  # what no longer fits is told before the first of several is sent
            decision, answer = await self._check(effect, tool, connection, conditions, again=False)
            return decision, answer or Ready(effect_id=effect.effect_id)
        return await self._send(effect, tool, connection, conditions)

    async def _decided(self, effect: Effect, tool: Tool, *, hold: bool) -> CallOutcome:
        """A card that is open, expired, or edited; approved and denied ones have moved the effect on already."""
        approval = self.approvals.get(effect.effect_id)
        waits = [w for w in self.waits.values() if w.wait_id.startswith(f"{effect.effect_id}:")]
        answered = waits[-1].answer if waits else None
        if isinstance(answered, Mapping) and answered.get("verdict") == "edit":
            await self.ledger.failed(
                effect.effect_id,
                {"code": "edited", "message": "replaced by an edited call"},
                expect=EffectState.INTENDED,
            )
            replaced = replace(effect, state=EffectState.FAILED, error={"code": "edited", "message": ""})
            self.effects[effect.call_id] = replaced
            return await self._edited(replaced, hold=hold)
        if approval is not None and approval.state is ApprovalState.PENDING and approval.expires_at > self.now():
            return Waiting(wait_ids=[w.wait_id for w in waits if w.answer is None])
        error = {"code": "approval_expired", "message": "nobody decided in time", "fix": "ask again"}
        await self._fail(effect, error, expect=EffectState.INTENDED)
        return Refused(code="approval_expired", reason="nobody decided in time", rules=effect.rules)

    async def _edited(self, effect: Effect, *, hold: bool) -> CallOutcome:
        """The changed call that stands in this one's place. REPLAY: after a crash between the two this makes the second.

        A change that the tool would not take ends nothing: the person is asked again about what was on the card.
        """
        waits = [w for w in self.waits.values() if w.wait_id.startswith(f"{effect.effect_id}:")]
        before = ToolCall(call_id=_next_edit(effect.call_id), tool=effect.tool, args=effect.args)
        changed = replace(before, args={**effect.args, **waits[-1].answer["args"]})
        shown = self.toolbox.known(effect.tool)
        if shown is not None and (problems := self.toolbox.problems(shown.spec, changed.args)):
            return await self.perform(before, hold=hold, unfit="; ".join(problems))
        outcome = await self.perform(changed, hold=hold)
        if isinstance(outcome, Failed) and outcome.code == InvalidCall.code and self.latest(changed.call_id) is None:
            return await self.perform(before, hold=hold, unfit=outcome.message)
        return outcome

    # ---- sending -------------------------------------------------------------------------------------------------
    async def _check(
        self, effect: Effect, tool: Tool, connection: Connection, conditions: Sequence[Precondition], *, again: bool
    ) -> tuple[Decision, CallOutcome | None]:
        """The policy and the world as of now: None when both still allow it, else the answer, recorded. Nothing is sent."""
        call = ToolCall(call_id=effect.call_id, tool=effect.tool, args=effect.args)
        before = EffectState.ATTEMPTED if again else EffectState.APPROVED
        approval = self.approvals.get(effect.effect_id)
        decision = self.authority.decide(call, approval=approval, sent_before=again)
        if decision.effect != "allow" or _rewritten(call, decision).args != call.args:
            is_approved = approval is not None and approval.state is ApprovalState.APPROVED
            if decision.effect == "ask" and not again and not is_approved:
                asked = self._effect(call, tool, connection, decision, conditions)
                return decision, await self._ask(asked, tool, connection, decision, conditions)
            reason = decision.reason or "the policy no longer allows it"
            near_miss = decision.near_miss or ""
            refused = replace(
                effect,
                state=EffectState.FAILED,
                decision="deny",
                rules=list(decision.rules),
                reason=reason,
                bundle_digest=self.authority.bundle_digest,
                facts={**effect.facts, "guard": decision.facts, "near_miss": decision.near_miss},
                error={"code": "denied", "message": reason, "fix": near_miss},
            )
            await self.ledger.refused(refused, expect=before)
            self.effects[call.call_id] = refused
            return decision, Refused(code="denied", reason=reason, rules=decision.rules, near_miss=near_miss)
        try:
            broken = await self._broken(conditions, tool, await self._account(connection)) if conditions else None
            if broken is not None and again:
                # Perhaps by the attempt itself, which arrived later than its provider had promised.
                found = await self._found(effect, tool, connection)
                if isinstance(found, Done):
                    return decision, await self._done(effect, call, found.result, expect=before)
        except ReconsentNeeded as error:
            return decision, await self._reconsent(call, tool.spec.family, error)
        except (ConnectorError, TimeoutError) as error:
            return decision, await self._look_again(effect, error)
        if broken is not None:
            await self._fail(effect, {"code": "broken", "message": broken, "fix": ""}, expect=before)
            return decision, Broken(reason=broken)
        return decision, None

    async def _send(
        self,
        effect: Effect,
        tool: Tool,
        connection: Connection,
        conditions: Sequence[Precondition],
        *,
        again: bool = False,
        fresh: int = 0,
    ) -> tuple[Decision, CallOutcome]:
        """Re-evaluate, re-read the preconditions, commit `attempted`, then exactly one call on the wire.

        again: the effect was attempted before, and nothing of that is under way, or the provider refuses a second one. fresh:
        how often the time to begin was over.
        """
        call = ToolCall(call_id=effect.call_id, tool=effect.tool, args=effect.args)
        before = EffectState.ATTEMPTED if again else EffectState.APPROVED
        decision, answer = await self._check(effect, tool, connection, conditions, again=again)
        if answer is not None:
            return decision, answer

        boundary.reached("gate:before-attempt")
        begin_by_s = clock.boot_s() + tool.spec.wire_timeout_s
        reserve = (
            {} if again else {name: (n, self.authority.used.get(name, 0) + n) for name, n in decision.reserve.items()}
        )
        taken = await self.ledger.attempt(
            effect.effect_id, expect=before, wire_s=2 * tool.spec.wire_timeout_s, reserve=reserve
        )
        if taken.over_quota is not None:  # somebody else of the tree took from it since: decide on what is left
            self.authority.used = await self.ledger.used()
            return await self._send(effect, tool, connection, conditions, again=again, fresh=fresh)
        if taken.stopped in ("paused", "woken", "halted"):
            return decision, Waiting(wait_ids=[])
        if taken.stopped == "revoked":
            return decision, await self._reconsent(call, tool.spec.family, ReconsentNeeded(credentials.TAKEN_BACK))
        if taken.stopped is not None:
            reason = taken.why or f"{taken.stopped.replace('_', ' ')} before it was sent"
            self.effects[call.call_id] = replace(
                effect, state=EffectState.FAILED, error={"code": taken.stopped, "message": reason}
            )
            return decision, Refused(code=taken.stopped, reason=reason, rules=effect.rules)
        self.authority.used = {**self.authority.used, **{name: most for name, (_, most) in reserve.items()}}
        effect = replace(effect, state=EffectState.ATTEMPTED, attempted_at=self.now())
        self.effects[call.call_id] = effect
        boundary.reached("gate:attempted")
        outcome = await self._on_the_wire(effect, tool, connection, begin_by_s=begin_by_s)
        boundary.reached("gate:sent")
        match outcome:
            case execute.Sent(result):
                return decision, await self._done(effect, call, result, expect=EffectState.ATTEMPTED)
            case execute.TooLate() if fresh < FRESH_ATTEMPTS:
                return await self._send(effect, tool, connection, conditions, again=True, fresh=fresh + 1)
            case execute.TooLate(why):
                late = f"{tool.spec.name} could not be begun in time, {fresh + 1} times"
                return decision, await self._not_sent(effect, why or Unreachable(late, fix="ask again"))
            case execute.NotSent(refusal):
                return decision, await self._not_sent(effect, refusal)
            case execute.InDoubt():
                return decision, await self._reconcile(effect, tool, connection)

    async def _on_the_wire(
        self, effect: Effect, tool: Tool, connection: Connection, *, begin_by_s: float
    ) -> execute.SendOutcome:
        try:
            account = await self._account(connection)
        except ConnectorError as error:
            return execute.NotSent(error)
        return await execute.send(tool, effect.args, account, effect.key, begin_by_s=begin_by_s)

    async def _not_sent(self, effect: Effect, refusal: ConnectorError) -> CallOutcome:
        if isinstance(refusal, ReconsentNeeded):  # planned anew, it meets the missing consent before any card
            await self._fail(effect, _told(refusal, code="not_sent"), expect=EffectState.ATTEMPTED)
            return Broken(reason=refusal.message)
        await self._fail(effect, _told(refusal), expect=EffectState.ATTEMPTED)
        return Failed(code=refusal.code, message=refusal.message, fix=refusal.fix)

    async def _fail(self, effect: Effect, error: Mapping[str, str], *, expect: EffectState) -> None:
        await self.ledger.failed(effect.effect_id, error, expect=expect)
        self.effects[effect.call_id] = replace(effect, state=EffectState.FAILED, error=error)

    async def _done(self, effect: Effect, call: ToolCall, result: Json, *, expect: EffectState) -> CallOutcome:
        await self.ledger.done(call, effect.effect_id, result, expect=expect)
        boundary.reached("gate:recorded")
        self.effects[call.call_id] = replace(effect, state=EffectState.DONE, result=result)
        self.authority.observe(call, result)
        return Completed(result=result, effect_id=effect.effect_id)

    async def _broken(self, conditions: Sequence[Precondition], tool: Tool, whose: Account) -> str | None:
        with telling_nothing(whose):
            for condition in conditions:
                if broken := await tool.connector.check(condition, account=whose, now=self.now()):
                    return broken
        return None

    # ---- doubt ---------------------------------------------------------------------------------------------------
    async def _reconcile(self, effect: Effect, tool: Tool, connection: Connection) -> CallOutcome:
        """What became of an attempt nobody heard back from: done, absent, or a person has to look (law 5)."""
        call = ToolCall(call_id=effect.call_id, tool=effect.tool, args=effect.args)
        attempted_at = effect.attempted_at or self.now()
        try:
            found = await self._found(effect, tool, connection)
        except (ConnectorError, TimeoutError) as error:
            return await self._look_again(effect, error)
        boundary.reached("gate:reconciled")
        if isinstance(found, Done):
            return await self._done(effect, call, found.result, expect=EffectState.ATTEMPTED)
        if isinstance(found, Absent) and (until := attempted_at + 2 * _wire(tool)) > self.now():
            # INVARIANT: until then it may still arrive; "absent" is believed, and acted on, only afterwards
            return await self._look_again(effect, "it may still arrive", at=until)
        if isinstance(found, Absent) and tool.spec.provider_refuses_second:
            conditions = _conditions(effect, self.approvals.get(effect.effect_id))
            _, outcome = await self._send(effect, tool, connection, conditions, again=True)
            return outcome
        why = "the provider has no trace of it, but might still deliver it" if isinstance(found, Absent) else found.why
        return await self._doubt(effect, why)

    async def _found(self, effect: Effect, tool: Tool, connection: Connection) -> Reconciled:
        attempted_at = effect.attempted_at or self.now()
        account = await self._account(connection)
        with telling_nothing(account):
            async with asyncio.timeout(tool.spec.wire_timeout_s):
                found = await tool.connector.reconcile(
                    effect.tool, effect.args, account=account, key=effect.key, attempted_at=attempted_at
                )
        return Done(without_secrets(found.result, account)) if isinstance(found, Done) else found

    async def _doubt(self, effect: Effect, why: str) -> CallOutcome:
        number = 1 + sum(1 for wait in self.waits if wait.startswith(f"{effect.effect_id}!"))
        wait_id = f"{effect.effect_id}!{number}"
        payload = {
            "effect_id": effect.effect_id,
            "tool": effect.tool,
            "text": f"It is not known whether this happened: {effect.preview}. {why[:1].upper()}{why[1:]}. Please look, then answer.",
            "choices": ["it happened", "it did not happen"],
            "outcome_unknown": True,
        }
        await self.ledger.unknown(effect.effect_id, wait_id, payload)
        self.effects[effect.call_id] = replace(effect, state=EffectState.UNKNOWN)
        self.waits[wait_id] = OpenWait(
            wait_id=wait_id, kind=WaitKind.REPAIR, answer=None, answered_by=None, payload=payload
        )
        return Waiting(wait_ids=[wait_id])

    async def _looked_into(self, effect: Effect, tool: Tool, connection: Connection) -> CallOutcome:
        """A person's word on an unknown outcome; each doubt was a question of its own."""
        waits = sorted(
            (w for w in self.waits.values() if w.wait_id.startswith(f"{effect.effect_id}!")),
            key=lambda w: len(w.wait_id),
        )
        if not waits or waits[-1].answer is None:
            return (
                Waiting(wait_ids=[waits[-1].wait_id])
                if waits
                else await self._doubt(effect, "its record is incomplete")
            )
        call = ToolCall(call_id=effect.call_id, tool=effect.tool, args=effect.args)
        if waits[-1].answer == "it happened":  # what else the provider would have told is not known
            blank: dict[str, Json] = dict.fromkeys(tool.spec.output.get("properties", ()))
            result: Json = {**blank, "confirmed_by": waits[-1].answered_by}
            return await self._done(effect, call, result, expect=EffectState.UNKNOWN)
        error = {
            "code": "not_sent",
            "message": f"{waits[-1].answered_by} found that it did not happen",
            "fix": "ask again to send it",
        }
        await self._fail(effect, error, expect=EffectState.UNKNOWN)
        return Broken(reason=error["message"])

    async def _look_again(self, effect: Effect, why: Exception | str, at: datetime | None = None) -> CallOutcome:
        wait_id = f"{effect.effect_id}?{1 + sum(1 for wait in self.waits if wait.startswith(f'{effect.effect_id}?'))}"
        payload = {"effect_id": effect.effect_id, "text": f"{effect.tool} will be looked up again: {why}"}
        await self.ledger.wait(wait_id, WaitKind.TIMER, payload, at or self.now() + LOOK_AGAIN)
        return Waiting(wait_ids=[wait_id])

    # ---- after a restore -----------------------------------------------------------------------------------------
    async def _met_before(
        self, effect: Effect, tool: Tool, connection: Connection, decision: Decision | None
    ) -> CallOutcome | None:
        """The provider's word on an effect that this database takes for not sent; None where it knows of none.

        It may have been sent after the backup was made. INVARIANT: looked up before anything is asked or checked, because what
        it has changed itself would break its own preconditions.
        """
        call = ToolCall(call_id=effect.call_id, tool=effect.tool, args=effect.args)
        try:
            found = await self._found(replace(effect, attempted_at=self.lost_since), tool, connection)
        except ReconsentNeeded as error:
            return await self._reconsent(call, tool.spec.family, error)
        except (ConnectorError, TimeoutError) as error:
            return await self._look_again(effect, error)
        if not isinstance(found, Done):
            return None
        held = replace(effect, state=EffectState.APPROVED)
        await self.ledger.found(call, held, found.result, decision.reserve if decision is not None else {})
        self.effects[call.call_id] = replace(effect, state=EffectState.DONE, result=found.result)
        self.authority.observe(call, found.result)
        return Completed(result=found.result, effect_id=effect.effect_id)

    async def _met_again(
        self, effect: Effect, tool: Tool, connection: Connection, conditions: Sequence[Precondition]
    ) -> CallOutcome | None:
        """None when an approved effect may be sent after all: nobody knows of it, and a person has said so, or it is absorbed."""
        call = ToolCall(call_id=effect.call_id, tool=effect.tool, args=effect.args)
        approval = self.approvals.get(effect.effect_id)
        decision = self.authority.decide(call, approval=approval)
        met = await self._met_before(effect, tool, connection, decision)
        if met is not None or decision.effect == "deny":  # the check that follows tells why
            return met
        if approval is not None and approval.state is ApprovalState.APPROVED:  # older ones became void
            return None
        was_known = self.lost_since is None or effect.created_at is None or effect.created_at <= self.lost_since
        if (
            was_known
            and effect.decision == "allow"
            and decision.effect == "allow"
            and tool.spec.provider_refuses_second
        ):
            return None
        return await self._ask_anew(call, tool, connection, decision, conditions)

    async def _ask_anew(
        self,
        call: ToolCall,
        tool: Tool,
        connection: Connection,
        decision: Decision,
        conditions: Sequence[Precondition],
    ) -> CallOutcome:
        """A card for what the policy may allow by itself: only a person can find out whether it was done under another name."""
        assert self.lost_since is not None, "asked for items of a backup only"
        asked = replace(
            decision,
            effect="ask",
            rules=[*decision.rules, RESTORED],
            reason=f"{aftermath.note(self.lost_since)} {decision.reason}".strip(),
        )
        return await self._ask(
            self._effect(call, tool, connection, asked, conditions), tool, connection, asked, conditions
        )

    # ---- answers that end here -----------------------------------------------------------------------------------
    async def _refuse(
        self, call: ToolCall, connection_id: str, reason: str, rules: Sequence[str], decision: Decision | None = None
    ) -> CallOutcome:
        effect = Effect(
            effect_id=ids.effect_id(self.run_id, call.call_id),
            item_id=self.item_id,
            run_id=self.run_id,
            call_id=call.call_id,
            tool=call.tool,
            args=call.args,
            args_digest=self.authority.digest(call),
            connection_id=connection_id,
            key=ids.effect_key(ids.effect_id(self.run_id, call.call_id)),
            state=EffectState.FAILED,
            decision="deny",
            rules=list(rules),
            reason=reason,
            bundle_digest=self.authority.bundle_digest,
            facts={"guard": decision.facts, "near_miss": decision.near_miss} if decision else {},
            preview=f"{call.tool} was refused",
            error={"code": "denied", "message": reason, "fix": (decision.near_miss or "") if decision else ""},
            created_at=self.now(),
            finished_at=self.now(),
        )
        await self.ledger.record_denied(effect)
        self.effects[call.call_id] = effect
        return Refused(
            code="denied", reason=reason, rules=list(rules), near_miss=(decision.near_miss or "") if decision else ""
        )

    async def _reconsent(self, call: ToolCall, family: str, error: ReconsentNeeded | None = None) -> CallOutcome:
        wait_id = f"connect:{family}"
        me = self.people.get(self.requester)
        has_office = self.toolbox.connector(MADE_UP) is not None and me is not None and me.source == MADE_UP
        lapsed = [
            c for c in self.connections if c.owner == self.requester and family in c.families and c.state != "active"
        ]
        text, fix = missing.words(family, self.requester), missing.fix(family, self.requester, has_office=has_office)
        if error is not None or lapsed:
            text = error.message if error is not None else missing.lapsed(lapsed[0].connector, lapsed[0].subject)
            fix = missing.again(error.fix if error is not None else "")
        payload = {"family": family, "principal": self.requester, "text": text, "fix": fix}
        if wait_id not in self.waits or self.waits[wait_id].answer is not None:
            await self.ledger.wait(wait_id, WaitKind.RECONSENT, payload, None)
            self.waits[wait_id] = OpenWait(
                wait_id=wait_id, kind=WaitKind.RECONSENT, answer=None, answered_by=None, payload=payload
            )
        return Waiting(wait_ids=[wait_id])

    def _connection(self, family: str) -> Connection | None:
        """Whose account a call of this family uses now. The made-up office's count while it is switched on."""
        has_office = self.toolbox.connector(MADE_UP) is not None
        here = [one for one in self.connections if has_office or one.connector != MADE_UP]
        return choose(here, principal=self.requester, family=family)

    async def _account(self, connection: Connection) -> Account:
        return await self.vault.account(connection, self.ledger.sealed)

    # ---- small things --------------------------------------------------------------------------------------------
    def latest(self, call_id: str) -> Effect | None:
        """The ledger entry of a call, or of its last edit."""
        effect = self.effects.get(call_id)
        while effect is not None and (edited := self.effects.get(_next_edit(effect.call_id))) is not None:
            effect = edited
        return effect

    def _effect(
        self, call: ToolCall, tool: Tool, connection: Connection, decision: Decision, conditions: Sequence[Precondition]
    ) -> Effect:
        effect = ids.effect_id(self.run_id, call.call_id)
        return Effect(
            effect_id=effect,
            item_id=self.item_id,
            run_id=self.run_id,
            call_id=call.call_id,
            tool=call.tool,
            args=call.args,
            args_digest=self.authority.digest(call),
            connection_id=connection.connection_id,
            key=ids.effect_key(effect),
            state=EffectState.INTENDED if decision.effect == "ask" else EffectState.APPROVED,
            decision=decision.effect,
            rules=list(decision.rules),
            reason=decision.reason,
            bundle_digest=self.authority.bundle_digest,
            facts={
                "guard": decision.facts,
                "near_miss": decision.near_miss,
                "preconditions": [{"kind": c.kind, "args": dict(c.args), "text": c.text} for c in conditions],
            },
            preview=cards.preview(
                tool.spec, call.args, zone=self.zone, people=self.people, records=Records.of(self.reads.values())
            ),
            created_at=self.now(),
        )


def _told(error: ConnectorError, *, code: str = "") -> dict[str, str]:
    return {"code": code or error.code, "message": error.message, "fix": error.fix}


def _wire(tool: Tool) -> timedelta:
    """How long one call of the tool may be under way."""
    return timedelta(seconds=tool.spec.wire_timeout_s)


def _recorded(value: Any) -> CallOutcome:
    return Completed(result=value)


def _rewritten(call: ToolCall, decision: Decision) -> ToolCall:
    """The call with the decision's obligations applied: what the digest covers and what goes on the wire."""
    return replace(call, args={**call.args, **decision.rewrite}) if decision.rewrite else call


def _next_edit(call_id: str) -> str:
    """The call id of an edited call: "g0.invite" → "g0.invite~1" → "g0.invite~2"."""
    base, edits = (match[1], int(match[2])) if (match := _EDITED.fullmatch(call_id)) else (call_id, 0)
    return f"{base}~{edits + 1}"


def _conditions(effect: Effect, approval: Approval | None) -> list[Precondition]:
    held = approval.preconditions if approval is not None else effect.facts.get("preconditions", [])
    return [Precondition(kind=c["kind"], args=c["args"], text=c["text"]) for c in held]


def _failure(effect: Effect) -> CallOutcome:
    error = effect.error or {"code": "failed", "message": "it failed", "fix": ""}
    code = error.get("code", "failed")
    if code in ("approval_denied", "approval_expired", "denied", "cancelled", "over_budget"):
        return Refused(
            code=code, reason=error.get("message", ""), rules=list(effect.rules), near_miss=error.get("fix", "")
        )
    if code in ("broken", "not_sent"):
        return Broken(reason=error.get("message", ""))
    return Failed(code=code, message=error.get("message", ""), fix=error.get("fix", ""))


def _expiry(args: Mapping[str, Any], now: datetime, most: timedelta) -> datetime:
    """After `most`, or at the effect's own time if that is earlier: nobody should approve a meeting that has begun."""
    latest = now + most
    start = args.get("start")
    if isinstance(start, str):
        try:
            begins = datetime.fromisoformat(start)
        except ValueError:
            return latest
        if begins.tzinfo is not None and begins > now:
            return min(latest, begins)
    return latest
