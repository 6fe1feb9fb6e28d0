"""What a judge is sent, and what is made of its answer. In doubt the verdict is no: a result nobody could judge is not accepted.

That stays bounded: an unreadable verdict counts as one failed check, of which a spec allows `max_checks`; whoever asked may
ask once more before (`is_readable`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.spec import Json
from orchestrator.agents.evidence import CheckFacts

MOST_BYTES = 60_000  # of what a judge is shown besides criteria and result
LONGEST_READ = 4_000
MOST_PROBLEMS = 10
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"ok": {"type": "boolean"}, "problems": {"type": "array", "items": {"type": "string"}}},
    "required": ["ok", "problems"],
}
UNREADABLE = "The judge gave no readable verdict."
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`problems` is empty exactly when `ok`. is_readable: False where the answer was no verdict."""

    ok: bool
    problems: tuple[str, ...] = ()
    is_readable: bool = True


def judge_messages(prompt: str, criteria: str, request: str, result: Json, facts: CheckFacts) -> list[bytes]:
    """The messages of one judgement, encoded, the same for the same inputs. `prompt`: the judge's, rendered.

    All but the prompt is one JSON object, so that no text of a mail can stand beside the criteria. Effects are shown whole,
    reads cut, the latest first, as far as they fit.
    """
    shown: dict[str, Any] = {"criteria": criteria, "request": request, "result": result}
    if facts.goal and facts.goal != request:
        shown["goal"] = facts.goal
    shown["now"] = facts.now.isoformat()
    room = MOST_BYTES
    for name, rows in (("done", facts.effects), ("tasks", facts.children), ("read", tuple(reversed(facts.reads)))):
        kept, left_out = [], 0
        for row in rows:
            told = _cut(row)
            size = len(_encode(told))
            if size > room:
                left_out += 1
                continue
            room -= size
            kept.append(told)
        shown[name] = kept
        if left_out:
            shown[f"{name}_left_out"] = left_out
    return [
        _encode({"role": "system", "content": prompt}),
        _encode({"role": "user", "content": _encode(shown).decode()}),
    ]


def parse_verdict(answer: str | Mapping[str, Any]) -> Verdict:
    """The verdict in a judge's text (plain, fenced or among words) or in a tool call's arguments.

    Several verdicts that disagree, and a yes that comes with problems, are a no.
    """
    found = [answer] if isinstance(answer, Mapping) else [one for one in _objects(answer) if "ok" in one]
    verdicts = [_verdict(one) for one in found]
    if not verdicts or not all(verdict.is_readable for verdict in verdicts):
        return Verdict(ok=False, problems=(UNREADABLE,), is_readable=False)
    if all(verdict.ok for verdict in verdicts):
        return verdicts[-1]
    problems = dict.fromkeys(problem for verdict in verdicts for problem in verdict.problems)
    return Verdict(ok=False, problems=tuple(problems)[:MOST_PROBLEMS])


def _verdict(value: Mapping[str, Any]) -> Verdict:
    ok, listed = value.get("ok"), value.get("problems") or []
    if not isinstance(ok, bool) or not isinstance(listed, list | tuple | str):
        return Verdict(ok=False, problems=(UNREADABLE,), is_readable=False)
    given = [listed] if isinstance(listed, str) else listed
    problems = tuple(text for one in given if (text := _SPACE.sub(" ", str(one)).strip()[:500]))[:MOST_PROBLEMS]
    if ok and not problems:
        return Verdict(ok=True)
    return Verdict(ok=False, problems=problems or ("The judge refused it and gave no reason.",))


def _objects(text: str) -> list[Mapping[str, Any]]:
    """Every JSON object in a text, outermost ones only."""
    decoder, found, at = json.JSONDecoder(), list[Mapping[str, Any]](), 0
    while (at := text.find("{", at)) >= 0:
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        found.append(value)
    return found


def _cut(row: Mapping[str, Any]) -> dict[str, Any]:
    """One effect, read or task; a result too long as the beginning of its JSON."""
    told = dict(row)
    for key in ("result", "output"):
        if key in told and len(text := _encode(told[key])) > LONGEST_READ:
            told[key] = f"{text[:LONGEST_READ].decode('utf-8', 'ignore')} … [cut: {len(text)} bytes]"
    return told


def _encode(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return text.encode("utf-8", "backslashreplace")
