"""Who is speaking. Every surface maps its own notion of a sender to a Principal here; nothing further in trusts a name."""

from __future__ import annotations

from typing import Any, Protocol

from orchestrator.domain.principal import Principal
from orchestrator.errors import NotEligible


class Directory(Protocol):
    """The part of the front desk that knows people."""

    def principal(self, name: str | None) -> Principal: ...

    def people(self) -> list[dict[str, Any]]: ...


def at_the_terminal(desk: Directory, name: str | None) -> Principal:
    """The person at this machine's terminal: the local owner, or whom they name. Whoever can write the store's file is trusted.

    Raises NotFound for nobody, UsageError for a name that several people have, NotEligible for who has no role (any more).
    """
    who = desk.principal(name)
    if not who.roles:
        raise NotEligible(
            f"{who.name} has no role here", fix=f"give them one: deputy people role {who.principal_id} ROLE"
        )
    return who


def zone_of(desk: Directory, who: Principal) -> str:
    """IANA zone a principal's times are read and shown in; UTC for someone who is not in the directory."""
    for person in desk.people():
        if person["address"] == who.principal_id:
            return str(person["zone"])
    return "UTC"
