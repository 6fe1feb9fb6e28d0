"""What an endpoint's refusal means: an HTTP status, its body and headers → ModelError, or the parameter it does not take.

Pure. Nothing of a body is passed on but a short reason, with line breaks and anything that looks like a key taken out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from orchestrator.agents.models.protocol import Code, ModelError

LONGEST_REASON = 200
_TOO_LONG = re.compile(
    r"context_length_exceeded|context[ _](length|window|size)|maximum context|prompt is too long|input is too long"
    r"|too many (input )?tokens|exceeds? the (maximum|available) (number of tokens|context)|input token count|reduce the length",
    re.IGNORECASE,
)
_NOT_TAKEN = re.compile(
    r"unsupported|not support|n't support|unknown|unrecogni[sz]ed|unexpected|extra (inputs|fields)|not permitted|not allowed"
    r"|deprecated|does not (take|accept)|invalid (parameter|argument|field)|no such|cannot be used",
    re.IGNORECASE,
)
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing|credit balance", re.IGNORECASE)
_KEY = re.compile(r"\b(?:sk|pk|key|xai|gsk|AIza)[-_A-Za-z0-9*]{8,}|\bBearer\s+\S+", re.IGNORECASE)
_OVERLOADED = frozenset({502, 503, 504, 529})


def refusal(status: int, body: bytes, headers: Mapping[str, str], *, endpoint: str) -> ModelError:
    """The error of a response that is no reply."""
    error = _error_of(body)
    reason = _reason(error)
    told = f"{error.get('code')} {error.get('type')} {error.get('message')}"
    after = retry_after_s(headers)
    at = f"model endpoint {endpoint!r}"
    if status == 429:
        if _QUOTA.search(told):
            return ModelError(
                "model_rate_limited",
                f"{at}: the quota is used up{reason}",
                fix="look at the account's billing",
                status=429,
            )
        return ModelError(
            "model_rate_limited",
            f"{at} has too many requests{reason}",
            fix="wait, lower `workers`, or set max_in_flight of the endpoint",
            is_transient=True,
            retry_after_s=after,
            status=status,
        )
    if status == 413 or (status in (400, 422, 500) and _TOO_LONG.search(told)):
        return ModelError(
            "context_too_long",
            f"{at}: the conversation is too long{reason}",
            fix="set model_context_tokens",
            status=status,
        )
    if status in (401, 403):
        return ModelError(
            "model_auth",
            f"{at} does not accept the key{reason}",
            fix="set model_api_key, api_key_env of the endpoint, or the provider's own variable such as OPENAI_API_KEY",
            status=status,
        )
    if status in (408, 409, 425) or status >= 500:
        code: Code = "model_overloaded" if status in _OVERLOADED else "model_unreachable"
        return ModelError(
            code,
            f"{at} answered {status}{reason}",
            fix="try again later, or add another endpoint under [[models]]",
            is_transient=True,
            retry_after_s=after,
            status=status,
        )
    is_elsewhere = status in (300, 301, 302, 307, 308, 404, 405)
    fix = (
        "look at the model's name and model_base_url"
        if is_elsewhere
        else "the reason is the endpoint's own: choose a model that takes chat completions with tools, or a profile that fits it"
    )
    return ModelError("model_refused", f"{at} refused the request with {status}{reason}", fix=fix, status=status)


def event_error(event: Any, *, endpoint: str) -> ModelError:
    """The error of an event inside a stream that has begun: its number where it tells one, else a passing fault."""
    error = event if isinstance(event, dict) else {"message": str(event)}
    code = error.get("code") or error.get("status")
    said = f"{code} {error.get('type')}"
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    for word, number in (("rate_limit", 429), ("overloaded", 503), ("authentication", 401), ("invalid_request", 400)):
        if word in said:
            status = number
    return refusal(status, json.dumps({"error": error}).encode(), {}, endpoint=endpoint)


def not_taken(status: int, body: bytes, sent: Collection[str]) -> str | None:
    """The parameter, among those that were sent, which the endpoint says it does not take."""
    if status not in (400, 422):
        return None
    error = _error_of(body)
    message = str(error.get("message") or "")
    if _TOO_LONG.search(f"{error.get('code')} {message}"):
        return None
    named = error.get("param")
    is_said = bool(_NOT_TAKEN.search(f"{error.get('code')} {message}"))
    if isinstance(named, str) and named.partition(".")[0] in sent and is_said:
        return named.partition(".")[0]
    if not is_said:
        return None
    places = {name: found.start() for name in sent if (found := re.search(rf"\b{re.escape(name)}\b", message))}
    return min(places, key=places.__getitem__) if places else None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of Retry-After (RFC 9110 §10.2.3), measured against the response's own Date where it is a date."""
    try:
        if (ms := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(ms) / 1000)
        if (text := headers.get("Retry-After") or headers.get("retry-after")) is None:
            return None
        if text.strip().replace(".", "", 1).isdigit():
            return float(text)
        date = headers.get("Date") or headers.get("date")
        return (
            None
            if date is None
            else max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(date)).total_seconds())
        )
    except (ValueError, TypeError):
        return None


def _error_of(body: bytes) -> Mapping[str, Any]:
    """The error object of a body, whichever of the usual shapes it has; its text as the message where it is none."""
    try:
        told = json.loads(body)
    except ValueError:
        return {"message": body[:LONGEST_REASON].decode("utf-8", "replace")}
    if isinstance(told, list) and told:
        told = told[0]
    if not isinstance(told, dict):
        return {"message": str(told)[:LONGEST_REASON]}
    error = told.get("error", told)
    if isinstance(error, str):
        return {"message": error}
    if not isinstance(error, dict):
        return {}
    if not error.get("message") and (detail := told.get("detail") or told.get("message")):
        return {**error, "message": detail if isinstance(detail, str) else json.dumps(detail)}
    return error


def _reason(error: Mapping[str, Any]) -> str:
    """ ": " and what the endpoint said, cut short; nothing where it said nothing."""
    words = " ".join(str(error.get("message") or error.get("code") or "").split())
    words = _KEY.sub("…", words)
    return f": {words[:LONGEST_REASON]}" if words else ""
