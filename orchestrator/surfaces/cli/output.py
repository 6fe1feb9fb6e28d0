"""Where words go: with --json one document on stdout and people's text on stderr; without it people's text on stdout.

Never decides what to say. rich is imported when something is drawn.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPE_WIDTH = 132  # columns where there is no terminal to ask


class Output:
    """One command's output. `as_json`: a program reads stdout."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    @property
    def is_terminal(self) -> bool:
        """Whether a person sits at both ends and may be asked; never so with --json."""
        return not self.as_json and sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    @cached_property
    def console(self) -> Console:
        """For people."""
        return _console(to_stderr=self.as_json)

    def document(self, value: Any) -> None:
        """The answer for a program: nothing else goes to stdout."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
            sys.stdout.flush()

    def draw(self, *parts: RenderableType) -> None:
        """People's text; with --json nothing is drawn twice, so reads leave it out and `ask` sends it to stderr."""
        for part in parts:
            self.console.print(part)

    def answer(self, value: Any, *parts: RenderableType) -> None:
        """A read's answer: the document for programs, or the drawing for people."""
        if self.as_json:
            self.document(value)
        else:
            self.draw(*parts)

    def note(self, text: str) -> None:
        """A remark beside the answer, always on stderr."""
        sys.stderr.write(plain(text) + "\n")
        sys.stderr.flush()


def plain(text: str) -> str:
    """The text with a sign in place of each character that a terminal obeys, or that makes its neighbours read otherwise.

    INVARIANT: what a stranger wrote moves no cursor, clears no line and turns no writing on the screen that somebody decides at.
    """
    return _UNSEEN.sub(_sign, text)


# Controls but tab and line feed, overrides and isolates of the direction of writing, and what has no width. As the pages' dom.js.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u202a-\u202e\u2060-\u2069\ufeff]")
_PICTURES = 0x2400  # Unicode's pictures of control characters, in their order


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(_PICTURES + code) if code < 0x20 else "␡" if code == 0x7F else "\ufffd"


def _console(*, to_stderr: bool) -> Console:
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment

    class Plain(Console):
        """What is drawn holds no character of its texts that the terminal would obey; styles and cursor are rich's own."""

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
            for one in super().render(renderable, options):
                yield one if one.control else Segment(plain(one.text), one.style)

    stream = sys.stderr if to_stderr else sys.stdout
    return Plain(stderr=to_stderr, highlight=False, soft_wrap=False, width=None if stream.isatty() else PIPE_WIDTH)
