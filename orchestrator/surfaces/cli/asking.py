"""Secrets as people hand them over: typed without echo, from the environment, or as JSON on stdin. Never from the command line,
which other users of the machine can read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli.output import Output


@dataclass(frozen=True, slots=True)
class Given:
    """What stdin said: credentials, settings and other values by name."""

    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)


def from_stdin(wanted: bool) -> Given:
    """{"credentials": {NAME: TEXT}, "settings": {…}} from stdin; nothing where it is not wanted."""
    if not wanted:
        return Given()
    try:
        told = json.loads(sys.stdin.read())
    except ValueError:
        told = None
    if not isinstance(told, dict) or set(told) - {"credentials", "settings"}:
        raise UsageError(
            "stdin is not the JSON that is wanted", fix='{"credentials": {"password": "…"}, "settings": {}}'
        )
    credentials, settings = told.get("credentials") or {}, told.get("settings") or {}
    if not isinstance(settings, dict) or not isinstance(credentials, dict):
        raise UsageError("credentials and settings are JSON objects", fix='{"credentials": {"password": "…"}}')
    if not all(isinstance(value, str) for value in credentials.values()):
        raise UsageError("credentials on stdin are texts", fix='{"credentials": {"password": "…"}}')
    return Given(credentials, settings)


def secret(output: Output, given: Given, name: str, *, prompt: str, variable: str = "", optional: bool = False) -> str:
    """From stdin's JSON, else the environment's `variable`, else typed at the terminal. UsageError where nobody can be asked."""
    value = given.credentials.get(name) or (os.environ.get(variable, "") if variable else "")
    if value:
        return value.strip()
    if optional and not output.is_terminal:
        return ""
    if not output.is_terminal:
        ways = f"set {variable}, or " if variable else ""
        raise UsageError(f"{prompt} is needed", fix=f'{ways}--stdin-json with {{"credentials": {{"{name}": "…"}}}}')
    typed = click.prompt(prompt, hide_input=True, err=True, default="" if optional else None, show_default=False)
    return str(typed).strip()


def text_of(path: Path) -> str:
    """What stands in a file that is named on the command line, e.g. a key."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {type(error).__name__}", fix="give the file's path") from None
