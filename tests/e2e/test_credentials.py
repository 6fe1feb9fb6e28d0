"""An account with a token, through a whole request: the connector gets the token, and nothing that is kept or shown does."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator import providers
from orchestrator.gate.credentials import HIDDEN
from orchestrator.store import audit, connections
from orchestrator.store.database import Store
from tests.e2e.place import CALL, Place

CANARY = "tok-canary-e41b77"
PROVIDER = '''
from connectors.errors import ReconsentNeeded
from connectors.office import Office, OfficeConnector

class Post(OfficeConnector):
    """The office behind a login: it wants a token, and says it back in every answer."""
    name = "post"
    async def call(self, tool, args, *, account, key):
        if account.credentials.get("token") != "%s":
            raise ReconsentNeeded("the token %%s is not valid" %% account.credentials.get("token"))
        return {**await super().call(tool, args, account=account, key=key), "echo": account.credentials["token"]}

def open_connector(*, path):
    return Post(Office(path))
'''


@pytest.fixture
def post(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A provider of another package, installed beside Deputy."""
    folder = tmp_path / "site"
    (folder / "post-1.0.dist-info").mkdir(parents=True)
    (folder / "post_provider.py").write_text(PROVIDER % CANARY)
    (folder / "post-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: post\nVersion: 1.0\n")
    (folder / "post-1.0.dist-info" / "entry_points.txt").write_text(
        "[deputy.connectors]\npost = post_provider:open_connector\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    place.set(connectors={"post": {"path": str(place.home / "office.db")}})
    return place


def connect(place: Place, token: str, families: tuple[str, ...] = ("mail", "calendar", "chat")) -> str:
    me = place.me.principal_id
    new = providers.NewAccount(connector="post", subject=me, families=families, credentials={"token": token})
    store = Store.open(place.settings.store_url)
    try:
        return providers.connect(place.settings, store, new, owner=me, actor=me)
    finally:
        store.close()


def kept(place: Place) -> bytes:
    """Every byte of the home, the store's own log included."""
    return b"".join(path.read_bytes() for path in sorted(place.home.rglob("*")) if path.is_file())


def exported(place: Place) -> str:
    store = Store.open(place.settings.store_url)
    try:
        with store.read() as tx:
            return json.dumps(list(audit.export(tx)), default=str)
    finally:
        store.close()


def test_the_token_reaches_the_provider_and_nothing_else(post: Place, caplog: pytest.LogCaptureFixture) -> None:
    """The main job over an account with a token: done, by that account, and no file, document, span, log or export holds it."""
    caplog.set_level(logging.DEBUG)
    connect(post, CANARY)

    done = post.approve_all(post.ask(CALL))

    assert done["state"] == "done"
    assert post.sent() != []
    run = post.desk.run(post.admin, done["item_id"])
    echoes = [step["body"]["result"]["echo"] for step in run["steps"] if step["kind"] in ("read", "effect")]
    assert set(echoes) == {HIDDEN} and len(echoes) > 3
    told: list[Any] = [done, run, post.spans(done), post.desk.approvals(post.admin), exported(post), caplog.text]
    assert all(CANARY not in json.dumps(one, default=str) for one in told)
    assert CANARY.encode() not in kept(post)
    assert CANARY not in repr(post.house) + repr(post.house.vault)


def test_a_refused_token_waits_and_connecting_again_wakes_it(post: Place) -> None:
    """The provider says no, quoting the token: the item waits for consent without it, and goes on once somebody connects."""
    connect(post, CANARY + "-old")
    asked = post.ask(CALL)

    assert asked["waiting_on"] == ["reconsent"]
    assert post.exit_code(asked) == 5
    assert CANARY not in json.dumps(asked) and CANARY.encode() not in kept(post)

    connect(post, CANARY)
    post.work()

    assert post.item(asked)["waiting_on"] == ["approval"]


def test_a_connection_that_is_taken_back_sends_nothing(post: Place) -> None:
    """Removed while the card waited: its credentials are gone with it, the office does not step in, and nothing is sent."""
    connection = connect(post, CANARY)
    asked = post.ask(CALL)

    store = Store.open(post.settings.store_url)
    try:
        with store.tx() as tx:
            connections.set_state(tx, connection, "revoked")
    finally:
        store.close()
    for card in post.cards(asked):
        post.decide(card)
    post.work()

    assert post.item(asked)["waiting_on"] == ["reconsent"]
    assert post.sent() == []


def test_a_missing_key_waits_too(post: Place) -> None:
    """Without the key file the credentials stay shut: consent is asked for, nothing is sent by another account."""
    connect(post, CANARY)
    (post.home / "credentials.key").unlink()

    asked: Mapping[str, Any] = post.ask(CALL)

    assert asked["waiting_on"] == ["reconsent"]
    assert "credentials.key" in json.dumps(asked["waits"])
