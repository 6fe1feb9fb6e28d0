"""What a handler of one tool call knows: whose account, the key of its effect, the time, and how to ask Google one thing.

A handler is a plain function on a worker thread: `(Context, args) -> answer`. It asks by the method's id in Google's discovery
documents, for instance `ctx.request("calendar.events.get", calendarId="primary", eventId=event_id)`, and never builds a URL.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

from connectors.spec import Account, Reconciled

Clock: TypeAlias = Callable[[], datetime]


def wall_clock() -> datetime:
    """This machine's time: Google lives in it too, whatever time an office beside it keeps."""
    return datetime.fromtimestamp(time.time(), UTC)


class Line(Protocol):
    """The way to Google for one account; see `connectors.google.transport`."""

    def request(
        self, method_id: str, params: Mapping[str, Any], *, body: Mapping[str, Any] | None, if_match: str | None
    ) -> dict[str, Any]: ...

    def read_all(self, method_id: str, many: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`key` is the gate's key of an effect, None for reads, preconditions and streaming; in `reconcile` the key asked for."""

    account: Account
    line: Line
    key: str | None
    clock: Clock
    attempted_at: datetime | None = None  # in `reconcile` only

    @property
    def me(self) -> str:
        return self.account.subject.strip().lower()

    def request(
        self, method_id: str, /, *, body: Mapping[str, Any] | None = None, if_match: str | None = None, **params: Any
    ) -> dict[str, Any]:
        """One request on the wire, checked against the discovery document first. Raises `connectors.errors.*`.

        NotFound for 404 and 410, Conflict for 409 and 412. A failure after a change may have arrived is OutcomeUnknown;
        GET requests and free/busy queries are reads. An empty answer (204) is {}.
        """
        return self.line.request(method_id, params, body=body, if_match=if_match)

    def read_all(self, method_id: str, many: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
        """Answers of one reading method to many parameter sets, side by side, in their order; None where there is none."""
        return self.line.read_all(method_id, many)

    def pages(self, method_id: str, /, *, most: int, **params: Any) -> Iterator[dict[str, Any]]:
        """Pages of a list method, at most `most`, each asked for when the one before is used up."""
        token: str | None = None
        for _ in range(most):
            page = self.request(method_id, **(params if token is None else params | {"pageToken": token}))
            yield page
            token = page.get("nextPageToken")
            if not token:
                return


Handler: TypeAlias = Callable[[Context, Mapping[str, Any]], dict[str, Any]]
Reconciler: TypeAlias = Callable[[Context, Mapping[str, Any]], Reconciled]
