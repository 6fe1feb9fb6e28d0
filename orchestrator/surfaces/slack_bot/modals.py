"""Edit and Deny: the modal opens first, since Slack gives three seconds for it; what is sent off is checked before it closes.

Opening changes nothing, so that nothing of it is kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

from connectors.errors import ConnectorError
from connectors.slack.line import Line
from orchestrator.deputy import Deputy
from orchestrator.errors import DeputyError
from orchestrator.surfaces.slack_bot import blocks as kit
from orchestrator.surfaces.slack_bot import card_view
from orchestrator.surfaces.slack_bot.door import Body, kept_of, sender_of
from orchestrator.surfaces.slack_bot.identity import Identity, Known, Unknown
from orchestrator.surfaces.slack_bot.posting import Poster

log = logging.getLogger("deputy.slack")


class Modals:
    """Over one desk and one workspace."""

    def __init__(self, desk: Deputy, line: Line, identity: Identity, poster: Poster) -> None:
        self._desk, self._line, self._identity, self._poster = desk, line, identity, poster

    async def open(self, kind: str, body: Body) -> None:
        """For who may decide; anybody else is told why not, alone, and so is who comes too late."""
        action = (body.get("actions") or [{}])[0]
        value, where = kit.value_of(action), kept_of(body, action)
        sender = sender_of(body)
        try:
            who = await self._identity.who(sender, is_quick=True)
            if not isinstance(who, Known):
                return await self._tell(sender, where, who.why if isinstance(who, Unknown) else "write to me first")
            principal = who.visitor.principal
            approval = await asyncio.to_thread(self._desk.approval, principal, str(value.get("a")))
            if problem := _problem(approval, principal.principal_id, str(value.get("d"))):
                return await self._tell(sender, where, problem)
            about = {"a": approval["approval_id"], "d": approval["digest"], "c": where["channel"], "t": where["ts"]}
            view = card_view.edit_modal(approval, about) if kind == "edit" else card_view.deny_modal(about)
            await self._line.write("views.open", trigger_id=str(body.get("trigger_id") or ""), view=view)
        except DeputyError as error:
            await self._tell(sender, where, error.message)
        except ConnectorError as error:
            log.warning("a modal did not open: %s", error.message)
            await self._tell(sender, where, "Slack did not open the form; try again, or use the desk")

    async def read(self, kind: str, body: Body) -> tuple[dict[str, str], dict[str, Any]]:
        """(problem by field, what is kept of it)."""
        view = body.get("view") or {}
        try:
            about = json.loads(str(view.get("private_metadata") or "{}"))
        except ValueError:
            about = {}
        kept = {
            "a": str(about.get("a")),
            "d": str(about.get("d")),
            "channel": str(about.get("c")),
            "ts": str(about.get("t")),
        }
        values = (view.get("state") or {}).get("values") or {}
        if kind == "deny":
            return {}, kept | {"reason": _typed(values.get("reason"))}
        who = await self._identity.who(sender_of(body), is_quick=True)
        if not isinstance(who, Known):
            return {}, kept | {"args": {}}
        try:
            approval = await asyncio.to_thread(self._desk.approval, who.visitor.principal, kept["a"])
        except DeputyError:
            return {}, kept | {"args": {}}
        problems: dict[str, str] = {}
        changed = {}
        for name, before in approval["args"].items():
            field = f"arg:{name}"
            if field not in values:
                continue
            try:
                value = card_view.read(_typed(values[field]), before)
            except ValueError as error:
                problems[field] = str(error)
                continue
            if value != before:
                changed[name] = value
        if not problems and not changed and values:
            problems[next(iter(values))] = "Nothing has changed: approve the card as it is, or give another value."
        return problems, kept | {"args": changed}

    async def _tell(self, sender: str, where: Mapping[str, Any], why: str) -> None:
        user = sender.partition("/")[2]
        text = kit.one_line(why, 500)
        thread = where["thread_ts"] or None
        try:
            await self._poster.whisper(channel=where["channel"], user=user, text=text, thread_ts=thread)
        except ConnectorError as error:
            log.warning("nobody could be told: %s", error.message)


def _problem(approval: Mapping[str, Any], person: str, digest: str) -> str:
    if approval["state"] != "pending":
        return f"nothing was changed: this is {approval['state']} already"
    if person not in approval["eligible"]:
        return "nothing was changed: you may not decide this"
    if approval["digest"] != digest:
        return "nothing was changed: the card is for other arguments than the ones shown"
    return ""


def _typed(block: Any) -> str:
    element = (block or {}).get("text") or {}
    return str(element.get("value") or "")
