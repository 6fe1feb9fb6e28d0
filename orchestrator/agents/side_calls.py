"""Model calls beside an agent's turns: the summary that makes room in its window, the judge of its result. Both on the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connectors.spec import Json
from orchestrator.agents import notices, verdict
from orchestrator.agents.calls import Caller, cost_of, ended_by
from orchestrator.agents.conversation import encode
from orchestrator.agents.evidence import CheckFacts
from orchestrator.agents.models.protocol import Model, ModelError, ModelReply, ModelRequest
from orchestrator.agents.prompts import Prompt
from orchestrator.domain.outcome import RunOutcome
from orchestrator.store.steplog import Row

JUDGE_TOKENS = 800
SUMMARY_TOKENS = 1500
NO_REASON = "the judge refused it without a reason"


@dataclass(slots=True, kw_only=True)
class SideCalls:
    """`judge`: asked for only where a result has criteria. `criteria`: of the agent's spec."""

    caller: Caller
    model: Model
    judge: Callable[[], Model]
    criteria: str
    prompt: Callable[[str], Prompt]

    async def summarise(self, messages: Sequence[bytes], upto: int) -> RunOutcome | None:
        """Everything before turn `upto` as one message of the house; an outcome where it could not be had."""
        ask = encode({"role": "user", "content": self.prompt("summary").render()})

        def record(reply: ModelReply) -> Row:
            body = cost_of(reply, secret=self.caller.secret()) | {"upto": upto, "text": reply.text}
            shown = notices.SUMMARY_TAKEN + reply.text
            return Row(kind="summary", key=f"s{self.caller.history.turn}", body=body | {"shown": shown})

        request = ModelRequest(messages=[*messages, ask], max_tokens=SUMMARY_TOKENS)
        said = await self.caller.call(self.model, request, record)
        if isinstance(said, ModelError):
            return ended_by(said)
        return None if isinstance(said, ModelReply) else said

    async def verdict(self, key: str, handed_in: Json, facts: CheckFacts) -> Sequence[str] | RunOutcome:
        """What the judge finds wrong, on the log under `key`; nothing where it is content."""
        prompt = self.prompt("judge").render()
        messages = verdict.judge_messages(prompt, self.criteria, facts.request, handed_in, facts)
        problems: list[str] = []

        def record(reply: ModelReply) -> Row:
            found = verdict.parse_verdict(reply.text)
            problems.extend([] if found.ok else found.problems or [NO_REASON])
            body = cost_of(reply, secret=self.caller.secret())
            return Row(kind="check", key=key, body=body | {"ok": not problems, "problems": [*problems], "by": "judge"})

        request = ModelRequest(messages=messages, max_tokens=JUDGE_TOKENS, schema=verdict.SCHEMA)
        said = await self.caller.call(self.judge(), request, record)
        if isinstance(said, ModelError):
            return ended_by(said)
        return problems if isinstance(said, ModelReply) else said
