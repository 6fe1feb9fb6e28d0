"""A request as the matcher sees it: one row of tokens, each an action, a thing, a mark, a mention, a word that says nothing, or a
word nobody explained. Pure; the lexicon is the only knowledge here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from orchestrator.workflows import lexicon
from orchestrator.workflows.lexicon import words
from orchestrator.workflows.mentions import Kind, Mention, plain


class Sort(StrEnum):
    ACTION = "action"
    THING = "thing"
    MARK = "mark"
    MENTION = "mention"
    FUNCTION = "function"
    UNKNOWN = "unknown"
    STOP = "stop"  # punctuation that ends a clause


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """`senses`: what it may mean; a word with several is explained when one of them is."""

    sort: Sort
    start: int
    end: int
    text: str  # the very words
    word: str  # lower case, without accents
    senses: frozenset[str] = frozenset()
    mention: Mention | None = None

    @property
    def symbol(self) -> str:
        """One string for the ranker."""
        if self.mention is not None:
            return f"<{self.mention.kind.value}>"
        return "/".join(sorted(self.senses)) if self.senses else self.word


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    text: str
    tokens: tuple[Token, ...]
    mentions: tuple[Mention, ...]

    @property
    def first_action(self) -> Token | None:
        return next((token for token in self.tokens if token.sort is Sort.ACTION), None)


_WORD = re.compile(r"w/|[^\W_](?:[\w]|[-'](?=\w))*|[.,;:!?()\n]")
# What may stand right before a verb.
_BEFORE_VERB = words(
    """
    and to please pls plz kindly you we i let's lets us just quickly then 'd would could can will i'd you'd
    shall gently politely kindly now so also me
    """
)
# Verbs that are nouns before a preposition: "call with Dana", "mail from Dana".
_NOUNS_TOO = frozenset(
    "call chat sync mail email e-mail message note brief ring invite reminder meeting report".split()
)
_PARTICLES = words(
    """
    off forward back up along over
    """
)
# Adjectives that a set phrase may hold: "send a friendly reminder".
_SOFT = words("short friendly polite gentle quick kind brief little nice warm soft small")
_WANTS = words(
    """
    need want like love wish
    """
)
Index = dict[str, frozenset[str]]


@cache
def _index(kind: str) -> Index:
    table = {"action": lexicon.ACTIONS, "thing": lexicon.THINGS, "mark": lexicon.MARKS}[kind]
    found: dict[str, set[str]] = {}
    for sense, phrases in table.items():
        given = [phrase.strip() for phrase in phrases.split("|")]
        for phrase in given:
            found.setdefault(phrase, set()).add(sense)
            if kind == "thing" and not phrase.endswith("s") and phrase + "s" not in given:
                found.setdefault(phrase + "s", set()).add(sense + "+")
    if kind == "thing":
        for word in lexicon.TITLES:
            found.setdefault(word, set()).update(("title", "meeting"))
    return {phrase: frozenset(senses) for phrase, senses in found.items()}


@cache
def _gerunds() -> dict[str, str]:
    """ "replying" -> "reply", for actions that are no things besides."""
    found: dict[str, str] = {}
    for verb in _index("action"):
        if " " in verb or "-" in verb:
            continue
        stem = verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb
        for form in (stem + "ing", stem + stem[-1] + "ing"):
            if form not in _index("thing") and form not in lexicon.FUNCTION:
                found[form] = verb
    return found


@cache
def _participles() -> dict[str, str]:
    """ "moved" -> "move"; for the passive after "be" only."""
    found: dict[str, str] = {"sent": "send", "put": "put", "set up": "set up"}
    for verb in _index("action"):
        if " " in verb or "-" in verb:
            continue
        stem = verb[:-1] if verb.endswith("e") else verb
        found |= {stem + "ed": verb, stem + stem[-1] + "ed": verb, stem.removesuffix("y") + "ied": verb}
    return found


@cache
def _idioms() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(rf"(?<![\w#'-])(?:{pattern})(?![\w-])"), sense) for pattern, sense in lexicon.IDIOMS)


def read(text: str, mentions: Sequence[Mention]) -> Reading:
    """Splits a request into tokens, in order of place."""
    left = plain(text)
    for mention in mentions:
        left = left[: mention.start] + "\0" * (mention.end - mention.start) + left[mention.end :]
    tokens = [_mention_token(mention) for mention in mentions]
    for pattern, sense in _idioms():
        for match in pattern.finditer(left):
            start, end = match.start(), match.end()
            while start < end and left[start] in " ,":
                start += 1
            if start >= end or "\1" in match.group():
                continue
            tokens += _idiom_tokens(text, sense, start, end)
            left = left[:start] + "\1" * (end - start) + left[end:]
    tokens += _word_tokens(text, left)
    return Reading(text=text, tokens=tuple(sorted(tokens, key=lambda token: token.start)), mentions=tuple(mentions))


def _mention_token(mention: Mention) -> Token:
    return Token(
        sort=Sort.MENTION,
        start=mention.start,
        end=mention.end,
        text=mention.text,
        word=plain(mention.text),
        mention=mention,
    )


def _idiom_tokens(text: str, sense: str, start: int, end: int) -> list[Token]:
    sort = Sort.ACTION if sense.startswith("!") else Sort.THING if sense else Sort.FUNCTION
    senses = frozenset(sense.lstrip("!").split("/")) if sense else frozenset()
    return [Token(sort=sort, start=start, end=end, text=text[start:end], word=plain(text[start:end]), senses=senses)]


def _word_tokens(text: str, left: str) -> list[Token]:
    words = [(match.start(), match.end(), match.group()) for match in _WORD.finditer(left)]
    tokens: list[Token] = []
    index = 0
    while index < len(words):
        token, used = _at(text, left, words, index, tokens)
        tokens.append(token)
        index += used
    return _with_particles(tokens, left)


def _at(
    text: str, left: str, words: Sequence[tuple[int, int, str]], index: int, before: Sequence[Token]
) -> tuple[Token, int]:
    """The longest token that starts at word `index`, and how many words it takes."""
    start, end, word = words[index]
    if not word[0].isalnum():
        return Token(sort=Sort.STOP, start=start, end=end, text=word, word=word), 1
    if word in _participles() and re.search(r"(?<!\w)be $", left[:start]):
        verb = _participles()[word]  # "can it be moved"
        return Token(
            sort=Sort.ACTION, start=start, end=end, text=text[start:end], word=verb, senses=_index("action")[verb]
        ), 1
    is_verb = _verb_place(left, start)
    order = ("action", "mark", "thing") if is_verb else ("mark", "thing")
    for length in range(min(6, len(words) - index), 0, -1):
        last = words[index + length - 1][1]
        phrase = left[start:last]
        if length > 1 and ("\0" in phrase or "\1" in phrase or re.search(r"[^\w\s'-]", phrase)):
            continue
        for kind in order:
            if (
                kind == "action"
                and phrase in _NOUNS_TOO
                and re.match(r"\s*(?:(?:with|from|about|of|for|between|on|by|re)(?!\w)|[.,?!]|$)", left[last:])
            ):
                continue
            plainly = [part for at, part in enumerate(phrase.split()) if at == 0 or part not in _SOFT]
            senses = _index(kind).get(" ".join(plainly)) if len(plainly) == length or length > 2 else None
            if kind == "mark" and senses and "later" in senses and re.match(r" ?(?:the )?\0", left[last:]):
                # "until Friday": a part of the time, not a condition
                return Token(sort=Sort.FUNCTION, start=start, end=last, text=text[start:last], word=phrase), length
            if not senses:
                continue
            if kind == "action" and phrase in _WANTS and re.match(r"\s*(?:you )?to(?!\w)", left[last:]):
                continue
            sort = {"action": Sort.ACTION, "mark": Sort.MARK, "thing": Sort.THING}[kind]
            return Token(sort=sort, start=start, end=last, text=text[start:last], word=phrase, senses=senses), length
    if word in _gerunds():
        return Token(
            sort=Sort.ACTION,
            start=start,
            end=end,
            text=text[start:end],
            word=_gerunds()[word],
            senses=_index("action")[_gerunds()[word]],
        ), 1
    bare = word.removesuffix("'s")
    sort = Sort.FUNCTION if word in lexicon.FUNCTION or bare in lexicon.FUNCTION else Sort.UNKNOWN
    if sort is Sort.UNKNOWN and bare != word and bare in _index("thing"):
        return Token(
            sort=Sort.THING, start=start, end=end, text=text[start:end], word=bare, senses=_index("thing")[bare]
        ), 1
    return Token(sort=sort, start=start, end=end, text=text[start:end], word=word), 1


def _verb_place(left: str, start: int) -> bool:
    before = left[:start].rstrip(" ")
    if not before or before[-1] in ".,;:!?\n-(\1":
        return True
    last = re.search(r"[\w']+$", before)
    return last is not None and last.group() in _BEFORE_VERB


def _with_particles(tokens: list[Token], left: str) -> list[Token]:
    """Joins a verb with its particle: "push my meeting back" is "push back"."""
    actions = _index("action")
    out = list(tokens)
    for place, token in enumerate(tokens):
        is_verb = token.sort is Sort.ACTION or (token.sort is Sort.UNKNOWN and _verb_place(left, token.start))
        if not is_verb or " " in token.word:
            continue
        for later in tokens[place + 1 : place + 9]:
            if later.sort in (Sort.STOP, Sort.ACTION):
                break
            phrase = f"{token.word} {later.word}"
            if later.word in _PARTICLES and phrase in actions:
                out[place] = Token(
                    sort=Sort.ACTION,
                    start=token.start,
                    end=token.end,
                    text=token.text,
                    word=phrase,
                    senses=actions[phrase],
                )
                where = out.index(later)
                out[where] = Token(
                    sort=Sort.FUNCTION, start=later.start, end=later.end, text=later.text, word=later.word
                )
                break
    return out


def persons(reading: Reading) -> list[Mention]:
    """The people mentioned, each once."""
    found: list[Mention] = []
    for mention in reading.mentions:
        if mention.kind is Kind.PERSON and mention.addresses not in [known.addresses for known in found]:
            found.append(mention)
    return found
