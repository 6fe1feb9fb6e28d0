"""What follows `/deputy`: a few verbs of the front desk, or a request. Pure of Slack; call it in a thread.

A word like "cancel" or "schedule" also begins requests ("cancel my call with Dana"): it is the verb only where what follows fits it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.slack.text import escape
from orchestrator import errors
from orchestrator.deputy import Deputy
from orchestrator.deputy.slack import DOOR
from orchestrator.domain.principal import Principal
from orchestrator.surfaces.slack_bot import blocks as kit
from orchestrator.surfaces.slack_bot import news_view
from orchestrator.surfaces.slack_bot.home_view import OPEN, schedule_line

HELP = """\
*/deputy REQUEST* – say what you want; I answer in our direct messages
*/deputy work* [ID] – what is on the list, or one piece of it
*/deputy bump ID* – do it next   ·   */deputy cancel ID* – stop it
*/deputy inbox* – what waits for your decision
*/deputy schedule* – your schedules   ·   */deputy schedule "every monday 9:00" REQUEST*
*/deputy schedule run|pause|resume|rm NAME* – the beginning of its name or its id will do
*/deputy schedule digest* – what your schedules did since yesterday   ·   */deputy schedule digest "weekdays 17:00"* – that, each time
*/deputy halt* [REASON] – stop everything, for operators   ·   */deputy halt lift*
In a channel, mention me; replies in the thread steer the work."""
_ITEM = re.compile(r"`?(item_[0-9a-z]+)`?")
_QUOTED = re.compile(r"[\"“”']([^\"“”']+)[\"“”']\s+(.+)", re.DOTALL)
_RULE = re.compile(r"[\"“”']([^\"“”']+)[\"“”']")
MOST = 12
MOST_NAME = 32


def run(desk: Deputy, who: Principal, words: str, *, direct: str, is_again: bool, desk_url: str | None) -> str | None:
    """What to tell whoever typed it, in Slack's markup; None where it is a request.

    `direct`: their direct messages, where a schedule's runs answer. `is_again`: it may have been done before a crash.
    """
    verb, _, rest = words.partition(" ")
    rest = rest.strip()
    item = _ITEM.fullmatch(rest)
    match verb.lower():
        case "" | "help" | "?" if not rest:
            return HELP
        case "work" if not rest or rest == "ls":
            return _list(desk.items(who, states=OPEN, limit=MOST)["items"])
        case "work" if item:
            return _one(desk.item(who, item[1]))
        case "bump" if item:
            return f"Next in line: {_line(desk.bump(who, item[1]))}"
        case "cancel" if item:
            return f"Stopped: {_line(desk.cancel(who, item[1]))}"
        case "bump" | "cancel" if not rest:
            return f"Say which: */deputy {verb.lower()} ID*. The ids are in */deputy work*."
        case "inbox" if not rest:
            return _inbox(desk, who)
        case "halt" if rest.lower() == "lift":
            lifted = desk.halts.lift(who)
            return f"Lifted: {len(lifted)}. Work goes on." if lifted else "Nothing is halted."
        case "halt":
            return _halt(desk, who, rest, is_again=is_again)
        case "schedule":
            return _schedule(desk, who, rest, direct=direct, is_again=is_again, desk_url=desk_url)
    return None


def _line(item: Mapping[str, Any]) -> str:
    waiting = f" for {', '.join(item['waiting_on'])}" if item.get("waiting_on") else ""
    return f"`{item['item_id']}` {escape(item['state'])}{waiting} · {kit.one_line(item['request'], 120)}"


def _list(items: list[dict[str, Any]]) -> str:
    if not items:
        return "Nothing is on the list."
    rows = [f"{_line(one)}\n    {kit.one_line(one.get('why_here') or '', 120)}" for one in items]
    return "\n".join(rows)


def _one(document: Mapping[str, Any]) -> str:
    told = [_line(document), kit.one_line(document.get("why_here") or "", 200)]
    if document.get("text"):
        told.append(escape(kit.cut(str(document["text"]), 2500)))
    if document.get("error"):
        told.append(kit.one_line(document["error"].get("message") or "", 300))
    return "\n".join(one for one in told if one)


def _inbox(desk: Deputy, who: Principal) -> str:
    cards = [one for one in desk.approvals(who, limit=50) if who.principal_id in one["eligible"]]
    if not cards:
        return "Nothing waits for your decision."
    rows = [
        f"{kit.one_line(one['card'].get('title') or one['tool'], 80)} · expires {kit.when(one['expires_at'])}"
        f"\n    “{kit.one_line(one['request'], 120)}”"
        for one in cards[:MOST]
    ]
    return "The cards are in our direct messages.\n" + "\n".join(rows)


def _halt(desk: Deputy, who: Principal, reason: str, *, is_again: bool) -> str:
    try:
        halt = desk.halts.begin(who, reason=reason)
    except errors.Conflict:
        if not is_again:
            raise
        return "Everything is halted. Lift it: */deputy halt lift*"
    under_way = len(halt["in_flight"])
    more = f" {under_way} effects were under way; each is looked up." if under_way else ""
    return f":octagonal_sign: {escape(halt['text'])}.{more} Lift it: */deputy halt lift*"


def _schedule(
    desk: Deputy, who: Principal, rest: str, *, direct: str, is_again: bool, desk_url: str | None
) -> str | None:
    verb, _, name = rest.partition(" ")
    if not rest or rest == "ls":
        known = desk.schedules.all(who)
        return "\n".join(map(schedule_line, known[:MOST])) if known else "You have no schedules."
    if verb in ("run", *_CHANGES) and name.strip():
        return _change(desk, who, verb, name.strip(), is_again=is_again)
    if rest == "digest":
        return news_view.words(desk.schedules.digest(who), desk_url)
    reply_to = {"door": DOOR, "channel": direct, "thread_ts": None, "is_private": True}
    if verb == "digest" and (rule := _RULE.fullmatch(name.strip())):
        return _add(desk, who, "digest", rule[1], is_again=is_again, kind="digest", reply_to=reply_to)
    found = _QUOTED.fullmatch(rest)
    if found is None:
        return None
    label = short_name(found[2])
    return _add(desk, who, label, found[1], is_again=is_again, request=found[2].strip(), reply_to=reply_to)


def _add(desk: Deputy, who: Principal, label: str, when: str, *, is_again: bool, **more: Any) -> str:
    """Under a name that is free. Added before a crash, it is not added again."""
    known = desk.schedules.all(who)
    for one in known if is_again else ():
        if one["name"].startswith(label) and one["request"] == more.get("request", one["request"]):
            return f"It is there: {schedule_line(one)}"
    taken = {one["name"] for one in known}
    free = next(name for number in range(1, len(taken) + 2) if (name := _numbered(label, number)) not in taken)
    return f"From now on: {schedule_line(desk.schedules.add(who, free, when=when, **more))}"


def _numbered(label: str, number: int) -> str:
    return label if number == 1 else f"{label} {number}"


def short_name(request: str) -> str:
    """The request's first words: what a person can type again."""
    label = ""
    for word in request.split():
        if label and len(label) + len(word) >= MOST_NAME:
            break
        label = f"{label} {word}".strip()
    return label[:MOST_NAME]


def _change(desk: Deputy, who: Principal, verb: str, said: str, *, is_again: bool) -> str | None:
    known = desk.schedules.all(who)
    try:
        one = named(known, said)
    except errors.NotFound:
        if verb == "rm" and is_again:
            return "It is gone."
        if verb == "run":
            return None  # "schedule run club for Friday"
        raise
    if verb != "run":
        return f"{verb}: {schedule_line(desk.schedules.change(who, one['schedule_id'], _CHANGES[verb]))}"
    if is_again:  # whether it was run before the crash cannot be told from here, and it is not run twice
        return f"It may have been run; the latest: {schedule_line(one)}"
    fired = desk.schedules.fire_now(who, one["schedule_id"])
    item = f" `{fired['item_id']}`" if fired["item_id"] else ""
    return f"run: *{kit.one_line(one['name'], 40)}* {escape(fired['state'])}{item} {kit.one_line(fired['why'], 200)}"


def named(known: Sequence[Mapping[str, Any]], said: str) -> Mapping[str, Any]:
    """The schedule that is meant: by its id, its name, or the beginning of its name where only one begins so."""
    words = said.strip('`*"“” ').rstrip("…").casefold()
    for one in known:
        if words in (one["schedule_id"], one["name"].casefold()):
            return one
    close = [one for one in known if words and one["name"].casefold().startswith(words)]
    if len(close) > 1:
        names = ", ".join(f"{one['name']!r}" for one in close[:MOST])
        raise errors.UsageError(
            f"{len(close)} schedules begin with {said!r}: {names}", fix="say more of the name, or the id"
        )
    if not close:
        raise errors.NotFound(f"there is no schedule {said!r} of yours", fix="see: /deputy schedule")
    return close[0]


_CHANGES: Mapping[str, Any] = {"pause": "pause", "resume": "resume", "rm": "remove"}
