"""Before `finish` is accepted: the result's schema, then named checks, then a judge. What fails goes back with the report, bounded.

An accepted one becomes the run's end; the texts stay the agent's, the state is decided here from what really happened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from connectors.spec import Json
from orchestrator.agents import checks
from orchestrator.agents.history import History
from orchestrator.agents.spec import AgentSpec
from orchestrator.domain.effect import EffectState
from orchestrator.domain.outcome import Done, Ended, RunOutcome
from orchestrator.gate.perform import Gate
from orchestrator.store.steplog import Row

DENIED = frozenset({"approval_denied", "approval_expired"})


class Later(Protocol):
    def later(self, rows: Sequence[Row]) -> None: ...


Judge = Callable[[str, Json, checks.CheckFacts], Awaitable[Sequence[str] | RunOutcome]]
"""row key, what was handed in, facts → problems, recorded as a check; or an outcome where no judgement could be had."""


@dataclass(slots=True, kw_only=True)
class Finishing:
    """`facts`: what checks may look at, as of now. `denied_below`: codes by which children were denied. `ask_person`: the answer
    to a need for a person, None while it is open."""

    spec: AgentSpec
    gate: Gate
    history: History
    log: Later
    facts: Callable[[], checks.CheckFacts]
    judge: Judge | None
    denied_below: Callable[[], Sequence[str]]
    did_anything_below: Callable[[], bool]
    ask_person: Callable[[str], Awaitable[str | None]]

    async def finish(self, call_id: str, args: Mapping[str, Any]) -> tuple[Json, RunOutcome | None]:
        """(what the agent is told, None), or (None, how the run ends or parks); (None, None) while a person is asked."""
        outcome = args.get("outcome", "done")
        answer, result = str(args.get("answer", "")), args.get("result")
        if outcome == "needs_person":
            said = await self.ask_person(answer)
            return (None, None) if said is None else ({"not_accepted": f"a person says: {said}"}, None)
        if outcome == "not_possible":
            message = answer or "it gave up without a word"
            return None, self._ended("agent_gave_up", message, answer, result)
        problems, ended = await self._problems(answer, result)
        if ended is not None:
            return None, ended
        return (None, self._accepted(answer, result)) if not problems else self._refused(problems, answer, result)

    def misfit(self, args: Mapping[str, Any], problems: Sequence[str]) -> tuple[Json, RunOutcome | None]:
        """The same for arguments that are not even those of `finish`: told back and counted like any other refused result."""
        self._checked("schema", problems)
        return self._refused(problems, str(args.get("answer", "")), args.get("result"))

    def _refused(self, problems: Sequence[str], answer: str, result: Json) -> tuple[Json, RunOutcome | None]:
        if self.history.failed_checks >= self.spec.max_checks:
            message = f"its result was refused {self.history.failed_checks} times; last: {'; '.join(problems)}"
            return None, self._ended("checks_failed", message, answer, result)
        told: dict[str, Json] = {"not_accepted": list(problems)}
        return told | {"attempt": self.history.failed_checks, "of": self.spec.max_checks}, None

    async def _problems(self, answer: str, result: Json) -> tuple[Sequence[str], RunOutcome | None]:
        problems = self._misfits(answer, result)
        if problems:
            self._checked("schema", problems)
            return problems, None
        facts = self.facts()
        for name in self.spec.checks:
            if problems := checks.run([name], result if result is not None else {"answer": answer}, facts):
                self._checked(f"check:{name}", problems)
                return problems, None
        if self.spec.judge and self.judge is not None:
            key = self._key("judge")
            known = self.history.checked.get(key)
            if known is not None:  # REPLAY: judged before a crash
                return known["problems"], None
            said = await self.judge(key, {"answer": answer, "result": result}, facts)
            return (said, None) if isinstance(said, Sequence) else ((), said)
        return (), None

    def _misfits(self, answer: str, result: Json) -> list[str]:
        if self.facts_open():
            return [f"still running: {', '.join(self.facts_open())}. Wait for them, or cancel them"]
        if not answer.strip() and result is None:
            return ["the answer is empty"]
        if self.spec.output is None:
            return []
        if result is None:
            return ["result is missing"]
        import jsonschema

        found = jsonschema.Draft202012Validator(dict(self.spec.output)).iter_errors(result)
        return [f"result{''.join(f'.{part}' for part in error.path)}: {error.message[:300]}" for error in found][:10]

    def facts_open(self) -> list[str]:
        """Children that have not ended."""
        return [
            str(child["item_id"]) for child in self.facts().children if child.get("state") in (None, "open", "running")
        ]

    def _key(self, by: str) -> str:
        return f"c{self.history.turn}.{by}"

    def _checked(self, by: str, problems: Sequence[str]) -> None:
        key = self._key(by)
        if key in self.history.checked:
            return
        row = Row(kind="check", key=key, body={"ok": not problems, "problems": list(problems), "by": by})
        self.log.later([row])
        self.history.apply(row.kind, row.key, row.body)

    # ---- ends ----------------------------------------------------------------------------------------------------
    def _accepted(self, answer: str, result: Json) -> RunOutcome:
        """Done, save where a person's denial or silence left nothing done: that is an end of its own."""
        mine = self.gate.effects.values()
        refused = [(effect.error or {}).get("code", "") for effect in mine if effect.state is EffectState.FAILED]
        codes = [code for code in (*refused, *self.denied_below()) if code in DENIED]
        did = any(effect.state is EffectState.DONE for effect in mine) or self.did_anything_below()
        if codes and not did:
            said = "a person denied it" if codes[-1] == "approval_denied" else "nobody decided in time"
            return Ended(
                state="denied", code=codes[-1], message=said, fix="ask again", text=answer, output=_output(result)
            )
        return Done(text=answer, output=_output(result))

    def _ended(self, code: str, message: str, answer: str, result: Json) -> Ended:
        return Ended(state="failed", code=code, message=message, text=answer or None, output=_output(result))


def _output(result: Json) -> dict[str, Any]:
    return {} if result is None else {"result": result}
