"""A budget as people type it, and as they read it: calls=40,tokens=200k,usd=0.50,minutes=10,effects=3. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any

from orchestrator.errors import UsageError

# What people call it → (what the store calls it, units in one of theirs, an example).
LIMITS: Mapping[str, tuple[str, int, str]] = {
    "calls": ("model_calls", 1, "calls=40"),
    "tokens": ("tokens", 1, "tokens=200k"),
    "usd": ("cost_microusd", 1_000_000, "usd=0.50"),
    "minutes": ("wall_ms", 60_000, "minutes=10"),
    "effects": ("effects", 1, "effects=3"),
}
MOST = 2_000_000_000  # of any limit, in the store's unit
_NUMBER = re.compile(r"(\d+(?:\.\d+)?|\.\d+)([km]?)")
_SCALE = {"": 1, "k": 1_000, "m": 1_000_000}


def read(text: str) -> dict[str, int]:
    """The limits under the store's names. Raises UsageError naming the part that is off."""
    limits: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise UsageError(f"--budget {part!r} is not NAME=NUMBER", fix=f"write {_every()}")
        if name not in LIMITS:
            close = difflib.get_close_matches(name, LIMITS, n=1)
            fix = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(LIMITS)}"
            raise UsageError(f"--budget knows no {name!r}", fix=fix)
        stored, unit, example = LIMITS[name]
        if stored in limits:
            raise UsageError(f"--budget gives {name!r} twice", fix="give each limit once")
        limits[stored] = _amount(name, value, unit, example)
    if not limits:
        raise UsageError("--budget is empty", fix=f"write {_every()}")
    return limits


def _amount(name: str, value: str, unit: int, example: str) -> int:
    found = _NUMBER.fullmatch(value.lower().removeprefix("$"))
    if found is None:
        raise UsageError(f"--budget {name} cannot be {value!r}", fix=f"give a number, e.g. {example}")
    amount = Decimal(found[1]) * _SCALE[found[2]] * unit
    if amount != int(amount):
        raise UsageError(f"--budget {name} cannot be {value!r}", fix=f"give a whole number, e.g. {example}")
    if int(amount) > MOST:
        raise UsageError(f"--budget {name}={value} is more than can be counted", fix="leave it out for no limit")
    if amount == 0 and name != "effects":
        raise UsageError(f"--budget {name}=0 leaves nothing to work with", fix=f"give more, e.g. {example}")
    return int(amount)


def _every() -> str:
    return ",".join(example for _, _, example in LIMITS.values())


# ---- for reading -----------------------------------------------------------------------------------------------------
def tokens(count: int) -> str:
    """e.g. 940, 12.4k, 3.1M."""
    if count < 1_000:
        return str(count)
    return f"{count / 1_000:.1f}k" if count < 1_000_000 else f"{count / 1_000_000:.1f}M"


def money(microusd: int) -> str:
    """e.g. $0.0042, $1.30; cents and below only where they count."""
    usd = microusd / 1_000_000
    return f"${usd:.4f}" if 0 < usd < 0.1 else f"${usd:.2f}"


def _minutes(ms: int) -> str:
    return f"{ms / 1_000:.0f} s" if ms < 60_000 else f"{ms / 60_000:.1f} min"


_WORDS: Mapping[str, tuple[str, Callable[[int], str]]] = {
    "model_calls": ("{} model calls", str),
    "tokens": ("{} tokens", tokens),
    "cost_microusd": ("{}", money),
    "wall_ms": ("{}", _minutes),
    "effects": ("{} effects", str),
}


def words(budget: Mapping[str, Any] | None, names: Collection[str] = tuple(_WORDS)) -> str:
    """What was used of what: "3 of 40 model calls · 12.4k tokens · $0.0042 of $0.50". Nothing used and no limit: left out."""
    parts = []
    for name, (form, shown) in _WORDS.items():
        if name not in names:
            continue
        entry = (budget or {}).get(name) or {}
        used, most = int(entry.get("used") or 0), entry.get("most")
        if most is not None:
            parts.append(form.format(f"{shown(used)} of {shown(int(most))}"))
        elif used:
            parts.append(form.format(shown(used)))
    return " · ".join(parts)
