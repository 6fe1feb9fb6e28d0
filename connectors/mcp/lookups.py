"""Looking for a lost attempt, where a person's manifest says how: a read to ask, and the fields that must agree.

    lookup: {tool: list_tasks, args: {assignee: assignee}, equal: {title: title}, created: created_at, records: tasks}

`args`: the read's argument → the effect's; `equal`: a record's field → the effect's argument; `created`: the field that says
when a record was made. Done needs all of it, as an older record may look just the same; nothing found is no proof either.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.spec import Done, Json, Reconciled, Unknown

CLOCKS_DIFFER = timedelta(seconds=5)


def query(lookup: Mapping[str, Any], args: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the read."""
    return {mine: args[theirs] for mine, theirs in (lookup.get("args") or {}).items() if theirs in args}


def verdict(lookup: Mapping[str, Any], args: Mapping[str, Any], answer: Json, attempted_at: datetime) -> Reconciled:
    """Done if exactly one record agrees and was made since. Never Absent: a list may have more pages than it shows."""
    equal: Mapping[str, Any] = lookup.get("equal") or {}
    records = [one for one in _records(answer, lookup.get("records")) if isinstance(one, dict)]
    alike = [one for one in records if equal and all(one.get(field) == args.get(arg) for field, arg in equal.items())]
    if not alike:
        return Unknown("nothing like it was found, and the list may not be whole")
    created = lookup.get("created")
    since = [one for one in alike if isinstance(created, str) and _is_since(one.get(created), attempted_at)]
    if len(since) != 1:
        return Unknown(f"{len(alike)} records look like it, and whether this attempt made one cannot be told")
    return Done(since[0])


def _records(answer: Json, where: Any) -> list[Any]:
    if isinstance(answer, dict):
        inner = answer.get(str(where)) if where else None
        return inner if isinstance(inner, list) else [answer]
    return answer if isinstance(answer, list) else []


def _is_since(told: Any, attempted_at: datetime) -> bool:
    try:
        moment = datetime.fromisoformat(str(told).replace("Z", "+00:00"))
    except ValueError:
        return False
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) >= attempted_at - CLOCKS_DIFFER
