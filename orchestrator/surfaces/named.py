"""What a request names must be there: its workflow, that one's inputs, its agents. Asked before anything goes on the list."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from orchestrator.errors import NotFound, UsageError
from orchestrator.settings import Settings


def check(settings: Settings, options: Mapping[str, Any], slots: Callable[[str], Sequence[str]]) -> None:
    """Of an item's options. `slots`: of the workflow of a name; raises NotFound where there is none.

    Raises NotFound for a workflow or an agent, UsageError for an input that the workflow has not.
    """
    if options.get("workflow"):
        check_inputs(options["workflow"], slots(options["workflow"]), options.get("input") or {})
    check_agents(settings, [*([options["agent"]] if options.get("agent") else []), *(options.get("agents") or ())])


def check_inputs(workflow: str, slots: Sequence[str], inputs: Iterable[str]) -> None:
    for given in inputs:
        if given not in slots:
            known = f"it has: {', '.join(slots) or 'none'}"
            raise UsageError(f"{workflow} has no input {given!r}", fix=meant(given, slots) or known)


def check_agents(settings: Settings, names: Sequence[str]) -> None:
    if not names:
        return
    from orchestrator import app

    known = app.agents(settings)
    for name in map(str, names):
        if name not in known:
            raise NotFound(f"there is no agent {name!r}", fix=meant(name, list(known)) or "see: deputy agent ls")


def meant(word: str, known: Sequence[str]) -> str | None:
    """The nearest name as a question; None where nothing is near."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else None
