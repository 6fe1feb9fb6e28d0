"""The mail family: searching, threads, answering, labels, and who sees what."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.conformance.examples import a_mail
from connectors.conformance.provider import Provider, iso, new_word
from connectors.errors import InvalidCall, NotFound


def _ids(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [message["message_id"] for message in answer["messages"]]


class TestMail:
    family = "mail"

    def test_pages_join_to_the_whole_list_in_both_orders(self, provider: Provider) -> None:
        """Walking the pages meets every message once; oldest first is newest first turned round."""
        provider.need("mail")
        word = new_word()
        for number in range(5):
            a_mail(provider, f"{word} {number}")
        newest = _ids(provider.read("mail.search", query=word))

        walked: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = provider.read("mail.search", query=word, limit=2, **cursor)
            walked += _ids(page)
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}

        assert len(newest) == 5
        assert walked == newest
        assert _ids(provider.read("mail.search", query=word, order="oldest")) == newest[::-1]

    def test_a_foreign_cursor_is_refused(self, provider: Provider) -> None:
        """A cursor that is none of this list is InvalidCall."""
        provider.need("mail")

        with pytest.raises(InvalidCall):
            provider.read("mail.search", cursor="nonsense")

    def test_search_knows_its_conditions(self, provider: Provider) -> None:
        """Each condition finds a mail it fits and leaves it out otherwise."""
        provider.need("mail")
        word = new_word()
        mail = a_mail(provider, word)
        me = provider.account.subject
        hour = timedelta(hours=1)

        def finds(**args: object) -> bool:
            return mail["message_id"] in _ids(provider.read("mail.search", query=word, **args))

        assert finds(**{"from": me, "to": me, "participant": me})
        assert not finds(**{"from": provider.outsider})
        assert not finds(to=provider.outsider)
        assert not finds(participant=provider.outsider)
        assert finds(subject=word)
        assert not finds(subject="text")
        assert finds(since=iso(provider.now() - hour))
        assert not finds(since=iso(provider.now() + hour))
        assert finds(until=iso(provider.now() + hour))
        assert not finds(until=iso(provider.now() - hour))
        assert finds(thread_id=mail["thread_id"])
        assert not finds(thread_id="thr_none")
        assert finds(has_attachment=False)
        assert not finds(has_attachment=True)

    def test_a_reply_stays_in_the_thread_and_answers_it(self, provider: Provider) -> None:
        """What the colleague wrote waits on me until I reply; then it waits on the colleague."""
        provider.need("mail")
        colleague = provider.need_colleague()
        word = new_word()
        provider.do("mail.send", {"to": [provider.account.subject], "subject": word, "body": "?"}, account=colleague)
        [waiting] = provider.read("mail.search", subject=word, unanswered=True)["messages"]

        reply = provider.do("mail.reply", {"message_id": waiting["message_id"], "body": "Yes."})

        thread = provider.read("mail.get_thread", thread_id=waiting["thread_id"])
        assert reply["thread_id"] == waiting["thread_id"]
        assert reply["to"] == [colleague.subject]
        assert [message["from"] for message in thread["messages"]] == [colleague.subject, provider.account.subject]
        assert provider.read("mail.search", subject=word, unanswered=True)["messages"] == []
        [mine] = provider.read("mail.search", subject=word, awaiting_reply=True)["messages"]
        assert mine["message_id"] == reply["message_id"]
        [theirs] = provider.of(colleague).read("mail.search", subject=word, unanswered=True)["messages"]
        assert theirs["from"] == provider.account.subject

    def test_reply_all_reaches_everybody_but_me(self, provider: Provider) -> None:
        """To is the author, Cc the other readers, and my own address appears in neither."""
        provider.need("mail")
        colleague = provider.need_colleague()
        word = new_word()
        to = [provider.account.subject, provider.outsider]
        provider.do("mail.send", {"to": to, "subject": word, "body": "?"}, account=colleague)
        [mail] = provider.read("mail.search", subject=word)["messages"]

        reply = provider.do("mail.reply", {"message_id": mail["message_id"], "body": "!", "reply_all": True})

        assert (reply["to"], reply["cc"]) == ([colleague.subject], [provider.outsider])

    def test_another_mailbox_is_closed(self, provider: Provider) -> None:
        """A mail that was not sent to an account does not exist for it; a draft exists for its author alone."""
        provider.need("mail")
        colleague = provider.need_colleague()
        word = new_word()
        mail = a_mail(provider, word)
        draft = provider.do("mail.create_draft", {"to": [colleague.subject], "subject": word, "body": "Text."})

        assert provider.of(colleague).read("mail.search", query=word)["messages"] == []
        for message_id in (mail["message_id"], draft["draft_id"]):
            with pytest.raises(NotFound):
                provider.of(colleague).read("mail.get_message", message_id=message_id)

    def test_labels_come_and_go(self, provider: Provider) -> None:
        """Adding, removing, archiving, marking and deleting show in the header and in searches."""
        provider.need("mail")
        word = new_word()
        message_id = a_mail(provider, word)["message_id"]

        labelled = provider.do("mail.update_labels", {"message_id": message_id, "add": ["travel"]})
        unread = provider.do("mail.mark_read", {"message_id": message_id, "read": False})
        plain = provider.do("mail.update_labels", {"message_id": message_id, "remove": ["travel", "unread"]})
        deleted = provider.do("mail.delete", {"message_id": message_id})

        assert "travel" in labelled["labels"]
        assert unread["unread"] is True
        assert "unread" in unread["labels"]
        assert plain["unread"] is False
        assert "travel" not in plain["labels"]
        assert "trash" in deleted["labels"]
        assert provider.read("mail.search", query=word)["messages"] == []
        assert len(provider.read("mail.search", query=word, label="trash")["messages"]) == 1

    def test_a_forward_carries_text_and_attachments(self, provider: Provider) -> None:
        """The forwarded mail has the words and as many attachments as the original."""
        provider.need("mail")
        found = provider.read("mail.search", has_attachment=True)["messages"]
        if not found:
            pytest.skip("the mailbox has no attachment to forward")
        original = provider.read("mail.get_message", message_id=found[0]["message_id"])

        sent = provider.do("mail.forward", {"message_id": original["message_id"], "to": [provider.outsider]})

        copy = provider.read("mail.get_message", message_id=sent["message_id"])
        assert original["body"] in copy["body"]
        assert [one["name"] for one in copy["attachments"]] == [one["name"] for one in original["attachments"]]

    def test_the_automatic_reply_is_what_was_set(self, provider: Provider) -> None:
        """Set, read, cleared."""
        provider.need("mail.set_auto_reply", "mail.get_auto_reply", "mail.clear_auto_reply")
        start, end = provider.now(), provider.now() + timedelta(days=3)
        args = {"start": iso(start), "end": iso(end), "subject": "Away", "body": "Back soon.", "audience": "everyone"}

        provider.do("mail.set_auto_reply", args)
        during = provider.read("mail.get_auto_reply")
        provider.do("mail.clear_auto_reply", {})

        assert during["enabled"] is True
        assert {name: during[name] for name in args} == args
        assert provider.read("mail.get_auto_reply")["enabled"] is False

    @pytest.mark.parametrize("tool", ["mail.reply", "mail.forward"])
    def test_a_newer_message_breaks_an_approved_answer(self, provider: Provider, tool: str) -> None:
        """An answer takes for granted that nothing newer came into the thread."""
        provider.need("mail")
        mail = a_mail(provider, new_word())
        args = {"message_id": mail["message_id"], "body": "Text."} | (
            {"to": [provider.outsider]} if tool == "mail.forward" else {}
        )
        taken = provider.preconditions(tool, args)

        provider.do("mail.reply", {"message_id": mail["message_id"], "body": "Wait."})

        assert any(provider.check(one) is not None for one in taken)
