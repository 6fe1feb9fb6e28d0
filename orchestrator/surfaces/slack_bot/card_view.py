"""The approval card in Slack: everything a person decides on, written by code from the card at the desk; then the stamp of what was decided."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connectors.slack.text import escape
from orchestrator.surfaces.slack_bot import blocks as kit
from orchestrator.surfaces.slack_bot.blocks import Block
from orchestrator.surfaces.slack_bot.work_view import Drawn

LEVELS = {
    3: "looked up from the request's words",
    2: "a field of a record",
    1: "text of a record that the request names",
    0: "untrusted text",
}
OUTCOMES = {
    "intended": "",
    "approved": "it is being done",
    "attempted": "it is being done",
    "done": "done",
    "failed": "it failed",
    "unknown": "whether it happened is not known: somebody has to look",
    "undone": "done, and taken back",
}
MOST_EDITABLE = 2900  # characters of a field in a modal; Slack takes 3000


def card(approval: Mapping[str, Any], *, may_decide: bool, desk_url: str | None) -> Drawn:
    """Pending: with buttons. Decided: without, stamped."""
    body = approval["card"]
    title = str(body.get("title") or approval["tool"])
    is_pending = approval["state"] == "pending"
    blocks = [kit.section(f":ballot_box_with_ballot: *{escape(title)}*" + _as(body))]
    blocks += _lines(body)
    if body.get("outside"):
        names = ", ".join(escape(str(one)) for one in body["outside"])
        blocks.append(kit.section(f":warning: *Outside the company:* {names}"))
    if body.get("reaches"):
        blocks.append(kit.context("reaches " + ", ".join(kit.one_line(one, 90) for one in body["reaches"])))
    said = kit.one_line(body.get("request") or approval.get("request") or "", 400)
    blocks.append(kit.context(f"asked by {escape(str(approval['requester']))}: “{said}”"))
    for source in _sources(body)[:6]:
        blocks.append(kit.context(source))
    reason = f" — {kit.one_line(body['reason'], 300)}" if body.get("reason") else ""
    blocks.append(kit.context(f"rule {kit.one_line(body.get('rule') or '–', 200)}{reason}"))
    for condition in (body.get("holds") or approval.get("preconditions") or ())[:5]:
        blocks.append(kit.context(f"must still hold: {kit.one_line(condition, 200)}"))
    if not body.get("undo"):  # that it can be is told once a door takes it back
        blocks.append(kit.context(":warning: cannot be taken back"))
    if is_pending:
        blocks.append(kit.context(f"expires {kit.when(approval['expires_at'])} · `{approval['digest'][7:19]}`"))
        blocks += _buttons(approval, may_decide=may_decide, desk_url=desk_url)
    else:
        blocks.append(kit.section(stamp(approval)))
    text = f"{'May I' if is_pending else 'Decided'}: {title}{'?' if is_pending else ''}"
    is_settled = not is_pending and approval["effect_state"] not in ("intended", "approved", "attempted")
    if approval["state"] in ("denied", "expired", "void"):
        is_settled = True
    room = kit.MOST_BLOCKS
    if len(blocks) > room:  # long arguments: the end holds what is decided with
        blocks = [*blocks[: room - 13], kit.context("… the rest of the arguments is at the desk"), *blocks[-12:]]
    return Drawn(text=escape(text), blocks=blocks, is_settled=is_settled)


def stamp(approval: Mapping[str, Any]) -> str:
    """What became of it, e.g. "Approved by … at …, done"."""
    who = ", ".join(escape(str(one)) for one in approval.get("decided_by") or ())
    at = kit.when(approval.get("decided_at")) if approval.get("decided_at") else ""
    reason = f": “{kit.one_line(approval['reason'], 300)}”" if approval.get("reason") else ""
    match approval["state"]:
        case "approved":
            outcome = OUTCOMES.get(str(approval["effect_state"]), "")
            return f":white_check_mark: *Approved* by {who} {at}{f' · {outcome}' if outcome else ''}"
        case "denied":
            return f":no_entry: *Denied* by {who} {at}{reason}"
        case "expired":
            return ":hourglass: *Expired*: nobody decided in time, and nothing was done"
        case _:
            return f":wastebasket: *No longer asked*{reason}"


def edit_modal(approval: Mapping[str, Any], about: Mapping[str, Any]) -> Block:
    """A field for each argument; what Slack cannot hold is left out, and stays as it is."""
    fields = []
    for name, value in approval["args"].items():
        told = shown(value)
        if len(told) > MOST_EDITABLE:
            fields.append(kit.context(f"{escape(name)}: too long to be changed here"))
            continue
        label = f"{name.replace('_', ' ')}{_form(value)}"
        fields.append(kit.input_block(f"arg:{name}", label, initial=told, multiline="\n" in told or len(told) > 80))
    fields.append(
        kit.context("A changed call is a new one: it is checked again, and asked again with a card of its own.")
    )
    return kit.modal("edit", "Change before it goes", "Ask again", fields, about)


def deny_modal(about: Mapping[str, Any]) -> Block:
    field = kit.input_block("reason", "Why not? Whoever works on it is told.", multiline=True)
    return kit.modal("deny", "Deny", "Deny", [field], about)


def shown(value: Any) -> str:
    """An argument as it stands in a field."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False)


def read(text: str | None, before: Any) -> Any:
    """The field's text as a value of the kind that stood there. ValueError where it is none."""
    typed = text or ""
    if typed == shown(before):
        return before
    if before is None or isinstance(before, str):
        return typed or (None if before is None else "")
    if isinstance(before, list) and all(isinstance(one, str) for one in before):
        return [line.strip() for line in typed.splitlines() if line.strip()]
    try:
        value = json.loads(typed)
    except ValueError:
        raise ValueError("this is not what stood there: write it in the same form") from None
    if isinstance(before, bool) != isinstance(value, bool) or (
        isinstance(before, int | float) != isinstance(value, int | float)
    ):
        raise ValueError("true or false" if isinstance(before, bool) else "write it in the same form")
    return value


def _form(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " (one a line)"
    return "" if value is None or isinstance(value, str) else " (as JSON)"


def _as(body: Mapping[str, Any]) -> str:
    return f"  as {escape(str(body['as']))}" if body.get("as") else ""


def _lines(body: Mapping[str, Any]) -> list[Block]:
    found: list[Block] = []
    for line in body.get("lines") or ():
        name, value = (line["name"], line["value"]) if isinstance(line, Mapping) else ("", line)
        found += kit.sections(str(value), head=f"*{escape(str(name).replace('_', ' '))}*\n" if name else "", most=3)
    return found


def _sources(body: Mapping[str, Any]) -> list[str]:
    """Of what is not the requester's own word."""
    found = []
    for entry in body.get("sources") or ():
        if isinstance(entry, Mapping) and entry.get("level") != 4 and entry.get("value") not in (None, ""):
            told = LEVELS.get(int(entry.get("level") or 0), "of unknown origin")
            origin = f" ({kit.one_line(entry['source'], 120)})" if entry.get("source") else ""
            found.append(f"{kit.one_line(entry['value'], 90)}: {told}{origin}")
    return found


def _buttons(approval: Mapping[str, Any], *, may_decide: bool, desk_url: str | None) -> list[Block]:
    value = {"a": approval["approval_id"], "d": approval["digest"]}
    buttons = []
    if may_decide:
        buttons = [
            kit.button("Approve", "approve", value, style="primary"),
            kit.button("Edit", "edit", value),
            kit.button("Deny", "deny", value, style="danger"),
        ]
    buttons.append(kit.button("Why", "why", value))
    if desk_url:
        buttons.append(kit.link_button("At the desk", f"{desk_url}/approvals/{approval['approval_id']}"))
    return kit.actions(buttons)
