"""The local office: a small company in one SQLite file, a provider like any other and a world to look into.

`seed` builds it, `Office` is the world (for tests, demos and `deputy office`), `OfficeConnector` the provider, `OfficeClock`
the offset of its time. Loaded on first use, so that reading the clock costs nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.office.clock import OfficeClock
    from connectors.office.connector import OfficeConnector
    from connectors.office.faults import Fault
    from connectors.office.office import Office
    from connectors.office.seeding import seed

_HOMES = {
    "Fault": "connectors.office.faults",
    "Office": "connectors.office.office",
    "OfficeClock": "connectors.office.clock",
    "OfficeConnector": "connectors.office.connector",
    "seed": "connectors.office.seeding",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


__all__ = ["Fault", "Office", "OfficeClock", "OfficeConnector", "seed"]
