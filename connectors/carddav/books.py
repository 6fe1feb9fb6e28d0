"""Address books of an account and the cards in them, as a server has them now. Reads only.

Which books count is said by the connection: a book that a mail program fills with everybody who ever wrote is like any other
to a server, so none is taken unasked. Cards come by their ETags: only what is new or changed is fetched, some at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from xml.sax.saxutils import escape

from connectors.caldav.line import Line, TooMuch
from connectors.directory import files
from connectors.errors import ConnectorError, InvalidCall, NotFound

CARD = "{urn:ietf:params:xml:ns:carddav}"
DAV = "{DAV:}"
WELL_KNOWN = "/.well-known/carddav"  # RFC 6764, 5
MOST_CARDS = 20_000  # of all books of one account
MOST_BYTES = 8 * 1024 * 1024  # of one answer; a card with a large photograph is left out rather than read
AT_ONCE = 100  # cards in one request
NAMED = 5  # cards that are named in a problem

_LOOK = """<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><prop><resourcetype/><displayname/>
<current-user-principal/><C:addressbook-home-set/></prop></propfind>"""
_LIST = """<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop><getetag/><resourcetype/></prop></propfind>"""
_FETCH = """<?xml version="1.0" encoding="utf-8"?>
<C:addressbook-multiget xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><prop><getetag/><C:address-data>{wanted}
</C:address-data></prop>{hrefs}</C:addressbook-multiget>"""
# A server may leave out the rest, photographs above all (RFC 6352, 10.4).
_WANTED = "".join(
    f'<C:prop name="{name}"/>'
    for name in ("VERSION", "UID", "KIND", "FN", "N", "NICKNAME", "EMAIL", "TZ", "TITLE", "ROLE", "ORG")
)


@dataclass(frozen=True, slots=True)
class Card:
    """One card as it was last read. `person` is None where it names nobody with a mail address, or cannot be read."""

    etag: str
    person: dict[str, Any] | None
    is_broken: bool = False


@dataclass(slots=True)
class Known:
    """What was read so far: book → address of a card → card."""

    cards: dict[str, dict[str, Card]] = field(default_factory=dict)

    def people(self) -> list[dict[str, Any]]:
        """By name, one for each address."""
        found: dict[str, dict[str, Any]] = {}
        for cards in self.cards.values():
            for url in sorted(cards):
                person = cards[url].person
                if person is not None:
                    found.setdefault(person["address"], person)
        return sorted(found.values(), key=lambda one: (one["name"].casefold(), one["address"]))

    def problems(self) -> list[str]:
        """A sentence for each book with cards that cannot be read, by their files' names; nothing of what stands in them."""
        told = []
        for book, cards in sorted(self.cards.items()):
            broken = sorted(name_of(url) for url, card in cards.items() if card.is_broken)
            if broken:
                more = f" and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
                told.append(f"{name_of(book)}: cannot be read: {', '.join(broken[:NAMED])}{more}")
        return told


def found_at(line: Line, url: str) -> dict[str, str]:
    """The address books at an address, which may be one itself, a home of several, a principal or just the server: URL → name."""
    books, home = _look(line, url, depth=0)
    if books:
        return books
    if home is None and urlsplit(url).path.strip("/") == "":
        led = line.led_to(line.absolute(WELL_KNOWN))
        if urlsplit(led).path != WELL_KNOWN:
            books, home = _look(line, led, depth=0)
    return books or _look(line, home or url, depth=1)[0]


def chosen(line: Line, url: str, wanted: Sequence[str]) -> dict[str, str]:
    """The books that are named (by name, last part of the address, or address). InvalidCall where one is not there, or none named."""
    found = found_at(line, url)
    if not found:
        raise NotFound("the account has no address book there", fix="Check the server's address.")
    names = ", ".join(sorted(name or name_of(book) for book, name in found.items()))
    if not wanted and not _is_one(url, found):
        raise InvalidCall("it is not said which address books count", fix=f"Name some of: {names} (--book NAME).")
    picked: dict[str, str] = {}
    for one in wanted:
        hits = {book: name for book, name in found.items() if one in (name, name_of(book), book, urlsplit(book).path)}
        if len(hits) != 1:
            raise InvalidCall(f"there is no one address book {one!r}", fix=f"There are: {names}.")
        picked |= hits
    return picked or found


def refresh(line: Line, known: Known, books: Sequence[str], inside: Sequence[str]) -> None:
    """Reads what is new or changed; what is gone is forgotten. On an error, what was known stays."""
    fresh: dict[str, dict[str, Card]] = {}
    for book in books:
        before = known.cards.get(book, {})
        listed = _listed(line, book)
        if sum(map(len, fresh.values())) + len(listed) > MOST_CARDS:
            raise InvalidCall(f"there are more than {MOST_CARDS} cards", fix="Name smaller address books.")
        kept = {url: before[url] for url, etag in listed.items() if url in before and etag and before[url].etag == etag}
        wanted = [url for url in listed if url not in kept]
        for start in range(0, len(wanted), AT_ONCE):
            for url, etag, text in _fetched(line, book, wanted[start : start + AT_ONCE]):
                kept[url] = _read(etag or listed[url], text, inside)
        fresh[book] = kept
    known.cards = fresh


def _read(etag: str, text: str | None, inside: Sequence[str]) -> Card:
    try:
        return Card(etag, None, is_broken=True) if text is None else Card(etag, files.of_card(text, inside=inside))
    except InvalidCall:
        return Card(etag, None, is_broken=True)


def _listed(line: Line, book: str) -> dict[str, str]:
    """ETags of the cards in a book, by address."""
    found = {}
    for href, props in _answers(line, "PROPFIND", book, _LIST, depth=1):
        url = line.absolute(href)
        is_folder = next(props.iter(f"{DAV}collection"), None) is not None
        if not is_folder and url.rstrip("/") != book.rstrip("/"):
            found[url] = _text(props, f"{DAV}getetag")
    return found


def _fetched(line: Line, book: str, urls: Sequence[str]) -> Iterator[tuple[str, str, str | None]]:
    """Address, ETag and text of each card that is still there; no text where a card alone is too large."""
    if not urls:
        return
    hrefs = "".join(f"<href>{escape(urlsplit(url).path)}</href>" for url in urls)
    try:
        answers = list(_answers(line, "REPORT", book, _FETCH.format(wanted=_WANTED, hrefs=hrefs), depth=None))
    except ConnectorError as error:
        if not isinstance(error.__cause__, TooMuch):
            raise
        if len(urls) == 1:
            yield urls[0], "", None
            return
        half = len(urls) // 2
        yield from _fetched(line, book, urls[:half])
        yield from _fetched(line, book, urls[half:])
        return
    same = {unquote(url): url for url in urls}
    for href, props in answers:
        text, url = _text(props, f"{CARD}address-data"), same.get(unquote(line.absolute(href)))
        if url is not None and text:
            yield url, _text(props, f"{DAV}getetag"), text


def _look(line: Line, url: str, *, depth: int) -> tuple[dict[str, str], str | None]:
    """Address books among what answers there, and the address of the home of them, by way of the principal."""
    books: dict[str, str] = {}
    home = principal = None
    for href, props in _answers(line, "PROPFIND", url, _LOOK, depth=depth):
        if next(props.iter(f"{CARD}addressbook"), None) is not None:
            books[_slashed(line.absolute(href))] = _text(props, f"{DAV}displayname")
        home = home or _href(props, f"{CARD}addressbook-home-set")
        principal = principal or _href(props, f"{DAV}current-user-principal")
    if home is None and principal is not None and depth == 0 and not books:
        at = line.absolute(principal)
        if at.rstrip("/") != url.rstrip("/"):
            return books, _look(line, at, depth=0)[1]
    return books, None if home is None else line.absolute(home)


def _answers(line: Line, method: str, url: str, body: str, *, depth: int | None) -> Iterator[tuple[str, Any]]:
    """href and the properties that were found, of each resource."""
    for one in line.answers(method, url, body, depth=depth).iter(f"{DAV}response"):
        href = (one.findtext(f"{DAV}href") or "").strip()
        for stat in one.iter(f"{DAV}propstat"):
            props = stat.find(f"{DAV}prop")
            if href and props is not None and " 200" in (stat.findtext(f"{DAV}status") or " 200"):
                yield quote(unquote(href), safe="/:@%+,;=~!$&'()*") if " " in href else href, props


def _text(props: Any, tag: str) -> str:
    return str(props.findtext(tag) or "").strip()


def _href(props: Any, tag: str) -> str | None:
    holder = props.find(tag)
    found = None if holder is None else holder.findtext(f"{DAV}href")
    return found.strip() or None if found else None


def _is_one(url: str, found: Mapping[str, str]) -> bool:
    """Whether the connection's own address is that of a book: then it was named."""
    return [unquote(_slashed(url))] == [unquote(book) for book in found]


def _slashed(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"


def name_of(url: str) -> str:
    """The last part of an address, for a book without a name of its own."""
    return unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
