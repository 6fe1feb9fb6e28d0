"""Where words go: with --json one document on stdout and people's text on stderr; without it people's text on stdout.

Never decides what to say. rich is imported when something is drawn.
"""

from __future__ import annotations

import json
import os
import sys
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
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _console(*, to_stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if to_stderr else sys.stdout
    return Console(stderr=to_stderr, highlight=False, soft_wrap=False, width=None if stream.isatty() else PIPE_WIDTH)
