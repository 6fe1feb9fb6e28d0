"""Roles and what each may do. One table for every door: the front desk, the HTTP interface, keys and the gate read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

Scope = Literal["read", "submit", "decide", "operate", "audit", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "submit", "decide", "operate", "audit", "admin")
NONE = "none"  # assigned: nothing at all, whatever else is
MEMBER = "member"  # a colleague to whom no role was assigned
_OWN = frozenset[Scope]({"read", "submit", "decide"})  # own requests, own cards: the front desk sees to whose
SCOPES_OF: Mapping[str, frozenset[Scope]] = {
    "viewer": frozenset({"read"}),
    MEMBER: _OWN,
    "approver": _OWN,
    "operator": _OWN | {"operate"},
    "auditor": frozenset({"read", "audit"}),
    "admin": frozenset(SCOPES),
}
ASSIGNABLE = ("viewer", "approver", "operator", "auditor", "admin", NONE)
OWNER = frozenset({"admin", "approver", "operator"})  # the local owner's, unless others were assigned
# What a key has to hold for its person's role to count, beyond the scope that the endpoint asks for.
_NEEDED: Mapping[str, Scope] = {
    "viewer": "read",
    MEMBER: "read",
    "approver": "decide",
    "operator": "operate",
    "auditor": "audit",
    "admin": "admin",
}
LIMITS = ("families", "tools", "requesters")  # what an approver may be narrowed to


def scopes_of(roles: Iterable[str]) -> frozenset[Scope]:
    """Everything that these roles allow."""
    return frozenset[Scope]().union(*(SCOPES_OF.get(role, frozenset()) for role in roles))


def narrowed(roles: frozenset[str], scopes: Iterable[str]) -> frozenset[str]:
    """The roles that count for a key with these scopes. An admin holds every role, so a narrow key of theirs keeps the narrow ones."""
    held = frozenset(SCOPES_OF) if "admin" in roles else roles
    return frozenset(role for role in held if _NEEDED.get(role) in set(scopes))


def effective(assigned: frozenset[str], *, is_owner: bool, is_inside: bool, newcomers: str) -> frozenset[str]:
    """A person's roles: those assigned; else the owner's, or what a colleague without any has (`newcomers`); an outsider has none."""
    if NONE in assigned:
        return frozenset()
    if assigned:
        return assigned
    if is_owner:
        return OWNER
    return frozenset({newcomers}) if is_inside and newcomers != NONE else frozenset()


def holders(
    owners: Mapping[str, frozenset[str]], assigned: Mapping[str, frozenset[str]], known: Iterable[str]
) -> dict[str, frozenset[str]]:
    """Person → roles, for the gate: of everybody who has one by assignment or as the owner, and is still in the directory."""
    here = set(known)
    found = {
        person: effective(assigned.get(person, frozenset()), is_owner=person in owners, is_inside=False, newcomers=NONE)
        for person in {*owners, *assigned}
        if person in owners or person in here
    }
    if not any("admin" in roles for roles in found.values()):
        found |= owners  # nobody may be locked out for ever: the terminal's owner steps in
    return {person: roles for person, roles in found.items() if roles}


def within(limits: Mapping[str, Any], *, tool: str, requester: str) -> bool:
    """Whether an approver narrowed to `limits` may decide this call. Each list that is not empty has to hold it."""
    families, tools, requesters = (limits.get(name) or () for name in LIMITS)
    return (
        (not families or tool.partition(".")[0] in families)
        and (not tools or tool in tools)
        and (not requesters or requester in requesters)
    )
