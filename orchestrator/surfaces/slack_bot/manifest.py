"""The Slack app manifest of tools and bot together. What the tools ask for is read off them; what the bot does stands here, beside it.

Imports nothing of Slack's: the command line prints it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from connectors.slack.manifest import app_manifest
from connectors.spec import ToolSpec

PATH = "/slack/events"
COMMAND = "/deputy"
PROMPTS = (
    {"title": "My day", "message": "What is on my calendar today?"},
    {"title": "A call", "message": "Find 30 minutes with … next week"},
    {"title": "My mail", "message": "What did … write to me last?"},
)
SCOPES = (
    "app_mentions:read",  # asked in a thread
    "assistant:write",  # the agent pane
    "channels:history",  # replies in a thread, and finding its own message again
    "channels:read",  # who reads a channel
    "chat:write",
    "commands",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "users:read",
    "users:read.email",  # who somebody is in the directory
)
EVENTS = (
    "app_home_opened",
    "app_mention",
    "assistant_thread_context_changed",
    "assistant_thread_started",
    "message.channels",
    "message.groups",
    "message.im",
    "user_change",
)


def bot_manifest(
    tools: Iterable[ToolSpec], *, public_url: str | None = None, with_search: bool = False
) -> dict[str, Any]:
    """For "Create an app from a manifest". `public_url`: where Slack reaches `deputy serve`; None: Socket Mode."""
    made = app_manifest(tools, with_search=with_search)
    address = {} if public_url is None else {"url": f"{public_url.rstrip('/')}{PATH}"}
    request = {} if public_url is None else {"request_url": f"{public_url.rstrip('/')}{PATH}"}
    made["features"] |= {
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
        "assistant_view": {
            "assistant_description": made["display_information"]["description"],
            "suggested_prompts": [dict(one) for one in PROMPTS],
        },
        "slash_commands": [
            {
                "command": COMMAND,
                "description": "Say what you want, or: work, bump, cancel, inbox, schedule, halt, help",
                "usage_hint": "REQUEST | work | inbox | help",
                "should_escape": False,
                **address,
            }
        ],
    }
    scopes = made["oauth_config"]["scopes"]
    scopes["bot"] = sorted({*scopes["bot"], *SCOPES})
    made["settings"] |= {
        "event_subscriptions": {"bot_events": list(EVENTS), **request},
        "interactivity": {"is_enabled": True, **request},
        "socket_mode_enabled": public_url is None,
    }
    return made
