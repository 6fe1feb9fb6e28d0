"""A desk that really serves, from a process of its own, and cards that a test puts on it as a worker would."""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from orchestrator import clock, ids
from orchestrator.deputy.views import digest
from orchestrator.domain.effect import Approval, ApprovalState, Effect, EffectState
from orchestrator.domain.outcome import Done, Parked
from orchestrator.store import approvals, effects, lease, runs, steplog, workers, worklist
from orchestrator.store.database import Store, Tx
from orchestrator.store.fence import Lease
from orchestrator.store.steplog import Row
from orchestrator.store.worklist import NewItem
from tests.e2e.place import Place
from tests.http.served import begun, told

CHROMIUM = Path("/usr/bin/chromium")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
COLLEAGUE = "dana.ruiz@brightwater.example"
STRANGER = "kim@elsewhere.example"
WORKER = "the-test"
T = TypeVar("T")


class Serving:
    """`deputy serve` on a free port; `link` signs the owner in, once."""

    def __init__(self, home: Path, *, with_worker: bool) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("DEPUTY_")}
        command = [sys.executable, "-m", "orchestrator.surfaces.cli.main", "serve", "--port", "0"]
        self._process, self._log = begun(
            [*command, *([] if with_worker else ["--no-worker"])],
            home.parent,
            own | {"DEPUTY_HOME": str(home), "DEPUTY_RATE_PER_MINUTE": "100000"},
        )
        found = told(self._process, self._log, r"(http://[\d.]+:\d+)(/signin\?token=\S+)\n")
        self.url, self.link = found[1], found[1] + found[2]
        self._answers(20)

    def _answers(self, timeout_s: float) -> None:
        """Returns once it accepts connections: the link is told a moment before."""
        end = time.monotonic() + timeout_s
        host, port = self.url.removeprefix("http://").split(":")
        while True:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < end, "deputy serve accepts no connection"
                select.select([], [], [], 0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        wrong = [line for line in self._log.read_text(encoding="utf-8").splitlines() if '"level": "error"' in line]
        assert wrong == [], "\n".join(wrong)[:4000]  # whatever a browser does, the desk has foreseen


@dataclass(slots=True)
class Desk:
    """What a test touches: the served pages at `url`, and the store behind them."""

    place: Place
    store: Store
    url: str
    made: int = 0

    def read(self, what: Callable[..., T], *args: Any) -> T:
        with self.store.read() as tx:
            return what(tx, *args)

    def state(self, approval_id: str) -> str:
        return self.read(approvals.get, approval_id).state.value

    def approved(self) -> set[str]:
        """Every card anybody has approved."""
        return {one.approval_id for one in self.read(approvals.list_by_state, [ApprovalState.APPROVED])}

    def clear(self) -> None:
        """Ends everything that is open."""
        with self.store.tx() as tx:
            for item_id in [one.item_id for one in worklist.page(tx, states=None, limit=500).items if not one.is_final]:
                worklist.cancel(tx, item_id, self.place.me.principal_id, clock.now(), "cleared")

    def park(self, title: str = "", *, to: str = COLLEAGUE, eligible: str = "") -> str:
        """A request that waits for a decision on one invitation; the card's id."""
        self.made += 1
        with self.store.tx() as tx:
            return park_one(tx, title or f"Call number {self.made}", self.place.me.principal_id, to, eligible)

    def ask(self, request: str) -> str:
        return self.place.desk.submit(self.place.me, request)


def park_one(tx: Tx, title: str, owner: str, to: str, eligible: str) -> str:
    now = clock.now()
    made, _ = worklist.submit(tx, NewItem(request=f"Set up “{title}”", requester=owner, priority=-1000), now)
    mine = claimed(tx, made, now)
    run_id = runs.start(tx, mine, route="match", workflow="book-group-meeting", version="1.0.0", pins={}, now=now)
    steplog.append(
        tx,
        mine,
        [Row(kind="read", key="g0.look", body={"tool": "calendar.list_events", "args": {}, "result": {}})],
        now,
    )
    args = {"title": title, "start": "2026-11-24T10:00:00+00:00", "end": "2026-11-24T10:30:00+00:00", "attendees": [to]}
    effect_id = ids.effect_id(run_id, "g0.invite")
    effect = Effect(
        effect_id=effect_id,
        item_id=mine.item.item_id,
        run_id=run_id,
        call_id="g0.invite",
        tool="calendar.create_event",
        args=args,
        args_digest=digest(args),
        connection_id="conn_1",
        key=ids.effect_key(effect_id),
        state=EffectState.INTENDED,
        decision="ask",
        rules=["a person may approve what the request asked for"],
        reason="It tells other people something, and this profile asks before that.",
        bundle_digest="sha256:" + "2" * 64,
        preview=f"Create an event: title {title}",
        created_at=now,
    )
    card = Approval(
        approval_id=ids.approval_id(effect_id, 1),
        effect_id=effect_id,
        item_id=mine.item.item_id,
        digest=effect.args_digest,
        state=ApprovalState.PENDING,
        eligible=[eligible or owner],
        needed=1,
        preconditions=[{"kind": "free", "args": {}, "text": "You are free on Tue 24 Nov 10:00–10:30"}],
        card=_card(title, args, owner, to),
        created_at=now,
        expires_at=now + timedelta(days=7),
    )
    effects.intend(tx, mine, effect, card, wait_id=f"{effect_id}:1", now=now)
    lease.settle(tx, mine, Parked(), now)
    return card.approval_id


def claimed(tx: Tx, item_id: str, now: datetime) -> Lease:
    """The new item's lease; items that a decision has woken meanwhile end."""
    while True:
        claimed = lease.claim(tx, WORKER, now)
        assert claimed is not None
        if claimed.lease.item.item_id == item_id:
            return claimed.lease
        lease.settle(tx, claimed.lease, Done(text="Done."), now)


def _card(title: str, args: dict[str, Any], owner: str, to: str) -> dict[str, Any]:
    outside = [to] if to == STRANGER else []
    shown = f"{to} — not in the directory" if outside else f"Dana Ruiz <{to}>"
    return {
        "title": "Create an event",
        "tool": "calendar.create_event",
        "as": owner,
        "lines": [{"name": name, "value": str(value)} for name, value in args.items()],
        "reaches": [shown],
        "outside": outside,
        "sources": [
            {"arg": "attendees", "value": to, "level": 1 if outside else 3, "source": "somebody the user named"}
        ],
        "rule": "a person may approve what the request asked for",
        "reason": "It tells other people something, and this profile asks before that.",
        "holds": ["You are free on Tue 24 Nov 10:00–10:30"],
        "undo": "calendar.cancel_event",
        "irreversible": False,
        "request": f"Set up “{title}”",
        "requester": owner,
    }


def register(store: Store) -> None:
    """The test as a worker that may claim."""
    store.write(workers.register, WORKER, lock_key=1, host="here", pid=os.getpid())
