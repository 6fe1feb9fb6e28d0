"""Google keeps the contract with mail and the directory, on an emulator that nobody here wrote (emulate, npm).

Calendar runs elsewhere: this emulator has too little of it. What it lacks of Gmail is named below, test by test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from connectors.conformance import (
    Provider,
    TestDirectory,
    TestEffects,
    TestMail,
    TestReads,
    TestTools,
)
from tests.connectors.google import world as worlds
from tests.connectors.google.front import Loss
from tests.connectors.google.world import World

__all__ = ["TestDirectory", "TestEffects", "TestMail", "TestReads", "TestTools"]

OFFERS = ("mail", "directory")  # the calendar has a run of its own
# What a test's name matches, and what the emulator would need for it.
LACKS = (
    (r"auto_reply|the_automatic_reply", "vacation settings"),
    (r"TestDirectory|directory\.", "the People API"),
    (r"stays_in_the_thread|reaches_everybody_but_me|another_mailbox", "delivery into another account's mailbox"),
    (r"never_arrived_is_absent.mail\.(archive|mark_read)", "delivery of one's own mail into the inbox, unread"),
)
NEEDS_NONE = re.compile(r"TestTools|an_argument_nobody_knows")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with worlds.running(tmp_path_factory.mktemp("google")) as one:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = worlds.COLLEAGUE, worlds.ME, "Slides"
        mail.set_content("The slides.")
        mail.add_attachment("Slide one.", filename="slides.txt")
        one.deliver(mail)
        yield one


@pytest.fixture
def provider(world: World, request: pytest.FixtureRequest) -> Provider:
    for pattern, what in LACKS:
        if re.search(pattern, request.node.nodeid.rpartition(".py")[2]) and not NEEDS_NONE.search(request.node.nodeid):
            pytest.skip(f"the emulator lacks {what}")
    world.front.disarm()
    return Provider(
        connector=world.connector,
        account=world.account,
        lose_answer=world.lose(Loss.ANSWER),
        lose_request=world.lose(Loss.REQUEST),
        refuse=world.refuse,
    )
