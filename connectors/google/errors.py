"""Google's refusals, translated at the border. Texts are ours: Google's own may name addresses and objects."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

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

RETRY_S = 30.0  # where Google says only that it is too much
AN_HOUR_S = 3_600.0
A_DAY_S = 86_400.0

_RATES = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "concurrentLimitExceeded"})
_DAILY = frozenset({"dailyLimitExceeded", "quotaExceeded", "calendarLimitsExceeded", "dailyLimitExceededUnreg"})
_SCOPES = frozenset({"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientScopes"})
_SWITCHED_OFF = frozenset({"accessNotConfigured", "SERVICE_DISABLED", "domainPolicy"})
_AFTER = re.compile(r"Retry after (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)")


class TokenRefused(ReconsentNeeded):
    """401: the access token is not taken. A new one may help."""


def translate(
    method_id: str, status: int, headers: Mapping[str, str], content: bytes, *, is_read: bool, now: datetime
) -> ConnectorError:
    """The error of an answer that is no success. `headers` have lower-case names."""
    error = _error_of(content)
    reasons = _reasons(error)
    if status == 429 or reasons & _RATES or (status == 403 and reasons & _DAILY):
        wait = _retry_after(headers, error, now) or (AN_HOUR_S if reasons & _DAILY else RETRY_S)
        return RateLimited(f"Google has had too many calls ({method_id})", retry_after_s=wait, fix="Wait.")
    if status == 401:
        return TokenRefused("Google no longer accepts this connection", fix="Connect the account again.")
    if status == 403 and reasons & _SCOPES:
        return ReconsentNeeded(
            f"this connection was not granted {method_id}", fix="Connect again and grant what the tool needs."
        )
    if status == 403 and reasons & _SWITCHED_OFF:
        return Forbidden(
            f"{method_id} is switched off for this organisation", fix="Ask its administrator to allow the API."
        )
    if status == 403:
        return Forbidden(f"this account may not do {method_id}", fix="Ask somebody who may.")
    if status in (404, 410):
        return NotFound(f"Google knows no such object ({method_id})", fix="Find it again with a search.")
    if status in (409, 412):
        return Conflict(f"the object is not as it was ({method_id})", fix="Read it again.")
    if status >= 500 or status == 408:
        if is_read:
            return Unreachable(f"Google failed to answer {method_id} ({status})", fix="Try again later.")
        return OutcomeUnknown(f"Google failed during {method_id} ({status})", fix="Look at what became of it.")
    named = ", ".join(sorted(reasons)) or str(status)
    return InvalidCall(f"Google refuses {method_id} ({named})", fix="Check the arguments.")


def _error_of(content: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(content)
    except ValueError:
        return {}
    error = told.get("error") if isinstance(told, dict) else None
    return error if isinstance(error, dict) else {}


def _reasons(error: Mapping[str, Any]) -> frozenset[str]:
    """Reason words of both of Google's error forms; bounded and plain, because they are shown."""
    listed = [*(error.get("errors") or ()), *(error.get("details") or ())]
    words = [one.get("reason") for one in listed if isinstance(one, dict)]
    return frozenset(word for word in words if isinstance(word, str) and re.fullmatch(r"[A-Za-z_]{1,60}", word))


def _retry_after(headers: Mapping[str, str], error: Mapping[str, Any], now: datetime) -> float | None:
    """Seconds, from the header, or from Gmail's sentence (its "Resolve errors" page)."""
    if re.fullmatch(r"\d{1,6}", headers.get("retry-after", "").strip()):
        return max(1.0, float(headers["retry-after"]))
    found = _AFTER.search(str(error.get("message", "")))
    if found is None:
        return None
    until = datetime.fromisoformat(found.group(1)).replace(tzinfo=UTC)
    return min(A_DAY_S, max(1.0, (until - now).total_seconds()))
