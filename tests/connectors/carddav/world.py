"""Address books on Radicale, and cards as programs write them."""

from __future__ import annotations

import requests

from tests.services.radicale import Radicale, login

ME = "alex@northwind.example"
USERS = (ME,)
BOOK = "team"
_MAKE = """<?xml version="1.0" encoding="utf-8"?>
<mkcol xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><set><prop><resourcetype><collection/><C:addressbook/>
</resourcetype><displayname>{name}</displayname></prop></set></mkcol>"""


def make_book(server: Radicale, name: str, *, shown: str = "") -> str:
    """The address of a new address book, shown as `shown`."""
    url = f"{server.url}{ME}/{name}/"
    body = _MAKE.format(name=shown or name).encode()
    requests.request("MKCOL", url, data=body, auth=login(ME), timeout=10).raise_for_status()
    return url


def drop_book(server: Radicale, name: str) -> None:
    requests.delete(f"{server.url}{ME}/{name}/", auth=login(ME), timeout=10).raise_for_status()


def card(name: str, address: str, *more: str) -> str:
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"UID:{(address or name).lower()}", f"FN:{name}", f"N:{name};;;;"]
    lines += [f"EMAIL:{address}"] if address else []
    return "\r\n".join([*lines, *more, "END:VCARD", ""])


def put(server: Radicale, book: str, file: str, text: str) -> None:
    url = f"{server.url}{ME}/{book}/{file}.vcf"
    head = {"Content-Type": "text/vcard"}
    requests.put(url, data=text.encode(), headers=head, auth=login(ME), timeout=10).raise_for_status()


def plant(server: Radicale, book: str, file: str, text: str) -> None:
    """Lays a card into a book past the server, which would refuse some."""
    folder = server.folder / "collections" / "collection-root" / ME / book
    folder.joinpath(f"{file}.vcf").write_bytes(text.encode())


def remove(server: Radicale, book: str, file: str) -> None:
    requests.delete(f"{server.url}{ME}/{book}/{file}.vcf", auth=login(ME), timeout=10).raise_for_status()
