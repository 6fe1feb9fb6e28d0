"""Slack's words for what went wrong, in ours. The codes are those that its method pages list under "Errors"."""

from __future__ import annotations

from collections.abc import Mapping
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

USUAL_RETRY_S = 30.0

_GONE = frozenset(
    {
        "account_inactive",
        "invalid_auth",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    }
)
_NOT_FOUND = frozenset(
    {
        "bot_not_found",
        "channel_not_found",
        "file_deleted",
        "file_not_found",
        "invalid_scheduled_message_id",
        "message_not_found",
        "no_reaction",
        "thread_not_found",
        "user_not_found",
        "users_not_found",
    }
)
_FORBIDDEN = frozenset(
    {
        "access_denied",
        "accesslimited",
        "cannot_dm_bot",
        "cant_delete_message",
        "cant_invite",
        "cant_invite_self",
        "cant_update_message",
        "compliance_exports_prevent_deletion",
        "edit_window_closed",
        "ekm_access_denied",
        "is_archived",
        "is_inactive",
        "method_not_supported_for_channel_type",
        "not_authorized",
        "not_in_channel",
        "posting_to_general_channel_denied",
        "team_access_not_granted",
        "thread_locked",
        "too_many_reactions",
        "ura_max_channels",
        "user_disabled",
        "user_is_bot",
        "user_is_restricted",
        "user_is_ultra_restricted",
    }
)
_BUSY = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded", "restricted_too_many"})
# "It's possible some aspect of the operation succeeded before the error was raised."
_DOWN = frozenset(
    {"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org", "timeout"}
)
_FIXES: Mapping[str, str] = {
    "not_in_channel": "Invite the app: /invite @Deputy in that channel.",
    "is_archived": "Choose a channel that is not archived.",
    "msg_too_long": "Write less, or several messages.",
    "no_text": "Write something.",
    "name_taken": "Choose another name.",
    "cant_update_message": "Write one of your own.",
    "cant_delete_message": "Delete one of your own.",
    "edit_window_closed": "Post a new message instead.",
    "invalid_name_specials": "Use lower-case letters, digits, - and _.",
}


def of(
    code: str, answer: Mapping[str, Any], *, method: str, status: int, retry_after_s: float | None, is_write: bool
) -> ConnectorError:
    """The error to raise for an answer that is not ok. `code` is Slack's, empty where the body held none."""
    if status == 429 or code in _BUSY:
        wait_s = USUAL_RETRY_S if retry_after_s is None else retry_after_s
        return RateLimited(f"Slack refuses {method} for now", retry_after_s=wait_s, fix="Wait.")
    if status >= 500 or code in _DOWN:
        if is_write:
            return OutcomeUnknown(f"Slack failed in {method}", fix="Ask it what became of the attempt.")
        return Unreachable(f"Slack failed in {method}", fix="Try again later.")
    said = f"Slack refuses {method}: {code or status}"
    if code == "missing_scope":
        needed = str(answer.get("needed") or "a scope")
        return ReconsentNeeded(
            f"{said} ({needed})", fix=f"Add {needed} to the app's manifest and install it again: deputy connect slack."
        )
    if code in _GONE or status == 401:
        return ReconsentNeeded(said, fix="Connect again: deputy connect slack.")
    if code in _NOT_FOUND or status == 404:
        return NotFound(said, fix="Look with chat.list_channels, or find the message with chat.search.")
    if code == "name_taken":
        return Conflict(said, fix=_FIXES[code])
    if code in _FORBIDDEN or code.startswith(("restricted_action", "posting_to_")) or status == 403:
        return Forbidden(said, fix=_FIXES.get(code, "Ask somebody who may, or choose another place."))
    return InvalidCall(said, fix=_FIXES.get(code, "Change the arguments."))
