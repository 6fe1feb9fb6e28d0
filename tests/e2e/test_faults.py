"""A provider that fails in every way it can: each effect happens once or not at all, and doubt is said aloud."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.office.faults import Fault
from orchestrator.surfaces.cli.exitcode import Exit
from tests.e2e.place import CALL, Place, quiet, tools


def post(place: Place) -> dict[str, Any]:
    """A request whose only effect is a chat message, which no provider refuses a second time; with its card open."""
    place.office.add_mail(
        author="dana.ruiz@brightwater.example",
        to=[place.me.principal_id],
        subject="Notes: pipeline review",
        body="We agreed to move the launch to March.",
    )
    return place.ask("post Dana's latest notes mail to #general")


@pytest.mark.parametrize(
    "fault",
    [
        Fault.TIMEOUT_AFTER_COMMIT,
        Fault.TIMEOUT_BEFORE_COMMIT,
        Fault.UNREACHABLE,
        Fault.DUPLICATE_DELIVERY,
        Fault.LAG,
    ],
)
@pytest.mark.parametrize("tool", ["calendar.create_event", "mail.reply"])
def test_a_keyed_effect_happens_exactly_once_whatever_fails_once(place: Place, fault: Fault, tool: str) -> None:
    """Looked up, found or sent again under its key: done, with one of each in the office."""
    asked = place.ask(CALL)
    place.office.faults.add(tool=tool, kind=fault, seconds=30)

    done = place.approve_all(asked)

    assert done["state"] == "done"
    assert sorted(name for name, _ in place.sent()) == ["calendar.create_event", "mail.reply"]
    assert len(place.diff()["events"]) == 1
    assert len(place.diff()["mails"]) == 1


@pytest.mark.parametrize("fault", [Fault.TIMEOUT_AFTER_COMMIT, Fault.TIMEOUT_BEFORE_COMMIT])
def test_both_sends_in_doubt_end_with_one_of_each(any_place: Place, fault: Fault) -> None:
    """Whichever engine keeps the ledger."""
    asked = any_place.ask(CALL)
    any_place.office.faults.add(tool="calendar.create_event", kind=fault)
    any_place.office.faults.add(tool="mail.reply", kind=fault)

    assert any_place.approve_all(asked)["state"] == "done"
    assert len(any_place.sent()) == 2


def test_a_rate_limit_is_waited_out(place: Place) -> None:
    """The provider says when: it is asked again then, once."""
    asked = place.ask(CALL)
    place.office.faults.add(tool="calendar.create_event", kind=Fault.RATE_LIMIT, times=2, seconds=0.2)

    assert place.approve_all(asked)["state"] == "done"
    assert len(place.sent()) == 2


def test_a_longer_rate_limit_is_waited_out_too(place: Place) -> None:
    """Longer than a call may take on the wire: still no failure, as the provider has said that nothing happened."""
    asked = place.ask(CALL)
    place.office.faults.add(tool="calendar.create_event", kind=Fault.RATE_LIMIT, seconds=3)

    assert place.approve_all(asked)["state"] == "done"
    assert len(place.sent()) == 2


def test_a_provider_that_stays_away_is_said_so(place: Place) -> None:
    """Unreachable beyond every retry: exit 6, nothing sent, and asking again works."""
    asked = place.ask(CALL)
    place.office.faults.add(tool="calendar.create_event", kind=Fault.UNREACHABLE, times=-1)

    ended = place.approve_all(asked)

    assert ended["state"] == "failed"
    assert place.exit_code(ended) is Exit.UNREACHABLE
    assert ended["error"]["fix"] or ended["error"]["message"]
    assert place.sent() == []
    place.office.faults.clear()
    assert place.approve_all(place.ask(CALL))["state"] == "done"


def test_reads_that_fail_once_are_asked_again(place: Place) -> None:
    """A read changes nothing, so a doubtful one is simply repeated."""
    for fault in (Fault.TIMEOUT_BEFORE_COMMIT, Fault.UNREACHABLE):
        place.office.faults.add(tool="mail.search", kind=fault)

    assert place.ask(CALL)["waiting_on"] == ["approval"]


def test_a_stale_read_is_noticed_before_anything_is_sent(place: Place) -> None:
    """The search missed her newest mail; what the card takes for granted is checked with a fresh look."""
    place.write_again(subject="Newest of all")
    place.later(timedelta(minutes=1))
    place.office.faults.add(tool="mail.search", kind=Fault.STALE_READ, seconds=600)
    asked = place.ask(CALL)
    assert "Newest of all" not in str(place.cards(asked)[0]["args"])

    done = place.approve_all(asked)

    assert done["state"] == "done"
    assert len(place.sent()) == 2


def test_credentials_that_go_between_card_and_deed(place: Place) -> None:
    """The provider no longer takes the account: the run waits for consent, and goes on after it; nothing is sent twice."""
    asked = place.ask(CALL)
    place.office.faults.add(tool="calendar.create_event", kind=Fault.RECONSENT)
    place.office.faults.add(tool="mail.search", kind=Fault.RECONSENT)
    for card in place.cards(asked):
        place.decide(card)
    place.work()

    waiting = place.item(asked)
    assert waiting["waiting_on"] == ["reconsent"]
    assert place.exit_code(waiting) is Exit.AUTH
    assert place.sent() == []

    place.desk.connect(
        place.me,
        connector="office",
        owner=place.me.principal_id,
        subject=place.me.principal_id,
        families=["mail", "calendar", "chat"],
    )
    place.work()
    assert place.approve_all(place.item(asked))["state"] == "done"
    assert len(place.sent()) == 2


def test_a_chat_post_whose_answer_was_lost_is_found(any_place: Place) -> None:
    """Posted, answer lost: the lookup finds it, and it is not posted again."""
    asked = post(any_place)
    any_place.office.faults.add(tool="chat.post_message", kind=Fault.TIMEOUT_AFTER_COMMIT)

    assert any_place.approve_all(asked)["state"] == "done"
    assert [tool for tool, _ in any_place.sent()] == ["chat.post_message"]


@pytest.mark.parametrize(("answer", "posts"), [("it happened", 0), ("it did not happen", 1)])
def test_a_chat_post_nobody_can_find_is_said_to_be_unknown(any_place: Place, answer: str, posts: int) -> None:
    """No trace, and nothing refuses a second one: exit 12. A person looks; what they say ends the doubt, and nothing is doubled."""
    asked = post(any_place)
    any_place.office.faults.add(tool="chat.post_message", kind=Fault.TIMEOUT_BEFORE_COMMIT)

    doubtful = any_place.approve_all(asked)

    assert doubtful["waiting_on"] == ["repair"]
    assert doubtful["outcome_unknown"]
    assert any_place.exit_code(doubtful) is Exit.UNKNOWN_OUTCOME
    assert tools(doubtful, "unknown") == ["chat.post_message"]
    assert doubtful["question"]["choices"] == ["it happened", "it did not happen"]
    assert any_place.sent() == []
    any_place.restart()

    any_place.desk.answer(any_place.me, asked["item_id"], answer)
    any_place.work()
    done = any_place.approve_all(any_place.item(asked))

    assert done["state"] == "done"
    assert len(any_place.sent()) == posts


def test_a_provider_that_cannot_say_leaves_it_to_a_person(place: Place) -> None:
    """Even a keyed effect is unknown where the provider cannot be asked; `it happened` ends it with one event in the office."""
    asked = place.ask(CALL)
    place.office.faults.add(tool="calendar.create_event", kind=Fault.TIMEOUT_AFTER_COMMIT)
    place.office.faults.add(tool="calendar.create_event", kind=Fault.CANNOT_RECONCILE)
    for card in place.cards(asked):
        place.decide(card)
    place.work()
    doubtful = place.item(asked)
    assert place.exit_code(doubtful) is Exit.UNKNOWN_OUTCOME
    assert [tool for tool, _ in place.sent()] == ["calendar.create_event"]

    place.desk.answer(place.me, asked["item_id"], "it happened")
    place.work()

    done = place.approve_all(place.item(asked))
    assert done["state"] == "done"
    assert [tool for tool, _ in place.sent()] == ["calendar.create_event", "mail.reply"]


def test_doubt_is_never_planned_over(place: Place) -> None:
    """While it is unknown whether the message went out, no remark and no denial may lead to a second one or hide the first."""
    asked = post(place)
    place.office.faults.add(tool="chat.post_message", kind=Fault.TIMEOUT_AFTER_COMMIT)
    place.office.faults.add(tool="chat.post_message", kind=Fault.CANNOT_RECONCILE)
    place.approve_all(asked)

    place.desk.nudge(place.me, asked["item_id"], "in #random")
    place.work()

    still = place.item(asked)
    assert still["outcome_unknown"]
    assert place.exit_code(still) is Exit.UNKNOWN_OUTCOME
    assert place.cards(still) == []
    place.desk.answer(place.me, asked["item_id"], "it happened")
    place.work()
    done = place.approve_all(place.item(asked))
    assert done["state"] == "done"
    assert len(place.sent()) == 1


def test_a_denial_beside_a_doubt_waits_for_the_doubt(place: Place) -> None:
    """The answer is denied while the invitation's outcome is unknown: the item ends only once somebody has looked."""
    asked = place.ask(CALL)
    place.office.faults.add(tool="calendar.create_event", kind=Fault.TIMEOUT_AFTER_COMMIT)
    place.office.faults.add(tool="calendar.create_event", kind=Fault.CANNOT_RECONCILE)
    place.decide(place.card(asked, "calendar.create_event"))
    place.work()

    place.decide(place.card(asked, "mail.reply"), "deny")
    place.work()

    still = place.item(asked)
    assert place.exit_code(still) is Exit.UNKNOWN_OUTCOME
    place.desk.answer(place.me, asked["item_id"], "it happened")
    place.work()
    ended = place.item(asked)
    assert ended["state"] == "denied"
    assert tools(ended, "done") == ["calendar.create_event"]
    assert "invited" in ended["text"]


def test_a_provider_that_cannot_be_asked_now_is_asked_later(place: Place) -> None:
    """Lost answer, then out of reach: a timer, not a person; with the provider back it is found, once."""
    asked = place.ask(CALL)
    for card in place.cards(asked):
        place.decide(card)

    class Away:
        """The office behind a line that is down for lookups."""

        def __init__(self, inner: object) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        async def reconcile(self, *args: object, **more: object) -> object:
            from connectors.errors import Unreachable

            raise Unreachable("the office cannot be reached")

    from tests.e2e.place import wrapped

    place.office.faults.add(tool="calendar.create_event", kind=Fault.TIMEOUT_AFTER_COMMIT)
    with quiet():
        place.work_with(wrapped(place, Away))
    waiting = place.item(asked)
    assert waiting["waiting_on"] == ["timer"]
    assert tools(waiting, "attempted") == ["calendar.create_event"]

    place.later(timedelta(seconds=30))
    place.work()

    assert place.item(asked)["state"] == "done"
    assert len(place.sent()) == 2
