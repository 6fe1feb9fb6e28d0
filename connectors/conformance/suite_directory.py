"""The directory family."""

from __future__ import annotations

import pytest

from connectors.conformance.collecting import needs
from connectors.conformance.provider import Provider
from connectors.errors import NotFound


class TestDirectory:
    family = "directory"

    def test_pages_join_to_the_whole_list(self, provider: Provider) -> None:
        """Walking the pages meets everybody once, in one order."""
        provider.need("directory")
        whole = provider.read("directory.list_people", limit=200)["people"]

        walked: list[str] = []
        page = provider.read("directory.list_people", limit=2)
        while True:
            walked += [person["address"] for person in page["people"]]
            if page["next"] is None or len(walked) >= 20:
                break
            page = provider.read("directory.list_people", limit=2, cursor=page["next"])

        assert walked == [person["address"] for person in whole][: len(walked)]
        assert len(set(walked)) == len(walked)

    def test_a_person_is_found_by_name_address_and_id(self, provider: Provider) -> None:
        """Search and both look-ups lead to the same record."""
        provider.need("directory")
        me = provider.read("directory.get_person", address=provider.account.subject.upper())

        found = provider.read("directory.list_people", query=me["name"].upper())["people"]

        assert me["inside"] is True
        assert me in found
        assert provider.read("directory.get_person", person_id=me["person_id"]) == me

    @needs("mail")
    def test_strangers_are_not_found(self, provider: Provider) -> None:
        """An address nobody entered is NotFound, also after mail was sent to it."""
        provider.need("directory", "mail")
        provider.do("mail.send", {"to": [provider.outsider], "subject": "Hello", "body": "Text."})

        with pytest.raises(NotFound):
            provider.read("directory.get_person", address=provider.outsider)
