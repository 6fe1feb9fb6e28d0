"""The workspace of the tests, and its deliveries as Slack words and signs them."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import requests
from slack_sdk.signature import SignatureVerifier

from tests.e2e.place import Place

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"  # Slack's documentation's own example
BOT = "xoxb-deputy"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
STRANGER = "stranger@elsewhere.example"
_numbers = itertools.count(1)


def seed(place: Place) -> Mapping[str, Any]:
    """Everybody of the office, somebody whom nobody knows, and the bot."""
    people = [one for one in place.desk.people() if one["inside"]]
    users = [
        {"name": one["address"].partition("@")[0], "real_name": one["name"], "email": one["address"]} for one in people
    ]
    users.append({"name": "stranger", "real_name": "Sam Stranger", "email": STRANGER})
    users.append({"name": "deputy", "real_name": "Deputy", "email": "deputy@bots.example", "is_bot": True})
    return {
        "slack": {
            "team": {"name": "Northwind", "domain": "northwind"},
            "users": users,
            "channels": [{"name": "team", "purpose": "Everybody"}],
            "tokens": [{"token": BOT, "user": "deputy", "scopes": ["*"]}],
        }
    }


class Workspace:
    """What the emulator knows, asked with the bot's token."""

    def __init__(self, url: str) -> None:
        self.url = url
        me = self.call("auth.test")
        self.team, self.bot = str(me["team_id"]), str(me["user_id"])
        self.users = {one["profile"]["email"]: str(one["id"]) for one in self.call("users.list", limit=200)["members"]}
        self.channel = next(
            str(one["id"]) for one in self.call("conversations.list", limit=100)["channels"] if one["name"] == "team"
        )

    def call(self, method: str, **fields: Any) -> dict[str, Any]:
        answer = requests.post(
            f"{self.url}/api/{method}", data=fields, headers={"Authorization": f"Bearer {BOT}"}, timeout=20
        ).json()
        assert answer["ok"], f"{method}: {answer}"
        return dict(answer)

    def direct(self, address: str) -> str:
        return str(self.call("conversations.open", users=self.users[address])["channel"]["id"])

    def messages(self, channel: str, thread_ts: str | None = None) -> list[dict[str, Any]]:
        """Oldest first."""
        more: dict[str, Any] = {"channel": channel, "limit": 200, "include_all_metadata": "true"}
        if thread_ts is None:
            return list(reversed(self.call("conversations.history", **more)["messages"]))
        return list(self.call("conversations.replies", ts=thread_ts, **more)["messages"])

    def say(self, channel: str, text: str) -> str:
        """A message to hang a thread on."""
        return str(self.call("chat.postMessage", channel=channel, text=text)["ts"])


class Sender:
    """Signs with Slack's own library and posts to one bot."""

    def __init__(self, workspace: Workspace, address: str, *, secret: str = SECRET) -> None:
        self.workspace, self.address, self._secret = workspace, address, secret

    def post(
        self,
        body: str,
        kind: str,
        *,
        at: float | None = None,
        signature: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        moment = str(int(time.time() if at is None else at))
        signed = signature or SignatureVerifier(self._secret).generate_signature(timestamp=moment, body=body)
        sent = {"content-type": kind, "x-slack-request-timestamp": moment, "x-slack-signature": str(signed)}
        return requests.post(
            f"{self.address}/slack/events", data=body.encode(), headers=sent | dict(headers or {}), timeout=20
        )

    def command(
        self, who: str, text: str, *, trigger: str | None = None, channel: str | None = None
    ) -> requests.Response:
        body = {
            "command": "/deputy",
            "text": text,
            "team_id": self.workspace.team,
            "user_id": self.workspace.users[who],
            "channel_id": channel or self.workspace.channel,
            "response_url": "",
            "trigger_id": trigger or fresh("T"),
        }
        return self.post(urlencode(body), FORM)

    def said(
        self, who: str, text: str, *, channel: str | None = None, thread: str = "", **more: Any
    ) -> requests.Response:
        """A direct message; in a channel, a mention or a reply."""
        return self.post(json.dumps(self.message(who, text, channel=channel, thread=thread, **more)), JSON)

    def message(
        self,
        who: str,
        text: str,
        *,
        channel: str | None = None,
        thread: str = "",
        ts: str | None = None,
        event_id: str | None = None,
        kind: str = "message",
    ) -> dict[str, Any]:
        place = channel or self.workspace.direct(who)
        event = {
            "type": kind,
            "channel": place,
            "channel_type": "channel" if channel else "im",
            "user": self.workspace.users[who],
            "text": text,
            "ts": ts or f"{time.time():.6f}",
        }
        return self.event(event | ({"thread_ts": thread} if thread else {}), event_id=event_id)

    def event(self, event: Mapping[str, Any], *, event_id: str | None = None) -> dict[str, Any]:
        return {
            "type": "event_callback",
            "team_id": self.workspace.team,
            "api_app_id": "A1",
            "event_id": event_id or fresh("Ev"),
            "event_time": int(time.time()),
            "event": dict(event),
            "authorizations": [{"team_id": self.workspace.team, "user_id": self.workspace.bot, "is_bot": True}],
        }

    def click(
        self, who: str, message: Mapping[str, Any], action: str, *, channel: str, trigger: str | None = None
    ) -> requests.Response:
        """A press of the message's button, by anybody."""
        return self.press(who, message, button(message, action), channel=channel, trigger=trigger)

    def thumb(self, who: str, message: Mapping[str, Any], value: str, *, channel: str) -> requests.Response:
        found = {"type": "feedback_buttons", "action_id": "thumb", "value": value}
        return self.press(who, message, found, channel=channel)

    def press(
        self,
        who: str,
        message: Mapping[str, Any],
        found: Mapping[str, Any],
        *,
        channel: str,
        trigger: str | None = None,
    ) -> requests.Response:
        body = {
            "type": "block_actions",
            "team": {"id": self.workspace.team},
            "user": {"id": self.workspace.users[who], "team_id": self.workspace.team},
            "channel": {"id": channel},
            "message": {"ts": message["ts"], "thread_ts": message.get("thread_ts")},
            "container": {"type": "message", "message_ts": message["ts"], "channel_id": channel},
            "actions": [{**found, "block_id": "b", "action_ts": f"{time.time():.6f}"}],
            "response_url": "",
            "trigger_id": trigger or fresh("T"),
        }
        return self.post(urlencode({"payload": json.dumps(body)}), FORM)

    def submit(self, who: str, view: Mapping[str, Any], values: Mapping[str, str]) -> requests.Response:
        state = {name: {"text": {"type": "plain_text_input", "value": value}} for name, value in values.items()}
        body = {
            "type": "view_submission",
            "team": {"id": self.workspace.team},
            "user": {"id": self.workspace.users[who], "team_id": self.workspace.team},
            "trigger_id": fresh("T"),
            "view": {**view, "id": view.get("id") or fresh("V"), "hash": "h1", "state": {"values": state}},
        }
        return self.post(urlencode({"payload": json.dumps(body)}), FORM)


def fresh(kind: str) -> str:
    return f"{kind}{next(_numbers):06d}"


def buttons(message: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: Sequence[Any] = [
        one for block in message.get("blocks") or () if block["type"] == "actions" for one in block["elements"]
    ]
    return {one["action_id"]: one for one in found}


def button(message: Mapping[str, Any], action: str) -> dict[str, Any]:
    return dict(buttons(message)[action])


def words(message: Mapping[str, Any]) -> str:
    """Everything that a message says."""
    return "\n".join([str(message.get("text") or ""), *(_texts(message.get("blocks") or []))])


def _texts(node: Any) -> list[str]:
    if isinstance(node, list):
        return [text for one in node for text in _texts(one)]
    if isinstance(node, dict):
        own = [str(node["text"])] if isinstance(node.get("text"), str) else []
        return own + [text for name in ("text", "elements", "fields") for text in _texts(node.get(name))]
    return []
