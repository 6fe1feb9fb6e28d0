"""Which connectors are installed. Installed is not enabled: nothing is loaded, let alone called, until it is asked for by name.

Packages announce theirs under the entry-point group `deputy.connectors`; an entry point is a callable that takes the
connector's settings as keywords and returns a `connectors.spec.Connector`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from connectors.errors import ConnectorError
from connectors.spec import ENTRY_POINT_GROUP, Connector

# The ones that come with Deputy, as module:name; loaded on first use like all others.
SHIPPED: Mapping[str, str] = {
    name: f"connectors.{name}.connector:open_connector"
    for name in ("caldav", "carddav", "google", "imap", "mcp", "office", "slack")
}


class UnknownConnector(ConnectorError):
    """No installed package offers a connector of this name, or it cannot be loaded."""

    code = "unknown_connector"


def installed() -> dict[str, EntryPoint]:
    """Every connector that could be enabled, by name, without importing any. A shipped name cannot be taken over."""
    found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    shipped = {name: EntryPoint(name, target, ENTRY_POINT_GROUP) for name, target in SHIPPED.items()}
    return dict(sorted((found | shipped).items()))


def load(name: str, settings: Mapping[str, Any]) -> Connector:
    """Builds the connector that somebody enabled by `name`. UnknownConnector with the reason where that fails."""
    point = installed().get(name)
    if point is None:
        names = ", ".join(installed())
        raise UnknownConnector(f"no connector {name!r} is installed", fix=f"Installed are: {names}.")
    try:
        build: Callable[..., Any] = point.load()
    except (ImportError, AttributeError) as error:
        raise UnknownConnector(
            f"the connector {name!r} cannot be loaded: {error}", fix="Reinstall its package."
        ) from error
    built = build(**settings)
    if not isinstance(built, Connector):
        raise UnknownConnector(
            f"{point.value!r} did not give a connector", fix="See connectors.spec.Connector for what one must offer."
        )
    return built
