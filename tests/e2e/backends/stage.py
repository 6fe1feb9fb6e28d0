"""A place with accounts on servers, served by workers that are killed, and then by one that is not, while a person looks and answers."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from connectors.spec import Connector
from tests.e2e.backends import killed
from tests.e2e.place import Place

ROUNDS = 10
ENDS_WITHIN_S = 60.0
LOOKS: Mapping[str, str] = {  # tool → what a person counts on the server when asked whether it happened
    "calendar.create_event": "created",
    "mail.reply": "sent",
    "chat.post_message": "posted",
}


class Accounts(Protocol):
    """What is new on the servers."""

    def counts(self) -> Counter[str]:
        """By kind; none of what there is none of."""
        ...


@dataclass(frozen=True, kw_only=True)
class Stage:
    """`spawn` starts a worker that dies at a boundary, `used` are the connectors of whoever takes over."""

    place: Place
    accounts: Accounts
    spawn: Callable[[str], BaseProcess]
    used: Sequence[Connector]
    looks: Mapping[str, str] = field(default_factory=lambda: LOOKS)

    def kill(self, request: str, *kills: str) -> dict[str, Any]:
        """The finished item. A kill that begins with "asking " strikes before anybody was asked, others after all was approved."""
        item = {"item_id": self.place.submit(request)}
        for kill_at in (one.removeprefix("asking ") for one in kills if one.startswith("asking ")):
            self._die(kill_at)
        self._serve_until(lambda: bool(self.place.cards(item)))
        assert self.place.cards(item), self.place.item(item)
        for card in self.place.cards(item):
            self.place.decide(card)
        for kill_at in (one for one in kills if not one.startswith("asking ")):
            self._die(kill_at)
        self._serve_until(lambda: self.place.item(item)["state"] == "done", item)
        return self.place.item(item)

    def _die(self, kill_at: str) -> None:
        child = self.spawn(kill_at)
        child.join(ENDS_WITHIN_S)
        assert child.exitcode == -signal.SIGKILL, (kill_at, child.exitcode, (self.place.home / "log").read_text())
        self.place.restart()
        self.place.later(timedelta(minutes=3))

    def _serve_until(self, is_over: Callable[[], bool], item: Mapping[str, Any] | None = None) -> None:
        for _ in range(ROUNDS):
            self.place.work_with(lambda house: killed.quick(house, self.place.office, self.used))
            if is_over():
                return
            if item is not None:
                for card in self.place.cards(item):
                    self.place.decide(card)
                self._look_and_answer(item)
            self.place.later(timedelta(minutes=3))

    def _look_and_answer(self, item: Mapping[str, Any]) -> None:
        """A person looks at the servers, and says what is there."""
        found = self.place.item(item)
        tool_of = {effect["effect_id"]: effect["tool"] for effect in found["effects"]}
        for question in found["questions"]:
            say = "try again"
            if "it happened" in question["choices"]:
                kind = self.looks[tool_of[question["question_id"].partition("!")[0]]]
                say = "it happened" if self.accounts.counts()[kind] else "it did not happen"
            self.place.desk.answer(self.place.admin, found["item_id"], say, question_id=question["question_id"])
