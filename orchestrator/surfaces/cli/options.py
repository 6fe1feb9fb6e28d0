"""Options that many commands share, spelled and explained one way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from orchestrator.surfaces.cli.session import Session

F = TypeVar("F", bound=Callable[..., Any])


def _set_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Session).output.as_json = True


def as_json(command: F) -> F:
    """--json: one document on stdout."""
    return click.option(
        "--json", is_flag=True, expose_value=False, callback=_set_json, help="One JSON document on stdout."
    )(command)


def speaker(command: F) -> F:
    """--as: who speaks."""
    return click.option(
        "--as", "speaker", metavar="PRINCIPAL", help="Speak for this person (address or name) instead of the owner."
    )(command)


def session(command: F) -> F:
    """Passes the call's Session as the first argument."""
    decorated: F = click.make_pass_decorator(Session)(command)  # type: ignore[assignment]  # click widens the signature
    return decorated
