"""Names of servers and of their tools, such that nothing of a stranger's can be taken for something of ours.

A tool is NAME.tool with us and NAME_tool on a model's wire, one to one; therefore no underscore in NAME. Nothing is guessed:
whoever could be confused with another is left out, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from connectors import families
from connectors.errors import ConnectorError

MOST = 64  # characters of a name on a model's wire
HOUSE = frozenset("worklist memory agent work ask run deputy office google slack imap caldav mcp".split())
_SERVER = re.compile(r"[a-z][a-z0-9-]{0,31}")
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")


def check_server(name: str, reserved: Collection[str]) -> None:
    """ConnectorError if a server cannot be called that."""
    if not _SERVER.fullmatch(name):
        raise ConnectorError(
            f"an MCP server cannot be called {name!r}", fix="use small letters, digits and hyphens, a letter first"
        )
    if name in families.FAMILIES or name in HOUSE or name in {entry.partition(".")[0] for entry in reserved}:
        raise ConnectorError(
            f"an MCP server cannot be called {name!r}: Deputy's own tools are",
            fix="give it another name in deputy.toml",
        )


def map_names(server: str, tools: Sequence[str], reserved: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Name on the server's wire → ours; and name on the wire → why it is left out. Two that fall together are both left out."""
    taken = {_on_wire(entry) for entry in reserved}
    ours: dict[str, str] = {}
    refused: dict[str, str] = {}
    by_ours: dict[str, list[str]] = {}
    for tool in tools:
        name = f"{server}.{_ILLEGAL.sub('_', tool)}"
        by_ours.setdefault(name.lower(), []).append(tool)
        if not _ILLEGAL.sub("", tool):
            refused[tool] = "its name has no letter or digit"
        elif len(name) > MOST:
            refused[tool] = f"its name is longer than {MOST} characters together with the server's"
        elif _on_wire(name) in taken:
            refused[tool] = "a tool of Deputy's own has this name"
        else:
            ours[tool] = name
    for same in by_ours.values():
        if len(same) > 1:
            for tool in same:
                ours.pop(tool, None)
                others = sorted(set(same) - {tool})
                refused[tool] = (
                    f"it cannot be told from {', '.join(map(repr, others))}" if others else "it is listed twice"
                )
    return ours, refused


def _on_wire(name: str) -> str:
    return name.replace(".", "_").lower()
