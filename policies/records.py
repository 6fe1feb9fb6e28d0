"""What came back from a tool, taken apart into records: who wrote each, who can read it, and which of its values are attested.

A value that a call carried itself is an echo: its own answer is no source for it. Errors are no source for anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from policies import lexicon
from policies.manifest import Tool, Trust, field_trust
from policies.people import COLLEAGUES
from policies.words import normal, strings, token_set, tokens

SECRET = re.compile(
    r"\b(?:security|verification|access|login|one-time|confirmation|recovery|reset|2fa|pin) ?(?:code|pin|token)s?\b[^\n]{0,40}?\b[A-Z0-9-]*\d[A-Z0-9-]{3,}\b"
    r"|\bpass(?:word|code|phrase)\b ?(?:is|:|=) ?\S+|\b(?:api|secret|private)[ _-]?key\b ?(?:is|:|=) ?\S+"
    r"|\b(?:sk|ghp|xox[abpr]|AKIA)[-_A-Za-z0-9]{16,}|-----BEGIN [A-Z ]*PRIVATE KEY",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of an answer. All values normal (`words.normal`) save `texts`, which stand as they came."""

    tool: str
    collection: str
    ids: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    attested: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    author: str | None = None
    author_known: bool = False  # whether records of this kind name an author
    readers: tuple[str, ...] | None = None  # None: nobody is excluded
    secret: bool = False
    found: bool = False  # by a read all of whose weighty arguments came from the user's own words
    unique: bool = False  # and nothing else was found by it
    party: bool = False  # names who took part: sender, receivers, participants
    own: bool = False  # minted by an earlier call of ours
    contacts: bool = False
    complete: bool = False  # from a list of all there are
    echoes: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, int] | None = None  # levels set by code, for values of children and memory

    def to_json(self) -> dict[str, Any]:
        """Only what differs from the default."""
        told: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value not in ((), None, False, {}):
                told[entry.name] = list(value) if isinstance(value, tuple) else value
            elif entry.name == "readers" and value == ():
                told["readers"] = []
            elif entry.name == "given" and value == {}:
                told["given"] = {}
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Record:
        plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
        return cls(**plain)

    @property
    def key(self) -> str:
        """What makes two sightings one record."""
        return f"{self.collection}/{self.ids[0]}" if self.ids else ""


def split(value: Any, where: str | None) -> list[Any]:
    """The records inside an answer: under `where`, or the list it is, or the one list of objects it holds, or itself."""
    if isinstance(value, Mapping):
        inner = value.get(where) if where else None
        if isinstance(inner, list):
            return list(inner)
        lists = [
            entry
            for entry in value.values()
            if isinstance(entry, list) and entry and all(isinstance(one, Mapping) for one in entry)
        ]
        if where is None and len(lists) == 1 and len(value) <= 3:
            return list(lists[0])
        return [value]
    if isinstance(value, (list, tuple)):
        return list(value)
    return [] if value is None else [value]


def take_apart(tool: Tool, args: Mapping[str, Any], value: Any, *, found: bool) -> list[Record]:
    """Every record of one answer, in order."""
    entries = split(value, tool.output.records)
    echoes = tuple(sorted(token_set(strings(dict(args))) | {normal(text) for text in strings(dict(args))}))
    complete = tool.effect == "read" and not any(
        args.get(arg.name) for arg in tool.args_of("query", "what", "who", "where", "time", "text")
    )
    parent: dict[str, Any] = {}
    if (
        isinstance(value, Mapping)
        and len(entries) != 1
        or isinstance(value, Mapping)
        and entries
        and entries[0] is not value
    ):
        parent = {key: entry for key, entry in value.items() if not isinstance(entry, (list, Mapping))}
    records = []
    for entry in entries:
        records.append(
            _record(
                tool, args, entry, parent, echoes, found=found, unique=found and len(entries) == 1, complete=complete
            )
        )
    return records


def _record(
    tool: Tool,
    args: Mapping[str, Any],
    entry: Any,
    parent: Mapping[str, Any],
    echoes: tuple[str, ...],
    *,
    found: bool,
    unique: bool,
    complete: bool,
) -> Record:
    bag = _Bag(tool)
    if isinstance(entry, Mapping):
        bag.take(entry, None)
        for key, told in parent.items():
            if key not in entry and bag.trust(key, told, None) == "id":
                bag.put(key, told, "id")
    else:
        bag.bare(entry)
    output = tool.output
    author_field = output.author or (_first(lexicon.AUTHOR_FIELDS, entry) if tool.derived else None)
    reader_fields: Sequence[str] = output.readers or (lexicon.READER_FIELDS if tool.derived else ())
    author, readers = None, None
    if isinstance(entry, Mapping):
        authors = [normal(text) for text in _addresses(entry.get(author_field))] if author_field else []
        author = authors[0] if authors else None
        named = [normal(text) for name in reader_fields if name in entry for text in _addresses(entry.get(name))]
        container = {normal(text) for arg in tool.args_of("what", "where") for text in strings(args.get(arg.name))}
        if set(named) & container:  # addressed to a channel: its members are not on the message
            named = []
        if any(name in entry and entry[name] is None for name in output.readers):
            named.append(COLLEAGUES)
        if output.readers or named:
            readers = tuple(sorted({*named, *([author] if author else [])}))
    mine = tool.effect not in ("read", "fetch")
    if mine:  # an effect's answer repeats what we sent: only the ids it minted are news
        ids = tuple(value for value in bag.ids if value not in echoes)
        return Record(
            tool=tool.name,
            collection=tool.collection or tool.kind,
            ids=ids,
            own=tool.effect in ("create", "send", "publish"),
            readers=readers,
            author=author,
            author_known=True,
            secret=bag.declared_secret or (bag.holds_secret and readers is not None),
            texts=(),
        )
    return Record(
        tool=tool.name,
        collection=tool.collection or tool.kind,
        ids=tuple(bag.ids),
        titles=tuple(bag.titles),
        attested=tuple(bag.attested),
        texts=tuple(bag.texts),
        author=author,
        author_known=tool.output.author_known or author_field is not None or tool.effect == "fetch",
        readers=readers,
        secret=bag.declared_secret or (bag.holds_secret and readers is not None),
        found=found,
        unique=unique,
        party=isinstance(entry, Mapping) and any(entry.get(name) for name in lexicon.PARTY_FIELDS),
        contacts=tool.is_contacts,
        complete=complete,
        echoes=echoes,
        numbers=bag.numbers,
        times=bag.times,
    )


class _Bag:
    """Collects the values of one record by trust."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.ids: list[str] = []
        self.titles: list[str] = []
        self.attested: list[str] = []
        self.texts: list[str] = []
        self.declared_secret = False  # by the manifest
        self.holds_secret = False  # by its look; said to everybody it is none
        self.numbers: dict[str, float] = {}
        self.times: dict[str, str] = {}

    def trust(self, key: str, value: Any, inherited: Trust | None) -> Trust:
        told = self.tool.output.fields.get(key)
        if told is not None:
            return told
        if key == "id" or key.endswith(("_id", "_ids", "id_")):
            return "id"
        if inherited is not None:
            return inherited
        return field_trust(key, value) if self.tool.derived or not self.tool.output.fields else "text"

    def take(self, entry: Mapping[str, Any], inherited: Trust | None) -> None:
        for key, value in entry.items():
            key = str(key)
            trust = self.trust(key, value, inherited)
            if isinstance(value, Mapping):
                if trust == "attested":
                    self.attested.extend(normal(str(name)) for name in value)
                self.take(value, trust if trust != "id" else None)
            elif isinstance(value, (list, tuple)):
                for one in value:
                    if isinstance(one, Mapping):
                        self.take(one, trust if trust != "id" else None)
                    else:
                        self.put(key, one, trust)
            else:
                self.put(key, value, trust)

    def put(self, key: str, value: Any, trust: Trust) -> None:
        if value is None or isinstance(value, bool):
            return
        text = str(value)
        if trust == "secret":
            self.declared_secret = True
            trust = "text"
        is_title = key in lexicon.TITLE_FIELDS
        if isinstance(value, (int, float)) and trust != "id":
            self.numbers[key] = float(value)
        elif trust == "attested" and re.match(r"\d{4}-\d{2}-\d{2}", text):
            self.times[key] = text
        if trust == "id":
            self.ids.append(normal(text))
        elif trust == "attested":
            self.attested.append(normal(text))
        else:
            self.texts.append(text)
            self.holds_secret = self.holds_secret or SECRET.search(text) is not None
        if is_title and text.strip():
            self.titles.append(" ".join(tokens(text)))
            if trust == "text" and self.tool.derived and "@" not in text:
                self.attested.append(normal(text))  # the whole name stands for the record; words inside it do not

    def bare(self, value: Any) -> None:
        """An item of a plain list: the whole of it is a name, what stands inside it is text."""
        if isinstance(value, (dict, list, tuple)):
            for text in strings(value):
                self.texts.append(text)
            return
        text = str(value)
        if self.tool.effect == "fetch" or "\n" in text or len(text) > 400:
            self.texts.append(text)
            self.holds_secret = self.holds_secret or SECRET.search(text) is not None
            return
        self.ids.append(normal(text))
        self.titles.append(" ".join(tokens(text)))
        if len(tokens(text)) > 1:
            self.texts.append(text)


def _first(names: Sequence[str], entry: Any) -> str | None:
    return next((name for name in names if isinstance(entry, Mapping) and name in entry), None)


def _addresses(value: Any) -> list[str]:
    """Addresses or handles in a people field: "a@b", ["a@b"], {"address": …}, [{"address": …}], {"a@b": "r"}."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        for key in ("address", "email", "id", "user"):
            if isinstance(value.get(key), str):
                return [str(value[key])]
        return [str(key) for key in value]
    if isinstance(value, (list, tuple)):
        return [text for entry in value for text in _addresses(entry)]
    return []
