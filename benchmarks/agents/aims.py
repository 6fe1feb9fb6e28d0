"""The aims for an agent's step, and what a run found beside them. "x" is against floor D of the same run, unless it says what else.

CPU, wall and memory are judged by the product with the local office behind it; bytes kept by the product with fixed tool results,
because only there the contents are those of the floor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.agents.measures import AT_ONCE, FLOOR_D, PRODUCT

VOID_MS = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """`path` leads to the figure; with `over`, the figure is divided by that one. The figure should be at most `most`."""

    name: str
    path: tuple[str, ...]
    most: float
    moonshot: float
    over: tuple[str, ...] | None = None


AIMS = (
    Aim(name="CPU a step at 64, x", path=("steps", "64", PRODUCT, "x_floor_d"), most=6.0, moonshot=3.0),
    Aim(name="wall with a 200 ms model, x ideal", path=("wall", PRODUCT, "x_ideal"), most=1.15, moonshot=1.06),
    Aim(name="bytes kept a step, 5 turns, x", path=("growth", "5", AT_ONCE, "x_floor_d"), most=2.0, moonshot=1.3),
    Aim(name="bytes kept a step, 50 turns, x", path=("growth", "50", AT_ONCE, "x_floor_d"), most=2.0, moonshot=1.3),
    Aim(name="bytes kept a step, 200 turns, x", path=("growth", "200", AT_ONCE, "x_floor_d"), most=2.0, moonshot=1.3),
    Aim(
        name="bytes kept a step, 200 turns over 5 turns",
        path=("growth", "200", AT_ONCE, "bytes"),
        over=("growth", "5", AT_ONCE, "bytes"),
        most=1.2,
        moonshot=1.2,
    ),
    Aim(name="CPU a step at 200 turns, ms", path=("growth", "200", PRODUCT, "cpu_ms"), most=3.0, moonshot=1.5),
    Aim(name="KiB of an agent in flight", path=("memory", PRODUCT, "kib_an_agent"), most=64.0, moonshot=40.0),
    Aim(name="prompt bytes of a task, x bare loop", path=("prompts", "task", "x_bare"), most=1.05, moonshot=1.02),
    Aim(
        name="prompt bytes of a supervisor, x bare loop",
        path=("prompts", "supervisor and three tasks", "x_bare"),
        most=1.15,
        moonshot=1.05,
    ),
)


def verdict(figures: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Prints and returns each aim whose figure was measured."""
    found = dict(_found(figures))
    if found:
        print(f"\n{'aim':<46}{'found':>9}{'aim':>9}{'moonshot':>10}")
    for name, one in found.items():
        print(f"{name:<46}{one['found']:>9.3g}{one['aim']:>9g}{one['moonshot']:>10g}  {one['is']}")
    return found


def void_because(figures: Mapping[str, Any]) -> str | None:
    """Why the figures of this run are worth nothing, if so."""
    floor_ms = _at(figures, ("steps", "64", FLOOR_D, "cpu_ms"))
    if floor_ms is None or floor_ms <= VOID_MS:
        return None
    return f"floor D took {floor_ms:.2f} ms CPU a step at 64, more than {VOID_MS}: repeat on a quiet machine"


def _found(figures: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for aim in AIMS:
        value = _at(figures, aim.path)
        base = 1.0 if aim.over is None else _at(figures, aim.over)
        if value is None or base is None:
            continue
        value /= base
        met = "moonshot" if value <= aim.moonshot else "met" if value <= aim.most else "missed"
        yield aim.name, {"found": value, "aim": aim.most, "moonshot": aim.moonshot, "is": met}


def _at(figures: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    value: Any = figures
    for name in path:
        if name not in value:
            return None
        value = value[name]
    return float(value)
