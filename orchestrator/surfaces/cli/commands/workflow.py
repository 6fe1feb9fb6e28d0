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
    told = _at_the_server(session) if session.is_remote else _here(session)
    if session.output.as_json:
        return session.output.document(told)
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    rows: list[view.Row] = [
        [
            Text(one["name"], style="bold"),
            one["title"],
            ", ".join(one["tools"]) or Text("reads only", style="green"),
            ", ".join(one["slots"]),
        ]
        for one in told
    ]
    session.output.draw(
        view.table(["name", "does", "may change through", "slots"], rows, empty="The library is empty.")
    )


def _here(session: Session) -> list[dict[str, Any]]:
    library = _library(session)
    for fault in library.faults:
        session.output.note(f"warning: {fault.message}")
    return [
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


def _at_the_server(session: Session) -> list[dict[str, Any]]:
    told = session.desk.library.all()
    for fault in told["faults"]:
        session.output.note(f"warning: {fault['file']}:{fault['line']}: {fault['message']}")
    return [*told["workflows"]]


@command.command()
@click.argument("name")
@options.as_json
@options.session
def show(session: Session, name: str) -> None:
    """One workflow: what it says it does, its grant, its file."""
    if session.is_remote:
        return _show_theirs(session, session.desk.library.one(name))
    library = _library(session)
    workflow = _find(library, name)
    file = library.files.get(name)
    if session.output.as_json:
        return session.output.document({**workflow.as_json(), "digest": workflow.digest, "file": str(file or "")})
    text = file.read_text(encoding="utf-8") if file is not None else ""
    return _draw(session, f"{file}\n{workflow.digest}\n", text)


def _show_theirs(session: Session, told: dict[str, Any]) -> None:
    if session.output.as_json:
        return session.output.document({**told["content"], **told})
    return _draw(session, f"{told['digest']}\n", told["text"])


def _draw(session: Session, head: str, text: str) -> None:
    from rich.syntax import Syntax
    from rich.text import Text

    session.output.draw(Text(head, style="dim"))
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
    title = session.desk.library.one(name)["title"] if session.is_remote else _find(_library(session), name).title
    words = " ".join(request) or title
    chosen = wishes(workflow=name, no_match=False, inputs=inputs, approve_all=yes)
    return submit_and_follow(session, words, speaker=speaker, wishes=chosen, key=key, detach=detach)


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME|FILE|FOLDER]…")
@options.as_json
@options.session
def test(session: Session, names: Sequence[str]) -> int:
    """Whether each file can be used, has the tools and the authority it needs, matches its own examples, and leaves its
    near misses alone. Exit code 1 if not."""
    session.needs_store("workflow test")
    from orchestrator.workflows import check

    files = _files(session, names)
    folders = [check.SHIPPED, session.settings.workflow_folder]
    problems = [problem for file in files for problem in check.test_workflow(file, dirs=folders)]
    told = {
        "ok": not problems,
        "tested": len(files),
        "failed": [
            {"file": p.file, "line": p.line, "field": p.field, "message": p.message, "fix": p.fix} for p in problems
        ],
    }
    if session.output.as_json:
        session.output.document(told)
    else:
        from rich.text import Text

        for problem in problems:
            line = Text.assemble(("✗ ", "red"), (f"{problem.file}:{problem.line}", "bold"), f"  {problem.message}")
            session.output.draw(line.append(f"\n    fix: {problem.fix}", style="yellow") if problem.fix else line)
        bad = len({problem.file for problem in problems})
        session.output.draw(Text(f"{len(files) - bad} of {len(files)} files hold", style="red" if bad else "green"))
    return Exit.FAILED if problems else Exit.OK


def _files(session: Session, names: Sequence[str]) -> list[Path]:
    """The files meant: paths, folders' files, or names in the library; without any, the whole library with its faulty files."""
    if not names:
        from orchestrator.workflows import check

        own = session.settings.workflow_folder
        return [*sorted(check.SHIPPED.glob("*.yaml")), *sorted(own.glob("*.yaml"))]
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found += sorted(path.glob("*.yaml"))
        elif path.suffix in (".yaml", ".yml") or path.exists():
            found.append(path)
        else:
            library = _library(session)
            found.append(library.files[_find(library, name).name])
    return found


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
