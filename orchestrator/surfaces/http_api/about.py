"""Endpoints of what this desk can do and how it is set: capabilities, agents, settings."""

from __future__ import annotations

from typing import Any

from orchestrator.surfaces.http_api.endpoint import CURSOR, LIMIT, Call, Endpoint
from orchestrator.surfaces.http_api.paging import page


def capabilities(call: Call) -> Any:
    """What programs that drive Deputy want to know first."""
    from connectors.families import FAMILIES, tool_specs
    from orchestrator import __version__
    from orchestrator.surfaces.cli import exitcode
    from orchestrator.surfaces.cli.commands.capabilities import STATES

    settings = call.room.settings
    return {
        "version": __version__,
        "states": STATES,
        "exit_codes": {str(int(code)): text for code, text in exitcode.MEANING.items()},
        "tools": [
            {"name": spec.name, "title": spec.title, "effect": spec.effect_class.value, "parameters": spec.parameters}
            for family in sorted(FAMILIES)
            for spec in tool_specs(family)
        ],
        "workflows": [
            {"name": one["name"], "title": one["title"], "slots": one["slots"], "read_only": one["read_only"]}
            for one in call.desk.library.all()["workflows"]
        ],
        "agents": [one["name"] for one in _agents(call)],
        "profile": settings.profile,
        "model": settings.model,
        "budget": settings.budget_limits,
    }


def _agents(call: Call) -> list[dict[str, Any]]:
    """Without their places on this machine."""
    from orchestrator import app
    from orchestrator.surfaces.cli.commands.agent import about

    found = [about(one) for one in app.agents(call.room.settings).values()]
    return [{name: value for name, value in one.items() if name != "path"} for one in found]


def agents(call: Call) -> Any:
    found, more = page(_agents(call), lambda one: one["name"], call.query.get("limit", 200), call.query.get("cursor"))
    return {"agents": found, "next": more}


def agent(call: Call) -> Any:
    from orchestrator.errors import NotFound

    found = next((one for one in _agents(call) if one["name"] == call.path["name"]), None)
    if found is None:
        raise NotFound(f"there is no agent {call.path['name']!r}", fix="see: GET /api/v1/agents")
    return found


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/capabilities",
        name="capabilities",
        says="States, tools, workflows, agents and limits of this desk, for programs that drive it.",
        scope="read",
        do=capabilities,
        answer={"$ref": "#/components/schemas/Capabilities"},
    ),
    Endpoint(
        method="GET",
        path="/agents",
        name="list_agents",
        says="Predefined agents.",
        scope="read",
        do=agents,
        query={"limit": LIMIT, "cursor": CURSOR},
        answer={"$ref": "#/components/schemas/AgentPage"},
    ),
    Endpoint(
        method="GET",
        path="/agents/{name}",
        name="show_agent",
        says="One predefined agent.",
        scope="read",
        do=agent,
        answer={"$ref": "#/components/schemas/Agent"},
    ),
    Endpoint(
        method="GET",
        path="/settings",
        name="list_settings",
        says="Every setting, its value and where it stands; secrets are masked.",
        scope="operate",
        do=lambda call: {"settings": call.room.settings.describe()},
        answer={"$ref": "#/components/schemas/Settings"},
    ),
)
