"""What Radicale lacks and larger servers have (RFC 6638): a proxy before it that carries invitations and answers.

It says so in its DAV header. What an organizer stores goes to the calendars of the attendees it knows, under another address, as
servers do; what an attendee stores takes their answer back to the organizer's copy. Nothing else of the standard is here.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import icalendar
import requests

from tests.services.radicale import CALENDAR, login

_KEPT = ("Content-Type", "ETag", "Retry-After", "Location", "WWW-Authenticate")


class SchedulingProxy:
    """Listens on loopback until `stop`; `port` leads to `server` with scheduling."""

    def __init__(self, server: str, users: Sequence[str]) -> None:
        self.server, self.users = server, users
        self._one_by_one = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if self.raw_requestline and self.parse_request():
                    proxy.pass_on(self)
                self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._listener.daemon_threads = True
        self.port: int = self._listener.server_address[1]
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    def pass_on(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in ("host", "connection")}
        url = self.server.rstrip("/") + asked.path
        answer = requests.request(
            asked.command, url, data=body, headers=headers, timeout=20, allow_redirects=False, stream=True
        )
        content = answer.content
        if asked.command == "PUT" and answer.status_code < 300:
            with self._one_by_one:
                self._schedule(unquote(asked.path))
        asked.send_response(answer.status_code)
        for name in _KEPT:
            if name in answer.headers:
                asked.send_header(name, answer.headers[name])
        if "DAV" in answer.headers:
            asked.send_header("DAV", answer.headers["DAV"] + ", calendar-auto-schedule")
        asked.send_header("Content-Length", str(len(content)))
        asked.end_headers()
        asked.wfile.write(content)

    def _schedule(self, path: str) -> None:
        owner = path.strip("/").split("/")[0]
        calendar: Any = icalendar.Calendar.from_ical(self._get(owner, path))
        events = calendar.walk("VEVENT")
        organizer = _address(events[0].get("ORGANIZER", ""))
        if organizer == owner:
            people = {_address(who) for event in events for who in _people(event)} - {owner}
            for user in people & set(self.users):
                self._put(user, self._copy_path(user, str(events[0]["UID"])), calendar)
        elif organizer in self.users:
            self._answer(owner, organizer, calendar)

    def _answer(self, attendee: str, organizer: str, calendar: Any) -> None:
        uid = str(calendar.walk("VEVENT")[0]["UID"])
        path = f"/{organizer}/{CALENDAR}/{uid}.ics"
        theirs: Any = icalendar.Calendar.from_ical(self._get(organizer, path))
        answers = {_at(event): _answer_of(event, attendee) for event in calendar.walk("VEVENT")}
        for event in theirs.walk("VEVENT"):
            for who in _people(event):
                if _address(who) == attendee and answers.get(_at(event)):
                    who.params["PARTSTAT"] = answers[_at(event)]
        known = {_at(event) for event in theirs.walk("VEVENT")}
        for event in calendar.walk("VEVENT"):
            if _at(event) not in known:  # an answer to one instance, which is no exception yet
                theirs.add_component(event)
        self._put(organizer, path, theirs)

    def _copy_path(self, user: str, uid: str) -> str:
        return f"/{user}/{CALENDAR}/{hashlib.sha256(uid.encode()).hexdigest()[:20]}.ics"

    def _get(self, user: str, path: str) -> bytes:
        answer = requests.get(self.server.rstrip("/") + path, auth=login(user), timeout=20)
        answer.raise_for_status()
        return answer.content

    def _put(self, user: str, path: str, calendar: Any) -> None:
        body = calendar.to_ical()
        requests.put(self.server.rstrip("/") + path, data=body, auth=login(user), timeout=20).raise_for_status()


def _people(event: Any) -> list[Any]:
    found = event.get("ATTENDEE", [])
    return found if isinstance(found, list) else [found]


def _address(value: Any) -> str:
    return str(value).lower().removeprefix("mailto:")


def _at(event: Any) -> str:
    return event["RECURRENCE-ID"].to_ical().decode() if "RECURRENCE-ID" in event else ""


def _answer_of(event: Any, attendee: str) -> str | None:
    return next((str(who.params["PARTSTAT"]) for who in _people(event) if _address(who) == attendee), None)
