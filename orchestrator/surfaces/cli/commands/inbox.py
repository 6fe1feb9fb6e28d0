"""`deputy inbox`: the cards, and a person's decisions on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from orchestrator.domain.principal import Principal
from orchestrator.errors import Conflict
from orchestrator.surfaces.cli import arguments, options
from orchestrator.surfaces.cli.session import Session

STATES = ("pending", "approved", "denied", "expired", "void", "all")


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Cards that wait for a decision; alone: the list."""
    if context.invoked_subcommand is None:
        context.invoke(ls, state="pending", speaker=None)


@command.command()
@click.option("--state", type=click.Choice(STATES), default="pending", show_default=True)
@options.speaker
@options.as_json
@options.session
def ls(session: Session, state: str, speaker: str | None) -> None:
    """The cards, oldest first."""
    who = session.who(speaker)
    session.keep_going()
    cards = session.desk.approvals(who, state=None if state == "all" else state)
    if session.output.as_json:
        return session.output.document(cards)
    from orchestrator.surfaces.cli import view

    session.output.draw(view.approvals(cards, session.zone(who)))


@command.command()
@click.argument("approval_id")
@options.speaker
@options.as_json
@options.session
def show(session: Session, approval_id: str, speaker: str | None) -> None:
    """One card, whole: arguments, outside people, sources, rule."""
    who = session.who(speaker)
    _show(session, who, session.desk.approval(who, approval_id))


@command.command()
@click.argument("approval_ids", nargs=-1, required=True)
@click.option("--digest", help="Approve only if the card still has this digest.")
@click.option("--reason", help="Kept with the decision.")
@options.speaker
@options.as_json
@options.session
def approve(
    session: Session, approval_ids: Sequence[str], digest: str | None, reason: str | None, speaker: str | None
) -> None:
    """Let exactly what the cards say happen, once."""
    _decide_each(session, approval_ids, "approve", digest=digest, reason=reason, speaker=speaker)


@command.command()
@click.argument("approval_ids", nargs=-1, required=True)
@click.option("--digest", help="Deny only if the card still has this digest.")
@click.option("--reason", help="Kept with the decision, and told to the requester.")
@options.speaker
@options.as_json
@options.session
def deny(
    session: Session, approval_ids: Sequence[str], digest: str | None, reason: str | None, speaker: str | None
) -> None:
    """Do not let it happen."""
    _decide_each(session, approval_ids, "deny", digest=digest, reason=reason, speaker=speaker)


@command.command()
@click.argument("approval_id")
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE…")
@click.option("--digest", help="Edit only if the card still has this digest.")
@options.speaker
@options.as_json
@options.session
def edit(session: Session, approval_id: str, changes: Sequence[str], digest: str | None, speaker: str | None) -> None:
    """Change arguments; policy decides again, and a new card follows where it asks."""
    who = session.who(speaker)
    card = session.desk.approval(who, approval_id)
    _check_digest(card, digest)
    changed = arguments.changed_arguments(card["args"], changes)
    decided = session.desk.decide(who, approval_id, "edit", digest=card["digest"], args=changed)
    session.keep_going()
    if session.output.as_json:
        return session.output.document(decided)
    from rich.text import Text

    session.output.draw(
        Text.assemble(
            (approval_id, "bold"), "  changed; a new card follows where policy asks: ", ("deputy inbox ls", "dim")
        )
    )


def _decide_each(
    session: Session,
    approval_ids: Sequence[str],
    verdict: str,
    *,
    digest: str | None,
    reason: str | None,
    speaker: str | None,
) -> None:
    """Decides one after the other; a refusal stops there, and says so after what was decided before it."""
    who = session.who(speaker)
    cards = [session.desk.approval(who, approval_id) for approval_id in approval_ids]
    decided = []
    try:
        for card in cards:
            _check_digest(card, digest)
            decided.append(session.desk.decide(who, card["approval_id"], verdict, digest=card["digest"], reason=reason))
    finally:
        if decided:
            session.keep_going()
            if not session.output.as_json:
                _say_decided(session, decided)
    session.output.document(decided[0] if len(decided) == 1 else decided)


def _say_decided(session: Session, decided: Sequence[dict[str, Any]]) -> None:
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    for card in decided:
        state = card["state"]
        line = Text.assemble(
            (card["approval_id"], "bold"),
            "  ",
            (state, view.STATE_STYLE.get(state, "")),
            f"  {card['card'].get('title', '')}",
        )
        if state == "pending":
            line.append(f"  {len(card['decided_by'])} of {card['needed']} approvals", style="dim")
        line.append(f"  deputy run watch {card['item_id']}", style="dim")
        session.output.draw(line)


def _check_digest(card: dict[str, Any], digest: str | None) -> None:
    if digest is not None and digest != card["digest"]:
        raise Conflict(
            f"{card['approval_id']} is about other arguments by now",
            fix=f"look again: deputy inbox show {card['approval_id']}",
        )


def _show(session: Session, who: Principal, card: dict[str, Any]) -> None:
    if session.output.as_json:
        return session.output.document(card)
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    session.output.draw(
        Text(f"“{card.get('request') or card['card'].get('request', '')}”  ({card.get('requester', '')})", style="dim")
    )
    session.output.draw(view.card(card, session.zone(who)))
    session.output.draw(
        Text(
            f"  {card['state']} · who may decide: {', '.join(card['eligible'])} · needed: {card['needed']}", style="dim"
        )
    )
    if card.get("reason"):
        session.output.draw(Text(f"  reason: {card['reason']}", style="dim"))
