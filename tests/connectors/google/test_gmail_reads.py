"""Searching and reading Gmail: what waits for an answer, words that look like operators, HTML, folded headers, odd ids."""

from __future__ import annotations

import uuid
from email.message import EmailMessage
from typing import Any

import pytest

from connectors.errors import InvalidCall, NotFound, OutcomeUnknown
from connectors.spec import Absent
from tests.connectors.google.front import Answer, Loss
from tests.connectors.google.world import COLLEAGUE, ME, World, a_mail


def a_word() -> str:
    return f"zq{uuid.uuid4().hex[:12]}"


def ids(world: World, **args: Any) -> list[str]:
    return [one["message_id"] for one in world.read("mail.search", **args)["messages"]]


class TestWaiting:
    def test_a_mail_waits_until_i_answer_and_then_i_wait(self, world: World) -> None:
        """Unanswered is the newest word of a thread, to me; my reply turns it round."""
        word = a_word()
        come = f"msg_{world.deliver(a_mail(word))['id']}"

        before = (ids(world, subject=word, unanswered=True), ids(world, subject=word, awaiting_reply=True))
        reply = world.do("mail.reply", {"message_id": come, "body": "Yes."})
        after = (ids(world, subject=word, unanswered=True), ids(world, subject=word, awaiting_reply=True))

        assert before == ([come], [])
        assert after == ([], [reply["message_id"]])
        assert ids(world, subject=word, unanswered=False) == [reply["message_id"], come]

    @pytest.mark.parametrize(
        "mail",
        [
            a_mail("x", Auto_Submitted="auto-generated"),  # RFC 3834: an invitation, a receipt
            a_mail("x", List_Unsubscribe="<https://news.example>"),  # a newsletter
            a_mail("x", Precedence="bulk"),
            a_mail("x", sender="no-reply@shop.example"),
        ],
    )
    def test_what_a_machine_wrote_waits_for_nobody(self, world: World, mail: EmailMessage) -> None:
        """The emulator keeps no such headers, so the message is given as Gmail would."""
        told = [{"name": name, "value": str(value)} for name, value in mail.items()]
        message = {
            "id": "m1",
            "threadId": "t1",
            "labelIds": ["INBOX"],
            "internalDate": "1790000000000",
            "payload": {"mimeType": "text/plain", "headers": told},
        }
        world.front.arm("GET", r"/messages$", Answer(status=200, body={"messages": [{"id": "m1", "threadId": "t1"}]}))
        world.front.arm("GET", r"/messages/m1$", Answer(status=200, body=message))
        world.front.arm("GET", r"/threads/t1$", Answer(status=200, body={"id": "t1", "messages": [message]}))

        assert ids(world, unanswered=True) == []

    def test_a_mail_to_others_waits_for_them(self, world: World) -> None:
        """In copy only, or not to me at all: not mine to answer."""
        word = a_word()
        world.deliver(a_mail(word, to="team@example.com", Cc=ME))

        assert ids(world, subject=word, unanswered=True) == []

    def test_a_draft_of_mine_is_no_answer(self, world: World) -> None:
        """Only what was sent counts as the newest word."""
        word = a_word()
        come = f"msg_{world.deliver(a_mail(word))['id']}"

        world.do("mail.create_draft", {"to": [COLLEAGUE], "subject": f"Re: {word}", "body": "…", "reply_to": come})

        assert ids(world, subject=word, unanswered=True) == [come]


class TestSearch:
    def test_words_are_never_operators(self, world: World) -> None:
        """A query is words to find: it reaches Gmail quoted where it could mean more."""
        world.front.arm("GET", r"/messages$", Answer(status=200, body={}))

        assert ids(world, query='in:trash OR -"budget" {x}') == []

        asked = world.front.queries[-1]
        assert asked["q"] == ['"in:trash" "or" "-budget" "{x}"']
        assert asked["includeSpamTrash"] == ["false"]

    def test_what_gmail_finds_is_held_against_the_message(self, world: World) -> None:
        """Gmail's from: also finds parts of names; an address is an address."""
        word = a_word()
        world.deliver(a_mail(word, sender="Bob <notbob@example.com>"))
        mine = f"msg_{world.deliver(a_mail(word))['id']}"

        assert ids(world, subject=word, **{"from": "bob@example.com"}) == [mine]

    @pytest.mark.parametrize("order", ["newest", "oldest"])
    def test_a_thread_is_listed_in_both_orders_page_by_page(self, world: World, order: str) -> None:
        """Cursors of a thread walk all of it once."""
        word = a_word()
        first = world.deliver(a_mail(word))
        thread_id = f"thr_{first['threadId']}"
        for _ in range(4):
            world.do("mail.reply", {"message_id": f"msg_{first['id']}", "body": "More."})

        walked: list[str] = []
        page = world.read("mail.search", thread_id=thread_id, order=order, limit=2)
        while True:
            walked += [one["message_id"] for one in page["messages"]]
            if page["next"] is None:
                break
            page = world.read("mail.search", thread_id=thread_id, order=order, limit=2, cursor=page["next"])

        oldest_first = walked if order == "oldest" else walked[::-1]
        assert len(walked) == 5
        assert oldest_first[0] == f"msg_{first['id']}"
        assert len(set(walked)) == 5

    def test_a_label_nobody_made_finds_nothing(self, world: World) -> None:
        """And asks Gmail for no list at all."""
        before = world.front.count("GET", r"/messages$")

        assert ids(world, label="nowhere") == []
        assert world.front.count("GET", r"/messages$") == before

    def test_a_label_is_found_by_its_name(self, world: World) -> None:
        """Labels of the account go by name in both directions, in any case."""
        come = world.deliver(a_mail(a_word()), labels=("INBOX", "Label_ops"))

        [found] = world.read("mail.search", label="ops/review")["messages"]

        assert found["message_id"] == f"msg_{come['id']}"
        assert found["labels"] == ["inbox", "Ops/Review"]


class TestMessages:
    def test_html_is_read_as_its_words(self, world: World) -> None:
        """Without a plain part: no tags, no style, a line for each block."""
        mail = a_mail(a_word())
        mail.clear_content()
        mail.set_content("<html><head><style>p{}</style></head><body><p>One &amp; two</p><p>three</p></body>", "html")

        read = world.read("mail.get_message", message_id=f"msg_{world.deliver(mail)['id']}")

        assert read["body"].split() == ["One", "&", "two", "three"]
        assert "\n" in read["body"]

    def test_headers_are_decoded_and_addresses_lowered(self, world: World) -> None:
        """Encoded words (RFC 2047), names with commas, several addresses."""
        headers = [
            {"name": "From", "value": "=?utf-8?q?J=C3=BCrgen?= <Juergen@Example.COM>"},
            {"name": "To", "value": '"Doe, Jane" <JANE@example.com>, bob@example.com'},
            {"name": "Subject", "value": "=?utf-8?b?R3LDvMOfZQ==?="},
        ]
        message = {"id": "m2", "threadId": "t2", "internalDate": "1790000000999", "payload": {"headers": headers}}
        world.front.arm("GET", r"/messages/m2$", Answer(status=200, body=message))

        read = world.read("mail.get_message", message_id="msg_m2")

        assert (read["from"], read["from_name"], read["subject"]) == ("juergen@example.com", "Jürgen", "Grüße")
        assert read["to"] == ["jane@example.com", "bob@example.com"]
        assert read["labels"] == ["archive"]
        assert read["sent_at"] == "2026-09-21T14:13:20+00:00"

    def test_a_name_never_becomes_an_address(self, world: World) -> None:
        """An encoded word that holds an address and a comma is a name still."""
        spoofed = "=?utf-8?q?boss=40example.com=2C?= <stranger@outside.example>"
        message = {"id": "m4", "threadId": "t4", "payload": {"headers": [{"name": "From", "value": spoofed}]}}
        world.front.arm("GET", r"/messages/m4$", Answer(status=200, body=message))

        read = world.read("mail.get_message", message_id="msg_m4")

        assert (read["from"], read["from_name"]) == ("stranger@outside.example", "boss@example.com,")

    def test_a_large_text_is_fetched_apart(self, world: World) -> None:
        """Gmail gives long bodies by attachment id; the text is the same."""
        part = {"mimeType": "text/plain", "filename": "", "body": {"attachmentId": "long", "size": 4}}
        message = {"id": "m3", "threadId": "t3", "internalDate": "0", "payload": part}
        world.front.arm("GET", r"/messages/m3$", Answer(status=200, body=message))
        world.front.arm("GET", r"/attachments/long$", Answer(status=200, body={"size": 4, "data": "bG9uZw"}))

        assert world.read("mail.get_message", message_id="msg_m3")["body"] == "long"

    def test_a_reply_knows_what_it_answers(self, world: World) -> None:
        """in_reply_to is the id of the message here, not a header."""
        come = world.deliver(a_mail(a_word(), Message_ID=f"<{uuid.uuid4().hex}@example.com>"))
        reply = world.do("mail.reply", {"message_id": f"msg_{come['id']}", "body": "Yes."})

        alone = world.read("mail.get_message", message_id=reply["message_id"])
        thread = world.read("mail.get_thread", thread_id=reply["thread_id"])

        assert alone["in_reply_to"] == f"msg_{come['id']}"
        assert [one["in_reply_to"] for one in thread["messages"]] == [None, f"msg_{come['id']}"]

    @pytest.mark.parametrize("message_id", ["msg_none", "none", "msg_", "msg_../../drafts", "thr_x"])
    def test_what_cannot_be_an_id_is_not_found(self, world: World, message_id: str) -> None:
        """Also where Gmail itself calls it an invalid argument."""
        with pytest.raises(NotFound):
            world.read("mail.get_message", message_id=message_id)

    def test_an_id_that_gmail_calls_invalid_is_not_found(self, world: World) -> None:
        """400 of a read by id."""
        world.front.arm("GET", r"/messages/zz$", Answer(status=400, body={"error": {"code": 400}}))

        with pytest.raises(NotFound):
            world.read("mail.get_message", message_id="msg_zz")


class TestLabels:
    def test_an_archived_mail_leaves_the_inbox_and_comes_back(self, world: World) -> None:
        """Archive, delete, and inbox again."""
        message_id = f"msg_{world.deliver(a_mail(a_word()))['id']}"

        archived = world.do("mail.archive", {"message_id": message_id})
        deleted = world.do("mail.delete", {"message_id": message_id})
        back = world.do("mail.update_labels", {"message_id": message_id, "add": ["inbox"], "remove": ["unread"]})

        assert archived["labels"] == ["archive", "unread"]
        assert "trash" in deleted["labels"]
        assert back["labels"] == ["inbox"]

    def test_a_change_that_did_not_arrive_is_absent(self, world: World) -> None:
        """The mailbox itself says so."""
        for tool in ("mail.archive", "mail.mark_read"):
            call = {"message_id": f"msg_{world.deliver(a_mail(a_word()))['id']}"}
            world.lose(Loss.REQUEST)(tool)
            with pytest.raises(OutcomeUnknown):
                world.do(tool, call)

            assert world.reconcile(tool, call, uuid.uuid4().hex) == Absent()

    @pytest.mark.parametrize("args", [{}, {"add": ["sent"]}, {"add": ["draft"]}])
    def test_labels_that_gmail_gives_itself_are_refused(self, world: World, args: dict[str, Any]) -> None:
        """Nothing named, or a label that follows from sending."""
        message_id = f"msg_{world.deliver(a_mail(a_word()))['id']}"

        with pytest.raises(InvalidCall):
            world.do("mail.update_labels", {"message_id": message_id, **args})
