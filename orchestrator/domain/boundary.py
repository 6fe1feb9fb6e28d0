"""Named instants between two commits. Production does nothing here; a crash trial's child process installs a hook that ends it.

Naming a boundary costs one comparison. No behaviour may ever depend on a hook.
"""

from __future__ import annotations

from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def reached(name: str) -> None:
    """Tells the hook, if a trial installed one, that this instant was reached."""
    if _hook is not None:
        _hook(name)


def install(hook: Callable[[str], None] | None) -> None:
    """Sets the hook of this process; None removes it. For trials only."""
    global _hook
    _hook = hook


def armed() -> bool:
    """Whether a hook is installed, so that callers can skip composing names."""
    return _hook is not None
