"""The rooms of a front desk on another machine, with the verbs that commands use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from orchestrator.deputy.halts import Halts
from orchestrator.deputy.library import Library
from orchestrator.deputy.memories import Memories
from orchestrator.deputy.schedules import Schedules
from orchestrator.deputy.triggers import Triggers
from orchestrator.domain import schedule as rules
from orchestrator.domain.item import DEFAULT_PRIORITY
from orchestrator.domain.principal import Principal
from orchestrator.domain.schedule import Kind, Missed, Overlap
from orchestrator.store.database import Store
from orchestrator.surfaces.cli.line import Line

PAGE = 500


class RemoteMemories(Memories):
    """Facts, at a server."""

    def __init__(self, nothing: Store, line: Line) -> None:
        super().__init__(nothing)
        self._line = line

    def all(
        self, who: Principal, *, scope: str | None = None, limit: int = 200, after: str | None = None
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < limit:
            page = self._line.get("memories", scope=scope, limit=min(PAGE, limit - len(found)), cursor=after)
            found += page["memories"]
            after = page["next"]
            if after is None:
                break
        return found

    def one(self, who: Principal, memory_id: str) -> dict[str, Any]:
        return dict(self._line.get("memories", memory_id))

    def add(
        self,
        who: Principal,
        text: str,
        *,
        scope: str = "person",
        workflow: str | None = None,
        expires_at: datetime | None = None,
    ) -> dict[str, Any]:
        said = {"text": text, "scope": scope} | ({"workflow": workflow} if workflow else {})
        said |= {"expires_at": expires_at.isoformat()} if expires_at else {}
        return dict(self._line.post("memories", body=said))

    def edit(self, who: Principal, memory_id: str, text: str) -> dict[str, Any]:
        return dict(self._line.call("PUT", "memories", memory_id, body={"text": text}))

    def forget(self, who: Principal, memory_id: str) -> dict[str, Any]:
        return dict(self._line.call("DELETE", "memories", memory_id))


class RemoteTriggers(Triggers):
    """Standing orders, at a server."""

    def __init__(self, nothing: Store, line: Line) -> None:
        super().__init__(nothing)
        self._line = line
        self._followed: list[dict[str, Any]] = []

    def add(
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
        said: dict[str, Any] = {"name": name, "on": on, "request": request, "where": [*where], "own": own}
        said |= {"priority": priority, **(options or {})} | ({"connection": connection} if connection else {})
        return dict(self._line.post("triggers", body=said))

    def all(self, who: Principal) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self._line.get("triggers", limit=PAGE, cursor=cursor)
            found += page["triggers"]
            self._followed, cursor = page["followed"], page["next"]
            if cursor is None:
                return found

    def followed(self, who: Principal) -> list[dict[str, Any]]:
        return self._followed

    def change(self, who: Principal, name: str, change: Literal["pause", "resume", "remove"]) -> dict[str, Any]:
        return _changed(self._line, "triggers", name, change)


class RemoteSchedules(Schedules):
    """Standing orders by the clock, at a server."""

    def __init__(self, nothing: Store, line: Line) -> None:
        super().__init__(nothing)
        self._line = line

    def add(
        self,
        who: Principal,
        name: str,
        *,
        when: str,
        request: str = "",
        kind: str = Kind.ASK.value,
        options: Mapping[str, Any] | None = None,
        priority: int = DEFAULT_PRIORITY,
        missed: str = Missed.RUN_LATEST.value,
        overlap: str = Overlap.SKIP.value,
        grace: timedelta = rules.GRACE,
        asks_wait: timedelta | None = None,
        unattended: Mapping[str, Any] | None = None,
        expects: Sequence[str] = (),
        reply_to: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        said = {
            "name": name,
            "when": when,
            "request": request,
            "kind": kind,
            "options": dict(options or {}),
            "priority": priority,
            "missed": missed,
            "overlap": overlap,
            "grace_s": grace.total_seconds(),
            "expects": [*expects],
        }
        if asks_wait is not None:
            said["asks_wait_s"] = asks_wait.total_seconds()
        if unattended is not None:
            said["unattended"] = dict(unattended)
        return dict(self._line.post("schedules", body=said))

    def update(self, who: Principal, name: str, **fields: Any) -> dict[str, Any]:
        said = dict(fields)
        for span in ("grace", "asks_wait"):
            if span in said:
                given = said.pop(span)
                said[f"{span}_s"] = None if given is None else given.total_seconds()
        return dict(self._line.call("PATCH", "schedules", name, body=said))

    def all(self, who: Principal) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self._line.get("schedules", limit=PAGE, cursor=cursor)
            found += page["schedules"]
            cursor = page["next"]
            if cursor is None:
                return found

    def one(self, who: Principal, name: str, *, limit: int = 20) -> dict[str, Any]:
        return dict(self._line.get("schedules", name, limit=limit))

    def preview(
        self, who: Principal, when_or_name: str, *, count: int = 5, after: datetime | None = None
    ) -> dict[str, Any]:
        said: dict[str, Any] = {"when": when_or_name, "count": count}
        return dict(
            self._line.post("schedules", "preview", body=said | ({"after": after.isoformat()} if after else {}))
        )

    def change(self, who: Principal, name: str, change: Literal["pause", "resume", "remove"]) -> dict[str, Any]:
        return _changed(self._line, "schedules", name, change)

    def fire_now(self, who: Principal, name: str) -> dict[str, Any]:
        return dict(self._line.post("schedules", name, "run"))

    def digest(self, who: Principal, since: datetime | None = None) -> dict[str, Any]:
        return dict(self._line.get("schedules", "digest", since=since.isoformat() if since else None))


class RemoteHalts(Halts):
    """The kill switch, at a server."""

    def __init__(self, nothing: Store, line: Line) -> None:
        super().__init__(nothing)
        self._line = line

    def begin(
        self, who: Principal, *, agent: str | None = None, connector: str | None = None, reason: str = ""
    ) -> dict[str, Any]:
        said = {"agent": agent, "connector": connector, "reason": reason or None}
        return dict(self._line.post("halt", body={name: value for name, value in said.items() if value}))

    def lift(self, who: Principal, halt_id: str | None = None) -> list[dict[str, Any]]:
        return list(self._line.post("halt", "lift", body={"halt_id": halt_id} if halt_id else {})["lifted"])

    def all(self) -> list[dict[str, Any]]:
        return list(self._line.get("halt")["halts"])


class RemoteLibrary(Library):
    """The workflows of a server."""

    def __init__(self, nothing: Store, line: Line) -> None:
        super().__init__(nothing, None)
        self._line = line

    def all(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self._line.get("workflows", limit=PAGE, cursor=cursor)
            found += page["workflows"]
            cursor = page["next"]
            if cursor is None:
                return {"workflows": found, "faults": page["faults"]}

    def one(self, name: str) -> dict[str, Any]:
        return dict(self._line.get("workflows", name))

    def check(self, text: str) -> dict[str, Any]:
        return dict(self._line.post("workflows", "check", body={"text": text}))

    def search(self, who: Principal, words: str) -> dict[str, Any]:
        return dict(self._line.get("workflows", "search", q=words))


def _changed(line: Line, noun: str, name: str, change: Literal["pause", "resume", "remove"]) -> dict[str, Any]:
    if change == "remove":
        return dict(line.call("DELETE", noun, name))
    return dict(line.post(noun, name, change))
