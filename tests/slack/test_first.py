"""A person's way with the bot: who they are, a request, its card, its answer."""

from __future__ import annotations

from tests.e2e.place import CALL, Place
from tests.slack.running import Door, until
from tests.slack.workspace import buttons, words


def test_a_command_becomes_an_item_a_card_and_an_answer(place: Place, door: Door) -> None:
    """The first command waits for the confirmation, is asked as that person, and ends with what was done."""
    me, slack, workspace = place.me.principal_id, door.sender(), door.workspace
    assert workspace is not None
    direct = workspace.direct(me)

    assert slack.command(me, CALL).status_code == 200
    asked = until(lambda: [one for one in workspace.messages(direct) if "link_yes" in buttons(one)])
    assert place.desk.items(place.admin)["items"] == []
    slack.click(me, asked[0], "link_yes", channel=direct)
    work = until(lambda: [one for one in workspace.messages(direct) if "cancel" in buttons(one)])
    (item,) = place.desk.items(place.admin)["items"]
    assert (item["requester"], item["request"]) == (me, CALL)
    place.work()

    thread = str(work[0]["ts"])
    card = until(lambda: [one for one in workspace.messages(direct, thread) if "approve" in buttons(one)])
    assert "dana" in words(card[0]).lower()
    slack.click(me, card[0], "approve", channel=direct)
    until(
        lambda: (
            place.desk.approval(
                place.admin, place.desk.item(place.admin, item["item_id"])["approvals"][0]["approval_id"]
            )["state"]
            == "approved"
        )
    )
