"""`deputy`: finds the command, runs it, and turns every error into one message with a fix and the contract's exit code."""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from orchestrator import __version__
from orchestrator.errors import DeputyError
from orchestrator.surfaces.cli.exitcode import Exit, of_error
from orchestrator.surfaces.cli.output import plain
from orchestrator.surfaces.cli.session import Session

COMMANDS = {
    "demo": "The main job on the local office: no account, no key.",
    "ask": "Say what you want; follow it until it is done or needs you.",
    "inbox": "Cards that wait for a decision: ls, show, approve, deny, edit.",
    "work": "The worklist: ls, show, add, bump, snooze, cancel, nudge, answer.",
    "run": "What happened and why: ls, show, watch, why, trace, pause, resume, stop.",
    "workflow": "The library: ls, show, run, test.",
    "agent": "Predefined agents and prompts: ls, show, prompts.",
    "memory": "What is remembered for later requests: ls, show, add, edit, forget.",
    "trigger": "Standing orders: what is new asks for something: add, ls, pause, resume, rm, check.",
    "schedule": "What is asked at set times: add, ls, show, preview, run, pause, resume, rm, digest.",
    "office": "The local office: show, add-mail, add-event, add-person, connect, diff, reset.",
    "connect": "Accounts: google, slack, imap, caldav, mcp; alone: lists them.",
    "people": "The directory: ls, import, set; who may do what: role, roles.",
    "policy": "The rules: check, test, explain, rehearse.",
    "audit": "The chain of what was decided and done: tail, head, verify, export.",
    "hold": "Records of a request that must not be forgotten.",
    "init": "Make the home: settings file, local office, workflows folder.",
    "config": "Settings: show, path; who comes in: key, session, link.",
    "doctor": "Look for what is wrong, with a fix for each.",
    "capabilities": "Everything this program can do, for programs.",
    "serve": "The desk in the browser and over HTTP.",
    "mcp": "The door for assistants on stdin and stdout (Model Context Protocol).",
    "halt": "The kill switch: stop everything, one agent or one connector; --lift goes on.",
    "backup": "Everything in one file, while it goes on working.",
    "restore": "A backup in place of what is there; what it leaves in doubt is looked up.",
    "migrate": "The database on this program's schema.",
    "upgrade": "Whether this program can take over the database: --check.",
    "worker": "Work on the worklist (started by itself when needed).",
}
STORE_ONLY = frozenset(  # about what lies on this machine: not for a server that is set
    ("agent", "office", "connect", "policy", "init", "doctor", "serve", "worker")
    + ("backup", "restore", "migrate", "upgrade", "hold", "retention")
)
HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Lazy(click.Group):
    """Knows its commands by name and sentence; imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"orchestrator.surfaces.cli.commands.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "see: deputy --help"
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx)
        if args and args[0] in STORE_ONLY and not {"-h", "--help"} & set(args):
            Session(_flags(ctx, ctx.params.get("home"), ctx.params.get("sets") or ())).needs_store(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Lazy, context_settings=HELP)
@click.option("--home", metavar="FOLDER", help="Folder of store, office and settings (DEPUTY_HOME).")
@click.option("--set", "sets", metavar="NAME=VALUE", multiple=True, help="Any setting, before every other source.")
@click.option("--debug", is_flag=True, help="Show the whole traceback of an unexpected error.")
@click.version_option(__version__, prog_name="deputy")
@click.pass_context
def deputy(ctx: click.Context, home: str | None, sets: Sequence[str], debug: bool) -> None:
    """Deputy does office work you describe in a sentence.

    It finds what you mean, shows what it will change before it does, and never does it twice. Try: deputy demo
    """
    ctx.obj = Session(_flags(ctx, home, sets))
    ctx.call_on_close(ctx.obj.close)


def _flags(ctx: click.Context, home: str | None, sets: Sequence[str]) -> dict[str, Any]:
    flags: dict[str, Any] = {"home": home}
    for pair in sets:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise click.UsageError(f"--set {pair!r} is not NAME=VALUE", ctx)
        flags[name.strip()] = value
    return flags


def entry() -> NoReturn:
    """The console script. Whatever it makes is for its user only: mails and approvals are in those files."""
    os.umask(0o077)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; the exit code."""
    try:
        result = deputy.main(args=list(arguments), prog_name="deputy", standalone_mode=False)
    except click.ClickException as error:
        return _fail("usage", _sentence(error), _fix(error), arguments)
    except DeputyError as error:
        return _fail(error.code, error.message, error.fix, arguments)
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("interrupted\n")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _foreign(error, arguments)
    return int(result) if isinstance(result, int) else Exit.OK


def _foreign(error: Exception, arguments: Sequence[str]) -> int:
    """An error that is not ours: a connector's (they carry code and fix, too), the system's, or a bug."""
    from connectors.errors import ConnectorError

    if isinstance(error, ConnectorError):
        return _fail(error.code, str(error), error.fix, arguments)
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return _fail(
            "failed",
            f"{error.strerror or error}{where}",
            "check path, rights and free space; nothing was lost",
            arguments,
        )
    return _fail(
        "internal",
        f"{type(error).__name__}: {error}",
        "run it again with deputy --debug …, and report what it prints",
        arguments,
    )


def _fail(code: str, message: str, fix: str, arguments: Sequence[str]) -> int:
    if "--json" in arguments:
        sys.stdout.write(json.dumps({"error": code, "message": message, "fix": fix}, ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(plain(f"error: {message}\n" + (f"  fix: {fix}\n" if fix else "")))
    return of_error(code)


def _sentence(error: click.ClickException) -> str:
    text = error.format_message().strip().removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _fix(error: click.ClickException) -> str:
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    return f"see: {ctx.command_path} --help" if ctx is not None else "see: deputy --help"


if __name__ == "__main__":
    entry()
