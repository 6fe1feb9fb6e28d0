"""The workspace that emulate is started with, and accounts in it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from connectors.slack.connector import SlackConnector
from connectors.slack.tools import SCOPES, specs
from connectors.spec import Account

ALL_SCOPES = sorted({scope for scopes in SCOPES.values() for scope in scopes})
FURTHER_TOKENS = tuple(f"xoxb-ada-{number}" for number in range(250))  # emulate takes 5,000 requests an hour with one
TOKENS = [
    {"token": "xoxb-ada", "user": "ada", "scopes": ALL_SCOPES},
    {"token": "xoxb-bob", "user": "bob", "scopes": ALL_SCOPES},
    *({"token": token, "user": "ada", "scopes": ALL_SCOPES} for token in FURTHER_TOKENS),
    *({"token": f"xoxb-{tool}", "user": "ada", "scopes": list(SCOPES[tool])} for tool in specs()),
    *(
        {"token": f"xoxb-without-{scope}", "user": "ada", "scopes": [one for one in ALL_SCOPES if one != scope]}
        for scope in ALL_SCOPES
    ),
]
WORLD: Mapping[str, Any] = {
    "slack": {
        "team": {"name": "Northwind", "domain": "northwind"},
        "users": [
            {"name": "ada", "real_name": "Ada Example", "email": "ada@northwind.example"},
            {"name": "bob", "real_name": "Bob Example", "email": "bob@northwind.example"},
        ],
        "channels": [{"name": "team", "purpose": "Everybody"}],
        "tokens": TOKENS,
        "strict_scopes": True,
    }
}
POSTS: Mapping[str, bytes] = {  # what each effect puts on the wire
    "chat.post_message": b"/api/chat.postMessage",
    "chat.send_direct": b"/api/chat.postMessage",
    "chat.send_file": b"/api/files.completeUploadExternal",
    "chat.schedule_message": b"/api/chat.scheduleMessage",
    "chat.cancel_scheduled": b"/api/chat.deleteScheduledMessage",
    "chat.update_message": b"/api/chat.update",
    "chat.delete_message": b"/api/chat.delete",
    "chat.add_reaction": b"/api/reactions.add",
    "chat.create_channel": b"/api/conversations.create",
    "chat.invite": b"/api/conversations.invite",
}


def account(name: str = "ada", *, token: str | None = None, **credentials: str) -> Account:
    return Account(
        connection_id=name,
        subject=f"{name}@northwind.example",
        credentials={"bot_token": token or f"xoxb-{name}", **credentials},
    )


def connect(url: str) -> SlackConnector:
    """A connector to a server whose root is `url`, held back by no limits."""
    return SlackConnector(base_url=f"{url}/api/", share=1000.0)


def raw(url: str, method: str, *, token: str = "xoxb-ada", **fields: Any) -> dict[str, Any]:
    """Slack's own answer, refusals too, past the connector."""
    from slack_sdk.errors import SlackApiError
    from slack_sdk.web.async_client import AsyncWebClient

    client = AsyncWebClient(token=token, base_url=f"{url}/api/", retry_handlers=[])
    try:
        data = asyncio.run(client.api_call(method, json=fields)).data
    except SlackApiError as error:
        data = error.response.data
    return data if isinstance(data, dict) else {"ok": False}
