"""Numbers for charts: what work cost, how long it took, how often it asked and succeeded, day by day; and how old the worklist is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from orchestrator import clock
from orchestrator.domain.principal import Principal
from orchestrator.errors import UsageError
from orchestrator.store import figures
from orchestrator.store.database import Store

OUTCOMES = 20  # of each workflow
MOST_DAYS = 366
AGES = (("under_1h", 3_600), ("under_1d", 86_400), ("under_1w", 604_800))
NOT_COUNTED = frozenset({"cancelled"})  # neither a success nor a failure


class Figures:
    """Over one store; of what the asking person may see."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def daily(self, who: Principal, *, days: int = 30, zone: str = "UTC") -> dict[str, Any]:
        """{"zone", "days": one entry a day, oldest first, "total", "worklist", "is_partial"}; days as they begin in `zone`.

        Entry: date, runs, done, failed, success_rate, cost_usd, tokens, model_calls, without_model, latency_s {p50, p95}, asks,
        approvals {approved, denied, expired, void}, decided_s {p50, p95}. A rate or latency of nothing is null.
        """
        place, seen_by = _zone(zone), None if who.sees_all else who.principal_id
        if not 1 <= days <= MOST_DAYS:
            raise UsageError(f"{days} days", fix=f"1 to {MOST_DAYS}")
        now = clock.now()
        today = now.astimezone(place).date()
        dates = [today - timedelta(days=back) for back in reversed(range(days))]
        since = datetime(dates[0].year, dates[0].month, dates[0].day, tzinfo=place)
        with self._store.read() as tx:
            ended = figures.ended(tx, since, seen_by=seen_by)
            asked = figures.asked(tx, since, seen_by=seen_by)
            unfinished = figures.unfinished(tx, seen_by=seen_by)
        runs_of: dict[date, list[figures.Ended]] = {}
        for run in ended:
            runs_of.setdefault(run.finished_at.astimezone(place).date(), []).append(run)
        cards_of: dict[date, list[figures.Asked]] = {}
        for card in asked:
            cards_of.setdefault(card.created_at.astimezone(place).date(), []).append(card)
        return {
            "zone": zone,
            "days": [{"date": day.isoformat(), **_day(runs_of.get(day, ()), cards_of.get(day, ()))} for day in dates],
            "total": _day(ended, asked),
            "worklist": _worklist(unfinished, now),
            "is_partial": figures.MOST in (len(ended), len(asked), len(unfinished)),
        }

    def workflows(self, who: Principal) -> list[dict[str, Any]]:
        """workflow, success_rate, latency_s, last_at and "outcomes": [{run_id, item_id, state, at}], the last 20, oldest first."""
        with self._store.read() as tx:
            rows = figures.latest(tx, OUTCOMES, seen_by=None if who.sees_all else who.principal_id)
        known: dict[str, list[figures.Ended]] = {}
        for run in rows:
            known.setdefault(run.workflow or "", []).append(run)
        return [
            {
                "workflow": name,
                "success_rate": _success(runs),
                "latency_s": _spread([_took_s(run) for run in runs]),
                "last_at": runs[0].finished_at.isoformat(),
                "outcomes": [
                    {
                        "run_id": run.run_id,
                        "item_id": run.item_id,
                        "state": run.state,
                        "at": run.finished_at.isoformat(),
                    }
                    for run in reversed(runs)
                ],
            }
            for name, runs in sorted(known.items())
        ]


def _day(runs: Sequence[figures.Ended], cards: Sequence[figures.Asked]) -> dict[str, Any]:
    states = [card.state for card in cards]
    waited = [(card.decided_at - card.created_at).total_seconds() for card in cards if card.decided_at is not None]
    return {
        "runs": len(runs),
        "done": sum(run.state == "done" for run in runs),
        "failed": sum(run.state not in ("done", *NOT_COUNTED) for run in runs),
        "success_rate": _success(runs),
        "cost_usd": round(sum(float(run.receipt.get("cost_usd") or 0) for run in runs), 6),
        "tokens": sum(_tokens(run.receipt) for run in runs),
        "model_calls": sum(int(run.receipt.get("model_calls") or 0) for run in runs),
        "without_model": sum(not run.receipt.get("model_calls") for run in runs),
        "latency_s": _spread([_took_s(run) for run in runs]),
        "asks": len(cards),
        "approvals": {state: states.count(state) for state in ("approved", "denied", "expired", "void", "pending")},
        "decided_s": _spread(waited),
    }


def _tokens(receipt: Mapping[str, Any]) -> int:
    return int(receipt.get("input_tokens") or 0) + int(receipt.get("output_tokens") or 0)


def _took_s(run: figures.Ended) -> float:
    """How long it was worked on, waits not counted; from begin to end where the receipt does not say."""
    wall_s = run.receipt.get("wall_s")
    return float(wall_s) if wall_s else (run.finished_at - run.started_at).total_seconds()


def _success(runs: Sequence[figures.Ended]) -> float | None:
    counted = [run for run in runs if run.state not in NOT_COUNTED]
    return round(sum(run.state == "done" for run in counted) / len(counted), 4) if counted else None


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    """Nearest-rank percentiles."""
    if not values:
        return None
    ordered = sorted(values)
    return {
        name: round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3)
        for name, share in (("p50", 0.5), ("p95", 0.95))
    }


def _worklist(unfinished: Sequence[tuple[str, datetime]], now: datetime) -> dict[str, Any]:
    ages = [(now - since).total_seconds() for _, since in unfinished]
    counts = dict.fromkeys([name for name, _ in AGES] + ["older"], 0)
    for age_s in ages:
        counts[next((name for name, most_s in AGES if age_s < most_s), "older")] += 1
    states = [state for state, _ in unfinished]
    return {
        **{state: states.count(state) for state in ("ready", "running", "waiting")},
        "oldest_s": round(max(ages), 1) if ages else None,
        "age_s": _spread(ages),
        "ages": counts,
    }


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"there is no time zone {name[:80]!r}", fix="an IANA name, e.g. Europe/Lisbon") from error
