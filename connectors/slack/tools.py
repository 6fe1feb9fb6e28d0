"""What each tool is on Slack: its class, its patience, and the bot scopes its methods ask for.

Posting is UNKEYED: Slack refuses no second message. Creating a channel is IDEMPOTENT: Slack gives a name out once, whatever the
key, so a second attempt changes nothing, and a channel that this account made is found by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from connectors import families
from connectors.spec import EffectClass, ToolSpec

FAMILIES = frozenset({"chat", "directory"})

_USERS = ("users:read", "users:read.email")
_NAMED = (*_USERS, "channels:read", "groups:read")  # and who may read what, of public and private channels
_EVERYWHERE = (*_NAMED, "im:read", "mpim:read")
_READ = (*_EVERYWHERE, "channels:history", "groups:history", "im:history", "mpim:history")
_MAKE = (*_NAMED, "channels:manage", "groups:write")

SCOPES: Mapping[str, tuple[str, ...]] = {
    "directory.list_people": _USERS,
    "directory.get_person": _USERS,
    "chat.list_channels": _NAMED,
    "chat.list_users": _USERS,
    "chat.history": _READ,
    "chat.search": _READ,
    "chat.get_thread": _READ,
    "chat.post_message": (*_READ, "chat:write"),  # reading back is how a lost answer is found
    "chat.send_direct": (*_NAMED, "im:read", "im:write", "im:history", "chat:write"),
    "chat.update_message": (*_READ, "chat:write"),
    "chat.delete_message": (*_READ, "chat:write"),
    "chat.add_reaction": (*_READ, "reactions:write"),
    "chat.create_channel": _MAKE,
    "chat.invite": _MAKE,
    "chat.list_files": (*_EVERYWHERE, "files:read"),
    "chat.get_file": (*_EVERYWHERE, "files:read"),
    "chat.send_file": (*_READ, "im:write", "files:read", "files:write"),
    "chat.list_scheduled": (*_EVERYWHERE, "chat:write"),
    "chat.schedule_message": (*_READ, "im:write", "chat:write"),
    "chat.cancel_scheduled": ("chat:write",),
}
# Of the person's own token, which is optional: without it searching reads the channels instead.
USER_SCOPES: Mapping[str, tuple[str, ...]] = {"chat.search": ("search:read",)}

_WIRE_S: Mapping[str, float] = {
    "chat.list_channels": 30.0,
    "chat.history": 30.0,
    "chat.search": 60.0,
    "chat.create_channel": 30.0,
    "chat.invite": 20.0,
    "chat.list_files": 60.0,
    "chat.get_file": 40.0,
    "chat.send_file": 90.0,
    "chat.list_scheduled": 30.0,
}
_USUAL_S = 15.0
_CLASSES: Mapping[str, EffectClass] = {"chat.create_channel": EffectClass.IDEMPOTENT}


@lru_cache(maxsize=1)
def specs() -> dict[str, ToolSpec]:
    """Every tool by name, directory first."""
    return {
        spec.name: replace(
            spec,
            scopes=tuple(sorted(SCOPES[spec.name])),
            wire_timeout_s=_WIRE_S.get(spec.name, _USUAL_S),
            effect_class=_CLASSES.get(spec.name, spec.effect_class),
        )
        for family in sorted(FAMILIES, reverse=True)
        for spec in families.tool_specs(family)
    }
