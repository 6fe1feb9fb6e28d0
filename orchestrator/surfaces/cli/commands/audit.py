"""`deputy audit`: the hash-chained record of what was decided, approved and done."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.exitcode import Exit
from orchestrator.surfaces.cli.session import Session

HEAD = re.compile(r"^(\d+):([0-9a-f]{64})$")


@click.group()
def command() -> None:
    """The record nobody can change unseen."""


@command.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=30, show_default=True)
@click.option("--item", "item_id", metavar="ITEM", help="Only about this item.")
@options.speaker
@options.as_json
@options.session
def tail(session: Session, limit: int, item_id: str | None, speaker: str | None) -> None:
    """The newest events, oldest of them first; without the role admin or auditor, of what one may see."""
    who = session.who(speaker)
    events = session.desk.audit_tail(who, limit=limit, item_id=item_id)
    if session.output.as_json:
        return session.output.document(events)
    from rich.text import Text

    from orchestrator.surfaces.cli import view
    from orchestrator.surfaces.cli.times import shown

    zone = session.zone(who)
    rows: list[view.Row] = [
        [
            str(e["seq"]),
            shown(e["at"], zone),
            Text(e["kind"], style="bold"),
            e["actor"],
            Text(e.get("item_id") or "", style="dim"),
        ]
        for e in events
    ]
    session.output.draw(view.table(["seq", "when", "what", "who", "id"], rows, empty="Nothing happened yet."))


@command.command()
@options.speaker
@options.as_json
@options.session
def head(session: Session, speaker: str | None) -> None:
    """The chain's end. Keep it somewhere else: `verify --head` can then prove that nothing before it changed."""
    told = session.desk.audit_head(session.who(speaker))
    from rich.text import Text

    session.output.answer(told, Text(f"{told['seq']}:{told['hash']}"))


@command.command()
@click.option(
    "--head",
    "kept",
    metavar="SEQ:HASH|FILE",
    help="A head kept earlier; without one, only the chain itself is checked.",
)
@options.speaker
@options.as_json
@options.session
def verify(session: Session, kept: str | None, speaker: str | None) -> int:
    """Whether the chain holds, and which event broke it. Exit code 1 where it does not."""
    told = session.desk.audit_verify(session.who(speaker), _head(kept) if kept is not None else None)
    from rich.text import Text

    if told["ok"]:
        line = Text(
            f"ok: {told['checked']} events hold together"
            + ("" if kept else "; a head kept elsewhere would prove more: deputy audit head")
        )
    else:
        line = Text(f"broken at event {told['first_bad_seq']}: {told['reason']}", style="red")
    session.output.answer(told, line)
    return Exit.OK if told["ok"] else Exit.FAILED


@command.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file; default: stdout.")
@options.speaker
@click.option("--json", is_flag=True, expose_value=False, help="The lines are JSON in any case.")
@options.session
def export(session: Session, out: Path | None, speaker: str | None) -> None:
    """Every event, one JSON object a line."""
    events = session.desk.audit_export(session.who(speaker))
    lines = (json.dumps(event, ensure_ascii=False, default=str) for event in events)
    if out is None:
        for line in lines:
            click.echo(line)
        return
    scratch = out.with_name(f"{out.name}.part")
    with scratch.open("w", encoding="utf-8") as file:
        count = sum(1 for line in lines if file.write(line + "\n"))
    scratch.replace(out)
    session.output.note(f"{count} events in {out}")


def _head(text: str) -> dict[str, Any]:
    """SEQ:HASH, or a file that holds that or the JSON of `audit head --json`."""
    said = text.strip()
    if not HEAD.match(said):
        try:
            said = Path(text).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{text!r} is neither SEQ:HASH nor a file that can be read",
                fix="keep one with: deputy audit head > head.txt",
            ) from error
    if found := HEAD.match(said):
        return {"seq": int(found[1]), "hash": found[2]}
    try:
        value = json.loads(said)
        return {"seq": int(value["seq"]), "hash": str(value["hash"])}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{text!r} holds no head", fix="keep one with: deputy audit head > head.txt") from error
