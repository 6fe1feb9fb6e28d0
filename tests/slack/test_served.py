"""The bot in `deputy serve`, the process that people start: through the whole application, killed, drained."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.place import Place
from tests.http.served import Serving
from tests.slack.double import Double
from tests.slack.running import until
from tests.slack.scene import DAY
from tests.slack.workspace import BOT, JSON, SECRET, Sender, words

LEASE_S = 60.0  # what a killed process had begun is taken over when its lease has ended


@pytest.fixture
def double(place: Place) -> Iterator[Double]:
    """Our own Slack, with the office's main person in it, who has said who they are."""
    me = place.me.principal_id
    with Double({me: "U00000001"}) as made:
        sender = f"{made.team}/{made.users[me]}"
        place.desk.slack.propose(sender, me, made.direct(me))
        place.desk.slack.confirm(place.me, sender)
        yield made


def serving(place: Place, double: Double, *arguments: str, mode: str = "http") -> Serving:
    return Serving(
        place.home,
        *arguments,
        DEPUTY_SLACK_MODE=mode,
        DEPUTY_SLACK_BOT_TOKEN=BOT,
        DEPUTY_SLACK_SIGNING_SECRET=SECRET,
        DEPUTY_SLACK_APP_TOKEN="xapp-test",
        DEPUTY_SLACK_API_URL=f"{double.url}/api",
    )


def test_an_acknowledged_delivery_survives_kill_9(place: Place, double: Double) -> None:
    """Killed between acknowledgement and work; the next start does it, once, and the worker beside it answers."""
    me = place.me.principal_id
    double.holds.add("users.info")
    first = serving(place, double, "--no-worker")
    try:
        assert Sender(double, first.address).command(me, DAY).status_code == 200  # type: ignore[arg-type]
        until(lambda: double.sent("users.info"))
    finally:
        first.kill()
    assert place.desk.items(place.admin)["items"] == []
    double.holds.clear()

    second = serving(place, double)
    try:
        until(lambda: [one for one in double.sent("chat.update") if "Done" in words(one)], within_s=LEASE_S)
    finally:
        code = second.stop()

    assert code == 0
    done = place.desk.items(place.admin, states=["done"])["items"]
    assert [one["request"] for one in done] == [DAY]
    assert len(double.sent("chat.postMessage")) == 1


def test_what_is_not_signed_does_not_come_in(place: Place, double: Double) -> None:
    """The whole application has the route, and no key or cookie of ours opens it."""
    served = serving(place, double, "--no-worker")
    try:
        client = served.client()
        answer = Sender(double, served.address).post(  # type: ignore[arg-type]
            "{}", JSON, signature="v0=0", headers={"authorization": f"Bearer {client.key}"}
        )
    finally:
        code = served.stop()

    assert (answer.status_code, code) == (401, 0)


def test_socket_mode_ends_with_the_server(place: Place, double: Double) -> None:
    """Connected while it serves; a drain closes it in time, and there is no door for Slack over HTTP."""
    served = serving(place, double, "--no-worker", mode="socket")
    try:
        until(lambda: double.connections == 1)
        answer = Sender(double, served.address).command(place.me.principal_id, DAY)  # type: ignore[arg-type]
    finally:
        code = served.stop()

    assert answer.status_code in (401, 404, 405)
    assert code == 0
