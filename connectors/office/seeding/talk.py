"""Channels and what was said there: chatter, questions with answers, reactions, mentions, decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from connectors import wire
from connectors.office import chat
from connectors.office.context import Context
from connectors.office.seeding import texts
from connectors.office.seeding.letters import fill
from connectors.office.seeding.world import Someone, World


def say(world: World, ctx: Context) -> None:
    everybody = world.staff
    _channel(world, ctx, "general", everybody, "News for everybody", per_week=3)
    _channel(world, ctx, "random", everybody, "Everything else", per_week=4)
    for team in dict.fromkeys(one.team for one in world.staff):
        # INVARIANT: the newcomer is not yet in the channel of the team, so that a welcome has something to do.
        people = [one for one in world.team(team) if one is not world.newcomer]
        name = wire.fold(team).replace(" ", "-")
        others = [world.owner] if team == "Finance" and world.owner not in people else []
        _channel(
            world, ctx, name, [*people, *others], f"{team} team", per_week=6, private=team in ("Leadership", "People")
        )
    for number, project in enumerate(world.projects):
        people = [one for index, one in enumerate(everybody) if (index + number) % 3 == 0 or one is world.owner]
        _channel(
            world, ctx, f"project-{project.lower()}", people, f"Everything about {project}", per_week=5, project=project
        )
    _welcome(world, ctx)


def _channel(
    world: World,
    ctx: Context,
    name: str,
    people: Sequence[Someone],
    purpose: str,
    *,
    per_week: int,
    private: bool = False,
    project: str | None = None,
) -> None:
    channel_id = world.new_id("chn")
    chat.insert_channel(
        ctx, channel_id=channel_id, name=name, people=[one.address for one in people], purpose=purpose, private=private
    )
    speakers = [one for one in people if one is not world.newcomer]
    more = {"project": project} if project else {}
    for _ in range(per_week * world.weeks):
        author = world.pick(speakers)
        at = world.at_work(author, world.past_day())
        text = world.pick(texts.DECISIONS) if world.chance(0.08) else world.pick(texts.CHAT)
        others = [one for one in people if one is not author] or [author]
        reader = world.owner if world.chance(0.2) and author is not world.owner else world.pick(others)
        _talk(
            world,
            ctx,
            channel_id,
            speakers,
            author,
            fill(world, text, me=author, given={"handle": reader.handle} | more),
            at,
        )
    # Every channel has a decision of this week, and one of the week before.
    for days in (2, 9):
        author = world.pick(speakers)
        at = world.at_work(author, world.today - timedelta(days=days))
        _talk(
            world,
            ctx,
            channel_id,
            speakers,
            author,
            fill(world, world.pick(texts.DECISIONS), me=author, given=more),
            at,
        )


def _talk(
    world: World, ctx: Context, channel_id: str, people: Sequence[Someone], author: Someone, text: str, at: datetime
) -> None:
    first = _post(world, ctx, channel_id, author, text, at)
    others = [one for one in people if one is not author]
    if others and world.chance(0.25):
        for _ in range(1 + int(world.dice.random() * 3)):
            writer = world.pick(others)
            at = world.after(at, hours=3, by=writer)
            _post(
                world,
                ctx,
                channel_id,
                writer,
                fill(world, world.pick(texts.CHAT_ANSWERS), me=writer),
                at,
                thread_id=first,
            )
    if others and world.chance(0.3):
        ctx.c.execute(
            "insert or ignore into reactions (message_id, name, address) values (?, ?, ?)",
            (first, world.pick(texts.REACTIONS), world.pick(others).address),
        )


def _post(
    world: World,
    ctx: Context,
    channel_id: str,
    author: Someone,
    text: str,
    at: datetime,
    *,
    thread_id: str | None = None,
) -> str:
    message_id = world.new_id("cm")
    chat.insert(
        ctx,
        message_id=message_id,
        channel_id=channel_id,
        author=author.address,
        text=text,
        sent_at=int(at.timestamp()),
        thread_id=thread_id,
    )
    return message_id


def _welcome(world: World, ctx: Context) -> None:
    """People says who starts; nobody has welcomed them yet. And somebody asks the owner in a channel."""
    general = ctx.c.execute("select channel_id from channels where name = 'general'").fetchone()["channel_id"]
    speaker = world.staff[7]
    new = world.newcomer
    text = f"{new.name} starts on Monday as {new.role.lower()} in {new.team}. Please say hello!"
    _post(world, ctx, general, speaker, text, world.at_work(speaker, world.today - timedelta(days=1)))
    colleague = world.staff[4]
    text = f"@{world.owner.handle} do you have the final numbers for {world.customers[0].company}?"
    _post(world, ctx, general, colleague, text, world.at_work(colleague, world.today - timedelta(days=1)))
