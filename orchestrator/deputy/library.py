"""The workflow files of the house: read by everybody, changed by operators, one kept copy of each version.

A save says which text it changes (`revision`); who changed it meanwhile wins, and is told of. The files are the truth: what a person
puts into the folder by hand counts as well. Judging a file is the workflows' own room's; here it is a `Shelf`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from orchestrator import clock
from orchestrator.deputy.views import allowed, audited
from orchestrator.domain.principal import Principal
from orchestrator.errors import Conflict, NotFound, UsageError
from orchestrator.store import outbox
from orchestrator.store.database import Store

MOST_TEXT = 200_000  # characters of one file
NAME = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
VERSIONS = ".versions"
Problem = Mapping[str, Any]  # file, line, field, message, fix


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One workflow in force. `about`: what a list shows; `content`: all of it as values. `file`: where it stands."""

    name: str
    version: str
    digest: str
    file: Path
    about: Mapping[str, Any]
    content: Mapping[str, Any]


class Shelf(Protocol):
    """What the room needs of whoever can read workflow files."""

    @property
    def own(self) -> Path: ...

    def entries(self) -> tuple[Sequence[Entry], Sequence[Problem]]:
        """Those in force, by name, and what is wrong with files that are not."""

    def judged(self, text: str) -> tuple[Entry | None, Sequence[Problem]]:
        """The workflow that a text is, where it is one, and everything wrong with it beside those in force."""

    def search(self, words: str, principal: str) -> Mapping[str, Any]:
        """What a request in these words would run, and what comes near."""


class Library:
    """Over the shelf that `make` makes when it is first needed."""

    def __init__(self, store: Store, make: Callable[[], Shelf] | None) -> None:
        self._store = store
        self._make = make
        self._made: Shelf | None = None

    @property
    def _shelf(self) -> Shelf:
        if self._made is None:
            if self._make is None:
                raise NotFound("this desk has no workflow folder", fix="open it by deputy serve, or the command line")
            self._made = self._make()
        return self._made

    def all(self) -> dict[str, Any]:
        """{"workflows": […] by name, "faults": problems of files that cannot be used}."""
        entries, faults = self._shelf.entries()
        return {"workflows": [self._brief(one) for one in entries], "faults": [dict(one) for one in faults]}

    def one(self, name: str) -> dict[str, Any]:
        """A workflow with its text, its values and its kept versions."""
        entry = self._entry(name)
        text = entry.file.read_text(encoding="utf-8")
        return {
            **self._brief(entry),
            "revision": revision(text),
            "text": text,
            "content": dict(entry.content),
            "versions": self._kept(name),
        }

    def version(self, name: str, kept: str) -> dict[str, Any]:
        """The text of a kept version, by its revision."""
        found = next((path for path in self._kept_files(name) if _revision_of(path) == kept), None)
        if found is None:
            raise NotFound(f"{name} has no version {kept!r}", fix="see the workflow's own `versions`")
        return {"name": name, "revision": kept, "text": found.read_text(encoding="utf-8")}

    def check(self, text: str) -> dict[str, Any]:
        """{"ok", "problems", "name", "version", "digest"}: whether the text could be saved. Calls no tool."""
        entry, problems = self._judged(text)
        return {
            "ok": not problems,
            "problems": [dict(one) for one in problems],
            "name": entry.name if entry else None,
            "version": entry.version if entry else None,
            "digest": entry.digest if entry else None,
        }

    def search(self, who: Principal, words: str) -> dict[str, Any]:
        """Which workflow a request in these words would run, why or why not, and the nearest ones with their scores."""
        return dict(self._shelf.search(words, who.principal_id))

    def save(self, who: Principal, name: str, text: str, *, before: str | None) -> dict[str, Any]:
        """The workflow as it is now in force. `before`: revision of the text it replaces; None where there is none of that name.

        Conflict where somebody else was faster, UsageError for a text that cannot be used. A shipped workflow is never changed: one
        of the same name in the own folder stands before it.
        """
        allowed(who, "operate")
        if not NAME.match(name):
            raise UsageError(f"{name!r} is no name of a workflow", fix="small letters, digits and single hyphens")
        with self._locked():
            self._is_still(name, before)
            entry, problems = self._judged(text)
            if entry is not None and entry.name != name:
                raise UsageError(f"the text is of {entry.name!r}, not of {name!r}", fix="save it under its own name")
            if problems or entry is None:
                first = problems[0]
                raise UsageError(f"line {first['line']}: {first['message']}", fix=first["fix"] or "see: its problems")
            with self._store.tx() as tx:
                now = clock.now()
                told = {"workflow": name, "version": entry.version, "digest": entry.digest, "revision": revision(text)}
                audited(tx, who, "workflow.saved", now, told)
                outbox.put(tx, outbox.EVERYBODYS, "workflow.saved", {**told, "actor": who.principal_id}, None, now)
                self._keep(name)
                _write(self._shelf.own / f"{name}.yaml", text)
            self._keep(name)
        return self.one(name)

    def remove(self, who: Principal, name: str, *, before: str) -> None:
        """Takes the own file away, of which a copy stays; a shipped workflow of the same name is in force again."""
        allowed(who, "operate")
        path = self._shelf.own / f"{name}.yaml"
        with self._locked():
            if self._entry(name).file != path:
                raise Conflict(
                    f"{name} came with Deputy and cannot be removed", fix="leave it; it runs only when asked for"
                )
            self._is_still(name, before)
            with self._store.tx() as tx:
                now, told = clock.now(), {"workflow": name, "revision": before}
                audited(tx, who, "workflow.removed", now, told)
                outbox.put(tx, outbox.EVERYBODYS, "workflow.removed", {**told, "actor": who.principal_id}, None, now)
                self._keep(name)
                path.unlink()

    # ---- inside ------------------------------------------------------------------------------------------------------
    def _brief(self, entry: Entry) -> dict[str, Any]:
        return {
            "name": entry.name,
            "version": entry.version,
            "digest": entry.digest,
            "own": entry.file.parent == self._shelf.own,
            **entry.about,
        }

    def _entry(self, name: str) -> Entry:
        entries, _ = self._shelf.entries()
        found = next((one for one in entries if one.name == name), None)
        if found is None:
            import difflib

            close = difflib.get_close_matches(name, [one.name for one in entries], n=1)
            raise NotFound(
                f"there is no workflow {name!r}",
                fix=f"did you mean {close[0]!r}?" if close else "see: deputy workflow ls",
            )
        return found

    def _judged(self, text: str) -> tuple[Entry | None, Sequence[Problem]]:
        if len(text) > MOST_TEXT:
            raise UsageError(f"the text has {len(text)} characters", fix=f"keep it below {MOST_TEXT}")
        entry, problems = self._shelf.judged(text)
        if entry is not None and not problems:
            entries, _ = self._shelf.entries()
            known = next((one for one in entries if one.name == entry.name), None)
            if known is not None and known.version == entry.version and known.digest != entry.digest:
                said = f"version {entry.version} is in force already, with other content"
                problems = [_problem("version", said, "count it up, e.g. 1.0.1")]
        return entry, problems

    def _is_still(self, name: str, before: str | None) -> None:
        entries, _ = self._shelf.entries()
        found = next((one for one in entries if one.name == name), None)
        present = revision(found.file.read_text(encoding="utf-8")) if found is not None else None
        if present != before:
            what = (
                "is there by now" if before is None else "was removed" if present is None else "was changed meanwhile"
            )
            raise Conflict(f"{name} {what}", fix="load it again, and put your change into it")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One change at a time, of all processes on this folder."""
        folder = self._shelf.own
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def _keep(self, name: str) -> None:
        """A copy of the own file as it is, unless the newest copy is the same."""
        path = self._shelf.own / f"{name}.yaml"
        if not path.exists():
            return
        text = path.read_text(encoding="utf-8")
        kept = self._kept_files(name)
        if kept and _revision_of(kept[-1]) == revision(text):
            return
        folder = self._shelf.own / VERSIONS / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / f"{len(kept) + 1:06d}-{revision(text)}.txt", text)

    def _kept_files(self, name: str) -> list[Path]:
        return sorted((self._shelf.own / VERSIONS / name).glob("*.txt")) if NAME.match(name) else []

    def _kept(self, name: str) -> list[dict[str, Any]]:
        """Newest first."""
        return [
            {"number": int(path.name.partition("-")[0]), "revision": _revision_of(path)}
            for path in reversed(self._kept_files(name))
        ]


def revision(text: str) -> str:
    """Names a text, comments and layout included."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _revision_of(path: Path) -> str:
    return path.stem.partition("-")[2]


def _problem(field: str, message: str, fix: str) -> Problem:
    return {"file": "", "line": 0, "field": field, "message": message, "fix": fix}


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    scratch = path.with_name(f".{path.name}.part")
    with open(scratch, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
