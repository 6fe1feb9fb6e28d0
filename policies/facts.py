"""Everything about one call that rules decide on, computed from the case. No rule is applied here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policies import audience, contradiction, lexicon, outgoing
from policies.grants import Clause, Grant
from policies.labels import NOWHERE, UNTRUSTED, Level, Memory
from policies.manifest import Arg, Tool
from policies.words import EMAIL, LINK, days, instant, normal, numbers, plain, strings

ENCLOSED = "id(files)"  # of an argument of a send: it goes along, and tells nobody who is on its record


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`context` is what Cedar sees (see cedar/schema.cedarschema); `told` is JSON for people, receipts and `why`."""

    context: Mapping[str, Any]
    told: Mapping[str, Any]
    rewrite: Mapping[str, Any]
    clause: Clause | None
    reserve: Mapping[str, int]
    contradictions: Sequence[str]


def compute(
    tool: Tool,
    args: Mapping[str, Any],
    memory: Memory,
    *,
    grant: Grant,
    used: Mapping[str, int],
    suspended: bool,
    now: datetime,
    origin: str,
    unusual: str = "",
) -> Facts:
    changed = outgoing.rewrite(tool, args, memory, grant.links)
    after = {**args, **changed}
    identities = _identities(tool, after, memory, grant)
    urls = _valued(tool, after, memory, "url")
    amounts = _amounts(tool, after, memory)
    weighty = [entry for entry in identities if entry.weighs] + ([] if tool.effect == "fetch" else urls) + amounts
    lowest = min((entry.level.number for entry in weighty), default=4)
    receivers, on_object, named = _receivers(tool, after, memory)
    others = [receiver for receiver in receivers if not memory.directory.is_me(receiver)]
    kind = _kind(tool, after, others)
    clause, has_room = grant.covers(tool, after, now, used)
    url_level = min((entry.level.number for entry in urls), default=4)
    asked_for_page = tool.effect == "fetch" and url_level == 4  # whoever writes an address asks for it to be visited
    granted = clause is not None or asked_for_page
    sink_is_meant = lowest >= 3
    egress = audience.weigh(
        tool,
        after,
        memory,
        receivers=receivers,
        sink_is_meant=sink_is_meant and url_level >= 3,
        by_template=grant.writer == "template",
    )
    wrong = [] if kind in lexicon.INFORMED else contradiction.find(tool, after, memory, named)
    problems = _misfits(tool, args)
    context = {
        "kind": kind,
        "origin": origin,
        "understood": tool.known and not problems,
        "suspended": suspended,
        "in_scope": grant.scope is None or tool.name in grant.scope,
        "granted": granted,
        "within_quota": has_room or clause is None or asked_for_page,
        "level": lowest,
        "has_identity": bool(weighty),
        "anchored": any(_anchored(arg, after.get(arg.name), memory) for arg in tool.args.values()),
        "url_level": url_level,
        "url_inside": all(entry.level.inside for entry in urls),
        "reaches_people": bool(others) or kind == "share" and not receivers,
        "reaches_outside": any(not memory.directory.is_inside(receiver) for receiver in others),
        "recipients": len(set(map(normal, others))),
        "strangers": _strangers(tool, identities),
        "contradicts": bool(wrong),
        "audience_fits": egress.audience_fits,
        "secret_fits": egress.secret_fits,
        "emptied": outgoing.emptied(args, changed),
        "effects_so_far": sum(used.values()),
        "unusual": bool(unusual),
    }
    told = {
        "tool": tool.name,
        "effect": tool.effect,
        "noun": tool.noun,
        **context,
        "identities": [
            {"arg": entry.arg, **entry.level.to_json(entry.value)} for entry in (*identities, *urls, *amounts)
        ],
        "receivers": sorted({normal(receiver) for receiver in others}),
        "already_on_it": sorted(on_object),
        "contradictions": list(wrong),
        "audience": egress.why,
        "problems": problems,
        "links_removed": sorted(changed),
        "unusual": unusual,
    }
    reserve = dict.fromkeys(clause.quotas, 1) if clause is not None and has_room else {}
    return Facts(context=context, told=told, rewrite=changed, clause=clause, reserve=reserve, contradictions=wrong)


def unknown(name: str, origin: str, suspended: bool) -> Facts:
    """A tool that is not mounted: every door closed."""
    context = {
        "kind": "destroy", "origin": origin, "understood": False, "suspended": suspended, "in_scope": False, "granted": False,
        "within_quota": False, "level": 0, "has_identity": True, "anchored": False, "url_level": 0, "url_inside": False,
        "reaches_people": True, "reaches_outside": True, "recipients": 0, "strangers": False, "contradicts": False,
        "audience_fits": False, "secret_fits": False, "emptied": False, "effects_so_far": 0, "unusual": False,
    }  # fmt: skip
    return Facts(
        context=context, told={"tool": name, "effect": "unknown", **context, "problems": [f"no tool {name!r} is mounted"]},
        rewrite={}, clause=None, reserve={}, contradictions=(),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Valued:
    arg: str
    value: str
    level: Level
    weighs: bool = True


def _identities(tool: Tool, args: Mapping[str, Any], memory: Memory, grant: Grant) -> list[_Valued]:
    """People, containers and records that the call names. A read gives nobody anything, so its own only inform."""
    found = []
    for arg in tool.args_of("who", "where", "what"):
        if arg.name not in args:
            continue
        for value in _values(arg, args[arg.name]):
            level = memory.level(value)
            if level.number == 1 and LINK.fullmatch(value) and "@" not in value:
                level = UNTRUSTED  # prose names no link for a person
            if level.number < 3 and grant.brings(tool, arg.name, value):
                level = Level(3, True, "written in the published grant")
            found.append(_Valued(arg.name, value, level, _weighs(tool, arg)))
    return found


def _weighs(tool: Tool, arg: Arg) -> bool:
    """Whether a value counts for the call's level. Work that is handed on does nothing to what it names, save to people."""
    return tool.effect not in lexicon.INFORMED or (tool.effect == "delegate" and arg.role == "who")


def _values(arg: Arg, value: Any) -> list[str]:
    """Identities inside an argument: for objects, their id fields where they have any."""
    if isinstance(value, dict):
        ids = [text for key, entry in value.items() if key == "id" or key.endswith("_id") for text in strings(entry)]
        return ids or strings(value)
    if isinstance(value, (list, tuple)):
        return [text for entry in value for text in _values(arg, entry)]
    return [part for text in strings(value) for part in _people_in(text, arg)]


def _people_in(text: str, arg: Arg) -> list[str]:
    """One text as the identities it holds: "Dana <dana@x.example>, kim@y.example" are two addresses."""
    if arg.role != "who" or "@" not in text:
        return [text] if text.strip() else []
    parts = [part.strip() for part in re.split(r"[,;]", text) if part.strip()]
    return [identity for part in parts for identity in (EMAIL.findall(part) or [part])]


def _valued(tool: Tool, args: Mapping[str, Any], memory: Memory, role: str) -> list[_Valued]:
    return [
        _Valued(arg.name, text, memory.level(text))
        for arg in tool.args_of(role)
        for text in strings(args.get(arg.name))
    ]


def _amounts(tool: Tool, args: Mapping[str, Any], memory: Memory) -> list[_Valued]:
    if tool.effect in ("read", "delegate"):
        return []
    said = {plain(number) for number in numbers(memory.own_text)}
    found = []
    for arg in tool.args_of("amount"):
        value = args.get(arg.name)
        if value is None:
            continue
        text = plain(value)
        level = Level(4, True, "in the user's own words") if text in said else _amount_in_records(text, memory)
        found.append(_Valued(arg.name, text, level))
    return found


def _amount_in_records(text: str, memory: Memory) -> Level:
    best = NOWHERE
    for at, record in enumerate(memory.records):
        if record.own or text in record.echoes:
            continue
        if any(plain(number) == text for number in record.numbers.values()):
            number = 3 if memory.is_designated(at) else 2
            best = max(
                best,
                Level(number, memory.has_inside_author(record), f"attested by {record.tool}"),
                key=lambda level: level.number,
            )
        elif memory.meant(record) and any(text in map(plain, numbers(prose)) for prose in record.texts):
            best = max(
                best,
                Level(1, memory.has_inside_author(record), f"in the text of a record of {record.tool}"),
                key=lambda level: level.number,
            )
    return best


def _receivers(tool: Tool, args: Mapping[str, Any], memory: Memory) -> tuple[list[str], set[str], list[str]]:
    """Everybody the call would reach; those of them on the object already; and all as the call names them (a channel as itself)."""
    named = [text for arg in tool.args_of("who") for text in _values(arg, args.get(arg.name))]
    members = [
        text
        for arg in tool.args_of("where")
        for value in strings(args.get(arg.name))
        for text in _members(value, memory)
    ]
    on_object: set[str] = set()
    tells = tool.effect in ("send", "add", "share") or any(
        args.get(arg.name) is not None for arg in tool.args_of("text", "time")
    )
    if tool.effect in lexicon.SHARING | {"update"} and tells and (tool.effect != "send" or not named):
        for arg in tool.args_of("what"):
            if tool.effect == "send" and arg.type == ENCLOSED:
                continue
            for value in _values(arg, args.get(arg.name)):
                for record in memory.sightings(value):
                    on_object |= set(record.readers or ())
    containers = [value for arg in tool.args_of("where") for value in strings(args.get(arg.name))]
    return [*named, *members, *sorted(on_object)], on_object, [*named, *containers, *sorted(on_object)]


def _members(channel: str, memory: Memory) -> list[str]:
    """Members of a container as far as a record of it was seen; else the container itself stands for them."""
    token = normal(channel)
    for record in memory.records:
        if (
            record.readers
            and (token in record.ids or token in (normal(title) for title in record.titles))
            and record.collection in ("channels", "channel")
        ):
            return list(record.readers)
    return [channel]


def _kind(tool: Tool, args: Mapping[str, Any], others: Sequence[str]) -> str:
    if tool.effect in ("read", "fetch"):
        return tool.effect
    if tool.destructive:
        return "destroy"
    if tool.effect == "delegate" and not others:
        return "delegate"
    return "share" if tool.effect in lexicon.SHARING or others else "write"


def _strangers(tool: Tool, identities: Sequence[_Valued]) -> bool:
    """Several identities that receive power, every one of them only prose of outsiders."""
    people = [entry for entry in identities if tool.args[entry.arg].role == "who"]
    return (
        tool.effect in ("invite", "add", "share")
        and len(people) > 1
        and all(entry.level.number <= 1 and not entry.level.inside for entry in people)
    )


def _anchored(arg: Arg, value: Any, memory: Memory) -> bool:
    if value is None or arg.role in ("who", "where", "what"):
        return False
    if arg.role == "time":
        moment = instant(value)
        said = days(memory.own_text, memory.today)
        return moment is not None and any(day.is_near(moment.date(), 1) for day in said)
    return any(memory.anchor(text) for text in strings(value))


def _misfits(tool: Tool, args: Mapping[str, Any]) -> list[str]:
    """Arguments that the tool's schema does not know, or lacks: then nobody knows what they would do."""
    found = [
        f"argument {name!r} is not one of {tool.name}'s"
        for name in args
        if name not in tool.args and not tool.open_schema
    ]
    return found + [
        f"argument {arg.name!r} is missing" for arg in tool.args.values() if arg.required and arg.name not in args
    ]
