"""What can go wrong at a provider, in words the gate can act on. Connectors translate vendor errors here, at the border.

Imports nothing. The gate decides by class alone: only `OutcomeUnknown` leaves an effect in doubt.
"""

from __future__ import annotations


class ConnectorError(Exception):
    """A provider refused or failed; nothing was changed out there. `fix` says what the person can do."""

    code = "provider_error"

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class NotFound(ConnectorError):
    """The object named does not exist, or this account may not see it."""

    code = "not_found"


class InvalidCall(ConnectorError):
    """The provider refuses these arguments; the same call can never succeed."""

    code = "invalid_call"


class Conflict(ConnectorError):
    """The object changed since it was read (etag), or a keyed create met another object under its key."""

    code = "conflict"


class Forbidden(ConnectorError):
    """The account may not do this (membership, scope, ownership)."""

    code = "forbidden"


class ReconsentNeeded(ConnectorError):
    """The credentials are gone or lack a scope; a person has to connect again."""

    code = "reconsent"


class Unreachable(ConnectorError):
    """The provider could not be reached, and the request certainly did not arrive."""

    code = "unreachable"


class RateLimited(ConnectorError):
    """The provider refused for now; nothing happened. `retry_after_s` is its own word, in seconds."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: float, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(ConnectorError):
    """The request may have arrived: time-out, dropped connection or 5xx after the body was sent. Never retried blindly."""

    code = "outcome_unknown"
