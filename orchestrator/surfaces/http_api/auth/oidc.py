"""Signing in at an OpenID provider: authorization code with PKCE, state and nonce (OpenID Connect Core 1.0, RFC 7636, RFC 9207).

Plain functions over requests, for a thread. A claim counts once the id token's signature, issuer, audience, times and nonce were verified.
No token, code or secret is logged, kept or told.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from orchestrator import clock
from orchestrator.errors import NotEligible, Unauthorized
from orchestrator.settings import Settings
from orchestrator.surfaces.http_api.auth.rules import is_loopback
from orchestrator.surfaces.http_api.problems import WireError

log = logging.getLogger("deputy.http")
# Signatures by a key that only the provider holds. Never "none", and never one by the client's secret (RFC 8725, section 3.1).
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
TIMEOUT_S = 10.0
LEEWAY_S = 60
FRESH_S = 3600.0  # how long metadata and keys are believed
FAILED_S = 5.0  # how long a provider that did not answer is not asked again
KEYS_AGAIN_S = 30.0  # keys are asked for again no sooner, whatever key an id token names
LARGEST = 1_000_000  # bytes of an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom the provider vouches for. `groups` is None where the token names none."""

    address: str
    groups: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A sign-in that goes to `url`. The rest is kept until the browser comes back."""

    url: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class Provider:
    """One issuer, and the desk as its client. Asks it for its metadata and keys when they are first needed."""

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: str | None,
        scopes: str,
        groups_claim: str,
        trusts_email: bool,
    ) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._secret = client_secret
        self._scopes = scopes
        self._groups_claim = groups_claim
        self._trusts_email = trusts_email
        self._lock = threading.Lock()
        self._metadata: Mapping[str, Any] = {}
        self._keys: Mapping[str, Any] = {}
        self._asked_s = self._keys_asked_s = self._failed_s = float("-inf")

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """None where none is configured."""
        if settings.oidc_issuer is None or settings.oidc_client_id is None:
            return None
        secret = settings.oidc_client_secret
        return cls(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=secret.get_secret_value() if secret is not None else None,
            scopes=settings.oidc_scopes,
            groups_claim=settings.oidc_groups_claim,
            trusts_email=settings.oidc_trust_email,
        )

    @property
    def name(self) -> str:
        """What people know it by."""
        return urlsplit(self.issuer).hostname or self.issuer

    # ---- there -------------------------------------------------------------------------------------------------------
    def begin(self, redirect_uri: str) -> Begun:
        """Where the browser goes, with fresh state, nonce and verifier."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        with self._client() as client:
            url, _ = client.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=state,
                nonce=nonce,
                code_verifier=verifier,
                redirect_uri=redirect_uri,
            )
        return Begun(url=url, state=state, nonce=nonce, verifier=verifier)

    # ---- and back ----------------------------------------------------------------------------------------------------
    def finish(self, answer: Mapping[str, str], *, redirect_uri: str, nonce: str, verifier: str) -> Identity:
        """Who signed in. `answer`: the parameters that the browser brought back, its state checked already.

        Raises Unauthorized, NotEligible for an address nobody has verified, WireError where the provider does not answer.
        """
        self._from_here(answer.get("iss"))
        if "error" in answer:
            code = answer["error"] if re.fullmatch(r"[a-z_]{1,40}", answer["error"]) else "an error"
            raise Unauthorized(f"{self.name} let nobody in: {code}", fix="begin again")
        token = self._token(answer.get("code", ""), redirect_uri, verifier)
        claims = self._verified(str(token.get("id_token") or ""), nonce)
        if "email" not in claims and isinstance(token.get("access_token"), str):
            claims = self._with_details(claims, token["access_token"])
        return self._identity(claims)

    def access(self, text: str, *, audience: str) -> tuple[Identity, str]:
        """Whom an access token stands for that was made for `audience`, and the client that it was given to (RFC 9068).

        Raises Unauthorized, NotEligible, WireError as `finish`.
        """
        claims = self._claims(text, audience)
        if "email" not in claims:
            claims = self._with_details(claims, text)
        client = claims.get("client_id") or claims.get("azp")
        return self._identity(claims), client if isinstance(client, str) else "unnamed"

    def farewell(self, back: str) -> str | None:
        """Where a browser goes to sign out there, too (OpenID Connect RP-Initiated Logout 1.0); None where the provider has no such page."""
        try:
            there = self._metadata_now().get("end_session_endpoint")
        except WireError:
            return None
        if not isinstance(there, str) or not _is_safe(there):
            return None
        return f"{there}{'&' if '?' in there else '?'}" + urlencode(
            {"client_id": self._client_id, "post_logout_redirect_uri": back}
        )

    def _from_here(self, told: str | None) -> None:
        """INVARIANT: an answer of another provider is not taken for this one's (RFC 9207, mix-up)."""
        needed = bool(self._metadata_now().get("authorization_response_iss_parameter_supported"))
        if (told is None and needed) or (told is not None and told != self.issuer_said):
            raise Unauthorized("the answer comes from another provider", fix="begin again")

    @property
    def issuer_said(self) -> str:
        """The issuer as its own metadata spells it: the setting, but for a slash at the end."""
        return str(self._metadata_now()["issuer"])

    def _token(self, code: str, redirect_uri: str, verifier: str) -> Mapping[str, Any]:
        from authlib.common.errors import AuthlibBaseError
        from requests.exceptions import RequestException

        if not code:
            raise Unauthorized(f"{self.name} sent no code", fix="begin again")
        try:
            with self._client() as client:
                found = client.fetch_token(
                    self._endpoint("token_endpoint"),
                    code=code,
                    code_verifier=verifier,
                    redirect_uri=redirect_uri,
                    grant_type="authorization_code",
                    timeout=TIMEOUT_S,
                    allow_redirects=False,
                )
        except AuthlibBaseError as error:
            log.warning("sign-in: the provider refused the code: %s", str(error.error)[:80])
            raise Unauthorized(f"{self.name} did not confirm the sign-in", fix="begin again") from None
        except (RequestException, ValueError) as error:
            raise self._unreachable(error) from None
        return found if isinstance(found, Mapping) else {}

    def _verified(self, text: str, nonce: str) -> dict[str, Any]:
        """The id token's claims (OpenID Connect Core 1.0, section 3.1.3.7)."""
        claims = self._claims(text, self._client_id, iat={"essential": True}, nonce={"essential": True, "value": nonce})
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != self._client_id:
            raise Unauthorized(f"what {self.name} sent is for another program", fix="begin again")
        return claims

    def _claims(self, text: str, audience: str, **more: Any) -> dict[str, Any]:
        """The claims of a token that the provider signed for `audience`, in force now. Raises Unauthorized."""
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError

        try:
            try:
                token = jwt.decode(text, self._key_set(), algorithms=ALGORITHMS)
            except InvalidKeyIdError:  # keys turn over
                token = jwt.decode(text, self._key_set(again=True), algorithms=ALGORITHMS)
            registry = jwt.JWTClaimsRegistry(
                now=int(clock.real().timestamp()),
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self.issuer_said},
                aud={"essential": True, "value": audience},
                sub={"essential": True},
                exp={"essential": True},
                **more,
            )
            claims = dict(token.claims)
            registry.validate(claims)
        except (JoseError, ValueError) as error:
            log.warning("sign-in: a token does not hold: %s", type(error).__name__)
            raise Unauthorized(f"what {self.name} sent does not hold", fix="begin again") from None
        return claims

    def _with_details(self, claims: dict[str, Any], access_token: str) -> dict[str, Any]:
        """The claims with those of the userinfo endpoint, where that is about the same person (section 5.3.2)."""
        there = self._metadata_now().get("userinfo_endpoint")
        if not isinstance(there, str):
            return claims
        found = self._get(there, {"Authorization": f"Bearer {access_token}"})
        return found | claims if found.get("sub") == claims["sub"] else claims

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        address = claims.get("email")
        if not isinstance(address, str) or "@" not in address[1:-1] or len(address) > 320:
            raise NotEligible(
                f"{self.name} tells no mail address of yours", fix="an admin adds the scope email to oidc_scopes"
            )
        if claims.get("email_verified") not in (True, "true") and not self._trusts_email:
            raise NotEligible(f"{self.name} has not verified your address", fix="verify it there, then sign in again")
        return Identity(address=address.strip().lower(), groups=_texts(claims.get(self._groups_claim)))

    # ---- what the provider says of itself ----------------------------------------------------------------------------
    def _metadata_now(self) -> Mapping[str, Any]:
        with self._lock:
            if time.monotonic() - self._asked_s > FRESH_S:
                self._metadata = self._told_anew()
                self._asked_s = time.monotonic()
            return self._metadata

    def _told_anew(self) -> Mapping[str, Any]:
        """Its metadata. Where it did not answer a moment ago, nobody waits for it again."""
        if time.monotonic() - self._failed_s < FAILED_S:
            raise WireError("provider_unreachable", f"{self.name} does not answer", fix="try again in a moment")
        try:
            found = self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        except WireError:
            self._failed_s = time.monotonic()
            raise
        if str(found.get("issuer", "")).rstrip("/") != self.issuer.rstrip("/"):  # OpenID Connect Discovery 1.0, 4.3
            raise WireError("provider_unreachable", f"{self.name} calls itself something else", fix="check oidc_issuer")
        return found

    def _key_set(self, *, again: bool = False) -> Any:
        from joserfc.jwk import KeySet

        there = self._endpoint("jwks_uri")
        with self._lock:
            age_s = time.monotonic() - self._keys_asked_s
            if age_s > FRESH_S or (again and age_s > KEYS_AGAIN_S):
                self._keys, self._keys_asked_s = self._get(there), time.monotonic()
            known = [key for key in self._keys.get("keys", ()) if key.get("kty") in ("RSA", "EC", "OKP")]
        return KeySet.import_key_set({"keys": known})

    def _endpoint(self, name: str) -> str:
        found = self._metadata_now().get(name)
        if not isinstance(found, str) or not _is_safe(found):
            raise WireError("provider_unreachable", f"{self.name} has no usable {name}", fix="check oidc_issuer")
        return found

    def _client(self) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        known: Sequence[str] = self._metadata_now().get("token_endpoint_auth_methods_supported") or (
            "client_secret_basic",
        )
        method = "none" if self._secret is None else "client_secret_basic"
        if self._secret is not None and method not in known and "client_secret_post" in known:
            method = "client_secret_post"
        return OAuth2Session(
            client_id=self._client_id,
            client_secret=self._secret,
            token_endpoint_auth_method=method,
            scope=self._scopes,
            code_challenge_method="S256",
            default_timeout=TIMEOUT_S,
        )

    def _get(self, there: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        import requests

        if not _is_safe(there):
            raise WireError("provider_unreachable", f"{self.name} is not reached over https", fix="check oidc_issuer")
        try:
            with (
                requests.Session() as client,
                client.get(
                    there, headers=dict(headers or {}), timeout=TIMEOUT_S, allow_redirects=False, stream=True
                ) as answer,
            ):
                if answer.status_code != 200:
                    raise ValueError(f"status {answer.status_code}")
                content = answer.raw.read(LARGEST + 1, decode_content=True)
            if len(content) > LARGEST:
                raise ValueError("too large")
            found = json.loads(content)
        except (requests.RequestException, ValueError) as error:
            raise self._unreachable(error) from None
        if not isinstance(found, dict):
            raise self._unreachable(ValueError("no object"))
        return found

    def _unreachable(self, error: Exception) -> WireError:
        log.warning("sign-in: %s does not answer: %s", self.name, type(error).__name__)
        return WireError("provider_unreachable", f"{self.name} does not answer", fix="try again in a moment")


def _texts(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else None


def _is_safe(address: str) -> bool:
    """https, or plain to this machine itself."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
