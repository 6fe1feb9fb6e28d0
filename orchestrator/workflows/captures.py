"""What a slot takes out of a request: bookkeeping of used tokens, titles of meetings, free texts after a cue.

The lower half of slot filling; `slots.py` decides which slot gets what. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.spec import Json
from orchestrator.workflows.definition import SlotType, Workflow
from orchestrator.workflows.mentions import Kind, Mention, plain
from orchestrator.workflows.reading import Reading, Sort, Token
from orchestrator.workflows.values import SlotValue

_REASONS = frozenset({"because", "since", "as", "due", "saying", "reason", "let", "tell", ","})
_SUBJECTS = frozenset({"i", "we", "i'm", "we're", "i've", "we've"})
# Things that a title may hold besides words nobody explains; a mail, an invoice, a decision is a wish of its own.
TOPIC_THINGS = frozenset({"title", "meeting", "team", "group", "brief", "welcome", "day"})


@dataclass(slots=True)
class Filling:
    """What the slots got. `used`: places of tokens that a value explains; `problems`: why the request does not fit."""

    values: dict[str, SlotValue] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class Captures:
    """One workflow's view of one request, and what has been taken from it so far. Mutable; lives for one filling."""

    def __init__(self, workflow: Workflow, reading: Reading) -> None:
        self.workflow, self.reading = workflow, reading
        self.out = Filling()

    def tokens(self, *kinds: Kind) -> list[tuple[int, Token, Mention]]:
        """Unused mentions of these kinds, with their places."""
        return [
            (place, token, token.mention)
            for place, token in enumerate(self.reading.tokens)
            if token.mention is not None and token.mention.kind in kinds and place not in self.out.used
        ]

    def put(
        self, name: str, value: Json, *places: int, source: str = "request", refs: tuple[str, ...] = (), text: str = ""
    ) -> None:
        self.out.used.update(places)
        if not text and places:
            text = self.reading.text[self.reading.tokens[min(places)].start : self.reading.tokens[max(places)].end]
        self.out.values[name] = SlotValue(
            name=name, type=self.workflow.slots[name].type, value=value, source=source, refs=refs, text=text
        )

    # --- titles --------------------------------------------------------------------------------------------------

    def title_words(self, *, about: bool = True) -> tuple[str, list[int]]:
        """Words of a meeting's title: before a meeting's noun ("the budget meeting"), after "about", or in quotes."""
        tokens = self.reading.tokens
        quoted = self.tokens(Kind.QUOTED)
        if len(quoted) == 1:
            return quoted[0][2].words, [quoted[0][0]]
        for place, token in enumerate(tokens):
            is_title = "title" in token.senses
            if token.sort is not Sort.THING or not (is_title or "meeting" in token.senses):
                continue
            start = place
            while start > 0 and place - start < 5 and self.is_title_word(start - 1):
                start -= 1
            end = place + (1 if is_title else 0)
            # "sprint planning session": titles in a row
            while is_title and end < len(tokens) and "title" in tokens[end].senses:
                end += 1
            chosen = [*range(start, max(end, place)), *(self.named_after(end) if is_title else ())]
            if chosen:
                return " ".join(tokens[at].text for at in chosen), chosen
        for place, token in enumerate(tokens if about else ()):
            if token.word in ("about", "regarding", "re", "concerning", "called", "titled", "named", "on"):
                end = place + 1
                while end < len(tokens) and (self.is_title_word(end) or tokens[end].word in ("the", "our", "a")):
                    end += 1
                chosen = [at for at in range(place + 1, end) if tokens[at].word not in ("the", "our", "a")]
                if chosen:
                    return " ".join(tokens[at].text for at in chosen), chosen
        return "", []

    def named_after(self, place: int) -> list[int]:
        """Capitalised names that go on a title: "demo for Bellmere Foods"."""
        tokens = self.reading.tokens
        if place < len(tokens) and tokens[place].word in ("for", "of", "with", "at"):
            place += 1
        end = place
        while end < len(tokens) and tokens[end].sort is Sort.UNKNOWN and tokens[end].text[:1].isupper():
            end += 1
        return list(range(place, end))

    def is_title_word(self, place: int) -> bool:
        token = self.reading.tokens[place]
        return place not in self.out.used and (
            token.sort is Sort.UNKNOWN
            or "title" in token.senses
            or (token.mention is not None and token.mention.kind is Kind.NUMBER)
        )

    # --- free texts ---------------------------------------------------------------------------------------------------

    def texts(self) -> None:
        """Text slots are captured after one of their cues, up to the next mention, clause or action."""
        for name, slot in self.workflow.slots.items():
            if slot.type is not SlotType.TEXT:
                continue
            quoted = self.tokens(Kind.QUOTED)
            has_event = any(other.type is SlotType.EVENT for other in self.workflow.slots.values())
            if len(quoted) == 1 and (
                not has_event
                or plain(self.reading.text[: quoted[0][1].start])
                .rstrip(" :,")
                .endswith(("saying", "message", "because", "reason", "that"))
            ):
                before = [
                    place
                    for place in range(max(0, quoted[0][0] - 1), quoted[0][0])
                    if self.reading.tokens[place].word in slot.cues
                ]
                self.put(name, quoted[0][2].words, *before, quoted[0][0], text=quoted[0][2].text)
                continue
            if not any(self.capture(name, cue) for cue in slot.cues) and not has_event:
                title, places = self.title_words(about=False)
                if any(self.reading.tokens[place].sort is Sort.UNKNOWN for place in places):
                    last = max(places)
                    follows = self.reading.tokens[last + 1] if last + 1 < len(self.reading.tokens) else None
                    noun = (
                        f" {follows.text}"
                        if follows and "meeting" in follows.senses and "title" not in follows.senses
                        else ""
                    )
                    self.put(name, title + noun, *places, text=title)

    def capture(self, name: str, cue: str) -> bool:
        tokens = self.reading.tokens
        words = cue.split()
        for place in range(len(tokens)):
            last = place
            spoken = tokens[place].word.split()
            while len(spoken) < len(words) and last + 1 < len(tokens):
                last += 1
                spoken += tokens[last].word.split()
            fits = spoken[: len(words)] == words if words[-1] in _SUBJECTS else spoken == words
            if not fits or any(tokens[at].mention is not None for at in range(place, last + 1)):
                continue
            start = last if words[-1] in _SUBJECTS else last + 1  # "…, we lack speakers": the reason has its subject
            chosen = self.run_after(start, whole_clause=words[0] in _REASONS)
            if chosen:
                text = self.reading.text[tokens[chosen[0]].start : tokens[chosen[-1]].end]
                self.put(name, text, *range(place, chosen[-1] + 1), text=text)
                return True
        return False

    def run_after(self, start: int, *, whole_clause: bool) -> list[int]:
        tokens = self.reading.tokens
        if start < len(tokens) and tokens[start].word == ":":
            start += 1
        if whole_clause and start < len(tokens) and tokens[start].word == "to":
            return []  # "tell them to …" is another wish, not a reason
        end = start
        while end < len(tokens):
            token = tokens[end]
            if whole_clause:
                if token.sort is Sort.ACTION and end > start and tokens[end - 1].word in ("and", "then", ",", "to"):
                    return []  # a second wish hides in the reason
                if token.sort is Sort.MARK and token.word in ("then", "also", "but", "instead", "unless", "if"):
                    return []
                if token.sort is Sort.STOP and token.word in (".", ";", "!", "?", "\n"):
                    break
            else:
                if token.sort is Sort.STOP or token.sort in (Sort.ACTION, Sort.MARK):
                    break
                if token.mention is not None and token.mention.kind not in (Kind.NUMBER, Kind.QUOTED):
                    break
                if token.sort is Sort.THING and not token.senses & TOPIC_THINGS:
                    break
                if (
                    token.word
                    in ("with", "in", "on", "at", "for", "by", "from", "between", "before", "after", "within", "as")
                    and end > start
                ):
                    follower = tokens[end + 1] if end + 1 < len(tokens) else None
                    if (
                        follower is None
                        or follower.mention is not None
                        or follower.sort is Sort.FUNCTION
                        or token.word in ("with", "as")
                    ):
                        break
            end += 1
        chosen = list(range(start, end))
        edge = (
            "the",
            "a",
            "an",
            "our",
            "my",
            "and",
            "to",
            "please",
            "that",
            "her",
            "his",
            "their",
            "in",
            "on",
            "for",
            "us",
            "me",
        )
        while chosen and not whole_clause and tokens[chosen[0]].word in edge:
            chosen.pop(0)
        while chosen and (tokens[chosen[-1]].word in edge or tokens[chosen[-1]].sort is Sort.STOP):
            chosen.pop()
        if whole_clause:
            return chosen if any(tokens[at].sort is not Sort.FUNCTION for at in chosen) else []
        says = any(
            tokens[at].sort is Sort.UNKNOWN or "title" in tokens[at].senses or tokens[at].mention for at in chosen
        )
        return (
            chosen
            if says or any(tokens[at].sort is Sort.THING and "meeting" not in tokens[at].senses for at in chosen)
            else []
        )
