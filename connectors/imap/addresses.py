"""Mail addresses: one plain spelling inside, IDN domains as A-labels (RFC 5891), nothing that could end a header line."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from email.utils import getaddresses

from connectors.errors import InvalidCall

MOST_LOCAL = 64  # octets, RFC 5321 4.5.3.1.1
MOST_ALL = 254


def plain(address: str) -> str:
    """Lower-case, the domain in ASCII. InvalidCall for what is no single address."""
    text = unicodedata.normalize("NFC", address.strip()).lower()
    local, at, domain = text.rpartition("@")
    fits = bool(at and local and domain) and not any(_breaks(sign) for sign in text)
    if fits and not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            fits = False
    fits = fits and len(local.encode()) <= MOST_LOCAL and len(local.encode()) + len(domain) < MOST_ALL
    if not fits or domain.startswith((".", "-")) or ".." in domain:
        raise InvalidCall("what stands where an address belongs is no mail address", fix="Write name@domain.")
    return f"{local}@{domain}"


def _breaks(sign: str) -> bool:
    return sign.isspace() or unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp") or sign in '<>()[]\\,;:"'


def plain_list(values: Iterable[str] | None) -> list[str]:
    """Without repeats, in the order given."""
    return list(dict.fromkeys(plain(value) for value in values or ()))


def readable(address: str) -> str | None:
    """As `plain`, but for what stands in received mail: None where it is no address."""
    try:
        return plain(address)
    except InvalidCall:
        return None


def parse(values: Iterable[str]) -> list[tuple[str, str]]:
    """Names and plain addresses of header values as they came; groups are flattened, what is no address is left out."""
    try:
        pairs = getaddresses([value.replace("\r", " ").replace("\n", " ") for value in values])
    except (ValueError, IndexError, TypeError):  # the parser stumbles over some broken headers
        return []
    found = [(name, readable(address)) for name, address in pairs]
    return [(name, address) for name, address in found if address is not None]
