"""Answers and edits that came since the last advance: onto the log, and to the guard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.domain.item import WaitKind
from orchestrator.engine.claim_ledger import ClaimLedger
from orchestrator.engine.run_host import SLOT_QUESTION
from orchestrator.gate.authorize import Authority, words_of
from orchestrator.store.lease import Claimed
from orchestrator.store.steplog import StepRow
from orchestrator.store.waits import Wait


async def hear_answers(claimed: Claimed, log: Sequence[StepRow], ledger: ClaimLedger, authority: Authority) -> None:
    """Answers and edits not yet in the log enter it, and the guard hears what the person typed themselves.

    A choice's words may come from a record and are nobody's own; what was picked is heard as `chosen`, by its ids.
    """
    heard = {row.key for row in log if row.kind in ("answer", "edit")}
    for wait in claimed.waits:
        if wait.answered_at is None or wait.wait_id in heard:
            continue
        by = wait.answered_by or ""
        if wait.kind is WaitKind.ANSWER:
            is_label = bool(wait.payload.get("choices")) and not wait.wait_id.startswith(SLOT_QUESTION)
            await _hear(ledger, authority, "answer", wait.wait_id, "" if is_label else str(wait.answer), by)
        elif isinstance(wait.answer, dict) and wait.answer.get("verdict") == "edit":
            await _hear(ledger, authority, "edit", wait.wait_id, words_of(_typed(claimed, wait)), by)


def _typed(claimed: Claimed, wait: Wait) -> dict[str, Any]:
    """What an edit changed: arguments that differ from the card's, of a list the entries that are new."""
    card = next((e.args for e in claimed.effects if e.effect_id == wait.payload.get("effect_id")), {})
    return {
        name: [entry for entry in value if entry not in (card.get(name) or [])] if isinstance(value, list) else value
        for name, value in wait.answer["args"].items()
        if value != card.get(name)
    }


async def _hear(ledger: ClaimLedger, authority: Authority, kind: str, key: str, text: str, by: str) -> None:
    await ledger.note(kind, key, {"text": text, "by": by, "human": True})
    authority.say(text, by, human=True)
