"""HTTP to a CalDAV or CardDAV server, for one account and one thread at a time: reads may follow redirects, a change is one request.

The caldav library asks and parses; its client would repeat a request (authentication, rate limits) and follow redirects, so it
is given this module's session, which does neither for a change, and which bounds what a server may answer.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from connectors.errors import (
    Conflict,
    ConnectorError,
    Forbidden,
    InvalidCall,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ReconsentNeeded,
    Unreachable,
)

if TYPE_CHECKING:
    import requests

CONNECT_S = 5.0
ANSWER_S = 15.0  # of silence after a change; what became of it is then looked into
READ_S = 30.0  # of silence while a large calendar is searched
CALL_S = 10.0  # a change is not begun when its call has already taken this long
MOST_BYTES = 32 * 1024 * 1024
LOCAL = ("localhost", "127.0.0.1", "::1")
RETRY_S = 30.0  # where a server says only that it is too much

STALE_TOKEN = "{DAV:}valid-sync-token"
READING = frozenset({"GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"})


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and whole body of an HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check_root(url: str, *, is_plain_allowed: bool) -> str:
    """The address, ending in a slash. InvalidCall where a password would travel in the clear."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise InvalidCall(
            "the connection's url is not an http(s) address", fix="Connect again with the server's address."
        )
    if parts.scheme == "http" and parts.hostname not in LOCAL and not is_plain_allowed:
        raise InvalidCall(
            "the connection's url is http, which would send the password in the clear",
            fix="Use its https address, or set allow_http for a network you trust.",
        )
    return url if url.endswith("/") else f"{url}/"


class Line:
    """One account's requests. Not for two threads at once."""

    def __init__(
        self, url: str, credentials: Mapping[str, str], *, is_plain_allowed: bool = False, most_bytes: int = MOST_BYTES
    ) -> None:
        from caldav.davclient import DAVClient

        self.root = check_root(url, is_plain_allowed=is_plain_allowed)
        session: Any = _session(most_bytes)
        self._session: requests.Session = session
        self._most_bytes = most_bytes
        self._auth = _authorization(credentials)
        self._dav: Any = DAVClient(
            url=self.root, auth=self._auth, enable_rfc6764=False, timeout=int(READ_S), rate_limit_handle=False
        )
        self._dav.session.close()
        self._dav.session = session
        self._until = time.monotonic() + CALL_S

    def begin(self) -> None:
        """A new call begins: its time runs from now."""
        self._until = time.monotonic() + CALL_S

    def close(self) -> None:
        self._session.close()

    def absolute(self, href: str) -> str:
        """The address of a href; Forbidden where it leads to another host, which must not see the password."""
        url = urljoin(self.root, href)
        if _origin(url) != _origin(self.root):
            scheme, host, port = _origin(url)
            raise Forbidden("an address leads to another server", fix=f"Connect {scheme}://{host}:{port}/ itself.")
        return url

    def named(self, href: str) -> str:
        """The address of a resource by its href as caldav's parsers give it: decoded, and without the host."""
        return self.absolute(quote(href, safe="/@"))

    def propfind(self, url: str, *properties: Any, depth: int = 0) -> list[Any]:
        """caldav's PropfindResult of each resource; NotFound, Forbidden … where the server says so."""
        from caldav.elements import dav

        body = str(dav.Propfind() + (dav.Prop() + list(properties)))
        results: list[Any] = self._parsed(self._ask("PROPFIND", url, body, {"Depth": str(depth)}), "parse_propfind")
        return results

    def report(self, url: str, query: Any, *, depth: int | None = 1) -> Any:
        """A REPORT's answer as caldav's DAVResponse, for its parse_… methods."""
        return self._ask("REPORT", url, str(query), {} if depth is None else {"Depth": str(depth)})

    def query(self, url: str, query: Any, *, depth: int | None = 1) -> list[Any]:
        """caldav's CalendarQueryResult of each object found."""
        results: list[Any] = self._parsed(self.report(url, query, depth=depth), "parse_calendar_query")
        return results

    def changed(self, url: str, query: Any) -> Any:
        """caldav's SyncCollectionResult of a sync-collection REPORT; StaleToken where the server cannot continue."""
        return self._parsed(self.report(url, query, depth=None), "parse_sync_collection")

    def answers(self, method: str, url: str, body: str, *, depth: int | None) -> Any:
        """The root of a PROPFIND's or REPORT's multistatus answer, for what caldav has no words for."""
        response = self._ask(method, url, body, {} if depth is None else {"Depth": str(depth)})
        if response.status != 207 or response.tree is None:
            raise _no_dav()
        return response.tree

    def led_to(self, url: str) -> str:
        """Where redirects lead from there (RFC 6764, 5). Forbidden where that is another server."""
        try:
            with self._session.request("GET", url, auth=self._auth, timeout=(CONNECT_S, READ_S)) as response:
                return self.absolute(response.url)
        except OSError as error:
            raise translated(error, is_reading=True) from error

    def options(self, url: str) -> str:
        """What the server can do there: its DAV header."""
        return str(self._send("OPTIONS", url, b"", {}).headers.get("DAV", ""))

    def get(self, url: str) -> tuple[bytes, str] | None:
        """Text and ETag of an object; None where there is none."""
        try:
            answer = self._send("GET", url, b"", {"Accept": "text/calendar, text/vcard"})
        except NotFound:
            return None
        return answer.body, answer.headers.get("ETag", "")

    def put(self, url: str, text: bytes, *, etag: str | None) -> None:
        """One conditional PUT: over the version read, or with None only where nothing is yet. Conflict on 412 and 409."""
        condition = {"If-None-Match": "*"} if etag is None else {"If-Match": etag}
        self._send("PUT", url, text, condition | {"Content-Type": "text/calendar; charset=utf-8"})

    def _parsed(self, response: Any, method: str) -> Any:
        from caldav.lib.error import DAVError

        if response.status != 207:  # a login page, say, which must not be read as an empty calendar
            raise _no_dav()
        try:
            return getattr(response, method)()
        except (DAVError, ValueError, AssertionError) as error:
            raise _no_dav() from error

    def _ask(self, method: str, url: str, body: str, headers: Mapping[str, str]) -> Any:
        """A reading request of caldav's, its answer translated."""
        from caldav.lib import error as dav_errors

        try:
            response = self._dav.request(url, method, body, dict(headers))
        except dav_errors.RateLimitError as error:
            raise _too_many(error.retry_after_seconds) from error
        except dav_errors.AuthorizationError as error:
            if STALE_TOKEN in error.preconditions:
                raise StaleToken("the place to continue from has expired", fix="Begin anew.") from error
            raise _refused(401 if error.status == 401 else 403, is_reading=True) from error
        except (dav_errors.DAVError, SyntaxError, NotImplementedError) as error:
            raise _no_dav() from error
        except OSError as error:  # requests' own are among them
            raise translated(error, is_reading=True) from error
        if response.status >= 300:
            raise _refused(response.status, is_reading=True)
        return response

    def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        is_reading = method in READING
        if not is_reading and time.monotonic() > self._until:
            raise Unreachable("the server was too slow to begin the change", fix="Try again later.")
        session = self._session if is_reading else _session(self._most_bytes)  # no change over a line gone stale
        try:
            response = session.request(
                method,
                url,
                data=body,
                headers=dict(headers),
                auth=self._auth,
                timeout=(CONNECT_S, READ_S if is_reading else ANSWER_S),
            )
        except OSError as error:
            raise translated(error, is_reading=is_reading) from error
        finally:
            if session is not self._session:
                session.close()
        status = response.status_code
        if status == 429 or (status == 503 and is_reading and "Retry-After" in response.headers):
            raise _too_many(_seconds(response.headers.get("Retry-After")))
        if status >= 300:
            raise _refused(status, is_reading=is_reading)
        return Answer(status, response.headers, response.content)


def translated(error: OSError, *, is_reading: bool) -> ConnectorError:
    """A broken line in our words: after a change may have been sent, nobody knows what became of it."""
    if isinstance(error, TooMuch):
        return InvalidCall("the server's answer is too large", fix="Ask for a shorter period.")
    if is_reading or _never_left(error):
        return Unreachable("the server cannot be reached", fix="Try again later.")
    return OutcomeUnknown("the server did not answer the change", fix="Ask it what became of the attempt.")


class TooMuch(OSError):
    """The server's answer is longer than anything sensible."""


class StaleToken(Conflict):
    """The server no longer knows what had changed up to this sync token (RFC 6578, 3.8)."""


def _never_left(error: BaseException) -> bool:
    """Whether no connection came about: refused, no such host, no route, or a certificate that is not trusted."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    never = (ConnectTimeoutError, NewConnectionError, ssl.SSLCertVerificationError)
    return any(isinstance(cause, never) for cause in _causes(error))


def _was_cut(error: BaseException) -> bool:
    """Whether a line that stood was closed by the other side without an answer."""
    return any(isinstance(cause, ConnectionResetError | BrokenPipeError) for cause in _causes(error))


def _causes(error: BaseException) -> list[BaseException]:
    """The error with everything it wraps: the libraries keep causes in several places."""
    causes = [error]
    for cause in causes:
        further = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        causes.extend(one for one in further if isinstance(one, BaseException) and one not in causes)
    return causes


def _refused(status: int, *, is_reading: bool) -> ConnectorError:
    match status:
        case 401:
            return _login_refused()
        case 403:
            return Forbidden("the server does not allow this", fix="Ask the calendar's owner for access.")
        case 404 | 410:
            return NotFound("the server has nothing there", fix="List the events again.")
        case 409 | 412 | 423:
            return Conflict("the event was changed in the meantime", fix="Read it again.")
        case _ if status >= 500 and is_reading:
            return Unreachable("the server failed", fix="Try again later.")
        case _ if status >= 500:
            return OutcomeUnknown("the server failed over the change", fix="Ask it what became of the attempt.")
        case _ if status < 400:
            return InvalidCall("it has another address now", fix="Connect again with its final address.")
        case _:
            return InvalidCall(f"the server refused the request ({status})", fix="Check the event's details.")


def _no_dav() -> Unreachable:
    return Unreachable("the server answered what is not WebDAV", fix="Check its address.")


def _login_refused() -> ReconsentNeeded:
    return ReconsentNeeded("the server does not accept the login", fix="Connect again with a valid password.")


def _too_many(seconds: float | None) -> RateLimited:
    after = RETRY_S if seconds is None or seconds <= 0 else min(float(seconds), 3600.0)
    return RateLimited("the server has had too many requests", retry_after_s=after, fix="Wait.")


def _seconds(header: str | None) -> float | None:
    from caldav.lib.error import parse_retry_after

    return None if header is None else parse_retry_after(header)


def _authorization(credentials: Mapping[str, str]) -> Any:
    from caldav.requests import HTTPBearerAuth
    from requests.auth import HTTPBasicAuth

    if credentials.get("token"):
        return HTTPBearerAuth(credentials["token"])
    if not credentials.get("username") or "password" not in credentials:
        raise ReconsentNeeded("the connection has no login", fix="Connect it again.")
    return HTTPBasicAuth(credentials["username"].encode(), credentials["password"].encode())


def _session(most_bytes: int) -> requests.Session:
    import requests

    class Session(requests.Session):
        """Follows no redirect of a change, and reads no endless answer."""

        def request(self, method: str, url: str, **more: Any) -> requests.Response:  # type: ignore[override]  # as caldav calls it
            more |= {"allow_redirects": method in READING, "stream": True}
            try:
                response = super().request(method, url, **more)
            except requests.ConnectionError as error:
                # A line kept open may have died unnoticed: a read is then asked once more.
                if method not in READING or not _was_cut(error):
                    raise
                response = super().request(method, url, **more)
            with response:
                parts, size = [], 0
                for part in response.iter_content(65_536):
                    parts.append(part)
                    size += len(part)
                    if size > most_bytes:
                        raise TooMuch
            response._content = b"".join(parts)  # where requests itself keeps what it has read
            return response

    session = Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=0))
    session.headers.update({"User-Agent": "deputy"})
    return session


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
