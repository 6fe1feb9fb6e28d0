"""What a run has read, by id, so that a card can say “Quick call?” from Dana instead of an opaque id. Written by code, from reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TITLES = ("subject", "title", "name", "text")
AUTHORS = ("from", "organizer", "author")


@dataclass(frozen=True, slots=True)
class Records:
    """Records met in the run's reads: id → record."""

    by_id: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, results: Iterable[Any]) -> Records:
        found: dict[str, Mapping[str, Any]] = {}
        for result in results:
            _collect(result, found)
        return cls(found)

    def title(self, value: str) -> str | None:
        """What people call the record with this id; None when the run has not read it."""
        record = self.by_id.get(value)
        if record is None:
            return None
        return next((str(record[field])[:120] for field in TITLES if record.get(field)), None)

    def author(self, value: str) -> str | None:
        record = self.by_id.get(value)
        return next((str(record[field]) for field in AUTHORS if record.get(field)), None) if record else None

    def on_it(self, value: str) -> Sequence[str]:
        """Addresses that a reply to, or a change of, the record reaches."""
        record = self.by_id.get(value) or {}
        people = [str(record[field]) for field in AUTHORS if record.get(field)]
        for field in ("to", "cc"):
            people += [str(entry) for entry in record.get(field) or ()]
        people += [str(entry.get("address")) for entry in record.get("attendees") or () if isinstance(entry, Mapping)]
        return list(dict.fromkeys(people))


def _collect(value: Any, found: dict[str, Mapping[str, Any]]) -> None:
    """The record's own id is the first field that ends in _id; later reads of it replace earlier ones."""
    if isinstance(value, Mapping):
        own = next((entry for field, entry in value.items() if field.endswith("_id") and isinstance(entry, str)), None)
        if own is not None and any(value.get(field) for field in TITLES):
            found[own] = value
        for entry in value.values():
            _collect(entry, found)
    elif isinstance(value, list):
        for entry in value:
            _collect(entry, found)
