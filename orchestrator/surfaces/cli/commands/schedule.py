"""`deputy schedule`: standing orders by the clock. Your own words are asked again at times of your choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.session import Session
from orchestrator.surfaces.cli.times import shown

if TYPE_CHECKING:
    from orchestrator.surfaces.cli.view import Row

NONE = "none"
_THINKING = ("budget", "agent", "workflow", "inputs")


def waiting(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what becomes of what a run asks while nobody answers."""
    for option in (
        click.option("--answer", metavar="CHOICE", help="What --then default answers, where a question offers it."),
        click.option("--then", type=click.Choice(["deny", "default"]),
                     help="Then: no (usual), or the answer named for questions. Cards are denied either way."),
        click.option("--unattended-until", "until", metavar="WHEN",
                     help="Its cards and questions wait until then: 2h30m, or 10:00 in its zone; default: their own."),
    ):  # fmt: skip
        verb = option(verb)
    return verb


@click.group()
def command() -> None:
    """Standing orders by the clock: what you ask at set times.

    A worker that stays (deputy worker, deputy serve) asks in time; one that comes late makes up for it as you said.
    """


@command.command()
@click.argument("name")
@click.option("--when", required=True, metavar="RULE", help='"weekdays 07:30 Europe/Lisbon", cron, or RRULE.')
@click.option("--ask", "request", default="", metavar="TEXT", help="What is asked, in your words.")
@click.option("--digest", "is_digest", is_flag=True, help="No request: your digest of what schedules did.")
@click.option("--missed", type=click.Choice(["skip", "run-latest", "run-all"]), default="run-latest", show_default=True,
              help="Times at which nobody was working.")  # fmt: skip
@click.option("--overlap", type=click.Choice(["skip", "queue", "replace"]), default="skip", show_default=True,
              help="A time at which the run before is still at work.")  # fmt: skip
@click.option("--grace", default="10m", show_default=True, metavar="SPAN", help="Later than this counts as missed.")
@click.option("--asks-wait", metavar="SPAN", help="The same as --unattended-until SPAN --then deny.")
@waiting
@click.option("--expect", "expects", multiple=True, metavar="CHECK", help="e.g. effects>=1, state=done, text~invoice.")
@click.option("--budget", metavar="NAME=N,…", help="Of each run, e.g. calls=20,usd=0.50.")
@click.option("--agent", metavar="NAME", help="A predefined agent does it.")
@click.option("--workflow", metavar="NAME", help="This workflow does it.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="For the workflow.")
@click.option("--priority", type=int, default=100, show_default=True)
@options.speaker
@options.as_json
@options.session
def add(
    session: Session,
    name: str,
    when: str,
    request: str,
    is_digest: bool,
    missed: str,
    overlap: str,
    grace: str,
    asks_wait: str | None,
    until: str | None,
    then: str | None,
    answer: str | None,
    expects: Sequence[str],
    budget: str | None,
    agent: str | None,
    workflow: str | None,
    inputs: Sequence[str],
    priority: int,
    speaker: str | None,
) -> None:
    """Add one. Times are on the wall of the zone that is named, else of your own, across every change of the clocks.

    What would ask you still asks you: there is no --yes for times to come.
    """
    from orchestrator.surfaces.cli.commands.ask import check_names, thinking, wishes

    given = wishes(workflow=workflow, no_match=False, inputs=inputs, approve_all=False)
    given |= thinking(agent=agent, agents=None, model=None, plan=False, budget=budget)
    check_names(session, given)
    made = session.desk.schedules.add(
        session.who(speaker),
        name,
        when=when,
        request=request,
        kind="digest" if is_digest else "ask",
        options=given,
        priority=priority,
        missed=missed,
        overlap=overlap,
        grace=_span(grace),
        asks_wait=_span(asks_wait) if asks_wait is not None else None,
        unattended=_unattended(until, then, answer),
        expects=expects,
    )
    _told(session, made, speaker)
    if _nobody_stays(session):
        session.output.note("Nobody works right now: it comes in time while `deputy worker` or `deputy serve` runs.")


@command.command()
@click.argument("name")
@click.option("--when", metavar="RULE", help="A new rule; times count from now.")
@click.option("--ask", "request", metavar="TEXT", help="What is asked, in your words.")
@click.option("--missed", type=click.Choice(["skip", "run-latest", "run-all"]))
@click.option("--overlap", type=click.Choice(["skip", "queue", "replace"]))
@click.option("--grace", metavar="SPAN", help="Later than this counts as missed.")
@waiting
@click.option("--expect", "expects", multiple=True, metavar="CHECK", help="In place of all there were; none: no check.")
@click.option("--budget", metavar="NAME=N,…", help="Of each run; none: the usual one.")
@click.option("--agent", metavar="NAME", help="A predefined agent does it; none: nobody is named.")
@click.option("--workflow", metavar="NAME", help="This workflow does it; none: what fits.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="For the workflow.")
@click.option("--priority", type=int)
@options.speaker
@options.as_json
@options.session
def edit(
    session: Session,
    name: str,
    until: str | None,
    then: str | None,
    answer: str | None,
    grace: str | None,
    expects: Sequence[str],
    speaker: str | None,
    **given: Any,
) -> None:
    """Change what is named; the rest stays. `none` takes a limit, a check or a wait away."""
    who, room = session.who(speaker), session.desk.schedules
    known = room.one(who, name, limit=1)
    thought = _options(session, known["options"], {part: given.pop(part) for part in _THINKING})
    changed = {part: value for part, value in given.items() if value is not None}
    if thought != known["options"]:
        changed["options"] = thought
    if grace is not None:
        changed["grace"] = _span(grace)
    if expects:
        changed["expects"] = [] if expects == (NONE,) else list(expects)
    if until == NONE:
        changed["unattended"] = None
    elif until or then or answer:
        wait = known["unattended"] or {}
        stays = answer or (None if then == "deny" else wait.get("answer"))
        changed["unattended"] = _unattended(until or wait.get("until"), then or wait.get("then"), stays)
    if not changed:
        raise click.UsageError("nothing to change was named: see deputy schedule edit --help")
    _told(session, room.update(who, known["schedule_id"], **changed), speaker)


@command.command()
@options.speaker
@options.as_json
@options.session
def ls(session: Session, speaker: str | None) -> None:
    """Yours: when each comes next, and what became of it last."""
    who = session.who(speaker)
    found = session.desk.schedules.all(who)
    if session.output.as_json:
        return session.output.document({"schedules": found})
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    zone = session.zone(who)
    rows: list[Row] = []
    for one in found:
        last = one["firings"][0] if one["firings"] else None
        was = f"{last['state']} {shown(last['at'], zone)}" if last else "–"
        asks = view.one_line(one["request"], 50)
        rows.append(
            [Text(one["name"], style="bold"), one["state"], one["rule"], shown(one["next_at"], zone), was, asks]
        )
    empty = 'None. Try: deputy schedule add morning --when "weekdays 07:30" --ask "what is on my calendar today"'
    session.output.draw(view.table(["name", "state", "when", "next", "last", "asks"], rows, empty=empty))
    return None


@command.command()
@click.argument("name")
@options.speaker
@options.as_json
@options.session
def show(session: Session, name: str, speaker: str | None) -> None:
    """One of yours with its latest times, and what became of each."""
    from orchestrator.surfaces.cli import view

    who = session.who(speaker)
    one = session.desk.schedules.one(who, name)
    zone = session.zone(who)
    rows: list[Row] = [
        [shown(time["at"], zone), time["state"], time["item_id"] or "–", view.one_line(time["why"], 80)]
        for time in one["firings"]
    ]
    session.output.answer(
        one,
        _facts(one, zone),
        view.table(["came", "state", "item", "why"], rows, empty="It has not come yet."),
    )


@command.command()
@click.argument("when_or_name", required=False, metavar="[RULE|NAME]")
@click.option("--next", "count", type=int, default=5, show_default=True, help="How many times.")
@click.option("--after", metavar="TIME", help="From then on; default: now.")
@options.speaker
@options.as_json
@options.session
def preview(session: Session, when_or_name: str | None, count: int, after: str | None, speaker: str | None) -> None:
    """The next times of a schedule, of a rule before you use it, or of all of yours; across every change of the clocks."""
    from rich.text import Text

    from orchestrator.surfaces.cli import view

    who = session.who(speaker)
    start = session.moment(after, who)
    room = session.desk.schedules
    if when_or_name is not None:
        found = room.preview(who, when_or_name, count=count, after=start)
        parts = [Text(found["rule"], style="bold")]
        parts += [Text(f"  {_wall(one)}{'  ' + one['note'] if one['note'] else ''}") for one in found["next"]]
        return session.output.answer(found, *parts)
    every = [
        {"schedule": one["name"], **time}
        for one in room.all(who)
        if one["state"] == "active"
        for time in room.preview(who, one["schedule_id"], count=count, after=start)["next"]
    ]
    first = sorted(every, key=lambda one: (one["at"], one["schedule"]))[:count]
    rows: list[Row] = [[one["schedule"], _wall(one), one["note"]] for one in first]
    session.output.answer({"next": first}, view.table(["schedule", "when", ""], rows, empty="Nothing is to come."))
    return None


@command.command()
@click.argument("name")
@options.speaker
@options.as_json
@options.session
def run(session: Session, name: str, speaker: str | None) -> None:
    """One run now, beside its times."""
    from orchestrator.surfaces.cli import view

    who = session.who(speaker)
    fired = session.desk.schedules.fire_now(who, name)
    session.keep_going()
    session.output.answer(
        fired, view.facts([("schedule", fired["name"]), ("state", fired["state"]), ("item", fired["item_id"] or "–")])
    )


@command.command()
@click.argument("name")
@options.speaker
@options.as_json
@options.session
def rm(session: Session, name: str, speaker: str | None) -> None:
    """Take one back, with its history. What it has asked for goes on."""
    _told(session, session.desk.schedules.change(session.who(speaker), name, "remove"), speaker, "taken back")


@command.command()
@click.argument("name")
@options.speaker
@options.as_json
@options.session
def pause(session: Session, name: str, speaker: str | None) -> None:
    """It does not come until it is resumed; times that pass meanwhile are not missed."""
    _told(session, session.desk.schedules.change(session.who(speaker), name, "pause"), speaker)


@command.command()
@click.argument("name")
@options.speaker
@options.as_json
@options.session
def resume(session: Session, name: str, speaker: str | None) -> None:
    """Let it come again, from now on."""
    _told(session, session.desk.schedules.change(session.who(speaker), name, "resume"), speaker)


@command.command()
@click.option("--since", metavar="TIME", help="From then on, e.g. 'mon 9:00'; default: the last day.")
@options.speaker
@options.as_json
@options.session
def digest(session: Session, since: str | None, speaker: str | None) -> None:
    """What your schedules did without you: done, waiting, failed, and what to approve, each by its id."""
    from rich.text import Text

    who = session.who(speaker)
    start = _since(session, since, who) if since is not None else None
    found = session.desk.schedules.digest(who, start)
    session.output.answer(found, Text(found["text"]))


def _nobody_stays(session: Session) -> bool:
    """Of a local file only: whoever shares a server has workers of their own."""
    from pathlib import Path

    from orchestrator.engine import hosts, prestart

    file = session.settings.store_url.partition("sqlite:///")[2]
    return bool(file) and hosts.is_free(Path(file).with_name(prestart.LOCK_NAME))


def _since(session: Session, text: str, who: Any) -> datetime:
    """A time that has passed: "mon 9:00" is the last Monday, "2d" two days ago."""
    from orchestrator import clock

    now = clock.now()
    found = session.moment(text, who)
    assert found is not None
    if found <= now:
        return found
    ahead = found - now
    return now - ahead if text.strip()[:1].isdigit() or text.strip().startswith("in ") else found - timedelta(days=7)


def _span(text: str) -> timedelta:
    from orchestrator.domain import unattended

    return unattended.span(text)


def _unattended(until: str | None, then: str | None, answer: str | None) -> dict[str, Any] | None:
    if until is None and (then or answer):
        raise click.UsageError("--then and --answer say what comes after a wait: add --unattended-until")
    return None if until is None else {"until": until, "then": then or "deny", "answer": answer}


def _options(session: Session, known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Who does it, with what, within which limits: as it was, but for what is given."""
    from orchestrator.surfaces.cli.commands.ask import check_names, thinking, wishes

    inputs = given["inputs"]
    said = {part: value for part, value in given.items() if value not in (None, NONE, ())}
    fresh = wishes(workflow=said.get("workflow"), no_match=False, inputs=inputs, approve_all=False)
    fresh |= thinking(agent=said.get("agent"), agents=None, model=None, plan=False, budget=said.get("budget"))
    kept = {part: value for part, value in known.items() if given.get(part) != NONE}
    made = {**kept, **fresh}
    if (name := made.get("workflow")) is None:
        made = {part: value for part, value in made.items() if part != "input" or inputs}
    elif "workflow" in fresh or inputs:
        fresh |= {"workflow": name, "input": made.get("input", {})}
    check_names(session, fresh)
    return made


def _wall(one: Mapping[str, Any]) -> str:
    return f"{datetime.fromisoformat(one['local']):%a %-d %b %Y %H:%M} {one['offset']}"


def _told(session: Session, one: Mapping[str, Any], speaker: str | None, state: str | None = None) -> None:
    zone = session.zone(session.who(speaker))
    session.output.answer(one, _facts({**one, **({"state": state} if state else {})}, zone))


def _wait(wait: Mapping[str, Any] | None) -> str:
    if wait is None:
        return "what it asks waits as long as each does by itself"
    if wait["then"] == "deny":
        return f"until {wait['until']}, then no"
    return f"until {wait['until']}; then “{wait['answer']}” answers a question that offers it, and a card is denied"


def _facts(one: Mapping[str, Any], zone: str) -> Any:
    from orchestrator.surfaces.cli import budgets, view

    given = one["options"].get("budget") or {}
    limits = [f"{name}={given[kept] / unit:g}" for name, (kept, unit, _) in budgets.LIMITS.items() if kept in given]
    return view.facts(
        [
            ("schedule", one["name"]),
            ("state", one["state"]),
            ("when", one["rule"]),
            ("next", shown(one["next_at"], zone)),
            ("asks", one["request"]),
            ("missed", one["missed"]),
            ("overlap", one["overlap"]),
            ("unattended", _wait(one["unattended"])),
            ("expects", " and ".join(one["expects"]) or "that it is done"),
            ("budget", ", ".join(limits) or "the usual one"),
            ("as", one["owner"]),
        ]
    )
