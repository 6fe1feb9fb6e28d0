"""What a check may look at, and where in it something stands. Pure; texts are searched, never understood.

An agent's own arguments are no evidence: it could have made them up. What came back is, and so is what it was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from connectors.spec import Json

SETTLED = frozenset({"done", "failed", "denied", "cancelled", "over_budget", "needs_model"})
ADDRESS = (
    re.compile(  # lengths as in RFC 5321, 4.5.3.1, so that a long text without an address costs no more than its length
        r"(?<![A-Za-z0-9._%+'-])[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,63}"
    )
)
MARKED_ID = re.compile(  # kind, then body, then perhaps a part of it: evt_…, item_…, msg_…_s0
    r"(?<![\w@.-])[a-z]{2,12}_(?=[a-z]{0,64}\d)[0-9a-z]{6,64}(?:_[a-z]\d+)?(?:~\d+)?(?![\w@-])"
)
_ID_KEY = re.compile(r"(?:^|_)ids?$")


@dataclass(frozen=True, kw_only=True)
class CheckFacts:
    """What really happened in a run, as of the moment its result is handed in.

    effects: {tool, args, state, result}; reads: {tool, args, result}; children: {item_id, state, output}; packet: what the
    agent was given. Not slotted: what is searched for is collected once.
    """

    request: str
    goal: str
    effects: Sequence[Mapping[str, Any]] = ()
    reads: Sequence[Mapping[str, Any]] = ()
    children: Sequence[Mapping[str, Any]] = ()
    packet: Mapping[str, Any] = field(default_factory=dict)
    now: datetime
    zone: str

    @cached_property
    def known(self) -> frozenset[str]:
        """Every text the agent was given or got back, as it stands."""
        return frozenset(text for source in self._sources() for _, text in texts(source))

    @cached_property
    def known_ids(self) -> frozenset[str]:
        """Texts that may be ids: whole values without a space, and marked ids anywhere in a text."""
        whole = {text for text in self.known if text and " " not in text and len(text) <= 256}
        return frozenset(whole | {found for text in self.known for found in MARKED_ID.findall(text)})

    @cached_property
    def known_addresses(self) -> frozenset[str]:
        """Addresses anywhere in what is known, in small letters."""
        return frozenset(found.lower() for text in self.known for found in ADDRESS.findall(text))

    def _sources(self) -> Iterator[Any]:
        yield self.request
        yield self.goal
        yield self.packet
        yield from (read.get("result") for read in self.reads)
        yield from (effect.get("result") for effect in self.effects if effect.get("state") == "done")
        yield from ([child.get("item_id"), child.get("output")] for child in self.children)


def texts(value: Json | Mapping[str, Any], key: str = "") -> Iterator[tuple[str, str]]:
    """(name of the nearest field, text) of every text at every depth, in order. Keys are no texts."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, below in value.items():
            yield from texts(below, str(name))
    elif isinstance(value, list | tuple):
        for below in value:
            yield from texts(below, key)


def ids_of(value: Json) -> list[str]:
    """What a result gives as ids: values of fields called id, …_id, …_ids, and marked ids in any text; each once."""
    found: dict[str, None] = {}
    for key, text in texts(value):
        if _ID_KEY.search(key) and text:
            found[text] = None
        else:
            found.update(dict.fromkeys(MARKED_ID.findall(text)))
    return list(found)


def addresses_of(value: Any) -> list[str]:
    """Every address in any text, once, as written."""
    return list(dict.fromkeys(found for _, text in texts(value) for found in ADDRESS.findall(text)))


def records(value: Json) -> Iterator[Mapping[str, Any]]:
    """Every object at every depth, outer before inner."""
    if isinstance(value, Mapping):
        yield value
        for below in value.values():
            yield from records(below)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from records(below)
