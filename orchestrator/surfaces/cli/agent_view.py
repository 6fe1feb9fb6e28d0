"""Agents as people see them at a terminal: the tree at work, and one agent's transcript. Draws what it is given, decides nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from orchestrator.surfaces.cli import budgets, view
from orchestrator.surfaces.cli.scene import FINAL, Scene
from orchestrator.surfaces.cli.times import shown

Document: TypeAlias = Mapping[str, Any]

OUTCOME = {
    "read": ("·", "cyan"),
    "told": ("·", "dim"),
    "done": ("✓", "green"),
    "accepted": ("✓", "green"),
    "open": ("…", "cyan"),
    "approved": ("…", "cyan"),
    "attempted": ("…", "cyan"),
    "intended": ("?", "yellow"),
    "unknown": ("!", "red"),
    "refused": ("✗", "red"),
    "failed": ("✗", "red"),
}
SHORT = 110
PRICE_UNKNOWN = "price_unknown"  # what a reply's row says was left out of its cost


# ---- at work ---------------------------------------------------------------------------------------------------------
def agents(scene: Scene) -> list[Tree]:
    """The item's own agent with its task agents under it; empty where no agent works on it."""
    if not scene.has_agents:
        return []
    root = scene.nodes[0]
    return [_agent(scene, root, is_root=True)]


def _agent(scene: Scene, node: Document, *, is_root: bool = False) -> Tree:
    style = view.STATE_STYLE.get(node["state"], "")
    head = Text.assemble((scene.name(node), "bold"), "  ", (scene.step(node), style))
    if node["priority"] != 100:
        head.append(f"  priority {node['priority']}", style="dim")
    if spent := spent_words(scene, node):
        head.append(f"  {spent}", style="dim")
    if not is_root:
        head.append(f"  {node['item_id']}", style="dim")
    tree = Tree(head, guide_style="dim")
    if node["state"] not in FINAL and not is_root and node["why_here"]:
        tree.add(Text(node["why_here"], style="dim"))
    where = scene.standing(node)
    if where["plan"]:
        tree.add(Text.assemble(("plan ", "dim"), (view.one_line(where["plan"], 140), "dim italic")))
    if node["state"] not in FINAL and where["said"]:
        tree.add(Text.assemble(("says ", "dim"), (view.one_line(where["said"], 140), "italic")))
    if node["error"] and not is_root:  # the root's own stands below, beside what it has
        tree.add(view.error_text(node["error"]))
    if node["state"] in FINAL and not is_root and node["text"]:
        tree.add(Text(view.one_line(node["text"], 160)))
    for child in scene.below(node["item_id"]):
        tree.add(_agent(scene, child))
    return tree


def spent_words(scene: Scene, node: Document) -> str:
    """What an agent used so far, against its own budget where it has one."""
    if any((entry or {}).get("most") is not None for entry in (node.get("budget") or {}).values()):
        return budgets.words(node["budget"], ("model_calls", "tokens", "cost_microusd"))
    spent = scene.spent(node)
    if not spent["model_calls"]:
        return ""
    money = f" · {budgets.money(spent['cost_microusd'])}" if spent["cost_microusd"] else ""
    return f"{budgets.tokens(spent['input_tokens'] + spent['output_tokens'])} tokens{money}"


# ---- afterwards ------------------------------------------------------------------------------------------------------
def transcript(told: Document, zone: str, *, prompts: bool, turn: str | None = None) -> RenderableType:
    """prompts: the system prompt and the first message whole; turn: only this one, with arguments and results whole."""
    run = told["run"]
    parts: list[RenderableType] = []
    if turn is None:
        parts += [_head(told), *_beginning(told, prompts=prompts), *(_event(event) for event in told["before"])]
    for one in told["turns"]:
        if turn in (None, one["turn"]):
            parts.append(_turn(one, zone, whole=turn is not None))
    if turn is None:
        known = not any(PRICE_UNKNOWN in (one["dropped"] or ()) for one in told["turns"])
        parts += [Text(""), Text(totals_words(told["totals"], price_known=known), style="dim")]
        parts.append(Text(f"steps and ledger: deputy run show {run['run_id']} --json", style="dim"))
    return Group(*parts)


def totals_words(totals: Document, *, price_known: bool = True) -> str:
    """e.g. "4 model calls · 3.1k tokens in, 420 out · $0.0042 · 3.2 s thinking · 6 tool calls · 1 effect done"."""
    parts = [
        f"{totals['model_calls']} model calls",
        f"{budgets.tokens(totals['input_tokens'])} tokens in, {budgets.tokens(totals['output_tokens'])} out",
        _price(totals["cost_microusd"], known=price_known),
        f"{totals['model_ms'] / 1000:.1f} s thinking",
        f"{totals['tool_calls']} tool calls",
        f"{totals['effects_done']} effects done",
    ]
    if totals["retries"]:
        parts.append(f"{totals['retries']} retries")
    if totals["endpoints"]:
        parts.append(f"sent to {', '.join(totals['endpoints'])}")
    return " · ".join(parts)


def _price(microusd: int, *, known: bool) -> str:
    """A model without a price costs nobody knows what; that is not nothing."""
    return budgets.money(microusd) if known else "price unknown"


def _head(told: Document) -> Text:
    agent, run = told["agent"] or {}, told["run"]
    style = view.STATE_STYLE.get(run["state"], "")
    line = Text.assemble((str(agent.get("name") or "agent"), "bold"), "  ", (run["state"].replace("_", " "), style))
    line.append(f"  {agent.get('model') or ''}  {run['run_id']} of {run['item_id']}", style="dim")
    return line


def _beginning(told: Document, *, prompts: bool) -> list[RenderableType]:
    agent, prompt = told["agent"] or {}, told["prompt"] or {}
    pairs: list[tuple[str, Any]] = [("prompt", f"{prompt.get('digest', '')}  {len(prompt.get('text', ''))} characters")]
    if agent.get("limits"):
        pairs.append(("limits", ", ".join(f"{name} {most}" for name, most in agent["limits"].items())))
    pairs.append(("tools", ", ".join(str(tool.get("name")) for tool in told["tools"]) or "–"))
    pairs += [
        ("recalled", f"{fact.get('text')}  ({fact.get('source') or fact.get('scope')})") for fact in told["recalled"]
    ]
    if told["examples"]:
        near = (f"{one.get('name') or one.get('workflow')} {one.get('score')}" for one in told["examples"])
        pairs.append(("nearest", ", ".join(near)))
    if not prompts:
        packet = told["packet"] or {}
        pairs.append(("told", view.one_line(str(told["told"] or packet.get("told") or packet), SHORT * 2)))
        return [view.facts(pairs), Text("the prompt whole: --prompts", style="dim")]
    return [
        view.facts(pairs),
        Text("\nsystem prompt", style="bold dim"),
        Text(str(prompt.get("text", ""))),
        Text("\ntold first", style="bold dim"),
        Text(str(told["told"])),
    ]


def _turn(turn: Document, zone: str, *, whole: bool) -> RenderableType:
    usage = turn["usage"]
    spent = [f"{usage['in']} in, {usage['out']} out" + (f", {usage['cached']} cached" if usage["cached"] else "")]
    spent += [_price(turn["cost_microusd"], known=PRICE_UNKNOWN not in (turn["dropped"] or ()))]
    spent += [f"{turn['ms']} ms"] if turn["ms"] is not None else []
    spent += [str(turn["endpoint"])] if turn["endpoint"] else []
    spent += [f"{turn['retries']} retries"] if turn["retries"] else []
    dropped = [what for what in turn["dropped"] or () if what != PRICE_UNKNOWN]
    spent += [f"without {', '.join(dropped)}"] if dropped else []
    number = turn["turn"].removeprefix("t")
    head = Text.assemble(
        (f"turn {number}" if number.isdigit() else number, "bold"), (f"  {shown(turn['at'], zone)}", "dim")
    )
    head.append(f"  {' · '.join(spent)}", style="dim")
    tree = Tree(head, guide_style="dim")
    if turn["text"]:
        tree.add(Text(turn["text"] if whole else view.one_line(turn["text"], SHORT * 3)))
    for call in turn["calls"]:
        tree.add(_call(call, whole=whole))
    for event in turn["after"]:
        tree.add(_event(event))
    return tree


def _call(call: Document, *, whole: bool) -> RenderableType:
    mark, style = OUTCOME.get(call["outcome"], ("·", ""))
    state = "denied" if call["decision"] == "deny" else call["outcome"]
    line = Text.assemble((f"{mark} ", style), (str(call["tool"]), "bold"), (f"  {state}", style))
    if call["decision"] in ("ask", "deny"):
        line.append(f"  {call['decision']}: {', '.join(call['rules'])}", style="dim")
    tree = Tree(line, guide_style="dim")
    if call["arguments"] not in ({}, "", None):
        tree.add(Text(_told(call["arguments"], whole=whole), style="dim"))
    if call["error"]:
        tree.add(Text(str(call["error"].get("message") or call["error"].get("code")), style="red"))
    elif call["value"] not in (None, {}, []):
        tree.add(Text(f"→ {_told(call['value'], whole=whole)}", style="dim"))
    return tree


def _event(event: Document) -> Text:
    match event["kind"]:
        case "check":
            word, style = ("accepted", "green") if event.get("ok") else ("refused", "red")
            return Text.assemble(
                (f"result {word} by {event.get('by')}", style), f"  {'; '.join(event.get('problems') or ())}"
            )
        case "nudge" | "answer" | "edit" | "chosen":
            return Text.assemble(
                (f"{event['kind']} by {event.get('by') or 'somebody'}: ", "yellow"), str(event.get("text") or "")
            )
        case "fold" | "summary":
            what = "results became references" if event["kind"] == "fold" else "everything became a summary"
            return Text(f"before turn {event.get('upto')}: {what}", style="dim")
        case "user":
            return Text.assemble(("the house says: ", "dim"), view.one_line(str(event.get("text") or ""), SHORT * 2))
    return Text(f"{event['kind']} {event['key']}", style="dim")


def _told(value: Any, *, whole: bool) -> str:
    if isinstance(value, str):
        return value if whole else view.one_line(value, SHORT)
    text = json.dumps(value, ensure_ascii=False, default=str, indent=2 if whole else None)
    return text if whole else view.one_line(text, SHORT)
