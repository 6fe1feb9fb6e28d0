"""A tree of items as a follower sees it: the latest document, every item of it, and the agents' logs as they grow.

Pure: takes what `Deputy.watch` tells, and says in words where each agent stands. Draws nothing, reads nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from orchestrator.domain import transcript
from orchestrator.surfaces.cli import budgets

Document: TypeAlias = Mapping[str, Any]

MOVING = frozenset({"ready", "running"})
FINAL = frozenset({"done", "failed", "denied", "needs_model", "over_budget", "cancelled"})
WAITS = {
    "approval": "an approval",
    "answer": "an answer",
    "child": "its tasks",
    "timer": "its time",
    "reconsent": "a connection",
    "repair": "a person to look",
    "paused": "whoever paused it",
}


class Scene:
    """Grows by `take`. Logs are kept whole, so that a look need only bring what is new."""

    def __init__(self) -> None:
        self.document: Document = {}
        self.nodes: list[Document] = []
        self.logs: dict[str, list[Document]] = {}
        self._known: dict[str, str] = {}  # item id → how it stood when it was last told
        self._standing: dict[str, tuple[Any, dict[str, Any]]] = {}

    @property
    def seen(self) -> dict[str, int]:
        """Run id → the last row of it that is here."""
        return {run_id: log[-1]["seq"] for run_id, log in self.logs.items() if log}

    def take(self, told: Document) -> list[str]:
        """What is new, a line each: rows of agents' logs, and items that begin, wait or end."""
        self.document = told["item"]
        self.nodes = [{**self.document, "name": self.document["agent"]}, *self.document["agents"]]
        lines: list[str] = []
        for node in self.nodes:
            fresh = told["rows"].get(node["run_id"]) or ()
            if fresh:
                self.logs.setdefault(node["run_id"], []).extend(fresh)
            lines += [f"{self.name(node)} · {line}" for row in fresh for line in row_words(row)]
            lines += self._changes(node)
        return lines

    @property
    def has_agents(self) -> bool:
        return any(node["route"] == "agent" for node in self.nodes)

    @property
    def is_moving(self) -> bool:
        """Whether anything in the tree goes on by itself right now."""
        return any(node["state"] in MOVING for node in self.nodes)

    def state_of(self, item_id: str) -> str:
        return next((str(node["state"]) for node in self.nodes if node["item_id"] == item_id), "")

    def below(self, item_id: str | None) -> list[Document]:
        return [node for node in self.nodes if node["parent"] == item_id]

    def name(self, node: Document) -> str:
        """The agent's or workflow's name, with the item's id where several have it; the request where nobody has begun."""
        own = node["name"]
        if not own:
            return _cut(node["request"], 40)
        same = sum(1 for other in self.nodes if other["name"] == own)
        return f"{own} {node['item_id'][-4:]}" if same > 1 else str(own)

    def log(self, node: Document) -> Sequence[Document]:
        return self.logs.get(node["run_id"] or "", ())

    def spent(self, node: Document) -> Document:
        """The agent's own totals so far."""
        return transcript.totals(self.log(node), self._effects(node))

    def standing(self, node: Document) -> Document:
        log, effects = self.log(node), self._effects(node)
        mark = (len(log), [effect["state"] for effect in effects])
        known = self._standing.get(node["item_id"])
        if known is None or known[0] != mark:
            known = self._standing[node["item_id"]] = (mark, transcript.standing(log, effects))
        return known[1]

    def step(self, node: Document) -> str:
        """What it is at: "thinking (turn 3)", "calendar.find_slots", "waits for an approval: mail.send", "done"."""
        state = str(node["state"])
        if state in FINAL:
            return state.replace("_", " ")
        if state == "ready":
            return "ready"
        where = self.standing(node)
        if state == "waiting":
            kinds = [kind for kind in node["waiting_on"] if kind != "child" or len(node["waiting_on"]) == 1]
            held = (
                [call["tool"] for call in where["doing"] if call["state"] == "intended"] if "approval" in kinds else []
            )
            if not kinds:
                return "waits"
            words = " and ".join(WAITS.get(kind, kind) for kind in kinds)
            return f"waits for {words}" + (f": {', '.join(held)}" if held else "")
        if where["doing"]:
            return ", ".join(call["tool"] for call in where["doing"])
        if node["route"] != "agent":
            return "running"
        opened = next(iter(self.log(node)), {}).get("body") or {}
        planning = (opened.get("spec") or {}).get("plan") and not where["turn"] and not where["plan"]
        return "planning" if planning else f"thinking (turn {where['turn'] + 1})"

    def _effects(self, node: Document) -> list[Document]:
        return [effect for effect in self.document.get("effects") or () if effect["run_id"] == node["run_id"]]

    def _changes(self, node: Document) -> Iterator[str]:
        """A line where an item of an agent's tree began, waits for something else, or ended; nothing for plain items."""
        if not self.has_agents:
            return
        now = self.step(node) if node["state"] in (*FINAL, "waiting") else str(node["state"])
        if self._known.get(node["item_id"]) == now:
            return
        self._known[node["item_id"]] = now
        if node["state"] == "running":
            return  # its log says what it does
        error = f": {node['error'].get('message', '')}" if node["error"] else ""
        why = f" · {node['why_here']}" if node["state"] == "ready" else ""
        yield f"{self.name(node)} · {now}{error}{why}"


def row_words(row: Document) -> Iterator[str]:
    """A row of an agent's log in a line or two; none for rows that only matter to the machine."""
    body: Mapping[str, Any] = row["body"] if isinstance(row["body"], Mapping) else {}
    match row["kind"]:
        case "agent":
            facts = f", {len(body['recalled'])} facts recalled" if body.get("recalled") else ""
            yield f"begins: {body.get('model')}, {len(body.get('tools') or ())} tools{facts}"
        case "reply":
            yield _reply_words(row["key"], body)
        case "effect":
            yield f"✓ {body.get('tool')}"
        case "result" if isinstance(body.get("value"), Mapping):
            bad = next(
                (word for word in ("refused", "failed", "not_accepted", "not_sent") if word in body["value"]), None
            )
            if bad is not None:
                yield f"✗ {body.get('tool')} {bad.replace('_', ' ')}: {_cut(body['value'][bad], 160)}"
        case "nudge" | "answer" | "edit" if body.get("text"):
            yield f"hears {body.get('by') or 'somebody'}: {_cut(body['text'], 160)}"
        case "check" if not body.get("ok"):
            yield f"✗ result refused by {body.get('by')}: {_cut('; '.join(body.get('problems') or ()), 160)}"
        case "fold" | "summary":
            done = "folded to references" if row["kind"] == "fold" else "replaced by a summary"
            yield f"what came before turn {body.get('upto')} was {done}"


def _reply_words(key: str, body: Document) -> str:
    usage = body.get("usage") or {}
    spent = f"{budgets.tokens(int(usage.get('in') or 0) + int(usage.get('out') or 0))} tokens"
    if body.get("cost"):
        spent += f", {budgets.money(int(body['cost']))}"
    calls = ", ".join(str(call.get("name")) for call in body.get("calls") or ())
    said = _cut(body.get("text") or "", 120)
    what = " → ".join(part for part in (said, calls) if part) or "nothing"
    turn = "plan" if key == transcript.PLAN else f"turn {key.removeprefix('t')}"
    return f"{turn}: {what} ({spent})"


def _cut(text: Any, limit: int) -> str:
    flat = " ".join(str(text).split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"
