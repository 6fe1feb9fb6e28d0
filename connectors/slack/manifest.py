"""The Slack app manifest for the tools that are enabled. Scopes are read off the tools, never typed a second time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from connectors.slack.tools import USER_SCOPES
from connectors.spec import ToolSpec


def app_manifest(tools: Iterable[ToolSpec], *, name: str = "Deputy", with_search: bool = False) -> dict[str, Any]:
    """What goes under "Create an app from a manifest" (Slack, "App manifest reference", version 2).

    `tools`: the specs enabled. `with_search` asks for the person's own token too, for Slack's search.
    """
    enabled = list(tools)
    scopes: dict[str, list[str]] = {"bot": sorted({scope for spec in enabled for scope in spec.scopes})}
    user = sorted({scope for spec in enabled for scope in USER_SCOPES.get(spec.name, ())}) if with_search else []
    if user:
        scopes["user"] = user
    return {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {
            "name": name,
            "description": "Does office work you describe, and shows what it will change before it does.",
        },
        "features": {"bot_user": {"display_name": name, "always_online": False}},
        "oauth_config": {"scopes": scopes},
        "settings": {"org_deploy_enabled": False, "socket_mode_enabled": False, "token_rotation_enabled": False},
    }
