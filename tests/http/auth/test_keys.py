"""API keys: whom they speak for, how far they reach, when they end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator import clock
from orchestrator.domain.item import Origin
from orchestrator.errors import Conflict, DeputyError, NotEligible, NotFound, UsageError
from orchestrator.store import access as rows
from orchestrator.store import worklist
from tests.e2e.place import CALL, Place
from tests.http.auth.callers import AISHA, bearer, browser, key_of

DAY = timedelta(days=1)


def test_a_key_speaks_for_its_person_within_its_scopes(place: Place) -> None:
    """An admin's key with the scope read is nobody's admin: it sees what the person themselves asked, and changes nothing."""
    hers = place.submit(CALL, who=place.desk.principal(AISHA))
    with browser(place) as client:
        narrow, wide = (bearer(key_of(place, scopes)) for scopes in (["read"], ["read", "submit", "operate"]))

        assert client.get("/api/v1/me", headers=narrow).json()["roles"] == ["member", "viewer"]
        assert client.get(f"/api/v1/items/{hers}", headers=narrow).status_code == 404
        assert client.post("/api/v1/items", json={"request": "x"}, headers=narrow).status_code == 403
        assert client.get(f"/api/v1/items/{hers}", headers=wide).status_code == 200
        assert client.get("/api/v1/audit/head", headers=wide).status_code == 403


def test_what_a_person_loses_their_keys_lose(place: Place) -> None:
    """The key of somebody who only reads from now on only reads, whatever it was made for."""
    with browser(place) as client:
        key = bearer(key_of(place, ["read", "submit"], AISHA))
        assert client.post("/api/v1/items", json={"request": CALL}, headers=key).status_code == 202
        place.desk.roles.give(place.me, AISHA, ["viewer"])

        assert client.post("/api/v1/items", json={"request": CALL}, headers=key).status_code == 403
        assert client.get("/api/v1/me", headers=key).json()["scopes"] == ["read"]


def test_a_programs_key_never_decides_and_has_no_words_of_its_persons(place: Place) -> None:
    """What it submits counts as an agent's, its blanket approval is dropped, and no card is decided with it."""
    item = place.ask(CALL)
    card = item["approvals"][0]
    program = bearer(key_of(place, ["read", "submit", "admin"], is_program=True))
    with browser(place) as client:
        made = client.post(
            "/api/v1/items", json={"request": "what is on my calendar today", "approve_all": True}, headers=program
        )
        verdict = {"verdict": "approve", "digest": card["digest"]}
        decided = client.post(f"/api/v1/approvals/{card['approval_id']}/decide", json=verdict, headers=program)
        keys = client.post("/api/v1/keys", json={"scopes": ["decide"]}, headers=program)
        roles = client.put(f"/api/v1/roles/{AISHA}", json={"roles": ["admin"]}, headers=program)

    assert made.status_code == 202
    with place.desk._store.read() as tx:
        kept = worklist.get(tx, made.json()["item_id"])
    assert kept.origin is Origin.AGENT and "approve_all" not in kept.options
    assert (decided.status_code, keys.status_code, roles.status_code) == (403, 403, 403)
    with pytest.raises(UsageError):
        key_of(place, ["decide"], is_program=True)


def test_the_front_desk_itself_keeps_a_program_from_deciding(place: Place) -> None:
    """Even a key that was written into the table with the scope decide."""
    item = place.ask(CALL)
    card = item["approvals"][0]
    text = key_of(place, ["read", "decide"])
    key_id = text.split("_")[1]
    with place.desk._store.tx() as tx:
        tx.c.execute(rows.keys.update().where(rows.K.key_id == key_id).values(is_human=False))
    visitor = place.desk.access.of_key(text)

    assert "decide" not in visitor.principal.scopes and not visitor.principal.is_human
    with pytest.raises(NotEligible):
        place.desk.decide(visitor.principal, card["approval_id"], "approve", digest=card["digest"])


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"scopes": []}, UsageError),
        ({"scopes": ["everything"]}, UsageError),
        ({"scopes": ["read"], "lives": timedelta(days=367)}, UsageError),
        ({"scopes": ["read"], "lives": timedelta(0)}, UsageError),
        ({"scopes": ["read"], "lives": -DAY}, UsageError),
        ({"scopes": ["read"], "name": "n" * 81}, UsageError),
        ({"scopes": ["decide"], "of": AISHA}, NotEligible),  # her decisions are hers to give
        ({"scopes": ["operate"], "of": AISHA}, NotEligible),  # more than she may
        ({"scopes": ["read"], "of": "nobody@elsewhere.example"}, NotFound),
    ],
)
def test_keys_that_are_not_made(place: Place, wanted: dict[str, object], error: type[DeputyError]) -> None:
    """No scope too many, no life too long, nobody else's decisions."""
    with pytest.raises(error):
        place.desk.access.create_key(place.me, **wanted)  # type: ignore[arg-type]  # the table's rows differ in type
    assert place.desk.access.keys(place.me, everybody=True) == []


def test_only_an_admin_makes_keys_for_others(place: Place) -> None:
    """And such a key speaks for the other person, who sees it and may take it back."""
    with pytest.raises(NotEligible):
        place.desk.access.create_key(place.desk.principal(AISHA), scopes=["read"], of=place.me.principal_id)
    made = place.desk.access.create_key(place.me, scopes=["read"], of=AISHA)

    assert place.desk.access.of_key(made["key"]).principal.principal_id == AISHA
    assert [one["key_id"] for one in place.desk.access.keys(place.desk.principal(AISHA))] == [made["key_id"]]
    assert place.desk.access.revoke_key(place.desk.principal(AISHA), made["key_id"])["state"] == "revoked"


def test_a_key_makes_no_keys(place: Place) -> None:
    """A stolen key cannot outlive its end: it makes none, takes none back and ends no sign-ins, unless it is an admin's to do so."""
    plain = key_of(place, ["read", "submit", "decide", "operate", "audit"])
    admin = bearer(key_of(place, ["read", "admin"]))
    with browser(place) as client:
        headers = bearer(plain)
        assert client.post("/api/v1/keys", json={"scopes": ["read"]}, headers=headers).status_code == 403
        assert client.request("DELETE", f"/api/v1/keys/{plain.split('_')[1]}", headers=headers).status_code == 403
        assert client.request("DELETE", "/api/v1/sessions", headers=headers).status_code == 403
        assert client.post("/api/v1/keys", json={"scopes": ["submit"]}, headers=admin).status_code == 403
        assert client.post("/api/v1/keys", json={"scopes": ["read"]}, headers=admin).status_code == 201


def test_expired_and_revoked_keys_open_nothing(place: Place) -> None:
    """From the next request on, and the answer says which key it was."""
    ended, taken = key_of(place, ["read"]), key_of(place, ["read"])
    with browser(place) as client:
        assert client.get("/api/v1/me", headers=bearer(taken)).status_code == 200
        place.desk.access.revoke_key(place.me, taken.split("_")[1])
        with place.desk._store.tx() as tx:
            past = clock.real() - timedelta(seconds=1)
            tx.c.execute(rows.keys.update().where(rows.K.key_id == ended.split("_")[1]).values(expires_at=past))
        told = [client.get("/api/v1/me", headers=bearer(key)) for key in (ended, taken)]

    assert [one.status_code for one in told] == [401, 401]
    assert ended.split("_")[1] in told[0].json()["message"] and ended not in told[0].text
    assert {one["state"] for one in place.desk.access.keys(place.me)} == {"expired", "revoked"}


@pytest.mark.parametrize(
    "shown",
    [
        "Bearer",
        "Bearer ",
        "Bearer dpt_",
        "Bearer dpt_000000000000_x",
        "Bearer {id}",
        "Bearer {key}x",
        "Bearer {key} ",
        "Bearer {shorter}",
        "Basic {key}",
        "{key}",
        "Bearer {hash}",
    ],
)
def test_what_is_no_key_opens_nothing(place: Place, shown: str) -> None:
    """Neither half a key, nor the digest that the table holds, nor another scheme; the answer repeats none of it."""
    key = key_of(place, ["read"])
    with place.desk._store.read() as tx:
        (row,) = rows.keys_of(tx, None)
    parts = {"key": key, "shorter": key[:-1], "id": f"dpt_{row.key_id}_", "hash": row.hash}
    with browser(place) as client:
        answer = client.get("/api/v1/me", headers={"Authorization": shown.format(**parts)})

    assert answer.status_code == (200 if shown == "Bearer {key} " else 401)
    assert answer.status_code == 200 or (key[:-1] not in answer.text and row.hash not in answer.text)


def test_a_use_is_noted(place: Place) -> None:
    """When a key was used last is told, to the minute."""
    key = key_of(place, ["read"], name="robot")
    assert place.desk.access.keys(place.me)[0]["used_at"] is None
    place.desk.access.of_key(key)
    first = place.desk.access.keys(place.me)[0]["used_at"]
    place.desk.access.of_key(key)

    assert first is not None and place.desk.access.keys(place.me)[0]["used_at"] == first


def test_nobody_hoards_keys(place: Place) -> None:
    """A hundred live ones of a person are enough."""
    with place.desk._store.tx() as tx:
        now = clock.real()
        for n in range(100):
            key = rows.Key(
                key_id=f"{n:012x}", hash=f"{n}", name="", person=place.me.principal_id, scopes=["read"], is_human=True,
                created_by=place.me.principal_id, created_at=now, expires_at=now + DAY,
            )  # fmt: skip
            rows.add_key(tx, key)
    with pytest.raises(Conflict):
        key_of(place, ["read"])


def test_the_terminal_makes_lists_and_takes_keys(place: Place) -> None:
    """`deputy config key`: printed once, listed without it, of no use after rm."""
    code, made = place.deputy("config", "key", "create", "--scope", "read,submit", "--expires", "12h", "--name", "ci")
    assert (code, made["scopes"]) == (0, ["read", "submit"])
    place.desk.access.of_key(made["key"])
    _, listed = place.deputy("config", "key", "ls")
    assert made["key"] not in str(listed) and made["key_id"] in str(listed)
    assert place.deputy("config", "key", "rm", made["key_id"])[1]["state"] == "revoked"
    with pytest.raises(DeputyError):
        place.desk.access.of_key(made["key"])
    assert place.deputy("config", "key", "create", "--scope", "all")[1]["error"] == "usage"
    assert place.deputy("config", "key", "create", "--scope", "read", "--expires", "soon")[1]["error"] == "usage"
