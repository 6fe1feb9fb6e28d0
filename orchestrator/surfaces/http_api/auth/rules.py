"""What the server believes of a request's envelope: names it answers to, proxies whose headers count, limits. From settings, once."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from orchestrator.access_settings import Network
from orchestrator.errors import UsageError
from orchestrator.settings import Settings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`hosts`: names in the Host header, None for any."""

    hosts: frozenset[str] | None = LOOPBACK
    public_url: str | None = None
    proxies: tuple[Network, ...] = ()
    proxy_header: str = ""
    idle: timedelta = timedelta(hours=12)
    lives: timedelta = timedelta(days=7)
    per_minute: int = 1200
    sign_ins_per_minute: int = 20
    settings: Settings | None = field(default=None, repr=False)  # for the identity provider

    @classmethod
    def of(cls, settings: Settings, host: str) -> Self:
        """For a server bound to `host`. On this machine alone it answers to this machine's names only (DNS rebinding)."""
        names = settings.host_names
        return cls(
            hosts=names | LOOPBACK if names or is_loopback(host) else None,
            public_url=settings.public_url,
            proxies=settings.proxy_networks,
            proxy_header=settings.proxy_user_header.lower() if settings.has_proxy else "",
            idle=timedelta(minutes=settings.session_idle_minutes),
            lives=timedelta(days=settings.session_days),
            per_minute=settings.rate_per_minute,
            sign_ins_per_minute=settings.sign_in_rate_per_minute,
            settings=settings,
        )

    def answers_to(self, request: HTTPConnection) -> bool:
        return self.hosts is None or host_name(request) in self.hosts

    def is_proxied(self, request: HTTPConnection) -> bool:
        """Whether the other end of the connection is one of the proxies. INVARIANT: no header has a say in this."""
        return request.client is not None and self._is_ours(request.client.host)

    def is_https(self, request: HTTPConnection) -> bool:
        if request.url.scheme == "https" or (self.public_url or "").startswith("https:"):
            return True
        return self.is_proxied(request) and request.headers.get("x-forwarded-proto", "") == "https"

    def address(self, request: HTTPConnection) -> str:
        """Where the request comes from: the last hop that is none of the proxies."""
        found = request.client.host if request.client is not None else "unknown"
        if self._is_ours(found):
            for hop in reversed(request.headers.get("x-forwarded-for", "").split(",")):
                if not _is_address(hop.strip()):
                    break
                found = hop.strip()
                if not self._is_ours(found):
                    break
        return found

    def origins(self, request: HTTPConnection) -> frozenset[str]:
        """What a page of this desk has as its origin."""
        own = f"{'https' if self.is_https(request) else 'http'}://{request.headers.get('host', '').lower()}"
        return frozenset({own, *([self.public_url.lower()] if self.public_url else [])})

    def base_url(self, request: HTTPConnection) -> str:
        """Where browsers find the desk. The Host header counts only where it was checked against an allow-list."""
        if self.public_url is not None:
            return self.public_url
        if self.hosts is None:
            raise UsageError("the desk does not know its own address", fix="set public_url")
        return f"{'https' if self.is_https(request) else 'http'}://{request.headers.get('host', '')}"

    def _is_ours(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        plain = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped else parsed
        return any(plain in network for network in self.proxies if network.version == plain.version)


def check_bind(settings: Settings, host: str, *, has_keys: bool) -> None:
    """UsageError for an address that others reach while nobody could sign in there."""
    if settings.has_oidc and settings.public_url is None and not is_loopback(host):
        raise UsageError("people are to sign in, and the desk does not know its own address", fix="set public_url")
    if is_loopback(host) or settings.has_oidc or settings.has_proxy or has_keys:
        return
    raise UsageError(
        f"{host} is not this machine alone, and no way to sign in is set up",
        fix="bind 127.0.0.1; or set oidc_issuer and oidc_client_id, or trusted_proxies and proxy_user_header,"
        " or make a key: deputy config key create --scope read,submit,decide",
    )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(request: HTTPConnection) -> str:
    """The Host header's name without its port, lower case; empty where there is none, or two."""
    found = request.headers.getlist("host")
    if len(found) != 1:
        return ""
    try:
        return (urlsplit(f"//{found[0]}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def local_path(text: str | None) -> str:
    """`text` where it is a path on this desk, else "/". No address of elsewhere, whatever a browser makes of slashes."""
    if not text or len(text) > 2000 or not text.startswith("/") or text.startswith(("//", "/\\")):
        return "/"
    if any(ord(one) < 32 or one in "\\\x7f" for one in text):
        return "/"
    parts = urlsplit(text)
    return "/" if parts.scheme or parts.netloc or parts.path.startswith("/signin") else text


def _is_address(text: str) -> Any:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
