"""`deputy mcp`: the door for assistants that start it themselves and speak MCP on its stdin and stdout."""

from __future__ import annotations

import asyncio
import sys

import click

from orchestrator.errors import UsageError
from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session


@click.command()
@options.session
def command(session: Session) -> None:
    """Let an assistant hand work to Deputy, for the owner of this machine. It can start, look, answer and nudge; never approve.

    Assistants start this by themselves; docs/mcp.md has their entries.
    """
    if sys.stdin.isatty():
        raise UsageError(
            "an assistant starts this, and speaks to it on stdin",
            fix="put it into your assistant's settings: docs/mcp.md",
        )
    desk, settings = session.desk, session.settings
    from orchestrator import logs
    from orchestrator.surfaces.mcp_server import door

    logs.begin(level=settings.log_level, form=settings.log_format, tenant=settings.tenant)  # stdout is the protocol's
    asyncio.run(door.over_stdio(desk, settings, session.keep_going))
