"""Consent of a person in their browser: OAuth 2.0 for native apps (RFC 8252), loopback redirect with PKCE (RFC 7636).

For `deputy connect google` only. Never called while work runs; what it returns is to be sealed at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from connectors.errors import InvalidCall, ReconsentNeeded, Unreachable
from connectors.google.auth import LOCAL, check_root

WHO = ("openid", "https://www.googleapis.com/auth/userinfo.email")  # so that the account says which one it is
WAIT_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """`credentials` as `connectors.google.auth` takes them. `address`: the account's own, where Google said it."""

    address: str | None
    credentials: Mapping[str, str] = field(repr=False)


def in_browser(
    client_file: Path,
    scopes: Sequence[str],
    *,
    open_browser: bool,
    show: Callable[[str], None],
    hint: str | None = None,
    wait_s: int = WAIT_S,
) -> Consent:
    """Waits until the person has consented in a browser on this machine. `show` is given the address to open.

    Raises InvalidCall for a client file that is none, Unreachable after `wait_s`, ReconsentNeeded for a refusal.
    """
    from google.auth.exceptions import GoogleAuthError
    from google_auth_oauthlib.flow import InstalledAppFlow, WSGITimeoutError
    from requests.exceptions import RequestException

    refused: type[Exception] = import_module("oauthlib.oauth2").OAuth2Error
    try:
        flow = InstalledAppFlow.from_client_secrets_file(str(client_file), scopes=[*WHO, *scopes])
        token_uri = check_root(str(flow.client_config["token_uri"]))
    except (OSError, ValueError, KeyError):
        raise InvalidCall(
            f"{client_file} is no client file of a desktop app",
            fix="Google Cloud console → Credentials → OAuth client ID → Desktop app → Download JSON.",
        ) from None
    asked = {"access_type": "offline", "prompt": "consent", **({"login_hint": hint} if hint else {})}
    try:
        with _settings(token_uri), redirect_stdout(_Shown(show)):
            flow.run_local_server(
                host="127.0.0.1",
                port=0,
                open_browser=open_browser,
                authorization_prompt_message="{url}",
                timeout_seconds=wait_s,
                **asked,
            )
    except WSGITimeoutError:
        raise Unreachable(f"nobody consented within {wait_s} s", fix="Run it again, and open the address.") from None
    except (refused, GoogleAuthError) as error:  # its text may quote the code
        raise ReconsentNeeded(
            f"Google did not give the consent ({type(error).__name__})", fix="Run it again, and allow what is asked."
        ) from None
    except RequestException as error:
        raise Unreachable(f"Google cannot be reached ({type(error).__name__})", fix="Try again.") from None
    return _consent(flow, token_uri)


def _consent(flow: Any, token_uri: str) -> Consent:
    given = flow.credentials
    if not given.refresh_token:
        raise ReconsentNeeded(
            "Google gave no refresh token",
            fix="Take Deputy away under myaccount.google.com/permissions, and connect again.",
        )
    told = flow.oauth2session.token
    scopes = told.get("scope") or given.granted_scopes or given.scopes or ()
    held = scopes.split() if isinstance(scopes, str) else list(scopes)
    credentials = {
        "refresh_token": given.refresh_token,
        "client_id": flow.client_config["client_id"],
        "client_secret": flow.client_config.get("client_secret", ""),
        "token_uri": token_uri,
        "scopes": " ".join(sorted(set(held) - set(WHO))),
    }
    if given.token and given.expiry is not None:
        credentials |= {"access_token": given.token, "expires_at": given.expiry.replace(tzinfo=UTC).isoformat()}
    return Consent(address=_address(given.id_token), credentials=credentials)


def _address(id_token: str | None) -> str | None:
    """The token came from Google itself over TLS, so that its signature needs no second check (OpenID Connect Core 3.1.3.7, 6)."""
    if not id_token:
        return None
    from google.auth import jwt

    decode: Any = jwt.decode
    try:
        told = decode(id_token, verify=False)
    except ValueError:
        return None
    address = told.get("email")
    return address.strip().lower() if isinstance(address, str) and told.get("email_verified", True) else None


class _Shown:
    """The library prints the address; nothing of ours goes to stdout but answers."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show

    def write(self, text: str) -> int:
        if text.strip():
            self._show(text.strip())
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


_LOCK = threading.Lock()


@contextmanager
def _settings(token_uri: str) -> Iterator[None]:
    """oauthlib is told by the environment alone: that a person may grant fewer scopes, and that this machine needs no TLS."""
    wanted = {"OAUTHLIB_RELAX_TOKEN_SCOPE": "1"}
    if urlsplit(token_uri).hostname in LOCAL:
        wanted["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    with _LOCK:
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
