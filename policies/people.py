"""Who is who: the directory that the caller supplies, or, without one, what directory tools said and the principal's own domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from policies import lexicon
from policies.words import contains, normal, tokens

COLLEAGUES = "*colleagues"  # among readers: everybody of the house


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """people: [{"id", "names": [..], "addresses": [..], "inside": bool, "roles": [..]}]."""

    people: Sequence[Mapping[str, Any]] = ()
    inside_domains: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Person:
    key: str
    names: tuple[tuple[str, ...], ...]  # each as tokens; full names and aliases
    addresses: tuple[str, ...]
    inside: bool
    roles: tuple[tuple[str, ...], ...] = ()


@dataclass(slots=True)
class Directory:
    """People by address and by what the words call them. Built per case; learnt people only matter without a World."""

    me: str
    has_world: bool
    people: list[Person]
    domains: frozenset[str]
    _by_address: dict[str, Person] = field(default_factory=dict)
    _mine: frozenset[str] = frozenset()
    _by_token: dict[str, list[Person]] = field(default_factory=dict)
    _said: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World | None, principal: str) -> Directory:
        me = normal(principal)
        domain = me.rpartition("@")[2] if "@" in me else ""
        domains = {normal(name) for name in world.inside_domains} if world is not None else set()
        if world is None and domain and domain not in lexicon.PUBLIC_MAIL:
            domains.add(domain)
        people = [_person(entry) for entry in (world.people if world is not None else ())]
        directory = cls(me, world is not None, people, frozenset(domains))
        directory._index()
        return directory

    def again(self) -> Directory:
        """For another case: a directory that was supplied learns nothing, so that only what it keeps of words is its own."""
        return replace(self, _said={})

    def _index(self) -> None:
        self._by_address = {address: person for person in self.people for address in person.addresses}
        self._said = {}
        self._by_token = {}
        for person in self.people:
            for token in {token for name in (*person.names, *person.roles) for token in name}:
                self._by_token.setdefault(token, []).append(person)
        mine = {self.me}
        for person in self.people:
            if self.me == normal(person.key) or self.me in person.addresses:
                mine |= set(person.addresses)
        self._mine = frozenset(mine)

    def learn(self, name: str, address: str) -> None:
        """A row of a directory tool. Ignored where the caller supplied the directory."""
        address = normal(address)
        if self.has_world or not address or address in self._by_address:
            return
        self.people.append(Person(address, (tokens(name),), (address,), self.is_inside(address)))
        self._index()

    def is_me(self, value: str) -> bool:
        return normal(value) in self._mine

    def is_known(self, value: str) -> bool:
        return normal(value) in self._by_address

    def is_inside(self, value: str) -> bool:
        """Whether a person belongs to the house. Without a World a bare handle of the same workspace does."""
        address = normal(value)
        person = self._by_address.get(address)
        if person is not None:
            return person.inside
        if address in self._mine or address == COLLEAGUES:
            return True
        if "@" in address:
            return address.rpartition("@")[2] in self.domains
        return not self.has_world and "." not in address and bool(address) and " " not in address

    def addresses_of(self, name: str) -> tuple[str, ...]:
        """Addresses of whoever is called so in full; for readers that are given by name."""
        wanted = tokens(name)
        near = self._by_token.get(wanted[0], ()) if wanted else ()
        return tuple(address for person in near if wanted in person.names for address in person.addresses)

    def said(self, words: Sequence[str]) -> frozenset[str]:
        """Addresses of the people whom the words name so that nobody else can be meant; also those of a role that they name."""
        key = tuple(words)
        if key not in self._said:
            if len(self._said) > 64:
                self._said.clear()
            self._said[key] = self._named_in(key)
        return self._said[key]

    def _named_in(self, words: tuple[str, ...]) -> frozenset[str]:
        bag = set(words)
        near = {id(person): person for token in bag for person in self._by_token.get(token, ())}.values()
        covered: set[str] = set()
        found: set[str] = set()
        for person in near:
            for name in person.names:
                if len(name) > 1 and contains(words, name):
                    found |= set(person.addresses)
                    covered |= set(name)
            if any(contains(words, role) for role in person.roles):
                found |= set(person.addresses)
        for token in bag - covered:
            people = [person for person in self._by_token.get(token, ()) if token in _calling(person)]
            inside = [person for person in people if person.inside]
            only = inside if len(inside) == 1 else people
            if len(only) == 1:
                found |= set(only[0].addresses)
        return frozenset(found)


def _calling(person: Person) -> set[str]:
    """Single words that a person goes by: aliases, first and last names."""
    return {token for name in person.names for token in ((name[0], name[-1]) if len(name) > 1 else name)}


def _person(entry: Mapping[str, Any]) -> Person:
    addresses = tuple(normal(str(address)) for address in entry.get("addresses") or ())
    names = tuple(sorted({tokens(str(name)) for name in entry.get("names") or () if tokens(str(name))}))
    roles = tuple(tokens(str(role)) for role in entry.get("roles") or () if tokens(str(role)))
    return Person(
        str(entry.get("id") or (addresses[0] if addresses else "")), names, addresses, bool(entry.get("inside")), roles
    )
