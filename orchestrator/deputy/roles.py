"""Who has which role, at the front desk: read at every use, given by admins, or by the groups of an identity provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator import clock
from orchestrator.deputy.views import audited
from orchestrator.domain import document as documents
from orchestrator.domain import rights
from orchestrator.domain.person import Person
from orchestrator.domain.principal import Principal
from orchestrator.errors import Conflict, NotEligible, NotFound, UsageError
from orchestrator.store import access as access_rows
from orchestrator.store import people as people_table
from orchestrator.store import roles as roles_table
from orchestrator.store.database import Store, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who came in by a session, a key or a proxy: with the roles of this moment, narrowed to the key."""

    principal: Principal
    zone: str
    key_id: str | None = None
    session_id: str | None = None


class Roles:
    """Over one store. `owner`: the local owner's address; `newcomers`: the role of colleagues to whom none was given."""

    def __init__(self, store: Store, *, owner: str, newcomers: str = rights.MEMBER) -> None:
        self._store = store
        self._owner = owner
        self._newcomers = newcomers

    def principal_in(self, tx: Tx, person: Person) -> Principal:
        """The person with the roles they have at this moment."""
        found = roles_table.effective(tx, person, owner=self._owner, newcomers=self._newcomers)
        return Principal(principal_id=person.address, name=person.name, roles=found)

    def present(self, tx: Tx, address: str) -> Visitor | None:
        """By address alone; None for whom the directory does not know (any more), or who has no role (any more)."""
        try:
            person = self._known(tx, address)
        except NotFound:
            return None
        found = self.principal_in(tx, person)
        return Visitor(principal=found, zone=person.zone) if found.roles else None

    def may_decide(self, tx: Tx, who: Principal, *, tool: str, requester: str) -> None:
        """NotEligible for whoever was taken off meanwhile, and for an approver outside of what they were given."""
        now = self.present(tx, who.principal_id)
        if now is None or "decide" not in now.principal.scopes or "decide" not in who.scopes:
            raise NotEligible("you may not decide (any more)", fix="ask an admin for the role approver")
        if who.principal_id == requester or now.principal.roles & {"admin", "operator"}:
            return
        limits = roles_table.limits_of(tx, who.principal_id)
        if limits and not any(rights.within(one, tool=tool, requester=requester) for one in limits):
            raise NotEligible(f"you are no approver for {tool}", fix="ask an admin: deputy people roles")

    def all(self, who: Principal) -> list[dict[str, Any]]:
        """Everybody of the directory with the roles that count now, and who gave them."""
        with self._store.read() as tx:
            given: dict[str, list[roles_table.Role]] = {}
            for one in roles_table.every(tx):
                given.setdefault(one.person, []).append(one)
            known = people_table.all(tx)
            if self._owner not in {one.address for one in known}:
                known = [*known, Person(address=self._owner, name=self._owner, inside=True)]
            return [
                {
                    "person": one.address,
                    "name": one.name,
                    "inside": one.inside,
                    "owner": one.address == self._owner,
                    "roles": sorted(self._now(tx, one, [role.role for role in given.get(one.address, ())])),
                    "given": [_role_entry(role) for role in given.get(one.address, ())],
                }
                for one in known
            ]

    def give(
        self, who: Principal, address: str, roles: Iterable[str], *, limits: Mapping[str, Sequence[str]] | None = None
    ) -> dict[str, Any]:
        """The person has exactly these (and those of their groups at the identity provider); none given: a newcomer's again.

        "none": they may no longer come in at all; sessions end, keys are taken back. Conflict for the last admin.
        """
        an_admin(who)
        a_person(who)
        wanted = sorted(set(roles))
        for one in wanted:
            if one not in rights.ASSIGNABLE:
                raise UsageError(f"there is no role {one!r}", fix=f"roles are: {', '.join(rights.ASSIGNABLE)}")
        if rights.NONE in wanted and len(wanted) > 1:
            raise UsageError("'none' stands alone", fix="give either none, or roles")
        narrow = {name: sorted(set(limits[name])) for name in rights.LIMITS if limits and limits.get(name)}
        if narrow and "approver" not in wanted:
            raise UsageError("only an approver is narrowed", fix="add the role approver")
        with self._store.tx() as tx:
            person = self._known(tx, address)
            was_admin = "admin" in self.principal_in(tx, person).roles
            body = {"person": person.address, "roles": wanted, "limits": narrow}
            before = roles_table.put(
                tx, person.address, wanted, source="assigned", by=who.principal_id, now=clock.now(), limits=narrow
            )
            after = roles_table.given(tx, person, owner=self._owner, newcomers=self._newcomers)
            left = "admin" in after or roles_table.has_other_admin(tx, person.address, owner=self._owner)
            if was_admin and not left:
                raise Conflict("this is the last admin", fix="make somebody else an admin first")
            ended = self._turned_away(tx, person.address) if self.present(tx, person.address) is None else {}
            audited(tx, who, "roles.set", clock.now(), body | {"before": list(before)} | ended)
            return body | {"effective": sorted(self.principal_in(tx, person).roles)} | ended

    def take_groups(self, address: str, roles: Iterable[str]) -> None:
        """What the identity provider's groups mean, as of this sign-in."""
        wanted = sorted(set(roles))
        with self._store.tx() as tx:
            person = self._known(tx, address)
            before = roles_table.put(
                tx, person.address, wanted, source="groups", by="identity provider", now=clock.now()
            )
            if list(before) != wanted:
                who = Principal(principal_id=person.address, name=person.name)
                body = {"person": person.address, "roles": wanted, "before": list(before), "source": "groups"}
                audited(tx, who, "roles.set", clock.now(), body)

    def _now(self, tx: Tx, person: Person, given: Iterable[str]) -> frozenset[str]:
        if person.address == self._owner:
            return self.principal_in(tx, person).roles
        return rights.effective(frozenset(given), is_owner=False, is_inside=person.inside, newcomers=self._newcomers)

    def _known(self, tx: Tx, address: str) -> Person:
        try:
            return people_table.get(tx, address)
        except NotFound:
            if address.lower() != self._owner:
                raise
            return Person(address=self._owner, name=self._owner, inside=True)

    def _turned_away(self, tx: Tx, address: str) -> dict[str, int]:
        access_rows.end_links(tx, address)
        ended = access_rows.end_sessions(tx, address)
        return {"sessions_ended": ended, "keys_revoked": access_rows.revoke_keys(tx, address, clock.real())}


def a_person(who: Principal) -> None:
    """NotEligible for a program."""
    if not who.is_human:
        raise NotEligible("a program cannot do this", fix="a person does, signed in")


def an_admin(who: Principal) -> None:
    """NotEligible for whoever is none, or speaks with a key that does not say so."""
    if "admin" not in who.roles:
        raise NotEligible("this is an admin's", fix="ask one: deputy people roles")


def _role_entry(role: roles_table.Role) -> dict[str, Any]:
    return {
        "role": role.role,
        "source": role.source,
        "given_by": role.given_by,
        "given_at": documents.iso(role.given_at),
        "limits": dict(role.limits),
    }
