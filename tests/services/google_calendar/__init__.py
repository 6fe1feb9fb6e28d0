"""A small Google Calendar of our own, for tests. It is a double: no judge of what Google does, and labelled so wherever it is used.

Names, parameters, body schemas and scopes are checked against the discovery document in google-api-python-client; the behaviour is
written from Google's guides (client ids and 409, ETags and 412, sync tokens and 410, series and instances, guests' copies, resource
rooms, free/busy). `GoogleCalendar(World())` serves it over HTTP on a free port.
"""

from __future__ import annotations

from tests.services.google_calendar.server import Fault, GoogleCalendar
from tests.services.google_calendar.world import World

__all__ = ["Fault", "GoogleCalendar", "World"]
