"""The real gate, engine and office to break: a home with a small office of its own process-independent file, and a person who looks.

The workers here run what `deputy worker` runs, with one difference: the office's tools say that they take 0.3 s on the wire
instead of 2, so that a take-over has less to wait for. A killed process cannot send late, so this weakens nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from connectors.office import Office, OfficeConnector, seed
from connectors.spec import ToolSpec
from orchestrator import app, workflows
from orchestrator.deputy import Deputy
from orchestrator.domain import boundary
from orchestrator.engine.advance import Advancer, House
from orchestrator.engine.serving import Pace
from orchestrator.engine.worker import Worker
from orchestrator.errors import Conflict
from orchestrator.gate.toolbox import Toolbox
from orchestrator.settings import Settings
from orchestrator.store.database import Store
from orchestrator.workflows.match import Library
from policies.guard import Guard
from tests.crash.forkserver import ForkServer

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
WIRE_S = 0.3
CALL = "set up a 30 minute call with Dana about her last mail"
POST = "post Dana's latest notes mail to #general"
WORKS: Mapping[str, Sequence[str]] = {
    CALL: ("calendar.create_event", "mail.reply"),  # both keyed
    POST: ("chat.post_message",),  # a second one would be posted twice
}
QUICK = Pace(cap=8, poll_s=0.03, poll_remote_s=0.1, beat_s=0.3, stall_s=1.0, reap_s=0.15, backoff_s=0.05, linger_s=2.0)
_LIBRARY = Library.load([workflows.SHIPPED])  # here, so that the fork server loads it once
_GUARDS = {profile: Guard.load(profile=profile) for profile in ("careful", "delegated")}


class QuickOffice(OfficeConnector):
    """The office's connector, whose tools are given less time on the wire."""

    def tools(self) -> Sequence[ToolSpec]:
        return tuple(replace(spec, wire_timeout_s=WIRE_S) for spec in super().tools())


def settings_of(home: str, url: str) -> Settings:
    return Settings.load(home=home, database_url=url)


def house_of(settings: Settings, office: Office) -> House:
    owner = office.owner()
    return House(
        toolbox=Toolbox([QuickOffice(office)]),
        guard=_GUARDS[settings.profile],
        library=_LIBRARY,
        inside_domains=[owner.partition("@")[2]],
        roles={owner: frozenset({"admin", "approver"})},
    )


# ---- in the child --------------------------------------------------------------------------------------------------
def work(home: str, url: str, until_idle: bool = True) -> int:
    """A worker process's life."""
    settings = settings_of(home, url)
    app.follow_office_clock(settings)
    store = Store.open(settings.store_url, migrate=False)
    office = Office(settings.office_file)
    try:
        built = house_of(settings, office)
        return Worker(store, Advancer(lambda: built), pace=replace(QUICK, until_idle=until_idle)).run()
    finally:
        store.close()
        office.close()


def work_and_stop(home: str, url: str, at: str) -> int:
    """A worker that stops itself (SIGSTOP) when the boundary NAME:COUNT is reached; whoever started it continues it."""
    name, _, count = at.rpartition(":")
    seen: Counter[str] = Counter()

    def hook(reached: str) -> None:
        seen[reached] += 1
        if reached == name and seen[reached] == int(count):
            os.kill(os.getpid(), signal.SIGSTOP)

    boundary.install(hook)
    return work(home, url, False)


def work_and_inject(home: str, url: str, at: str, what: str, marker: str) -> int:
    """A worker during which somebody approves every open card (`approve`) or leaves a remark, at the boundary NAME:COUNT.

    Like anybody's who submits, their process starts a worker where the first one has ended before their word was written.
    """
    name, _, count = at.rpartition(":")
    seen: Counter[str] = Counter()
    people: list[threading.Thread] = []

    def act() -> None:
        settings = settings_of(home, url)
        store = Store.open(settings.store_url, migrate=False)
        try:
            desk = Deputy(store, owner=app.prepare(settings, store))
            who = desk.principal(None)
            done: list[str] = []
            if what == "approve":
                for card in desk.approvals(who):
                    desk.decide(who, card["approval_id"], "approve", digest=card["digest"])
                    done.append(card["tool"])
            else:
                for item in desk.items(who, states=["ready", "running", "waiting"])["items"]:
                    try:
                        desk.nudge(who, item["item_id"], what)
                        done.append("nudged")
                    except Conflict:  # it has just ended, and the person is told so
                        done.append("refused")
            Path(marker).write_text("\n".join(done))
        finally:
            store.close()

    def hook(reached: str) -> None:
        seen[reached] += 1
        if reached == name and seen[reached] == int(count):
            boundary.install(None)
            person = threading.Thread(target=act)
            person.start()
            people.append(person)
            if not reached.startswith(
                "commit:"
            ):  # between two commits; before one, the file is locked until it is over
                person.join()

    boundary.install(hook)
    code = work(home, url)
    for person in people:
        person.join()
    return code or work(home, url)


# ---- around it -----------------------------------------------------------------------------------------------------
def build_world(folder: Path) -> Path:
    """An office to copy from: ten people, with notes from Dana in the main person's mailbox."""
    folder.mkdir(parents=True, exist_ok=True)
    office = seed(folder / "office.db", seed=1, now=MONDAY, people=10, weeks=3)
    dana = next(person["address"] for person in office.people() if person["name"].startswith("Dana "))
    office.add_mail(
        author=dana, to=[office.owner()], subject="Notes: pipeline review", body="The launch moves to March."
    )
    office.close()
    return folder


class Scene:
    """One home, its office and database, the workers on them, and the person who decides."""

    def __init__(self, server: ForkServer, url: str, home: Path, world: Path, *, profile: str = "careful") -> None:
        home.mkdir(parents=True, exist_ok=True)
        (home / "deputy.toml").write_text(f'profile = "{profile}"\n')
        for file in world.iterdir():
            shutil.copy(file, home / file.name)
        self.server, self.home = server, home
        self.office = Office(home / "office.db")
        self.office.set_now(MONDAY)
        self.settings = settings_of(str(home), url)
        self.url = self.settings.store_url
        self.desk = app.desk(self.settings)
        self.me = self.desk.principal(None)
        self.log = home / "log"
        self.made: Counter[str] = Counter()  # request → how many items of it

    def close(self) -> None:
        self.desk.close()
        self.office.close()

    def submit(self, request: str) -> str:
        self.made[request] += 1
        return self.desk.submit(self.me, request)

    # ---- workers -----------------------------------------------------------------------------------------------------
    def start(self, target: Callable[..., int], *args: Any, **more: Any) -> BaseProcess:
        return self.server.spawn(target, str(self.home), self.url, *args, log=self.log, **more)

    def run(self, *, kill_at: str = "", record: Path | None = None, limit_s: float = 30.0) -> int:
        """Exit code of a worker that ran until idle, or was killed on its way."""
        child = self.start(work, kill_at=kill_at, record=record)
        child.join(limit_s)
        assert child.exitcode is not None, f"still running after {limit_s} s: {self.said()}"
        return child.exitcode

    def said(self) -> str:
        return self.log.read_text()[-3000:] if self.log.exists() else ""

    # ---- the person --------------------------------------------------------------------------------------------------
    def decide(self) -> int:
        """Approves every open card and answers every question after a look at the office. How many there were."""
        count = 0
        for card in self.desk.approvals(self.me):
            try:
                self.desk.decide(self.me, card["approval_id"], "approve", digest=card["digest"])
            except Conflict:  # void meanwhile
                continue
            count += 1
        sent = {effect["key"] for effect in self.office.effects()}
        for item in self.unfinished():
            document = self.desk.item(self.me, item)
            keys = {effect["effect_id"]: effect for effect in document["effects"]}
            for question in document["questions"]:
                say = "try again"
                if "it happened" in question["choices"]:
                    effect = keys[question["question_id"].partition("!")[0]]
                    say = "it happened" if self.key_of(effect) in sent else "it did not happen"
                self.desk.answer(self.me, item, say, question_id=question["question_id"])
                count += 1
        return count

    def key_of(self, effect: Mapping[str, Any]) -> str:
        from orchestrator import ids

        return ids.effect_key(effect["effect_id"])

    def unfinished(self) -> list[str]:
        page = self.desk.items(self.me, states=["ready", "running", "waiting"], limit=500)
        return [item["item_id"] for item in page["items"]]

    def finish(self, rounds: int = 12) -> None:
        """Decides and works until everything has ended."""
        for _ in range(rounds):
            if not self.unfinished():
                return
            self.decide()
            code = self.run()
            assert code == 0, (code, self.said())
        raise AssertionError(
            (f"not finished after {rounds} rounds", [self.desk.item(self.me, i) for i in self.unfinished()])
        )

    # ---- the verdict -------------------------------------------------------------------------------------------------
    def wrong(self) -> dict[str, Any]:
        """What is not as it must be, by name: every effect of every item in the office once, and every record agreeing."""
        wrong: dict[str, Any] = {}
        sent = Counter((effect["tool"], effect["key"]) for effect in self.office.effects())
        twice = [key for key, count in sent.items() if count > 1]
        if twice:
            wrong["sent twice"] = twice
        per_tool = Counter(tool for tool, _ in sent.elements())
        wanted: Counter[str] = Counter()
        for request, count in self.made.items():
            wanted.update(dict.fromkeys(WORKS[request], count))
        if per_tool != wanted:
            wrong["sent"] = (dict(per_tool), dict(wanted))
        changed = self.office.diff()
        seen = Counter(
            {
                "calendar.create_event": len(changed["events"]),
                "mail.reply": sum(mail["from"] == self.me.principal_id for mail in changed["mails"]),
                "chat.post_message": len(changed["messages"]),
            }
        )
        if +seen != wanted:
            wrong["in the office"] = dict(seen)
        for item in self.desk.items(self.me, limit=500)["items"]:
            document = self.desk.item(self.me, item["item_id"])
            if document["state"] != "done":
                wrong[item["item_id"]] = (document["state"], document["error"])
            done = {self.key_of(e) for e in document["effects"] if e["state"] == "done"}
            if not done <= {key for _, key in sent}:
                wrong["recorded but not sent"] = item["item_id"]
            open_ones = [e["state"] for e in document["effects"] if e["state"] not in ("done", "failed")]
            if open_ones:
                wrong["open effects"] = open_ones
            if any(approval["state"] == "pending" for approval in document["approvals"]):
                wrong["open cards"] = item["item_id"]
        verdict = self.desk.audit_verify(self.me)
        if not verdict["ok"]:
            wrong["audit"] = verdict
        return wrong


def boundaries(scene: Scene, request: str) -> Counter[str]:
    """Every boundary that one item of this request passes on its way, and how often."""
    record = scene.home / "boundaries"
    scene.submit(request)
    for _ in range(6):
        assert scene.run(record=record) == 0, scene.said()
        if not scene.decide():
            break
    assert not scene.unfinished()
    return Counter(record.read_text().split())


def kill_at(scene: Scene, request: str, *points: str) -> int:
    """One more item of `request`; workers are killed at each NAME:COUNT in turn; others finish. How many points were reached."""
    scene.submit(request)
    killed = sum(_kill_once(scene, point) for point in points)
    scene.finish()
    wrong = scene.wrong()
    assert not wrong, (points, wrong, scene.said())
    return killed


def _kill_once(scene: Scene, point: str) -> bool:
    name, _, number = point.rpartition(":")
    left = int(number)
    for _ in range(6):
        record = scene.home / "reached"
        record.unlink(missing_ok=True)
        code = scene.run(kill_at=f"{name}:{left}", record=record)
        if code == -signal.SIGKILL:
            return True
        assert code == 0, (point, code, scene.said())
        left -= record.read_text().split().count(name) if record.exists() else 0
        if not scene.decide():
            break
    return False


# ---- trials: counts are the caller's ---------------------------------------------------------------------------------
class Stage:
    """Scenes one after the other on one engine, each until its calendars fill up."""

    ITEMS = 14

    def __init__(
        self, server: ForkServer, folder: Path, new_url: Callable[[], str], *, profile: str = "careful"
    ) -> None:
        self._server, self._folder, self._new_url, self._profile = server, folder, new_url, profile
        folder.mkdir(parents=True, exist_ok=True)
        self._world = folder / "world"
        build_world(self._world)
        self._scene: Scene | None = None
        self._count = 0

    def fresh(self) -> Scene:
        """A scene in which nothing has happened yet."""
        self.close()
        self._count += 1
        home = self._folder / f"home{self._count}"
        self._scene = Scene(self._server, self._new_url(), home, self._world, profile=self._profile)
        return self._scene

    @property
    def scene(self) -> Scene:
        """The present one, while it has room for another appointment."""
        if self._scene is None or self._scene.made.total() >= self.ITEMS:
            return self.fresh()
        return self._scene

    def close(self) -> None:
        if self._scene is not None:
            self._scene.close()
            self._scene = None


DOUBLE = (("gate:attempted:1", "gate:reconciled:1"), ("gate:sent:1", "gate:reconciled:1"), ("gate:attempted:1",) * 3)


def points_of(passed: Mapping[str, int], *, all_passages: bool) -> list[str]:
    """NAME:COUNT of each boundary: the gate's at every passage, the writer's and loop's at the first, or at every one."""
    return [
        f"{name}:{number}"
        for name, count in sorted(passed.items())
        for number in range(1, (count if all_passages or name.startswith("gate:") else 1) + 1)
    ]


def kill_everywhere(
    stage: Stage, request: str, *, all_passages: bool = False, only: str | tuple[str, ...] = "", chains: bool = True
) -> dict[str, int]:
    """A kill at each boundary of one run of `request` (those that begin with `only`), each on an item of its own.

    chains: and workers that are killed again while they look up what an earlier one has left.
    """
    passed = boundaries(stage.fresh(), request)
    points = [point for point in points_of(passed, all_passages=all_passages) if point.startswith(only)]
    killed = sum(kill_at(stage.scene, request, point) for point in points)
    twice = sum(kill_at(stage.scene, request, *chain) for chain in DOUBLE) if chains else 0
    return {"boundaries": len(passed), "points": len(points), "kills": killed + twice}


def approve_at(stage: Stage, point: str) -> str:
    """Somebody approves what is open at `point`, while the worker goes on to settle. What was approved; nothing of it is lost."""
    scene = stage.scene
    item = scene.submit(CALL)
    marker = scene.home / f"marker{scene.made.total()}"
    child = scene.start(work_and_inject, point, "approve", str(marker))
    child.join(30)
    assert child.exitcode == 0, (point, scene.said())
    approved = marker.read_text().split() if marker.exists() else []
    done = [e["tool"] for e in scene.desk.item(scene.me, item)["effects"] if e["state"] == "done"]
    if "calendar.create_event" in approved:  # nobody woke anybody since: the park itself must have seen it
        assert done == ["calendar.create_event"] or len(approved) == len(done) == 2, (point, approved, done)
    scene.finish()
    wrong = scene.wrong()
    assert not wrong, (point, wrong, scene.said())
    return " ".join(approved)


def edit_and_kill(stage: Stage, point: str) -> bool:
    """Somebody changes the title on a card; the worker that replaces the card is killed at `point`. Whether it was."""
    scene = stage.fresh()
    scene.submit(CALL)
    assert scene.run() == 0, scene.said()
    (card,) = [card for card in scene.desk.approvals(scene.me) if card["tool"] == "calendar.create_event"]
    scene.desk.decide(scene.me, card["approval_id"], "edit", digest=card["digest"], args={"title": "As edited"})
    killed = _kill_once(scene, point)
    scene.finish()
    wrong = scene.wrong()
    assert not wrong, (point, wrong, scene.said())
    titles = [event["title"] for event in scene.office.diff()["events"]]
    assert titles == ["As edited"], (point, titles)
    return killed


def nudge_at(stage: Stage, point: str, *, approved: bool) -> str:
    """Somebody says "45 minutes" at `point`: before the cards are settled, or after both were approved. What came of it."""
    scene = stage.scene
    item = scene.submit(CALL)
    if approved:
        assert scene.run() == 0
        scene.decide()
    marker = scene.home / f"marker{scene.made.total()}"
    child = scene.start(work_and_inject, point, "45 minutes", str(marker))
    child.join(30)
    assert child.exitcode == 0, (point, scene.said())
    said = marker.read_text() if marker.exists() else "not reached"
    scene.finish()
    wrong = scene.wrong()
    assert not wrong, (point, wrong, scene.said())
    if said not in ("nudged", "refused"):  # nothing was open any more, or this phase does not pass there
        return said or "too late"
    document = scene.desk.item(scene.me, item)
    (invite,) = [e for e in document["effects"] if e["tool"] == "calendar.create_event" and e["state"] == "done"]
    (reply,) = [e for e in document["effects"] if e["tool"] == "mail.reply" and e["state"] == "done"]
    start, end = (datetime.fromisoformat(invite["args"][name]) for name in ("start", "end"))
    length = f"{(end - start).total_seconds() / 60:.0f} minutes"
    assert length in reply["args"]["body"], (point, "invitation and answer disagree", length, reply["args"]["body"])
    heard = [s["body"]["text"] for s in scene.desk.run(scene.me, item)["steps"] if s["kind"] == "nudge"]
    assert heard == (["45 minutes"] if said == "nudged" else []), (point, "the remark is nowhere on record")
    return length


def stop_inside_a_send(stage: Stage, request: str, point: str) -> dict[str, Any]:
    """PostgreSQL: a worker stands still inside a send, is taken over by another, and goes on: no double, and it ends itself."""
    scene = stage.fresh()
    scene.submit(request)
    assert scene.run() == 0, scene.said()
    scene.decide()
    stopped = scene.start(work_and_stop, point)
    _until(lambda: _is_stopped(stopped), 20, scene)
    other = scene.start(work, False)
    _until(lambda: "took over 1" in scene.said(), 20, scene)
    _until(lambda: not _held_by_attempt(scene), 20, scene)
    scene.decide()
    assert stopped.pid is not None
    os.kill(stopped.pid, signal.SIGCONT)
    stopped.join(20)
    assert stopped.exitcode == 75, (stopped.exitcode, scene.said())
    for _ in range(20):
        if not scene.unfinished():
            break
        scene.decide()
        _until(lambda: not scene.unfinished() or bool(scene.desk.approvals(scene.me)), 20, scene)
    other.terminate()
    other.join(25)
    wrong = scene.wrong()
    assert not wrong, (point, wrong, scene.said())
    return {"sent": len(scene.office.effects())}


def stop_and_say(stage: Stage, point: str) -> dict[str, Any]:
    """SQLite: the host stands still inside a send while somebody leaves a remark; nobody takes over; it goes on, no double."""
    scene = stage.fresh()
    item = scene.submit(CALL)
    assert scene.run() == 0, scene.said()
    scene.decide()
    stopped = scene.start(work_and_stop, point)
    _until(lambda: _is_stopped(stopped), 20, scene)
    scene.desk.nudge(scene.me, item, "45 minutes")
    assert scene.run() == 0, "a second host leaves at once: the lock is taken"
    assert scene.desk.item(scene.me, item)["state"] == "running"
    assert stopped.pid is not None
    os.kill(stopped.pid, signal.SIGCONT)
    _until(lambda: scene.desk.item(scene.me, item)["state"] != "running", 20, scene)
    for _ in range(5):
        scene.decide()
        _until(lambda: not scene.unfinished() or bool(scene.desk.approvals(scene.me)), 20, scene)
        if not scene.unfinished():
            break
    stopped.terminate()
    stopped.join(25)
    wrong = scene.wrong()
    assert not wrong, (point, wrong, scene.said())
    return {"sent": len(scene.office.effects())}


def _is_stopped(child: BaseProcess) -> bool:
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _held_by_attempt(scene: Scene) -> bool:
    """Whether an attempt's outcome is still open and no person has been asked about it."""
    effects = [e for item in scene.unfinished() for e in scene.desk.item(scene.me, item)["effects"]]
    return any(effect["state"] == "attempted" for effect in effects)


def _until(condition: Callable[[], bool], limit_s: float, scene: Scene) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, ("not in time", scene.said())
        time.sleep(0.02)
