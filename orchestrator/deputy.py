"""The front desk: about ten verbs every surface uses, each one transaction. It writes rows; it never acts and never thinks.

Sync and thread-safe; async surfaces call it in a thread. Every verb takes the principal who asks and answers for what that
principal may see. Returned documents are JSON-able; errors are `orchestrator.errors`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from connectors.families import record_fields
from orchestrator import clock, ids
from orchestrator.domain import agent_spans
from orchestrator.domain import document as documents
from orchestrator.domain import transcript as transcripts
from orchestrator.domain import trigger as trigger_rules
from orchestrator.domain.audit import AuditEvent, canonical
from orchestrator.domain.effect import ApprovalState
from orchestrator.domain.item import DEFAULT_PRIORITY, PRIORITY_RANGE, Item, Origin, State, WaitKind
from orchestrator.domain.person import Person
from orchestrator.domain.principal import Principal
from orchestrator.domain.trigger import Trigger
from orchestrator.errors import Conflict, NotEligible, NotFound, UsageError
from orchestrator.store import approvals as approvals_table
from orchestrator.store import audit as audit_table
from orchestrator.store import budgets, edits, steplog, trees, waits, worklist
from orchestrator.store import connections as connections_table
from orchestrator.store import effects as effects_table
from orchestrator.store import memories as memories_table
from orchestrator.store import outbox as outbox_table
from orchestrator.store import people as people_table
from orchestrator.store import runs as runs_table
from orchestrator.store import spans as spans_table
from orchestrator.store import triggers as triggers_table
from orchestrator.store.database import Store, Tx
from orchestrator.store.worklist import NewItem
from orchestrator.telemetry import RUN

LONGEST_REQUEST = 20_000  # characters
WHOLE_CHAIN = frozenset({"admin", "auditor"})  # roles that read everybody's audit events
Done = tuple[str, Mapping[str, Any]]  # kind and body of the audit event of what was done


class Deputy:
    """The verbs, over one store. `owner` is the local owner's principal id: who the command line speaks for."""

    def __init__(self, store: Store, *, owner: str) -> None:
        self._store = store
        self._owner = owner

    def close(self) -> None:
        self._store.close()

    # ---- who ---------------------------------------------------------------------------------------------------------
    def principal(self, name: str | None) -> Principal:
        """None: the local owner. Else an address or a name of exactly one person in the directory."""
        with self._store.read() as tx:
            people = people_table.all(tx)
        if name is None:
            found = [p for p in people if p.address == self._owner] or [
                Person(address=self._owner, name=self._owner, inside=True)
            ]
        else:
            wanted = name.strip().casefold()
            found = [p for p in people if p.address == wanted] or [
                p
                for p in people
                if wanted in (p.name.casefold(), p.first_name.casefold(), *(a.casefold() for a in p.aliases))
            ]
        if not found:
            raise NotFound(f"there is nobody called {name!r} in the directory", fix="see: deputy people ls")
        if len(found) > 1:
            names = ", ".join(f"{p.name} <{p.address}>" for p in found)
            raise UsageError(f"{name!r} could be {names}", fix="give the address")
        roles = (
            frozenset({"admin", "approver", "operator"}) if found[0].address == self._owner else frozenset({"approver"})
        )
        return Principal(principal_id=found[0].address, name=found[0].name, roles=roles)

    # ---- triggers ------------------------------------------------------------------------------------------------
    def add_trigger(
        self,
        who: Principal,
        name: str,
        *,
        on: str,
        request: str,
        where: Sequence[str] = (),
        connection: str | None = None,
        options: Mapping[str, Any] | None = None,
        priority: int = DEFAULT_PRIORITY,
        own: bool = False,
    ) -> dict[str, Any]:
        """A standing order of the person's own: each new record of a family that meets every condition asks `request`.

        Only a person gives one. It begins with what is new from now on.
        """
        if not who.is_human:
            raise NotEligible("only a person gives standing orders", fix="ask somebody to add it")
        if on not in trigger_rules.FAMILIES:
            raise UsageError(f"{on!r} cannot be followed", fix=f"one of: {', '.join(trigger_rules.FAMILIES)}")
        if len(where) > trigger_rules.MOST_CONDITIONS:
            raise UsageError(f"{len(where)} conditions", fix=f"at most {trigger_rules.MOST_CONDITIONS}")
        fields, now = record_fields(on), clock.now()
        label = name.strip()
        if not label or len(label) > 80:
            raise UsageError("a trigger needs a name of at most 80 characters", fix="e.g. invoices")
        made = Trigger(
            trigger_id=ids.derived("trg", who.principal_id, label, now.isoformat()),
            name=label,
            owner=who.principal_id,
            family=on,
            request=trigger_rules.check_request(request, fields),
            conditions=tuple(trigger_rules.condition(one, fields) for one in where),
            connection_id=connection,
            options=dict(options or {}),
            priority=priority,
            own=own,
            created_at=now,
        )
        with self._store.tx() as tx:
            usable = [c.connection_id for c in connections_table.list_for(tx, who.principal_id) if on in c.families]
            if connection is not None and connection not in usable:
                fix = f"one of: {', '.join(usable)}" if usable else "connect one: deputy connect"
                raise NotFound(f"you have no connection {connection!r} for {on}", fix=fix)
            triggers_table.add(tx, made)
        return made.as_json()

    def triggers(self, who: Principal) -> list[dict[str, Any]]:
        """The person's own, each with the number of requests it has made."""
        with self._store.read() as tx:
            return [one.as_json() | {"asked": n} for one, n in triggers_table.every(tx, owner=who.principal_id)]

    def followed(self) -> list[dict[str, Any]]:
        """Accounts that are read for triggers: when last, and why not."""
        with self._store.read() as tx:
            return [
                {
                    "connection": one.connection_id,
                    "on": one.family,
                    "read_at": one.read_at.isoformat() if one.read_at else None,
                    "error": one.error,
                }
                for one in triggers_table.states(tx)
            ]

    def change_trigger(self, who: Principal, name: str, change: Literal["pause", "resume", "remove"]) -> dict[str, Any]:
        """By name or id."""
        with self._store.tx() as tx:
            found, now = triggers_table.named(tx, who.principal_id, name), clock.now()
            if change == "remove":
                triggers_table.remove(tx, found, now)
            else:
                triggers_table.set_active(tx, found, change == "resume", now)
        return replace(found, active=change == "resume" if change != "remove" else found.active).as_json()

    # ---- worklist ----------------------------------------------------------------------------------------------------
    def submit(
        self,
        who: Principal,
        request: str,
        *,
        priority: int = DEFAULT_PRIORITY,
        due: datetime | None = None,
        key: str | None = None,
        options: Mapping[str, Any] | None = None,
        needs: Sequence[str] = (),
        origin: Origin = Origin.HUMAN,
        reply_to: Mapping[str, Any] | None = None,
    ) -> str:
        """Item id of the new wish, or of the earlier one with the same key. `needs`: items that must be done first.

        The option "approve_all" is a person's to give: from a program it is dropped.
        """
        text = request.strip()
        if not text:
            raise UsageError(
                "the request is empty", fix='say what you want, e.g. deputy ask "what is on my calendar today"'
            )
        if len(text) > LONGEST_REQUEST:
            raise UsageError(f"the request has {len(text)} characters", fix=f"keep it below {LONGEST_REQUEST}")
        if priority not in PRIORITY_RANGE:
            raise UsageError(
                f"priority {priority} is out of range", fix="use a whole number; smaller is more urgent, 100 is usual"
            )
        _check_budget((options or {}).get("budget"))
        new = NewItem(
            request=text,
            requester=who.principal_id,
            origin=origin,
            priority=priority,
            due_at=due,
            idempotency_key=key,
            options={k: v for k, v in (options or {}).items() if who.is_human or k != "approve_all"},
            needs=tuple(needs),
            reply_to=reply_to,
        )
        with self._store.tx() as tx:
            for needed in needs:
                self._visible(tx, who, needed)
            item_id, created = worklist.submit(tx, new, clock.now())
            if not created and worklist.get(tx, item_id).request != text:
                raise Conflict(f"key {key!r} belongs to another request ({item_id})", fix="use another key")
        return item_id

    def item(self, who: Principal, item_id: str) -> dict[str, Any]:
        """The item document."""
        with self._store.read() as tx:
            return self._document(tx, self._visible(tx, who, item_id))

    def items(
        self, who: Principal, *, states: Sequence[str] | None = None, limit: int = 50, cursor: str | None = None
    ) -> dict[str, Any]:
        """{"items": [brief, …] in serving order, "next": cursor or null}."""
        now = clock.now()
        with self._store.read() as tx:
            page = worklist.page(
                tx,
                states=[State(state) for state in states] if states else None,
                requester=None if who.sees_all else who.principal_id,
                limit=limit,
                cursor=cursor,
            )
            briefs = [self._brief(tx, item, now) for item in page.items]
        return {"items": briefs, "next": page.next}

    def bump(self, who: Principal, item_id: str) -> dict[str, Any]:
        """Puts it ahead of everything that is ready, at once."""
        return self._change(
            who, item_id, lambda tx, now: [("item.bumped", {"items": len(worklist.bump(tx, item_id, now))})]
        )

    def reprioritise(
        self, who: Principal, item_id: str, *, priority: int | None = None, due: datetime | None = None
    ) -> dict[str, Any]:
        if priority is not None and priority not in PRIORITY_RANGE:
            raise UsageError(
                f"priority {priority} is out of range", fix="use a whole number; smaller is more urgent, 100 is usual"
            )

        def change(tx: Tx, now: datetime) -> list[Done]:
            done: list[Done] = []
            if priority is not None:
                moved = worklist.reprioritise(tx, item_id, priority, now)
                done.append(("item.reprioritised", {"priority": priority, "items": len(moved)}))
            if due is not None:
                worklist.set_due(tx, item_id, due)
                done.append(("item.due_set", {"due": due.isoformat()}))
            return done

        return self._change(who, item_id, change)

    def snooze(self, who: Principal, item_id: str, until: datetime) -> dict[str, Any]:
        if until <= clock.now():
            raise UsageError("that time has passed", fix="give a time in the future, e.g. 'tomorrow 9:00'")

        def change(tx: Tx, now: datetime) -> list[Done]:
            worklist.snooze(tx, item_id, until, now)
            return [("item.snoozed", {"until": until.isoformat()})]

        return self._change(who, item_id, change)

    def cancel(self, who: Principal, item_id: str, *, reason: str = "") -> dict[str, Any]:
        """It and its unfinished descendants end; cards become void. An effect already on its way is looked up first."""

        def change(tx: Tx, now: datetime) -> list[Done]:
            worklist.cancel(tx, item_id, who.principal_id, now, reason)  # writes its own events: others end items, too
            return []

        return self._change(who, item_id, change, final_ok=True)

    def pause(self, who: Principal, item_id: str) -> dict[str, Any]:
        return self._change(
            who, item_id, lambda tx, now: [("item.paused", {"items": len(worklist.pause(tx, item_id))})]
        )

    def resume(self, who: Principal, item_id: str) -> dict[str, Any]:
        def change(tx: Tx, now: datetime) -> list[Done]:
            resumed = worklist.resume(tx, item_id, now)
            return [("item.resumed", {"items": len(resumed)})] if resumed else []

        return self._change(who, item_id, change)

    def nudge(self, who: Principal, item_id: str, text: str) -> dict[str, Any]:
        """A small correction for running or waiting work, delivered at its next safe boundary."""
        if not text.strip():
            raise UsageError("the nudge is empty", fix='say what to change, e.g. "not Monday"')
        origin = Origin.HUMAN if who.is_human else Origin.AGENT

        def change(tx: Tx, now: datetime) -> list[Done]:
            number = worklist.nudge(tx, item_id, who.principal_id, origin.value, text.strip(), now)
            return [("item.nudged", {"message": number, "origin": origin.value, "text": _digest(text.strip())})]

        return self._change(who, item_id, change)

    def answer(self, who: Principal, item_id: str, text: str, *, question_id: str | None = None) -> dict[str, Any]:
        """Answers the item's open question (the first, unless one is named). A number picks that choice.

        What a program answers for somebody is kept as its own, never as that person's words; repairs are for people.
        """
        with self._store.tx() as tx:
            item = self._visible(tx, who, item_id)
            open_questions = [
                w
                for w in self._open_waits(tx, item)
                if w.kind in (WaitKind.ANSWER, WaitKind.REPAIR) and question_id in (None, w.wait_id)
            ]
            if not open_questions:
                raise Conflict(f"{item_id} has no open question", fix=f"see: deputy work show {item_id}")
            wait = open_questions[0]
            if who.principal_id != item.requester and not who.sees_all:
                raise NotEligible("only the requester can answer this", fix="use 'work nudge' to leave a remark")
            if wait.kind is WaitKind.REPAIR and not who.is_human:
                raise NotEligible("a program cannot say what happened", fix="a person looks, and answers this")
            value = _choice(text, wait.payload.get("choices") or ())
            by = who.principal_id if who.is_human else f"agent of {who.principal_id}"
            now = clock.now()
            if not waits.answer(tx, wait.item_id, wait.wait_id, value, by, now):
                raise Conflict("this question was answered a moment ago", fix=f"see: deputy work show {item_id}")
            body = {"wait_id": wait.wait_id, "kind": wait.kind.value, "by": by, "answer": _digest(value)}
            _audit(tx, who, "item.answered", now, body, item_id=wait.item_id)
            return self._document(tx, worklist.get(tx, item_id))

    # ---- approvals ---------------------------------------------------------------------------------------------------
    def approvals(self, who: Principal, *, state: str | None = "pending", limit: int = 200) -> list[dict[str, Any]]:
        """Cards this principal may decide or has asked for, oldest first."""
        with self._store.read() as tx:
            rows = approvals_table.list_by_state(
                tx,
                [ApprovalState(state)] if state else None,
                seen_by=None if who.sees_all else who.principal_id,
                limit=limit,
            )
            return [self._approval(tx, row.approval_id) for row in rows]

    def approval(self, who: Principal, approval_id: str) -> dict[str, Any]:
        with self._store.read() as tx:
            row = approvals_table.get(tx, approval_id)
            if not self._may_see(tx, who, row.item_id, row.eligible):
                raise NotFound(f"there is no approval {approval_id!r}", fix="see: deputy inbox ls")
            return self._approval(tx, approval_id)

    def decide(
        self,
        who: Principal,
        approval_id: str,
        verdict: str,
        *,
        digest: str,
        reason: str | None = None,
        args: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A human's answer to exactly `digest`. verdict: approve | deny | edit (args: the changed arguments; a new card follows).

        Raises Conflict for another digest, a second use or after expiry; NotEligible for anyone not on the card.
        """
        if not who.is_human:
            raise NotEligible("a program cannot approve", fix="a person decides, in the inbox")
        if verdict not in ("approve", "deny", "edit"):
            raise UsageError(f"unknown verdict {verdict!r}", fix="use approve, deny or edit")
        now = clock.now()
        with self._store.tx() as tx:
            if verdict == "edit":
                if not args:
                    raise UsageError("an edit needs the changed arguments", fix="give at least one NAME=VALUE")
                edits.edit(tx, approval_id, dict(args), digest=digest, by=who.principal_id, now=now)
            else:
                approvals_table.decide(
                    tx, approval_id, verdict, digest=digest, by=who.principal_id, now=now, reason=reason
                )
            return self._approval(tx, approval_id)

    # ---- runs --------------------------------------------------------------------------------------------------------
    def runs(self, who: Principal, *, limit: int = 50) -> list[dict[str, Any]]:
        """Newest first."""
        with self._store.read() as tx:
            seen_by = None if who.sees_all else who.principal_id
            return [_run(run) for run in runs_table.list_runs(tx, limit=limit, seen_by=seen_by)]

    def run(self, who: Principal, run_id: str) -> dict[str, Any]:
        """A run with its ledger and step log. Takes a run id or an item id (its latest run)."""
        with self._store.read() as tx:
            run = self._run_of(tx, who, run_id)
            return {
                **_run(run),
                "trace_id": ids.trace_id(worklist.get(tx, run.item_id).root_id),
                "effects": [documents.effect_entry(effect) for effect in effects_table.by_run(tx, run.run_id)],
                "steps": self._steps(tx, who, run.run_id, worklist.get(tx, run.item_id).requester),
            }

    def transcript(self, who: Principal, run_or_item_id: str) -> dict[str, Any]:
        """{"run", "agent", "prompt", "packet", "tools", "turns", "totals", …} of an agent's run, as `domain.transcript` has it."""
        with self._store.read() as tx:
            run = self._run_of(tx, who, run_or_item_id)
            rows = self._steps(tx, who, run.run_id, worklist.get(tx, run.item_id).requester)
            ledger = [documents.effect_entry(effect) for effect in effects_table.by_run(tx, run.run_id)]
            return {"run": _run(run), **transcripts.transcript(rows, ledger, state=run.state)}

    def watch(self, who: Principal, item_id: str, seen: Mapping[str, int]) -> dict[str, Any]:
        """{"item": its document, "rows": run id → step log rows behind `seen[run id]`} for the runs of agents in its tree.

        What a follower asks for at each look: `seen` keeps its cost from growing with the logs.
        """
        with self._store.read() as tx:
            document = self._document(tx, self._visible(tx, who, item_id))
            agents = [
                one["run_id"] for one in (document, *document["agents"]) if one["route"] == "agent" and one["run_id"]
            ]
            requester = document["requester"]
            rows = {one: self._steps(tx, who, one, requester, after=seen.get(one, 0)) for one in agents}
            return {"item": document, "rows": rows}

    def trace(self, who: Principal, run_or_item_id: str) -> dict[str, Any]:
        """{"trace_id", "spans": […]} of the whole tree, in order of start; of this run only for who may not see the root item."""
        with self._store.read() as tx:
            run = self._run_of(tx, who, run_or_item_id)
            root_id = worklist.get(tx, run.item_id).root_id
            trace_id = ids.trace_id(root_id)
            spans = sorted(
                [*spans_table.of_trace(tx, trace_id), *self._agent_spans(tx, root_id)],
                key=lambda span: (span.started_at, span.span_id),
            )
            if not self._sees(tx, who, root_id):
                spans = _of_run(spans, run.run_id)
            return {
                "trace_id": trace_id,
                "run_id": run.run_id,
                "item_id": run.item_id,
                "spans": [_span(span) for span in spans],
            }

    def why(self, who: Principal, effect_or_call: str) -> dict[str, Any]:
        """The rule, facts and near miss behind one decision. Takes an effect id, or ITEM_OR_RUN:CALL."""
        with self._store.read() as tx:
            if effect_or_call.startswith("eff_"):
                effect = effects_table.get(tx, effect_or_call)
            else:
                owner, _, call_id = effect_or_call.partition(":")
                found = [
                    e for e in effects_table.by_run(tx, self._run_of(tx, who, owner).run_id) if e.call_id == call_id
                ]
                if not found:
                    raise NotFound(f"no effect {call_id!r} in {owner}", fix=f"see: deputy run show {owner}")
                effect = found[-1]
            self._visible(tx, who, effect.item_id)
            return {
                **documents.effect_entry(effect),
                "facts": effect.facts.get("guard", {}),
                "near_miss": effect.facts.get("near_miss"),
                "bundle_digest": effect.bundle_digest,
            }

    # ---- memory ------------------------------------------------------------------------------------------------------
    def memories(
        self, who: Principal, *, scope: str | None = None, limit: int = 200, after: str | None = None
    ) -> list[dict[str, Any]]:
        """Facts that this principal may read, newest first. Another person's facts are nobody else's, admins included."""
        with self._store.read() as tx:
            found = memories_table.list_for(
                tx, self._reader(tx, who), clock.now(), scope=scope, limit=limit, after=after
            )
            return [documents.memory_entry(fact) for fact in found]

    def memory(self, who: Principal, memory_id: str) -> dict[str, Any]:
        with self._store.read() as tx:
            return documents.memory_entry(memories_table.get(tx, memory_id, self._reader(tx, who), clock.now()))

    def remember(
        self,
        who: Principal,
        text: str,
        *,
        scope: str = "person",
        workflow: str | None = None,
        expires_at: datetime | None = None,
    ) -> dict[str, Any]:
        """The fact: of the principal, of their team, or of `workflow`, where an admin's is read by everybody who runs it."""
        now = clock.now()
        with self._store.tx() as tx:
            reader = self._reader(tx, who)
            owners = {"person": reader.person, "team": reader.team, "workflow": workflow or ""}
            if scope not in owners:
                raise UsageError(f"a person cannot add a {scope!r} fact", fix=f"use one of: {', '.join(owners)}")
            if scope == "team" and not reader.team:
                raise UsageError(f"{who.name} is in no team of the directory", fix="keep it as a fact of the person")
            memory_id = memories_table.add(
                tx,
                scope=scope,
                owner=owners[scope],
                text=text,
                source={"kind": "person", "ref": "", "by": who.principal_id},
                created_by=who.principal_id,
                now=now,
                expires_at=expires_at,
                is_shared=scope == "workflow" and reader.is_admin,
            )
            fact = memories_table.get(tx, memory_id, reader, now)
            tx.audit(_memory_event("memory.added", who, fact, now))
            return documents.memory_entry(fact)

    def edit_memory(self, who: Principal, memory_id: str, text: str) -> dict[str, Any]:
        """The fact with other words, which are this principal's own now. NotFound for what they may not read."""
        now, source = clock.now(), {"kind": "person", "ref": "", "by": who.principal_id}
        with self._store.tx() as tx:
            fact = memories_table.edit(tx, memory_id, self._reader(tx, who), now, text=text, source=source)
            tx.audit(_memory_event("memory.edited", who, fact, now))
            return documents.memory_entry(fact)

    def forget(self, who: Principal, memory_id: str) -> dict[str, Any]:
        """The fact as it was; it is gone. NotFound for what they may not read."""
        now = clock.now()
        with self._store.tx() as tx:
            fact = memories_table.forget(tx, memory_id, self._reader(tx, who), now)
            tx.audit(_memory_event("memory.forgotten", who, fact, now))
            return documents.memory_entry(fact)

    # ---- people, audit, news -----------------------------------------------------------------------------------------
    def people(self) -> list[dict[str, Any]]:
        with self._store.read() as tx:
            return [_person(person) for person in people_table.all(tx)]

    def import_people(self, who: Principal, persons: Sequence[Person], source: str) -> dict[str, Any]:
        """Feeds the directory from a file. Whom a connected directory knows stays as it says; whom this source named before and
        names no more is forgotten. An admin's right, because it says who is inside."""
        if "admin" not in who.roles or not who.is_human:
            raise NotEligible("only an admin may change the directory", fix="ask the owner")
        with self._store.tx() as tx:
            known = {one.address for one in people_table.all(tx) if one.source != source}
            fresh = [one for one in persons if one.address not in known]
            people_table.upsert_many(tx, fresh, source, clock.now())
            body = {"source": source, "people": len(fresh), "inside": sum(one.inside for one in fresh)}
            _audit(tx, who, "people.imported", clock.now(), body)
        return body | {"known_already": [one.address for one in persons if one.address in known]}

    def set_preferences(self, who: Principal, address: str, preferences: Mapping[str, Any]) -> dict[str, Any]:
        """Changes the meeting preferences that are named, None takes one away; one's own, or anyone's for an admin."""
        if address != who.principal_id and "admin" not in who.roles:
            raise NotEligible("these are somebody else's preferences", fix="change your own, or ask an admin")
        with self._store.tx() as tx:
            person = people_table.set_preferences(tx, address, dict(preferences))
            body = {"person": person.address, "names": sorted(preferences), "values": _digest(dict(preferences))}
            _audit(tx, who, "person.preferences_set", clock.now(), body)
            return _person(person)

    def audit_tail(self, who: Principal, *, limit: int = 50, item_id: str | None = None) -> list[dict[str, Any]]:
        """The newest events, oldest of them first. Who is neither admin nor auditor: of items they may see, and their own acts."""
        seen_by = None if who.roles & WHOLE_CHAIN else who.principal_id
        with self._store.read() as tx:
            return audit_table.tail(tx, limit=limit, item_id=item_id, seen_by=seen_by, all_items=who.sees_all)

    def audit_head(self, who: Principal) -> dict[str, Any]:
        """{"seq", "hash"}: keep it elsewhere, and `audit_verify` can prove that nothing before it was changed.

        Head, verification and export are of everybody's acts: NotEligible for who is neither admin nor auditor.
        """
        _whole_chain(who)
        with self._store.read() as tx:
            return dict(audit_table.head(tx))

    def audit_verify(self, who: Principal, head: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """{"ok", "checked", "first_bad_seq", "reason"}."""
        _whole_chain(who)
        with self._store.read() as tx:
            verdict = audit_table.verify(tx, head)
            return {
                "ok": verdict.ok,
                "checked": verdict.checked,
                "first_bad_seq": verdict.first_bad_seq,
                "reason": verdict.reason,
            }

    def audit_export(self, who: Principal) -> Iterator[dict[str, Any]]:
        """Every event, oldest first."""
        _whole_chain(who)  # here, not at the first event: a refusal comes before anything is written
        return self._exported()

    def _exported(self) -> Iterator[dict[str, Any]]:
        with self._store.read() as tx:
            yield from audit_table.export(tx)

    def events_after(self, who: Principal, seq: int, *, limit: int = 200) -> list[dict[str, Any]]:
        """News since outbox row `seq`, for followers; of items they may see."""
        seen_by = None if who.sees_all else who.principal_id
        with self._store.read() as tx:
            return [
                {
                    "seq": news.outbox_id,
                    "item_id": news.item_id,
                    "kind": news.kind,
                    "body": dict(news.body),
                    "at": documents.iso(news.created_at),
                }
                for news in outbox_table.after(tx, seq, limit=limit, seen_by=seen_by)
            ]

    def connect(
        self,
        who: Principal,
        *,
        connector: str,
        owner: str,
        subject: str,
        families: Sequence[str],
        shared_with: Sequence[str] = (),
    ) -> str:
        """Declares a connection and wakes the items that wait for one. Returns its id."""
        if owner != who.principal_id and "admin" not in who.roles:
            raise NotEligible("only an admin connects somebody else's account", fix="connect your own")
        connection_id = ids.derived("conn", connector, owner, subject)
        with self._store.tx() as tx:
            connections_table.add(
                tx,
                connection_id=connection_id,
                connector=connector,
                owner=owner,
                subject=subject,
                families=list(families),
                shared_with=list(shared_with),
                now=clock.now(),
                actor=who.principal_id,
            )
        return connection_id

    # ---- inside ------------------------------------------------------------------------------------------------------
    def _visible(self, tx: Tx, who: Principal, item_id: str) -> Item:
        item = worklist.get(tx, item_id)
        if not self._sees(tx, who, item_id):
            raise NotFound(f"there is no item {item_id!r}", fix="see: deputy work ls")
        return item

    def _sees(self, tx: Tx, who: Principal, item_id: str) -> bool:
        return (
            who.sees_all
            or worklist.get(tx, item_id).requester == who.principal_id
            or any(who.principal_id in approval.eligible for approval in approvals_table.of_item(tx, item_id))
        )

    def _may_see(self, tx: Tx, who: Principal, item_id: str, eligible: Sequence[str]) -> bool:
        return who.sees_all or who.principal_id in eligible or worklist.get(tx, item_id).requester == who.principal_id

    def _change(
        self, who: Principal, item_id: str, change: Callable[[Tx, datetime], Sequence[Done]], *, final_ok: bool = False
    ) -> dict[str, Any]:
        """The document after `change`, whose acts are audited as this principal's."""
        now = clock.now()
        with self._store.tx() as tx:
            item = self._visible(tx, who, item_id)
            if item.requester != who.principal_id and not who.sees_all:
                raise NotEligible("only the requester or an operator may change this", fix="ask them")
            if item.is_final and not final_ok:
                raise Conflict(f"{item_id} is {item.state.value} already", fix="ask again to start anew")
            for kind, body in change(tx, now):
                _audit(tx, who, kind, now, body, item_id=item_id)
            return self._document(tx, worklist.get(tx, item_id))

    def _open_waits(self, tx: Tx, item: Item) -> list[waits.Wait]:
        if item.is_final:
            return []
        return waits.open_of_items(tx, [item.item_id, *worklist.descendants(tx, item.item_id, unfinished=True)])

    def _steps(self, tx: Tx, who: Principal, run_id: str, requester: str, *, after: int = 0) -> list[Mapping[str, Any]]:
        """The log behind row `after`. INVARIANT: what was recalled of a person is that person's alone to read."""
        rows = [documents.step_entry(row) for row in steplog.load(tx, run_id, after=after)]
        return [*rows] if who.principal_id == requester else [transcripts.without_facts(row) for row in rows]

    def _reader(self, tx: Tx, who: Principal) -> memories_table.Reader:
        team = next((one.team for one in people_table.all(tx) if one.address == who.principal_id), "")
        return memories_table.Reader(person=who.principal_id, team=team, is_admin="admin" in who.roles)

    def _brief(self, tx: Tx, item: Item, now: datetime) -> dict[str, Any]:
        return documents.brief(
            item,
            position=worklist.position(tx, item.item_id),
            why_here=worklist.why_here(tx, item.item_id, now),
            waiting_on=worklist.waiting_on(tx, item.item_id),
            pausing=item.paused and worklist.is_pausing(tx, item.item_id),
        )

    def _document(self, tx: Tx, item: Item) -> dict[str, Any]:
        now = clock.now()
        tree = trees.load(tx, item.item_id, now)
        mine = tree.runs.get(item.item_id, ())
        spent = [run.receipt for one in (item, *tree.below) for run in tree.runs.get(one.item_id, ()) if run.receipt]
        own = mine[-1].receipt if mine else None
        return documents.document(
            item,
            position=worklist.position(tx, item.item_id) if item.state is State.READY else None,
            why_here=worklist.why_here(tx, item.item_id, now),
            runs=[run.run_id for run in mine],
            children=[one.item_id for one in tree.below if one.parent_id == item.item_id],
            reasons=tree.reasons,
            waits=tree.waits,
            effects=tree.effects,
            approvals=tree.approvals,
            receipt=documents.summed(own, [receipt for receipt in spent if receipt is not own]),
            pausing=tree.is_pausing,
            budget=tree.budgets.get(item.item_id),
            agent=next((run.pins.get("agent") for run in mine[-1:]), None),
            agents=[
                documents.agent_entry(
                    one,
                    name=tree.name_of(one.item_id),
                    why_here=tree.why_here[one.item_id],
                    waiting_on=tree.waiting_on(one),
                    run_id=next((run.run_id for run in tree.runs.get(one.item_id, ())[-1:]), None),
                    budget=tree.budgets.get(one.item_id, {}),
                )
                for one in tree.below
            ],
        )

    def _approval(self, tx: Tx, approval_id: str) -> dict[str, Any]:
        approval = approvals_table.get(tx, approval_id)
        effect = effects_table.get(tx, approval.effect_id)
        item = worklist.get(tx, approval.item_id)
        return {
            **documents.approval_entry(approval),
            "tool": effect.tool,
            "args": dict(effect.args),
            "preview": effect.preview,
            "rules": list(effect.rules),
            "why": effect.reason,
            "request": item.request,
            "requester": item.requester,
            "effect_state": effect.state.value,
        }

    def _agent_spans(self, tx: Tx, root_id: str) -> list[spans_table.SpanRow]:
        """Of every agent's run of a tree, out of its log and ledger."""
        family = [root_id, *worklist.descendants(tx, root_id)]
        runs = [run for each in runs_table.of_items(tx, family).values() for run in each if run.route == "agent"]
        return [
            spans_table.SpanRow(
                trace_id=span.trace_id,
                span_id=span.span_id,
                parent_id=span.parent_id,
                name=span.name,
                started_at=span.started_at,
                ended_at=span.ended_at,
                status=span.status,
                attributes=span.attributes,
                links=span.links,
            )
            for run in runs
            for span in agent_spans.spans_of(
                root_id, run.run_id, steplog.load(tx, run.run_id), effects_table.by_run(tx, run.run_id)
            )
        ]

    def _run_of(self, tx: Tx, who: Principal, run_or_item_id: str) -> runs_table.Run:
        if run_or_item_id.startswith("item_"):
            self._visible(tx, who, run_or_item_id)
            found = runs_table.of_item(tx, run_or_item_id)
            if not found:
                raise NotFound(f"{run_or_item_id} has not run yet", fix="see: deputy work ls")
            return found[-1]
        run = runs_table.get(tx, run_or_item_id)
        self._visible(tx, who, run.item_id)
        return run


def _audit(
    tx: Tx, who: Principal, kind: str, now: datetime, body: Mapping[str, Any], *, item_id: str | None = None
) -> None:
    tx.audit(AuditEvent(kind=kind, actor=who.principal_id, at=now.isoformat(), item_id=item_id, body=body))


def _digest(value: Any) -> str:
    return f"sha256:{hashlib.sha256(canonical(value).encode()).hexdigest()}"


def _whole_chain(who: Principal) -> None:
    if not who.roles & WHOLE_CHAIN:
        raise NotEligible("the whole audit chain is for admins and auditors", fix="see your own: deputy audit tail")


def _of_run(spans: Sequence[spans_table.SpanRow], run_id: str) -> list[spans_table.SpanRow]:
    """The run's span and what is under it, up to the spans of other runs."""
    under = {span.span_id for span in spans if span.attributes.get(RUN) == run_id}
    found = 0
    while found != len(under):
        found = len(under)
        under |= {s.span_id for s in spans if s.parent_id in under and s.attributes.get(RUN) in (None, run_id)}
    return [span for span in spans if span.span_id in under]


def _choice(text: str, choices: Sequence[str]) -> str:
    """The choice that a person means by its number or words; free text where the question has no choices."""
    said = text.strip()
    if not choices:
        return said
    if said.isdigit() and 1 <= int(said) <= len(choices):
        return choices[int(said) - 1]
    exact = [choice for choice in choices if choice.casefold() == said.casefold()]
    close = exact or [choice for choice in choices if said.casefold() in choice.casefold()]
    if len(close) != 1:
        listed = "; ".join(f"{n}. {choice}" for n, choice in enumerate(choices, 1))
        raise UsageError(
            f"{said!r} does not name one of the choices", fix=f"answer with a number or words of one: {listed}"
        )
    return close[0]


def _check_budget(limits: Any) -> None:
    """UsageError for what no budget can be: it would otherwise only be noticed when somebody works on the item."""
    if limits is None:
        return
    if not isinstance(limits, Mapping):
        raise UsageError("the budget is not an object", fix=f"give limits by name: {', '.join(budgets.NAMES)}")
    for name, most in limits.items():
        if name not in budgets.NAMES:
            raise UsageError(f"there is no budget called {name!r}", fix=f"use one of: {', '.join(budgets.NAMES)}")
        if type(most) is not int or most < 0:
            raise UsageError(f"the budget of {name} cannot be {most!r}", fix="give a whole number, 0 or more")


def _memory_event(kind: str, who: Principal, fact: memories_table.Memory, now: datetime) -> AuditEvent:
    """Says that, by whom and of which scope; never what."""
    body = {"memory_id": fact.memory_id, "scope": fact.scope.value}
    return AuditEvent(kind=kind, actor=who.principal_id, at=now.isoformat(), body=body)


def _run(run: runs_table.Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "item_id": run.item_id,
        "number": run.number,
        "route": run.route,
        "workflow": run.workflow,
        "workflow_version": run.workflow_version,
        "state": run.state,
        "pins": {name: pin for name, pin in run.pins.items() if name != "content"},
        "receipt": dict(run.receipt) if run.receipt else None,
        "started_at": documents.iso(run.started_at),
        "finished_at": documents.iso(run.finished_at),
    }


def _span(span: spans_table.SpanRow) -> dict[str, Any]:
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "started_at": documents.iso(span.started_at),
        "ended_at": documents.iso(span.ended_at),
        "status": span.status,
        "attributes": dict(span.attributes),
    }


def _person(person: Person) -> dict[str, Any]:
    return {
        "address": person.address,
        "name": person.name,
        "aliases": list(person.aliases),
        "zone": person.zone,
        "working_hours": dict(person.working_hours),
        "role": person.role,
        "team": person.team,
        "manager": person.manager,
        "inside": person.inside,
        "preferences": dict(person.preferences),
        "source": person.source,
    }
