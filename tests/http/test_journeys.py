"""Whole ways through the desk over HTTP, on the real server with its own worker."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.conftest import made_home
from tests.http.served import Client, Serving, Stream

__all__ = ["made_home"]  # a fixture: pytest finds it here
CALL = "Set up a 30 minute call with Dana about her last mail"


@pytest.fixture(scope="module")
def serving(made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The desk with its worker."""
    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(made_home, home)
    made = Serving(home)
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="module")
def me(serving: Serving) -> Client:
    return serving.client()


@pytest.fixture(scope="module")
def other(serving: Serving, me: Client) -> Client:
    """A colleague, who is on nobody's card."""
    colleague = next(
        one["address"]
        for one in me.get("/people?limit=500")["people"]
        if one["inside"] and one["address"] != me.get("/me")["person"]
    )
    return serving.client("--for", colleague, scopes="read,submit")


def test_a_request_waits_for_its_card_and_is_done(me: Client) -> None:
    """Submit, wait, approve exactly what is shown, wait: done, with its run, ledger, trace and reasons."""
    item = me.post("/items", {"request": CALL, "key": "journey"}, status=202)
    item_id = item["item_id"]
    waiting = me.get(f"/items/{item_id}?wait=60")
    assert (waiting["state"], waiting["waiting_on"]) == ("waiting", ["approval"]), waiting

    decided = []
    while waiting["state"] == "waiting":
        card = next(one for one in waiting["approvals"] if one["state"] == "pending")
        path = f"/approvals/{card['approval_id']}/decide"
        assert me.call("POST", path, {"verdict": "approve", "digest": "sha256:other"}).status_code == 409
        assert me.post(path, {"verdict": "approve", "digest": card["digest"]})["state"] == "approved"
        again = me.call("POST", path, {"verdict": "approve", "digest": card["digest"]})
        assert (again.status_code, again.json()["error"]) == (409, "conflict")
        decided.append(card["approval_id"])
        waiting = _past(me, item_id, decided)

    assert waiting["state"] == "done", waiting["error"]
    assert {effect["state"] for effect in waiting["effects"]} == {"done"}
    assert me.post("/items", {"request": CALL, "key": "journey"}, status=202)["item_id"] == item_id
    run_id = waiting["run_id"]
    assert me.get(f"/runs/{run_id}")["item_id"] == item_id
    assert [one["state"] for one in me.get(f"/runs/{run_id}/ledger")["effects"]] == ["done"] * len(decided)
    assert me.get(f"/runs/{run_id}/trace")["spans"]
    effect_id = waiting["effects"][0]["effect_id"]
    assert me.get(f"/runs/{run_id}/why/{effect_id}")["decision"] == "ask"
    assert run_id in [one["run_id"] for one in me.get("/runs")["runs"]]
    today = me.get("/figures?days=1")["days"][-1]
    assert today["done"] >= 1 and today["approvals"]["approved"] >= len(decided)


def _past(me: Client, item_id: str, decided: list[str]) -> dict[str, object]:
    """The document once it rests on something else than the cards that were decided."""
    with_stream = Stream(me, query=f"?item_id={item_id}")
    try:
        while True:
            document = me.get(f"/items/{item_id}")
            pending = [one["approval_id"] for one in document["approvals"] if one["state"] == "pending"]
            if document["state"] not in ("ready", "running") and (pending or document["state"] != "waiting"):
                return dict(document)
            next(iter(with_stream))
    finally:
        with_stream.close()


def test_the_same_key_in_the_header_or_in_a_list_is_one_item(me: Client) -> None:
    """Idempotency-Key stands for `key`; in a list a wish of before comes back in its place, and another text is a conflict."""
    body = {"request": "what is on my calendar today"}
    first = me.post("/items", body, status=202, headers={"Idempotency-Key": "once"})
    again = me.post("/items", [{**body, "key": "once"}, {**body, "key": "twice"}], status=202)

    assert again[0]["item_id"] == first["item_id"] != again[1]["item_id"]
    assert set(again[0]) == set(again[1]) == set(first)  # whole documents, new or not
    before = len(me.get("/items?limit=500")["items"])
    refused = me.call("POST", "/items", [{"request": "something new"}, {"request": "another", "key": "once"}])
    assert refused.status_code == 409
    assert len(me.get("/items?limit=500")["items"]) == before  # all of a list, or none


def test_what_is_not_one_s_own_is_not_there(me: Client, other: Client) -> None:
    """A colleague sees neither item nor card nor run of mine, and may not decide; a program's key never does."""
    item = me.post("/items", {"request": CALL, "key": "mine"}, status=202)
    waiting = me.get(f"/items/{item['item_id']}?wait=60")
    card = waiting["approvals"][0]

    assert other.call("GET", f"/items/{item['item_id']}").status_code == 404
    assert other.call("GET", f"/approvals/{card['approval_id']}").status_code == 404
    assert other.call("GET", f"/runs/{waiting['run_id']}").status_code == 404
    assert other.get("/approvals")["approvals"] == []
    said = {"verdict": "approve", "digest": card["digest"]}
    assert other.call("POST", f"/approvals/{card['approval_id']}/decide", said).status_code == 403
    assert me.call("POST", f"/items/{item['item_id']}/cancel", {}).status_code == 200
    gone = me.call("POST", f"/approvals/{card['approval_id']}/decide", said)
    assert gone.status_code == 409


def test_an_edit_that_the_tool_would_not_take_is_refused(me: Client) -> None:
    """422 with what is wrong and what would do; the card is as it was."""
    item_id = me.post("/items", {"request": CALL, "key": "misfit"}, status=202)["item_id"]
    cards = [me.get(f"/approvals/{one['approval_id']}") for one in me.get(f"/items/{item_id}?wait=60")["approvals"]]
    card = next(one for one in cards if "start" in one["args"])
    path = f"/approvals/{card['approval_id']}"

    for args, said in (({"nosuch": 1}, "nosuch"), ({"start": "not a time"}, "not a time")):
        refused = me.call("POST", f"{path}/decide", {"verdict": "edit", "digest": card["digest"], "args": args})
        assert refused.status_code == 422, refused.text
        assert said in refused.json()["message"] and refused.json()["fix"], refused.text

    assert me.get(path)["state"] == "pending"
    me.call("POST", f"/items/{item_id}/cancel", {})


def test_several_cards_are_decided_each_by_its_own_digest(me: Client) -> None:
    """One that has moved on does not keep the others from being decided."""
    items = [me.post("/items", {"request": CALL, "key": f"bulk{n}"}, status=202)["item_id"] for n in range(2)]
    cards = [me.get(f"/items/{item_id}?wait=60")["approvals"][0] for item_id in items]
    told = me.post(
        "/approvals/decide",
        {
            "decisions": [
                {"approval_id": cards[0]["approval_id"], "verdict": "deny", "digest": "sha256:stale"},
                {"approval_id": cards[1]["approval_id"], "verdict": "deny", "digest": cards[1]["digest"]},
            ]
        },
    )["decisions"]

    assert told[0]["error"] == "conflict" and told[1]["approval"]["state"] == "denied"
    assert _past(me, items[1], [])["error"]["code"] == "approval_denied"  # type: ignore[index]  # a document
    me.post(f"/items/{items[0]}/cancel", {})


def test_many_wait_without_a_thread_each(me: Client) -> None:
    """Sixty callers wait for one item at once, and all are answered when it ends; the server answers others meanwhile."""
    item_id = me.post("/items", {"request": CALL, "key": "awaited"}, status=202)["item_id"]
    me.get(f"/items/{item_id}?wait=60")
    me.post(f"/items/{item_id}/pause")
    me.post(f"/items/{item_id}/resume")

    with ThreadPoolExecutor(60) as pool:
        waiters = [
            pool.submit(Client(me.address, me.key).get, "/items/" + item_id + "?wait=60", headers={}) for _ in range(60)
        ]
        assert me.get("/me")
        me.post(f"/items/{item_id}/cancel", {})
        answers = [one.result() for one in waiters]
    assert {one["state"] for one in answers} <= {"waiting", "cancelled"}


def test_a_workflow_is_edited_by_who_saw_what_they_change(me: Client, other: Client) -> None:
    """Saved with its revision; a second save over the old one is a conflict; a bad text changes nothing; removed, the shipped one is back."""
    shipped = me.get("/workflows/agenda-today") if _has(me, "agenda-today") else me.get(_first(me))
    name, text = shipped["name"], shipped["text"]
    version = shipped["version"]
    better = text.replace(f"version: {version}", "version: 9.0.0").replace(shipped["title"], shipped["title"] + " now")
    assert better != text

    assert other.call("PUT", f"/workflows/{name}", {"text": better, "before": shipped["revision"]}).status_code == 403
    saved = me.call("PUT", f"/workflows/{name}", {"text": better, "before": shipped["revision"]})
    assert saved.status_code == 200, saved.text
    assert (saved.json()["version"], saved.json()["own"]) == ("9.0.0", True)
    stale = me.call("PUT", f"/workflows/{name}", {"text": better, "before": shipped["revision"]})
    assert stale.status_code == 409
    revision = saved.json()["revision"]
    same = me.call("PUT", f"/workflows/{name}", {"text": better.replace(" now", " then"), "before": revision})
    assert (same.status_code, "version" in same.json()["message"]) == (422, True)
    broken = me.call("PUT", f"/workflows/{name}", {"text": better + "\nnonsense: 1\n", "before": revision})
    assert broken.status_code == 422
    assert me.get(f"/workflows/{name}")["revision"] == revision
    assert me.get(f"/workflows/{name}/versions/{revision}")["text"] == better
    assert me.call("DELETE", f"/workflows/{name}?before={revision}").status_code == 204
    assert me.get(f"/workflows/{name}")["text"] == text
    kinds = [one["kind"] for one in me.get("/audit?kind=workflow")["events"]]
    assert kinds == ["workflow.removed", "workflow.saved"]


def _has(me: Client, name: str) -> bool:
    return me.call("GET", f"/workflows/{name}").status_code == 200


def _first(me: Client) -> str:
    return f"/workflows/{me.get('/workflows')['workflows'][0]['name']}"


def test_lists_are_paged_to_their_end(me: Client) -> None:
    """Following `next` gives every entry of a list at rest once; an unchanged list is not sent again."""
    made = me.post("/items", [{"request": f"remember number {n}"} for n in range(7)], status=202)
    for one in made:  # until then the worker moves them between the parts of the list
        me.get(f"/items/{one['item_id']}?wait=60")
    seen: list[str] = []
    cursor = ""
    while True:
        page = me.get(f"/items?limit=3{cursor}")
        seen += [one["item_id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(seen) == len(set(seen)) and {one["item_id"] for one in made} <= set(seen)
    people = me.call("GET", "/people")
    assert me.call("GET", "/people", headers={"If-None-Match": people.headers["ETag"]}).status_code == 304
    assert me.call("GET", "/items?cursor=nonsense").status_code == 422


def test_what_is_wrong_is_a_problem_document(me: Client) -> None:
    """Wrong method, path, type, size and text each have their status, code and remedy."""
    wrong = [
        (me.call("DELETE", "/items"), 405, "method_not_allowed"),
        (me.call("GET", "/nothing"), 404, "not_found"),
        (me.call("GET", "/items?colour=red"), 422, "usage"),
        (me.call("POST", "/items", {"request": "x" * 1_100_000}), 413, "too_large"),
        (me.call("POST", "/items", {"request": "nul \x00"}), 422, "usage"),
        (me.call("POST", "/items", {"request": "x", "preview": True}), 501, "not_built"),
        (me.call("POST", "/runs/run_x/undo"), 501, "not_built"),
        (
            me.call("POST", "/items", headers={"Content-Type": "text/plain"}, data="hello"),
            415,
            "unsupported_media_type",
        ),
        (me.call("POST", "/items", headers={"Content-Type": "application/json"}, data="{"), 400, "not_json"),
        (Client(me.address, "dk_none").call("GET", "/items"), 401, "unauthorized"),
    ]
    for answer, status, code in wrong:
        told = answer.json()
        assert (answer.status_code, told["error"], told["status"]) == (status, code, status), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert told["message"] and told["fix"]
    assert "POST" in wrong[0][0].headers["allow"] and "GET" in wrong[0][0].headers["allow"]


def test_a_name_that_is_not_there_is_refused_at_once(me: Client) -> None:
    """As the command line does, with the nearest name: no item that fails later, no order that fails each time."""
    before = {one["item_id"] for one in me.get("/items?limit=500")["items"]}
    order = {"name": "off", "when": "daily 9:00", "request": "x"}
    wrong = [
        (me.call("POST", "/items", {"request": "x", "workflow": "morning-bref"}), 404, "did you mean 'morning-brief'?"),
        (me.call("POST", "/items", {"request": "x", "workflow": "morning-brief", "input": {"a": 1}}), 422, "it has: "),
        (me.call("POST", "/items", {"request": "x", "agent": "mial"}), 404, "did you mean 'mail'?"),
        (me.call("POST", "/items", [{"request": "x"}, {"request": "x", "agents": ["mail", "nope"]}]), 404, "agent ls"),
        (me.call("POST", "/workflows/morning-brief/run", {"input": {"a": 1}}), 422, "it has: "),
        (me.call("POST", "/schedules", {**order, "options": {"agent": "mial"}}), 404, "did you mean 'mail'?"),
        (me.call("POST", "/triggers", {"name": "off", "on": "mail", "request": "x", "agent": "mial"}), 404, "mail"),
    ]
    for answer, status, fix in wrong:
        assert (answer.status_code, fix in answer.json()["fix"]) == (status, True), answer.text
    assert {one["item_id"] for one in me.get("/items?limit=500")["items"]} == before
    assert me.get("/schedules")["schedules"] == me.get("/triggers")["triggers"] == []


def test_the_audit_is_exported_and_verified(me: Client) -> None:
    """The head kept earlier is in the chain; the export has every event up to it."""
    head = me.get("/audit/head")
    lines = me.call("GET", "/audit/export").text.splitlines()

    assert len(lines) >= head["seq"]
    assert me.post("/audit/verify", {"head": head})["ok"]
    assert not me.post("/audit/verify", {"head": {**head, "hash": "0" * 64}})["ok"]


def test_the_bench_says_what_would_happen(me: Client) -> None:
    """A call the words ask for, and one they do not; nothing is done."""
    dana = next(one["address"] for one in me.get("/people?q=Dana%20Ruiz")["people"])
    asked = {"tool": "mail.send", "args": {"to": [dana], "subject": "Late", "body": "I am late"}}
    told = me.post("/policy/explain", {"request": "Email Dana Ruiz that I am late", "call": asked})
    strange = me.post("/policy/explain", {"request": "what is on my calendar today", "call": asked})

    assert told["decision"]["effect"] in ("allow", "ask") and told["grant"]["clauses"]
    assert strange["decision"]["effect"] != "allow"
    assert me.call("POST", "/policy/explain", {"request": "x", "call": {"tool": "mail.fly"}}).status_code == 422
