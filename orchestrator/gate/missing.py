"""What a person is told when a call has no account: which one is missing, and the whole commands that connect one."""

from __future__ import annotations

from orchestrator.domain.principal import NOBODY

_WAYS = {  # family → what connects one; {who} is whose account it becomes
    "mail": ("google --client-secrets FILE --only mail", "imap {who} --imap HOST --smtp HOST"),
    "calendar": ("google --client-secrets FILE --only calendar", "caldav URL --user NAME --address {who}"),
    "chat": ("slack",),
    "directory": (
        "google --client-secrets FILE --only directory",
        "carddav URL --book NAME --inside DOMAIN --user NAME --address {who}",
    ),
}


def words(family: str, who: str) -> str:
    """In one sentence."""
    if who == NOBODY:
        return f"nobody has said whose {family} account this is about"
    return f"{who} has no {family} connection, and nobody shares one with them"


def fix(family: str, who: str, *, has_office: bool) -> str:
    """Commands, each ready to be completed. `has_office`: whether they work in the made-up office."""
    ways = [f"deputy connect {way.format(who=who)}" for way in _WAYS.get(family, ("mcp " + family,))]
    if who == NOBODY:
        own = "say who you are with DEPUTY_OWNER=YOU@EXAMPLE.COM, connect an account, ask again"
        return f"{own}; or look around in the made-up office: DEPUTY_OFFICE=true"
    if has_office:
        ways.append(f"in the local office: deputy office connect {who}")
    return "; or ".join(ways)


def lapsed(connector: str, subject: str) -> str:
    """Of an account that is known and does not serve any more."""
    return f"the {connector} account {subject} has to be connected again"


def again(advice: str) -> str:
    """What a connector advises, and who has the whole command. Another account of the family would do as well."""
    return f"{advice or 'Connect it again.'} The whole command: deputy doctor"
