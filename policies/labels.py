"""Where a value came from: a level from 4 (the user's own words) to 0 (untrusted text, or nowhere), by value.

The case's memory of words and records. Levels are computed when asked for, from everything heard so far; nothing an agent
claims about a value is ever looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from policies import lexicon, request
from policies.people import Directory
from policies.records import Record
from policies.words import EMAIL, contains, days, instant, normal, stem, token_set, tokens

_SIZES = ("size", "size_bytes", "amount", "price", "total", "count", "rating")
_TIMES = ("sent_at", "timestamp", "date", "start", "start_time", "created_at", "last_modified")


@dataclass(frozen=True, slots=True)
class Level:
    """`inside`: whether it came from the user, the gate, or a record whose author belongs to the house."""

    number: int
    inside: bool
    why: str

    def to_json(self, value: str) -> dict[str, Any]:
        return {"value": value, "level": self.number, "why": self.why}


NOWHERE = Level(0, False, "from nowhere that was seen")
UNTRUSTED = Level(0, False, "only in untrusted text")


@dataclass(frozen=True, slots=True)
class Saying:
    """Words that were heard. weight: 4 the requester's as a human (or stored by them), 2 an assistant's, 1 somebody else's."""

    text: str
    weight: int


@dataclass(slots=True)
class Memory:
    """Words and records of one case. `record_` functions change it; everything else only reads."""

    directory: Directory
    today: date
    sayings: list[Saying] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    laundered: set[str] = field(default_factory=set)  # tokens that we wrote out ourselves while they were at level 0
    _whole: dict[str, list[int]] = field(default_factory=dict)  # id or attested value → records
    _inside_text: dict[str, list[int]] = field(default_factory=dict)  # token → records whose text has it
    _designated: frozenset[int] | None = None
    _words: dict[int, tuple[frozenset[str], tuple[str, ...]]] | None = None
    _said: dict[int, frozenset[str]] | None = None
    _levels: dict[str, Level] = field(default_factory=dict)
    _named: dict[int, bool] = field(default_factory=dict)  # id() of a record → whether the words name it
    _anchors: dict[str, bool] = field(default_factory=dict)
    _stems: frozenset[str] | None = None

    # ---- hearing ---------------------------------------------------------------------------------------------------

    def record_saying(self, saying: Saying) -> None:
        self.sayings.append(saying)
        self._forget()

    def record_written(self, texts: Sequence[str]) -> None:
        """What an effect of ours wrote: read back later, it is an echo, so that no value climbs by a detour through our own hands."""
        self.laundered |= {token for token in token_set(texts) if self.level(token).number == 0}

    def record_all(self, records: Sequence[Record]) -> None:
        for record in records:
            if self.laundered:
                ours = self.laundered & {*record.ids, *record.attested, *token_set(record.texts)}
                record = replace(record, echoes=tuple(sorted({*record.echoes, *ours}))) if ours else record
            at = len(self.records)
            self.records.append(record)
            for value in {*record.ids, *record.attested, *(record.given or ())}:
                self._whole.setdefault(value, []).append(at)
            for token in token_set(record.texts):
                self._inside_text.setdefault(token, []).append(at)
        self._forget()

    def _forget(self) -> None:
        self._designated = self._words = self._said = self._stems = None
        self._levels, self._named, self._anchors = {}, {}, {}

    # ---- the user's words ------------------------------------------------------------------------------------------

    @property
    def own_text(self) -> str:
        """The words that may grant: the requester's own."""
        return "\n".join(saying.text for saying in self.sayings if saying.weight == 4)

    def heard(self, weight: int) -> tuple[frozenset[str], tuple[str, ...]]:
        """Tokens, as a set and in order, of what was said with exactly this weight."""
        if self._words is None:
            self._words = {}
        if weight not in self._words:
            texts = [saying.text for saying in self.sayings if saying.weight == weight]
            self._words[weight] = (token_set(texts), tuple(token for text in texts for token in (*_bare(text), "\n")))
        return self._words[weight]

    def said_people(self, weight: int) -> frozenset[str]:
        if self._said is None:
            self._said = {}
        if weight not in self._said:
            self._said[weight] = self.directory.said(self.heard(weight)[1])
        return self._said[weight]

    def weights(self) -> list[int]:
        return sorted({saying.weight for saying in self.sayings}, reverse=True)

    def in_words(self, value: str, weight: int) -> bool:
        """Whether the value stands in the words as whole tokens. A short number must be called an id there."""
        token_bag, sequence = self.heard(weight)
        token = normal(value)
        if not token:
            return False
        if token.isdigit() and len(token) < 6:
            return any(
                word == token and at and sequence[at - 1] in ("id", "ids", "number", "no", "nr", "#", "item")
                for at, word in enumerate(sequence)
            )
        if token in token_bag:
            return True
        phrase = tokens(value)
        return len(phrase) > 1 and contains(sequence, phrase)

    # ---- levels ----------------------------------------------------------------------------------------------------

    def level(self, value: str) -> Level:
        known = self._levels.get(value)
        if known is None:
            known = self._levels[value] = self._level(value)
        return known

    def _level(self, value: str) -> Level:
        token = normal(value)
        if not token:
            return NOWHERE
        if self.directory.is_me(token):
            return Level(4, True, "the user's own address")
        heard = 0
        for weight in self.weights():
            if self.in_words(value, weight):
                if weight == 4:
                    return Level(4, True, "in the user's own words")
                heard = max(heard, weight)
            elif token in self.said_people(weight):
                if weight == 4:
                    return Level(3, True, "somebody the user named")
                heard = max(heard, weight)
        from_records = self._from_records(token, value)
        if heard > from_records.number:
            return Level(
                heard, False, "in the words of an assistant" if heard == 2 else "in the words of somebody else"
            )
        return from_records

    def _from_records(self, token: str, value: str) -> Level:
        best = NOWHERE
        for at in self._whole.get(token, ()):
            record = self.records[at]
            if record.given is not None:
                number = record.given.get(token, 0)
                best = _better(best, Level(number, number >= 3, "labelled by the gate"))
            elif token in record.echoes:
                continue
            elif record.own:
                return Level(3, True, f"minted by our own {record.tool}")
            elif self.is_designated(at):
                return Level(3, True, f"of the record of {record.tool} that the user meant")
            else:
                best = _better(best, Level(2, self.has_inside_author(record), f"attested by {record.tool}"))
        if best.number < 2 and self.directory.is_known(token):
            best = Level(2, True, "in the directory")
        return best if best.number >= 1 else _better(best, self._from_text(token, value))

    def _from_text(self, token: str, value: str) -> Level:
        phrase = tokens(value)
        first = token if token in self._inside_text else (phrase[0] if phrase else token)
        best = NOWHERE
        for at in self._inside_text.get(first, ()):
            record = self.records[at]
            if token in record.echoes or record.own or record.given is not None:
                continue
            if len(phrase) > 1 and not any(contains(tokens(text), phrase) for text in record.texts):
                continue
            best = _better(best, UNTRUSTED)
            if "@" in token and not self._may_name_people(record):
                continue
            if record.found or self.is_named(record):
                inside = self.has_inside_author(record)
                best = _better(best, Level(1, inside, f"in the text of a record of {record.tool} that the user meant"))
        return best

    def _may_name_people(self, record: Record) -> bool:
        """Whether prose of a record may say whom to reach: where the user sent us there for it; else a record that attests
        who took part names nobody further, and any other only if the request leaves open who gets something."""
        own = self.own_text
        if request.points_to_address(own):
            return True
        if record.party or any(not self.directory.is_me(reader) for reader in record.readers or ()):
            return False
        return request.delegates(own) or any(
            not wish.forbids
            and wish.effects & lexicon.SHARING
            and not EMAIL.search(wish.text)
            and not self._names_people(wish.text)
            for wish in request.wishes(own)
        )

    def _names_people(self, text: str) -> bool:
        return bool(self.directory.said(tuple(_bare(text))))

    # ---- designation -----------------------------------------------------------------------------------------------

    def has_inside_author(self, record: Record) -> bool:
        return record.author is not None and self.directory.is_inside(record.author)

    def may_be_trusted(self, record: Record) -> bool:
        """Whether a record that the user meant counts as theirs: written inside, or by an author whom the user named."""
        if record.contacts:
            return False
        if not record.author_known:
            return True
        if record.author is None:
            return False
        return self.has_inside_author(record) or self.in_words(record.author, 4) or record.author in self.said_people(4)

    def is_named(self, record: Record) -> bool:
        """Whether the user's own words hold an id or the whole title of the record."""
        known = self._named.get(id(record))
        if known is None:
            known = self._named[id(record)] = self._is_named(record)
        return known

    def _is_named(self, record: Record) -> bool:
        return any(self.in_words(value, 4) for value in record.ids) or any(
            self._says_title(title) for title in record.titles
        )

    def _says_title(self, title: str) -> bool:
        phrase = tuple(title.split())
        if not any(token not in lexicon.STOP for token in phrase):
            return False
        return contains(self.heard(4)[1], phrase) or any(title.startswith(prefix) for prefix in self._prefixes())

    def _prefixes(self) -> list[str]:
        words = self.heard(4)[1]
        return [
            words[at + 2]
            for at in range(len(words) - 2)
            if words[at] in ("starting", "begins", "beginning", "starts") and words[at + 1] == "with"
        ]

    def is_designated(self, at: int) -> bool:
        if self._designated is None:
            self._designated = frozenset(self._all_designated())
        return at in self._designated

    def _all_designated(self) -> set[int]:
        """Records that the user's words single out: by id or title, as the only hit of a search, or as the greatest of a kind."""
        by_key: dict[str, list[int]] = {}
        named: dict[str, dict[str, list[int]]] = {}
        meant: set[int] = set()
        plural = any(wish.plural for wish in request.wishes(self.own_text))
        for at, record in enumerate(self.records):
            if record.given is not None or record.own or not record.key:
                continue
            by_key.setdefault(record.key, []).append(at)
            if (record.unique or plural and record.found) and self.may_be_trusted(record):
                meant.add(at)
            if self.is_named(record):
                named.setdefault(record.collection, {}).setdefault(record.key, []).append(at)
        for candidates in named.values():
            for key in self._narrowed(candidates, plural):
                meant |= {at for at in candidates[key] if self.may_be_trusted(self.records[at])}
        meant |= self._superlative(by_key)
        keys = {self.records[at].key for at in meant}
        return {at for key in keys for at in by_key.get(key, ()) if self.may_be_trusted(self.records[at])} | meant

    def _narrowed(self, candidates: Mapping[str, list[int]], plural: bool) -> list[str]:
        """Of records that the words name, those that are singled out: by author, by day, and by the longer title."""
        keys = list(candidates)
        if len(keys) > 1:
            groups: dict[str, list[str]] = {}
            for key in keys:
                title = next((t for at in candidates[key] for t in self.records[at].titles if self._says_title(t)), key)
                groups.setdefault(title, []).append(key)
            longest = [
                title
                for title in groups
                if not any(title != other and f" {title} " in f" {other} " for other in groups)
            ]
            result = []
            for title in longest:
                same = groups[title]
                for keep in (self._by_said_author, self._on_said_day):
                    kept = [key for key in same if any(keep(self.records[at]) for at in candidates[key])]
                    same = kept if kept and len(kept) < len(same) else same
                if len(same) == 1 or plural:
                    result.extend(same)
            return result
        return keys

    def _by_said_author(self, record: Record) -> bool:
        return record.author is not None and (self.in_words(record.author, 4) or record.author in self.said_people(4))

    def _on_said_day(self, record: Record) -> bool:
        said = days(self.own_text, self.today)
        found = [moment for moment in map(instant, record.times.values()) if moment is not None]
        return any(day.is_near(moment.date()) for day in said for moment in found)

    def _superlative(self, by_key: Mapping[str, list[int]]) -> set[int]:
        """ "the largest file": recomputed here, over a list of all there are."""
        meant: set[int] = set()
        words = self.heard(4)[1]
        for place, word in enumerate(words):
            kind = lexicon.SUPERLATIVES.get(word)
            if kind is None or kind[0] == "future":
                continue
            noun = next((lexicon.NOUNS[w] for w in words[place + 1 : place + 4] if w in lexicon.NOUNS), None)
            groups: dict[str, dict[str, int]] = {}
            for key, places in by_key.items():
                for at in places:
                    record = self.records[at]
                    if (
                        record.complete
                        and noun is not None
                        and noun in (record.collection, lexicon.NOUNS.get(record.collection))
                    ):
                        groups.setdefault(record.tool, {})[key] = at
            for members in groups.values():
                best = self._extreme(list(members.values()), kind)
                # Whoever writes last is the latest, so that a time needs an inside author; a size over all there are does not.
                if best is not None and (kind[0] == "size" or self.may_be_trusted(self.records[best])):
                    meant.add(best)
        return meant

    def _extreme(self, places: Sequence[int], kind: tuple[str, bool]) -> int | None:
        """The one with the greatest (or least) size or time; None where two are equal or the field is missing."""
        seen = [self.records[at] for at in places]
        if not seen:
            return None
        if kind[0] == "size":
            name = _shared([record.numbers for record in seen], _SIZES)
            ranked = [(record.numbers[name], at) for record, at in zip(seen, places, strict=True)] if name else []
            ends = sorted(ranked, reverse=kind[1])
            return ends[0][1] if ends and (len(ends) == 1 or ends[0][0] != ends[1][0]) else None
        name = _shared([record.times for record in seen], _TIMES)
        dated = (
            sorted(((record.times[name], at) for record, at in zip(seen, places, strict=True)), reverse=kind[1])
            if name
            else []
        )
        return dated[0][1] if dated and (len(dated) == 1 or dated[0][0] != dated[1][0]) else None

    # ---- words and anchors -----------------------------------------------------------------------------------------

    def comes_from_words(self, text: str) -> bool:
        """Whether a search text is made of the user's own words, at least one of which says something."""
        found = tokens(text)
        bag = self.heard(4)[0]
        stems = self._said_stems()
        return (
            bool(found)
            and all(token in bag or stem(token) in stems for token in found)
            and any(token not in lexicon.STOP for token in found)
        )

    def is_all_own_words(self, text: str) -> bool:
        """Whether a text that leaves holds nothing but words of the user: then it carries nothing else."""
        bag = self.heard(4)[0]
        return all(token in bag or token in lexicon.STOP for token in tokens(text))

    def anchor(self, text: str) -> bool:
        """Whether at least half of what a text says comes from the user's words or from records they meant."""
        known = self._anchors.get(text)
        if known is None:
            known = self._anchors[text] = self._anchor(text)
        return known

    def _said_stems(self) -> frozenset[str]:
        if self._stems is None:
            self._stems = frozenset(stem(token) for token in self.heard(4)[0])
        return self._stems

    def _anchor(self, text: str) -> bool:
        said = [token for token in tokens(text) if token not in lexicon.STOP]
        if not said:
            return self.is_all_own_words(text) and bool(tokens(text))
        stems = self._said_stems()
        hits = sum(stem(token) in stems or self._in_meant_text(token) for token in said)
        return hits * 2 >= len(said)

    def _in_meant_text(self, token: str) -> bool:
        return any(self.records[at].found or self.is_designated(at) for at in self._inside_text.get(token, ()))

    def in_text(self, value: str) -> list[Record]:
        """Records in whose text the value stands as a token."""
        return [self.records[at] for at in self._inside_text.get(normal(value), ())]

    def sightings(self, value: str) -> list[Record]:
        """Records whose id the value is."""
        token = normal(value)
        return [self.records[at] for at in self._whole.get(token, ()) if token in self.records[at].ids]

    def meant(self, record: Record) -> bool:
        """Whether the user's words led to the record: named, or found by them."""
        return record.found or self.is_named(record)


def _shared(found: Sequence[Mapping[str, object]], preferred: Sequence[str]) -> str | None:
    """The field that all of them have, a usual name first."""
    names = set.intersection(*(set(fields) for fields in found))
    return next((name for name in preferred if name in names), min(names, default=None))


def _bare(text: str) -> list[str]:
    return [token.removesuffix("'s").removesuffix("’s") for token in tokens(text)]


def _better(one: Level, other: Level) -> Level:
    return (
        other
        if other.number > one.number
        or other.number == one.number
        and (other.inside and not one.inside or one is NOWHERE)
        else one
    )
