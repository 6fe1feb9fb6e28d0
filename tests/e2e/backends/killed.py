"""Workers in a process of their own that a test kills, in the office's time.

They run what `deputy worker --until-idle` runs, with one difference: the tools say that they take 2 s on the wire instead of up to
a minute, so that whoever takes over has less to wait for. A killed process cannot send late, so this weakens nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import connectors.caldav.connector
import connectors.imap.effects
from connectors.caldav.connector import CaldavConnector
from connectors.google.connector import ROOTS, GoogleConnector
from connectors.imap.connector import ImapConnector
from connectors.office import Office, OfficeConnector
from connectors.slack.connector import SlackConnector
from connectors.spec import Connector, ToolSpec
from orchestrator import app, clock
from orchestrator.engine.advance import Advancer, House
from orchestrator.engine.serving import Pace
from orchestrator.engine.worker import Worker
from orchestrator.gate.toolbox import Toolbox
from orchestrator.settings import Settings
from orchestrator.store.database import Store

WIRE_S = 2.0


def _quick(specs: Sequence[ToolSpec]) -> Sequence[ToolSpec]:
    return tuple(replace(spec, wire_timeout_s=WIRE_S) for spec in specs)


class QuickMail(ImapConnector):
    """A connector whose tools are given less time on the wire, as are those below."""

    def tools(self) -> Sequence[ToolSpec]:
        return _quick(super().tools())


class QuickCalendar(CaldavConnector):
    def tools(self) -> Sequence[ToolSpec]:
        return _quick(super().tools())


class QuickGoogle(GoogleConnector):
    def tools(self) -> Sequence[ToolSpec]:
        return _quick(super().tools())


class QuickSlack(SlackConnector):
    def tools(self) -> Sequence[ToolSpec]:
        return _quick(super().tools())


def mail_and_calendar() -> list[QuickMail | QuickCalendar]:
    return [QuickMail(), QuickCalendar()]


def google_and_slack(roots: Mapping[str, str], slack: str) -> list[QuickGoogle | QuickSlack]:
    """`roots`: as the settings of the Google connector name them; `slack`: the root of its Web API."""
    units = {"gmail": 1e9, "calendar": 1e9, "people": 1e9}
    google = QuickGoogle({api: roots[f"{api}_root"] for api in ROOTS}, units, clock=clock.now)
    return [google, QuickSlack(base_url=slack, share=1000.0)]


def quick(house: House, office: Office, used: Sequence[Connector]) -> House:
    return replace(house, toolbox=Toolbox([OfficeConnector(office), *used]))


def work_on_mail_and_calendar(home: str) -> int:
    connectors.caldav.connector._now = lambda: clock.now().replace(microsecond=0)
    connectors.imap.effects._now = clock.now
    return _work(home, mail_and_calendar())


def work_on_google_and_slack(home: str, roots: Mapping[str, str], slack: str) -> int:
    return _work(home, google_and_slack(roots, slack))


def _work(home: str, used: Sequence[Connector]) -> int:
    settings = Settings.load(home=home)
    app.follow_office_clock(settings)
    store = Store.open(settings.store_url, name="worker", migrate=False)
    office = Office(settings.office_file)
    try:
        built = quick(app.house(settings), office, used)
        return Worker(store, Advancer(lambda: built), pace=Pace(until_idle=True, linger_s=0.0)).run()
    finally:
        store.close()
        office.close()
