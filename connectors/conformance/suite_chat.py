"""The chat family: channels, threads, mentions, and who may see and change what."""

from __future__ import annotations

import pytest

from connectors.conformance.examples import a_post
from connectors.conformance.provider import Provider, new_word
from connectors.errors import Conflict, Forbidden, NotFound


class TestChat:
    family = "chat"

    def test_pages_join_to_the_whole_history(self, provider: Provider) -> None:
        """Walking a channel's pages meets every message once."""
        provider.need("chat")
        channel = provider.do("chat.create_channel", {"name": new_word()})["channel"]
        for number in range(5):
            provider.do("chat.post_message", {"channel": channel, "text": f"Number {number}"})

        walked: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = provider.read("chat.history", channel=channel, order="oldest", limit=2, **cursor)
            walked += [message["text"] for message in page["messages"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}

        assert walked == [f"Number {number}" for number in range(5)]

    def test_a_private_channel_exists_for_its_members_only(self, provider: Provider) -> None:
        """Listing, history, search and threads are closed to others until they are invited."""
        provider.need("chat")
        colleague = provider.need_colleague()
        name, word = new_word(), new_word()
        channel = provider.do("chat.create_channel", {"name": name, "private": True})["channel"]
        post = provider.do("chat.post_message", {"channel": channel, "text": word})

        assert provider.of(colleague).read("chat.list_channels", query=name)["channels"] == []
        assert provider.of(colleague).read("chat.search", query=word)["messages"] == []
        for tool, args in (
            ("chat.history", {"channel": f"#{name}"}),
            ("chat.get_thread", {"message_id": post["message_id"]}),
        ):
            with pytest.raises(NotFound):
                provider.of(colleague).read(tool, **args)

        provider.do("chat.invite", {"channel": channel, "people": [colleague.subject]})

        assert len(provider.of(colleague).read("chat.search", query=word)["messages"]) == 1
        assert colleague.subject in provider.read("chat.list_channels", query=name)["channels"][0]["members"]

    def test_a_direct_message_is_between_two(self, provider: Provider) -> None:
        """Both find it, and it lies in no listed channel."""
        provider.need("chat")
        colleague = provider.need_colleague()
        word = new_word()

        sent = provider.do("chat.send_direct", {"to": colleague.subject, "text": word})

        [theirs] = provider.of(colleague).read("chat.search", query=word)["messages"]
        listed = provider.read("chat.list_channels", limit=200)["channels"]
        assert theirs["message_id"] == sent["message_id"]
        assert sent["channel"] not in [channel["channel"] for channel in listed]

    def test_answers_stand_in_the_thread(self, provider: Provider) -> None:
        """A thread is read oldest first from any of its messages, and the first one counts its answers."""
        provider.need("chat")
        first = a_post(provider, new_word())
        where = {"channel": first["channel"], "thread_id": first["message_id"]}

        answer = provider.do("chat.post_message", {"text": "Yes", **where})

        thread = provider.read("chat.get_thread", message_id=answer["message_id"])["messages"]
        assert [message["message_id"] for message in thread] == [first["message_id"], answer["message_id"]]
        assert answer["thread_id"] == first["message_id"]
        assert thread[0]["reply_count"] == 1

    def test_mentions_and_authors_are_found(self, provider: Provider) -> None:
        """Somebody mentioned by handle is found by address, and so is an author."""
        provider.need("chat")
        me = provider.account.subject
        users = provider.read("chat.list_users", limit=200)["users"]
        handle = next(user["handle"] for user in users if user["address"] == me)
        word = new_word()
        channel = a_post(provider, word)["channel"]
        provider.do("chat.post_message", {"channel": channel, "text": f"@{handle}, {word}"})

        mentions = provider.read("chat.search", query=word, mentions=me)["messages"]

        assert [message["text"] for message in mentions] == [f"@{handle}, {word}"]
        assert len(provider.read("chat.search", query=word, author=me)["messages"]) == 2
        assert provider.read("chat.search", query=word, author=provider.outsider)["messages"] == []

    def test_edits_reactions_and_deletion_show(self, provider: Provider) -> None:
        """An edited message says so, reactions name who, and a deleted message is gone."""
        provider.need("chat")
        message_id = a_post(provider, new_word())["message_id"]

        edited = provider.do("chat.update_message", {"message_id": message_id, "text": "Better"})
        reacted = provider.do("chat.add_reaction", {"message_id": message_id, "name": "tada"})
        provider.do("chat.delete_message", {"message_id": message_id})

        assert (edited["text"], edited["edited"]) == ("Better", True)
        assert reacted["reactions"] == [{"name": "tada", "by": [provider.account.subject]}]
        with pytest.raises(NotFound):
            provider.read("chat.get_thread", message_id=message_id)

    def test_only_the_author_changes_a_message(self, provider: Provider) -> None:
        """Editing or deleting somebody else's message is Forbidden."""
        provider.need("chat")
        colleague = provider.need_colleague()
        sent = provider.do("chat.send_direct", {"to": colleague.subject, "text": new_word()})

        for tool, more in (("chat.update_message", {"text": "x"}), ("chat.delete_message", {})):
            with pytest.raises(Forbidden):
                provider.do(tool, {"message_id": sent["message_id"], **more}, account=colleague)

    def test_a_channel_of_the_same_name_is_a_conflict(self, provider: Provider) -> None:
        """Names are unique."""
        provider.need("chat")
        name = new_word()
        provider.do("chat.create_channel", {"name": name})

        with pytest.raises(Conflict):
            provider.do("chat.create_channel", {"name": name})
