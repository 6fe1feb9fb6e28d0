"""The library for whoever shows and edits it: files as entries, texts judged, words searched. Reads files anew when they change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.deputy.library import Entry, Problem
from orchestrator.domain.person import Person
from orchestrator.workflows import check, parse
from orchestrator.workflows.definition import Workflow
from orchestrator.workflows.match import Library, Match
from orchestrator.workflows.slots import Speaker

NEAREST = 5


class Shelf:
    """`folders`: the shipped one first; the last one is the person's own. `present`: (everybody, now) as matching needs them."""

    def __init__(self, folders: Sequence[Path], present: Callable[[], tuple[Sequence[Person], datetime]]) -> None:
        self._folders = tuple(folders)
        self._present = present
        self._stamp: object = None
        self._library: Library | None = None

    @property
    def own(self) -> Path:
        return self._folders[-1]

    def entries(self) -> tuple[Sequence[Entry], Sequence[Problem]]:
        library = self._read()
        found = [_entry(one, library.files[one.name]) for one in sorted(library.workflows, key=lambda one: one.name)]
        return found, [_problem(one) for fault in library.faults for one in fault.problems]

    def judged(self, text: str) -> tuple[Entry | None, Sequence[Problem]]:
        try:
            source = parse.loads(text, file="text")
        except parse.BadWorkflow as error:
            return None, [_problem(one) for one in error.problems]
        problems = check.check_source(source, check.catalogue_of_families())
        if not problems:
            problems = check.check_matching(source, self._read())
        return _entry(source.workflow, self.own / f"{source.workflow.name}.yaml"), [_problem(one) for one in problems]

    def search(self, words: str, principal: str) -> Mapping[str, Any]:
        people, now = self._present()
        me = next((one for one in people if one.address == principal), None)
        me = me or Person(address=principal, name=principal, inside=True)
        library = self._read()
        zone = me.zone or "UTC"
        found = library.match(words, people=people, now=now, zone=zone, me=me)
        judged = library.judge(words, Speaker(people=people, now=now, zone=zone, me=me))
        return {
            "match": found.as_json(),
            "runs": found.workflow.name if isinstance(found, Match) else None,
            "nearest": [
                {
                    "workflow": one.profile.workflow.name,
                    "title": one.profile.workflow.title,
                    "score": round(one.score, 3),
                    "why": list(one.reasons),
                }
                for one in sorted(judged, key=lambda one: -one.score)[:NEAREST]
            ],
        }

    def _read(self) -> Library:
        stamp = [
            (str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size)
            for folder in self._folders
            for path in sorted(folder.glob("*.yaml"))
            for stat in [path.stat()]
        ]
        library = self._library
        if library is None or stamp != self._stamp:
            library = self._library = Library.load(self._folders)
            self._stamp = stamp
        return library


def _entry(workflow: Workflow, file: Path) -> Entry:
    return Entry(
        name=workflow.name,
        version=workflow.version,
        digest=workflow.digest,
        file=file,
        about={
            "title": workflow.title,
            "description": workflow.description,
            "read_only": workflow.is_read_only,
            "tools": sorted(workflow.effect_tools),
            "slots": list(workflow.slots),
            "examples": list(workflow.examples),
        },
        content=workflow.as_json(),
    )


def _problem(fault: parse.Problem) -> Problem:
    return {
        "file": Path(fault.file).name,
        "line": fault.line,
        "field": fault.field,
        "message": fault.message,
        "fix": fault.fix,
    }
