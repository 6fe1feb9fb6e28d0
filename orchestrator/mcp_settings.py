"""What can be set about assistants that come in over MCP: which workflows they see as tools, and how much they may ask. A part of `settings`."""

from __future__ import annotations

import re

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class McpSettings(BaseSettings):
    """The fields of `Settings` about the MCP door; see there for sources and order."""

    mcp_workflows: str = Field(
        default="",
        description=(
            "Workflows that assistants see as tools of their own, comma-separated; NAME is for everybody who may submit, "
            "NAME:ADDRESS for that person's assistants alone"
        ),
    )
    mcp_calls_per_minute: int = Field(default=240, ge=1, description="Calls a minute of one assistant")
    mcp_starts_per_minute: int = Field(
        default=30, ge=1, description="Pieces of work that one assistant may start a minute"
    )

    @field_validator("mcp_workflows")
    @classmethod
    def _named_workflows(cls, value: str) -> str:
        for name, address in _published(value):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a workflow")
            if address is not None and "@" not in address[1:-1]:
                raise ValueError(f"{address!r} is no address")
        return value

    @property
    def published_workflows(self) -> dict[str, frozenset[str] | None]:
        """Workflow → whose assistants see it; None: everybody's."""
        found: dict[str, frozenset[str] | None] = {}
        for name, address in _published(self.mcp_workflows):
            known = found.get(name, frozenset())
            found[name] = None if address is None or known is None else known | {address.lower()}
        return found


def _published(text: str) -> list[tuple[str, str | None]]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [(name.strip(), address.strip() or None) for name, _, address in (part.partition(":") for part in parts)]
