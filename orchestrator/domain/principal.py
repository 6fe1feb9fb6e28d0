"""Who asks: a person acting for themselves on some surface. Task agents and clients act under one, never instead of one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from orchestrator.domain import rights
from orchestrator.domain.rights import Scope

NOBODY = "nobody@localhost"  # the owner of a home where nobody has said who they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """`principal_id` is the person's address. `is_human`: speaks as a person, so may approve where eligible."""

    principal_id: str
    name: str
    roles: frozenset[str] = field(default_factory=frozenset)  # see domain.rights
    is_human: bool = True
    limit: frozenset[Scope] | None = None  # scopes left by the key that they speak with; None: no key

    @property
    def sees_all(self) -> bool:
        return bool(self.roles & {"admin", "operator", "auditor"})

    @property
    def scopes(self) -> frozenset[Scope]:
        """Everything they may do here: what their roles allow, and no more than their key."""
        return rights.scopes_of(self.roles) if self.limit is None else self.limit

    def with_key(self, scopes: frozenset[Scope], *, is_human: bool) -> Principal:
        """The same person, speaking with a key. INVARIANT: never more than they may themselves; a program never decides."""
        held = scopes if is_human else scopes - {"decide"}
        return replace(
            self,
            roles=rights.narrowed(self.roles, held),
            limit=held & rights.scopes_of(self.roles),
            is_human=self.is_human and is_human,
        )
