"""The manifest in deploy/ is the one that tools and bot ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import orchestrator.surfaces.slack_bot as room
from connectors.slack.tools import SCOPES as TOOL_SCOPES
from connectors.slack.tools import specs
from orchestrator.surfaces.slack_bot.manifest import EVENTS, SCOPES, bot_manifest

FILE = Path(__file__).parents[2] / "deploy" / "slack-manifest.yaml"


def test_the_manifest_in_deploy_is_the_generated_one() -> None:
    """Both are what `deputy connect slack --manifest --bot` prints."""
    assert yaml.safe_load(FILE.read_text()) == bot_manifest(specs().values())


def test_scopes_are_those_of_tools_and_bot_and_no_more() -> None:
    scopes = bot_manifest(specs().values())["oauth_config"]["scopes"]

    assert set(scopes["bot"]) == {*SCOPES, *(one for several in TOOL_SCOPES.values() for one in several)}
    assert bot_manifest([])["oauth_config"]["scopes"]["bot"] == sorted(SCOPES)


def test_over_http_slack_is_told_where() -> None:
    made = bot_manifest([], public_url="https://deputy.example/")

    found = re.findall(r"https://[^'\"]+", str(made))
    assert found == ["https://deputy.example/slack/events"] * 3
    assert made["settings"]["socket_mode_enabled"] is False


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_that_is_asked_for_is_listened_to(name: str) -> None:
    """And what is listened to is asked for."""
    source = "".join(file.read_text() for file in Path(str(room.__file__)).parent.glob("door.py"))

    assert name.startswith("assistant_thread") or f'"{name.partition(".")[0]}"' in source
