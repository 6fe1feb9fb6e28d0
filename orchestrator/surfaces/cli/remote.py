"""The front desk of another machine, over HTTP: the same verbs, so that commands do not know the difference.

The server says who is speaking, by the key. What it does not offer raises as if the store were not there, which it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.deputy import Deputy
from orchestrator.domain.item import DEFAULT_PRIORITY, Origin
from orchestrator.domain.principal import Principal
from orchestrator.errors import NotFound, UsageError
from orchestrator.store.database import Store
from orchestrator.surfaces.cli.line import Line
from orchestrator.surfaces.cli.remote_access import RemoteAccess, RemoteRoles
from orchestrator.surfaces.cli.remote_rooms import (
    RemoteHalts,
    RemoteLibrary,
    RemoteMemories,
    RemoteSchedules,
    RemoteTriggers,
)

PAGE = 500
MOST_SEEN = 250  # runs whose logs are followed by row; more begin anew at each look


class NoStore(Store):
    """Stands where the store would be. Whoever reaches for it learns that it is elsewhere."""

    def __init__(self, url: str) -> None:
        self.url = url

    def tx(self) -> Any:
        raise UsageError(f"this needs the store itself, and {self.url} is set", fix="run it there, or unset DEPUTY_URL")

    def read(self) -> Any:
        return self.tx()

    def close(self) -> None:
        """Nothing is open."""


class RemoteDesk(Deputy):
    """Speaks for whom the key belongs to, whatever principal a verb is given."""

    def __init__(self, url: str, token: str | None) -> None:
        nothing = NoStore(url)
        super().__init__(nothing, owner="")
        self._line = line = Line(url, token)
        self._me: Principal | None = None
        self.memories = RemoteMemories(nothing, line)
        self.triggers = RemoteTriggers(nothing, line)
        self.schedules = RemoteSchedules(nothing, line)
        self.halts = RemoteHalts(nothing, line)
        self.library = RemoteLibrary(nothing, line)
        self.roles = RemoteRoles(nothing, line)
        self.access = RemoteAccess(nothing, self.roles, line)

    def close(self) -> None:
        self._line.close()

    def capabilities(self) -> dict[str, Any]:
        """What the server can do and how it is set."""
        return dict(self._line.get("capabilities"))

    # ---- who ---------------------------------------------------------------------------------------------------------
    def me(self) -> Principal:
        """Whom the key belongs to."""
        if self._me is None:
            told = self._line.get("me")
            self._me = Principal(
                principal_id=told["person"],
                name=told["name"],
                roles=frozenset(told["roles"]),
                is_human=not told["program"],
            )
        return self._me

    def speaker(self, name: str | None) -> Principal:
        """Who speaks. Nobody speaks for another with a key of their own."""
        me = self.me()
        if name is not None and self.principal(name).principal_id != me.principal_id:
            raise UsageError(f"the key speaks for {me.name}, not for {name!r}", fix="use their key, or leave --as out")
        return me

    def principal(self, name: str | None) -> Principal:
        if name is None:
            return self.me()
        wanted = name.strip().casefold()
        people = self.people()
        found = [one for one in people if one["address"] == wanted] or [
            one
            for one in people
            if wanted
            in (one["name"].casefold(), one["name"].split(" ")[0].casefold(), *(a.casefold() for a in one["aliases"]))
        ]
        if not found:
            raise NotFound(f"there is nobody called {name!r} in the directory", fix="see: deputy people ls")
        if len(found) > 1:
            raise UsageError(f"{name!r} could be {len(found)} people", fix="give the address")
        return Principal(principal_id=found[0]["address"], name=found[0]["name"])

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
        wish: dict[str, Any] = {"request": request, "priority": priority, **(options or {})}
        wish |= {name: value for name, value in (("due", _iso(due)), ("key", key), ("needs", [*needs])) if value}
        return str(self._line.post("items", body=wish)["item_id"])

    def item(self, who: Principal, item_id: str) -> dict[str, Any]:
        return dict(self._line.get("items", item_id))

    def items(
        self, who: Principal, *, states: Sequence[str] | None = None, limit: int = 50, cursor: str | None = None
    ) -> dict[str, Any]:
        found: list[Any] = []
        while True:
            page = self._line.get(
                "items",
                state=",".join(states) if states else None,
                limit=min(PAGE, limit - len(found)),
                cursor=cursor,
            )
            found += page["items"]
            cursor = page["next"]
            if cursor is None or len(found) >= limit:
                return {"items": found, "next": cursor}

    def bump(self, who: Principal, item_id: str) -> dict[str, Any]:
        return dict(self._line.post("items", item_id, "bump"))

    def reprioritise(
        self, who: Principal, item_id: str, *, priority: int | None = None, due: datetime | None = None
    ) -> dict[str, Any]:
        changed = {"priority": priority, "due": _iso(due)}
        return self._patch(item_id, {name: value for name, value in changed.items() if value is not None})

    def snooze(self, who: Principal, item_id: str, until: datetime) -> dict[str, Any]:
        return self._patch(item_id, {"snooze_until": _iso(until)})

    def cancel(self, who: Principal, item_id: str, *, reason: str = "") -> dict[str, Any]:
        return dict(self._line.post("items", item_id, "cancel", body={"reason": reason}))

    def pause(self, who: Principal, item_id: str) -> dict[str, Any]:
        return dict(self._line.post("items", item_id, "pause"))

    def resume(self, who: Principal, item_id: str) -> dict[str, Any]:
        return dict(self._line.post("items", item_id, "resume"))

    def nudge(self, who: Principal, item_id: str, text: str) -> dict[str, Any]:
        return dict(self._line.post("items", item_id, "nudge", body={"text": text}))

    def answer(self, who: Principal, item_id: str, text: str, *, question_id: str | None = None) -> dict[str, Any]:
        said = {"text": text} | ({"question_id": question_id} if question_id else {})
        return dict(self._line.post("items", item_id, "answer", body=said))

    def _patch(self, item_id: str, changed: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._line.call("PATCH", "items", item_id, body=changed))

    # ---- approvals ---------------------------------------------------------------------------------------------------
    def approvals(
        self,
        who: Principal,
        *,
        state: str | None = "pending",
        limit: int = 200,
        after: tuple[datetime, str] | None = None,
    ) -> list[dict[str, Any]]:
        return self._all("approvals", "approvals", limit, state=state or "all")

    def approval(self, who: Principal, approval_id: str) -> dict[str, Any]:
        return dict(self._line.get("approvals", approval_id))

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
        said: dict[str, Any] = {"verdict": verdict, "digest": digest}
        said |= {name: value for name, value in (("reason", reason), ("args", args)) if value is not None}
        return dict(self._line.post("approvals", approval_id, "decide", body=said))

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
        return self._all("runs", "runs", limit, state=state, workflow=workflow)

    def run(self, who: Principal, run_id: str) -> dict[str, Any]:
        return dict(self._line.get("runs", run_id))

    def transcript(self, who: Principal, run_or_item_id: str) -> dict[str, Any]:
        return dict(self._line.get("runs", run_or_item_id, "transcript"))

    def watch(self, who: Principal, item_id: str, seen: Mapping[str, int]) -> dict[str, Any]:
        rows = ",".join(f"{run_id}:{row}" for run_id, row in [*seen.items()][-MOST_SEEN:])
        told = dict(self._line.get("items", item_id, "watch", seen=rows or None))
        # Logs beyond what the address line takes come whole each time: what is here already is left out.
        told["rows"] = {
            run_id: [row for row in log if row["seq"] > seen.get(run_id, 0)] for run_id, log in told["rows"].items()
        }
        return told

    def trace(self, who: Principal, run_or_item_id: str) -> dict[str, Any]:
        return dict(self._line.get("runs", run_or_item_id, "trace"))

    def why(self, who: Principal, effect_or_call: str) -> dict[str, Any]:
        owner, colon, call = effect_or_call.partition(":")
        return dict(self._line.get("runs", owner if colon else "-", "why", call if colon else effect_or_call))

    # ---- people, audit -----------------------------------------------------------------------------------------------
    def people(self) -> list[dict[str, Any]]:
        return self._all("people", "people", None)

    def connections(self, who: Principal) -> list[dict[str, Any]]:
        return self._all("connections", "connections", None)

    def set_preferences(self, who: Principal, address: str, preferences: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._line.call("PATCH", "people", address, "preferences", body=dict(preferences)))

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
        found = self._all("audit", "events", limit, item_id=item_id, kind=kind, actor=actor)
        return [*reversed(found)]

    def audit_head(self, who: Principal) -> dict[str, Any]:
        return dict(self._line.get("audit", "head"))

    def audit_verify(self, who: Principal, head: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return dict(self._line.post("audit", "verify", body={} if head is None else {"head": dict(head)}))

    def audit_export(self, who: Principal) -> Iterator[dict[str, Any]]:
        return self._line.lines("audit", "export")

    def _all(self, path: str, name: str, limit: int | None, **query: Any) -> list[dict[str, Any]]:
        """Page after page, up to `limit` entries; None: to the end."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            wanted = PAGE if limit is None else min(PAGE, limit - len(found))
            page = self._line.get(path, limit=wanted, cursor=cursor, **query)
            found += page[name]
            cursor = page["next"]
            if cursor is None or (limit is not None and len(found) >= limit):
                return found


def _iso(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
