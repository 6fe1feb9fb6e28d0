"""What strangers write reaches the terminal as text: it neither steers it nor reads otherwise than it is."""

from __future__ import annotations

import io

import pytest
from rich.live import Live
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from orchestrator.surfaces.cli.output import Output, plain
from tests.cli.house import House

WIPED = "Lunch\x1b[2J\x1b]0;taken\x07\x1b[1A\x9b2K \u202egnp.exe\u2066\u200b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "␛[31m"),  # a colour, a cursor, a title: the sign that begins them all
        ("a\rb\x7f", "a␍b␡"),  # a line written over
        ("\x9b2K", "\ufffd2K"),  # the same begun by one byte
        ("\u202egnp.exe", "\ufffdgnp.exe"),  # turned writing
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("مرحبا 👩‍👩‍👧 é", "مرحبا 👩‍👩‍👧 é"),
    ],
)
def test_what_a_terminal_would_obey_is_a_sign(text: str, shown: str) -> None:
    """Controls are pictures; what people write in any script stays."""
    assert plain(text) == shown


def test_whatever_is_drawn_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a line, a table, a tree and a live view; colours and cursor are ours alone."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    output = Output(as_json=False)
    table, tree = Table("what"), Tree(Text(WIPED))
    table.add_row(Text(WIPED, style="bold"))
    tree.add(WIPED.replace("[", "\\["))

    output.draw(Text(WIPED), table, tree)
    with Live(tree, console=output.console, auto_refresh=False) as live:
        live.refresh()

    told = screen.getvalue()
    assert told.count("␛[2J") >= 4  # seen in each
    assert "\x1b[2J" not in told and "\x1b]0;" not in told and "\x9b" not in told
    assert [one for one in "\u202e\u2066\u200b\x07" if one in told] == []
    assert "\x1b[1m" in told  # bold is still bold


def test_a_request_steers_no_terminal(house: House) -> None:
    """Neither its list, nor itself, nor an error that quotes it."""
    item = house.json("work", "add", WIPED)["item_id"]

    shown = [house.run("work", "ls"), house.run("work", "show", item), house.run("work", "show", WIPED)]

    assert "␛[2J" in shown[1].out
    for one in shown:
        assert [sign for sign in "\x1b\x07\x9b\u202e" if sign in one.out + one.err] == []
