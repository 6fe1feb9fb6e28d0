"""A channel gets the answer that each of its members could have read; any other goes to whoever asked, and the channel is told so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.surfaces.slack_bot import identity
from tests.e2e.place import Place
from tests.services.emulate import Emulate
from tests.slack.relay import Relay
from tests.slack.running import Door
from tests.slack.scene import Scene
from tests.slack.workspace import words

MOVED = "not everybody here may read"
WRITTEN = """\
name: what-was-written
version: 1.0.0
title: What was written about the orchard
description: Subjects of the mails about the orchard.
examples:
  - What was written about the orchard
near_misses:
  - Write about the orchard
grant: []
slots: {}
steps:
  - id: found
    call: mail.search
    args: {query: orchard}
    says: I look.
text: |-
  These were written:
  {% for mail in found.messages %}
  - {{ mail.subject }}
  {% endfor %}
output:
  mails: "{{ found.messages }}"
"""


class Asking:
    """A scene behind a relay, with a private channel of the asker and a colleague."""

    def __init__(self, scene: Scene, relay: Relay) -> None:
        self.scene, self.relay, self.workspace = scene, relay, scene.workspace
        colleagues = [one for one in scene.place.desk.people() if one["inside"] and one["address"] != scene.me]
        self.colleague, self.third = colleagues[0], colleagues[1]
        self.channel = self.make("quiet", is_private=True)
        self.ts = ""

    def make(self, name: str, *, is_private: bool) -> str:
        made = self.workspace.call("conversations.create", name=name, is_private=str(is_private).lower())
        channel = str(made["channel"]["id"])
        self.invite(channel, self.scene.me, str(self.colleague["address"]))
        return channel

    def invite(self, channel: str, *people: str) -> None:
        ids = ",".join(self.workspace.users[one] for one in people)
        self.workspace.call("conversations.invite", channel=channel, users=ids)

    def ask(self, request: str, *, channel: str = "") -> dict[str, Any]:
        """What stands in the channel once the work is done."""
        where = channel or self.channel
        self.ts = self.workspace.say(where, "a thread")
        text = f"<@{self.workspace.bot}> {request}"
        self.scene.slack.said(self.scene.me, text, channel=where, thread=self.ts, ts=self.ts, kind="app_mention")
        self.scene.asked(len(self.scene.items()) + 1)
        self.scene.settled()
        self.scene.place.work()
        return self.scene.seen(where, "Done", self.ts)

    def in_private(self, word: str) -> dict[str, Any]:
        return self.scene.seen(self.scene.direct, word)

    def free(self) -> str:
        return f"Find 45 minutes for {self.colleague['name']} and me"


@pytest.fixture
def asking(place: Place, slack: Emulate) -> Iterator[Asking]:
    with Relay(slack.url) as relay, Door(place, relay.url) as door:
        yield Asking(Scene(place, door), relay)


def test_free_times_of_colleagues_are_told_where_they_were_asked(asking: Asking) -> None:
    """Each member could have asked the calendar the same; in a private channel, and in a public one of colleagues."""
    quiet = asking.ask(asking.free())
    loud = asking.ask(asking.free(), channel=asking.make("loud", is_private=False))

    for told in (quiet, loud):
        assert "are all free for 45 minutes" in words(told)
        assert MOVED not in words(told)
    assert not [one for one in asking.workspace.messages(asking.scene.direct) if "are all free" in words(one)]


def test_an_outsider_of_whom_nothing_was_seen_closes_nothing(asking: Asking) -> None:
    """The answer says that their calendar cannot be seen, which every colleague would be told."""
    outside = next(one for one in asking.scene.place.desk.people() if not one["inside"])
    told = asking.ask(f"Find 45 minutes for {outside['name']} and me")

    (read,) = asking.scene.place.steps({"item_id": asking.scene.asked()[0]}, "read")
    assert read["body"]["result"]["unknown"] == [outside["address"]]
    assert "I cannot see the calendar" in words(told)


@pytest.fixture
def letters(asking: Asking) -> Asking:
    folder = asking.scene.place.home / "workflows"
    folder.mkdir(exist_ok=True)
    (folder / "what-was-written.yaml").write_text(WRITTEN)
    return asking


def write(asking: Asking, subject: str, *others: str) -> None:
    asking.scene.place.office.add_mail(
        author=str(asking.colleague["address"]), to=[asking.scene.me, *others], subject=subject, body="The orchard."
    )


def test_a_mail_that_a_member_is_not_on_is_answered_in_private(letters: Asking) -> None:
    """One mail among all of the members, one without the third: the second moves the whole answer."""
    letters.invite(letters.channel, str(letters.third["address"]))
    write(letters, "Apples for all", str(letters.third["address"]))
    first = letters.ask("What was written about the orchard")
    write(letters, "Pears for one")
    second = letters.ask("What was written about the orchard")

    assert "Apples for all" in words(first)
    assert MOVED in words(second)
    assert "Apples for all" not in words(second)
    assert "Pears for one" not in words(second)
    assert "Apples for all" in words(letters.in_private("Pears for one"))


def test_a_mail_among_its_readers_is_not_told_where_everybody_may_come_in(letters: Asking) -> None:
    """A public channel is read by whoever of the house comes by later."""
    write(letters, "Pears for one")

    told = letters.ask("What was written about the orchard", channel=letters.make("loud", is_private=False))

    assert MOVED in words(told)
    assert "Pears for one" not in words(told)
    letters.in_private("Pears for one")


def test_a_guest_in_the_channel_moves_the_answer(asking: Asking) -> None:
    """A guest is of the workspace and has an address of the house, and is no colleague."""
    guest = asking.workspace.users[str(asking.colleague["address"])]

    def as_guest(answer: dict[str, Any], form: dict[str, str]) -> dict[str, Any]:
        if form.get("user") == guest:
            answer["user"]["is_restricted"] = True
        return answer

    asking.relay.changes["users.info"] = as_guest
    told = asking.ask(asking.free())

    assert MOVED in words(told)
    asking.in_private("are all free for 45 minutes")


@pytest.mark.parametrize("method", ["conversations.info", "conversations.members", "users.info"])
def test_members_that_cannot_be_told_move_the_answer(asking: Asking, method: str) -> None:
    """Slack refuses, or does not know: nobody is left out of the count."""
    colleague = asking.workspace.users[str(asking.colleague["address"])]

    def refuse(answer: dict[str, Any], form: dict[str, str]) -> dict[str, Any]:
        about = form.get("channel") == asking.channel or form.get("user") == colleague
        return {"ok": False, "error": "internal_error"} if about else answer

    asking.relay.changes[method] = refuse
    told = asking.ask(asking.free())

    assert method in asking.relay.calls
    assert MOVED in words(told)
    asking.in_private("are all free for 45 minutes")


def test_a_shared_channel_moves_the_answer(asking: Asking) -> None:
    """People of other organisations read along, whom nobody here can name."""

    def shared(answer: dict[str, Any], _: dict[str, str]) -> dict[str, Any]:
        return {**answer, "channel": {**answer["channel"], "is_ext_shared": True}}

    asking.relay.changes["conversations.info"] = shared

    assert MOVED in words(asking.ask(asking.free()))


def test_a_public_channel_is_summed_up_where_it_was_asked(asking: Asking) -> None:
    """Every colleague reads it; what stands in a private one is its members'."""
    office = asking.scene.place.office
    office.add_message(channel="#general", author=str(asking.colleague["address"]), text="We decided to plant pears.")
    told = asking.ask("What was decided in #general this week?")

    assert "plant pears" in words(told)
    assert not [one for one in asking.workspace.messages(asking.scene.direct) if "plant pears" in words(one)]


def test_many_members_are_known_by_the_list_of_users(asking: Asking) -> None:
    """Whoever is asked about one by one costs a request each; of a large channel the list tells all."""
    many = [f"U{number:08d}" for number in range(2 * identity.FEW)]
    address = str(asking.colleague["address"])

    def listed(answer: dict[str, Any], _: dict[str, str]) -> dict[str, Any]:
        team = asking.workspace.team
        users = [{"id": one, "team_id": team, "profile": {"email": address}} for one in many]
        return {**answer, "members": [*answer["members"], *users]}

    asking.relay.changes["conversations.members"] = lambda answer, _: {**answer, "members": many}
    without = asking.ask(asking.free())
    asking.relay.changes["users.list"] = listed
    told = asking.ask(asking.free())

    assert MOVED in words(without)
    assert "are all free for 45 minutes" in words(told)


def test_every_page_of_members_is_looked_at(asking: Asking) -> None:
    """The stranger on the last page counts as those on the first do."""
    stranger = asking.workspace.users["stranger@elsewhere.example"]
    last: list[str] = []

    def paged(answer: dict[str, Any], form: dict[str, str]) -> dict[str, Any]:
        page = int(form.get("cursor") or 0)
        members = answer["members"] if page == 0 else last if page == 2 else []
        members = members or [asking.workspace.users[asking.scene.me]]
        return {**answer, "members": members, "response_metadata": {"next_cursor": str(page + 1) if page < 2 else ""}}

    asking.relay.changes["conversations.members"] = paged
    among = asking.ask(asking.free())
    last.append(stranger)
    with_stranger = asking.ask(asking.free())

    assert asking.relay.calls.count("conversations.members") == 6
    assert "are all free for 45 minutes" in words(among)
    assert MOVED in words(with_stranger)


def test_more_members_than_are_looked_at_move_the_answer(asking: Asking) -> None:
    """The bound is stated, and closed beyond."""
    many = [f"U{number:08d}" for number in range(identity.MOST_MEMBERS + 1)]

    def crowd(answer: dict[str, Any], form: dict[str, str]) -> dict[str, Any]:
        start = int(form.get("cursor") or 0)
        end = start + int(form["limit"])
        next_cursor = str(end) if end < len(many) else ""
        return {**answer, "members": many[start:end], "response_metadata": {"next_cursor": next_cursor}}

    asking.relay.changes["conversations.members"] = crowd
    told = asking.ask(asking.free())

    assert MOVED in words(told)
    assert not [one for one in asking.relay.calls if one == "users.list"][1:]
    asking.in_private("are all free for 45 minutes")
