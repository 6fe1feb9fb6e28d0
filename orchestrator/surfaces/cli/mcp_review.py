"""`deputy connect mcp`: a person sees every tool of a foreign server, and what it would do, before one of them is used."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import asking, connecting
from orchestrator.surfaces.cli.connecting import Asked
from orchestrator.surfaces.cli.exitcode import Exit
from orchestrator.surfaces.cli.session import Session

if TYPE_CHECKING:
    from connectors.mcp.descriptions import Change, Description
    from orchestrator.tool_servers import Seen

EFFECTS = {
    "read": "reads",
    "idempotent": "changes",
    "keyed": "changes",
    "unkeyed": "changes",
    "irreversible": "no undo",
}
WORDS = {"manifest": "your manifest", "annotations": "the server", "nobody": "nobody"}
SHOWN = 300  # characters of a stranger's description


def connect(
    session: Session,
    *,
    asked: Asked,
    given: asking.Given,
    further: Mapping[str, Any],
    name: str,
    server: Sequence[str],
    url: str | None,
    variables: Sequence[str],
    token: bool,
    manifest: Path | None,
    yes: bool,
) -> int | None:
    """Asks the server what it offers, shows it, and on a yes pins exactly that."""
    from connectors.mcp import descriptions, manifests
    from connectors.spec import Account
    from orchestrator import providers, tool_servers

    owner = connecting.owner_of(session, asked)
    held = dict(given.credentials)
    for variable in variables:
        held[variable] = asking.secret(
            session.output, given, variable, prompt=f"value of {variable}", variable=variable
        )
    if token:
        held["token"] = asking.secret(session.output, given, "token", prompt=f"token of {name}")
    if manifest is not None:
        manifests.read_file(manifest)  # one that is off is refused before anybody is asked anything
    told = tool_servers.with_manifest({**_settings(server, url, variables, manifest), **further})
    connector = providers.mcp_server(session.settings, name, told)
    new = providers.NewAccount(connector=name, subject=name, families=[name], settings=told, credentials=held)
    whose = Account(connection_id=new.id_of(owner.principal_id), subject=name, credentials=held, settings=told)
    found = connector.describe(whose)
    connector.close()
    _refuse_strangers(told.get("manifest"), manifest, found)
    changes = descriptions.review(_before(tool_servers.Seen(session.settings, name)), found)
    if not yes and not _agreed(session, found, changes):
        return Exit.APPROVAL
    if yes and not session.output.as_json:
        _show(session, found, changes)
    pins = {tool.name: tool.digest for tool in found.tools}
    new = replace(new, settings={**told, "pins": pins}, seen=replace(found, is_reviewed=True).to_json())
    connecting.connect(session, new, connector, replace(asked, is_checked=False))
    return None


def _refuse_strangers(told: Any, file: Path | None, found: Description) -> None:
    """Raises ConnectorError for tools in the manifest that the server does not offer: a misspelt word would say nothing of any."""
    from connectors.mcp import manifest_words, manifests

    if isinstance(told, Mapping):
        offered = [*(tool.wire for tool in found.tools), *found.refused]
        text = file.read_text(encoding="utf-8") if file is not None else ""
        manifests.refuse(manifest_words.strangers(told, offered), file.name if file is not None else found.server, text)


def _settings(
    server: Sequence[str], url: str | None, variables: Sequence[str], manifest: Path | None
) -> dict[str, Any]:
    """What is stored of how it is reached; secrets by name only."""
    if bool(server) == (url is not None):
        raise UsageError(
            "a tool server has a command or a url", fix="deputy connect mcp NAME -- COMMAND ARGS…, or --url URL"
        )
    told: dict[str, Any] = {"kind": "mcp"}
    if url is not None:
        told["url"] = url
    else:
        program = shutil.which(server[0])
        if program is None:
            raise UsageError(f"there is no program {server[0]!r}", fix="install it, or give its whole path")
        told["command"] = [str(Path(program).absolute()), *server[1:]]
        told["cwd"] = str(Path.cwd())
    if variables:
        told["env"] = {name: f"credential:{name}" for name in variables}
    if manifest is not None:
        told["manifest"] = str(manifest.absolute())
    return told


def _before(seen: Seen) -> Description | None:
    from connectors.errors import ConnectorError

    try:
        return seen.load()
    except ConnectorError:  # unreadable: everything is to be looked at again
        return None


def _agreed(session: Session, found: Description, changes: Sequence[Change]) -> bool:
    """Whether the person wants these tools. Without a terminal nobody can be asked: the answer is no, and says how to say yes."""
    if session.output.as_json:
        session.output.document(
            {"server": found.server, "tools": _as_json(found), "changes": [c.text for c in changes]}
        )
    else:
        _show(session, found, changes)
    if session.output.is_terminal:
        return click.confirm("Use these tools?", default=False, err=True)
    session.output.note("nothing was connected; when the tools are what you want, say it with --yes")
    return False


def _show(session: Session, found: Description, changes: Sequence[Change]) -> None:
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    changed = {change.tool: change.kind for change in changes}
    rows: list[view.Row] = [
        [
            tool.name,
            Text(str(tool.manifest.get("effect") or "?"), style="green" if tool.effect_class == "read" else "red"),
            EFFECTS[tool.effect_class],
            WORDS.get(tool.source, tool.source),
            changed.get(tool.name, ""),
            Text(tool.description[:SHOWN]),
        ]
        for tool in found.tools
    ]
    names = ["tool", "effect", "", "by the word of", "", "what the server says"]
    session.output.draw(view.table(names, rows, empty="It offers no tools."))
    for wire, why in found.refused.items():
        session.output.draw(Text(f"left out: {wire}: {why}"))
    for change in changes:
        if change.kind in ("changed", "removed"):
            session.output.draw(Text(change.text))


def _as_json(found: Description) -> list[dict[str, Any]]:
    return [
        {
            "name": tool.name,
            "effect": tool.manifest.get("effect"),
            "effect_class": tool.effect_class,
            "by": tool.source,
            "description": tool.description,
            "digest": tool.digest,
        }
        for tool in found.tools
    ]
