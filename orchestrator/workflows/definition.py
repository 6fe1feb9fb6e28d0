"""What a workflow is: a versioned file that a person can read and edit, as frozen values.

Files are read by `parse.py` and nowhere else; everything after it trusts these values. A workflow holds no ids of records,
only selectors; what it may change is exactly its `grant`. Executed by `execute.py`, matched by `match.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
IDENTIFIER = r"^[a-z][a-z0-9_]*$"
RESERVED = frozenset(
    {"me", "now", "today", "zone", "directory", "preferences", "errors", "row", "person_of", "slot_preferences"}
)


class SlotType(StrEnum):
    """The types a slot may have; values in expressions are given in docs/workflows.md."""

    PERSON = "person"
    PEOPLE = "people"
    MINUTES = "minutes"
    NUMBER = "number"
    DATE = "date"
    DATE_RANGE = "date_range"
    WHEN = "when"  # an instant, a window to look in, or the next free time
    EVENT = "event"  # a selector: words, person, date, time
    CHANNEL = "channel"
    TEXT = "text"


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Words: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Slot(_Part):
    """One typed value that the request (or an answer) gives."""

    type: SlotType
    description: str = ""
    required: bool = True  # a slot with a default is never asked for
    default: str | int | float | None = None  # in the user's words, e.g. "next 5 working days"
    ask: str | None = None  # the question when it is required and the request does not say; absent: do not match
    cues: Words = ()  # what it stands next to: a preposition, "'s", "direct", or "before cover" (the meaning that follows)
    tense: Literal["past", "future"] | None = None  # of an event or a date: which side of now it lies on

    @property
    def is_needed(self) -> bool:
        return self.required and self.default is None


class GrantEntry(_Part):
    """Authority the workflow is published with: at most `quota` effects through these tools in one run.

    values: argument → values of the workflow's own (a default channel) that a reviewer has accepted with it.
    """

    effect: str
    noun: str
    tools: Words
    quota: int = Field(ge=1, le=500)
    values: dict[str, Words] = Field(default_factory=dict)


class Missing(_Part):
    """What is said when a step finds nothing, and whether that is a good end."""

    text: str
    state: Literal["done", "failed"] = "failed"
    code: str = "nothing_found"


class Select(_Part):
    """Which records of a result are meant, instead of ids."""

    source: str | None = Field(default=None, alias="from")  # the list's name in the result; default: its only list
    where: str | None = None  # expression over `row`
    order: str | None = None  # expression over `row`
    descending: bool = False
    take: Literal["first", "last", "only", "all"] | Annotated[int, Field(ge=1)] = "all"
    ask: str | None = None  # with take: only, the question when there are several
    label: str | None = None  # one choice of that question, over `row`
    key: str | None = None  # expression over `row`: two rows with one key are one record


class Question(_Part):
    """A step that a person answers."""

    text: str
    choices: str | tuple[str, ...] = ()  # an expression giving a list, or the list


class Step(_Part):
    """A tool call, a computed value or a question; starts when what it refers to and what it is `after` are done."""

    id: str = Field(pattern=IDENTIFIER)
    call: str | None = Field(default=None, pattern=r"^[a-z_]+\.[a-z_]+$")
    args: dict[str, Any] = {}
    value: Any = None
    ask: Question | None = None
    after: Words = ()
    when: str | None = None  # expression: a false one skips the step, its value is then none
    each: str | None = None  # expression giving a list: the step runs once for each
    bind: str = Field(default="row", alias="as", pattern=IDENTIFIER)  # the loop's variable
    key: str | None = None  # expression: the stable id of one turn of the loop
    select: Select | None = None
    missing: Missing | None = None
    pages: int = Field(default=1, ge=1, le=50)  # how many pages of a list are read at most
    on_error: Literal["fail", "continue"] = "fail"
    says: str | None = None  # one sentence once it is done, for people who follow

    @field_validator("missing", mode="before")
    @classmethod
    def _missing_text(cls, value: Any) -> Any:
        return {"text": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_kind(self) -> Step:
        kinds = [
            name for name, given in (("call", self.call), ("value", self.value), ("ask", self.ask)) if given is not None
        ]
        if len(kinds) != 1:
            raise ValueError(
                f"step {self.id!r} needs exactly one of call, value, ask (has: {', '.join(kinds) or 'none'})"
            )
        if self.args and not self.call:
            raise ValueError(f"step {self.id!r} has args but no call")
        if self.each is not None and self.key is None:
            raise ValueError(
                f"step {self.id!r} has each but no key: give the record's own id, e.g. key: '{{{{ row.thread_id }}}}'"
            )
        if self.key is not None and self.each is None:
            raise ValueError(f"step {self.id!r} has key but no each")
        return self


class Workflow(_Part):
    """One file of the library. `name` and `version` name it to people, `digest` to programs."""

    name: str = Field(pattern=NAME)
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    title: str
    description: str
    examples: tuple[str, ...] = Field(min_length=1)
    near_misses: tuple[str, ...] = ()
    grant: tuple[GrantEntry, ...] = ()
    slots: dict[str, Slot] = {}
    one_of: Words = ()  # of these optional slots at least one must be filled; the first is asked for
    steps: tuple[Step, ...] = Field(min_length=1)
    text: str
    output: dict[str, Any] = {}

    @field_validator("version", mode="before")
    @classmethod
    def _version_text(cls, value: Any) -> Any:
        if isinstance(value, (int, float)):
            raise ValueError(  # noqa: TRY004  # pydantic collects ValueErrors
                f"version {value} reads as a number: write three parts, e.g. 1.0.0"
            )
        return value

    @model_validator(mode="after")
    def _names(self) -> Workflow:
        seen: set[str] = set()
        for name in [*self.slots, *(step.id for step in self.steps)]:
            if name in RESERVED:
                raise ValueError(f"{name!r} is a reserved name: choose another for the slot or step")
            if name in seen:
                raise ValueError(f"{name!r} is used twice: slots and steps need different names")
            seen.add(name)
        for name in self.one_of:
            if name not in self.slots:
                raise ValueError(f"one_of names {name!r}, which is no slot of this workflow")
        for step in self.steps:
            for other in step.after:
                if other not in seen or other in self.slots:
                    raise ValueError(f"step {step.id!r} is after {other!r}, which is no step of this workflow")
        return self

    @property
    def effect_tools(self) -> frozenset[str]:
        """Tools whose calls change something: exactly those of the grant."""
        return frozenset(tool for entry in self.grant for tool in entry.tools)

    def is_effect(self, step: Step) -> bool:
        return step.call is not None and step.call in self.effect_tools

    @property
    def is_read_only(self) -> bool:
        return not self.grant

    def as_json(self) -> dict[str, Any]:
        """The canonical content: what is pinned on a run. Defaults are left out, so that new fields change no old digest."""
        content: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return content

    @property
    def digest(self) -> str:
        """`sha256:…` over the canonical content; comments and layout of the file do not count."""
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Workflow:
        """The inverse of `as_json`, for a run that was pinned earlier."""
        return cls.model_validate(dict(content))
