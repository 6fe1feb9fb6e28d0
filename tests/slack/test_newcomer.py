"""docs/slack.md, followed to the letter in an empty home: its commands as they stand there, with an emulated workspace for Slack."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.served import Serving
from tests.services import emulate
from tests.slack.running import until
from tests.slack.scene import DAY
from tests.slack.workspace import BOT, SECRET, Sender, Workspace, buttons, words

DOC = Path(__file__).parents[2] / "docs" / "slack.md"
YOU = "you@example.com"
WITHIN_S = 90.0
OWN = (
    "export DEPUTY_OWNER=you@example.com DEPUTY_OFFICE=false",
    "deputy people import people.csv --inside example.com",
)


def steps() -> list[str]:
    """The commands of the first section, in order, the last of which serves."""
    section = DOC.read_text(encoding="utf-8").partition("## From nothing to a working bot")[2].partition("\n### ")[0]
    return re.findall(r"^ *\$ (.+)$", section, re.MULTILINE)


@pytest.fixture
def slack(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace with the newcomer and the app in it."""
    bot = {"name": "deputy", "real_name": "Deputy", "email": "deputy@bots.example", "is_bot": True}
    seed = {"slack": {
        "team": {"name": "Example", "domain": "example"},
        "users": [{"name": "you", "real_name": "Your Name", "email": YOU}, bot],
        "channels": [{"name": "team"}],
        "tokens": [{"token": BOT, "user": "deputy", "scopes": ["*"]}],
    }}  # fmt: skip
    with emulate.running("slack", seed, tmp_path) as service:
        yield Workspace(service.url)


def follow(commands: list[str], tmp_path: Path, slack: Workspace) -> Serving:
    """Types them in one shell; then serves. The emulator has no Socket Mode, so that Slack's deliveries come over HTTP."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("DEPUTY_")}
    own["DEPUTY_HOME"] = str(tmp_path / "home")
    own["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
    exported: dict[str, str] = {}
    *before, last = commands
    assert last == "deputy serve"
    for line in before:
        if line.startswith("export "):
            exported |= dict(word.split("=", 1) for word in shlex.split(line)[1:])
            continue
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=own | exported, capture_output=True, text=True, timeout=90, check=False
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    assert {"DEPUTY_SLACK_MODE", "DEPUTY_SLACK_BOT_TOKEN", "DEPUTY_SLACK_APP_TOKEN"} <= exported.keys()
    over_http = {
        "DEPUTY_SLACK_MODE": "http",
        "DEPUTY_SLACK_BOT_TOKEN": BOT,
        "DEPUTY_SLACK_SIGNING_SECRET": SECRET,
        "DEPUTY_SLACK_API_URL": f"{slack.url}/api/",
    }
    return Serving(tmp_path / "home", **exported | over_http)


def answered(served: Serving, slack: Workspace, word: str) -> None:
    """Writes the direct message of the last step, presses the button, and waits for a message with the word in its thread."""
    sender, direct = Sender(slack, served.address), slack.direct(YOU)
    thread = slack.say(direct, DAY)
    assert sender.said(YOU, DAY, ts=thread).status_code == 200
    (ask, *_) = until(lambda: [one for one in slack.messages(direct) if "link_yes" in buttons(one)], within_s=WITHIN_S)
    sender.click(YOU, ask, "link_yes", channel=direct)
    until(lambda: [one for one in slack.messages(direct, thread) if word in words(one)], within_s=WITHIN_S)


def test_a_newcomer_gets_an_answer(tmp_path: Path, slack: Workspace) -> None:
    """Every command as it stands in the document, the message of its last step, one press: an answer."""
    served = follow(steps(), tmp_path, slack)
    try:
        answered(served, slack, "Done")
    finally:
        assert served.stop() == 0


def test_a_newcomer_without_accounts_is_told_which(tmp_path: Path, slack: Workspace) -> None:
    """With the commands for accounts of one's own and none connected so far: known as a colleague, and told what is missing."""
    text = DOC.read_text(encoding="utf-8")
    assert all(line in text for line in OWN)
    (tmp_path / "people.csv").write_text(f"address,name\n{YOU},Your Name\n", encoding="utf-8")
    made_up = [one for one in steps() if "add-person" not in one and "DEPUTY_OWNER" not in one]
    served = follow([*OWN, *made_up], tmp_path, slack)
    try:
        answered(served, slack, f"{YOU} has no calendar connection")
    finally:
        assert served.stop() == 0
