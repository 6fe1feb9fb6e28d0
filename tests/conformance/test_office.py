"""The local office keeps the contract that third parties' connectors are held to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.conformance import *  # noqa: F403
from connectors.conformance import Provider
from connectors.errors import ConnectorError, RateLimited, ReconsentNeeded, Unreachable
from connectors.office import Fault, Office, OfficeConnector, seed
from connectors.spec import Account

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # a Monday morning

REFUSALS: dict[type[ConnectorError], Fault] = {
    RateLimited: Fault.RATE_LIMIT,
    ReconsentNeeded: Fault.RECONSENT,
    Unreachable: Fault.UNREACHABLE,
}


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return seed(tmp_path_factory.mktemp("office") / "office.db", people=8, weeks=2, now=NOW)


@pytest.fixture
def provider(seeded: Office, tmp_path: Path) -> Iterator[Provider]:
    office = seeded.copy_to(tmp_path / "office.db")
    colleagues = [one for one in office.people() if one["inside"] and one["address"] != office.owner()]
    yield Provider(
        connector=OfficeConnector(office),
        account=Account(connection_id="mine", subject=office.owner()),
        colleague=Account(connection_id="theirs", subject=colleagues[0]["address"]),
        channel="#general",
        now=office.now,
        move_clock=lambda by: office.set_now(office.now() + by),
        lose_answer=lambda tool: office.faults.add(tool=tool, kind=Fault.TIMEOUT_AFTER_COMMIT),
        lose_request=lambda tool: office.faults.add(tool=tool, kind=Fault.TIMEOUT_BEFORE_COMMIT),
        refuse=lambda tool, error: office.faults.add(tool=tool, kind=REFUSALS[error], seconds=9.0),
        cannot_tell=lambda tool: office.faults.add(tool=tool, kind=Fault.CANNOT_RECONCILE),
    )
    office.close()
