"""The errors a caller would catch differently. Expected answers (Deny, Ask, expired, over budget) are values, not errors.

Imports nothing. A message says what happened, to which thing, and `fix` what the reader can do; neither holds tokens,
message bodies or credentials.
"""

from __future__ import annotations


class DeputyError(Exception):
    """Root of all errors Deputy raises on purpose. `code` is stable and machine-readable."""

    code = "error"

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def as_json(self) -> dict[str, str]:
        """The error document: error (code), message, fix."""
        return {"error": self.code, "message": self.message, "fix": self.fix}


class UsageError(DeputyError):
    """The caller's words are off: a bad flag, value, file or setting."""

    code = "usage"


class NotFound(DeputyError):
    """No such thing, or not for this principal."""

    code = "not_found"


class Unauthorized(DeputyError):
    """No usable identity or connection."""

    code = "unauthorized"


class NotEligible(DeputyError):
    """Known, but not allowed to decide this."""

    code = "not_eligible"


class Conflict(DeputyError):
    """The thing has moved on: decided already, expired, other digest, other state. Nothing was changed."""

    code = "conflict"


class StoreUnavailable(DeputyError):
    """The database cannot be reached, is locked, or has another schema version."""

    code = "store_unavailable"


class Fenced(DeputyError):
    """This worker no longer owns the item: it may record nothing more about it."""

    code = "fenced"
