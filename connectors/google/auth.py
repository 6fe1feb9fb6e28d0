"""Credentials of one account: a person's own OAuth grant, or a service account that acts for people on an allow-list.

`Account.credentials`, person: refresh_token, client_id, client_secret, token_uri; optionally access_token with expires_at (ISO),
and scopes (separated by blanks). Service account: service_account (the key file's JSON) and scopes; then
`Account.settings["subjects"]` must list whom it may act for, because one such key can act as everybody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from connectors.errors import Forbidden, InvalidCall, ReconsentNeeded
from connectors.spec import Account

TOKEN_URI = "https://oauth2.googleapis.com/token"
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def granted(account: Account) -> frozenset[str]:
    """The scopes the connection says it has; empty where it does not say."""
    return frozenset(account.credentials.get("scopes", "").replace(",", " ").split())


def credentials_of(account: Account) -> Any:
    """google.auth credentials, not yet refreshed. ReconsentNeeded where nothing usable was stored, Forbidden off the list."""
    given = account.credentials
    if "service_account" in given:
        return _service_account(account)
    if not given.get("refresh_token") and not given.get("access_token"):
        raise ReconsentNeeded("the connection has no Google credentials", fix="Connect the account again.")
    from google.oauth2.credentials import Credentials

    return Credentials(  # type: ignore[no-untyped-call]
        token=given.get("access_token"),
        refresh_token=given.get("refresh_token"),
        token_uri=check_root(given.get("token_uri") or TOKEN_URI),
        client_id=given.get("client_id"),
        client_secret=given.get("client_secret"),
        expiry=_expiry(given),
    )


def _expiry(given: Mapping[str, str]) -> datetime | None:
    """google-auth compares naive UTC."""
    if not given.get("expires_at"):
        return None
    try:
        moment = datetime.fromisoformat(given["expires_at"])
    except ValueError as error:
        raise ReconsentNeeded("the stored expires_at is no ISO 8601 time", fix="Connect the account again.") from error
    return moment.astimezone(UTC).replace(tzinfo=None)


def _service_account(account: Account) -> Any:
    subjects = [str(one).strip().lower() for one in account.settings.get("subjects") or ()]
    if account.subject.strip().lower() not in subjects:
        raise Forbidden(
            "the service account may not act for this address", fix="List it under `subjects` of the connection."
        )
    from google.oauth2 import service_account

    try:
        told = json.loads(account.credentials["service_account"])
        check_root(told["token_uri"])
        made = service_account.Credentials.from_service_account_info(told)  # type: ignore[no-untyped-call]
    except (KeyError, TypeError, ValueError):  # its text may quote the key: no cause is kept
        raise ReconsentNeeded("the service account's key cannot be read", fix="Store its JSON file again.") from None
    return made.with_subject(account.subject.strip().lower()).with_scopes(sorted(granted(account)))


def check_root(url: str) -> str:
    """The address as given. InvalidCall for one where secrets would travel in the clear."""
    parts = urlsplit(url)
    is_plain = parts.scheme == "http" and parts.hostname in LOCAL
    if not parts.hostname or parts.username or not (parts.scheme == "https" or is_plain):
        raise InvalidCall("an address of Google is not https", fix="Use https; http is for this machine only.")
    return url
