"""Backup, wipe, restore: what waited goes on and happens once, also where the world went on in between."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator import clock
from orchestrator.domain import recurrence
from orchestrator.domain.effect import EffectState
from orchestrator.domain.schedule import Missed, Schedule
from orchestrator.engine import backups, restoring, upgrading
from orchestrator.engine.hosts import HostLock, lock_path
from orchestrator.errors import Conflict, StoreUnavailable, UsageError
from orchestrator.gate import keys
from orchestrator.gate.sealing import Place as SealedPlace
from orchestrator.gate.sealing import seal
from orchestrator.settings import Settings
from orchestrator.store import audit, connections, credentials, dump, migrations, schedules
from orchestrator.store.database import Store
from orchestrator.store.slack_tables import slack_inbox
from orchestrator.surfaces.cli import checkup
from tests.e2e.place import CALL, DANA, Place, tools

POST = "post Dana's latest notes mail to #general"


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """URLs of databases that nobody has used, by engine."""
    made: list[str] = []

    def url(engine: str) -> str:
        if engine == "sqlite":
            made.append(f"sqlite:///{tmp_path}/fresh-{len(made)}.sqlite")
        else:
            made.append(request.getfixturevalue("postgres_cluster").create())
        return made[-1]

    return url


@pytest.fixture
def settle() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as stack:
        yield stack


def opened(home: Path, url: str, settle: ExitStack, **more: Any) -> Place:
    """A place over files that are there already."""
    found = Place(home, None, url, **more)
    settle.callback(found.close)
    return found


def notes(place: Place) -> None:
    """Something of Dana's to post."""
    place.office.add_mail(
        author=DANA, to=[place.me.principal_id], subject="Notes: pipeline review", body="The launch moves to March."
    )


def restored(
    archive: Path, home: Path, url: str, settle: ExitStack, *, world_of: Place | None = None, **more: Any
) -> tuple[Place, restoring.Restored]:
    """A new machine with the backup on it. world_of: the world went on: the office is as it is there now."""
    if world_of is not None:
        home.mkdir()
        from orchestrator.store import copies

        copies.copy(world_of.home / "office.db", home / "office.db")
        (home / "office.db.clock").write_bytes((world_of.home / "office.db.clock").read_bytes())
    settings = Settings.load(home=home, database_url=url, **more)
    done = restoring.restore(settings, archive, actor="operator", keep_office=world_of is not None)
    return opened(home, url, settle, **more), done


@pytest.mark.parametrize("pair", ["sqlite sqlite", "postgresql postgresql", "sqlite postgresql", "postgresql sqlite"])
def test_a_waiting_approval_survives_backup_wipe_and_restore(
    pair: str, world: Path, tmp_path: Path, fresh_url: Callable[[str], str], settle: ExitStack
) -> None:
    """Approved after the restore, everything happens once, and the chain holds against the head kept before."""
    kept_on, brought_to = pair.split()
    first = Place(tmp_path / "home", world, fresh_url(kept_on))
    asked = first.ask(CALL)
    head = first.desk.audit_head(first.admin)
    made = backups.make(first.settings, tmp_path)
    first.close()

    second, done = restored(made.path, tmp_path / "machine", fresh_url(brought_to), settle)
    waiting = second.item(asked)
    ended = second.approve_all(asked)

    assert waiting["waiting_on"] == ["approval"]
    assert (done.aftermath.pending, done.aftermath.unfinished) == (2, 1)
    assert ended["state"] == "done"
    assert tools(ended, "done") == ["calendar.create_event", "mail.reply"]
    assert sorted(tool for tool, _ in second.sent()) == ["calendar.create_event", "mail.reply"]
    store = Store.open(second.settings.store_url)
    settle.callback(store.close)
    with store.read() as tx:
        assert audit.verify(tx, head).ok


@pytest.mark.parametrize("moment", ["asked", "approved"])
def test_what_was_done_after_the_backup_is_found_and_not_done_again(
    moment: str, world: Path, tmp_path: Path, database_url: str, fresh_url: Callable[[str], str], settle: ExitStack
) -> None:
    """The old backup takes invitation and answer for undone; the world has them; nothing is sent twice."""
    first = Place(tmp_path / "home", world, database_url)
    settle.callback(first.close)
    asked = first.ask(CALL)
    if moment == "approved":
        for card in first.cards(asked):
            first.decide(card)
    made = backups.make(first.settings, tmp_path)
    assert first.approve_all(asked)["state"] == "done"
    sent = first.sent()

    second, done = restored(
        made.path, tmp_path / "machine", fresh_url(first_engine(database_url)), settle, world_of=first
    )
    second.work(linger_s=0.0)
    ended = second.approve_all(asked)

    assert done.aftermath.asked_again == (2 if moment == "approved" else 0)
    assert ended["state"] == "done"
    assert tools(ended, "done") == ["calendar.create_event", "mail.reply"]
    assert second.sent() == sent


@pytest.mark.parametrize("request_", [CALL, POST])
def test_what_policy_allows_by_itself_is_asked_after_a_restore(
    request_: str, world: Path, tmp_path: Path, settle: ExitStack
) -> None:
    """An item that had not begun at the backup: whether it ran since nobody knows here, so a card says so, and a yes sends it once."""
    first = Place(tmp_path / "home", world, profile="delegated")
    notes(first)
    asked = first.submit(request_)
    made = backups.make(first.settings, tmp_path)
    first.close()
    second, _ = restored(made.path, tmp_path / "machine", "", settle, profile="delegated")

    second.work(linger_s=0.0)
    cards = second.cards({"item_id": asked})
    ended = second.approve_all({"item_id": asked})

    assert cards
    assert all(card["card"]["reason"].startswith("Deputy was restored from a backup") for card in cards)
    assert all("restored-from-backup" in card["card"]["rule"] for card in cards)
    assert ended["state"] == "done"
    assert len(second.sent()) == len(set(second.sent())) == len(tools(ended, "done"))


@pytest.mark.parametrize("request_", [CALL, POST])
def test_a_run_of_the_lost_time_is_met_again_by_its_own_ids(
    request_: str, world: Path, tmp_path: Path, settle: ExitStack
) -> None:
    """Ready at the backup, done since: the run goes over the same steps, finds each at the provider, and sends nothing."""
    first = Place(tmp_path / "home", world, profile="delegated")
    settle.callback(first.close)
    notes(first)
    asked = first.submit(request_)
    made = backups.make(first.settings, tmp_path)
    first.work(linger_s=0.0)
    assert first.item(asked)["state"] == "done"
    second, _ = restored(made.path, tmp_path / "machine", "", settle, world_of=first, profile="delegated")

    second.work(linger_s=0.0)

    ended = second.item(asked)
    assert ended["state"] == "done"
    assert second.sent() == first.sent()


def test_nothing_is_in_doubt_where_nothing_ran_since(world: Path, tmp_path: Path, settle: ExitStack) -> None:
    """With --nothing-since an approval that was given is used, and nobody is asked again."""
    first = Place(tmp_path / "home", world)
    asked = first.ask(CALL)
    for card in first.cards(asked):
        first.decide(card)
    made = backups.make(first.settings, tmp_path)
    first.close()
    settings = Settings.load(home=tmp_path / "machine")

    done = restoring.restore(settings, made.path, actor="operator", is_doubted=False)

    second = opened(tmp_path / "machine", "", settle)
    second.work(linger_s=0.0)
    assert done.aftermath.asked_again == 0
    assert second.item(asked)["state"] == "done"
    assert len(second.sent()) == 2


def test_an_effect_in_flight_at_the_backup_is_looked_up_first(
    world: Path, tmp_path: Path, database_url: str, fresh_url: Callable[[str], str], settle: ExitStack
) -> None:
    """Attempted at the backup, and never arrived: looked up, then sent once under the same key."""
    first = Place(tmp_path / "home", world, database_url)
    asked = first.ask(CALL)
    invite = first.card(asked, "calendar.create_event")
    first.decide(invite)
    from orchestrator.store.tables import approvals, effects, worklist

    store = Store.open(first.settings.store_url)
    settle.callback(store.close)
    with store.tx() as tx:  # as a worker leaves it that dies between the commit and the wire
        mine = (effects.c.effect_id == invite["effect_id"],)
        at = clock.now() - timedelta(minutes=5)
        values = {
            "state": EffectState.ATTEMPTED.value,
            "attempted_at": at,
            "attempted_on_s": 0.0,
            "wire_timeout_s": 1.0,
        }
        tx.c.execute(sa.update(effects).where(*mine).values(**values))
        used = sa.update(approvals).where(approvals.c.approval_id == invite["approval_id"])
        tx.c.execute(used.values(consumed_at=at))
        running = {"state": "running", "worker_id": "w_gone", "claim_epoch": 7, "wake_at": None}
        tx.c.execute(sa.update(worklist).where(worklist.c.item_id == asked["item_id"]).values(**running))
    made = backups.make(first.settings, tmp_path)
    first.close()

    second, done = restored(made.path, tmp_path / "machine", fresh_url(first_engine(database_url)), settle)
    second.work(linger_s=0.0)
    ended = second.approve_all(asked)

    assert (done.aftermath.in_flight, done.aftermath.taken_over) == (1, 1)
    assert ended["state"] == "done"
    assert sorted(tool for tool, _ in second.sent()) == ["calendar.create_event", "mail.reply"]


def test_a_backup_while_a_worker_works_is_whole(world: Path, tmp_path: Path, settle: ExitStack) -> None:
    """Taken in the midst of many requests: it restores, and every request of it is done once."""
    first = Place(tmp_path / "home", world)
    settle.callback(first.close)
    asked = [first.submit(CALL) for _ in range(12)]
    environment = {**os.environ, **first.settings.as_environment()}
    worker = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.surfaces.cli.main", "worker", "--until-idle"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        made = []
        while worker.poll() is None and len(made) < 40:
            made.append(backups.make(first.settings, tmp_path / f"{len(made)}.tar.gz"))
    finally:
        worker.terminate()
        worker.wait(30)

    chosen = made[len(made) // 2]
    second, _ = restored(chosen.path, tmp_path / "machine", "", settle)
    second.work(linger_s=0.0)
    for item in asked[:2]:
        assert second.approve_all({"item_id": item})["state"] == "done"

    assert len(second.sent()) == len(set(second.sent())) == 4
    assert second.desk.audit_verify(second.admin)["ok"]


def test_a_schedule_of_the_lost_time_goes_on_with_its_next(place: Place, tmp_path: Path) -> None:
    """It may have run after the backup: that time is recorded as missed, not made up for, and the next one is set."""
    at = clock.now() + timedelta(minutes=10)
    schedule = Schedule(
        schedule_id="sch_1", name="hourly", owner=place.me.principal_id, when=recurrence.stored("0 * * * * UTC"),
        request=CALL, missed=Missed.RUN_ALL, next_at=at, created_at=clock.now(),
    )  # fmt: skip
    store = Store.open(place.settings.store_url)
    store.write(schedules.add, schedule)
    made = backups.make(place.settings, tmp_path)
    place.later(timedelta(minutes=90))
    now = clock.now()

    done = restoring.restore(place.settings, made.path, actor="operator", force=True, keep_office=True)

    with store.read() as tx:
        after = schedules.named(tx, place.me.principal_id, "hourly")
        (firing,) = schedules.history(tx, "sch_1")
    store.close()
    assert done.aftermath.schedules == 1
    assert after.next_at is not None
    assert now < after.next_at <= now + timedelta(hours=1)
    assert (firing.at, firing.state.value) == (at, "missed")


def test_what_the_bot_had_not_answered_is_not_asked_twice(place: Place, tmp_path: Path) -> None:
    """It may have become a request since, whose key is gone: it is dropped, and told."""
    store = Store.open(place.settings.store_url)
    at = clock.now()
    row = {
        "tenant_id": "default", "delivery_id": "Ev1", "number": 1, "kind": "message", "sender": "T1/U1", "body": {"text": CALL},
        "state": "taken", "attempts": 0, "received_at": at, "real_at": at,
    }  # fmt: skip
    with store.tx() as tx:
        tx.c.execute(sa.insert(slack_inbox), [row])
    made = backups.make(place.settings, tmp_path)

    done = restoring.restore(place.settings, made.path, actor="operator", force=True)

    with store.read() as tx:
        (left,) = tx.c.execute(sa.select(slack_inbox.c.state, slack_inbox.c.body)).all()
    store.close()
    assert done.aftermath.deliveries == 1
    assert tuple(left) == ("failed", {})


# ---- refusals --------------------------------------------------------------------------------------------------------
def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """The archive with some of its parts changed."""
    with tarfile.open(source, "r:gz") as old, tarfile.open(target, "w:gz") as new:
        for member in old:
            part = old.extractfile(member)
            assert part is not None
            data = change(member.name, part.read())
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return target


@pytest.mark.parametrize("damage", ["a row", "a file", "cut off", "an event", "a name outside", "no archive"])
def test_a_damaged_backup_changes_nothing(damage: str, place: Place, tmp_path: Path) -> None:
    """Refused before anything is touched, whatever is wrong with it."""
    place.ask(CALL)
    made = backups.make(place.settings, tmp_path)
    bad = tmp_path / "bad.tar.gz"
    match damage:
        case "a row":
            rewritten(made.path, bad, lambda n, d: d.replace(b"call", b"talk") if n == "rows/worklist.jsonl" else d)
        case "a file":
            rewritten(made.path, bad, lambda n, d: d[:-1] + b"\x00" if n == "files/office.db" else d)
        case "cut off":
            bad.write_bytes(made.path.read_bytes()[:-2000])
        case "an event":
            bad = _forged(made.path, bad)
        case "a name outside":
            bad = _escaping(made.path, bad)
        case "no archive":
            bad.write_bytes(b"PK")
    home = tmp_path / "machine"

    with pytest.raises(UsageError):
        restoring.restore(Settings.load(home=home), bad, actor="operator")

    assert not (home / "deputy.db").exists()
    assert not (home / "office.db").exists()
    assert not (tmp_path / "outside").exists()


def _forged(source: Path, target: Path) -> Path:
    """An event changed by somebody who also corrected digests and counts."""
    import hashlib

    def event(data: bytes) -> bytes:
        return (
            data.replace(b'"approval', b'"Approval', 1)
            if b'"approval' in data
            else data.replace(b"policy", b"nobody", 1)
        )

    told: dict[str, str] = {}

    def first(name: str, data: bytes) -> bytes:
        if name == "rows/audit.jsonl":
            changed = event(data)
            assert changed != data
            told["sha256"] = hashlib.sha256(changed).hexdigest()
        return data

    rewritten(source, target.with_name("seen"), first)

    def second(name: str, data: bytes) -> bytes:
        if name == "rows/audit.jsonl":
            return event(data)
        if name == "manifest.json":
            manifest = json.loads(data)
            manifest["tables"]["audit"]["sha256"] = told["sha256"]
            return json.dumps(manifest).encode()
        return data

    return rewritten(source, target, second)


def _escaping(source: Path, target: Path) -> Path:
    def change(name: str, data: bytes) -> bytes:
        if name != "manifest.json":
            return data
        manifest = json.loads(data)
        manifest["files"]["../../outside"] = next(iter(manifest["files"].values()))
        return json.dumps(manifest).encode()

    return rewritten(source, target, change)


def test_a_newer_schema_is_refused(place: Place, tmp_path: Path) -> None:
    """What a later Deputy wrote is not for this one."""
    made = backups.make(place.settings, tmp_path)

    def newer(name: str, data: bytes) -> bytes:
        return json.dumps({**json.loads(data), "schema": 10_000}).encode() if name == "manifest.json" else data

    late = rewritten(made.path, tmp_path / "late.tar.gz", newer)

    with pytest.raises(StoreUnavailable, match="10000"):
        restoring.restore(Settings.load(home=tmp_path / "machine"), late, actor="operator")


def test_rows_of_an_older_schema_take_defaults(place: Place, tmp_path: Path, settle: ExitStack) -> None:
    """A backup from before a column was added restores; one whose column is gone says with which Deputy to restore it."""
    asked = place.ask(CALL)
    made = backups.make(place.settings, tmp_path)
    at = [column.name for column in dump.metadata.tables["worklist"].columns].index("lost_since")

    def older(name: str, data: bytes, more: str = "") -> bytes:
        if name == "rows/worklist.jsonl" and not more:
            rows = [json.loads(line) for line in data.splitlines()]
            return b"".join(json.dumps([*row[:at], *row[at + 1 :]]).encode() + b"\n" for row in rows)
        if name == "manifest.json":
            manifest = json.loads(data)
            table = manifest["tables"]["worklist"]
            if more:
                table["columns"].append(more)
            else:
                del table["columns"][at]
                table["sha256"] = digest
            return json.dumps({**manifest, "schema": 8}).encode()
        return data

    import hashlib

    with tarfile.open(made.path) as tar:
        part = tar.extractfile("rows/worklist.jsonl")
        assert part is not None
        digest = hashlib.sha256(older("rows/worklist.jsonl", part.read())).hexdigest()
    old = rewritten(made.path, tmp_path / "old.tar.gz", older)
    gone = rewritten(made.path, tmp_path / "gone.tar.gz", lambda name, data: older(name, data, "shoe_size"))

    second, _ = restored(old, tmp_path / "machine", "", settle)

    assert second.item(asked)["waiting_on"] == ["approval"]
    with pytest.raises(UsageError, match="shoe_size"):
        restoring.restore(Settings.load(home=tmp_path / "third"), gone, actor="operator")


def test_what_is_there_is_replaced_only_by_force_and_saved_first(
    any_place: Place, tmp_path: Path, settle: ExitStack
) -> None:
    """Without --force a store or an office in use refuses; with it, what was there lies in the home's backups."""
    before = any_place.ask(CALL)
    made = backups.make(any_place.settings, tmp_path)
    after = any_place.submit(POST)

    with pytest.raises(Conflict, match="--force|something here"):
        restoring.restore(any_place.settings, made.path, actor="operator")
    done = restoring.restore(any_place.settings, made.path, actor="operator", force=True)

    assert any_place.item(before)["waiting_on"] == ["approval"]
    assert after not in [item["item_id"] for item in any_place.desk.items(any_place.admin)["items"]]
    assert done.saved is not None
    saved, _ = restored(done.saved, tmp_path / "saved", "", settle)
    assert saved.item(after)["state"] == "ready"


@pytest.mark.parametrize("point", ["restore:loaded", "restore:committed"])
def test_a_restore_that_is_killed_is_done_again(
    point: str, world: Path, tmp_path: Path, fresh_url: Callable[[str], str], settle: ExitStack, database_url: str
) -> None:
    """Before the commit nothing is there; after it the rows are, whole; the next one brings the rest."""
    first = Place(tmp_path / "home", world, database_url)
    asked = first.ask(CALL)
    made = backups.make(first.settings, tmp_path)
    first.close()
    home, url = tmp_path / "machine", fresh_url(first_engine(database_url))
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom orchestrator.domain import boundary\n"
        "from orchestrator.engine import restoring\nfrom orchestrator.settings import Settings\n"
        f"boundary.install(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == {point!r} else None)\n"
        f"restoring.restore(Settings.load(home={str(home)!r}, database_url={url!r}), Path({str(made.path)!r}), actor='x')\n"
    )

    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    store = Store.open(url)
    settle.callback(store.close)
    with store.read() as tx:
        assert bool(dump.count(tx)) == (point == "restore:committed")
        assert audit.verify(tx).ok
    settings = Settings.load(home=home, database_url=url)
    restoring.restore(settings, made.path, actor="operator", force=point == "restore:committed")
    second = opened(home, url, settle)
    assert second.approve_all(asked)["state"] == "done"
    assert len(second.sent()) == 2


def test_a_worker_at_work_is_never_restored_under(any_place: Place, tmp_path: Path, settle: ExitStack) -> None:
    """Refused while somebody holds the host lock (SQLite) or a worker's session (PostgreSQL)."""
    made = backups.make(any_place.settings, tmp_path)
    store = Store.open(any_place.settings.store_url)
    settle.callback(store.close)
    if store.path is not None:
        lock = HostLock(lock_path(store))
        assert lock.take(wait=False)
        settle.callback(lock.release)
    else:
        from orchestrator.store import workers
        from orchestrator.store.locks import Session, key_of

        session = Session(store)
        settle.callback(session.close)
        session.take(key_of("worker", "w_here"))
        store.write(workers.register, "w_here", lock_key=key_of("worker", "w_here"), host="here", pid=1)

    with pytest.raises(Conflict, match="at work"):
        restoring.restore(any_place.settings, made.path, actor="operator", force=True)


def test_rows_of_another_tenant_are_refused(place: Place, tmp_path: Path) -> None:
    """Sealed credentials open nowhere else, so a backup stays its tenant's."""
    made = backups.make(place.settings, tmp_path)

    with pytest.raises(UsageError, match="tenant"):
        restoring.restore(Settings.load(home=tmp_path / "machine", tenant="other"), made.path, actor="operator")


# ---- secrets ---------------------------------------------------------------------------------------------------------
CANARY = "canary-8f2d61c0a7"


def _with_secrets(place: Place) -> None:
    """A home with a settings file full of secrets, a secrets folder, and one sealed credential."""
    (place.home / "deputy.toml").write_text(
        f'profile = "careful"\ntoken = "{CANARY}"\nmodel_api_key = "{CANARY}"\n'
        f'[models.own]\nmodel = "openai:x"\napi_key = "{CANARY}"\n'
        f'[connectors.tool]\nkind = "mcp"\nurl = "https://user:{CANARY}@tools.example/mcp"\n'
    )
    (place.home / "secrets").mkdir()
    (place.home / "secrets" / "token").write_text(CANARY)
    ring = keys.keys_of("", place.home, make=True)
    store = Store.open(place.settings.store_url)
    where = SealedPlace(tenant_id="default", connection_id="conn_mine")
    with store.tx() as tx:
        connections.add(
            tx,
            connection_id="conn_mine",
            connector="imap",
            owner=place.me.principal_id,
            subject="me@example.org",
            families=("mail",),
            now=clock.now(),
            actor="test",
        )
        credentials.put(tx, "conn_mine", seal({"password": CANARY}, where, ring), clock.now())
    store.close()


def _parts(path: Path) -> dict[str, bytes]:
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            part = tar.extractfile(member)
            assert part is not None
            found[member.name] = part.read()
    return found


def test_no_secret_leaves_unless_asked(place: Place, tmp_path: Path) -> None:
    """Neither the key, nor the secrets folder, nor a secret value of deputy.toml is in a backup without --with-secrets."""
    _with_secrets(place)
    key = (place.home / keys.FILE_NAME).read_text().strip()

    plain = _parts(backups.make(place.settings, tmp_path / "plain.tar.gz").path)
    whole = _parts(backups.make(place.settings, tmp_path / "whole.tar.gz", with_secrets=True).path)

    assert not [name for name, data in plain.items() if CANARY.encode() in data or key.encode() in data]
    assert b'profile = "careful"' in plain["files/deputy.toml"]
    assert {"files/credentials.key", "files/secrets/token"} <= set(whole)
    assert CANARY.encode() in whole["files/deputy.toml"]


def test_a_restore_says_whether_the_key_opens_the_credentials(place: Place, tmp_path: Path) -> None:
    """Without the key here: named, and the accounts with it. With the old key's file, or a backup that holds it: they open."""
    _with_secrets(place)
    plain = backups.make(place.settings, tmp_path / "plain.tar.gz").path
    whole = backups.make(place.settings, tmp_path / "whole.tar.gz", with_secrets=True).path
    ring = keys.keys_of("", place.home)
    with_key = tmp_path / "with-key"
    with_key.mkdir()
    (with_key / keys.FILE_NAME).write_bytes((place.home / keys.FILE_NAME).read_bytes())
    other = tmp_path / "other-key"
    keys.keys_of("", other, make=True)

    without = restoring.check(Settings.load(home=tmp_path / "machine"), plain)

    assert without.openable == {"conn_mine": False}
    assert without.missing_keys == [ring.current]
    assert restoring.check(Settings.load(home=other), plain).openable == {"conn_mine": False}
    assert restoring.check(Settings.load(home=with_key), plain).openable == {"conn_mine": True}
    assert restoring.check(Settings.load(home=other), whole).openable == {"conn_mine": True}
    restoring.restore(Settings.load(home=other), whole, actor="operator")
    assert ring.current in dict(getattr(keys.keys_of("", other), "keys", {}))
    assert (other / "secrets" / "token").read_text() == CANARY
    assert os.stat(other / keys.FILE_NAME).st_mode & 0o077 == 0


def test_own_files_come_back_where_they_belong(place: Place, tmp_path: Path) -> None:
    """Workflows, agents, prompts and policies of one's own; a file that is there and differs stays without --force."""
    for name in ("workflows", "agents", "prompts", "policies"):
        (place.home / name / "deep").mkdir(parents=True)
        (place.home / name / "deep" / "mine.txt").write_text(name)
    made = backups.make(place.settings, tmp_path)
    home = tmp_path / "machine"
    (home / "agents" / "deep").mkdir(parents=True)
    (home / "agents" / "deep" / "mine.txt").write_text("newer")

    done = restoring.restore(Settings.load(home=home), made.path, actor="operator")

    assert (home / "workflows" / "deep" / "mine.txt").read_text() == "workflows"
    assert (home / "policies" / "deep" / "mine.txt").read_text() == "policies"
    assert (home / "agents" / "deep" / "mine.txt").read_text() == "newer"
    assert done.kept == [str(home / "agents" / "deep" / "mine.txt")]


# ---- schema ----------------------------------------------------------------------------------------------------------
def test_a_file_is_copied_before_it_is_migrated(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy beside it holds the old version; upgrade --check tells before, and changes nothing."""
    have = dump.known_version()
    step = migrations.Migration(have + 1, "a later step", lambda c: None)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, step))
    url = place.settings.store_url
    place.desk.close()

    told = upgrading.check(place.settings)
    untouched = sorted(path.name for path in place.home.glob("*.schema-*"))
    done = upgrading.migrate(place.settings)

    assert (told["ok"], told["schema"], told["steps"]) == (True, have, [f"{have + 1}: a later step"])
    assert untouched == []
    assert done["copy"] == f"{place.home / 'deputy.db'}.schema-{have}"
    monkeypatch.undo()
    kept = Store.open(f"sqlite:///{done['copy']}", migrate=False)
    with kept.read() as tx:
        assert dump.schema_version(tx) == have
        assert audit.verify(tx).ok
    kept.close()
    with pytest.raises(StoreUnavailable):
        Store.open(url)
    assert not upgrading.check(place.settings)["ok"]


def test_the_commands_tell_what_they_did(place: Place, tmp_path: Path) -> None:
    """backup, restore --check, restore, migrate and upgrade --check as a person runs them."""
    place.ask(CALL)

    code, made = place.deputy("backup", str(tmp_path / "one.tar.gz"))
    again, refused = place.deputy("backup", str(tmp_path / "one.tar.gz"))
    kept, folded = place.deputy("backup", f"{tmp_path / 'new' / 'folder'}/")
    stuck, told = place.deputy("backup", f"{tmp_path / 'one.tar.gz'}/")

    assert kept == 0 and Path(folded["path"]).parent == tmp_path / "new" / "folder"
    assert (stuck, told["error"]) == (2, "usage")
    checked, told = place.deputy("restore", "--check", str(tmp_path / "one.tar.gz"))
    there, conflict = place.deputy("restore", str(tmp_path / "one.tar.gz"))
    forced, done = place.deputy("restore", "--force", str(tmp_path / "one.tar.gz"))
    moved, nothing = place.deputy("migrate")
    looked, found = place.deputy("upgrade", "--check")

    assert (code, again, checked, forced, moved, looked) == (0, 2, 0, 0, 0, 0)
    assert made["rows"]["worklist"] == 1
    assert refused["error"] == "usage"
    assert told["ok"]
    assert (there, conflict["error"]) == (1, "conflict")
    assert done["after"]["pending"] == 2
    assert nothing["steps"] == []
    assert found["ok"]


def test_doctor_knows_how_old_the_last_backup_is(place: Place, tmp_path: Path) -> None:
    """None yet is no fault; a fresh one is well; one of last month is not."""

    def found() -> dict[str, Any]:
        return next(
            check
            for check in checkup.checks(place.settings, probe=False, is_offline=True)
            if check["check"] == "backup"
        )

    none = found()
    backups.make(place.settings, tmp_path)
    fresh = found()
    place.later(timedelta(days=40))
    old = found()

    assert (none["ok"], fresh["ok"], old["ok"]) == (True, True, False)
    assert "40 days" in old["detail"]


def first_engine(url: str) -> str:
    return "sqlite" if url.startswith("sqlite") else "postgresql"
