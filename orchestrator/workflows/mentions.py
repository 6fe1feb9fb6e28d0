"""Typed mentions in a request: people, teams, times, lengths, channels, quoted text, numbers, each with its place and very words.

Pure. People come from the directory alone; a name it does not hold stays an ordinary word, and the matcher abstains on it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from orchestrator.domain.person import Person
from orchestrator.workflows import moments
from orchestrator.workflows.lexicon import words
from orchestrator.workflows.moments import Moment


class Kind(StrEnum):
    PERSON = "person"
    TEAM = "team"
    MOMENT = "moment"
    MINUTES = "minutes"
    DAYS = "days"
    NUMBER = "number"
    CHANNEL = "channel"
    QUOTED = "quoted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """What text[start:end] stands for. `addresses`: candidates of a person (several: ambiguous), members of a team."""

    kind: Kind
    start: int
    end: int
    text: str
    addresses: tuple[str, ...] = ()
    moment: Moment | None = None
    number: int = 0  # minutes, days or the number itself
    words: str = ""  # the channel's "#name", the quoted text, the team's name
    possessive: bool = False  # "Dana's"
    cue: str = ""  # the preposition right before it, determiners aside: "with", "from", "to", …


# First names that are also ordinary words: taken for a name only when capitalised inside a sentence, or with a family name.
ORDINARY = words(
    """
    will mark may art bill rose grace faith hope joy pat rob sue dean grant frank chase drew jack max miles page
    ray rich sky summer april june august dawn eve ivy lily olive pearl penny poppy robin ruby sandy violet an
    my so day long young king best brown white black green small short strong wise case park field cook baker
    gray grey bell lane love price little
    """
)
PREPOSITIONS = words(
    """
    with from to for by of about on in at since until till before after between into onto as under re regarding
    through via over past w
    """
)
_DETERMINERS = words(
    """
    the a an my our this that any some both all only
    """
)
_QUOTES = re.compile(
    r"\"([^\"]{1,200})\"|“([^”]{1,200})”|„([^“”]{1,200})[“”]|«([^»]{1,200})»|(?<!\w)'([^']{2,200})'(?!\w)|(?<!\w)‘([^’]{2,200})’(?!\w)"
)
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_HASH = re.compile(r"(?<![\w#])#([a-z0-9][a-z0-9_-]*)", re.IGNORECASE)
_NAMED_CHANNEL = re.compile(
    r"(?<![\w'])(?:the |our )?([a-z0-9][a-z0-9_-]*) (?:chat |slack )?channel(?![\w-])|(?<!\w)channel ([a-z0-9][a-z0-9_-]*)",
    re.IGNORECASE,
)
_NO_CHANNEL = words(
    """
    the a an this that our my your right same team chat slack which what any every each public private in on to
    from of and is with for
    """
)
_WORD = re.compile(r"[^\W\d_](?:[\w]|[-.'’](?=\w))*", re.UNICODE)
_NUMBER = re.compile(r"(?<![\w.,:/#-])(\d{1,4})(?![\w:/]|[.,-]\d)")


_AFTER_TEAM = (
    "and|next|this|on|about|to|in|tomorrow|today|is|are|free|all|at|from|me|between|regarding|available|both|meet"
)
_STRANGER = re.compile(
    r"(?:(?<=with )|(?<=from )|(?<=by )|(?<=to )|(?<=and )|(?<=[Ww]elcome )|(?<=[Oo]nboard )|(?<=[Cc]hase )|(?<=[Ii]nvite )"
    r"|(?<=colleague ))(?P<name>[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,})?)(?=[\s,.?!:;]|$|'s)(?! (?:meeting|call|review|sync|team|channel))"
)
_STRANGE_COVER = re.compile(
    r"(?<=, )(?P<name>[A-Z][a-z]{2,})(?= (?:covers|is covering|will cover|stands in|takes over))"
)


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Lower case without accents, of the same length, so that places stay true."""
    out = []
    for character in text:
        base = unicodedata.normalize("NFKD", character)[0].lower()
        out.append(base[0] if base else character)
    return "".join(out).replace("’", "'").replace("‘", "'").replace("–", "-").replace("—", "-")


@dataclass(frozen=True, slots=True)
class Names:
    """The directory by every way of naming a person; `teams` by lower-case team name."""

    people: Mapping[str, frozenset[str]]
    teams: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, people: Sequence[Person]) -> Names:
        named: dict[str, set[str]] = {}
        teams: dict[str, list[str]] = {}
        for person in people:
            parts = plain(person.name).split()
            ways = {plain(person.name), plain(person.address), *(plain(alias) for alias in person.aliases)}
            if parts:
                ways |= {parts[0], parts[-1]}
            if len(parts) > 2:
                ways |= {f"{parts[0]} {parts[-1]}", f"{parts[0]} {parts[1]}"}
            if len(parts) > 1:
                ways.add(f"{parts[0]} {parts[-1][0]}")
            for way in ways:
                named.setdefault(way, set()).add(person.address)
            if person.team and person.inside:
                teams.setdefault(plain(person.team), []).append(person.address)
        return cls(
            {way: frozenset(found) for way, found in named.items() if way},
            {team: tuple(found) for team, found in teams.items()},
        )


def find(
    text: str, *, names: Names, now: datetime, zone: str, channels: Sequence[str] = (), strangers: bool = False
) -> list[Mention]:
    """All mentions in order of place, none overlapping. `strangers`: also capitalised names that nobody has, without addresses."""
    finder = _Finder(text, names, now.astimezone(ZoneInfo(zone)), channels)
    return finder.found(strangers=strangers)


class _Finder:
    def __init__(self, text: str, names: Names, now: datetime, channels: Sequence[str]) -> None:
        self.text, self.names, self.now = text, names, now
        self.channels = {plain(channel).lstrip("#") for channel in channels}
        self.left = plain(text)
        self.out: list[Mention] = []

    def found(self, *, strangers: bool) -> list[Mention]:
        self.quoted()
        self.channel()
        self.moments()
        self.addresses()
        self.teams()
        self.people()
        if strangers:
            self.strangers()
        self.numbers()
        return sorted(self.out, key=lambda mention: mention.start)

    def take(self, kind: Kind, start: int, end: int, **more: object) -> None:
        mention = Mention(kind=kind, start=start, end=end, text=self.text[start:end], cue=self.cue(start), **more)  # type: ignore[arg-type]
        self.out.append(mention)
        self.left = self.left[:start] + "\0" * (end - start) + self.left[end:]

    def cue(self, start: int) -> str:
        before = re.findall(r"[\w']+|[^\w\s]", plain(self.text[:start]))
        while before and (before[-1] in _DETERMINERS or before[-1] == "/"):
            before.pop()
        cue = before[-1] if before and before[-1] in PREPOSITIONS else ""
        return "with" if cue == "w" else cue

    def quoted(self) -> None:
        for match in _QUOTES.finditer(self.text):
            inner = next(group for group in match.groups() if group)
            self.take(Kind.QUOTED, match.start(), match.end(), words=inner.strip())

    def channel(self) -> None:
        for match in _HASH.finditer(self.left):
            self.take(Kind.CHANNEL, match.start(), match.end(), words="#" + match[1])
        for match in _NAMED_CHANNEL.finditer(self.left):
            name = match[1] or match[2]
            if "\0" not in match.group() and name not in _NO_CHANNEL:
                self.take(Kind.CHANNEL, match.start(), match.end(), words="#" + name)
        for name in self.channels:
            for match in re.finditer(rf"(?<![\w#-]){re.escape(name)}(?![\w-])", self.left):
                if re.search(r"(?:^|\s)(?:in|to|on|into) $", self.left[: match.start()]):
                    self.take(Kind.CHANNEL, match.start(), match.end(), words="#" + name)

    def moments(self) -> None:
        for found in moments.find(self.left, self.now):
            if found.moment is not None:
                self.take(Kind.MOMENT, found.start, found.end, moment=found.moment)
            elif found.minutes is not None:
                self.take(Kind.MINUTES, found.start, found.end, number=found.minutes)
            elif found.days is not None:
                self.take(Kind.DAYS, found.start, found.end, number=found.days)

    def addresses(self) -> None:
        for match in _ADDRESS.finditer(self.left):
            self.take(Kind.PERSON, match.start(), match.end(), addresses=(match.group().lower(),))

    def teams(self) -> None:
        for team, members in self.names.teams.items():
            name = re.escape(team)
            pattern = rf"(?:the |our |whole |everyone (?:in|from|on) |everybody (?:in|from|on) |all of )*(?:{name} (?:team|people|folks|group|crew)|team {name})(?!\w)|(?:everyone|everybody|all) (?:in|from|on|of) (?:the )?{name}(?!\w)"
            for match in re.finditer(rf"(?<!\w)(?:{pattern})", self.left):
                if "\0" not in match.group():
                    self.take(Kind.TEAM, match.start(), match.end(), addresses=members, words=team)
            # "a time for marketing and me": the bare name, where people stand and nothing follows that it could colour
            bare = rf"(?<!\w)(?:(?<=with )|(?<=for )|(?<=and )|(?<=when is )|(?<=when are )|(?<=when can )|(?<=all of )){name}"
            for match in re.finditer(rf"{bare}(?= ?(?:[.,?!]|$|\0)| (?:{_AFTER_TEAM})(?!\w))", self.left):
                self.take(Kind.TEAM, match.start(), match.end(), addresses=members, words=team)

    def people(self) -> None:
        """Longest names first; "Dana Smith" where the directory only has another Dana is nobody."""
        words = [(match.start(), match.end()) for match in _WORD.finditer(self.left)]
        index = 0
        while index < len(words):
            for length in range(min(4, len(words) - index), 0, -1):
                start, end = words[index][0], words[index + length - 1][1]
                raw = self.left[start:end]
                possessive = raw.endswith("'s")
                name = raw[:-2] if possessive else raw
                if "\0" in raw or name not in self.names.people or re.search(r"[^\w\s.'-]", name):
                    continue
                end -= 2 if possessive else 0
                possessive = (
                    possessive or self.left[end : end + 2].rstrip("\0") == "'" or self.left[end : end + 2] == "' "
                )
                if length == 1 and not self.is_name(start, end, possessive):
                    break
                if length == 1 and self.goes_on(words, index, possessive):
                    break
                self.take(
                    Kind.PERSON, start, end, addresses=tuple(sorted(self.names.people[name])), possessive=possessive
                )
                index += length - 1
                break
            index += 1

    def is_name(self, start: int, end: int, possessive: bool) -> bool:
        word = self.text[start:end]
        if plain(word) not in ORDINARY:
            return len(word) > 1
        opens = not re.search(r"\w", self.text[:start]) or bool(re.search(r"[.!?:;]\s*$", self.text[:start]))
        return word[:1].isupper() and (possessive or not opens)

    def goes_on(self, words: Sequence[tuple[int, int]], index: int, possessive: bool) -> bool:
        """Whether a capitalised word that is no known name follows: somebody else's family name."""
        if possessive or index + 1 >= len(words):
            return False
        start, end = words[index + 1]
        follower = self.text[start:end]
        adjoining = self.text[words[index][1] : start] == " "
        known = plain(follower).removesuffix("'s") in self.names.people or plain(follower) in PREPOSITIONS | {"and"}
        return adjoining and follower[:1].isupper() and not follower.isupper() and not known

    def strangers(self) -> None:
        """Capitalised words in a person's place that no name of the directory explains: "with Zoltan", "from Mia Kern"."""
        for match in (*_STRANGER.finditer(self.text), *_STRANGE_COVER.finditer(self.text)):
            start, end = match.span("name")
            if "\0" not in self.left[start:end]:
                self.take(Kind.PERSON, start, end, possessive=self.text[end : end + 2] == "'s")

    def numbers(self) -> None:
        for match in _NUMBER.finditer(self.left):
            self.take(Kind.NUMBER, match.start(), match.end(), number=int(match[1]))
        spoken = "|".join(word for word in moments.NUMBER_WORDS if word not in ("a", "an", "zero", "one"))
        for match in re.finditer(rf"(?<![\w-])(?:{spoken})(?![\w-])", self.left):
            self.take(Kind.NUMBER, match.start(), match.end(), number=moments.NUMBER_WORDS[match.group()])
