"""Routes of the pages and of what they load. A page is a shell with its first data in it; its module does the rest over the API.

Holds no logic: what a page shows and does is the JSON interface's. Controls whose operation the caller may not use, or that the
server does not have, are absent.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from orchestrator import clock
from orchestrator.deputy import Deputy
from orchestrator.surfaces.http_api.auth.caller import Caller, require
from orchestrator.surfaces.http_api.endpoint import Endpoint

HERE = Path(__file__).parent
STATIC = HERE / "static"
FIRST_ROWS = 60  # what comes with the page, so that it is there at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`path` is where its link goes, `below` a further path of the same page; `needs`: an operation without which it is absent."""

    name: str
    label: str
    path: str
    icon: str
    group: str = ""
    key: str = ""  # after g
    short: str = ""  # label on a narrow screen's tab; without one it is under More
    below: str = ""
    template: str = "plain.html"
    sheets: tuple[str, ...] = ()
    modules: tuple[str, ...]
    counts: str = ""
    needs: str = ""
    first: Callable[[Deputy, Caller], Any] | None = None


def _approvals(desk: Deputy, caller: Caller) -> Any:
    rows = desk.inbox.page(caller.principal, limit=FIRST_ROWS)
    card = desk.approval(caller.principal, rows[0]["approval_id"]) if rows else None
    return {"rows": rows, "total": desk.inbox.counts(caller.principal)["approvals"], "card": card}


def _work(desk: Deputy, caller: Caller) -> Any:
    return desk.items(caller.principal, states=("ready", "running", "waiting"), limit=FIRST_ROWS)


PAGES: tuple[Page, ...] = (
    Page(
        name="approvals",
        label="Approvals",
        short="Approvals",
        path="/",
        below="/approvals/{approval_id}",
        icon="inbox",
        key="a",
        template="approvals.html",
        sheets=("list", "card"),
        modules=("list", "people", "effects", "card", "rows", "approvals"),
        counts="approvals",
        needs="list_inbox",
        first=_approvals,
    ),
    Page(
        name="work",
        label="Worklist",
        short="Work",
        path="/work",
        below="/work/{item_id}",
        icon="list",
        key="w",
        template="work.html",
        sheets=("list", "card", "work"),
        modules=("list", "effects", "people", "values", "after", "item", "work"),
        counts="work",
        needs="list_items",
        first=_work,
    ),
    Page(
        name="runs",
        label="Runs",
        short="Runs",
        path="/runs",
        below="/runs/{run_id}",
        icon="run",
        key="r",
        sheets=("card", "run"),
        modules=("effects", "people", "values", "item", "waterfall", "transcript", "runs"),
        needs="list_runs",
    ),
    Page(
        name="overview",
        label="Overview",
        short="Overview",
        path="/overview",
        icon="chart",
        key="o",
        sheets=("charts",),
        modules=("values", "charts", "overview"),
        needs="daily_figures",
    ),
    Page(
        name="workflows",
        label="Workflows",
        path="/workflows",
        below="/workflows/{name}",
        icon="flow",
        group="Automate",
        key="f",
        sheets=("charts",),
        modules=("values", "charts", "workflows"),
        needs="list_workflows",
    ),
    Page(
        name="schedules",
        label="Schedules",
        path="/schedules",
        icon="clock",
        group="Automate",
        key="s",
        modules=("orders", "digest", "schedules"),
        counts="schedules",
        needs="list_schedules",
    ),
    Page(
        name="policy",
        sheets=("card",),
        label="Policy",
        path="/policy",
        icon="shield",
        group="Control",
        key="p",
        modules=("people", "values", "policy"),
        needs="list_rules",
    ),
    Page(
        name="audit",
        label="Audit",
        path="/audit",
        icon="audit",
        group="Control",
        key="u",
        modules=("values", "audit"),
        needs="list_audit",
    ),
    Page(
        name="connections",
        label="Connections",
        path="/connections",
        icon="plug",
        group="Set up",
        modules=("connections",),
        needs="list_connections",
    ),
    Page(
        name="people",
        label="People",
        path="/people",
        icon="people",
        group="Set up",
        modules=("people", "roles", "directory"),
        needs="list_people",
    ),
    Page(
        name="you",
        label="You",
        path="/you",
        icon="key",
        group="Set up",
        key="y",
        modules=("memory", "keyring", "you"),
        needs="show_me",
    ),
    Page(
        name="settings",
        label="Settings",
        path="/settings",
        icon="gear",
        group="Set up",
        modules=("settings",),
        needs="list_settings",
    ),
)


class Lasting(StaticFiles):
    """Files under a path that names their content: a browser asks for each once."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def _digest() -> str:
    """Of all static files together, so that modules of one page are of one version."""
    told = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        told.update(file.name.encode() + b"\0" + file.read_bytes())
    return told.hexdigest()[:16]


def routes(desk: Deputy, endpoints: Sequence[Endpoint] = ()) -> list[BaseRoute]:
    """Every page whose operation is among the endpoints, and the static files."""
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )
    endpoints = [one for one in endpoints if one.is_built]
    there = {one.name for one in endpoints}
    pages = [page for page in PAGES if page.needs in there]
    static = f"/static/{_digest()}"
    templates.globals["static"] = static
    for name in templates.list_templates():
        templates.get_template(name)  # now: this process stays of one version while another is installed beneath it
    made: list[BaseRoute] = []
    for page in pages:
        handler = _handler(desk, templates, page, pages, endpoints)
        made += [Route(path, handler, methods=["GET"]) for path in (page.path, page.below) if path]
    return [*made, Mount(static, Lasting(directory=STATIC)), Mount("/static", StaticFiles(directory=STATIC))]


def _handler(
    desk: Deputy, templates: Environment, page: Page, pages: Sequence[Page], endpoints: Sequence[Endpoint]
) -> Callable[[Request], Any]:
    scope_of = {one.name: one.scope for one in endpoints}

    async def handle(request: Request) -> Response:
        caller = require(request, scope_of[page.needs])
        seq, first = await asyncio.to_thread(_begin, desk, caller, page)
        shown = [one for one in pages if scope_of[one.needs] in caller.scopes]
        name = caller.principal.name or caller.principal.principal_id
        boot = {
            "now": clock.now().isoformat(),
            "seq": seq,
            "csrf": caller.csrf,
            "who": caller.principal.principal_id,
            "name": name,
            "roles": sorted(caller.principal.roles),
            "can": sorted(one for one, scope in scope_of.items() if scope in caller.scopes),
            "pages": [
                {"name": one.name, "label": one.label, "path": one.path, "icon": one.icon, "key": one.key}
                for one in shown
            ],
            "first_rows": FIRST_ROWS,
        }
        told = templates.get_template(page.template).render(
            page=page,
            groups=[(group, [one for one in shown if one.group == group]) for group in _groups(shown)],
            tabs=[one for one in shown if one.short],
            who=name,
            initials="".join(part[0] for part in name.split()[:2]).upper(),
            boot=_embedded(boot),
            first=None if first is None else _embedded(first),
        )
        return HTMLResponse(told, headers={"Cache-Control": "no-store"})

    return handle


def _begin(desk: Deputy, caller: Caller, page: Page) -> tuple[int, Any]:
    """Where news stood before the page's first data was read, and that data: what comes between is told twice, never missed."""
    _, seq = desk.news.bounds()
    return seq, page.first(desk, caller) if page.first is not None else None


def _groups(pages: Sequence[Page]) -> list[str]:
    return list(dict.fromkeys(page.group for page in pages))


def _embedded(value: Any) -> Markup:
    """JSON that can stand inside a script element: nothing in it ends the element or begins a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704
