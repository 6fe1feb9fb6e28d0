"""Who asks: a person acting for themselves on some surface. Task agents and clients act under one, never instead of one."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """`principal_id` is the person's address. `is_human`: speaks as a person, so may approve where eligible."""

    principal_id: str
    name: str
    roles: frozenset[str] = field(default_factory=frozenset)  # viewer | approver | operator | admin | auditor
    is_human: bool = True

    @property
    def sees_all(self) -> bool:
        return bool(self.roles & {"admin", "operator", "auditor"})
