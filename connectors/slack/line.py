"""The wire to Slack: one request for each that is meant, never repeated here, and every failure in our own words.

slack-sdk repeats a POST whose connection dropped unless its retry handlers are taken away, so they are. What cannot have
arrived is Unreachable; what may have, and would have changed something, is OutcomeUnknown.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.errors import ConnectorError, NotFound, OutcomeUnknown, ReconsentNeeded, Unreachable
from connectors.slack import refusals
from connectors.slack.limits import Buckets

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient

REQUEST_S = 8  # shorter than every wire time-out of a tool
TRANSFER_S = 20  # a file, one way
PATIENCE_S = 2.0  # a read waits so long for its bucket; longer waits are the gate's affair
_SILENT = "connectors.slack.line"


class Line:
    """One token's requests. Knows no tool; holds the token, and shows it nowhere."""

    def __init__(self, token: str, buckets: Buckets, *, base_url: str | None = None) -> None:
        self._token, self._buckets, self._base_url = token, buckets, base_url
        self._made: AsyncWebClient | None = None

    @property
    def _client(self) -> AsyncWebClient:
        if self._made is None:
            from slack_sdk.web.async_client import AsyncWebClient

            logger = logging.getLogger(_SILENT)
            logger.setLevel(logging.WARNING)  # at DEBUG slack-sdk logs whole messages
            self._made = AsyncWebClient(
                token=self._token,
                base_url=self._base_url or AsyncWebClient.BASE_URL,
                timeout=REQUEST_S,
                retry_handlers=[],
                logger=logger,
            )
        return self._made

    async def read(self, method: str, /, **form: Any) -> dict[str, Any]:
        """The answer of a method that changes nothing. Fields that are None are left out."""
        return (await self.read_at(method, **form))[0]

    async def read_at(self, method: str, /, **form: Any) -> tuple[dict[str, Any], int | None]:
        """`read`, and Slack's own time of the answer in seconds since 1970, where it says it."""
        await self._buckets.take(method, "", patience_s=PATIENCE_S)
        plain = {name: _plain(value) for name, value in form.items() if value is not None}
        answer, headers = await self._send(method, {"data": plain}, is_write=False)
        return answer, _time_of(headers)

    async def granted(self) -> str | None:
        """The token's scopes: Slack sends them with every answer, in `X-OAuth-Scopes`."""
        await self._buckets.take("auth.test", "", patience_s=PATIENCE_S)
        _, headers = await self._send("auth.test", {"data": {}}, is_write=False)
        return next((value for name, value in headers.items() if name.lower() == "x-oauth-scopes"), None)

    def has_room(self, method: str) -> bool:
        """Whether half of what the method may be called is left: what runs in the background leaves the rest to people."""
        return self._buckets.has_room(method)

    async def write(self, method: str, /, **body: Any) -> dict[str, Any]:
        """One POST that changes something. RateLimited at once when its bucket is empty: nothing is sent late."""
        await self._buckets.take(method, str(body.get("channel", "")), patience_s=0.0)
        given = {name: value for name, value in body.items() if value is not None}
        return (await self._send(method, {"json": given}, is_write=True))[0]

    async def upload(self, url: str, content: bytes) -> None:
        """Lays a file aside where Slack told to; nobody sees it before it is posted, so that nothing is lost by a failure."""
        await self._transfer("POST", url, content)

    async def download(self, url: str, *, is_page: bool = False) -> bytes:
        """The content of a file. `is_page`: whether a page of HTML is what is expected, and not Slack's page to log in."""
        return await self._transfer("GET", url, None, is_page=is_page)

    async def _transfer(self, method: str, url: str, content: bytes | None, *, is_page: bool = True) -> bytes:
        import aiohttp

        # INVARIANT: the token goes to Slack's own hosts, and to no place that an answer merely names.
        if not self._is_slack(url):
            raise Unreachable("Slack names a place for its files that is not its own", fix="Look at the network.")
        headers = {} if content is not None else {"Authorization": f"Bearer {self._token}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TRANSFER_S)) as session,
                session.request(method, url, data=content, headers=headers, allow_redirects=False) as answer,
            ):
                status, kind, body = answer.status, answer.content_type, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            said = f"Slack's files cannot be reached ({type(error).__name__})"
            raise Unreachable(said, fix="Try again later.") from None
        if content is None and (status in (301, 302, 303, 401, 403) or (kind == "text/html" and not is_page)):
            raise ReconsentNeeded("Slack does not hand out this file", fix="Connect again: deputy connect slack.")
        if status == 404:
            raise NotFound("the file is gone", fix="Find it with chat.list_files.")
        if status != 200:
            raise Unreachable(f"Slack failed with a file ({status})", fix="Try again later.")
        return body

    def _is_slack(self, url: str) -> bool:
        told = urlsplit(url)
        host = told.hostname or ""
        if self._base_url is None:
            return told.scheme == "https" and (host == "slack.com" or host.endswith(".slack.com"))
        return host in (urlsplit(self._base_url).hostname, "localhost", "127.0.0.1")

    async def _send(
        self, method: str, body: Mapping[str, Any], *, is_write: bool
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        import aiohttp
        from slack_sdk.errors import SlackApiError

        try:
            response = await self._client.api_call(method, **body)
        except SlackApiError as error:
            raise _refused(error, method, is_write) from None  # its text holds the whole answer
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable("Slack cannot be reached", fix="Look at the network, and try again.") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, AttributeError) as error:
            # AttributeError: slack-sdk 3.47 takes text for a mapping. Some of aiohttp's errors hold the request's headers.
            cause = None if isinstance(error, aiohttp.ClientResponseError) else error
            said = f"Slack did not answer {method} ({type(error).__name__})"
            if is_write:
                raise OutcomeUnknown(said, fix="Ask it what became of the attempt.") from cause
            raise Unreachable(said, fix="Try again later.") from cause
        data = response.data
        return (data if isinstance(data, dict) else {}), response.headers


def _refused(error: Any, method: str, is_write: bool) -> ConnectorError:
    """The body is a dict where Slack answered; where something before it did, it is text, or could not be read."""
    response = error.response
    data = getattr(response, "data", None)
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
    answer = data if isinstance(data, dict) else {}
    if status == 200 and not answer.get("error"):  # half an answer, or none of Slack's
        if is_write:
            return OutcomeUnknown(f"the answer to {method} cannot be read", fix="Ask what became of the attempt.")
        return Unreachable(f"the answer to {method} cannot be read", fix="Try again later.")
    retry_after = str(response.headers.get("Retry-After", ""))
    return refusals.of(
        str(answer.get("error") or ""),
        answer,
        method=method,
        status=status,
        retry_after_s=float(retry_after) if retry_after.isdigit() else None,
        is_write=is_write,
    )


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _time_of(headers: Mapping[str, str]) -> int | None:
    try:
        return int(parsedate_to_datetime(headers["Date"]).timestamp())
    except (KeyError, TypeError, ValueError):
        return None
