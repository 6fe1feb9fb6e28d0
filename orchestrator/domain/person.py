"""A person of the directory: who they are, where their names come from, when they work, what they prefer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Fed by directory providers only; contacts filled in from senders never count. `address` is lower-case and is the id."""

    address: str
    name: str
    aliases: Sequence[str] = ()
    zone: str = "UTC"  # IANA name
    working_hours: Mapping[str, Any] = field(
        default_factory=dict
    )  # {"days": ["mon", …], "start": "09:00", "end": "17:30"}
    role: str = ""
    team: str = ""
    manager: str | None = None
    inside: bool = False
    preferences: Mapping[str, Any] = field(
        default_factory=dict
    )  # meeting preferences, as calendar.find_slots takes them
    source: str = "office"

    @property
    def first_name(self) -> str:
        return self.name.split()[0] if self.name.split() else self.address
