"""Files in chat: posted into a channel, a thread and to one person; read and listed by those who may; never from two places."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.conformance.examples import a_file, a_mail_with_attachment, a_post
from connectors.conformance.provider import Provider, new_word
from connectors.errors import InvalidCall, NotFound


def _listed(provider: Provider, word: str) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = provider.read("chat.list_files", query=word)["files"]
    return files


class TestChatFiles:
    family = "chat"

    def test_a_written_file_is_read_back(self, provider: Provider) -> None:
        """Name, size, author and text are those that were posted, and the message shows the file."""
        provider.need("chat.send_file")
        word = new_word()

        posted = a_file(provider, word, content="Grüße,\nline two")

        read = provider.read("chat.get_file", file_id=posted["file_id"])
        assert (read["name"], read["text"]) == (f"{word}.txt", "Grüße,\nline two")
        assert read["size_bytes"] == len("Grüße,\nline two".encode())
        assert read["author"] == provider.account.subject
        assert posted["message_id"] is not None
        [message] = provider.read("chat.get_thread", message_id=posted["message_id"])["messages"]
        assert [one["file_id"] for one in message["files"]] == [posted["file_id"]]

    def test_a_file_with_a_word_goes_into_a_thread(self, provider: Provider) -> None:
        """It stands among the answers, with the text given."""
        provider.need("chat.send_file")
        first = a_post(provider, new_word())

        a_file(provider, new_word(), channel=first["channel"], thread_id=first["message_id"], text="As asked")

        answers = provider.read("chat.get_thread", message_id=first["message_id"])["messages"][1:]
        assert [answer["text"] for answer in answers] == ["As asked"]
        assert len(answers[0]["files"]) == 1

    def test_a_file_to_one_person_is_between_two(self, provider: Provider) -> None:
        """The other reads it; its readers are the two."""
        provider.need("chat.send_file")
        colleague = provider.need_colleague()
        word = new_word()

        sent = provider.do("chat.send_file", {"to": colleague.subject, "name": f"{word}.txt", "content": "For you"})

        theirs = provider.of(colleague).read("chat.get_file", file_id=sent["file_id"])
        assert theirs["text"] == "For you"
        assert set(theirs["readers"]) == {provider.account.subject, colleague.subject}

    def test_a_file_in_a_private_channel_exists_for_its_members_only(self, provider: Provider) -> None:
        """Others neither list nor read it."""
        provider.need("chat.send_file")
        colleague = provider.need_colleague()
        word = new_word()
        channel = provider.do("chat.create_channel", {"name": new_word(), "private": True})["channel"]

        posted = a_file(provider, word, channel=channel)

        assert len(_listed(provider, word)) == 1
        assert _listed(provider.of(colleague), word) == []
        with pytest.raises(NotFound):
            provider.of(colleague).read("chat.get_file", file_id=posted["file_id"])

    def test_a_file_posted_before_is_posted_again(self, provider: Provider) -> None:
        """By its id, into another place: a file of its own with the same content."""
        provider.need("chat.send_file")
        first = a_file(provider, new_word())
        channel = provider.do("chat.create_channel", {"name": new_word()})["channel"]

        again = provider.do("chat.send_file", {"channel": channel, "file_id": first["file_id"]})

        assert again["name"] == first["name"]
        assert again["file_id"] != first["file_id"]
        read = [provider.read("chat.get_file", file_id=one["file_id"])["text"] for one in (first, again)]
        assert read[0] == read[1]

    def test_an_attachment_of_a_mail_is_posted(self, provider: Provider) -> None:
        """Where the chat reaches the account's mail; elsewhere it says so, and posts nothing."""
        provider.need("chat.send_file")
        channel = provider.do("chat.create_channel", {"name": new_word()})["channel"]
        if not provider.shares_mailbox:
            with pytest.raises(InvalidCall) as caught:
                provider.do(
                    "chat.send_file", {"channel": channel, "attachment": {"message_id": "m", "attachment_id": "a"}}
                )
            assert "mail.get_attachment" in caught.value.fix
            assert provider.read("chat.list_files", channel=channel)["files"] == []
            return
        attachment = a_mail_with_attachment(provider)

        posted = provider.do("chat.send_file", {"channel": channel, "attachment": attachment})

        of_mail = provider.read("mail.get_attachment", **attachment)
        assert (posted["name"], posted["size_bytes"]) == (of_mail["name"], of_mail["size_bytes"])
        assert provider.read("chat.get_file", file_id=posted["file_id"])["text"] == of_mail["text"]

    def test_pages_of_files_join(self, provider: Provider) -> None:
        """Newest first, each once."""
        provider.need("chat.send_file")
        channel = provider.do("chat.create_channel", {"name": new_word()})["channel"]
        posted = [a_file(provider, new_word(), channel=channel)["file_id"] for _ in range(3)]

        first = provider.read("chat.list_files", channel=channel, limit=2)
        second = provider.read("chat.list_files", channel=channel, limit=2, cursor=first["next"])

        assert len(first["files"]) == 2
        assert {one["file_id"] for one in first["files"] + second["files"]} == set(posted)
        assert second["next"] is None

    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": "a.txt", "content": "x"},  # no place
            {"channel": "#x", "to": "bob@northwind.example", "name": "a.txt", "content": "x"},  # two places
            {"channel": "#x"},  # no file
            {"channel": "#x", "name": "a.txt"},  # no content
            {"channel": "#x", "content": "x"},  # no name
            {"channel": "#x", "name": "a.txt", "content": "x", "file_id": "f"},  # two files
            {"channel": "#x", "name": "../a.txt", "content": "x"},  # a path
        ],
    )
    def test_one_file_goes_to_one_place(self, provider: Provider, wrong: dict[str, Any]) -> None:
        """Anything else is InvalidCall, before anything is posted."""
        provider.need("chat.send_file")

        with pytest.raises(InvalidCall):
            provider.do("chat.send_file", wrong)
