"""`deputy policy`: whether the rules can be used, decide as their cases say, and what they would say to a call."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from orchestrator.errors import DeputyError, UsageError
from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.exitcode import Exit
from orchestrator.surfaces.cli.session import Session

T = TypeVar("T")
PROFILES = click.Choice(("careful", "delegated"))


@click.group()
def command() -> None:
    """The rules that decide what may happen."""


@command.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@options.as_json
@options.session
def check(session: Session, folder: Path | None) -> int:
    """Whether the rules (and those of FOLDER) can be used. Exit code 1 if not."""
    from policies import bundle

    found = bundle.check(folder if folder is not None else session.settings.policy_dir)
    told = {
        "ok": not found,
        "problems": [{"file": p.file, "line": p.line, "message": p.message, "fix": p.fix} for p in found],
        "digest": bundle.load(folder if folder is not None else session.settings.policy_dir).digest
        if not found
        else None,
    }
    if session.output.as_json:
        session.output.document(told)
    else:
        from rich.text import Text

        for problem in found:
            line = Text.assemble(("✗ ", "red"), (f"{problem.file}:{problem.line}", "bold"), f"  {problem.message}")
            session.output.draw(line.append(f"\n    fix: {problem.fix}", style="yellow"))
        if not found:
            session.output.draw(Text(f"the rules are in order  {told['digest']}", style="green"))
    return Exit.FAILED if found else Exit.OK


@command.command()
@click.argument("paths", nargs=-1, metavar="[FILE|FOLDER]…")
@options.as_json
@options.session
def test(session: Session, paths: Sequence[str]) -> int:
    """Whether every case gets the decision it must get (without a path: the shipped cases). Exit code 1 if not."""
    from policies import cases

    outcomes = _read(lambda: cases.run(paths, bundle_dir=session.settings.policy_dir))
    if not outcomes:
        raise UsageError("there is no case in what was given", fix="write cases as in policies/cases/*.yaml")
    failed = [outcome for outcome in outcomes if not outcome.passed]
    told = {
        "ok": not failed,
        "tested": len(outcomes),
        "failed": [{"file": o.file, "case": o.name, "message": o.message, "reason": o.got.reason} for o in failed],
    }
    if session.output.as_json:
        session.output.document(told)
    else:
        from rich.text import Text

        for outcome in failed:
            line = Text.assemble(("✗ ", "red"), f"{outcome.file}  ", (outcome.name, "bold"), f"\n    {outcome.message}")
            session.output.draw(line)
        style = "red" if failed else "green"
        session.output.draw(
            Text(f"{len(outcomes) - len(failed)} of {len(outcomes)} cases decided as they must be", style=style)
        )
    return Exit.FAILED if failed else Exit.OK


@command.command()
@click.argument("request", required=False)
@click.option("--call", "tool", metavar="TOOL", help="Decide on this call, as if the request had just been made.")
@click.option("--args", "arguments", metavar="JSON", default="{}", help="Its arguments, a JSON object.")
@click.option("--case", "file", metavar="FILE|-", help="A whole case as JSON: request, principal, now, tools, call, …")
@click.option("--profile", type=PROFILES, help="Default: the one that is set.")
@options.as_json
@options.session
def explain(
    session: Session, request: str | None, tool: str | None, arguments: str, file: str | None, profile: str | None
) -> None:
    """What REQUEST allows by its words; with --call, how that call would be decided; without either, the rules in force."""
    from policies import explain as explained

    bundle_dir = session.settings.policy_dir
    profile = profile or session.settings.profile
    if file is not None:
        case = _json(_text(file), "the case")
        return _tell(session, _read(lambda: explained.call(case, bundle_dir=bundle_dir)))
    if request is None:
        if tool is not None:
            raise UsageError(
                "a call is decided for a request",
                fix='deputy policy explain "Email Dana that I am late" --call mail.send …',
            )
        return _tell_rules(session, _read(lambda: explained.rules(profile, bundle_dir=bundle_dir)))
    if tool is None:
        return _tell(session, explained.grant(request))
    case = _case(session, request, tool, _json(arguments, "--args"), profile)
    return _tell(session, _read(lambda: explained.call(case, bundle_dir=bundle_dir)))


@command.command()
@click.option("--rules", "folder", type=click.Path(path_type=Path), help="With these further rules.")
@click.option("--profile", type=PROFILES, help="With this profile.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Newest runs looked at.")
@options.as_json
@options.session
def rehearse(session: Session, folder: Path | None, profile: str | None, limit: int) -> None:
    """Which recorded decisions other rules would have changed. Changes nothing."""
    from orchestrator import app
    from orchestrator.surfaces.cli import view
    from orchestrator.surfaces.cli.rehearsal import rehearse as decide_anew

    other = Session({**session.flags, "policy_dir": folder or session.settings.policy_dir, "profile": profile})
    house = _read(lambda: app.house(other.settings))
    told = decide_anew(session.desk, session.who(), house, limit=limit)
    if session.output.as_json:
        return session.output.document(told)
    from rich.text import Text

    rows: list[view.Row] = [
        [
            f"{entry['was']} → {entry['would_be']}",
            Text(entry["tool"], style="bold"),
            view.one_line(entry["preview"], 60),
            ", ".join(entry["rules"]),
            Text(entry["effect_id"], style="dim"),
        ]
        for entry in told["changed"]
    ]
    session.output.draw(view.table(["decision", "tool", "what", "by", "id"], rows, empty="No decision would change."))
    session.output.draw(
        Text(
            f"{told['decided']} decided anew, {told['same']} the same, {len(told['skipped'])} runs skipped", style="dim"
        )
    )


def _case(session: Session, request: str, tool: str, args: Any, profile: str) -> dict[str, Any]:
    """A case over the people that Deputy knows and the tools of its families."""
    from connectors.families import FAMILIES, tool_specs
    from orchestrator import clock

    people = session.desk.people()
    specs = {spec.name: spec for family in sorted(FAMILIES) for spec in tool_specs(family)}
    if tool not in specs:
        import difflib

        close = difflib.get_close_matches(tool, specs, n=1)
        raise UsageError(
            f"there is no tool {tool!r}",
            fix=f"did you mean {close[0]!r}?" if close else "see: deputy capabilities --json",
        )
    return {
        "request": request,
        "principal": session.who().principal_id,
        "now": clock.now().isoformat(),
        "profile": profile,
        "tools": [
            {"name": s.name, "description": s.description, "parameters": s.parameters, "manifest": s.manifest}
            for s in specs.values()
        ],
        "people": [
            {
                "id": p["address"],
                "names": [p["name"], *p["aliases"]],
                "addresses": [p["address"]],
                "inside": p["inside"],
                "roles": [p["role"]] if p["role"] else [],
            }
            for p in people
        ],
        "inside_domains": sorted({p["address"].partition("@")[2] for p in people if p["inside"]}),
        "call": {"tool": tool, "args": args},
    }


def _read(read: Callable[[], T]) -> T:
    """What `read` returns; a file or case that cannot be used is the caller's to mend."""
    import yaml

    try:
        return read()
    except DeputyError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", fix="check the path, and that it is UTF-8") from error
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        told = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UsageError(told, fix="write it as in policies/cases/*.yaml; see: deputy policy check") from error


def _text(file: str) -> str:
    return sys.stdin.read() if file == "-" else _read(lambda: Path(file).read_text(encoding="utf-8"))


def _json(text: str, what: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"{what} is not JSON: {error}", fix='write an object, e.g. {"to": ["dana@office.example"]}'
        ) from error
    if not isinstance(value, dict):
        raise UsageError(f"{what} is JSON, but no object", fix='write an object, e.g. {"to": ["dana@office.example"]}')
    return value


def _tell(session: Session, told: dict[str, Any]) -> None:
    from orchestrator.surfaces.cli import view

    session.output.answer(told, view.facts([(name.replace("_", " "), _shown(value)) for name, value in told.items()]))


def _tell_rules(session: Session, rules: list[dict[str, str]]) -> None:
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    style = {"permit": "green", "forbid": "red"}
    rows: list[view.Row] = [
        [Text(r["effect"], style=style.get(r["effect"], "")), Text(r["id"], style="bold"), r["file"]] for r in rules
    ]
    session.output.answer(
        rules, view.table(["", "rule", "file"], rows, empty="There is no rule, so everything is denied.")
    )


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "–" if value in (None, [], {}) else json.dumps(value, ensure_ascii=False, default=str)
