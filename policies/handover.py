"""Values that pass from one case to another: a child's result, a fact that was remembered.

`labels_of` says on the way out what a case knows of each value; `records_of` takes it in on the other side. Nothing gets
cleaner on the way: a level is the lowest that any spelling of the value has, and class and readers are those of the whole
case, because whoever wrote the value had read all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies import audience, contradiction, lexicon
from policies.labels import Memory
from policies.manifest import Tool, field_trust
from policies.records import SECRET, Record
from policies.words import normal, strings, token_set, tokens

_MOST_CHARACTERS = 40_000  # of a value that is looked at piece by piece; a longer one is of level 0 as a whole
_MOST_VALUES = 2_000
_LONGEST = 200  # characters of a text that may be one value, such as a title


def labels_of(memory: Memory, value: Any, *, most: int, written: bool) -> dict[str, Any]:
    """What `observe(labels=…)` of another case takes, as JSON.

    {"level": 0, "values": {value: level}, "readers": [address] | None, "class", "author": None}, and where there is any:
    "sightings", who is on the records that the value names, and "written" (if wanted), what this case wrote out itself.
    """
    label = audience.label(memory)
    spellings = _spellings(value)
    told: dict[str, Any] = {
        "level": 0,
        "values": _levels(memory, spellings, most),
        "readers": None if label.readers is None else sorted(label.readers),
        "class": "secret" if label.secret else "normal",
        "author": None,
    }
    sightings = _sightings(memory, spellings)
    if sightings:
        told["sightings"] = sightings
    if written and memory.laundered:
        told["written"] = sorted(memory.laundered - lexicon.STOP)
    return told


def records_of(tool: Tool, value: Any, labels: Mapping[str, Any], memory: Memory) -> list[Record]:
    """One record of the whole value, whose levels are what `labels` says and never more; and who is on what it names.

    labels: {"level": 0..4 for everything in it, "values": {value: level}, "author", "readers", "class": "normal|secret"}.
    """
    level = int(labels.get("level") or 0)
    texts = strings(value)
    everything = tuple(dict.fromkeys([*texts, *_keys(value)]))
    given = {form: level for text in texts for form in (normal(text), " ".join(tokens(text))) if form}
    given |= dict.fromkeys(token_set(texts), level)
    given |= {normal(str(one)): int(number) for one, number in (labels.get("values") or {}).items()}
    readers = _readers(labels.get("readers"))
    looks_secret = readers is not None and any(SECRET.search(text) for text in texts)
    found = [
        Record(
            tool=tool.name,
            collection="labelled",
            texts=everything or ("",),  # even a bare yes carries what was read
            author=labels.get("author"),
            author_known=True,
            readers=readers,
            secret=labels.get("class") == "secret" or looks_secret or _declares_secret(tool, value),
            given=given,
        )
    ]
    for told in labels.get("sightings") or ():
        record = Record(
            tool=str(told.get("tool") or tool.name),
            collection=str(told.get("collection") or "labelled"),
            ids=tuple(normal(str(one)) for one in told.get("ids") or ()),
            titles=tuple(str(one) for one in told.get("titles") or ()),
            author_known=True,
            readers=_readers(told.get("readers")),
            secret=bool(told.get("secret")),
            given={},
        )
        if not any(_tells_the_same(known, record) for one in record.ids for known in memory.sightings(one)):
            found.append(record)
    return found


def written_in(labels: Mapping[str, Any]) -> set[str]:
    """Tokens that the other case wrote out while they were at level 0: read back here, they are echoes too."""
    return {normal(str(token)) for token in labels.get("written") or ()}


def _readers(told: Sequence[Any] | None) -> tuple[str, ...] | None:
    return None if told is None else tuple(sorted(normal(str(entry)) for entry in told))


def _spellings(value: Any) -> dict[str, set[str]]:
    """Every value inside, as it is compared → as it is written. Empty for more than anybody would look up."""
    texts = strings(value)
    if sum(map(len, texts)) > _MOST_CHARACTERS:
        return {}
    found: dict[str, set[str]] = {}
    for text in texts:
        for one in (*token_set([text]), *((text,) if len(text) <= _LONGEST else ())):
            key = normal(one)
            if key and key not in lexicon.STOP:
                found.setdefault(key, {key}).add(one)
    return found if len(found) <= _MOST_VALUES else {}


def _levels(memory: Memory, spellings: Mapping[str, set[str]], most: int) -> dict[str, int]:
    """Only what is above 0, each at the lowest level of its spellings."""
    levels = {key: min(memory.level(one).number for one in forms) for key, forms in spellings.items()}
    outdone = contradiction.outdone([key for key, level in levels.items() if level == 1 and "@" in key], memory)
    return {key: min(level, most) for key, level in sorted(levels.items()) if level > 0 and key not in outdone}


def _sightings(memory: Memory, spellings: Mapping[str, set[str]]) -> list[dict[str, Any]]:
    """Who is on the records that the value names: a reply to one of them reaches those people from the other case too."""
    found: list[dict[str, Any]] = []
    for key in sorted(spellings):
        for record in memory.sightings(key):
            if record.readers is None and not record.secret:
                continue
            told: dict[str, Any] = {"tool": record.tool, "collection": record.collection, "ids": [key]}
            if record.titles:
                told["titles"] = list(record.titles)
            if record.readers is not None:
                told["readers"] = list(record.readers)
            if record.secret:
                told["secret"] = True
            if told not in found:
                found.append(told)
    return found


def _tells_the_same(known: Record, new: Record) -> bool:
    return (known.collection, known.readers, known.secret) == (new.collection, new.readers, new.secret) and set(
        new.titles
    ) <= set(known.titles)


def _keys(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [*map(str, value), *(key for entry in value.values() for key in _keys(entry))]
    if isinstance(value, list | tuple):
        return [key for entry in value for key in _keys(entry)]
    return []


def _declares_secret(tool: Tool, value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(
            (entry is not None and not isinstance(entry, bool) and _trust(tool, str(key), entry) == "secret")
            or _declares_secret(tool, entry)
            for key, entry in value.items()
        )
    return isinstance(value, list | tuple) and any(_declares_secret(tool, entry) for entry in value)


def _trust(tool: Tool, key: str, value: Any) -> str:
    return tool.output.fields.get(key) or field_trust(key, value)
