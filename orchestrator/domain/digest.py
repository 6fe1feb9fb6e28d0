"""One page on what happened without its owner: done, waiting, failed, and what to approve, by explicit ids. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.domain.schedule import Firing, FiringState


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A card that waits. `digest`: of exactly these arguments; `is_mine`: the digest's owner may decide it."""

    approval_id: str
    item_id: str
    schedule: str
    tool: str
    preview: str
    digest: str
    expires_at: datetime
    is_mine: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A firing with what its item says. `effects`: how many happened; `odd`: how the run left its own history, if it did."""

    schedule: str
    firing: Firing
    state: str = ""
    text: str = ""
    waiting_on: Sequence[str] = ()
    question: str = ""
    error: str = ""
    effects: int = 0
    cost_usd: float = 0.0
    odd: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "schedule": self.schedule,
            **self.firing.as_json(),
            "firing": self.firing.state.value,
            "state": self.state,
            "text": self.text,
            "waiting_on": list(self.waiting_on),
            "question": self.question,
            "why": self.firing.why or self.error,
            "effects": self.effects,
            "cost_usd": self.cost_usd,
            "odd": list(self.odd),
        }


def group(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """done | waiting | running | failed | not_started → entries. What was superseded stands in none: its twin does."""
    found: dict[str, list[Entry]] = {name: [] for name in ("done", "waiting", "running", "failed", "not_started")}
    for entry in entries:
        match entry.firing.state:
            case FiringState.DONE:
                found["done"].append(entry)
            case FiringState.FAILED:
                found["failed"].append(entry)
            case FiringState.SKIPPED | FiringState.MISSED | FiringState.STOPPED:
                found["not_started"].append(entry)
            case FiringState.QUEUED:
                found["running"].append(entry)
            case FiringState.STARTED:
                found["waiting" if entry.state == "waiting" else "running"].append(entry)
            case FiringState.SUPERSEDED:
                pass
    return found


def merged(cards: Sequence[Asked]) -> list[dict[str, Any]]:
    """One entry for each effect that is asked for; the same effect asked for by several items names each of their cards."""
    found: dict[tuple[str, str], list[Asked]] = {}
    for card in cards:
        found.setdefault((card.tool, card.digest), []).append(card)
    return [
        {
            "tool": tool,
            "digest": digest,
            "preview": same[0].preview,
            "approval_ids": [one.approval_id for one in same],
            "yours": [one.approval_id for one in same if one.is_mine],  # to decide
            "item_ids": [one.item_id for one in same],
            "schedules": sorted({one.schedule for one in same}),
            "expires_at": min(one.expires_at for one in same).isoformat(),
        }
        for (tool, digest), same in found.items()
    ]


def document(
    owner: str,
    since: datetime,
    until: datetime,
    entries: Sequence[Entry],
    cards: Sequence[Asked],
    coming: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The digest. `text` is the same for people; `approve` lists explicit ids, and there is no way to approve without them."""
    groups, asks = group(entries), merged(cards)
    return {
        "owner": owner,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "counts": {name: len(found) for name, found in groups.items()},
        **{name: [entry.as_json() for entry in found] for name, found in groups.items()},
        "approve": asks,
        "effects": sum(entry.effects for entry in entries),
        "cost_usd": round(sum(entry.cost_usd for entry in entries), 6),
        "next": [dict(one) for one in coming],
        "text": _text(groups, asks),
    }


_HEADS = {
    "done": "Done",
    "waiting": "Waiting for you",
    "running": "At work",
    "failed": "Failed",
    "not_started": "Did not start",
}


def _text(groups: Mapping[str, Sequence[Entry]], asks: Sequence[Mapping[str, Any]]) -> str:
    lines = [", ".join(f"{len(found)} {_HEADS[name].lower()}" for name, found in groups.items() if found) or "Nothing."]
    for name, found in groups.items():
        if found:
            lines.append(f"{_HEADS[name]}:")
        lines += [f"  {entry.schedule} {entry.firing.at:%Y-%m-%d %H:%M} UTC{_said(entry)}" for entry in found]
    if asks:
        lines.append("To approve, each by its id:")
    for ask in asks:
        lines += [f"  {ask['preview']}", *(f"    deputy inbox approve {one}" for one in ask["approval_ids"])]
    return "\n".join(lines)


def _said(entry: Entry) -> str:
    said = entry.firing.why or entry.question or entry.error or entry.text
    told = [*([" ".join(said.split())[:200]] if said else []), *(f"unusual: {one}" for one in entry.odd)]
    waits = f" (waits on {', '.join(entry.waiting_on)})" if entry.waiting_on else ""
    return f"{waits}: {'; '.join(told)}" if told else waits
