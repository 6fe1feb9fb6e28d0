"""App Home, and the small messages about who is who and why something was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.slack.text import escape
from orchestrator.deputy import Deputy
from orchestrator.domain.principal import Principal
from orchestrator.domain.schedule_news import HEADS, TROUBLED
from orchestrator.surfaces.slack_bot import blocks as kit
from orchestrator.surfaces.slack_bot.blocks import Block
from orchestrator.surfaces.slack_bot.work_view import Drawn

MOST_ROWS = 10
OPEN = ("ready", "running", "waiting")


def home(desk: Deputy, who: Principal, desk_url: str | None) -> Block:
    """My work, waiting for me, schedules, connections: what the desk shows this person. Reads the desk; call it in a thread."""
    mine = [one for one in desk.items(who, states=OPEN, limit=50)["items"] if one["requester"] == who.principal_id]
    cards = [one for one in desk.approvals(who, limit=50) if who.principal_id in one["eligible"]]
    blocks: list[Block] = [kit.section(f"*Waiting for you* ({len(cards)})")]
    for card in cards[:MOST_ROWS]:
        title = kit.one_line(card["card"].get("title") or card["tool"], 80)
        outside = " :warning: outside" if card["card"].get("outside") else ""
        blocks.append(
            kit.section(
                f"{title}{outside}\nasked by {escape(card['requester'])}: “{kit.one_line(card['request'], 120)}”"
                f" · expires {kit.when(card['expires_at'])} · in our direct messages"
            )
        )
    blocks += [kit.divider(), kit.section(f"*My work* ({len(mine)})")]
    for item in mine[:MOST_ROWS]:
        waiting = f" for {', '.join(item['waiting_on'])}" if item["waiting_on"] else ""
        place = f" · number {item['position']} in line" if item["position"] else ""
        blocks.append(
            kit.section(
                f"{kit.one_line(item['request'], 120)}\n{escape(item['state'])}{waiting}{place} · `{item['item_id']}`"
            )
        )
    schedules = desk.schedules.all(who)
    blocks += [kit.divider(), kit.section(f"*Schedules* ({len(schedules)})")]
    for one in schedules[:MOST_ROWS]:
        blocks.append(kit.section(schedule_line(one)))
    connections = [one for one in desk.connections(who) if one["owner"] == who.principal_id or not who.sees_all]
    blocks += [kit.divider(), kit.section(f"*Connections* ({len(connections)})")]
    for one in connections[:MOST_ROWS]:
        families = ", ".join(one["families"])
        blocks.append(
            kit.section(
                f"{escape(one['connector'])} as {escape(one['subject'])} · {families} · {escape(str(one['state']))}"
            )
        )
    buttons = [kit.button("This is not me any more", "unlink", {}, confirm="I stop speaking for you in Slack.")]
    if desk_url:
        buttons.insert(0, kit.link_button("Open the desk", desk_url))
    blocks += [
        kit.divider(),
        kit.context(f"you are {escape(who.name)} ({escape(who.principal_id)})"),
        *kit.actions(buttons),
    ]
    return {"type": "home", "blocks": blocks[:98]}


def schedule_line(one: Mapping[str, Any]) -> str:
    """Short, with the id by which it is named for certain, and how its latest time went wrong, if it did."""
    rule = kit.one_line(one["rule"], 80)
    state = f"next {kit.when(one['next_at'])}" if one["state"] == "active" else f"*{escape(one['state'])}*"
    told = f"*{kit.one_line(one['name'], 40)}* · {rule} · {state}\n`{one['schedule_id']}` {kit.one_line(one['request'], 120)}"
    for last in one.get("firings", ())[:1]:
        if last["state"] in TROUBLED:
            words = f"{HEADS[last['state']]} {kit.when(last['at'])}: {kit.one_line(last['why'], 200)}"
            told += f"\n:warning: {words}"
    return told


def introduction(name: str, address: str) -> Drawn:
    told = (
        f"Hello. Are you {escape(name)} ({escape(address)})? I do what you ask as that person, with what they may read."
    )
    value = {"p": address}
    buttons = [kit.button("Yes, that is me", "link_yes", value, style="primary"), kit.button("No", "link_no", value)]
    return Drawn(text=told, blocks=[kit.section(told), *kit.actions(buttons)], is_settled=True)


def introduced(name: str, address: str) -> Drawn:
    told = f":white_check_mark: You are {escape(name)} ({escape(address)}). I go on with what you have asked."
    return Drawn(text=told, blocks=[kit.section(told)], is_settled=True)


def not_introduced() -> Drawn:
    told = "Then I do nothing for you here. Your address in Slack is what I go by: ask an admin to put it right."
    return Drawn(text=told, blocks=[kit.section(told)], is_settled=True)


def why(effect: Mapping[str, Any]) -> str:
    """The rule, the reason and the facts behind a question for approval."""
    lines = [
        f"*{escape(str(effect.get('tool')))}*: {escape(str(effect.get('decision')))}",
        f"rules: {kit.one_line(', '.join(effect.get('rules') or ()) or '–', 300)}",
        f"reason: {kit.one_line(effect.get('reason') or '–', 500)}",
    ]
    if effect.get("near_miss"):
        lines.append(f"near miss: {kit.one_line(effect['near_miss'], 300)}")
    for name, value in (effect.get("facts") or {}).items():
        if isinstance(value, str | int | float | bool):
            lines.append(f"{kit.one_line(name, 40)}: {kit.one_line(value, 120)}")
    return "\n".join(lines[:20])
