"""Whether a request is about a meeting that is already there: "add Priya to the budget review" books nothing new. Pure.

Whoever adds somebody to a meeting, or sets its length, room or title, names it as one both know: "the", "our", "Thursday's". A
workflow that creates a meeting must not take such an order, however ordinary the words of the title are.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.workflows.definition import SlotType, Workflow
from orchestrator.workflows.lexicon import words
from orchestrator.workflows.mentions import Kind
from orchestrator.workflows.reading import Reading, Sort, Token

# Verbs that put somebody or something into what is there, and verbs that give it another shape.
ADDS = words("add put include invite get bring pull loop count squeeze pop stick drop throw slot copy")
SHAPES = words("make set change turn keep update fix get give put add hold")
KNOWN = words("the our my this that your his her their both s 's")
_INTO = words("to into onto in")


def books(workflow: Workflow) -> bool:
    """Whether the workflow creates a meeting and has no slot for one that exists."""
    creates = any(entry.effect == "create" and entry.noun == "event" for entry in workflow.grant)
    return creates and not any(slot.type is SlotType.EVENT for slot in workflow.slots.values())


def names_a_meeting(reading: Reading) -> str:
    """The words that name a meeting which is already there as what the order changes; empty where none does."""
    tokens = reading.tokens
    verb = reading.first_action
    for place, token in enumerate(tokens):
        joins = token.word in _INTO or (token.word == "on" and _is_somebody(tokens, place - 1))
        if joins and token.sort is Sort.FUNCTION:
            last = _meeting_after(tokens, place + 1, is_known=not _adds_before(tokens, place))
            if last is not None and not _is_plain_kind(tokens, place + 1, last, tokens[_start_of(tokens, place)]):
                return reading.text[tokens[place + 1].start : tokens[last].end]
        if token is verb and token.word in SHAPES:
            last = _meeting_after(tokens, place + 1, is_known=True)
            if last is not None and not any(part.word.endswith(("calendar", "calendars", "diary")) for part in tokens):
                return reading.text[tokens[place + 1].start : tokens[last].end]
    return ""


def _is_somebody(tokens: Sequence[Token], place: int) -> bool:
    mention = tokens[place].mention if place >= 0 else None
    return mention is not None and mention.kind in (Kind.PERSON, Kind.TEAM)


def _start_of(tokens: Sequence[Token], place: int) -> int:
    """The place of the nearest action before `place`, else of `place` itself."""
    return next((at for at in range(place - 1, -1, -1) if tokens[at].sort is Sort.ACTION), place)


def _adds_before(tokens: Sequence[Token], place: int) -> bool:
    """Whether what comes before is "add Priya and Omar": a verb that adds, and only people."""
    at = place - 1
    while at >= 0 and (_is_somebody(tokens, at) or tokens[at].word in ("and", ",", "her", "him", "them")):
        at -= 1
    return 0 <= at < place - 1 and tokens[at].word in ADDS


def _is_plain_kind(tokens: Sequence[Token], first: int, last: int, verb: Token) -> bool:
    """ "Invite Dana to lunch": a kind of meeting, with no word that tells which."""
    return verb.word == "invite" and first == last and "title" in tokens[last].senses


def _meeting_after(tokens: Sequence[Token], first: int, *, is_known: bool) -> int | None:
    """The place of the meeting's noun when one is named from `first` on; with `is_known` only as one both know."""
    known = False
    for place in range(first, min(first + 8, len(tokens))):
        token = tokens[place]
        if token.word in ("a", "an", "another", "new") or (token.mention and token.mention.kind is Kind.MINUTES):
            return None
        if token.word in KNOWN or (token.mention is not None and token.mention.possessive):
            known = True
        elif token.sort is Sort.THING and token.senses & {"title", "meeting"}:
            while place + 1 < len(tokens) and tokens[place + 1].senses & {"title", "meeting"}:
                place += 1  # "sprint planning session"
            return place if known or not is_known else None
        elif token.sort in (Sort.STOP, Sort.ACTION, Sort.MARK, Sort.FUNCTION):
            return None
        elif token.mention is not None and token.mention.kind in (Kind.PERSON, Kind.TEAM, Kind.CHANNEL):
            return None
    return None
