"""What an owner is told of a schedule that did not do as they expect: in words, with what they can do about it. Pure."""

from __future__ import annotations

import shlex

from orchestrator.domain.schedule import FiringState

TROUBLED = frozenset({FiringState.FAILED, FiringState.SKIPPED, FiringState.MISSED, FiringState.STOPPED})
HEADS = {
    "failed": "did not end as expected",
    "missed": "did not start",
    "skipped": "did not start",
    "stopped": "did not start",
    "waiting": "waits for a connection",
    "replaced": "was ended for a later run",
    "defaulted": "went on with its default answer",
}


def head(what: str, name: str) -> str:
    """`what`: a firing's state, or a kind of news without its "schedule."."""
    return f"{name} {HEADS.get(what, what)}"


def fix(what: str, name: str) -> str:
    """What the owner can do at a terminal; empty where nothing is wrong."""
    named = shlex.quote(name)
    return {
        "failed": f"look at the item; to ask again now: deputy schedule run {named}",
        "missed": f"to run it now: deputy schedule run {named}",
        "skipped": f"see: deputy schedule show {named}; with --overlap queue it would have waited its turn",
        "stopped": "somebody who is in the directory has to add it again",
        "waiting": "connect the account again: deputy connect",
        "replaced": f"see: deputy schedule show {named}",
        "defaulted": "look at the item; a remark of yours still reaches it while it works",
    }.get(what, "")
