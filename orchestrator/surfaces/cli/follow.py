"""Following an item to a resting state: looks at its tree, keeps a worker going, shows cards and puts the person's answers in.

Ctrl-C ends the following, never the work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from orchestrator import clock
from orchestrator.domain.principal import Principal
from orchestrator.errors import Conflict, DeputyError, NotEligible, UsageError
from orchestrator.surfaces.cli.arguments import changed_arguments
from orchestrator.surfaces.cli.exitcode import Exit, of_item
from orchestrator.surfaces.cli.scene import FINAL, Scene
from orchestrator.surfaces.cli.session import Session

POLL_S = 0.08  # a look is one read transaction; a person does not notice this delay


class Follower:
    """One following of one item and whatever hangs under it.

    `approve_all`: the local owner approves each card as it comes, cards still shown. `tell`: each step of the agents is
    told on a terminal too, where otherwise only the tree stands; without a terminal it always is, on stderr.
    """

    def __init__(
        self, session: Session, who: Principal, item_id: str, *, approve_all: bool, tell: bool = False
    ) -> None:
        self._session = session
        self._desk = session.desk
        self._who = who
        self._item_id = item_id
        self._approve_all = approve_all
        self._zone = session.zone(who)
        self._tell = tell
        self.scene = Scene()
        self._passed: set[str] = set()  # cards decided here, or left for later by the person
        self._asked: set[str] = set()  # questions left for later

    def run(self) -> tuple[dict[str, Any], Exit]:
        """The document at rest, and the exit code that says why it rests."""
        while True:
            document, code = self._until_rest()
            if code is not None and not self._needs_person(document):
                return document, code
            self._serve(document)

    def _until_rest(self) -> tuple[dict[str, Any], Exit | None]:
        """The document, and why it rests; None where a card or question can be served while the rest of the tree goes on."""
        with self._live() as show:
            while True:
                self._session.keep_going()
                told = self._desk.watch(self._who, self._item_id, self.scene.seen)
                show(self.scene.take(told))
                document: dict[str, Any] = told["item"]
                code = of_item(document, clock.now())
                if code is not None and (document["state"] in FINAL or not self.scene.is_moving):
                    return document, code
                if self._needs_person(document):
                    return document, None
                time.sleep(POLL_S)

    def _needs_person(self, document: Mapping[str, Any]) -> bool:
        return bool(self._open_cards(document)) or (
            self._session.output.is_terminal and bool(self._open_questions(document))
        )

    def _open_cards(self, document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        if not (self._approve_all or self._session.output.is_terminal):
            return []
        return [
            approval
            for approval in document["approvals"]
            if approval["state"] == "pending" and approval["approval_id"] not in self._passed and self._waits(approval)
        ]

    def _open_questions(self, document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        open_questions = document.get("questions") or ()
        return [q for q in open_questions if q["question_id"] not in self._asked and self._waits(q)]

    def _waits(self, entry: Mapping[str, Any]) -> bool:
        """Whether the item that asks has come to rest: until then it may ask for more, or take it back."""
        return self.scene.state_of(entry["item_id"]) == "waiting"

    def _serve(self, document: Mapping[str, Any]) -> None:
        """Shows what waits and takes answers, one after the other."""
        from orchestrator.surfaces.cli import view

        for approval in self._open_cards(document):
            if self._desk.approval(self._who, approval["approval_id"])["state"] != "pending":
                continue  # decided elsewhere, or void, while the person looked at the one before
            self._passed.add(approval["approval_id"])
            self._session.output.draw(view.card(approval, self._zone))
            if self._approve_all:
                self._approve_as_owner(approval)
            elif self._ask_about(approval) in ("d", "e"):
                return  # the run goes another way now: look again which cards still stand
        if self._session.output.is_terminal:
            for question in self._open_questions(document):
                self._asked.add(question["question_id"])
                self._ask_question(question)

    def _approve_as_owner(self, approval: Mapping[str, Any]) -> None:
        owner = self._session.who(None)
        try:
            self._desk.decide(owner, approval["approval_id"], "approve", digest=approval["digest"])
            self._say(f"  approved by {owner.name} (--yes)", "green")
        except (Conflict, NotEligible) as error:
            self._say(f"  not approved: {error.message}", "yellow")

    def _ask_about(self, approval: Mapping[str, Any]) -> str:
        """The key that settled it: a, d, e or l; a refusal is told, and counts as l."""
        while True:
            self._say("  [a]pprove  [e]dit  [d]eny  [w]hy  [l]ater", "bold")
            key = click.getchar().lower()
            try:
                if key == "a":
                    self._desk.decide(self._who, approval["approval_id"], "approve", digest=approval["digest"])
                    self._say("  approved", "green")
                elif key == "d":
                    reason = click.prompt("  reason (may be empty)", default="", show_default=False)
                    self._desk.decide(
                        self._who, approval["approval_id"], "deny", digest=approval["digest"], reason=reason or None
                    )
                    self._say("  denied", "red")
                elif key == "e":
                    if not self._edit(approval):
                        continue
                elif key == "w":
                    self._why(approval)
                    continue
                elif key != "l":
                    continue
            except DeputyError as error:
                self._say(f"  {error.message}" + (f" ({error.fix})" if error.fix else ""), "yellow")
                return "l"
            return key

    def _edit(self, approval: Mapping[str, Any]) -> bool:
        args = self._desk.approval(self._who, approval["approval_id"])["args"]
        pairs = []
        while pair := click.prompt("  NAME=VALUE (empty to finish)", default="", show_default=False):
            pairs.append(pair)
        if not pairs:
            return False
        try:
            changed = changed_arguments(args, pairs)
        except UsageError as error:
            self._say(f"  {error.message} ({error.fix})", "yellow")
            return False
        self._desk.decide(self._who, approval["approval_id"], "edit", digest=approval["digest"], args=changed)
        self._say("  changed; a new card follows", "green")
        return True

    def _why(self, approval: Mapping[str, Any]) -> None:
        from orchestrator.surfaces.cli import view

        self._session.output.draw(view.why(self._desk.why(self._who, approval["effect_id"])))

    def _ask_question(self, question: Mapping[str, Any]) -> None:
        from orchestrator.surfaces.cli import view

        self._session.output.draw(view.question_text(question))
        while answer := click.prompt("  answer (empty: later)", default="", show_default=False):
            try:
                self._desk.answer(self._who, question["item_id"], answer, question_id=question["question_id"])
                return
            except UsageError as error:
                self._say(f"  {error.message} ({error.fix})", "yellow")

    def _say(self, text: str, style: str) -> None:
        from rich.text import Text

        self._session.output.draw(Text(text, style=style))

    def _live(self) -> AbstractContextManager[Callable[[Sequence[str]], None]]:
        if not self._session.output.is_terminal:
            return nullcontext(self._note)
        return _LiveTree(self._session, self.scene, self._zone, tell=self._tell)

    def _note(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._session.output.note(line)


class _LiveTree(AbstractContextManager[Callable[[Sequence[str]], None]]):
    """The tree, redrawn in place while something in it moves, and gone when it rests."""

    def __init__(self, session: Session, scene: Scene, zone: str, *, tell: bool) -> None:
        from rich.live import Live

        self._scene, self._zone, self._tell = scene, zone, tell
        self._last: Any = None
        self._live = Live(console=session.output.console, transient=True, auto_refresh=False)

    def __enter__(self) -> Callable[[Sequence[str]], None]:
        self._live.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _show(self, lines: Sequence[str]) -> None:
        from rich.text import Text

        from orchestrator.surfaces.cli import agent_view, view

        for line in lines if self._tell else ():
            self._live.console.print(Text(line, style="dim"))
        now = (self._scene.document, self._scene.nodes, self._scene.seen)
        if now != self._last:
            self._last = now
            tree = view.item_tree(self._scene.document, self._zone, agent_view.agents(self._scene))
            self._live.update(tree, refresh=True)
