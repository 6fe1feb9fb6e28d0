"""Documents as people see them at a terminal: an item's tree, a card, lists. Draws what it is given; reads nothing, decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from orchestrator.domain import schedule_news
from orchestrator.surfaces.cli import budgets
from orchestrator.surfaces.cli.times import shown

Document: TypeAlias = Mapping[str, Any]
Row: TypeAlias = Sequence[RenderableType | str | None]

STATE_STYLE = {
    "ready": "cyan",
    "running": "cyan",
    "waiting": "yellow",
    "done": "green",
    "failed": "red",
    "denied": "red",
    "needs_model": "yellow",
    "over_budget": "red",
    "cancelled": "dim",
    "pending": "yellow",
    "approved": "green",
    "expired": "dim",
    "void": "dim",
}
EFFECT_MARK = {
    "intended": ("?", "yellow"),
    "approved": ("·", "cyan"),
    "attempted": ("…", "cyan"),
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "unknown": ("!", "red"),
    "undone": ("↺", "dim"),
    "preview": ("○", "dim"),
}
LEVELS = {
    4: "your own words",
    3: "looked up from your words",
    2: "a field of a record",
    1: "text of a record you named",
    0: "untrusted text",
}


def state_words(document: Document) -> str:
    """e.g. "waiting for approval"."""
    waiting = document.get("waiting_on") or ()
    if document.get("pausing"):
        return "pausing"
    return (
        f"{document['state'].replace('_', ' ')} for {', '.join(waiting)}"
        if waiting
        else document["state"].replace("_", " ")
    )


def item_tree(document: Document, zone: str, agents: Sequence[Tree] = ()) -> Tree:
    """Request, match, slots with their sources, agents at work, effects, question, result and receipt."""
    style = STATE_STYLE.get(document["state"], "")
    head = Text.assemble(
        (document["request"], "bold"), "  ", (state_words(document), style), "  ", (document["item_id"], "dim")
    )
    tree = Tree(head, guide_style="dim")
    for agent in agents:
        tree.add(agent)
    if document.get("match") and not (agents and document.get("route") == "agent"):
        _add_match(tree, document["match"], document.get("route"))
    if document.get("slots"):
        tree.add(_slots(document["slots"], zone))
    if document.get("effects"):
        branch = tree.add(Text("effects", style="dim"))
        for effect in document["effects"]:
            branch.add(effect_line(effect))
    for question in document.get("questions") or ():
        tree.add(question_text(question))
    for wait in document.get("waits") or ():
        if wait["kind"] in ("reconsent", "timer") and wait.get("text"):
            branch = tree.add(Text(wait["text"], style="yellow"))
            if wait.get("fix"):
                branch.add(Text.assemble(("fix: ", "dim"), wait["fix"]))
    if document.get("text"):
        tree.add(_result(document))
    if document.get("error"):
        tree.add(error_text(document["error"]))
    if (schedule := document.get("schedule")) and schedule["state"] == "failed":
        branch = tree.add(Text(f"schedule {schedule['name']}: not as expected: {schedule['why']}", style="red"))
        branch.add(Text.assemble(("fix: ", "dim"), schedule_news.fix("failed", schedule["name"])))
    if not agents or document["finished_at"]:  # before its end, an agent's own line has the figures
        tree.add(receipt_text(document["receipt"]))
    if told := budgets.words(document.get("budget")):
        tree.add(Text(f"budget {told}", style="dim"))
    return tree


def _result(document: Document) -> RenderableType:
    """An agent's answer stands in a frame; what it had when it was stopped is told apart from one."""
    if document.get("route") != "agent":
        return Text(document["text"])
    if document["state"] == "done":
        return Panel(Text(document["text"]), title="answer", title_align="left", border_style="green", expand=False)
    return Text.assemble(("so far, not an answer: ", "yellow"), (document["text"], "italic"))


def _add_match(tree: Tree, match: Document, route: str | None) -> None:
    if route == "workflow":
        line = Text.assemble(
            ("workflow ", "dim"),
            (str(match.get("workflow")), "bold"),
            (f" {match.get('version') or ''}", "dim"),
            ("  named by you", "dim"),
        )
    elif route == "match":
        line = Text.assemble(
            ("match ", "dim"), (str(match.get("workflow")), "bold"), (f" {match.get('version') or ''}", "dim")
        )
        line.append(f"  {_scores(match)}", style="dim")
    else:
        line = Text.assemble(
            ("no match", "yellow"), (f"  nearest {match.get('workflow') or '–'}  {_scores(match)}", "dim")
        )
    branch = tree.add(line)
    if route not in ("match", "workflow"):
        for why in match.get("why") or ():
            branch.add(Text(str(why), style="dim"))
    for missing in match.get("missing") or ():
        branch.add(Text.assemble(("missing ", "yellow"), str(missing)))


def _scores(match: Document) -> str:
    parts = [f"score {match.get('score') or 0:.2f}, threshold {match.get('threshold') or 0:.2f}"]
    if match.get("runner_up"):
        parts.append(f"{match.get('margin') or 0:.2f} ahead of {match['runner_up']}")
    if match.get("tier"):
        parts.append(str(match["tier"]))
    return " · ".join(parts)


def _slots(slots: Sequence[Document], zone: str) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for slot in slots:
        said = slot.get("text")
        source = str(slot.get("source", "")) + (
            f" “{said}”" if said and str(said) != _short(slot.get("value"), zone) else ""
        )
        grid.add_row(
            Text(str(slot["name"]).replace("_", " "), style="dim"),
            Text(_short(slot.get("value"), zone)),
            Text(source, style="dim"),
        )
    return grid


def _short(value: Any, zone: str, limit: int = 80) -> str:
    """A slot's or argument's value in one line."""
    if isinstance(value, Mapping):
        if "address" in value:
            return f"{value.get('name') or ''} <{value['address']}>".strip()
        for key in ("name", "title", "text", "label"):
            if value.get(key):
                return str(value[key])
        if "start" in value and "end" in value:
            return f"{_short(value['start'], zone)} – {_short(value['end'], zone)}"
        text = ", ".join(f"{key} {_short(entry, zone)}" for key, entry in value.items() if entry is not None)
    elif isinstance(value, list | tuple):
        text = ", ".join(_short(entry, zone) for entry in value)
    elif isinstance(value, str) and len(value) >= 16 and value[4:5] == "-" and value[10:11] == "T":
        try:
            text = shown(value, zone)
        except (ValueError, KeyError):
            text = value
    else:
        text = "–" if value is None else str(value)
    return one_line(text, limit)


def one_line(text: str, limit: int) -> str:
    """White space folded, and cut at `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def effect_line(effect: Document) -> Text:
    """Mark, tool, state, what, in one line; the rule and the failure, where there is one, on the next."""
    mark, style = EFFECT_MARK.get(effect["state"], ("·", ""))
    line = Text.assemble((f"{mark} ", style), (effect["tool"], "bold"), (f"  {effect['state']}", style))
    line.append(f"  {one_line(effect.get('preview') or '', 96)}", style="dim")
    if effect.get("rules") and effect["decision"] != "allow":
        line.append(f"\n  {effect['decision']}: {', '.join(effect['rules'])}", style="dim")
    if effect["state"] == "failed" and effect.get("error"):
        line.append(f"\n  {effect['error'].get('message', '')}", style="red")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def question_text(question: Document) -> Text:
    text = Text.assemble(("? ", "yellow"), (question["text"], "bold"))
    for number, choice in enumerate(question.get("choices") or (), 1):
        text.append(f"\n    {number}. {choice}")
    return text


def error_text(error: Document) -> Text:
    text = Text.assemble((error.get("message") or error.get("code", ""), "red"), (f"  {error.get('code', '')}", "dim"))
    if error.get("fix"):
        text.append(f"\nfix: {error['fix']}", style="dim")
    return text


def receipt_text(receipt: Document) -> Text:
    """Always says how many model calls there were, none included."""
    tokens = receipt["input_tokens"] + receipt["output_tokens"]
    parts = [f"model calls {receipt['model_calls']}"]
    if tokens:
        parts.append(f"{tokens} tokens · ${receipt['cost_usd']:.4f}")
    parts += [f"{receipt['wall_s']:.1f} s", str(receipt["determinism"])]
    if receipt.get("endpoints"):
        names = (one["endpoint"] if isinstance(one, Mapping) else str(one) for one in receipt["endpoints"])
        parts.append(f"sent to {', '.join(dict.fromkeys(names))}")
    return Text(" · ".join(parts), style="dim")


def card(approval: Document, zone: str) -> Panel:
    """Everything a person decides on: exact arguments, outside people, where values came from, rule, what must still hold."""
    body = approval["card"]
    parts: list[RenderableType] = [_arguments(body.get("lines") or ())]
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    if body.get("program"):
        facts.add_row("asked by", Text(f"a program ({body['program']}), not in a person's own words", style="yellow"))
    if body.get("reaches"):
        facts.add_row("reaches", ", ".join(map(str, body["reaches"])))
    if body.get("outside"):
        facts.add_row("outside", Text(", ".join(body["outside"]), style="bold red"))
    for source in _sources(body.get("sources") or ()):
        facts.add_row("source", source)
    for condition in body.get("holds") or approval.get("preconditions") or ():
        facts.add_row("holds", str(condition))
    reason = body.get("reason") or ""
    facts.add_row("rule", Text.assemble((str(body.get("rule") or "–"), ""), (f"  {reason}" if reason else "", "dim")))
    if body.get("undo"):
        facts.add_row("undo", str(body["undo"]))
    elif body.get("irreversible"):
        facts.add_row("undo", Text("cannot be taken back", style="yellow"))
    facts.add_row("expires", shown(approval.get("expires_at"), zone))
    parts += [Text(""), facts]
    return Panel(
        Group(*parts),
        title=Text.assemble(
            (f" {body.get('title') or approval.get('tool', '')} ", "bold"),
            (f"as {body.get('as')} " if body.get("as") else "", "dim"),
        ),
        title_align="left",
        subtitle=Text(f" {approval['approval_id']} · {approval['digest'][:19]}… ", style="dim"),
        subtitle_align="right",
        border_style=STATE_STYLE.get(approval.get("state", "pending"), "yellow"),
        box=box.ROUNDED,
        padding=(0, 1),
    )


def _arguments(lines: Sequence[Any]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        if not isinstance(line, Mapping):
            grid.add_row("", str(line))
            continue
        value = Text(str(line["value"]))
        value.highlight_words(["OUTSIDE", "not in the directory"], style="bold red")
        grid.add_row(str(line["name"]).replace("_", " "), value)
    return grid


def _sources(sources: Sequence[Any]) -> list[Text]:
    """Only what is not the person's own word: level 4 needs no footnote."""
    texts = []
    for entry in sources:
        if not isinstance(entry, Mapping):
            continue
        level = entry.get("level")
        if level == 4 or entry.get("value") in (None, ""):
            continue
        told = LEVELS.get(level, "") if isinstance(level, int) else ""
        origin = entry.get("source") or entry.get("why") or ""
        texts.append(
            Text.assemble(_short(entry["value"], "UTC", 48), (f"  {told}{f' ({origin})' if origin else ''}", "dim"))
        )
    return texts


def why(effect: Document) -> RenderableType:
    """Decision, rules, reason, nearest miss, and the facts it was decided on."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    style = {"allow": "green", "ask": "yellow", "deny": "red"}.get(effect.get("decision", ""), "")
    grid.add_row("call", Text.assemble((str(effect.get("tool")), "bold"), f"  {effect.get('preview') or ''}"))
    grid.add_row("decision", Text(str(effect.get("decision")), style=style))
    grid.add_row("rules", ", ".join(effect.get("rules") or ()) or "–")
    grid.add_row("reason", str(effect.get("reason") or "–"))
    grid.add_row("near miss", str(effect.get("near_miss") or "–"))
    for name, value in (effect.get("facts") or {}).items():
        if name == "values" and isinstance(value, list):
            for entry in value:
                grid.add_row("value", _short(entry, "UTC", 100))
        else:
            grid.add_row(str(name), _short(value, "UTC", 100))
    grid.add_row("bundle", str(effect.get("bundle_digest") or "–"))
    return grid


def table(columns: Sequence[str], rows: Sequence[Row], *, empty: str) -> RenderableType:
    """A plain list; the sentence `empty` where there is nothing."""
    if not rows:
        return Text(empty, style="dim")
    drawn = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        drawn.add_column(name, no_wrap=name in ("id", "run"), overflow="fold")
    for row in rows:
        drawn.add_row(*["–" if cell is None else cell for cell in row])
    return drawn


def items(briefs: Sequence[Document], zone: str) -> RenderableType:
    """In serving order; children stand under their parents where those are on the list, too."""
    rows: list[Row] = [
        [
            str(brief["position"] or ""),
            Text(state_words(brief), style=STATE_STYLE.get(brief["state"], "")),
            Text(f"{'  ' * (depth - 1)}└ " if depth else "").append(one_line(brief["request"], 70), style="bold"),
            str(brief["priority"]) if brief["priority"] != 100 else "",
            shown(brief["due"], zone) if brief["due"] else "",
            Text(brief.get("why_here") or "", style="dim"),
            Text(brief["item_id"], style="dim"),
        ]
        for depth, brief in nested(briefs, "item_id", "parent")
    ]
    return table(
        ["#", "state", "request", "prio", "due", "why here", "id"],
        rows,
        empty='The worklist is empty. Try: deputy ask "…"',
    )


def nested(entries: Sequence[Document], key: str, parent: str) -> list[tuple[int, Document]]:
    """Entries with their depth, parents before children; one whose parent is not among them stands at the top."""
    known = {entry[key] for entry in entries}
    below: dict[str | None, list[Document]] = {}
    for entry in entries:
        below.setdefault(entry[parent] if entry[parent] in known else None, []).append(entry)

    def walk(above: str | None, depth: int) -> list[tuple[int, Document]]:
        return [one for entry in below.get(above, ()) for one in ((depth, entry), *walk(entry[key], depth + 1))]

    return walk(None, 0)


def approvals(cards: Sequence[Document], zone: str) -> RenderableType:
    rows: list[Row] = [
        [
            Text(entry["state"], style=STATE_STYLE.get(entry["state"], "")),
            Text(str(entry["card"].get("title") or entry.get("tool")), style="bold"),
            Text("outside", style="bold red") if entry["card"].get("outside") else "",
            Text(str(entry.get("request") or entry["card"].get("request") or "")[:60]),
            shown(entry["expires_at"], zone),
            Text(entry["approval_id"], style="dim"),
        ]
        for entry in cards
    ]
    return table(["state", "what", "", "for", "expires", "id"], rows, empty="Nothing waits for you.")


def facts(pairs: Sequence[tuple[str, Any]]) -> RenderableType:
    """Name and value, one pair a line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(name, value if isinstance(value, Text) else str(value))
    return grid
