"""Scheduled messages: seen by nobody before their moment, taken back until then, there from then on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.conformance.examples import a_post, a_scheduled
from connectors.conformance.provider import Provider, iso, new_word
from connectors.errors import ConnectorError, InvalidCall, NotFound


class TestChatScheduled:
    family = "chat"

    def test_what_is_scheduled_is_listed_and_not_there_yet(self, provider: Provider) -> None:
        """The account lists it with its moment; a colleague lists nothing; no search, history or thread shows it."""
        provider.need("chat.schedule_message")
        colleague = provider.need_colleague()
        word = new_word()
        first = a_post(provider, new_word())

        scheduled = a_scheduled(provider, word, channel=first["channel"], thread_id=first["message_id"])

        [listed] = provider.read("chat.list_scheduled", query=word)["scheduled"]
        assert listed == scheduled
        assert provider.of(colleague).read("chat.list_scheduled", query=word)["scheduled"] == []
        assert provider.read("chat.search", query=word)["messages"] == []
        [only] = provider.read("chat.get_thread", message_id=first["message_id"])["messages"]
        assert only["reply_count"] == 0

    def test_what_was_cancelled_is_not_listed(self, provider: Provider) -> None:
        """Cancelling again is done as well."""
        provider.need("chat.schedule_message")
        word = new_word()
        scheduled_id = a_scheduled(provider, word)["scheduled_id"]

        for _ in range(2):
            done = provider.do("chat.cancel_scheduled", {"scheduled_id": scheduled_id})
            assert done == {"scheduled_id": scheduled_id, "cancelled": True}

        assert provider.read("chat.list_scheduled", query=word)["scheduled"] == []

    def test_nobody_cancels_anothers(self, provider: Provider) -> None:
        """For others it does not exist."""
        provider.need("chat.schedule_message")
        colleague = provider.need_colleague()
        word = new_word()
        scheduled_id = a_scheduled(provider, word)["scheduled_id"]

        with pytest.raises(ConnectorError):
            provider.do("chat.cancel_scheduled", {"scheduled_id": scheduled_id}, account=colleague)

        assert len(provider.read("chat.list_scheduled", query=word)["scheduled"]) == 1

    def test_a_direct_message_is_scheduled(self, provider: Provider) -> None:
        """It will be read by the two."""
        provider.need("chat.schedule_message")
        colleague = provider.need_colleague()
        at = iso(provider.now() + timedelta(hours=3))

        made = provider.do("chat.schedule_message", {"to": colleague.subject, "text": new_word(), "send_at": at})

        assert set(made["readers"]) == {provider.account.subject, colleague.subject}
        assert made["send_at"] == at

    def test_at_its_moment_it_is_there(self, provider: Provider) -> None:
        """Members read it as any message, said at that moment; then it can no longer be cancelled."""
        provider.need("chat.schedule_message")
        if provider.move_clock is None:
            pytest.skip("the provider's clock cannot be moved on")
        colleague = provider.need_colleague()
        word = new_word()
        made = a_scheduled(provider, word)

        provider.move_clock(timedelta(days=2))

        [message] = provider.of(colleague).read("chat.search", query=word)["messages"]
        assert (message["text"], message["sent_at"]) == (word, made["send_at"])
        assert message["author"] == provider.account.subject
        assert provider.read("chat.list_scheduled", query=word)["scheduled"] == []
        with pytest.raises(ConnectorError):
            provider.do("chat.cancel_scheduled", {"scheduled_id": made["scheduled_id"]})
        assert len(provider.read("chat.search", query=word)["messages"]) == 1

    def test_pages_of_scheduled_messages_join(self, provider: Provider) -> None:
        """The next one first."""
        provider.need("chat.schedule_message")
        channel = provider.do("chat.create_channel", {"name": new_word()})["channel"]
        moments = [iso(provider.now() + timedelta(days=days)) for days in (3, 1, 2)]
        for at in moments:
            a_scheduled(provider, new_word(), channel=channel, send_at=at)

        first = provider.read("chat.list_scheduled", channel=channel, limit=2)
        second = provider.read("chat.list_scheduled", channel=channel, limit=2, cursor=first["next"])

        assert [one["send_at"] for one in first["scheduled"] + second["scheduled"]] == sorted(moments)
        assert second["next"] is None

    @pytest.mark.parametrize("tool", ["chat.schedule_message", "chat.cancel_scheduled"])
    def test_an_approval_holds_until_the_moment(self, provider: Provider, tool: str) -> None:
        """Whoever approves takes for granted that it is still to come; afterwards a precondition says so."""
        provider.need(tool)
        made = a_scheduled(provider, new_word())
        args = {"channel": made["channel"], "text": "Then", "send_at": made["send_at"]}
        if tool == "chat.cancel_scheduled":
            args = {"scheduled_id": made["scheduled_id"]}

        taken = provider.preconditions(tool, args)

        assert not any(provider.check(one) for one in taken)
        assert any(provider.check(one, later=timedelta(days=2)) for one in taken)

    @pytest.mark.parametrize("days", [-1, 121])
    def test_a_moment_that_cannot_be_is_refused(self, provider: Provider, days: int) -> None:
        """In the past, or more than 120 days ahead."""
        provider.need("chat.schedule_message")

        with pytest.raises(InvalidCall):
            a_scheduled(provider, new_word(), send_at=iso(provider.now() + timedelta(days=days)))

    def test_an_unknown_one_is_not_found(self, provider: Provider) -> None:
        """An id that nobody gave out is NotFound."""
        provider.need("chat.schedule_message")

        with pytest.raises(NotFound):
            provider.do("chat.cancel_scheduled", {"scheduled_id": "none"})
