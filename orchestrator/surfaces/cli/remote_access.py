"""Keys, sign-ins and roles of a desk on another machine, with the verbs that commands use. Links are made where the store is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from orchestrator.deputy.access import KEY_LIVES, Access
from orchestrator.deputy.roles import Roles
from orchestrator.domain.principal import Principal
from orchestrator.store.database import Store
from orchestrator.surfaces.cli.line import Line


class RemoteRoles(Roles):
    """Roles, at a server."""

    def __init__(self, nothing: Store, line: Line) -> None:
        super().__init__(nothing, owner="")
        self._line = line

    def all(self, who: Principal) -> list[dict[str, Any]]:
        return list(self._line.get("roles")["people"])

    def give(
        self, who: Principal, address: str, roles: Iterable[str], *, limits: Mapping[str, Sequence[str]] | None = None
    ) -> dict[str, Any]:
        narrow = {name: list(values) for name, values in (limits or {}).items() if values}
        return dict(self._line.call("PUT", "roles", address, body={"roles": sorted(set(roles)), "limits": narrow}))


class RemoteAccess(Access):
    """Keys and sign-ins, at a server."""

    def __init__(self, nothing: Store, roles: RemoteRoles, line: Line) -> None:
        super().__init__(nothing, roles)
        self._line = line

    def sessions(self, who: Principal, *, everybody: bool = False) -> list[dict[str, Any]]:
        return list(self._line.get("sessions", everybody="true" if everybody else None)["sessions"])

    def end_sessions(self, who: Principal, *, session_id: str | None = None, of: str | None = None) -> dict[str, Any]:
        parts = ("sessions", *([session_id] if session_id else []))
        return dict(self._line.call("DELETE", *parts, query={"person": of}))

    def create_key(
        self,
        who: Principal,
        *,
        scopes: Sequence[str],
        name: str = "",
        of: str | None = None,
        is_program: bool = False,
        lives: timedelta = KEY_LIVES,
    ) -> dict[str, Any]:
        said = {
            "scopes": list(scopes),
            "name": name,
            "program": is_program,
            "expires_days": lives.total_seconds() / 86_400,
        }
        return dict(self._line.post("keys", body=said | ({"for": of} if of else {})))

    def keys(self, who: Principal, *, everybody: bool = False) -> list[dict[str, Any]]:
        return list(self._line.get("keys", everybody="true" if everybody else None)["keys"])

    def revoke_key(self, who: Principal, key_id: str) -> dict[str, Any]:
        return dict(self._line.call("DELETE", "keys", key_id))
