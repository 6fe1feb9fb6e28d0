"""The commands that pages show: each is one that this program understands as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from orchestrator.surfaces import web
from orchestrator.surfaces.cli.main import deputy

SHOWN = re.compile(r"""(?P<quote>["'])(?P<line>deputy [^`]*?)(?P=quote)""")
STATIC = Path(web.__file__).parent / "static"
LISTS = ("people ls", "workflow ls", "audit tail", "work ls", "run ls")


def shown() -> list[str]:
    """Every command that stands as a text of its own in a page's module."""
    found = {one["line"] for file in STATIC.glob("*.js") for one in SHOWN.finditer(file.read_text(encoding="utf-8"))}
    return sorted(found)


def parsed(line: str) -> str:
    """The name of the command that the line calls. Raises what click has against it; nothing is run."""
    _, *words = shlex.split(line)
    ctx = click.Context(deputy)
    at: click.Command = deputy
    while isinstance(at, click.Group) and words:
        found = at.get_command(ctx, words[0])
        if found is None:
            raise click.UsageError(f"there is no command {words[0]!r}")
        at, words = found, words[1:]
        ctx = click.Context(at, info_name=at.name, parent=ctx)
    if isinstance(at, click.Group) and not at.invoke_without_command:
        raise click.UsageError(f"{line!r} names a group, not a command")
    return str(at.make_context(at.name, words).command.name)


@pytest.mark.parametrize("line", shown())
def test_a_shown_command_is_understood(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command, its options and as many arguments as it takes."""
    monkeypatch.setenv("DEPUTY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text("address,name\n", encoding="utf-8")

    assert parsed(line)


def test_no_empty_screen_shows_a_command_that_fills_nothing() -> None:
    """A list of what is empty is empty."""
    lines = shown()
    assert len(lines) > 8
    assert [one for one in lines if one.removeprefix("deputy ") in LISTS] == []


def test_a_command_that_is_none_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this test would say of a page that shows nonsense."""
    monkeypatch.setenv("DEPUTY_HOME", str(tmp_path / "home"))
    for line in (
        "deputy poeple ls",
        "deputy connect imap",
        "deputy people import nowhere.csv",
        "deputy ask --loudly x",
    ):
        with pytest.raises(click.UsageError):
            parsed(line)
