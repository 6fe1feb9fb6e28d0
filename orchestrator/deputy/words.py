"""What a person types at the front desk, read: the choice they mean, the budget they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.errors import UsageError
from orchestrator.store import budgets


def choice(text: str, choices: Sequence[str]) -> str:
    """The choice that a person means by its number or words; free text where the question has no choices."""
    said = text.strip()
    if not choices:
        return said
    if said.isdigit() and 1 <= int(said) <= len(choices):
        return choices[int(said) - 1]
    exact = [choice for choice in choices if choice.casefold() == said.casefold()]
    close = exact or [choice for choice in choices if said.casefold() in choice.casefold()]
    if len(close) != 1:
        listed = "; ".join(f"{n}. {choice}" for n, choice in enumerate(choices, 1))
        raise UsageError(
            f"{said!r} does not name one of the choices", fix=f"answer with a number or words of one: {listed}"
        )
    return close[0]


def check_budget(limits: Any) -> None:
    """UsageError for what no budget can be: it would otherwise only be noticed when somebody works on the item."""
    if limits is None:
        return
    if not isinstance(limits, Mapping):
        raise UsageError("the budget is not an object", fix=f"give limits by name: {', '.join(budgets.NAMES)}")
    for name, most in limits.items():
        if name not in budgets.NAMES:
            raise UsageError(f"there is no budget called {name!r}", fix=f"use one of: {', '.join(budgets.NAMES)}")
        if type(most) is not int or most < 0:
            raise UsageError(f"the budget of {name} cannot be {most!r}", fix="give a whole number, 0 or more")
