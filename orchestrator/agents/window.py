"""Keeps a conversation within its model's window: measured, then oldest tool results to references, then a summary turn.

Each step is a row of the log, so that a rebuilt conversation is the one that was sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.agents.conversation import KEEP_TURNS
from orchestrator.agents.history import History
from orchestrator.domain.outcome import RunOutcome
from orchestrator.store.steplog import Row

FULL = 0.8  # of the window: above it room is made
BYTES_PER_TOKEN = 3.0  # until the first reply has told how many tokens its bytes were
SAFETY = 1.1


class Later(Protocol):
    def later(self, rows: Sequence[Row]) -> None: ...


@dataclass(slots=True, kw_only=True)
class Window:
    """`context_tokens`: of the model, prompt and reply together. `summarise`: one model call over
    the messages before a turn, recorded and applied as a summary; an outcome where it could not be had."""

    history: History
    log: Later
    context_tokens: int
    max_tokens: int
    overhead: int  # bytes of the tools that ride with every request
    summarise: Callable[[Sequence[bytes], int], Awaitable[RunOutcome | None]]

    def tokens(self) -> int:
        """What the next request will be for the model, by the ratio its last reply measured."""
        sent, counted = self.history.last_usage
        ratio = sent / counted if sent and counted else BYTES_PER_TOKEN
        return int((self.history.conversation.size + self.overhead) / ratio * SAFETY)

    def is_full(self) -> bool:
        return self.tokens() + self.max_tokens > self.context_tokens * FULL

    async def make_room(self, *, force: bool = False) -> RunOutcome | None:
        """Folds, then summarises, as far as it takes. None: go on; an outcome where the summary itself could not be had."""
        if not force and not self.is_full():
            return None
        conversation, turn = self.history.conversation, self.history.turn
        for keep in KEEP_TURNS:
            upto = conversation.can_fold(turn, keep)
            if upto:
                self._apply(Row(kind="fold", key=f"f{turn}.{keep}", body={"upto": upto}))
                if not self.is_full():
                    return None
        for keep in KEEP_TURNS:
            upto = conversation.can_summarise(turn, keep)
            if upto:
                return await self.summarise(conversation.before(upto), upto)
        return None  # nothing left to shorten: the endpoint has the last word

    def _apply(self, row: Row) -> None:
        self.log.later([row])
        self.history.apply(row.kind, row.key, row.body)
