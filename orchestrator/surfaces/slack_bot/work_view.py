"""The one message about a piece of work: where it stands, what it has done folded, the question or the answer open.

Drawn from the item document; reads nothing. What only the requester may read is drawn in their own direct messages alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.slack.text import escape
from orchestrator.surfaces.slack_bot import blocks as kit
from orchestrator.surfaces.slack_bot.blocks import Block

FINAL = frozenset({"done", "failed", "denied", "needs_model", "over_budget", "cancelled"})
MARKS = {
    "ready": ":hourglass_flowing_sand:",
    "running": ":gear:",
    "waiting": ":raised_hand:",
    "done": ":white_check_mark:",
    "cancelled": ":black_square_for_stop:",
}
EFFECTS = {"done": "✓", "failed": "✗", "unknown": "!", "undone": "↺", "preview": "○", "attempted": "…"}
TASK_STATES = {
    "done": "complete",
    "undone": "complete",
    "failed": "error",
    "unknown": "error",
    "attempted": "in_progress",
    "approved": "in_progress",
}
NEWER = frozenset({"plan", "context_actions"})  # blocks that not every workspace has
MOST_TASKS = 20
MOST_EFFECTS = 8
MOST_SOURCES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """`text`: what notifications and old clients show."""

    text: str
    blocks: Sequence[Block]
    is_settled: bool


def work(
    document: Mapping[str, Any],
    *,
    is_private: bool,
    is_open: bool,
    desk_url: str | None,
    share: tuple[str, str | None] | None,
    is_plain: bool = False,
) -> Drawn:
    """`is_private`: only the requester reads this place. `is_open`: else, whoever reads it may read the answer, too.

    `share`: the channel and thread where it was asked, to which the requester may give the answer. `is_plain`: without the
    blocks that not every workspace has (plan and task cards, feedback buttons).
    """
    may_read = is_private or is_open
    state = str(document["state"])
    is_final = state in FINAL
    head = (
        f"{MARKS.get(state, ':warning:')} *{escape(_state_words(document))}*  {kit.one_line(document['request'], 300)}"
    )
    blocks = [kit.section(head)]
    if not is_plain and document.get("effects"):
        blocks.append(_plan(document, may_read=may_read))
    if folded := _folded(document, may_read=may_read, has_plan=not is_plain):
        blocks.append(kit.context(folded))
    if may_read:
        blocks += _question(document)
    elif document.get("questions"):
        blocks.append(kit.context("There is a question for whoever asked, in their direct messages with me."))
    if document.get("text") and is_final:
        if may_read:
            blocks += kit.sections(str(document["text"]))
            if cited := _sources(document):
                blocks.append(kit.context(cited))
        else:
            blocks.append(
                kit.context(
                    "The answer draws on what not everybody here may read: it is in the direct messages of whoever asked."
                )
            )
    if document.get("error") and is_final:
        error = document["error"]
        words = str(error.get("message") or error.get("code") or "") if may_read else str(error.get("code") or "")
        fix = f"\nfix: {error['fix']}" if error.get("fix") and may_read else ""
        blocks += kit.sections(words + fix)
    blocks.append(kit.context(_foot(document, is_final=is_final, desk_url=desk_url)))
    blocks += _controls(document, is_final=is_final, share=share, is_plain=is_plain)
    text = f"{_state_words(document)}: {kit.cut(' '.join(str(document['request']).split()), 120)}"
    if is_final and may_read and document.get("text"):
        text = kit.cut(str(document["text"]), 3000)
    return Drawn(text=escape(text), blocks=blocks[: kit.MOST_BLOCKS], is_settled=is_final)


def gone() -> Drawn:
    """For somebody who may not see it any more."""
    text = "This is not shown any more: its reader may not see it."
    return Drawn(text=text, blocks=[kit.context(text)], is_settled=True)


def shared(document: Mapping[str, Any], by: str) -> Drawn:
    """An answer that its requester has given to a channel, with their own name."""
    blocks = [kit.section(f"*{kit.one_line(document['request'], 300)}*"), *kit.sections(str(document["text"]))]
    blocks.append(kit.context(f"shared by {escape(by)} · `{document['item_id']}`"))
    return Drawn(text=escape(kit.cut(str(document["text"]), 3000)), blocks=blocks[: kit.MOST_BLOCKS], is_settled=True)


def _plan(document: Mapping[str, Any], *, may_read: bool) -> Block:
    """What it does to the world, a task card each (Block Kit, "Plan block")."""
    tasks = []
    for effect in document["effects"][-MOST_TASKS:]:
        task: Block = {
            "type": "task_card",
            "task_id": str(effect["effect_id"]),
            "title": kit.cut(str(effect["tool"]), 150),
            "status": TASK_STATES.get(effect["state"], "pending"),
        }
        if may_read and effect.get("preview"):
            words = [{"type": "text", "text": kit.cut(" ".join(str(effect["preview"]).split()), 300)}]
            task["details"] = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": words}]}
        tasks.append(task)
    done = sum(one["status"] == "complete" for one in tasks)
    return {"type": "plan", "title": f"{done} of {len(tasks)} steps done", "tasks": tasks}


def _state_words(document: Mapping[str, Any]) -> str:
    if document.get("pausing"):
        return "Pausing"
    state = str(document["state"]).replace("_", " ")
    waiting = document.get("waiting_on") or ()
    if waiting:
        return f"Waiting for {', '.join(waiting)}"
    if state == "ready" and document.get("position"):
        return f"On it, number {document['position']} in line"
    return {"ready": "On it", "running": "Working"}.get(state, state.capitalize())


def _folded(document: Mapping[str, Any], *, may_read: bool, has_plan: bool) -> str:
    """How far it is, in a line or a few."""
    lines = []
    match = document.get("match") or {}
    if document.get("route") in ("match", "workflow") and match.get("workflow"):
        lines.append(f"by the workflow *{kit.one_line(match['workflow'], 60)}*")
    elif document.get("route") == "agent":
        lines.append(f"by an agent, {int(document['receipt']['model_calls'])} model calls so far")
    effects = [] if has_plan else list(document.get("effects") or ())
    if len(effects) > MOST_EFFECTS:
        lines.append(f"{len(effects) - MOST_EFFECTS} earlier steps")
    for effect in effects[-MOST_EFFECTS:]:
        what = kit.one_line(effect.get("preview") or "", 110) if may_read else ""
        lines.append(f"{EFFECTS.get(effect['state'], '·')} {escape(str(effect['tool']))} {what}".rstrip())
    for agent in (document.get("agents") or ())[-MOST_EFFECTS:]:
        if agent["state"] not in FINAL:
            lines.append(f"… {kit.one_line(agent.get('name') or 'agent', 60)} {escape(str(agent['state']))}")
    for wait in document.get("waits") or ():
        if wait["kind"] in ("reconsent", "timer", "paused") and wait.get("text") and may_read:
            lines.append(kit.one_line(f"{wait['text']} {wait.get('fix') or ''}", 300))
    return "\n".join(lines)


def _question(document: Mapping[str, Any]) -> list[Block]:
    found = []
    for question in (document.get("questions") or ())[:3]:
        found += kit.sections(str(question["text"]), head=":grey_question: ", most=2)
        buttons = [
            kit.button(
                str(choice),
                f"answer_{number}",
                {"i": document["item_id"], "q": question["question_id"], "n": number},
            )
            for number, choice in enumerate(question["choices"][:10], 1)
        ]
        found += kit.actions(buttons)
        found.append(kit.context("Choose, or answer in this thread." if buttons else "Answer in this thread."))
    return found


def _sources(document: Mapping[str, Any]) -> str:
    """Where values came from that the requester did not say."""
    cited = [
        f"{kit.one_line(slot['name'], 40)}: {escape(str(slot['source']))}"
        + (f" “{kit.one_line(slot['text'], 60)}”" if slot.get("text") else "")
        for slot in document.get("slots") or ()
        if slot.get("source") not in (None, "request", "settings", "computed")
    ]
    for one in (document.get("output") or {}).get("sources") or ():
        if isinstance(one, Mapping):
            cited.append(kit.one_line(one.get("title") or one.get("ref") or one.get("text") or "", 80))
        elif isinstance(one, str):
            cited.append(kit.one_line(one, 80))
    return "sources: " + " · ".join(cited[:MOST_SOURCES]) if cited else ""


def _foot(document: Mapping[str, Any], *, is_final: bool, desk_url: str | None) -> str:
    parts = []
    if is_final:
        receipt = document["receipt"]
        parts.append(f"model calls {receipt['model_calls']} · {float(receipt['wall_s']):.1f} s")
    elif document.get("why_here"):
        parts.append(kit.one_line(document["why_here"], 120))
    parts.append(
        f"<{desk_url}/work/{document['item_id']}|{document['item_id']}>" if desk_url else f"`{document['item_id']}`"
    )
    return " · ".join(parts)


def _controls(
    document: Mapping[str, Any], *, is_final: bool, share: tuple[str, str | None] | None, is_plain: bool
) -> list[Block]:
    item = {"i": document["item_id"]}
    if not is_final:
        buttons = [kit.button("Stop", "cancel", item, confirm="What was done already stays done.")]
        if document["state"] == "ready":
            buttons.append(kit.button("Do it next", "bump", item))
        return kit.actions(buttons)
    if document["state"] == "done" and document.get("text"):
        thumbs = _plain_thumbs(item) if is_plain else [_thumbs(str(document["item_id"]))]
        if share is None:
            return thumbs
        value = item | {"c": share[0], "t": share[1]}
        told = "Everybody in the channel where you asked will read this answer."
        return [*thumbs, *kit.actions([kit.button("Share where I asked", "share", value, confirm=told)])]
    return []


def _plain_thumbs(item: Mapping[str, Any]) -> list[Block]:
    return kit.actions([kit.button("Good answer", "thumb_good", item), kit.button("Bad answer", "thumb_bad", item)])


def _thumbs(item_id: str) -> Block:
    def one(label: str, value: str) -> dict[str, Any]:
        return {"text": {"type": "plain_text", "text": label}, "value": f"{value}:{item_id}"}

    element = {
        "type": "feedback_buttons",
        "action_id": "thumb",
        "positive_button": one("Good answer", "good"),
        "negative_button": one("Bad answer", "bad"),
    }
    return {"type": "context_actions", "elements": [element]}
