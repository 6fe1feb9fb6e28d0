"""Following a mailbox, the automatic reply, and what an approval takes for granted."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from connectors.errors import InvalidCall, OutcomeUnknown
from connectors.google.gmail_values import write_cursor
from connectors.spec import Absent, Changes, Done
from tests.connectors.google.front import Answer, Loss
from tests.connectors.google.world import COLLEAGUE, World, a_mail

NOT_FOUND = Answer(status=404, body={"error": {"code": 404, "errors": [{"reason": "notFound"}]}})


def follow(world: World, cursor: str | None) -> Changes:
    return asyncio.run(world.connector.changes("mail", account=world.account, cursor=cursor))


def begin(world: World) -> str:
    """The emulator has no getProfile, which is where history begins; the newest message's history id is the same place."""
    message = world.deliver(a_mail("Mark"))
    profile = Answer(status=200, body={"emailAddress": "x", "historyId": message["historyId"]})
    world.front.arm("GET", r"/profile$", profile)
    return follow(world, None).cursor


class TestFollowing:
    def test_a_new_mail_is_reported_once(self, world: World) -> None:
        """Since the cursor, and not again since the next one; drafts are nobody's news."""
        cursor = begin(world)
        come = world.deliver(a_mail(f"zq{uuid.uuid4().hex}"))
        world.do("mail.create_draft", {"to": [COLLEAGUE], "subject": "Draft", "body": "…"})

        page = follow(world, cursor)
        after = follow(world, page.cursor)

        [change] = page.changes
        assert (change.change_id, change.kind) == (f"msg_{come['id']}", "message")
        assert change.record["message_id"] == f"msg_{come['id']}"
        assert list(after.changes) == []
        assert not page.is_resync

    def test_an_expired_history_is_answered_with_what_came_since(self, world: World) -> None:
        """404: what came since about then is listed again, from a cursor taken before."""
        cursor = begin(world)
        come = world.deliver(a_mail(f"zq{uuid.uuid4().hex}"))
        world.front.arm("GET", r"/history$", NOT_FOUND)
        world.front.arm("GET", r"/profile$", Answer(status=200, body={"historyId": come["historyId"]}))

        page = follow(world, cursor)

        assert page.is_resync
        assert f"msg_{come['id']}" in [one.change_id for one in page.changes]
        assert list(follow(world, page.cursor).changes) == []

    def test_pages_of_history_are_walked(self, world: World) -> None:
        """With a next page the cursor stays at the same history and asks for that page."""
        cursor = begin(world)
        one, two = (world.deliver(a_mail(f"zq{uuid.uuid4().hex}")) for _ in range(2))
        first = {"history": [{"messagesAdded": [{"message": {"id": one["id"]}}]}], "nextPageToken": "p2"}
        second = {"history": [{"messagesAdded": [{"message": {"id": two["id"]}}]}], "historyId": "999"}
        world.front.arm("GET", r"/history$", Answer(status=200, body=first))
        world.front.arm("GET", r"/history$", Answer(status=200, body=second))

        page = follow(world, cursor)
        rest = follow(world, page.cursor)

        assert page.more
        assert [change.change_id for change in (*page.changes, *rest.changes)] == [
            f"msg_{one['id']}",
            f"msg_{two['id']}",
        ]
        assert not rest.more
        history = [
            asked for (_, path), asked in zip(world.front.seen, world.front.queries, strict=True) if "history" in path
        ]
        assert history[-1]["pageToken"] == ["p2"]

    def test_waiting_ends_with_news(self, world: World) -> None:
        """And without news at the latest when it is told to."""
        cursor = begin(world)
        asyncio.run(world.connector.wait("mail", account=world.account, cursor=cursor, at_most_s=0.01))
        world.deliver(a_mail("News"))

        asyncio.run(
            asyncio.wait_for(world.connector.wait("mail", account=world.account, cursor=cursor, at_most_s=60), 10)
        )

    @pytest.mark.parametrize("cursor", ["nonsense", write_cursor(["x", 1, ""]), write_cursor([1])])
    def test_a_foreign_cursor_is_refused(self, world: World, cursor: str) -> None:
        """InvalidCall, nothing guessed."""
        with pytest.raises(InvalidCall):
            follow(world, cursor)


class TestAutomaticReply:
    """The emulator lacks vacation settings: Gmail's answers are given as its discovery document has them."""

    def test_what_is_set_is_what_gmail_is_told(self, world: World) -> None:
        """One PUT; times in milliseconds as text; colleagues only is restrictToDomain."""
        start = datetime.now(UTC).replace(microsecond=0)
        args = {
            "start": start.isoformat(),
            "end": (start + timedelta(days=2)).isoformat(),
            "subject": "Away",
            "body": "Back soon.",
            "audience": "inside",
        }
        world.front.arm("PUT", r"/settings/vacation$", Answer(status=200, body={}))

        answer = world.do("mail.set_auto_reply", args)

        told = json.loads(world.front.bodies[-1])
        assert answer == {"enabled": True, **args}
        assert told == {
            "enableAutoReply": True,
            "startTime": str(int(start.timestamp()) * 1000),
            "endTime": str(int((start + timedelta(days=2)).timestamp()) * 1000),
            "responseSubject": "Away",
            "responseBodyPlainText": "Back soon.",
            "restrictToDomain": True,
            "restrictToContacts": False,
        }

    def test_a_lost_setting_is_looked_up(self, world: World) -> None:
        """Done where Gmail has it as it was asked, absent where it has not."""
        start = datetime.now(UTC).replace(microsecond=0)
        end = start + timedelta(days=2)
        args = {
            "start": start.isoformat(),
            "end": end.isoformat(),
            "subject": "Away",
            "body": "Back.",
            "audience": "everyone",
        }
        told = {
            "enableAutoReply": True,
            "startTime": str(int(start.timestamp()) * 1000),
            "endTime": str(int(end.timestamp()) * 1000),
            "responseSubject": "Away",
            "responseBodyPlainText": "Back.",
        }
        world.front.arm("PUT", r"/settings/vacation$", Loss.REQUEST)
        with pytest.raises(OutcomeUnknown):
            world.do("mail.set_auto_reply", args)

        world.front.arm("GET", r"/settings/vacation$", Answer(status=200, body=told))
        there = world.reconcile("mail.set_auto_reply", args, uuid.uuid4().hex)
        world.front.arm("GET", r"/settings/vacation$", Answer(status=200, body={"enableAutoReply": False}))
        gone = world.reconcile("mail.set_auto_reply", args, uuid.uuid4().hex)

        assert there == Done({"enabled": True, **args})
        assert gone == Absent()

    def test_one_that_has_ended_is_none(self, world: World) -> None:
        """Gmail keeps it switched on after its end."""
        told = {"enableAutoReply": True, "startTime": "1000", "endTime": "2000", "responseSubject": "Away"}
        world.front.arm("GET", r"/settings/vacation$", Answer(status=200, body=told))

        assert world.read("mail.get_auto_reply")["enabled"] is False

    def test_clearing_switches_it_off(self, world: World) -> None:
        """One PUT that says no more than that."""
        world.front.arm("PUT", r"/settings/vacation$", Answer(status=200, body={}))

        assert world.do("mail.clear_auto_reply", {})["enabled"] is False
        assert json.loads(world.front.bodies[-1]) == {"enableAutoReply": False}


class TestConditions:
    def test_an_answer_takes_for_granted_that_nobody_wrote_again(self, world: World) -> None:
        """A newer mail of the same author, in another thread, breaks it; the sentence names them."""
        sender = f"zq{uuid.uuid4().hex[:8]}@example.com"
        come = world.deliver(a_mail("Question", sender=f"Cleo <{sender}>"))
        args = {"message_id": f"msg_{come['id']}", "body": "Yes."}
        now = datetime.now(UTC)

        taken = asyncio.run(world.connector.preconditions("mail.reply", args, account=world.account, now=now))
        world.deliver(a_mail("Never mind", sender=f"Cleo <{sender}>"))
        broken = [asyncio.run(world.connector.check(one, account=world.account, now=now)) for one in taken]

        assert [one.text for one in taken] == ["No newer message in “Question”", "Nothing newer to you from Cleo"]
        assert broken == [None, "Cleo has written again"]
