"""Selectors over records: which rows of a result a step means. Pure; a tie is never decided by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from orchestrator.workflows.definition import Select
from orchestrator.workflows.templates import BadExpression, clip, evaluate, render

MOST_CHOICES = 8


@dataclass(frozen=True, slots=True)
class Selected:
    """The record (first, last, only) or the list of records (all, a number)."""

    value: Any


@dataclass(frozen=True, slots=True)
class Nothing:
    """No record fits."""


@dataclass(frozen=True, slots=True)
class Several:
    """`only` fits more than one record: labels, in the order of `rows`, are all different."""

    rows: tuple[Any, ...]
    labels: tuple[str, ...]


Selection: TypeAlias = Selected | Nothing | Several


def rows_of(result: Any, source: str | None) -> list[Any]:
    """The list that is selected from. Raises BadExpression where the result has none, or several and none is named."""
    if isinstance(result, list):
        return result
    if isinstance(result, Mapping):
        if source is not None:
            found = result.get(source)
            if isinstance(found, list):
                return found
            raise BadExpression(
                f"the result has no list {source!r} to select from", fix=f"it has: {', '.join(sorted(result))}"
            )
        lists = [value for value in result.values() if isinstance(value, list)]
        if len(lists) == 1:
            return lists[0]
    raise BadExpression("the result has no single list to select from", fix="name it: select: {from: …}")


def select(spec: Select, result: Any, context: Mapping[str, Any]) -> Selection:
    """Applies where, order, key (of one key the first is kept) and take, in this order. Raises BadExpression."""
    rows = rows_of(result, spec.source)
    if spec.where is not None:
        rows = [row for row in rows if evaluate(spec.where, {**context, "row": row})]
    if spec.order is not None:
        order = spec.order
        rows = sorted(rows, key=lambda row: evaluate(order, {**context, "row": row}), reverse=spec.descending)
    if spec.key is not None:
        firsts: dict[str, Any] = {}
        for row in rows:
            firsts.setdefault(str(evaluate(spec.key, {**context, "row": row})), row)
        rows = list(firsts.values())
    if not rows:
        return Nothing()
    if spec.take == "all":
        return Selected(rows)
    if isinstance(spec.take, int):
        return Selected(rows[: spec.take])
    if spec.take == "first":
        return Selected(rows[0])
    if spec.take == "last":
        return Selected(rows[-1])
    if len(rows) == 1:
        return Selected(rows[0])
    rows = rows[:MOST_CHOICES]
    return Several(tuple(rows), tuple(_labels(spec, rows, context)))


def _labels(spec: Select, rows: Sequence[Any], context: Mapping[str, Any]) -> list[str]:
    labels: list[str] = []
    for row in rows:
        text = (
            str(render(spec.label, {**context, "row": row}))
            if spec.label
            else clip(row.get("title") or row.get("subject") or row, 60)
        )
        while text in labels:
            text += " (another)"
        labels.append(text)
    return labels
