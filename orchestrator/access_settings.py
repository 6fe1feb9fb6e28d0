"""What can be set about who may come in over HTTP: addresses, sessions, an identity provider, a proxy. A part of `settings`."""

from __future__ import annotations

import ipaddress
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from orchestrator.model_settings import web_address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ROLES = ("viewer", "approver", "operator", "auditor", "admin")


class AccessSettings(BaseSettings):
    """The fields of `Settings` about coming in; see there for sources and order."""

    public_url: str | None = Field(
        default=None, description="Address under which browsers reach the desk, e.g. https://deputy.example"
    )
    allowed_hosts: str = Field(
        default="", description="Further names in the Host header that the desk answers to, comma-separated"
    )
    default_role: Literal["member", "viewer", "none"] = Field(
        default="member",
        description="What a colleague to whom no role was given may do. member: own requests and own cards",
    )
    session_idle_minutes: float = Field(
        default=720.0, gt=0, le=43_200, description="Minutes after which an unused sign-in ends"
    )
    session_days: float = Field(default=7.0, gt=0, le=90, description="Days after which every sign-in ends")
    rate_per_minute: int = Field(
        default=1200, ge=1, description="Requests a minute that one caller may send to the HTTP interface"
    )
    sign_in_rate_per_minute: int = Field(default=20, ge=1, description="Attempts to sign in a minute from one address")
    oidc_issuer: str | None = Field(
        default=None, description="OpenID Connect issuer that people sign in with, e.g. https://login.example/tenant"
    )
    oidc_client_id: str | None = Field(default=None, description="The desk's client id at that issuer")
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="The desk's client secret there; without one it is a public client"
    )
    oidc_scopes: str = Field(default="openid email profile", description="Scopes asked for at sign-in")
    oidc_groups_claim: str = Field(default="groups", description="Claim of the id token that lists a person's groups")
    oidc_roles: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description='Roles by group, a table: [oidc_roles] "deputy-admins" = "admin"; several as a list',
    )
    oidc_trust_email: bool = Field(
        default=False,
        description="Take addresses that the issuer does not call verified; only for an issuer that gives them out itself",
    )
    trusted_proxies: str = Field(
        default="", description="Networks of reverse proxies whose headers count, e.g. 10.0.3.0/24, comma-separated"
    )
    proxy_user_header: str = Field(
        default="",
        description="Header in which such a proxy says who has signed in, by address, e.g. X-Forwarded-Email",
    )

    @field_validator("public_url", "oidc_issuer")
    @classmethod
    def _address_of_the_web(cls, value: str | None) -> str | None:
        """An empty text switches it off, so that a flag can take back what another source says."""
        return web_address(value)

    @field_validator("public_url")
    @classmethod
    def _an_origin(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).path.strip("/") or urlsplit(value).query):
            raise ValueError("has a path; the desk lives at the root of its host")
        return value.rstrip("/") if value else value

    @field_validator("oidc_client_secret", "oidc_client_id", mode="before")
    @classmethod
    def _unset_text(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("oidc_roles")
    @classmethod
    def _known_roles(cls, value: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
        for role in {one for found in value.values() for one in ([found] if isinstance(found, str) else found)}:
            if role not in ROLES:
                raise ValueError(f"there is no role {role!r}; roles are: {', '.join(ROLES)}")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _known_networks(cls, value: str) -> str:
        for part in _parts(value):
            if _network(part).prefixlen == 0:
                raise ValueError(f"{part} is everybody")
        return value

    @field_validator("proxy_user_header")
    @classmethod
    def _a_header(cls, value: str) -> str:
        if value and not value.replace("-", "").isalnum():
            raise ValueError("is no header's name")
        if value.lower() in ("authorization", "cookie", "host", "origin"):
            raise ValueError("says something else already")
        return value

    @property
    def proxy_networks(self) -> tuple[Network, ...]:
        """`trusted_proxies`, one by one."""
        return tuple(_network(part) for part in _parts(self.trusted_proxies))

    @property
    def host_names(self) -> frozenset[str]:
        """Names beyond the loopback's that the desk answers to, without ports."""
        own = urlsplit(self.public_url or "").hostname
        return frozenset({part.lower() for part in _parts(self.allowed_hosts)} | ({own} if own else set()))

    @property
    def has_oidc(self) -> bool:
        return bool(self.oidc_issuer and self.oidc_client_id)

    @property
    def has_proxy(self) -> bool:
        return bool(self.proxy_networks and self.proxy_user_header)

    def roles_of_groups(self, groups: list[str]) -> frozenset[str]:
        """What `oidc_roles` makes of a person's groups."""
        found = [self.oidc_roles[group] for group in groups if group in self.oidc_roles]
        return frozenset(role for one in found for role in ([one] if isinstance(one, str) else one))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no network: {error}") from error
