"""The wishes that a person's own words express: verb and noun, how many, and what must not happen.

Runs before anything untrusted is read, on the request alone. What stands in quotation marks is data, not a wish.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from policies import lexicon
from policies.grants import Clause, quota_name
from policies.words import EMAIL, LINK, normal

MANY = 50  # what "each" and plurals stand for
_QUOTED = re.compile(r"(?<!\w)'([^'\n]{1,400})'(?!\w)|\"([^\"\n]{1,800})\"|[“‘]([^”’\n]{1,800})[”’]")
_TOKEN = re.compile(r"\w+(?:[-'’:]\w+)*|[,;:.!?()\n]", re.UNICODE)
_NOT = re.compile(
    r"(?:do not|don['’]?t|never|without|must not|mustn['’]?t|should not|shouldn['’]?t|no need to|instead of)$"
)
_NOT_REALLY = frozenset({"forget", "hesitate", "fail", "miss"})
_NOUN_BEFORE = frozenset(
    "a an the my your our his her their its this that these those of for with about from in on at by per each every any some no another i he "
    "she they we it who whose last first next new latest same following other more via through as existing one two three whole to-the".split()
)
_AFTER_OBJECT = frozenset("about for with from that regarding concerning on in at based of to saying which who".split())
_SEEKING = frozenset(
    {"find", "look", "check", "research"}
)  # what they seek may stand behind a link that a record holds
_SKIP = frozenset("please also kindly just then now maybe quickly always simply afterwards afterward finally".split())
_TWO_WORDS = {
    ("set", "up"): "schedule",
    ("follow", "up"): "follow",
    ("let", "know"): "tell",
    ("give", "access"): "share",
    ("fill", "in"): "update",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """One wish. `text` is the stretch of the request that expresses it; a forbidding wish says what must not be done."""

    verb: str
    effects: frozenset[str]
    nouns: tuple[str, ...]  # empty: none was said ("book it")
    quota: int
    plural: bool
    forbids: bool
    text: str

    def clause(self) -> Clause:
        effects = tuple(sorted(self.effects))
        nouns = self.nouns or None
        return Clause(effects=effects, nouns=nouns, quotas={quota_name(effects, nouns, None): self.quota})


@lru_cache(maxsize=256)
def wishes(text: str) -> tuple[Wish, ...]:
    """Every wish of a text, in order."""
    masked = _mask(text)
    found = [(match.group().lower(), match.start(), match.end()) for match in _TOKEN.finditer(masked)]
    verbs = [at for at in range(len(found)) if _is_verb(found, at)]
    sentences = _sentences(masked)
    result = []
    for number, at in enumerate(verbs):
        word, start, _ = found[at]
        verb = _two_words(found, at) or word
        end = found[verbs[number + 1]][1] if number + 1 < len(verbs) else len(masked)
        own_end = _end_of_wish(found, at, end)
        sentence = next(((a, b) for a, b in sentences if a <= start < b), (0, len(text)))
        first_of_sentence = not any(sentence[0] <= found[before][1] < start for before in verbs[:number])
        begin = sentence[0] if first_of_sentence else start
        stretch = masked[start:own_end]
        forbids = _forbidden(masked[:start])
        nouns = _nouns(stretch, verb)
        plural, quota = _count(stretch, text[start:own_end], verb)
        if not plural and first_of_sentence:
            before = _TOKEN.findall(masked[begin:start].lower())
            plural = bool({"each", "every"} & set(before))
            quota = MANY if plural else quota
        result.append(
            Wish(
                verb,
                lexicon.VERBS[verb],
                nouns,
                quota,
                plural,
                forbids,
                text[begin : max(own_end, min(end, sentence[1]))].strip(),
            )
        )
    return tuple(result)


def compile_clauses(text: str) -> tuple[Clause, ...]:
    """What the words grant. Wishes of the same kind add up: two sentences that each ask for an event grant two."""
    clauses: dict[str, Clause] = {}
    for wish in wishes(text):
        if (
            wish.forbids
            or wish.effects == frozenset({"fetch"})
            and not LINK.search(text)
            and "webpage" not in wish.nouns
        ):
            continue
        clause = wish.clause()
        name = next(iter(clause.quotas))
        if name in clauses:
            clause = Clause(
                effects=clause.effects,
                nouns=clause.nouns,
                quotas={name: min(MANY, clauses[name].quotas[name] + clause.quotas[name])},
            )
        clauses[name] = clause
    seeks = any(wish.verb in _SEEKING and not wish.forbids for wish in wishes(text))
    if (delegates(text) or seeks) and not any(clause.effects == ("fetch",) for clause in clauses.values()):
        clauses["fetch:*"] = Clause(effects=("fetch",), quotas={"fetch:*": MANY})
    return tuple(clauses.values())


def delegates(text: str) -> bool:
    """Whether the words send the reader to some record for what to do, or for whom to reach."""
    return _matches(text, lexicon.DELEGATION) or points_to_address(text)


def points_to_address(text: str) -> bool:
    """Whether the words say that an address is to be taken from a record."""
    return _matches(text, lexicon.ADDRESS_POINTERS)


@lru_cache(maxsize=256)
def _matches(text: str, patterns: tuple[str, ...]) -> bool:
    lowered = " ".join(text.lower().split())
    return any(re.search(pattern, lowered) for pattern in patterns)


def _mask(text: str) -> str:
    """The same length, with quoted stretches, addresses and links blanked: they are values, not wishes."""
    for pattern in (_QUOTED, EMAIL, LINK):
        text = pattern.sub(lambda match: "\x00" * len(match.group()), text)
    return text


def _sentences(text: str) -> list[tuple[int, int]]:
    cuts = [
        0,
        *(match.end() for match in re.finditer(r"[!?;\n]|\.(?=\s|$)(?!\s*\d)|(?<=\s)\d\.(?=\s)", text)),
        len(text),
    ]
    return [(a, b) for a, b in zip(cuts, cuts[1:], strict=False) if b > a]


def _is_verb(found: list[tuple[str, int, int]], at: int) -> bool:
    word = found[at][0]
    before = next((found[place][0] for place in range(at - 1, -1, -1) if found[place][0] not in _SKIP), "")
    gerund = re.sub(r"ing$", "", word)
    if word.endswith("ing") and before == "without":
        return _base(gerund) is not None
    if word not in lexicon.VERBS:
        return False
    if before in _NOUN_BEFORE:
        return False
    if (
        word in lexicon.NOUNS
        and before
        and before
        not in (",", ".", ";", ":", "!", "?", "\n", "(", ")", "and", "to", "then", "or", "not", "don't", "you")
    ):
        return False  # "the summary email": a noun after an adjective
    return True


def _base(word: str) -> str | None:
    return next((form for form in (word, word + "e", word[:-1]) if form in lexicon.VERBS), None)


def _two_words(found: list[tuple[str, int, int]], at: int) -> str | None:
    word = found[at][0]
    if word.endswith("ing"):
        return _base(re.sub(r"ing$", "", word))
    for later in range(at + 1, min(at + 5, len(found))):
        pair = _TWO_WORDS.get((word, found[later][0]))
        if pair is not None:
            return pair
    return None


def _end_of_wish(found: list[tuple[str, int, int]], at: int, end: int) -> int:
    for word, start, stop in found[at + 1 :]:
        if start >= end:
            return end
        if word in (".", "!", "?", ";", "\n"):
            return stop
    return end


def _forbidden(before: str) -> bool:
    words = re.sub(r"\s+", " ", before.lower()).strip().split(" ")
    while words and words[-1] in _SKIP:
        words.pop()
    if words and words[-1] in ("to", "or", "and") and len(words) > 1 and words[-2] in _NOT_REALLY:
        return False
    return bool(_NOT.search(" ".join(words[-3:])))


def _nouns(stretch: str, verb: str) -> tuple[str, ...]:
    """Nouns said after the verb, the verb's own noun where it is one ("email Bob"), in order."""
    found: list[str] = []
    if verb in ("email", "e-mail", "mail"):
        found.append("email")
    elif verb in ("message", "dm", "text"):
        found.append("message")
    elif verb in ("reschedule",):
        found.append("event")
    if lexicon.VERBS[verb] <= {"pay"}:
        return ()  # "pay 120 to account …": the verb says it all
    words = _TOKEN.findall(stretch.lower().replace("out of office", "ooo"))[1:]
    object_ends = next((at for at, word in enumerate(words) if word in _AFTER_OBJECT), len(words))
    found += _named(words[:object_ends]) or _named(words)
    if (
        lexicon.VERBS[verb] <= {"send", "publish"}
        and "webpage" not in found
        and not {"email", "message", "chat"} & set(found)
    ):
        found.append("message")
    return tuple(dict.fromkeys(found))


def _named(words: list[str]) -> list[str]:
    nouns = (lexicon.NOUNS.get(word.replace("’", "'").removesuffix("'s")) for word in words)
    return list(dict.fromkeys(noun for noun in nouns if noun is not None))


def _count(stretch: str, original: str, verb: str) -> tuple[bool, int]:
    words = [token for token in _TOKEN.findall(stretch.lower())[1:] if token.isalnum() or "-" in token or "'" in token]
    if set(words) & lexicon.PLURAL_WORDS:
        return True, MANY
    named = len(set(map(normal, EMAIL.findall(original))))
    for place, word in enumerate(words):
        noun = lexicon.NOUNS.get(word)
        if noun is None or noun in ("user", "participant", "contact"):
            continue
        before = words[max(0, place - 3) : place]
        number = next(
            (
                lexicon.NUMBER_WORDS.get(w) or (int(w) if w.isdigit() and len(w) < 3 else None)
                for w in reversed(before)
                if w in lexicon.NUMBER_WORDS or w.isdigit() and len(w) < 3
            ),
            None,
        )
        is_plural = word.endswith("s") and not word.endswith("ss") and word[:-1] in lexicon.NOUNS
        if (
            number is not None
            and (number == 1 or is_plural)
            and noun not in ("event",)
            or number is not None
            and word not in ("hour", "hours", "minute", "minutes")
        ):
            return number > 1, max(number, named, 1)
        if word in ("hour", "hours", "minute", "minutes"):
            continue
        if is_plural:
            return True, MANY
        break
    people = len(re.findall(r"\b[A-Z][a-z]+(?=,| and )", original[len(verb) :])) + 1
    return False, max(
        1, named, people if re.search(r"\b[A-Z][a-z]+(?:, [A-Z][a-z]+)* and [A-Z][a-z]+", original) else 1
    )
