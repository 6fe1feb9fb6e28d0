"""A mail leaves once: what the connector does, and says, after every way in which an attempt can be lost."""

from __future__ import annotations

import base64
import email
import json
import uuid
from email.policy import default
from typing import Any

import pytest

from connectors.errors import InvalidCall, OutcomeUnknown, RateLimited, Unreachable
from connectors.spec import Absent, Done, EffectClass, Unknown
from tests.connectors.google.front import Answer, Loss
from tests.connectors.google.world import COLLEAGUE, ME, World, a_mail

CREATE = r"/drafts$"
SEND = r"/drafts/send$"


def a_key() -> str:
    return uuid.uuid4().hex


def a_letter() -> dict[str, Any]:
    return {"to": [COLLEAGUE], "subject": f"zq{uuid.uuid4().hex[:10]}", "body": "Text."}


def sent(world: World, letter: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.read("mail.search", subject=letter["subject"], label="sent")["messages"]
    return found


def drafts(world: World, letter: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.read("mail.search", subject=letter["subject"], label="draft")["messages"]
    return found


class TestLost:
    @pytest.mark.parametrize("loss", list(Loss))
    def test_a_lost_draft_has_sent_nothing_and_says_so(self, world: World, loss: Loss) -> None:
        """Only an answered draft is sent, so a lost create is no doubt about the mail; the next attempt sends one mail."""
        letter, key = a_letter(), a_key()
        world.front.arm("POST", CREATE, loss)
        posts = world.front.count("POST", CREATE)

        with pytest.raises(Unreachable):
            world.do("mail.send", letter, key)

        assert world.front.count("POST", CREATE) == posts + 1
        assert sent(world, letter) == []
        world.do("mail.send", letter, key)
        assert len(sent(world, letter)) == 1
        assert drafts(world, letter) == []

    def test_a_send_that_did_not_arrive_leaves_its_draft_and_goes_out_once(self, world: World) -> None:
        """One POST, then doubt; the draft that is still there is what the next attempt sends."""
        letter, key = a_letter(), a_key()
        world.front.arm("POST", SEND, Loss.REQUEST)
        posts = world.front.count("POST", SEND)

        with pytest.raises(OutcomeUnknown):
            world.do("mail.send", letter, key)

        assert world.front.count("POST", SEND) == posts + 1
        [draft] = drafts(world, letter)
        assert world.reconcile("mail.send", letter, key) == Absent()
        again = world.do("mail.send", letter, key)
        assert [one["message_id"] for one in sent(world, letter)] == [again["message_id"]]
        assert draft["message_id"] == again["message_id"]

    @pytest.mark.parametrize("loss", [Loss.ANSWER, Loss.HALF])
    def test_a_send_whose_answer_was_lost_is_done(self, world: World, loss: Loss) -> None:
        """The mail is found among the sent ones by the key; the same key is absorbed."""
        letter, key = a_letter(), a_key()
        world.front.arm("POST", SEND, loss)

        with pytest.raises(OutcomeUnknown):
            world.do("mail.send", letter, key)

        found = world.reconcile("mail.send", letter, key)
        assert isinstance(found, Done)
        assert world.do("mail.send", letter, key) == found.result
        assert len(sent(world, letter)) == 1

    def test_a_failure_of_google_during_a_send_is_doubt(self, world: World) -> None:
        """500 on drafts.send may hide a mail that went out, so it is OutcomeUnknown after one POST."""
        letter = a_letter()
        world.front.arm("POST", SEND, Answer(status=500))
        posts = world.front.count("POST", SEND)

        with pytest.raises(OutcomeUnknown):
            world.do("mail.send", letter)

        assert world.front.count("POST", SEND) == posts + 1

    def test_a_draft_that_somebody_sent_by_hand_is_not_sent_again(self, world: World) -> None:
        """Sent in Gmail between two attempts, the mail is found, and its draft is refused a second time."""
        letter, key = a_letter(), a_key()
        world.front.arm("POST", SEND, Loss.REQUEST)
        with pytest.raises(OutcomeUnknown):
            world.do("mail.send", letter, key)
        [draft] = [
            one
            for one in world.ask("GET", "/gmail/v1/users/me/drafts")["drafts"]
            if f"msg_{one['message']['id']}" == drafts(world, letter)[0]["message_id"]
        ]

        world.ask("POST", "/gmail/v1/users/me/drafts/send", json.dumps({"id": draft["id"]}).encode())

        assert isinstance(world.reconcile("mail.send", letter, key), Done)
        world.do("mail.send", letter, key)
        assert len(sent(world, letter)) == 1

    def test_a_draft_that_vanishes_while_it_is_sent_is_doubt(self, world: World) -> None:
        """404 of drafts.send means sent or deleted: never a success, never a reason to write a new draft."""
        letter = a_letter()
        world.front.arm("POST", SEND, Answer(status=404))

        with pytest.raises(OutcomeUnknown):
            world.do("mail.send", letter)

    def test_without_a_trace_it_is_unknown_and_never_absent(self, world: World) -> None:
        """A list that lags must not lead to a second mail: no draft and no sent mail is for a person to look at."""
        assert isinstance(world.reconcile("mail.send", a_letter(), a_key()), Unknown)

    def test_a_sent_mail_counts_more_than_a_draft_left_behind(self, world: World) -> None:
        """With a stray draft of a lost create beside the sent mail the answer is done, and nothing more is sent."""
        letter, key = a_letter(), a_key()
        done = world.do("mail.send", letter, key)
        raw = world.ask("GET", f"/gmail/v1/users/me/messages/{done['message_id'].removeprefix('msg_')}?format=raw")[
            "raw"
        ]
        world.ask("POST", "/gmail/v1/users/me/drafts", json.dumps({"message": {"raw": raw}}).encode())

        found = world.reconcile("mail.send", letter, key)
        again = world.do("mail.send", letter, key)

        assert found == Done(done)
        assert again == done
        assert len(sent(world, letter)) == 1


class TestRefused:
    def test_a_limit_leaves_the_draft_for_the_next_attempt(self, world: World) -> None:
        """RateLimited says how long; the mail goes out from the same draft."""
        letter, key = a_letter(), a_key()
        world.refuse("mail.send", RateLimited)

        with pytest.raises(RateLimited) as caught:
            world.do("mail.send", letter, key)

        assert caught.value.retry_after_s == 7
        assert len(drafts(world, letter)) == 1
        world.do("mail.send", letter, key)
        assert (len(sent(world, letter)), len(drafts(world, letter))) == (1, 0)

    def test_a_mail_refused_for_good_leaves_no_draft(self, world: World) -> None:
        """400 of drafts.send: the mailbox is as before."""
        letter = a_letter()
        world.front.arm("POST", SEND, Answer(status=400, body={"error": {"errors": [{"reason": "invalidArgument"}]}}))

        with pytest.raises(InvalidCall):
            world.do("mail.send", letter)

        assert drafts(world, letter) == []

    @pytest.mark.parametrize(
        "address", ["a@b.example\r\nBcc: c@d.example", "a@b.example, c@d.example", "nobody", "<a@b>"]
    )
    def test_an_address_is_one_address(self, world: World, address: str) -> None:
        """What would become another header, or another recipient, is refused before anything is asked."""
        before = len(world.front.seen)

        with pytest.raises(InvalidCall):
            world.do("mail.send", a_letter() | {"to": [address]})

        assert len(world.front.seen) == before


class TestMessage:
    def test_what_goes_out_carries_the_key_twice_and_the_approved_text(self, world: World) -> None:
        """The key stands in our header and in the Message-ID; a found draft is sent with the text given again."""
        letter, key = a_letter() | {"cc": ["Cc@Example.com"], "bcc": ["bcc@example.com"]}, a_key()
        world.front.arm("POST", SEND, Loss.REQUEST)
        with pytest.raises(OutcomeUnknown):
            world.do("mail.send", letter, key)

        world.do("mail.send", letter, key)

        told = json.loads(world.front.bodies[-1])
        mail = email.message_from_bytes(base64.urlsafe_b64decode(told["message"]["raw"]), policy=default)
        assert mail["X-Deputy-Key"] == key
        assert mail["Message-ID"] == f"<deputy.{key}@example.com>"
        assert (mail["From"], mail["To"], mail["Cc"], mail["Bcc"]) == (
            ME,
            COLLEAGUE,
            "cc@example.com",
            "bcc@example.com",
        )
        assert mail.get_content().strip() == "Text."

    def test_a_reply_names_what_it_answers(self, world: World) -> None:
        """In-Reply-To and References lead to the mail answered, within its thread."""
        message_id = f"<{uuid.uuid4().hex}@example.com>"
        come = world.deliver(a_mail("Plans", Message_ID=message_id, References="<first@example.com>"))

        world.do("mail.reply", {"message_id": f"msg_{come['id']}", "body": "Yes."})

        told = [json.loads(body) for body in world.front.bodies if b'"message"' in body][-1]["message"]
        mail = email.message_from_bytes(base64.urlsafe_b64decode(told["raw"]), policy=default)
        assert told["threadId"] == come["threadId"]
        assert mail["In-Reply-To"] == message_id
        assert mail["References"] == f"<first@example.com> {message_id}"
        assert mail["Subject"] == "Re: Plans"

    def test_long_references_stay_references(self, world: World) -> None:
        """A Message-ID longer than a line is not turned into an encoded word, which no program would find again."""
        long = [f"<{uuid.uuid4().hex * 4}@mail.example.com>" for _ in range(8)]
        headers = {"From": COLLEAGUE, "Message-ID": long[-1], "References": " ".join(long[:-1])}
        told_headers = [{"name": name, "value": value} for name, value in headers.items()]
        come = {"id": "long", "threadId": "t", "payload": {"headers": told_headers}}
        world.front.arm("GET", r"/messages/long$", Answer(status=200, body=come))

        world.do("mail.reply", {"message_id": "msg_long", "body": "Yes."})

        told = [json.loads(body) for body in world.front.bodies if b'"message"' in body][-1]["message"]
        raw = base64.urlsafe_b64decode(told["raw"])
        assert b"=?" not in raw
        assert email.message_from_bytes(raw, policy=default)["References"].split() == long

    def test_odd_names_and_types_of_files_are_made_plain(self, world: World) -> None:
        """What a stranger called a file can neither break a forward nor write a header."""
        part = {
            "partId": "1",
            "filename": "a\r\nBcc: x@y.example\r\n.txt",
            "mimeType": "message/rfc822",
            "body": {"attachmentId": "odd", "size": 3},
        }
        headers = [{"name": "From", "value": COLLEAGUE}, {"name": "Subject", "value": "=?utf-8?q?a=0D=0ABcc=3A_x?="}]
        odd = {"id": "odd", "threadId": "t", "payload": {"headers": headers, "parts": [part]}}
        world.front.arm("GET", r"/messages/odd$", Answer(status=200, body=odd))
        world.front.arm("GET", r"/attachments/odd$", Answer(status=200, body={"data": "b2Rk"}))

        world.do("mail.forward", {"message_id": "msg_odd", "to": [COLLEAGUE]})

        told = [json.loads(body) for body in world.front.bodies if b'"message"' in body][-1]["message"]
        mail = email.message_from_bytes(base64.urlsafe_b64decode(told["raw"]), policy=default)
        [file] = mail.iter_attachments()
        assert mail["Bcc"] is None
        assert mail["Subject"] == "Fwd: a Bcc: x"
        assert (file.get_filename(), file.get_content_type()) == ("a Bcc: x@y.example .txt", "application/octet-stream")

    def test_a_text_that_is_none_is_refused(self, world: World) -> None:
        """Half a sign cannot be written as mail; nothing is asked of Gmail for it but what an earlier attempt left."""
        posts = world.front.count("POST", CREATE)

        with pytest.raises(InvalidCall):
            world.do("mail.send", a_letter() | {"body": "\ud800"})

        assert world.front.count("POST", CREATE) == posts

    def test_attachments_of_received_mail_go_along(self, world: World) -> None:
        """Name, type and bytes arrive as they came; their text can be read."""
        source = a_mail("Slides")
        source.add_attachment("Eins, zwei – drei.", filename="fünf.txt")
        source.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename="six.pdf")
        come = world.read("mail.get_message", message_id=f"msg_{world.deliver(source)['id']}")
        pairs = [
            {"message_id": come["message_id"], "attachment_id": one["attachment_id"]} for one in come["attachments"]
        ]

        made = world.do("mail.send", a_letter() | {"attachments": pairs})

        copy = world.read("mail.get_message", message_id=made["message_id"])
        texts = [
            world.read("mail.get_attachment", message_id=made["message_id"], attachment_id=one["attachment_id"])["text"]
            for one in copy["attachments"]
        ]
        assert [one["mime"] for one in copy["attachments"]] == ["text/plain", "application/pdf"]
        assert texts[0].strip() == "Eins, zwei – drei."
        assert texts[1] is None


def test_classes_say_what_gmail_gives(world: World) -> None:
    """Sends are keyed by their draft; a draft itself is not."""
    classes = {spec.name: spec.effect_class for spec in world.connector.tools()}

    assert {classes[name] for name in ("mail.send", "mail.reply", "mail.forward")} == {EffectClass.KEYED}
    assert classes["mail.create_draft"] is EffectClass.UNKEYED


FAULTS = (None, Loss.REQUEST, Loss.ANSWER, Answer(status=500))


@pytest.mark.parametrize("second", FAULTS[:3], ids=str)
@pytest.mark.parametrize("first", FAULTS, ids=lambda one: str(getattr(one, "status", one)))
@pytest.mark.parametrize("create", FAULTS[:3], ids=lambda one: str(getattr(one, "status", one)))
def test_whatever_is_lost_one_mail_leaves(
    world: World, create: Loss | Answer | None, first: Loss | Answer | None, second: Loss | Answer | None
) -> None:
    """Retried as the gate retries (after a refusal, or after absent), every order of losses ends with one mail, and none in doubt."""
    letter, key = a_letter(), a_key()
    for path, fault in ((CREATE, create), (SEND, first), (SEND, second)):
        if fault is not None:
            world.front.arm("POST", path, fault)

    ended = None
    for _ in range(6):
        try:
            ended = world.do("mail.send", letter, key)
            break
        except Unreachable:
            continue
        except OutcomeUnknown:
            found = world.reconcile("mail.send", letter, key)
            assert not isinstance(found, Unknown)
            if isinstance(found, Done):
                ended = found.result
                break

    [mail] = sent(world, letter)
    assert ended == {"message_id": mail["message_id"], "thread_id": mail["thread_id"]}
