"""A worker in a process of its own that a test kills, in the office's time.

It runs what `deputy worker --until-idle` runs, with one difference: the tools say that they take 2 s on the wire instead of up to a
minute, so that whoever takes over has less to wait for. A killed process cannot send late, so this weakens nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import connectors.caldav.connector
import connectors.imap.effects
from connectors.caldav.connector import CaldavConnector
from connectors.imap.connector import ImapConnector
from connectors.office import Office, OfficeConnector
from connectors.spec import ToolSpec
from orchestrator import app, clock
from orchestrator.engine.advance import Advancer, House
from orchestrator.engine.serving import Pace
from orchestrator.engine.worker import Worker
from orchestrator.gate.toolbox import Toolbox
from orchestrator.settings import Settings
from orchestrator.store.database import Store

WIRE_S = 2.0


class QuickMail(ImapConnector):
    """The mail connector, whose tools are given less time on the wire."""

    def tools(self) -> Sequence[ToolSpec]:
        return tuple(replace(spec, wire_timeout_s=WIRE_S) for spec in super().tools())


class QuickCalendar(CaldavConnector):
    """The calendar connector, likewise."""

    def tools(self) -> Sequence[ToolSpec]:
        return tuple(replace(spec, wire_timeout_s=WIRE_S) for spec in super().tools())


def quick(house: House, office: Office, mail: QuickMail, calendar: QuickCalendar) -> House:
    return replace(house, toolbox=Toolbox([OfficeConnector(office), mail, calendar]))


def work(home: str) -> int:
    settings = Settings.load(home=home)
    app.follow_office_clock(settings)
    connectors.caldav.connector._now = lambda: clock.now().replace(microsecond=0)
    connectors.imap.effects._now = clock.now
    store = Store.open(settings.store_url, name="worker", migrate=False)
    office = Office(settings.office_file)
    try:
        built = quick(app.house(settings), office, QuickMail(), QuickCalendar())
        return Worker(store, Advancer(lambda: built), pace=Pace(until_idle=True, linger_s=0.0)).run()
    finally:
        store.close()
        office.close()
