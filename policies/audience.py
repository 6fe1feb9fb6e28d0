"""Who would learn what: readers and class of everything the case has read, against the people a call would reach.

A text that an agent writes counts as carrying everything it has read. A text that code fills from a reviewed template carries
what verbatim stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.labels import Memory
from policies.manifest import Tool
from policies.people import COLLEAGUES
from policies.records import SECRET, Record
from policies.words import normal, strings, tokens

_SECRET_WORDS = frozenset(
    "code password passcode passphrase token key secret pin credential credentials codes passwords keys reset login".split()
)
_LONG = 24  # characters that, standing verbatim in a template's text, show where it came from


@dataclass(frozen=True, slots=True)
class Context:
    """The label of all that was read so far. It never gets cleaner: class only rises, readers only shrink."""

    secret: bool
    tainted: bool
    readers: frozenset[str] | None  # None: nobody is excluded


CLEAN = Context(secret=False, tainted=False, readers=None)


def label(memory: Memory, before: Context = CLEAN, seen: int = 0) -> Context:
    """Over every record that holds text. `before`: of the first `seen` records."""
    readers = before.readers
    fresh = memory.records[seen:]
    for record in fresh:
        if record.texts and record.readers is not None:
            theirs = frozenset(record.readers)
            if readers is None or COLLEAGUES not in theirs:
                readers = theirs if readers is None or COLLEAGUES in readers else readers & theirs
    return Context(
        secret=before.secret or any(record.secret for record in fresh),
        tainted=before.tainted
        or any(record.texts and not record.own and not memory.has_inside_author(record) for record in fresh),
        readers=readers,
    )


@dataclass(frozen=True, slots=True)
class Egress:
    carries: bool  # more than the user's own words
    audience_fits: bool
    secret_fits: bool
    why: str


def weigh(
    tool: Tool,
    args: Mapping[str, Any],
    memory: Memory,
    *,
    receivers: Sequence[str],
    sink_is_meant: bool,
    by_template: bool,
) -> Egress:
    """`receivers`: everybody reached; `sink_is_meant`: whether the user named them all (level 3 or more)."""
    texts = [text for arg in tool.args_of("text", "url") for text in strings(args.get(arg.name))]
    texts += [
        text
        for arg in tool.args_of("pick", "time")
        if not arg.choices
        for text in strings(args.get(arg.name))
        if _is_prose(text)
    ]
    carries = any(not memory.is_all_own_words(text) for text in texts)
    attached = [
        record
        for arg in tool.args_of("what")
        for value in strings(args.get(arg.name))
        for record in memory.sightings(value)
    ]
    if tool.effect == "update":
        attached = []
    others = [receiver for receiver in receivers if not memory.directory.is_me(receiver)]
    if not others and tool.effect not in ("fetch", "publish", "send"):
        return Egress(carries, True, True, "")
    if not others and tool.effect == "send" and receivers:
        return Egress(carries, True, True, "")
    read = [record for record in memory.records if record.texts and not record.own]
    leaving = _in_texts(read, texts) if by_template else (read if carries else [])
    leaving = [*leaving, *attached]
    audience = {normal(receiver) for receiver in others}
    secrets = [
        record
        for record in leaving
        if record.secret and not (audience and record.readers is not None and _lets(record.readers, audience, memory))
    ]
    asked = bool(set(tokens(memory.own_text)) & _SECRET_WORDS)
    secret_fits = not secrets or (sink_is_meant and asked and all(memory.meant(record) for record in secrets))
    if (
        not secrets
        and any(SECRET.search(text) and not memory.is_all_own_words(text) for text in texts)
        and not (asked and sink_is_meant)
    ):
        secret_fits = False
    kept_from = next(
        (
            record
            for record in leaving
            if record.readers is not None
            and not (sink_is_meant and memory.meant(record))
            and not _lets(record.readers, audience, memory)
        ),
        None,
    )
    why = ""
    if kept_from is not None:
        why = f"a record of {kept_from.tool} was not meant for everybody it would reach"
    if not secret_fits:
        why = "a secret was read that the request did not ask to pass on"
    return Egress(carries, kept_from is None, secret_fits, why)


def _is_prose(text: str) -> bool:
    """Whether a time, zone or number argument could hold a sentence."""
    return len(text) > 40 or text.count(" ") > 1


def _lets(readers: Sequence[str], audience: set[str], memory: Memory) -> bool:
    """Whether everybody reached could read the record already. Readers given by name are looked up."""
    left = [person for person in audience if person not in readers]
    if left:
        by_name = {
            address for reader in readers if "@" not in reader for address in memory.directory.addresses_of(reader)
        }
        left = [person for person in left if person not in by_name]
    return not left or (COLLEAGUES in readers and all(memory.directory.is_inside(person) for person in left))


def _in_texts(records: Sequence[Record], texts: Sequence[str]) -> list[Record]:
    """Records of which a long stretch, or a secret, stands in the texts."""
    whole = " ".join(" ".join(text.split()) for text in texts).casefold()
    return [record for record in records if any(_overlaps(text, whole) for text in record.texts)]


def _overlaps(text: str, whole: str) -> bool:
    for line in re.split(r"[\n.!?]", " ".join(text.split(" ")).casefold()):
        line = " ".join(line.split())
        if len(line) >= _LONG and line in whole:
            return True
    return any(match.group().casefold() in whole for match in SECRET.finditer(text))
