"""`deputy demo`: the main job, for real, on the local office in a home of its own. Nothing leaves the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.surfaces.cli import options
from orchestrator.surfaces.cli.exitcode import Exit
from orchestrator.surfaces.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType

REQUEST = "Set up a 30 minute call with Dana about her last mail"
FOLDER = "demo"


@click.command()
@click.option("--ask", "decide", is_flag=True, help="Decide on each card yourself instead of approving them all.")
@click.argument("request", nargs=-1)
@options.as_json
@options.session
def command(session: Session, decide: bool, request: tuple[str, ...]) -> int:
    """The main job with no account, no key, no model: a request, the cards it asks with, what it did.

    Give your own REQUEST, or see what happens to a mail of Dana's.
    """
    from rich.text import Text

    from orchestrator import app
    from orchestrator.surfaces.cli.follow import Follower

    stage = _stage(session)
    office = app.office(stage.settings)
    told = office.summary()
    words = " ".join(request) or REQUEST
    intro = Text.assemble(
        ("The local office: ", "bold"),
        f"{told['company']}, {told['people']} made-up people, {told['mails']} mails, {told['events']} events, in one file.\n",
        (f"{office.path}\nFake on purpose: no account, no key, no model; nothing leaves this machine.\n", "dim"),
    )
    stage.output.draw(intro, Text.assemble(("deputy ask ", "dim"), (f'"{words}"', "bold")), Text(""))
    who = stage.who()
    item_id = stage.desk.submit(who, words, options={"approve_all": True} if not decide else {})
    try:
        document, code = Follower(stage, who, item_id, approve_all=not decide).run()
    except KeyboardInterrupt:
        stage.output.note(
            f"\nDetached; the work goes on. Come back with: deputy --home {stage.settings.home} run watch {item_id}"
        )
        return Exit.INTERRUPTED
    if stage.output.as_json:
        stage.output.document(document)
        return code
    from orchestrator.surfaces.cli import view
    from orchestrator.surfaces.cli.commands.office import drawn_diff

    stage.output.draw(
        view.item_tree(document, stage.zone(who)), Text("\nWhat changed in the office so far", style="bold")
    )
    stage.output.draw(drawn_diff(office.diff(), stage.zone(who)), _next(stage, item_id))
    return code


def _stage(session: Session) -> Session:
    """A session in the demo's own home, whatever database, server, office or owner is set elsewhere."""
    home = session.settings.home / FOLDER
    own = {
        "home": home,
        "database_url": f"sqlite:///{home / 'deputy.db'}",
        "office": True,
        "office_path": home / "office.db",
        "url": "",
        "owner": "",
    }
    stage = Session({**session.flags, **own})
    stage.output = session.output
    return stage


def _next(stage: Session, item_id: str) -> RenderableType:
    from rich.text import Text

    at = f"deputy --home {stage.settings.home}"
    lines = [
        ("what each step was decided on", f"{at} run show {item_id}"),
        ("the same trip as a trace", f"{at} run trace {item_id}"),
        ("decide yourself", 'deputy demo --ask "Forward the newest invoice to its approver"'),
        ("your own office to play with", 'deputy init && deputy ask "What is on my calendar today?"'),
    ]
    text = Text("\nNext\n", style="bold")
    for told, line in lines:
        text.append(f"  {line}\n", style="not bold")
        text.append(f"      {told}\n", style="not bold dim")
    return text
