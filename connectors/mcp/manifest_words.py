"""Which words a manifest may use, and what is wrong with one: every fault with its place, and the nearest word that there is.

The words are the guard's (policies.lexicon, policies.manifest), which connectors may not import; a test holds the two together.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

EFFECTS = frozenset("read fetch create update delete send share invite add remove pay publish rule delegate".split())
ROLES = frozenset("who where what url amount time text pick query".split())
TRUSTS = frozenset("attested text id secret".split())
TOP = frozenset("version directory pages collections tools".split())
OF_TOOL = frozenset(
    "effect noun destructive undo collection record args output records lookup idempotent series limit returns".split()
)
OF_ARGUMENT = frozenset({"role", "type"})
OF_OUTPUT = frozenset("fields author readers open_to open_about own kept".split())


@dataclass(frozen=True, slots=True)
class Fault:
    """`path`: keys from the top of the file to what is wrong."""

    path: tuple[str, ...]
    says: str
    fix: str


def faults(told: Mapping[str, Any]) -> Iterator[Fault]:
    """Everything wrong with a manifest whose `tools` is a mapping of mappings."""
    yield from _keys(told, TOP, ())
    for name, entry in told["tools"].items():
        yield from _of_tool(entry, ("tools", str(name)))


def strangers(told: Mapping[str, Any], offered: Iterable[str]) -> Iterator[Fault]:
    """Tools that the manifest speaks of and the server does not offer."""
    known = sorted(offered)
    for name in told["tools"]:
        if name not in known:
            yield Fault(("tools", str(name)), "the server offers no tool of this name", meant(str(name), known))


def meant(word: Any, known: Iterable[str]) -> str:
    """A fix for a word that is not known."""
    words = sorted(known)
    near = difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join(words) or 'none'}"


def _of_tool(entry: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Fault]:
    yield from _keys(entry, OF_TOOL, path)
    yield from _word(entry["effect"], EFFECTS, "effect", (*path, "effect"))
    args = entry.get("args") or {}
    if not isinstance(args, Mapping):
        yield Fault((*path, "args"), "this is no mapping of argument to role", "write args: {to: who, body: text}")
        return
    for name, argument in args.items():
        at = (*path, "args", str(name))
        if isinstance(argument, Mapping):
            yield from _keys(argument, OF_ARGUMENT, at)
            yield from _word(argument.get("role"), ROLES, "role", (*at, "role") if "role" in argument else at)
        else:
            yield from _word(argument, ROLES, "role", at)
    output = entry.get("output") or {}
    fields = output.get("fields") or {} if isinstance(output, Mapping) else None
    if not isinstance(output, Mapping) or not isinstance(fields, Mapping):
        yield Fault(
            (*path, "output"), "this is no mapping with `fields`", "write output: {fields: {id: id, body: text}}"
        )
        return
    yield from _keys(output, OF_OUTPUT, (*path, "output"))
    for name, trust in fields.items():
        yield from _word(trust, TRUSTS, "output field's word", (*path, "output", "fields", str(name)))


def _keys(told: Mapping[str, Any], known: frozenset[str], path: tuple[str, ...]) -> Iterator[Fault]:
    for key in told:
        if key not in known:
            yield Fault((*path, str(key)), f"{str(key)!r} is no key there is", meant(key, known))


def _word(word: Any, known: frozenset[str], what: str, path: tuple[str, ...]) -> Iterator[Fault]:
    if not isinstance(word, str) or word not in known:
        yield Fault(path, f"{word!r} is no {what}", meant(word, known))
