"""The front desk: about ten verbs every surface uses, each one transaction. It writes rows; it never acts and never thinks.

Sync and thread-safe; async surfaces call it in a thread. Every verb takes the principal who asks and answers for what that
principal may see. Returned documents are JSON-able; errors are `orchestrator.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator import clock, ids
from orchestrator.deputy.access import Access
from orchestrator.deputy.feedback import Feedback
from orchestrator.deputy.figures import Figures
from orchestrator.deputy.fitting import check_fits
from orchestrator.deputy.halts import Halts
from orchestrator.deputy.holds import Holds
from orchestrator.deputy.inbox import Inbox
from orchestrator.deputy.library import Library, Shelf
from orchestrator.deputy.measured import Measured
from orchestrator.deputy.memories import Memories
from orchestrator.deputy.news import News
from orchestrator.deputy.roles import Roles
from orchestrator.deputy.schedules import Schedules
from orchestrator.deputy.slack import Slack
from orchestrator.deputy.triggers import Triggers
from orchestrator.deputy.views import (
    WHOLE_CHAIN,
    agent_spans_of,
    allowed,
    approval_card,
    approval_cards,
    audited,
    brief,
    briefs,
    connection_entry,
    digest,
    document,
    may_see,
    of_run,
    open_waits,
    person_entry,
    run_entry,
    run_of,
    sees,
    span_entry,
    steps_of,
    visible,
    whole_chain,
)
from orchestrator.deputy.wishes import put_many, put_one, wish
from orchestrator.deputy.words import choice
from orchestrator.domain import document as documents
from orchestrator.domain import transcript as transcripts
from orchestrator.domain.effect import ApprovalState
from orchestrator.domain.item import DEFAULT_PRIORITY, PRIORITY_RANGE, Origin, State, WaitKind
from orchestrator.domain.person import Person
from orchestrator.domain.principal import Principal
from orchestrator.domain.rights import MEMBER
from orchestrator.errors import Conflict, NotEligible, NotFound, UsageError
from orchestrator.store import approvals as approvals_table
from orchestrator.store import audit as audit_table
from orchestrator.store import connections as connections_table
from orchestrator.store import edits, waits, worklist
from orchestrator.store import effects as effects_table
from orchestrator.store import outbox as outbox_table
from orchestrator.store import people as people_table
from orchestrator.store import runs as runs_table
from orchestrator.store import spans as spans_table
from orchestrator.store import workers as workers_table
from orchestrator.store.database import Store, Tx

SPOKEN = 50  # items of a page that say in full why each stands where it stands
Done = tuple[str, Mapping[str, Any]]  # kind and body of the audit event of what was done


class Deputy:
    """The verbs, over one store. `owner` is the local owner's principal id: who the command line speaks for.

    `newcomers`: the role of colleagues to whom none was given. `shelf`: makes the reader of workflow files when it is needed.
    `agents`: names of predefined agents as of now.
    """

    def __init__(
        self,
        store: Store,
        *,
        owner: str,
        newcomers: str = MEMBER,
        shelf: Callable[[], Shelf] | None = None,
        agents: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._store = store
        self._owner = owner
        self.roles = Roles(store, owner=owner, newcomers=newcomers)
        self.access = Access(store, self.roles)
        self.triggers = Triggers(store)
        self.schedules = Schedules(store)
        self.memories = Memories(store)
        self.news = News(store)
        self.figures = Figures(store)
        self.library = Library(store, shelf)
        self.halts = Halts(store, agents)
        self.inbox = Inbox(store)
        self.measured = Measured(store)
        self.holds = Holds(store)
        self.feedback = Feedback(store)
        self.slack = Slack(store)

    def close(self) -> None:
        self._store.close()

    def workers(self) -> list[dict[str, Any]]:
        """Worker processes, oldest first: {"worker_id", "host", "pid", "silent_s"}. Raises StoreUnavailable."""
        with self._store.read() as tx:
            return [
                {"worker_id": one.worker_id, "host": one.host, "pid": one.pid, "silent_s": round(one.silent_s, 1)}
                for one in workers_table.every(tx)
            ]

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
        with self._store.read() as tx:
            return self.roles.principal_in(tx, found[0])

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

        The option "approve_all" is a person's to give: from a program it is dropped, and its words are not the person's own.
        """
        allowed(who, "submit")
        new = wish(
            who,
            request,
            priority=priority,
            due=due,
            key=key,
            options=options,
            needs=needs,
            origin=origin,
            reply_to=reply_to,
        )
        with self._store.tx() as tx:
            for needed in needs:
                visible(tx, who, needed)
            return put_one(tx, new)

    def submit_many(self, who: Principal, wishes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The documents of several wishes, each as `submit` takes it by name, in one transaction: all of them or none."""
        allowed(who, "submit")
        news = [wish(who, **one) for one in wishes]
        with self._store.tx() as tx:
            return put_many(tx, news)

    def item(self, who: Principal, item_id: str) -> dict[str, Any]:
        """The item document."""
        with self._store.read() as tx:
            return document(tx, visible(tx, who, item_id))

    def item_seen(self, who: Principal, item_id: str) -> None:
        """Raises NotFound where the principal may not see the item."""
        with self._store.read() as tx:
            visible(tx, who, item_id)

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
            few = len(page.items) <= SPOKEN
            told = [brief(tx, item, now) for item in page.items] if few else briefs(tx, page.items, now)
        return {"items": told, "next": page.next}

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
            return [("item.nudged", {"message": number, "origin": origin.value, "text": digest(text.strip())})]

        return self._change(who, item_id, change)

    def answer(self, who: Principal, item_id: str, text: str, *, question_id: str | None = None) -> dict[str, Any]:
        """Answers the item's open question (the first, unless one is named). A number picks that choice.

        What a program answers for somebody is kept as its own, never as that person's words; repairs are for people.
        """
        with self._store.tx() as tx:
            item = visible(tx, who, item_id)
            open_questions = [
                w
                for w in open_waits(tx, item)
                if w.kind in (WaitKind.ANSWER, WaitKind.REPAIR) and question_id in (None, w.wait_id)
            ]
            if not open_questions:
                raise Conflict(f"{item_id} has no open question", fix=f"see: deputy work show {item_id}")
            wait = open_questions[0]
            if who.principal_id != item.requester and "operate" not in who.scopes:
                raise NotEligible("only the requester can answer this", fix="use 'work nudge' to leave a remark")
            allowed(who, "submit")
            if wait.kind is WaitKind.REPAIR and not who.is_human:
                raise NotEligible("a program cannot say what happened", fix="a person looks, and answers this")
            value = choice(text, wait.payload.get("choices") or ())
            by = who.principal_id if who.is_human else f"agent of {who.principal_id}"
            now = clock.now()
            if not waits.answer(tx, wait.item_id, wait.wait_id, value, by, now):
                raise Conflict("this question was answered a moment ago", fix=f"see: deputy work show {item_id}")
            body = {"wait_id": wait.wait_id, "kind": wait.kind.value, "by": by, "answer": digest(value)}
            audited(tx, who, "item.answered", now, body, item_id=wait.item_id)
            return document(tx, worklist.get(tx, item_id))

    # ---- approvals ---------------------------------------------------------------------------------------------------
    def approvals(
        self,
        who: Principal,
        *,
        state: str | None = "pending",
        limit: int = 200,
        after: tuple[datetime, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Cards this principal may decide or has asked for, oldest first. `after`: (created_at, approval_id) of the page before."""
        with self._store.read() as tx:
            rows = approvals_table.list_by_state(
                tx,
                [ApprovalState(state)] if state else None,
                seen_by=None if who.sees_all else who.principal_id,
                limit=limit,
                after=after,
            )
            return approval_cards(tx, rows)

    def approval(self, who: Principal, approval_id: str) -> dict[str, Any]:
        with self._store.read() as tx:
            row = approvals_table.get(tx, approval_id)
            if not may_see(tx, who, row.item_id, row.eligible):
                raise NotFound(f"there is no approval {approval_id!r}", fix="see: deputy inbox ls")
            return approval_card(tx, approval_id)

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
            card = approvals_table.get(tx, approval_id)
            tool, asked_by = effects_table.get(tx, card.effect_id).tool, worklist.get(tx, card.item_id).requester
            self.roles.may_decide(tx, who, tool=tool, requester=asked_by)
            if verdict == "edit":
                if not args:
                    raise UsageError("an edit needs the changed arguments", fix="give at least one NAME=VALUE")
                edits.edit(tx, approval_id, dict(args), digest=digest, by=who.principal_id, now=now)
                check_fits(tool, {**effects_table.get(tx, card.effect_id).args, **args})
            else:
                approvals_table.decide(
                    tx, approval_id, verdict, digest=digest, by=who.principal_id, now=now, reason=reason
                )
            return approval_card(tx, approval_id)

    # ---- runs --------------------------------------------------------------------------------------------------------
    def runs(
        self,
        who: Principal,
        *,
        limit: int = 50,
        state: str | None = None,
        workflow: str | None = None,
        after: tuple[datetime, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Newest first. `after`: (started_at, run_id) of the last one of the page before."""
        with self._store.read() as tx:
            seen_by = None if who.sees_all else who.principal_id
            found = runs_table.list_runs(tx, limit=limit, state=state, workflow=workflow, seen_by=seen_by, after=after)
            return [run_entry(run) for run in found]

    def run(self, who: Principal, run_id: str) -> dict[str, Any]:
        """A run with its ledger and step log. Takes a run id or an item id (its latest run)."""
        with self._store.read() as tx:
            run = run_of(tx, who, run_id)
            return {
                **run_entry(run),
                "trace_id": ids.trace_id(worklist.get(tx, run.item_id).root_id),
                "effects": [documents.effect_entry(effect) for effect in effects_table.by_run(tx, run.run_id)],
                "steps": steps_of(tx, who, run.run_id, worklist.get(tx, run.item_id).requester),
            }

    def transcript(self, who: Principal, run_or_item_id: str) -> dict[str, Any]:
        """{"run", "agent", "prompt", "packet", "tools", "turns", "totals", …} of an agent's run, as `domain.transcript` has it."""
        with self._store.read() as tx:
            run = run_of(tx, who, run_or_item_id)
            rows = steps_of(tx, who, run.run_id, worklist.get(tx, run.item_id).requester)
            ledger = [documents.effect_entry(effect) for effect in effects_table.by_run(tx, run.run_id)]
            return {"run": run_entry(run), **transcripts.transcript(rows, ledger, state=run.state)}

    def watch(self, who: Principal, item_id: str, seen: Mapping[str, int]) -> dict[str, Any]:
        """{"item": its document, "rows": run id → step log rows behind `seen[run id]`} for the runs of agents in its tree.

        What a follower asks for at each look: `seen` keeps its cost from growing with the logs.
        """
        with self._store.read() as tx:
            found = document(tx, visible(tx, who, item_id))
            agents = [one["run_id"] for one in (found, *found["agents"]) if one["route"] == "agent" and one["run_id"]]
            requester = found["requester"]
            rows = {one: steps_of(tx, who, one, requester, after=seen.get(one, 0)) for one in agents}
            return {"item": found, "rows": rows}

    def trace(self, who: Principal, run_or_item_id: str) -> dict[str, Any]:
        """{"trace_id", "spans": […]} of the whole tree, in order of start; of this run only for who may not see the root item."""
        with self._store.read() as tx:
            run = run_of(tx, who, run_or_item_id)
            root_id = worklist.get(tx, run.item_id).root_id
            trace_id = ids.trace_id(root_id)
            spans = sorted(
                [*spans_table.of_trace(tx, trace_id), *agent_spans_of(tx, root_id)],
                key=lambda span: (span.started_at, span.span_id),
            )
            if not sees(tx, who, root_id):
                spans = of_run(spans, run.run_id)
            return {
                "trace_id": trace_id,
                "run_id": run.run_id,
                "item_id": run.item_id,
                "spans": [span_entry(span) for span in spans],
            }

    def why(self, who: Principal, effect_or_call: str) -> dict[str, Any]:
        """The rule, facts and near miss behind one decision. Takes an effect id, or ITEM_OR_RUN:CALL."""
        with self._store.read() as tx:
            if effect_or_call.startswith("eff_"):
                effect = effects_table.get(tx, effect_or_call)
            else:
                owner, _, call_id = effect_or_call.partition(":")
                found = [e for e in effects_table.by_run(tx, run_of(tx, who, owner).run_id) if e.call_id == call_id]
                if not found:
                    raise NotFound(f"no effect {call_id!r} in {owner}", fix=f"see: deputy run show {owner}")
                effect = found[-1]
            visible(tx, who, effect.item_id)
            return {
                **documents.effect_entry(effect),
                "facts": effect.facts.get("guard", {}),
                "near_miss": effect.facts.get("near_miss"),
                "bundle_digest": effect.bundle_digest,
            }

    # ---- people, audit, news -----------------------------------------------------------------------------------------
    def connections(self, who: Principal) -> list[dict[str, Any]]:
        """The accounts that this principal's requests may use, and for who sees all every one. Never what is sealed of them."""
        with self._store.read() as tx:
            known = connections_table.every(tx) if who.sees_all else connections_table.list_for(tx, who.principal_id)
            return [connection_entry(one) for one in known]

    def people(self) -> list[dict[str, Any]]:
        with self._store.read() as tx:
            return [person_entry(person) for person in people_table.all(tx)]

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
            audited(tx, who, "people.imported", clock.now(), body)
        return body | {"known_already": [one.address for one in persons if one.address in known]}

    def set_preferences(self, who: Principal, address: str, preferences: Mapping[str, Any]) -> dict[str, Any]:
        """Changes the meeting preferences that are named, None takes one away; one's own, or anyone's for an admin."""
        if address != who.principal_id and "admin" not in who.roles:
            raise NotEligible("these are somebody else's preferences", fix="change your own, or ask an admin")
        allowed(who, "submit")
        with self._store.tx() as tx:
            person = people_table.set_preferences(tx, address, dict(preferences))
            body = {"person": person.address, "names": sorted(preferences), "values": digest(dict(preferences))}
            audited(tx, who, "person.preferences_set", clock.now(), body)
            return person_entry(person)

    def audit_tail(
        self,
        who: Principal,
        *,
        limit: int = 50,
        item_id: str | None = None,
        kind: str | None = None,
        actor: str | None = None,
        before: int | None = None,
    ) -> list[dict[str, Any]]:
        """The newest events (before that number), oldest of them first. Who is neither admin nor auditor: of items they may see, and their own acts."""
        seen_by = None if who.roles & WHOLE_CHAIN else who.principal_id
        with self._store.read() as tx:
            return audit_table.tail(
                tx,
                limit=limit,
                item_id=item_id,
                kind=kind,
                actor=actor,
                before=before,
                seen_by=seen_by,
                all_items=who.sees_all,
            )

    def audit_head(self, who: Principal) -> dict[str, Any]:
        """{"seq", "hash"}: keep it elsewhere, and `audit_verify` can prove that nothing before it was changed.

        Head, verification and export are of everybody's acts: NotEligible for who is neither admin nor auditor.
        """
        whole_chain(who)
        with self._store.read() as tx:
            return dict(audit_table.head(tx))

    def audit_verify(self, who: Principal, head: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """{"ok", "checked", "first_bad_seq", "reason"}."""
        whole_chain(who)
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
        whole_chain(who)  # here, not at the first event: a refusal comes before anything is written
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
        allowed(who, "submit")
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

    # ---- inside ---------------------------------------------------------------------------------------------------
    def _change(
        self, who: Principal, item_id: str, change: Callable[[Tx, datetime], Sequence[Done]], *, final_ok: bool = False
    ) -> dict[str, Any]:
        """The document after `change`, whose acts are audited as this principal's."""
        now = clock.now()
        with self._store.tx() as tx:
            item = visible(tx, who, item_id)
            if item.requester != who.principal_id and "operate" not in who.scopes:
                raise NotEligible("only the requester or an operator may change this", fix="ask them")
            allowed(who, "submit" if item.requester == who.principal_id else "operate")
            if item.is_final and not final_ok:
                raise Conflict(f"{item_id} is {item.state.value} already", fix="ask again to start anew")
            for kind, body in change(tx, now):
                audited(tx, who, kind, now, body, item_id=item_id)
            return document(tx, worklist.get(tx, item_id))
