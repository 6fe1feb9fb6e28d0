"""A small office to break: an outside that remembers every send, tasks that use every engine feature, people who answer at random.

A task: read; two sends that each ask a person, in one turn; two children (each one keyed send); an unkeyed send; end.
Five sends and three items per task, each of which must happen exactly once, whatever is killed.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orchestrator import clock, ids
from orchestrator.domain import boundary
from orchestrator.domain.effect import Approval, ApprovalState, Effect, EffectState
from orchestrator.domain.item import WaitKind
from orchestrator.domain.outcome import Done, Parked, RunOutcome
from orchestrator.engine.runner import Advanced
from orchestrator.engine.serving import Pace
from orchestrator.engine.worker import Worker
from orchestrator.errors import Conflict, Fenced
from orchestrator.store import approvals, audit, effects, lease, runs, steplog, timers, waits, worklist
from orchestrator.store.database import Store
from orchestrator.store.lease import Claimed
from orchestrator.store.worklist import NewItem
from orchestrator.store.writer import Writer

OWNER = "alex@northwind.example"
WIRE_S = 0.25
SENDS_PER_TASK, ITEMS_PER_TASK = 5, 3
QUICK = Pace(
    cap=16,
    poll_s=0.03,
    poll_remote_s=0.2,
    beat_s=0.3,
    stall_s=1.5,
    reap_s=0.2,
    backoff_s=0.05,
    max_attempts=50,
    linger_s=2.0,
)


def now() -> datetime:
    return datetime.now(UTC)


# ---- the outside ---------------------------------------------------------------------------------------------------
class Outside:
    """A file per key, appended and synced. A keyed send refuses a second one; an unkeyed one would do it twice."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def has(self, key: str) -> bool:
        """Whether it was sent. A kill between open and write leaves an empty file: not sent."""
        path = self.root / key
        return path.exists() and path.stat().st_size > 0

    def send(self, key: str, *, keyed: bool) -> None:
        if keyed and self.has(key):
            return
        file = os.open(self.root / key, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, f"{os.getpid()}\n".encode())
        os.fsync(file)
        os.close(file)

    def counts(self) -> Counter[int]:
        """How many keys were sent how often."""
        return Counter(len(path.read_text().splitlines()) for path in self.root.iterdir())


# ---- the runner ----------------------------------------------------------------------------------------------------
class Script:
    """Advances "task", "child" and "one" from their records, minding law 5 as the gate does."""

    def __init__(self, outside: Outside, *, model_s: float = 0.0, wire_s: float = 0.0) -> None:
        self._outside = outside
        self._model_s = model_s
        self._wire_s = wire_s

    async def advance(self, claimed: Claimed, writer: Writer) -> Advanced:
        await writer.put(
            runs.start,
            claimed.lease,
            route="match",
            workflow=claimed.lease.item.request,
            version="1",
            pins={},
            now=now(),
        )
        outcome = await _Advance(claimed, writer, self._outside, self._model_s, self._wire_s).run()
        return Advanced(outcome=outcome, receipt={"model_calls": 0})


class _Advance:
    def __init__(self, claimed: Claimed, writer: Writer, outside: Outside, model_s: float, wire_s: float) -> None:
        self.claimed, self.writer, self.outside = claimed, writer, outside
        self.lease, self.item = claimed.lease, claimed.lease.item
        self.model_s, self.wire_s = model_s, wire_s
        self.effects = {effect.call_id: effect for effect in claimed.effects}
        self.waits = {wait.wait_id: wait for wait in claimed.waits}
        self.steps = {row.key for row in claimed.log}

    async def run(self) -> RunOutcome:
        match self.item.request:
            case "child":
                if await self.effect("note", keyed=True):
                    return Done(text="noted")
            case "task":
                return await self.task()
            case _:
                return Done(text="one")
        return Parked()

    async def task(self) -> RunOutcome:
        await self.step("read")
        asked = [await self.ask(call_id) for call_id in ("send_a", "send_b")]
        if not all(asked):
            return Parked()
        for call_id in ("send_a", "send_b"):
            if not await self.effect(call_id, keyed=True):
                return Parked()
        await self.step("delegate")
        wishes = [NewItem(request="child", requester=OWNER) for _ in range(2)]
        made = await self.writer.put(lease.delegate, self.lease, wishes, ["part_a", "part_b"], now())
        if not all(self.waits.get(f"child:{child}") and self.waits[f"child:{child}"].answer for child in made):
            return Parked()
        if not await self.effect("send_c", keyed=False):
            return Parked()
        await self.step("end")
        return Done(text="all sent", output={"children": made})

    async def step(self, key: str) -> None:
        if key in self.steps:
            return
        if self.model_s:
            await asyncio.sleep(self.model_s)
        await self.writer.put(
            steplog.append, self.lease, [steplog.Row(kind="read", key=key, body={"step": key})], now()
        )
        self.steps.add(key)

    def entry(self, call_id: str, state: EffectState) -> Effect:
        run_id = ids.run_id(self.item.item_id, 1)
        effect_id = ids.effect_id(run_id, call_id)
        return Effect(
            effect_id=effect_id,
            item_id=self.item.item_id,
            run_id=run_id,
            call_id=call_id,
            tool="mail.send",
            args={"to": call_id},
            args_digest=f"sha256:{call_id}",
            connection_id="conn",
            key=ids.effect_key(effect_id),
            state=state,
            decision="ask" if state is EffectState.INTENDED else "allow",
            rules=["rule"],
            reason="",
            bundle_digest="sha256:bundle",
            created_at=now(),
        )

    async def ask(self, call_id: str) -> bool:
        """Whether a person has said yes."""
        effect = self.effects.get(call_id)
        if effect is not None:
            return effect.state is not EffectState.INTENDED
        effect = self.effects[call_id] = self.entry(call_id, EffectState.INTENDED)
        card = Approval(
            approval_id=ids.approval_id(effect.effect_id, 1),
            effect_id=effect.effect_id,
            item_id=effect.item_id,
            digest=effect.args_digest,
            state=ApprovalState.PENDING,
            eligible=[OWNER],
            needed=1,
            preconditions=[],
            card={},
            created_at=now(),
            expires_at=now() + timedelta(days=7),
        )
        await self.writer.put(effects.intend, self.lease, effect, card, wait_id=f"{effect.effect_id}:1", now=now())
        return False

    async def effect(self, call_id: str, *, keyed: bool) -> bool:
        """Whether it has happened; False: a person has to look."""
        effect = self.effects.get(call_id)
        if effect is None:
            effect = self.entry(call_id, EffectState.APPROVED)
            await self.writer.put(effects.hold, self.lease, effect, now())
        if effect.state is EffectState.DONE:
            return True
        doubts = sorted((w for w in self.waits if w.startswith(f"{effect.effect_id}!")), key=len)
        if effect.state is EffectState.UNKNOWN:
            said = self.waits[doubts[-1]].answer
            if said is None:
                return False
            if said == "it happened":
                await self.writer.put(
                    effects.done, self.lease, effect.effect_id, None, now(), expect=EffectState.UNKNOWN
                )
                return True
        elif effect.state is EffectState.ATTEMPTED:  # REPLAY: a lost owner's attempt
            if self.outside.has(effect.key):
                await self.writer.put(effects.done, self.lease, effect.effect_id, {"found": True}, now())
                return True
            if not keyed:
                wait_id = f"{effect.effect_id}!{len(doubts) + 1}"
                payload = {"key": effect.key, "text": "Was it sent?"}
                await self.writer.put(
                    effects.unknown, self.lease, effect.effect_id, wait_id=wait_id, payload=payload, now=now()
                )
                return False
        return await self.send(effect, keyed=keyed)

    async def send(self, effect: Effect, *, keyed: bool) -> bool:
        begin_by_s = clock.boot_s() + WIRE_S
        said = await self.writer.put(
            effects.attempt,
            self.lease,
            effect.effect_id,
            expect=effect.state,
            now=now(),
            wire_timeout_s=2 * WIRE_S,
            reserve={"sends": (1, 1_000_000)},
        )
        assert said.may_send, said
        if self.wire_s:
            await asyncio.sleep(self.wire_s)
        boundary.reached("before-send")
        if clock.boot_s() > begin_by_s:  # stopped in between: our claim may be gone
            raise Fenced(f"too late to begin {effect.call_id}")
        self.outside.send(effect.key, keyed=keyed)
        boundary.reached("after-send")
        await self.writer.put(effects.done, self.lease, effect.effect_id, {"sent": True}, now())
        self.effects[effect.call_id] = replace(effect, state=EffectState.DONE)
        return True


def work(url: str, outside: str, until_idle: bool, model_s: float = 0.0, wire_s: float = 0.0) -> int:
    """A worker process's life."""
    store = Store.open(url, migrate=False)
    try:
        runner = Script(Outside(Path(outside)), model_s=model_s, wire_s=wire_s)
        return Worker(store, runner, pace=replace(QUICK, until_idle=until_idle), now=now).run()
    finally:
        store.close()


# ---- people --------------------------------------------------------------------------------------------------------
def answer_some(store: Store, outside: Outside, *, most: int = 1000) -> int:
    """How many open cards and questions were answered; for a doubtful send a person looks outside first."""
    with store.read() as tx:
        cards = approvals.list_pending(tx, limit=most)
        asked = waits.list_open(tx, [WaitKind.REPAIR], limit=most)
    for card in random.sample(cards, min(len(cards), most)):
        try:
            store.write(approvals.decide, card.approval_id, "approve", digest=card.digest, by=OWNER, now=now())
        except Conflict:  # somebody else was faster
            continue
    for wait in asked:
        say: str = lease.TRY_AGAIN
        if wait.payload.get("outcome_unknown"):
            say = "it happened" if outside.has(str(wait.payload["key"])) else "it did not happen"
        store.write(waits.answer, wait.item_id, wait.wait_id, say, OWNER, now())
    return len(cards) + len(asked)


@contextmanager
def people(url: str, outside: Outside, count: int = 2) -> Iterator[None]:
    """People who answer open cards and questions, a few at a time, at random instants."""
    stop = threading.Event()

    def person() -> None:
        store = Store.open(url, migrate=False)
        while not stop.wait(random.uniform(0, 0.04)):
            answer_some(store, outside, most=random.randint(1, 8))
        store.close()

    threads = [threading.Thread(target=person) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


# ---- the verdict ---------------------------------------------------------------------------------------------------
def submit(store: Store, count: int, request: str = "task") -> None:
    store.write(worklist.submit_many, [NewItem(request=request, requester=OWNER) for _ in range(count)], now())


def unfinished(store: Store) -> int:
    with store.read() as tx:
        states: Mapping[str, int] = count_states(tx)
    return sum(count for state, count in states.items() if state in ("ready", "running", "waiting"))


def count_states(tx: Any) -> dict[str, int]:
    import sqlalchemy as sa

    from orchestrator.store.tables import worklist as table

    stmt = sa.select(table.c.state, sa.func.count().label("count")).group_by(table.c.state)
    return {row.state: row._mapping["count"] for row in tx.c.execute(stmt)}


def until(condition: Any, limit_s: float) -> bool:
    """Whether the condition came true in time; looks fifty times a second."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def verdict(store: Store, outside: Outside, tasks: int) -> dict[str, Any]:
    """What went wrong, by name; empty when every send happened exactly once and every record agrees."""
    import sqlalchemy as sa

    from orchestrator.store.tables import approvals as cards
    from orchestrator.store.tables import effects as ledger
    from orchestrator.store.tables import step_log, workers

    wrong: dict[str, Any] = {}
    with store.read() as tx:
        states = count_states(tx)
        if states != {"done": ITEMS_PER_TASK * tasks}:
            wrong["states"] = states
        sent = dict(outside.counts())
        if sent != {1: SENDS_PER_TASK * tasks}:
            wrong["sends per key"] = sent
        found = {
            row.state: row.n
            for row in tx.c.execute(sa.select(ledger.c.state, sa.func.count().label("n")).group_by(ledger.c.state))
        }
        if found != {"done": SENDS_PER_TASK * tasks}:
            wrong["effects"] = found
        used = {row.state for row in tx.c.execute(sa.select(cards.c.state).where(cards.c.consumed_at.is_(None)))}
        if used:
            wrong["approvals not used"] = used
        rows = tx.c.execute(
            sa.select(step_log.c.run_id, step_log.c.epoch, step_log.c.key).order_by(step_log.c.run_id, step_log.c.seq)
        ).all()
        for before, after in zip(rows, rows[1:], strict=False):
            if before.run_id == after.run_id and before.epoch > after.epoch:
                wrong["epochs go back"] = after.run_id
        twice = [key for key, count in Counter((row.run_id, row.key) for row in rows).items() if count > 1]
        if twice:
            wrong["steps recorded twice"] = twice
        if len(rows) != 3 * tasks:
            wrong["steps"] = len(rows)
        proof = audit.verify(tx)
        if not proof.ok:
            wrong["audit"] = proof.reason
        if timers.next_due(tx).hold_s is not None:
            wrong["held"] = True
        if store.dialect == "sqlite" and tx.c.scalar(sa.select(sa.func.count()).select_from(workers)) not in (0, 1):
            wrong["workers"] = "left behind"
    return wrong
