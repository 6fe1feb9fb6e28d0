"""`deputy workflow`: the library: what is saved, what each does, whether each still matches its own examples."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.errors import NotFound
from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.commands.ask import submit_and_follow, wishes
from orchestrator.surfaces.cli.exitcode import Exit
from orchestrator.surfaces.cli.session import Session

if TYPE_CHECKING:
    from orchestrator.domain.person import Person
    from orchestrator.workflows.definition import Workflow
    from orchestrator.workflows.match import Library


@click.group()
def command() -> None:
    """Saved workflows: what runs without a model."""


@command.command()
@options.as_json
@options.session
def ls(session: Session) -> None:
    """All of them; files that cannot be used are named on stderr."""
    library = _library(session)
    for fault in library.faults:
        session.output.note(f"warning: {fault.message}")
    told = [
        {
            "name": w.name,
            "version": w.version,
            "title": w.title,
            "description": w.description,
            "read_only": w.is_read_only,
            "tools": sorted(w.effect_tools),
            "slots": list(w.slots),
            "file": str(library.files.get(w.name, "")),
        }
        for w in library.workflows
    ]
    if session.output.as_json:
        return session.output.document(told)
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    rows: list[view.Row] = [
        [
            Text(w.name, style="bold"),
            w.title,
            ", ".join(sorted(w.effect_tools)) or Text("reads only", style="green"),
            ", ".join(w.slots),
        ]
        for w in library.workflows
    ]
    session.output.draw(
        view.table(["name", "does", "may change through", "slots"], rows, empty="The library is empty.")
    )


@command.command()
@click.argument("name")
@options.as_json
@options.session
def show(session: Session, name: str) -> None:
    """One workflow: what it says it does, its grant, its file."""
    library = _library(session)
    workflow = _find(library, name)
    file = library.files.get(name)
    if session.output.as_json:
        return session.output.document({**workflow.as_json(), "digest": workflow.digest, "file": str(file or "")})
    from rich.syntax import Syntax
    from rich.text import Text

    session.output.draw(Text(f"{file}\n{workflow.digest}\n", style="dim"))
    text = file.read_text(encoding="utf-8") if file is not None else ""
    session.output.draw(Syntax(text, "yaml", background_color="default", word_wrap=True))


@command.command()
@click.argument("name")
@click.argument("request", nargs=-1)
@click.option("--input", "inputs", metavar="K=V", multiple=True, help="Give a slot its value.")
@click.option("--yes", is_flag=True, help="Approve every card of it as the owner; cards are printed all the same.")
@click.option("--detach", is_flag=True, help="Return at once; the work goes on.")
@click.option("--key", metavar="K", help="The same key again is the same request, not a second one.")
@options.speaker
@options.as_json
@options.session
def run(
    session: Session,
    name: str,
    request: Sequence[str],
    inputs: Sequence[str],
    yes: bool,
    detach: bool,
    key: str | None,
    speaker: str | None,
) -> int:
    """Run this one: deputy workflow run NAME ["with Dana, tomorrow"] [--input person=Dana]."""
    workflow = _find(_library(session), name)
    words = " ".join(request) or workflow.title
    chosen = wishes(workflow=name, no_match=False, inputs=inputs, approve_all=yes)
    return submit_and_follow(session, words, speaker=speaker, wishes=chosen, key=key, detach=detach)


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME|FILE|FOLDER]…")
@options.as_json
@options.session
def test(session: Session, names: Sequence[str]) -> int:
    """Whether each file can be used, matches its own examples, and leaves its near misses alone. Exit code 1 if not."""
    findings = _examine(session, names)
    failed = [finding for finding in findings if not finding["ok"]]
    told = {"ok": not failed, "tested": len(findings), "failed": failed}
    if session.output.as_json:
        session.output.document(told)
    else:
        from rich.text import Text

        for finding in failed:
            line = Text.assemble(
                ("✗ ", "red"), (finding["workflow"], "bold"), f"  {finding['kind']}  ", (finding["text"], "")
            )
            session.output.draw(line.append(f"\n    {finding['why']}", style="dim"))
        session.output.draw(
            Text(f"{len(findings) - len(failed)} of {len(findings)} hold", style="red" if failed else "green")
        )
    return Exit.FAILED if failed else Exit.OK


def _examine(session: Session, names: Sequence[str]) -> list[dict[str, Any]]:
    from orchestrator import app, clock
    from orchestrator import workflows as shipped
    from orchestrator.workflows.match import Library, Match, spoken

    folders = [Path(name) for name in names if Path(name).is_dir()]
    files = [Path(name) for name in names if Path(name).is_file()]
    library = Library.load([shipped.SHIPPED, *folders]) if folders else app.library(session.settings)
    findings: list[dict[str, Any]] = [
        {"workflow": problem.file, "kind": "file", "text": problem.field, "ok": False, "why": str(problem)}
        for fault in library.faults
        for problem in fault.problems
    ]
    wanted = [_find(library, name) for name in names if not Path(name).exists()]
    if files:
        added, faults = _read(files)
        findings += faults
        library = Library.of([*(w for w in library.workflows if w.name not in {a.name for a in added}), *added])
        wanted += added
    if folders:
        wanted += [w for w in library.workflows if library.files.get(w.name, Path()).parent in folders]
    who = session.who()
    people = _people(session)
    me = next((person for person in people if person.address == who.principal_id), None)
    if me is None:
        raise NotFound("you are not in the directory, so examples cannot be read as yours", fix="see: deputy people ls")
    for workflow in wanted if names else library.workflows:
        for kind, texts in (("example", workflow.examples), ("near miss", workflow.near_misses)):
            for text in texts:
                found = library.match(spoken(text, workflow), people=people, now=clock.now(), zone=me.zone, me=me)
                hit = isinstance(found, Match) and found.workflow.name == workflow.name
                nearest = found.workflow.name if isinstance(found, Match) else found.best.name if found.best else "none"
                findings.append(
                    {
                        "workflow": workflow.name,
                        "kind": kind,
                        "text": text,
                        "ok": hit if kind == "example" else not hit,
                        "why": f"{'matches' if isinstance(found, Match) else 'does not match; nearest'} {nearest} ({found.score:.2f}) {' '.join(found.why)}".strip(),
                    }
                )
    return findings


def _read(files: Sequence[Path]) -> tuple[list[Workflow], list[dict[str, Any]]]:
    from orchestrator.workflows import parse

    read, faults = [], []
    for path in files:
        try:
            read.append(parse.load(path).workflow)
        except parse.BadWorkflow as error:
            faults += [
                {"workflow": str(path), "kind": "file", "text": p.field, "ok": False, "why": str(p)}
                for p in error.problems
            ]
    return read, faults


def _people(session: Session) -> list[Person]:
    from orchestrator.domain.person import Person

    return [Person(**entry) for entry in session.desk.people()]


def _library(session: Session) -> Library:
    from orchestrator import app

    library: Library = app.library(session.settings)
    return library


def _find(library: Library, name: str) -> Workflow:
    found = library.get(name)
    if found is None:
        close = difflib.get_close_matches(name, [workflow.name for workflow in library.workflows], n=1)
        raise NotFound(
            f"there is no workflow {name!r}", fix=f"did you mean {close[0]!r}?" if close else "see: deputy workflow ls"
        )
    return found
