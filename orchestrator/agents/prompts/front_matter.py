"""Markdown files with YAML front matter, read as values: prompts and predefined agents have this form.

Every fault is a UsageError that names file and field. Knows nothing of what the fields mean.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.errors import UsageError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PARTS = re.compile(r"\A---[ \t]*\n(?P<front>.*?)^---[ \t]*(?:\n|\Z)(?P<body>.*)\Z", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file in its parts. `digest`: "sha256:…" over its bytes as they stand on disk."""

    path: Path
    front: Mapping[str, Any]
    body: str
    digest: str


def digest_of(*parts: str | bytes) -> str:
    """`sha256:…`, different where any part, or the border between two, is different. One part alone: its plain digest."""
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    if len(encoded) > 1:
        encoded = [hashlib.sha256(part).digest() for part in encoded]
    return "sha256:" + hashlib.sha256(b"".join(encoded)).hexdigest()


def read(path: Path) -> Source:
    """Raises UsageError where the file cannot be read or is not of this form."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise fault(path, "", f"cannot be read: {error.strerror}", "check path and rights") from error
    return parse(raw, path)


def parse(raw: bytes, path: Path) -> Source:
    """Splits the bytes of one file; `path` is only named in errors."""
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise fault(path, "", "is not UTF-8", "save it as UTF-8") from error
    parts = _PARTS.match(text)
    if parts is None:
        raise fault(path, "", "has no front matter", "begin the file with ---, `version: 1`, ---, then the text")
    try:
        front = yaml.load(parts["front"], Loader=_Loader)  # _Loader is a safe one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 2}" if mark is not None else "front matter"
        raise fault(path, where, f"is not YAML: {getattr(error, 'problem', None)}", "see docs/agents.md") from error
    if not isinstance(front, dict) or not all(isinstance(key, str) for key in front):
        raise fault(path, "front matter", "is not a list of `name: value` lines", "see docs/agents.md")
    version = front.get("version")
    if type(version) is not int or version < 1:
        raise fault(path, "version", f"is {version!r}, not a whole number from 1", "write `version: 1`")
    return Source(path=path, front=front, body=parts["body"].strip("\n"), digest=digest_of(raw))


def fault(path: Path | str, field: str, message: str, fix: str) -> UsageError:
    """A UsageError in the one form all files' faults have: file, field, what is wrong; and the fix."""
    return UsageError(f"{path}: {field + ': ' if field else ''}{message}", fix=fix)
