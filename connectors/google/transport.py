"""The wire to Google: for each request of a handler exactly one HTTP request, never repeated, redirected or made longer.

httplib2, Google's default, sends a POST again when its answer is lost; requests does not. Whether an attempt arrived is said
here: a line that could not be opened is Unreachable, anything later OutcomeUnknown where something could have been changed.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from connectors.errors import ConnectorError, InvalidCall, NotFound, OutcomeUnknown, ReconsentNeeded, Unreachable
from connectors.google import auth, discovery
from connectors.google.context import wall_clock
from connectors.google.errors import TokenRefused, translate
from connectors.google.limits import Buckets
from connectors.keeping import Kept
from connectors.spec import Account

CONNECT_S = 5.0
ANSWER_S = 15.0  # of silence
BEGIN_S = 20.0  # nothing is changed any more once a call has taken this long
BYTES_PER_S = 1024 * 1024  # what a line carries at least; a whole message then takes MOST_UPLOAD_S
MOST_UPLOAD_S = 35.0
WIRE_TIMEOUT_S = 75.0  # BEGIN_S, MOST_UPLOAD_S and ANSWER_S, and some
MOST_BYTES = 64 * 1024 * 1024  # Gmail's largest message, in base64, and some
SIDE_BY_SIDE = 6  # reads of one call at a time
MOST_SESSIONS = 8  # kept open for one account


class GoogleLine:
    """Credentials and open sessions of one account at one point in time. Thread-safe; one session for each call under way."""

    def __init__(self, account: Account, roots: Mapping[str, str], buckets: Buckets) -> None:
        self._credentials = auth.credentials_of(account)
        self._granted = auth.granted(account)
        self._roots = roots
        self._buckets = buckets
        self._lock = threading.Lock()
        self._idle: list[Any] = []
        self._is_closed = False
        self._is_proved = (
            True  # whether the token, since it was made, has been taken once; a stored one may simply be old
        )

    @contextmanager
    def opened(self) -> Iterator[Call]:
        """A session for one tool call, on one thread."""
        with self._lock:
            session = self._idle.pop() if self._idle else None
        session = session or _session(self._credentials)
        try:
            yield Call(self, session)
        except (OutcomeUnknown, Unreachable):  # whatever state its connections are in
            session.close()
            raise
        except BaseException:
            self._put_back(session)
            raise
        self._put_back(session)

    def _put_back(self, session: Any) -> None:
        with self._lock:
            if not self._is_closed and len(self._idle) < MOST_SESSIONS:
                self._idle.append(session)
                return
        session.close()

    def close(self) -> None:
        """Closes what is idle; sessions under way are closed when their calls end."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()

    def send(self, session: Any, method: discovery.Method, request: Any, *, begun_at: float) -> dict[str, Any]:
        if not discovery.is_granted(method.method_id, self._granted):
            raise ReconsentNeeded(
                f"this connection was not granted {method.method_id}",
                fix="Connect again and grant what the tool needs.",
            )
        self._buckets.take(method.method_id)
        self._renew(session, is_forced=False)
        try:
            return self._send_once(session, method, request, begun_at=begun_at)
        except TokenRefused:
            # An access token may end before its time. Refused means nothing happened, so a read may be asked again.
            if not self._renew(session, is_forced=True):
                raise
        if method.is_read:
            return self._send_once(session, method, request, begun_at=begun_at)
        raise Unreachable("Google asked for a new token, which is there now; nothing was sent", fix="Try again.")

    def _send_once(self, session: Any, method: discovery.Method, request: Any, *, begun_at: float) -> dict[str, Any]:
        from googleapiclient.errors import HttpError

        if not method.is_read and time.monotonic() - begun_at > BEGIN_S:
            raise Unreachable("Google was too slow to begin a change; nothing was sent", fix="Try again later.")
        try:
            answer = request.execute(http=_Http(session, is_read=method.is_read, method_id=method.method_id))
        except HttpError as error:
            headers = {name.lower(): str(value) for name, value in error.resp.items()}
            raise translate(
                method.method_id,
                int(error.resp.status),
                headers,
                error.content,
                is_read=method.is_read,
                now=wall_clock(),
            ) from None  # its text has the address asked, query and all
        except (ValueError, UnicodeDecodeError):
            raise _lost(method.method_id, is_read=method.is_read) from None
        self._is_proved = True
        if answer in (None, "", b""):  # 204
            return {}
        if not isinstance(answer, dict):  # cut off, or not Google's: googleapiclient passes it on as it is
            raise _lost(method.method_id, is_read=method.is_read)
        return answer

    def _renew(self, session: Any, *, is_forced: bool) -> bool:
        """Makes a new access token where the old one has ended, or is refused. False: a new one was refused just now."""
        from google.auth.exceptions import GoogleAuthError, RefreshError

        with self._lock:
            if self._credentials.valid and not is_forced:
                return True
            if is_forced and not (self._is_proved and _can_renew(self._credentials)):
                return False
            try:
                self._credentials.refresh(_refresher())
            except RefreshError as error:
                if getattr(error, "retryable", False):
                    raise Unreachable("Google does not renew tokens at the moment", fix="Try again later.") from None
                raise ReconsentNeeded(
                    "Google no longer renews this connection", fix="Connect the account again."
                ) from None  # its text quotes the answer
            except GoogleAuthError:
                raise Unreachable("Google's token service cannot be reached", fix="Try again later.") from None
            self._is_proved = False
            return True


class Call:
    """The requests of one tool call, in order. This is `connectors.google.context.Line`."""

    def __init__(self, line: GoogleLine, session: Any) -> None:
        self._line = line
        self._session = session
        self._begun_at = time.monotonic()

    def request(
        self, method_id: str, params: Mapping[str, Any], *, body: Mapping[str, Any] | None, if_match: str | None
    ) -> dict[str, Any]:
        method = discovery.check(method_id, params, body)
        node = _service(method.api, self._line._roots[method.api])
        *path, verb = method_id.split(".")[1:]
        for part in path:
            node = getattr(node, part)()
        try:
            request = getattr(node, verb)(**params, **({} if body is None else {"body": dict(body)}))
        except (TypeError, ValueError):
            raise InvalidCall(f"{method_id} refuses a parameter", fix="Check the ids given.") from None
        if if_match is not None:
            request.headers["If-Match"] = if_match
        return self._line.send(self._session, method, request, begun_at=self._begun_at)

    def read_all(self, method_id: str, many: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
        if len(many) < 2:
            return [self._look(self, method_id, params) for params in many]
        with ThreadPoolExecutor(max_workers=min(SIDE_BY_SIDE, len(many))) as pool:
            return list(pool.map(lambda params: self._look_aside(method_id, params), many))

    def _look_aside(self, method_id: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        with self._line.opened() as other:
            return self._look(other, method_id, params)

    @staticmethod
    def _look(call: Call, method_id: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            return call.request(method_id, params, body=None, if_match=None)
        except NotFound:
            return None


class Lines:
    """Lines by connection and credentials."""

    def __init__(self, roots: Mapping[str, str], units_per_minute: Mapping[str, float]) -> None:
        self._units = units_per_minute
        self._roots = {api: auth.check_root(root) for api, root in roots.items()}
        self._lines: Kept[GoogleLine] = Kept(GoogleLine.close)
        self._buckets: dict[str, Buckets] = {}

    def of(self, account: Account) -> GoogleLine:
        buckets = self._buckets.setdefault(account.connection_id, Buckets(self._units))
        return self._lines.of(account, lambda: GoogleLine(account, self._roots, buckets))

    def close(self) -> None:
        self._lines.let_go()


class _Http:
    """What googleapiclient asks of an HTTP library."""

    def __init__(self, session: Any, *, is_read: bool, method_id: str) -> None:
        self._session = session
        self._is_read = is_read
        self._method_id = method_id

    def request(self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any) -> Any:
        import httplib2  # type: ignore[import-untyped]  # it has no stubs
        import requests

        try:  # the first of the two time-outs is also that of sending the body
            with self._session.request(
                method,
                uri,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=(min(MOST_UPLOAD_S, CONNECT_S + len(body or b"") / BYTES_PER_S), ANSWER_S),
                stream=True,
            ) as response:
                content = bytearray()
                for part in response.iter_content(64 * 1024):
                    content += part
                    if len(content) > MOST_BYTES:
                        raise _lost(self._method_id, is_read=self._is_read)
        except requests.RequestException as error:
            raise _of_wire(error, self._method_id, is_read=self._is_read) from None  # its text has the address asked
        told = {name.lower(): value for name, value in response.headers.items()}
        return httplib2.Response(told | {"status": str(response.status_code)}), bytes(content)


def _of_wire(error: Exception, method_id: str, *, is_read: bool) -> ConnectorError:
    """Unreachable when the line was never opened, else lost."""
    from requests.exceptions import ConnectTimeout, InvalidURL, ProxyError
    from urllib3.exceptions import NameResolutionError, NewConnectionError

    if isinstance(error, ConnectTimeout | ProxyError):
        return Unreachable(f"no line to Google for {method_id}", fix="Try again later.")
    if isinstance(error, InvalidURL):
        return InvalidCall(f"{method_id} refuses a parameter", fix="Check the ids given.")
    never_open = (NewConnectionError, NameResolutionError, ssl.SSLCertVerificationError)
    return (
        Unreachable(f"no line to Google for {method_id}", fix="Try again later.")
        if any(isinstance(one, never_open) for one in _causes(error))
        else _lost(method_id, is_read=is_read)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it wraps, as urllib3 and requests wrap: in `reason`, in the first argument, as context."""
    waiting: list[Any] = [error]
    for _ in range(16):
        one = waiting.pop() if waiting else None
        if not isinstance(one, BaseException):
            if not waiting:
                return
            continue
        yield one
        waiting += [getattr(one, "reason", None), one.args[0] if one.args else None, one.__cause__, one.__context__]


def _lost(method_id: str, *, is_read: bool) -> ConnectorError:
    if is_read:
        return Unreachable(f"Google's answer to {method_id} was lost", fix="Try again later.")
    return OutcomeUnknown(f"Google's answer to {method_id} was lost", fix="Look at what became of it.")


def _session(credentials: Any) -> Any:
    from google.auth.transport.requests import AuthorizedSession

    # max_refresh_attempts: by default a request that was answered 401 is sent again, changes too.
    session: Any = AuthorizedSession(  # type: ignore[no-untyped-call]
        credentials, max_refresh_attempts=0, auth_request=_refresher()
    )
    session.auth = _as_it_is
    return session


def _as_it_is(request: Any) -> Any:
    """Authentication that adds nothing; without any, requests would put what ~/.netrc says in the place of the token."""
    return request


def _refresher() -> Any:
    import requests
    from google.auth.transport.requests import Request

    def ask(url: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any) -> Any:
        with requests.Session() as session:
            session.auth = _as_it_is
            return Request(session)(url, method, body, headers, timeout=(CONNECT_S, ANSWER_S), allow_redirects=False)

    return ask


def _can_renew(credentials: Any) -> bool:
    return bool(getattr(credentials, "refresh_token", None)) or hasattr(credentials, "service_account_email")


@lru_cache(maxsize=16)
def _service(api: str, root: str) -> Any:
    """Google's client of one API at one address. Without credentials: each request is executed over its account's session."""
    from googleapiclient.discovery import build_from_document
    from googleapiclient.http import HttpMock

    path = discovery.document(api)["servicePath"]
    return build_from_document(
        discovery.document(api), http=HttpMock(), client_options={"api_endpoint": f"{root.rstrip('/')}/{path}"}
    )
