"""An agent whose lost life has acted after the backup: what it did is met, what it would do anew is asked."""

from __future__ import annotations

from pathlib import Path

from orchestrator.engine import backups, restoring
from orchestrator.settings import Settings
from orchestrator.store import copies
from tests.agents.cast import hire, told_of
from tests.agents.puppet import Asked, Call, Says, finish, puppet
from tests.e2e.place import Place

DANA, AISHA = (f"{who}@brightwater.example" for who in ("dana.ruiz", "aisha.weber"))
REQUEST = "Please write Dana Ruiz and Aisha Weber one line each that the fire drill is at noon"


def mail(to: str) -> Call:
    return Call("mail_send", {"to": [to], "subject": "Fire drill", "body": "The fire drill is at noon."})


def one_by_one(asked: Asked) -> Says:
    return [[mail(DANA)], [mail(AISHA)]][asked.turn] if asked.turn < 2 else finish(told_of(asked.answers))


def test_an_agent_sends_nothing_twice_after_a_restore(place: Place, tmp_path: Path) -> None:
    """By policy each mail goes by itself. After the restore what was sent is found, and nothing more leaves."""
    hire(place, "clerk", ["mail.send"])
    with puppet(one_by_one) as model:
        place.set(model="openai:puppet", model_base_url=model.url, profile="delegated")
        item = place.submit(REQUEST, options={"agent": "clerk"})
        made = backups.make(place.settings, tmp_path / "one.tar.gz")
        place.work(linger_s=0.0)
        assert place.item(item)["state"] == "done", place.item(item)["error"]
        sent = place.sent()
        assert len(sent) == 2

        machine = tmp_path / "machine"
        machine.mkdir()
        copies.copy(place.home / "office.db", machine / "office.db")
        (machine / "office.db.clock").write_bytes((place.home / "office.db.clock").read_bytes())
        restoring.restore(Settings.load(home=machine), made.path, actor="operator", keep_office=True)
        second = Place(machine, None, model="openai:puppet", model_base_url=model.url, profile="delegated")
        try:
            second.work(linger_s=0.0)
            ended = second.approve_all({"item_id": item})
            after = second.sent()
        finally:
            second.close()

    assert ended["state"] == "done", ended["error"]
    assert after == sent
    assert [effect["state"] for effect in ended["effects"]] == ["done", "done"]


def test_an_agent_that_does_something_else_is_asked(place: Place, tmp_path: Path) -> None:
    """The model answers differently after the restore, at a step nobody has taken: a card, though the policy would allow it."""
    turns = {"now": [mail(DANA)]}

    def changing(asked: Asked) -> Says:
        return turns["now"] if asked.turn == 0 else finish(told_of(asked.answers))

    hire(place, "clerk", ["mail.send"])
    with puppet(changing) as model:
        place.set(model="openai:puppet", model_base_url=model.url, profile="delegated")
        item = place.submit(REQUEST, options={"agent": "clerk"})
        made = backups.make(place.settings, tmp_path / "one.tar.gz")
        restoring.restore(
            place.settings, made.path, actor="operator", force=True, keep_office=True
        )  # nothing was sent meanwhile
        place.work(linger_s=0.0)
        (card,) = place.cards({"item_id": item})
        place.decide(card)
        place.work(linger_s=0.0)
        ended = place.item(item)

    assert "restored-from-backup" in card["card"]["rule"]
    assert ended["state"] == "done", ended["error"]
    assert len(place.sent()) == 1
