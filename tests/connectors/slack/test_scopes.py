"""The scopes of each tool are those it needs, on emulate with strict scopes; the manifest asks for nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.conformance import Provider
from connectors.conformance.examples import example
from connectors.errors import ReconsentNeeded
from connectors.slack.manifest import app_manifest
from connectors.slack.tools import specs
from tests.connectors.slack import world

# What emulate looks at. It asks for no scope to react, say, in a channel it shows anyway.
ENFORCED = {
    "directory.list_people": ("users:read", "users:read.email"),
    "chat.list_channels": ("channels:read", "groups:read"),
    "chat.history": ("channels:history",),
    "chat.search": ("channels:history", "im:read", "mpim:read"),
    "chat.get_thread": ("channels:history",),
    "chat.post_message": ("chat:write",),
    "chat.send_direct": ("im:write", "chat:write"),
    "chat.update_message": ("chat:write",),
    "chat.delete_message": ("chat:write",),
    "chat.add_reaction": ("reactions:write",),
    "chat.create_channel": ("channels:manage",),
    "chat.invite": ("channels:manage",),
    "chat.list_files": ("files:read",),
    "chat.get_file": ("files:read",),
    "chat.send_file": ("files:write",),
    "chat.list_scheduled": ("chat:write",),
    "chat.schedule_message": ("chat:write",),
    "chat.cancel_scheduled": ("chat:write",),
}


@pytest.mark.parametrize("tool", sorted(specs()))
def test_a_tool_works_with_its_own_scopes_alone(provider: Provider, tool: str) -> None:
    """A token with exactly the scopes that the spec names is enough for the call, and to find the effect again."""
    one = example(provider, tool)
    narrow = replace(provider, account=world.account("ada", token=f"xoxb-{tool}"))

    if narrow.specs()[tool].is_read:
        narrow.read(tool, **one.args)
    else:
        narrow.do(tool, one.args, key="k1")
        narrow.reconcile(tool, one.args, "k1")


@pytest.mark.parametrize(("tool", "scope"), [(tool, scope) for tool, scopes in ENFORCED.items() for scope in scopes])
def test_a_missing_scope_is_named(provider: Provider, tool: str, scope: str) -> None:
    """Without one of them the person is told which to add."""
    one = example(provider, tool)
    account = world.account("ada", token=f"xoxb-without-{scope}")

    with pytest.raises(ReconsentNeeded) as caught:
        provider.do(tool, one.args, account=account)

    assert scope in caught.value.fix


@pytest.mark.parametrize(
    "enabled",
    [[], ["directory.get_person"], ["chat.history", "chat.post_message"], sorted(specs())],
    ids=["none", "directory", "post", "all"],
)
def test_the_manifest_asks_for_the_scopes_of_what_is_enabled(enabled: list[str]) -> None:
    """Its bot scopes and those of the enabled tools are the same set, each once, in order."""
    tools = [specs()[name] for name in enabled]

    scopes = app_manifest(tools)["oauth_config"]["scopes"]

    assert scopes == {"bot": sorted(set().union(*(spec.scopes for spec in tools)))}


def test_a_persons_own_token_is_for_search_alone() -> None:
    """A user scope appears only on request, and only with the tool it is for."""
    search, post = specs()["chat.search"], specs()["chat.post_message"]

    assert app_manifest([search], with_search=True)["oauth_config"]["scopes"]["user"] == ["search:read"]
    assert "user" not in app_manifest([post], with_search=True)["oauth_config"]["scopes"]
