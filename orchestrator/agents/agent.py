"""One agent during one advance: think (one model call), act (every call of its reply through the gate), and when that ends.

Nothing is kept here that the step log does not hold: after a park, a crash or an upgrade the same rows give the same state.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from connectors.spec import Json, ToolSpec
from orchestrator.agents import notices
from orchestrator.agents.calls import Caller, cost_of, ended_by, ms
from orchestrator.agents.conversation import canonical
from orchestrator.agents.history import History, Pending, digest_of
from orchestrator.agents.house_tools import FINISH
from orchestrator.agents.models.protocol import Model, ModelError, ModelReply, ModelRequest
from orchestrator.agents.spec import AgentSpec
from orchestrator.agents.window import Window
from orchestrator.domain.call import Broken, CallOutcome, Completed, Failed, Refused, ToolCall, Waiting
from orchestrator.domain.outcome import Ended, Parked, RunOutcome
from orchestrator.gate.perform import Gate
from orchestrator.store.steplog import Row

MOST_CHATS = 2  # replies in a row without a call that are answered with a reminder
MOST_BLUNDERS = 3  # turns in a row with nothing but malformed or unknown calls
MOST_REPEATS = 5  # of exactly the same call in one run
TELL_REPEATS = 3
FOLLOWED = frozenset({"worklist.wait"})  # the same call again is what they are for


class Finisher(Protocol):
    """What a `finish` becomes: (what the agent is told, how the run ends); (None, None) while a person is asked."""

    async def finish(self, call_id: str, args: Mapping[str, Any]) -> tuple[Json, RunOutcome | None]: ...

    def misfit(self, args: Mapping[str, Any], problems: Sequence[str]) -> tuple[Json, RunOutcome | None]: ...


@dataclass(slots=True, kw_only=True)
class Agent:
    """`tools`: the encoded list the model is shown. `max_tokens`: of one reply. `withdraw`: takes a question to a person back."""

    spec: AgentSpec
    model: Model
    gate: Gate
    caller: Caller
    history: History
    window: Window
    tools: bytes
    finisher: Finisher
    max_tokens: int
    withdraw: Callable[[str], Awaitable[None]]
    specs: Mapping[str, ToolSpec]  # of every tool it has
    plan_text: str = ""
    _sayings: list[Row] = field(default_factory=list)

    # ---- one turn ------------------------------------------------------------------------------------------------
    async def turn(self) -> RunOutcome | None:
        """None: the next turn may follow. REPLAY: calls of the latest reply without an answer are answered first."""
        outcome = await self._act_to_the_end()
        if outcome is None:
            outcome = self._limit() or await self.window.make_room() or await self._think("auto")
        if outcome is None:
            outcome = await self._act_to_the_end()
        return outcome

    async def plan(self) -> RunOutcome | None:
        """A turn in which tools are listed and cannot be called: its text is the plan."""
        self._say(self.plan_text, "plan")
        self._flush_sayings()
        outcome = await self._think("none", key="plan")
        if outcome is None:
            self._say(notices.CARRY_OUT, "carry-out")
        return outcome

    async def _think(self, tool_choice: str, *, key: str = "", again: bool = False) -> RunOutcome | None:
        request = ModelRequest(
            messages=self.history.conversation.messages,
            tools=self.tools,
            tool_choice=tool_choice,
            max_tokens=self.max_tokens,
        )
        said = await self.caller.call(
            self.model,
            request,
            lambda reply: Row(kind="reply", key=key or f"t{self.history.turn}", body=self._body(reply)),
        )
        if isinstance(said, ModelError):
            if said.code == "context_too_long" and not again:
                return await self.window.make_room(force=True) or await self._think(tool_choice, key=key, again=True)
            return ended_by(said)
        return None if isinstance(said, ModelReply) else said

    def _body(self, reply: ModelReply) -> dict[str, Any]:
        """A reply as its row holds it."""
        calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in reply.calls]
        cost = cost_of(reply, secret=self.caller.secret())
        return {"text": reply.text, "calls": calls, "finish": reply.finish, **cost}

    # ---- acting --------------------------------------------------------------------------------------------------
    async def _act_to_the_end(self) -> RunOutcome | None:
        """Parked where a call of the latest reply waits for somebody."""
        if not self.history.waiting and not self.history.stale:
            return None
        outcome = await self.act()
        return outcome if outcome is not None or not self.history.waiting else Parked()

    async def act(self) -> RunOutcome | None:
        """Answers the calls of the latest reply; those that wait for somebody stay unanswered. None: nothing has ended."""
        began_s = time.monotonic()
        for call_id in self.history.stale:
            await self.gate.withdraw(call_id)
            await self.withdraw(call_id)
        self.history.stale.clear()
        try:
            calls = sorted(self.history.waiting.values(), key=lambda one: (one.tool == FINISH, one.index))
            for group in _groups(calls, self._is_read):
                if len(group) == 1:
                    outcome = await self.answer(group[0])
                else:
                    outcomes = await asyncio.gather(*(self.answer(pending) for pending in group))
                    outcome = next((one for one in outcomes if one is not None), None)
                if outcome is not None:
                    return outcome
            return None
        finally:
            self.caller.used_ms += ms(began_s)

    def _is_read(self, pending: Pending) -> bool:
        tool = self.gate.toolbox.any_of(pending.tool) if pending.is_listed and pending.args is not None else None
        return tool is not None and tool.spec.is_read

    async def answer(self, pending: Pending) -> RunOutcome | None:
        """One call's answer, on the log and in the conversation, unless it waits for somebody."""
        problem: Any = self._problem(pending)
        if problem is not None:
            self._result(pending, problem)
            return None
        args = pending.args or {}
        if pending.tool == FINISH and any(other.tool != FINISH for other in self.history.waiting.values()):
            return None  # its neighbours wait; it comes last
        if pending.tool == FINISH and self.history.has_failed:
            self._result(pending, {"not_accepted": notices.LOOK_FIRST})
            return None
        repeats = self.history.repeats[digest_of(pending.tool, args, pending.raw)]
        if repeats > MOST_REPEATS and pending.tool not in FOLLOWED:
            message = f"it called {pending.tool} {repeats} times with the same arguments"
            return self._ended("agent_looped", message)
        tool = pending.tool if pending.is_listed else canonical(pending.tool)
        call = ToolCall(call_id=pending.call_id, tool=tool, args=args)
        if pending.tool == FINISH:
            return await self._finish(call, pending)
        outcome = await self.gate.perform(call)
        return self._told(pending, outcome, repeats)

    async def _finish(self, call: ToolCall, pending: Pending) -> RunOutcome | None:
        """REPLAY: a finish that ends the run leaves no row, so that whoever comes after a crash meets it again and ends the same."""
        spec = self.specs[FINISH]
        if problems := self.gate.toolbox.problems(spec, call.args):
            value, ended = self.finisher.misfit(call.args, problems)
        else:
            value, ended = await self.finisher.finish(call.call_id, call.args)
        if ended is None and value is not None:
            self._result(pending, value)
        return ended

    def _told(self, pending: Pending, outcome: CallOutcome, repeats: int) -> RunOutcome | None:
        """The outcome as a row; the gate has written those of reads and done effects already."""
        match outcome:
            case Waiting():
                return None
            case Completed(result=result):
                if pending.call_id not in self.history.waiting:  # the row was applied where it was written
                    return None
                self._apply_written(pending, result)
            case Refused(code=code, reason=reason, near_miss=near_miss):
                told: dict[str, Any] = {"refused": reason, "code": code}
                self._result(pending, told | ({"would_be_allowed": near_miss} if near_miss else {}))
                if code == "over_budget":
                    return Ended(state=code, code=code, message=reason, fix="ask again with a larger --budget")
            case Broken(reason=reason):
                self._result(pending, {"not_sent": reason})
            case Failed(code=code, message=message, fix=fix):
                failed: dict[str, Any] = {"failed": message, "code": code}
                self._result(pending, failed | ({"fix": fix} if fix else {}))
            case _:
                self._result(pending, {"failed": "it was held back", "code": "held"})
        if repeats >= TELL_REPEATS and pending.tool not in FOLLOWED:
            self._say(notices.repeated(pending.tool, repeats), "repeat")
        return None

    def _apply_written(self, pending: Pending, result: Json) -> None:
        """What the gate has put on the log, applied here as it would be on a rebuild."""
        effect = self.gate.latest(pending.call_id)
        if effect is not None:
            body = {"tool": pending.tool, "args": dict(effect.args), "result": result}
            self.history.apply("effect", effect.call_id, body)
        else:
            self.history.apply("read", pending.call_id, {"tool": pending.tool, "result": result})

    def _problem(self, pending: Pending) -> dict[str, Json] | None:
        """Why the call cannot even be put to the gate. An unlisted tool that exists goes there, to be refused on record."""
        if pending.args is None:
            return {"failed": notices.bad_arguments(pending.raw), "code": "bad_arguments"}
        if not pending.is_listed and self.gate.toolbox.any_of(canonical(pending.tool)) is None:
            return {"failed": notices.unknown_tool(pending.tool, self.history.listed), "code": "unknown_tool"}
        return None

    def _result(self, pending: Pending, value: Json) -> None:
        row = Row(kind="result", key=pending.call_id, body={"tool": pending.tool, "value": value})
        self.caller.log.later([row])
        self.history.apply(row.kind, row.key, row.body)

    def _say(self, text: str, why: str) -> None:
        """A word of the house, after all answers of the turn; said once."""
        key = f"u{self.history.turn}.{why}"
        if key not in self.history.said:
            self._sayings.append(Row(kind="user", key=key, body={"text": text}))

    def _flush_sayings(self) -> None:
        for row in self._sayings:
            self.caller.log.later([row])
            self.history.apply(row.kind, row.key, row.body)
        self._sayings.clear()

    # ---- limits --------------------------------------------------------------------------------------------------
    def _limit(self) -> RunOutcome | None:
        """A stated limit that is reached; else reminders where the model chats or blunders."""
        history = self.history
        if history.turn > self.spec.max_turns:
            return self._ended("turns_exhausted", f"it did not finish within {self.spec.max_turns} turns")
        if history.chats > MOST_CHATS:
            return self._ended("agent_chatted", f"it answered {history.chats} times in a row without calling a tool")
        if history.blunders >= MOST_BLUNDERS:
            return self._ended("agent_malformed", f"{history.blunders} turns in a row held no call that could be made")
        if history.chats:
            self._say(notices.USE_FINISH, "finish")
        self._flush_sayings()
        return None

    def _ended(self, code: str, message: str) -> Ended:
        return Ended(
            state="failed",
            code=code,
            message=message,
            fix="see what it did: deputy run show",
            text=self.history.last_text or None,
        )


def _groups(calls: Sequence[Pending], is_read: Callable[[Pending], bool]) -> list[list[Pending]]:
    """Neighbouring reads together, everything else alone, in order."""
    groups: list[list[Pending]] = []
    reading = False
    for call in calls:
        if is_read(call) and reading:
            groups[-1].append(call)
        else:
            groups.append([call])
        reading = is_read(call)
    return groups
