"""`deputy doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

from typing import Any

import click

from orchestrator.errors import DeputyError
from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.exitcode import Exit
from orchestrator.surfaces.cli.session import Session


@click.command()
@click.option("--probe", is_flag=True, help="Connect to model endpoints, too.")
@click.option("--offline", is_flag=True, help="Do not ask connected accounts whether they are well.")
@options.as_json
@options.session
def command(session: Session, probe: bool, offline: bool) -> int:
    """Check settings, store, worker, rules, workflows, connections, models, agents. Exit code 1 when something is wrong."""
    checks = _checks(session, probe=probe, is_offline=offline)
    healthy = all(check["ok"] for check in checks)
    if session.output.as_json:
        session.output.document({"ok": healthy, "checks": checks})
    else:
        from rich.text import Text

        for check in checks:
            mark, style = ("✓", "green") if check["ok"] else ("✗", "red")
            line = Text.assemble((f"{mark} ", style), (f"{check['check']:<12}", "bold"), str(check["detail"]))
            if not check["ok"] and check["fix"]:
                line.append(f"\n    fix: {check['fix']}", style="yellow")
            for note in check.get("notes", ()):
                line.append(f"\n    {note}", style="dim")
            session.output.draw(line)
    return Exit.OK if healthy else Exit.FAILED


def _checks(session: Session, *, probe: bool, is_offline: bool) -> list[dict[str, Any]]:
    """Wrong settings are a finding like any other; nothing else can be looked at then."""
    try:
        settings = session.settings
    except DeputyError as error:
        return [{"check": "settings", "ok": False, "detail": error.message, "fix": error.fix}]
    from orchestrator.surfaces.cli import checkup

    changed = [entry["name"] for entry in settings.describe() if entry["origin"] != "default"]
    told = f"{', '.join(changed)} set; all with origin: deputy config show --origin" if changed else "all defaults"
    return [
        {"check": "settings", "ok": True, "detail": told, "fix": ""},
        *checkup.checks(settings, probe=probe, is_offline=is_offline),
    ]
