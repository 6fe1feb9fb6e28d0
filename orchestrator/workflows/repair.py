"""Second looks at a request that fits nothing as it stands: greetings cut, slips of the pen read, plain context set aside. Pure.

A slip is corrected only where one word alone is a single edit away (a letter missing, added, wrong, or two swapped). A negation or
a word of scope is never the correction, nor is a verb that has another verb so near; whatever looks like one stays unexplained.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from orchestrator.domain.person import Person
from orchestrator.workflows import lexicon
from orchestrator.workflows.lexicon import words
from orchestrator.workflows.mentions import PREPOSITIONS, plain
from orchestrator.workflows.reading import Reading, Sort, Token

SHORTEST = 5  # letters of a word that may be a slip
_DAYS = words("monday tuesday wednesday thursday friday saturday sunday tomorrow yesterday")
_MONTHS = words("january february march april august september october november december")
_CALENDAR = _DAYS | _MONTHS
# Words of the idioms that stand for one meaning alone.
_PLAIN = words(
    """
    unanswered grouped decided latest newest calendar office covers covering colleague attendees available availability minutes
    approval approver channel invoice everyone finance meeting
    """
)
# Verbs that have another English verb one letter away.
_NEAR_VERBS = words(
    "change charge locate report gather relate resume remove recall create reserve deserve invite incite"
)
_GREETING = re.compile(
    r"^\s*(?:hi|hello|hey|hiya|dear|greetings|good (?:morning|afternoon|evening|day))(?: (?:there|deputy|again))?\s*[,!.:]+\s*",
    re.IGNORECASE,
)
_SIGN_OFF = (
    r"(?:thanks(?: a lot| so much| again)?|thank you(?: very much| so much)?|many thanks|cheers|ta|thx|best|regards|sincerely|"
    r"all the best|yours|(?:kind|best|warm|warmest|kindest|many) (?:regards|wishes)|much appreciated|have a (?:nice|great|good) (?:day|one))"
)
_SUBJECTS = words("my the our it this that things i'm i we there it's work today's everything life")
_IS = words("is are was were am i'm it's he's she's they're we're been isn't seems looks feels")
_WISHES = words(
    "need want wish like should must please would could can will shall have to let let's ask tell but so then"
)


def without_manners(text: str, me: Person) -> str:
    """The request without a greeting before it and a sign-off, with the speaker's own name, after it."""
    names = "|".join(re.escape(name) for name in (me.name, me.first_name) if name)
    name = rf"(?:[\s,.!-]*(?:{names}))?" if names else ""
    cut = re.sub(rf"(?<=[.!?,\n])\s*{_SIGN_OFF}\b{name}[\s.!]*$", "", text, flags=re.IGNORECASE)
    cut = _GREETING.sub("", cut)
    return cut if re.search(r"\w", cut) else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """`typed` was read as `meant`."""

    typed: str
    meant: str


@cache
def _verbs() -> frozenset[str]:
    found = {
        phrase.strip()
        for phrases in lexicon.ACTIONS.values()
        for phrase in phrases.split("|")
        if re.fullmatch(r"[a-z]{6,}", phrase.strip())
    }
    return frozenset(found - _NEAR_VERBS)


@cache
def _things() -> frozenset[str]:
    found: set[str] = set(_PLAIN)
    for phrases in lexicon.THINGS.values():
        for phrase in phrases.split("|"):
            word = phrase.strip()
            if re.fullmatch(r"[a-z]{5,}", word):
                found |= {word, word + "s"}
    return frozenset(found)


@cache
def _marks() -> frozenset[str]:
    turning = ("not", "except", "if", "or", "all", "again", "later")
    found = {phrase.strip() for sense in turning for phrase in lexicon.MARKS[sense].split("|")}
    return frozenset(word for word in found if re.fullmatch(r"[a-z']{5,}", word))


def _is_another_form(a: str, b: str) -> bool:
    """ "decide" and "decided", "Fridays" and "Friday": two words, and no slip."""
    short, long = sorted((a, b), key=len)
    return long in (short + "s", short + "d")


def is_near(a: str, b: str) -> bool:
    """Whether one edit (insert, delete, replace, swap of neighbours) makes `b` of `a`."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if len(a) == len(b):
        swapped = a[at : at + 2] == b[at : at + 2][::-1] and a[at + 2 :] == b[at + 2 :]
        return a[at + 1 :] == b[at + 1 :] or swapped
    return a[at + 1 :] == b[at:] if len(a) > len(b) else a[at:] == b[at + 1 :]


def near_a_mark(reading: Reading) -> Token | None:
    """A word that nobody explained and that may be a slip of a negation or a word of scope: "evry"."""
    for token in reading.tokens:
        if (
            token.sort is Sort.UNKNOWN
            and len(token.word) >= 4
            and token.word != "whose"
            and not _is_capital(reading, token)
        ):
            if any(is_near(token.word, mark) for mark in _marks()):
                return token
    return None


def corrected(reading: Reading, people: Sequence[Person]) -> tuple[str, tuple[Slip, ...]]:
    """The text with its slips corrected, and what was read as what."""
    firsts = {plain(person.first_name): person.first_name for person in people if len(person.first_name) >= SHORTEST}
    teams = {plain(person.team) for person in people if person.team and " " not in person.team}
    text, slips, shift = reading.text, [], 0
    for place, token in enumerate(reading.tokens):
        word = token.word.removesuffix("'s")
        if token.sort is not Sort.UNKNOWN or len(word) < SHORTEST or not word.isalpha():
            continue
        if any(is_near(word, mark) for mark in _marks()):
            continue
        before = reading.tokens[place - 1] if place else None
        opens = (
            before is None or before.sort is Sort.STOP or before.word in ("please", "and", "you", "to", "kindly", "we")
        )
        known = set(_CALENDAR) | set(_things()) | teams
        if opens:
            known |= _verbs()
        if _is_capital(reading, token) and not opens:
            known = set(_CALENDAR) | (set(firsts) if _in_a_persons_place(reading, place) else set())
        elif _in_a_persons_place(reading, place):
            known |= set(firsts)
        near = {one for one in known if is_near(word, one) and (one[0] == word[0] or one in firsts)}
        if any(_is_another_form(word, one) for one in near):
            continue
        if len(near) != 1:
            continue
        meant = near.pop()
        meant = firsts.get(meant, meant.capitalize() if meant in _CALENDAR else meant)
        start, end = token.start + shift, token.start + len(word) + shift
        slips.append(Slip(typed=text[start:end], meant=meant))
        text = text[:start] + meant + text[end:]
        shift += len(meant) - len(word)
    return text, tuple(slips)


def _is_capital(reading: Reading, token: Token) -> bool:
    return token.text[:1].isupper() and bool(re.search(r"[\w,]\s*$", reading.text[: token.start]))


def _in_a_persons_place(reading: Reading, place: int) -> bool:
    """After a preposition, a verb or "and", and not before the noun of a meeting."""
    before = reading.tokens[place - 1] if place else None
    after = reading.tokens[place + 1] if place + 1 < len(reading.tokens) else None
    if after is not None and (after.senses & {"title", "meeting"} or after.sort is Sort.UNKNOWN):
        return False
    return before is not None and (before.sort is Sort.ACTION or before.word in PREPOSITIONS | {"and"})


def without_context(reading: Reading) -> Reading:
    """Sentences that only describe ("My calendar is a mess.") say nothing: no verb, time, person, number or condition is in them."""
    tokens, sentence = list(reading.tokens), list[int]()
    for place, token in enumerate([*tokens, None]):
        if token is not None and not (token.sort is Sort.STOP and token.word in (".", "!", "\n")):
            sentence.append(place)
            continue
        if token is not None or sentence:
            if _describes([tokens[at] for at in sentence]) and len(sentence) < len(tokens) - 2:
                for at in sentence:
                    tokens[at] = replace(tokens[at], sort=Sort.FUNCTION, senses=frozenset())
        sentence = []
    return replace(reading, tokens=tuple(tokens))


def _describes(tokens: Sequence[Token]) -> bool:
    said = [token.word for token in tokens]
    return (
        2 <= len(tokens) <= 10
        and said[0] in _SUBJECTS
        and any(word in _IS for word in said)
        and not any(word in _WISHES for word in said)
        and all(token.sort in (Sort.FUNCTION, Sort.UNKNOWN) for token in tokens)
        and not any(is_near(token.word, mark) for token in tokens for mark in _marks() if token.sort is Sort.UNKNOWN)
    )
