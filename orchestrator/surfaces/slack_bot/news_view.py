"""What schedules did, drawn for their owner: a message for what was not as expected, and the digest with what waits to be approved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.slack.text import escape
from orchestrator.domain.schedule_news import head
from orchestrator.surfaces.slack_bot import blocks as kit
from orchestrator.surfaces.slack_bot import card_view
from orchestrator.surfaces.slack_bot.blocks import Block
from orchestrator.surfaces.slack_bot.work_view import Drawn

GROUPS = {
    "done": ":white_check_mark: Done",
    "waiting": ":raised_hand: Waiting",
    "running": ":gear: At work",
    "failed": ":warning: Failed",
    "not_started": ":no_entry: Did not start",
}
MOST_ROWS = 8
MOST_CARDS = 12


def news(what: str, body: Mapping[str, Any], *, item_id: str | None, desk_url: str | None) -> Drawn:
    """`what`: the kind of news without its "schedule."; `body`: as the outbox has it."""
    name = str(body.get("name") or "")
    told = head(what, kit.cut(" ".join(name.split()), 60))
    again = f"`/deputy schedule run {escape(name)}`"
    fix = {
        "failed": f"look at {_work(item_id)}; to ask again now: {again}",
        "missed": f"to run it now: {again}",
        "skipped": f"to run it once more: {again}; the run before it is {_work(item_id)}",
        "waiting": "connect the account again; it goes on by itself then",
        "defaulted": f"look at {_work(item_id)}; a remark of yours still reaches it while it works",
        "replaced": f"nothing, unless you miss it: {_work(item_id)}",
    }.get(what, "somebody who is in the directory has to add it again")
    blocks = [
        kit.section(f":warning: *{escape(told)}*"),
        kit.section(
            f"*When*  {kit.when(str(body.get('at') or ''))}\n*Why*  {kit.one_line(body.get('why') or '–', 400)}\n*What to do*  {fix}"
        ),
    ]
    if desk_url:
        path = f"/work/{item_id}" if item_id else "/schedules"
        blocks += kit.actions([kit.link_button("At the desk", f"{desk_url}{path}")])
    return Drawn(text=escape(f"{told}: {kit.cut(str(body.get('why') or ''), 200)}"), blocks=blocks, is_settled=True)


def _work(item_id: str | None) -> str:
    return f"`/deputy work {item_id}`" if item_id else "`/deputy schedule`"


def digest_of(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The digest that an item is, where it is one: made by a schedule, without a run."""
    made = (document.get("output") or {}).get("digest")
    if document.get("origin") != "schedule" or document.get("run_id") is not None or not isinstance(made, Mapping):
        return None
    return made


def asked(digest: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """(approval id, its digest, what it asks) of every card that the digest lists."""
    return [(str(one_id), str(one["digest"]), one) for one in digest["approve"] for one_id in one["approval_ids"]]


def digest(made: Mapping[str, Any], cards: Mapping[str, Mapping[str, Any]], *, who: str, desk_url: str | None) -> Drawn:
    """`cards`: by id, as they are now, those that `who` may see. Settled once none of them waits any more."""
    counts = ", ".join(
        f"{len(made[name])} {words.partition(' ')[2].lower()}" for name, words in GROUPS.items() if made[name]
    )
    blocks = [kit.section(f":newspaper: *Your schedules since* {kit.when(made['since'])}: {counts or 'nothing'}")]
    for name, words in GROUPS.items():
        if made[name]:
            blocks.append(_group(words, made[name], desk_url))
    listed = asked(made)
    if listed:
        blocks += [kit.divider(), kit.section(f"*To approve* ({len(listed)})")]
    for approval_id, told, one in listed[:MOST_CARDS]:
        blocks += _card(approval_id, told, one, cards.get(approval_id), who=who, desk_url=desk_url)
    if len(listed) > MOST_CARDS:
        blocks.append(kit.context(f"… and {len(listed) - MOST_CARDS} more, each with its own card here"))
    text = f"Your schedules: {counts or 'nothing'}" + (f"; {len(listed)} to approve" if listed else "")
    is_settled = all(card["state"] != "pending" for card in cards.values())
    return Drawn(text=escape(text), blocks=blocks[: kit.MOST_BLOCKS], is_settled=is_settled)


def words(made: Mapping[str, Any], desk_url: str | None) -> str:
    """The same as text, for a short answer."""
    parts = [_group(told, made[name], desk_url)["text"]["text"] for name, told in GROUPS.items() if made[name]]
    if listed := asked(made):
        parts.append(f"*To approve* ({len(listed)}): the cards are in our direct messages.")
    return "\n".join(parts) or "Nothing since yesterday."


def _group(title: str, entries: Any, desk_url: str | None) -> Block:
    lines = [f"*{title}*"]
    for count, entry in enumerate(entries):
        name, item_id = kit.one_line(entry["schedule"], 60), entry.get("item_id")
        if item_id:
            name = f"<{desk_url}/work/{item_id}|{name}>" if desk_url else f"{name} `{item_id}`"
        said = entry["why"] or entry["question"] or entry["text"]
        odd = f" · unusual: {kit.one_line('; '.join(entry['odd']), 60)}" if entry["odd"] else ""
        line = f"• {name} {kit.when(entry['at'])}{f': {kit.one_line(said, 120)}' if said else ''}{odd}"
        if count == MOST_ROWS or sum(map(len, lines)) + len(line) > kit.MOST_TEXT - 100:
            lines.append(f"… and {len(entries) - count} more")
            break
        lines.append(line)
    return kit.section("\n".join(lines))


def _card(
    approval_id: str,
    told: str,
    one: Mapping[str, Any],
    card: Mapping[str, Any] | None,
    *,
    who: str,
    desk_url: str | None,
) -> list[Block]:
    line = kit.section(f"{kit.one_line(one['preview'], 300)}\n_{kit.one_line(', '.join(one['schedules']), 120)}_")
    if card is None:
        return [line, kit.context("it is no longer there")]
    if card["state"] != "pending":
        return [line, kit.context(card_view.stamp(card))]
    value, buttons = {"a": approval_id, "d": told}, []
    if who in card["eligible"] and card["digest"] == told:
        buttons = [
            kit.button("Approve", "approve", value, style="primary"),
            kit.button("Deny", "deny", value, style="danger"),
        ]
    if desk_url:
        buttons.append(kit.link_button("At the desk", f"{desk_url}/approvals/{approval_id}"))
    return [
        line,
        *(kit.actions(buttons) if buttons else [kit.context(f"{', '.join(map(escape, card['eligible']))} may decide")]),
    ]
