"""Six months of mail: talk among colleagues and with customers, invoices, newsletters, and what nobody answered yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from connectors.office import mail_effects
from connectors.office.context import Context
from connectors.office.mail_effects import Letter
from connectors.office.seeding import names, texts
from connectors.office.seeding.world import Someone, World

ANSWERED_WITHIN_H = 20.0


def fill(
    world: World, text: str, *, me: Someone, to: Someone | None = None, given: Mapping[str, str] | None = None
) -> str:
    """A text with its braces filled: from `given`, else drawn."""
    values: dict[str, Any] = {
        "me": me.name if not me.inside or (to is not None and not to.inside) else me.first,
        "to": to.first if to is not None else "all",
        "company": me.company or (to.company if to is not None else "") or world.company,
        "project": world.pick(world.projects),
        "customer": world.pick(world.customers).company,
        "other": world.pick(world.staff).first,
        "handle": world.pick(world.staff).handle,
        "day": world.pick(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")),
        "count": str(12 + int(world.dice.random() * 180)),
        "amount": f"{900 + int(world.dice.random() * 180) * 50:,}",
    } | dict(given or {})
    return text.format_map(values)


def write(world: World, ctx: Context) -> None:
    for _ in range(round(len(world.staff) * world.weeks * 0.55)):
        _colleagues(world, ctx)
    for _ in range(round(len(world.customers) * world.weeks * 0.5)):
        _customer(world, ctx)
    for supplier in world.suppliers:
        _invoices(world, ctx, supplier)
    _newsletters(world, ctx)
    for someone in world.staff:
        if world.weeks >= 4 or someone is world.owner:
            _automated(world, ctx, someone)
    _waiting_on_owner(world, ctx)
    _waiting_on_others(world, ctx)
    _notes(world, ctx)
    _ask_to_talk(world, ctx)
    _mark_read(world, ctx)


def deliver(
    world: World,
    ctx: Context,
    *,
    author: Someone,
    to: Sequence[Someone],
    subject: str,
    body: str,
    at: datetime,
    cc: Sequence[Someone] = (),
    after: Letter | None = None,
    attachments: Sequence[tuple[str, str, str]] = (),
) -> Letter:
    letter = Letter(
        message_id=world.new_id("msg"),
        thread_id=after.thread_id if after else world.new_id("thr"),
        author=author.address,
        author_name=author.name,
        to=[one.address for one in to],
        cc=[one.address for one in cc],
        subject=subject,
        body=body,
        sent_at=int(at.timestamp()),
        in_reply_to=after.message_id if after else None,
        attachments=[(name, mime, 20_000 + 37 * len(text), text) for name, mime, text in attachments],
    )
    mail_effects.deliver(ctx, letter)
    return letter


def _exchange(
    world: World,
    ctx: Context,
    text: tuple[str, str, Sequence[str]],
    *,
    author: Someone,
    to: Someone,
    cc: Sequence[Someone] = (),
    length: int | None = None,
) -> None:
    """A thread going back and forth. `length`: how many answers; default all that fit before now."""
    subject, opening, answers = text
    shared = _shared(world, author, to)
    subject = fill(world, subject, me=author, to=to, given=shared)
    at = world.at_work(author, world.past_day())
    letter = deliver(
        world,
        ctx,
        author=author,
        to=[to],
        cc=cc,
        at=at,
        subject=subject,
        body=fill(world, opening, me=author, to=to, given=shared),
    )
    writer, reader = to, author
    for answer in answers[:length]:
        at = world.after(at, hours=ANSWERED_WITHIN_H, by=writer)
        if world.now - at < timedelta(minutes=30):
            return
        letter = deliver(
            world,
            ctx,
            author=writer,
            to=[reader],
            cc=cc,
            at=at,
            subject=f"Re: {subject}",
            body=fill(world, answer, me=writer, to=reader, given=shared),
            after=letter,
        )
        writer, reader = reader, writer
    if world.owner in (author, to) and world.chance(0.9):
        counterpart = author if to is world.owner else to
        _close(world, ctx, letter, counterpart, world.after(at, hours=ANSWERED_WITHIN_H, by=counterpart))


def _close(world: World, ctx: Context, letter: Letter, counterpart: Someone, at: datetime) -> None:
    """Passes a thread on to a third person, so that most of the owner's threads wait on nobody."""
    others = [one for one in world.staff if one not in (world.owner, world.asker, counterpart)]
    other = world.pick(others)
    deliver(
        world,
        ctx,
        author=counterpart,
        to=[other],
        cc=[world.owner],
        at=at,
        subject=letter.subject if letter.subject.startswith("Re: ") else f"Re: {letter.subject}",
        body=fill(world, texts.CLOSING, me=counterpart, to=other, given={"other": world.owner.first}),
        after=letter,
    )


def _shared(world: World, *people: Someone) -> Mapping[str, str]:
    outside = next((one for one in people if not one.inside), None)
    return {
        "project": world.pick(world.projects),
        "customer": outside.company if outside else world.pick(world.customers).company,
        "day": world.pick(("Monday", "Tuesday", "Wednesday", "Thursday")),
    }


def _colleagues(world: World, ctx: Context) -> None:
    author = world.pick(world.staff)
    others = [one for one in world.team(author.team) if one is not author]
    if len(others) < 1 or world.chance(0.4):
        others = [one for one in world.staff if one is not author]
    to = world.pick(others)
    if world.asker in (author, to) and world.owner in (author, to):
        return  # their one open thread is written apart, so that it is the newest
    cc = [one for one in others if one is not to and world.chance(0.15)][:3]
    if world.asker in (author, to):
        cc = [one for one in cc if one is not world.owner]
    _exchange(world, ctx, world.pick(texts.COLLEAGUES), author=author, to=to, cc=cc)


def _customer(world: World, ctx: Context) -> None:
    contact = world.pick(world.customers)
    keepers = [one for one in world.staff if one.team in ("Sales", "Customer Success")]
    # A customer mostly writes to the same colleague.
    keeper = keepers[world.customers.index(contact) % len(keepers)] if world.chance(0.8) else world.owner
    cc = [world.asker] if world.chance(0.1) and keeper is not world.asker else []
    _exchange(world, ctx, world.pick(texts.CUSTOMERS), author=contact, to=keeper, cc=cc)


def _invoices(world: World, ctx: Context, supplier: Someone) -> None:
    """Monthly, to the approver; the newest of the first supplier went to the owner by mistake, and waits to be passed on."""
    months = max(1, world.weeks // 4)
    for number in range(months):
        is_newest = number == months - 1
        to = world.owner if is_newest and supplier is world.suppliers[0] else world.approver
        day = world.today - timedelta(days=2 + 28 * (months - 1 - number))
        invoice = f"{world.today.year}-{1000 + int(world.dice.random() * 9000)}"
        amount = f"{200 + int(world.dice.random() * 90) * 20:,}.00"
        subject, body = (
            fill(world, one, me=supplier, to=to, given={"number": invoice, "amount": amount}) for one in texts.INVOICE
        )
        text = f"INVOICE {invoice}\n{supplier.company}\nTo: {world.company}\nTotal: {amount} EUR\nDue in 30 days"
        deliver(
            world,
            ctx,
            author=supplier,
            to=[to],
            subject=subject,
            body=body,
            at=world.at_work(supplier, day),
            attachments=[(f"invoice-{invoice}.pdf", "application/pdf", text)],
        )


def _newsletters(world: World, ctx: Context) -> None:
    for name, address, title in names.NEWSLETTERS:
        readers = [one.address for one in world.staff if one is world.owner or world.chance(0.4)]
        for week in range(world.weeks):
            at = world.now - timedelta(weeks=week, days=1 + int(world.dice.random() * 3), hours=3)
            for_readers = readers if world.chance(0.9) else readers[:1]
            _machine(
                world,
                ctx,
                name,
                address,
                for_readers,
                title,
                texts.NEWSLETTER_BODY.format(title=title),
                at,
                "newsletter",
            )


def _automated(world: World, ctx: Context, someone: Someone) -> None:
    for name, subject, body in texts.AUTOMATED:
        for _ in range(max(1, world.weeks // 8)):
            at = world.at_work(someone, world.past_day())
            address = f"no-reply@{world.domain}"
            subject_, body_ = (fill(world, subject, me=someone), fill(world, body, me=someone))
            _machine(world, ctx, name, address, [someone.address], subject_, body_, at, "automated")


def _machine(
    world: World,
    ctx: Context,
    name: str,
    address: str,
    readers: Sequence[str],
    subject: str,
    body: str,
    at: datetime,
    kind: str,
) -> None:
    mail_effects.deliver(
        ctx,
        Letter(
            message_id=world.new_id("msg"),
            thread_id=world.new_id("thr"),
            author=address,
            author_name=name,
            to=list(readers),
            subject=subject,
            body=body,
            sent_at=int(at.timestamp()),
            kind=kind,
        ),
    )


def _waiting_on_owner(world: World, ctx: Context) -> None:
    colleagues = [one for one in world.staff if one not in (world.owner, world.asker)]
    for number, (teams, subject, body) in enumerate(texts.WAITING_ON_ME):
        fitting = [one for one in colleagues if one.team in teams] or colleagues
        author = fitting[number % len(fitting)]
        shared = _shared(world, author)
        at = world.at_work(author, world.today - timedelta(days=2 + 2 * number))
        deliver(
            world,
            ctx,
            author=author,
            to=[world.owner],
            at=at,
            subject=fill(world, subject, me=author, to=world.owner, given=shared),
            body=fill(world, body, me=author, to=world.owner, given=shared),
        )


def _waiting_on_others(world: World, ctx: Context) -> None:
    """Four to nine days old, so that "nobody answered for three days" finds them."""
    readers = [*world.customers[:3], world.approver]
    for number, (to, (subject, body)) in enumerate(zip(readers, texts.WAITING_ON_THEM, strict=False)):
        shared = _shared(world, to)
        at = world.at_work(world.owner, world.today - timedelta(days=4 + 2 * number))
        deliver(
            world,
            ctx,
            author=world.owner,
            to=[to],
            at=at,
            subject=fill(world, subject, me=world.owner, to=to, given=shared),
            body=fill(world, body, me=world.owner, to=to, given=shared),
        )


def _ask_to_talk(world: World, ctx: Context) -> None:
    subject, body = texts.ASKS_TO_TALK
    shared = _shared(world, world.asker)
    at = world.at_work(world.asker, world.today - timedelta(days=1))
    deliver(
        world,
        ctx,
        author=world.asker,
        to=[world.owner],
        at=at,
        subject=fill(world, subject, me=world.asker, to=world.owner, given=shared),
        body=fill(world, body, me=world.asker, to=world.owner, given=shared),
    )


def _notes(world: World, ctx: Context) -> None:
    """Somebody's notes of this week, for the owner's information."""
    subject, body, _ = texts.NOTES_MAIL
    author = world.staff[6]
    others = [one for one in world.staff[2:] if one is not author][:3]
    shared = _shared(world, author)
    deliver(
        world,
        ctx,
        author=author,
        to=others,
        cc=[world.owner],
        at=world.at_work(author, world.today - timedelta(days=2)),
        subject=fill(world, subject, me=author, given=shared),
        body=fill(world, body, me=author, given=shared),
    )


def _mark_read(world: World, ctx: Context) -> None:
    """Read is what is older than four days (so that a Monday still has Friday's mail unread), or answered."""
    edge = int((world.now - timedelta(days=4)).timestamp())
    ctx.c.execute("update mailbox set unread = 0 where unread = 1 and sent_at < ?", (edge,))
    ctx.c.execute(
        "update mailbox set unread = 0 where unread = 1 and exists (select 1 from mailbox l where l.address = mailbox.address"
        " and l.thread_id = mailbox.thread_id and l.folder = 'sent' and l.sent_at > mailbox.sent_at)"
    )
    ctx.c.execute(
        "update mailbox set labels = '[\"important\"]' where unread = 1 and folder = 'inbox'"
        " and seq in (select seq from mails where author = ?)",
        (world.staff[2].address,),
    )
