"""Long-term facts through an agent's tools: kept with where they came from, told with it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from connectors.spec import Json
from orchestrator import clock
from orchestrator.domain.item import Item
from orchestrator.domain.person import Person
from orchestrator.errors import UsageError
from orchestrator.gate.authorize import Authority
from orchestrator.store import memories
from orchestrator.store.database import Tx
from orchestrator.store.fence import Lease, fence

RECALLED = 8
FORGOTTEN_AFTER = timedelta(days=365)


async def remember(
    put: Callable[..., Awaitable[Any]],
    args: Mapping[str, Any],
    *,
    item: Item,
    me: Person,
    run_id: str,
    authority: Authority,
    lease: Lease,
) -> Json:
    """What the agent is told. The label is what code knows of the text: an agent cannot launder a fact by remembering it."""
    now, scope, text = clock.now(), str(args.get("scope", "run")), str(args["text"])
    if scope == "team" and not me.team:
        raise UsageError(f"{me.name} is in no team", fix="use the scope person")
    owner = {"run": item.root_id, "person": item.requester, "team": me.team}[scope]
    days = args.get("days")
    expires = now + (timedelta(days=float(days)) if days else FORGOTTEN_AFTER)
    # INVARIANT: what outlives the request never weighs as the user's own words of another one.
    label = authority.case.labels_of(text, {"run": 4, "person": 2, "team": 1}[scope])

    def keep(tx: Tx) -> str:
        fence(tx, lease)
        return memories.add(
            tx,
            scope=scope,
            owner=owner,
            text=text,
            source={"kind": "agent", "ref": run_id, "by": f"agent of {item.requester}"},
            label=label,
            created_by=item.requester,
            now=now,
            expires_at=expires,
        )

    return {"memory_id": await put(keep), "scope": scope}


async def recall(
    read: Callable[..., Awaitable[Any]], query: str, *, item: Item, me: Person
) -> tuple[Json, list[dict[str, Any]]]:
    """(facts as the agent reads them, the same with their labels for the guard)."""
    found = await read(
        memories.recall,
        person=item.requester,
        team=me.team,
        workflow=None,
        run_id=item.root_id,
        words=query,
        limit=RECALLED,
        now=clock.now(),
    )
    facts = [as_told(memory, item.requester) for memory in found]
    told: list[Json] = [{"text": fact["text"], "source": fact["source"], "id": fact["memory_id"]} for fact in facts]
    return {"facts": told}, [{"value": fact["text"], "labels": fact["label"]} for fact in facts]


def as_told(memory: Any, requester: str) -> dict[str, Any]:
    """A fact as prompts, rows and results tell it. What a person wrote has no label: it weighs as an attested field, or less."""
    written = {"level": 2 if memory.created_by == requester else 1}
    source = memory.source.get("by") or memory.source.get("kind") or "unknown"
    return {
        "memory_id": memory.memory_id,
        "text": memory.text,
        "scope": memory.scope,
        "source": f"{memory.scope}, {source}, {memory.created_at.date().isoformat()}",
        "label": dict(memory.label or written),
    }
