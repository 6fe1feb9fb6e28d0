"""A worker that one command started works by that command's settings: the next command, asked by others, gets its own worker."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orchestrator.engine import hosts
from orchestrator.engine.prestart import RULE_NAME, Rule
from tests.cli.house import House

FIRST = "Set up a 30 minute call with Dana about her last mail"
SECOND = "Set up a 20 minute call with Dana about her last mail"
DELEGATED = {"DEPUTY_PROFILE": "delegated"}


def holder(house: House) -> int:
    told = json.loads((house.home / hosts.LOCK_NAME).read_text())
    return int(told["pid"])


def asks(house: House, *arguments: str, **environment: str) -> None:
    """The second request waits for its cards, and only the first one's mail is out."""
    ran = house.run(*arguments, "ask", SECOND, "--json", **environment)

    assert ran.code == 3, ran.out + ran.err + house.worker_log()
    assert ran.json["waiting_on"] == ["approval"]
    assert len(house.world()["mails"]) == 1


@pytest.mark.parametrize("way", ["environment", "flag", "file"])
def test_careful_after_delegated_asks_though_the_first_worker_still_lives(house: House, way: str) -> None:
    """However the profile was set, the second request is decided by it at once."""
    file = house.home / "deputy.toml"
    if way == "file":
        file.write_text('profile = "delegated"\n')
    sent = house.run("ask", FIRST, "--json", **({} if way == "file" else DELEGATED))
    assert sent.code == 0, sent.out + sent.err
    assert len(house.world()["mails"]) == 1

    if way == "file":
        file.write_text('profile = "careful"\n')
    if way == "environment":
        asks(house, DEPUTY_PROFILE="careful")
    else:
        asks(house, *(["--set", "profile=careful"] if way == "flag" else []))


def test_careful_after_a_detached_delegated_request_asks(house: House) -> None:
    """The first command returns while its worker still loads: that worker may not take the second request either."""
    first = house.run("ask", FIRST, "--detach", "--json", **DELEGATED).json["item_id"]

    second = house.run("ask", SECOND, "--json")
    shown = house.json("work", "show", first)

    assert second.code == 3, second.out + second.err + house.worker_log()
    assert second.json["state"] == "waiting"
    sent = [effect for effect in shown["effects"] if effect["state"] == "succeeded"]
    assert len(house.world()["mails"]) == len([effect for effect in sent if effect["tool"] == "mail.reply"])


def test_a_wish_put_on_the_list_is_decided_by_its_own_settings_too(house: House) -> None:
    """`work add` at once after a delegated request: its cards wait."""
    assert house.run("ask", FIRST, "--json", **DELEGATED).code == 0

    added = house.json("work", "add", SECOND)["item_id"]
    ran = house.run("run", "watch", added, "--json")

    assert ran.code == 3, ran.out + ran.err + house.worker_log()
    assert len(house.world()["mails"]) == 1


def test_the_same_settings_share_one_worker(house: House) -> None:
    """Said in another way, too: what counts is what they come to."""
    house.run("ask", FIRST, "--json")
    first = holder(house)
    ran = house.run("--set", "profile=careful", "ask", "What is on my calendar today?", "--json")

    assert ran.code == 0, ran.out + ran.err
    assert first == holder(house) or hosts.is_free(house.home / hosts.LOCK_NAME)


def test_a_model_set_after_the_first_request_is_asked(house: House) -> None:
    """The worker from before it was set is not the one that takes the request: its answer is about the endpoint, not its lack."""
    none = house.run("ask", "write a poem for Dana", "--json")
    ran = house.run(
        "ask",
        "write a poem for Dana",
        "--json",
        DEPUTY_MODEL="openai:tiny",
        DEPUTY_MODEL_BASE_URL="http://127.0.0.1:9/v1",
        DEPUTY_MODEL_RETRIES="0",
        DEPUTY_MODEL_TIMEOUT_S="5",
    )

    assert none.json["state"] == "needs_model"
    assert ran.json["state"] != "needs_model", ran.out


def test_no_secret_stands_beside_the_store(house: House) -> None:
    """What tells settings apart is a digest."""
    house.run("ask", "What is on my calendar today?", "--json", DEPUTY_MODEL_API_KEY="sk-canary-7351")

    for name in (hosts.LOCK_NAME, RULE_NAME):
        assert "canary" not in (house.home / name).read_text()
    assert len((house.home / RULE_NAME).read_text()) == 64


def test_a_rule_that_somebody_holds_is_not_taken_by_a_follower(tmp_path: Path) -> None:
    """Who only follows restarts a worker of its own settings where nobody lives who asked by others."""
    asker, follower = Rule(tmp_path, "a" * 64), Rule(tmp_path, "b" * 64)
    asker.set()
    inherited = [os.dup(one) for one in asker.kept]
    asker.close()

    assert not follower.set_if_unheld()
    assert not follower.is_ours()
    for one in inherited:
        os.close(one)
    assert follower.set_if_unheld()
    assert follower.is_ours()
    asker.set()
    assert not follower.is_ours()
    asker.close()
    follower.close()
