"""What happened, in the order it happened, for surfaces that follow it live: one reader for all of a process's listeners.

Hands out news with who may see each; whoever passes it on keeps to that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.domain import document as documents
from orchestrator.domain.principal import Principal
from orchestrator.store import audience, outbox
from orchestrator.store.database import NEWS_CHANNEL, Store
from orchestrator.store.listen import Pulse, listen


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One piece of news. `root_id`: the item at the top of the tree it is about; `seen_by` None: everybody may."""

    seq: int
    kind: str
    item_id: str | None
    root_id: str | None
    at: str
    body: Mapping[str, Any]
    seen_by: frozenset[str] | None

    def is_for(self, who: Principal) -> bool:
        return self.seen_by is None or who.sees_all or who.principal_id in self.seen_by

    def as_json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "kind": self.kind,
            "item_id": self.item_id,
            "root_id": self.root_id,
            "at": self.at,
            "body": dict(self.body),
        }


class News:
    """The feed, over one store. For one reader at a time: `changed` remembers what it has told."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pulse = Pulse(store)

    @property
    def is_told(self) -> bool:
        """Whether the database tells of news by itself, so that looking often is not needed."""
        return self._store.path is None

    async def listen(self, on_news: Callable[[], None]) -> None:
        """Calls `on_news` at every notification, for ever; only where `is_told`."""
        await listen(self._store, on_news, NEWS_CHANNEL)

    def changed(self) -> bool:
        """Whether there may be news since the last call."""
        return self._pulse.beats()

    def rest(self) -> None:
        """Nobody listens any more."""
        self._pulse.close()

    def bounds(self) -> tuple[int, int]:
        """(oldest, newest) number that is kept."""
        with self._store.read() as tx:
            return outbox.bounds(tx)

    def after(self, seq: int, limit: int = 500) -> list[Heard]:
        """News behind `seq`, oldest first. INVARIANT: numbers rise in the order of commits, so that nothing comes in before `seq` later."""
        with self._store.read() as tx:
            rows = outbox.after(tx, seq, limit)
            known = audience.of_items(tx, {row.item_id for row in rows} - {outbox.EVERYBODYS})
        return [_heard(row, known) for row in rows]

    def progress(self, item_ids: Iterable[str]) -> dict[str, tuple[str, str, int]]:
        """Run id → (its item, its root item, the last row of its step log), of the open runs of these items, or in the trees below: more often than there is news of it."""
        with self._store.read() as tx:
            return audience.progress(tx, sorted(item_ids))


def _heard(row: outbox.News, known: Mapping[str, audience.Audience]) -> Heard:
    about = known.get(row.item_id)
    everybodys = row.item_id == outbox.EVERYBODYS
    people = about.people if about is not None else frozenset()
    if row.kind.startswith("schedule.") and isinstance(row.body.get("owner"), str):
        people |= {row.body["owner"]}  # of a time that has no item, too
    return Heard(
        seq=row.outbox_id,
        kind=row.kind,
        item_id=None if everybodys else row.item_id,
        root_id=about.root_id if about is not None else None,
        at=documents.iso(row.created_at) or "",
        body=_without_words(row.kind, row.body),
        seen_by=None if everybodys else people,
    )


def _without_words(kind: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Names and states only: what was said is read where it stands, by those who may."""
    kept: Sequence[str] = (
        "actor", "effect_id", "approval_id", "wait_id", "run_id", "tool", "state", "digest", "count",
        "halt_id", "scope", "name", "reason", "workflow", "version", "schedule_id",
        "owner",
    )  # fmt: skip
    return {name: body[name] for name in kept if name in body and isinstance(body[name], str | int)}
