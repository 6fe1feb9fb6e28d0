"""SIGTERM in the middle of a step: it is finished and on record, what it did happened once, and nothing of what was traced is lost."""

from __future__ import annotations

import gzip
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.agents.cast import hire
from tests.agents.puppet import Asked, Call, Says, finish, puppet
from tests.e2e.place import Place
from tests.http.served import Serving, eventually

HELD = {"title": "Quiet hour", "start": "2026-11-25T10:00:00+00:00", "end": "2026-11-25T11:00:00+00:00"}


def test_the_step_under_way_is_logged_and_its_effect_happens_once(place: Place) -> None:
    """The model is thinking when the signal comes: its answer is heard, and whoever goes on asks for it no second time."""
    thinking, answer = threading.Event(), threading.Event()
    asked_for: list[int] = []

    def script(asked: Asked) -> Says:
        asked_for.append(asked.turn)
        if asked.turn == 0:
            thinking.set()
            answer.wait(60)
            return Call("calendar_create_event", HELD)
        return finish("held")

    hire(place, "clerk", ["calendar.create_event"])
    with puppet(script) as model, _collector() as (collector, exported):
        place.set(otlp_endpoint=collector)
        place.set(model="openai:puppet", model_base_url=model.url, profile="delegated")
        serving = Serving(place.home, OPENAI_API_KEY="none", **place.settings.as_environment())
        try:
            wish = {"request": "Hold a quiet hour on 25 November from 10:00 to 11:00 UTC", "agent": "clerk"}
            item_id = serving.client().post("/items", wish, status=202)["item_id"]
            assert thinking.wait(60)
            serving.process.send_signal(signal.SIGTERM)
            eventually(lambda: not _is_ready(serving))
            answer.set()
            assert serving.process.wait(60) == 0
        finally:
            answer.set()
            serving.kill()
        left = place.item(item_id)
        steps = [step["kind"] for step in place.steps(left)]
        spans = [span["name"] for span in place.spans(left)]
        sent_out = list(exported)
        place.set(otlp_endpoint=None)
        place.work(linger_s=0.0)
        done = place.approve_all(place.item(item_id))

    assert (done["state"], done["text"]) == ("done", "held"), (left["state"], done["error"])
    assert asked_for.count(0) == 1
    assert [tool for tool, _ in place.sent()] == ["calendar.create_event"]
    assert [effect["state"] for effect in done["effects"]] == ["done"]
    assert "reply" in steps, steps
    assert steps.count("effect") <= 1, steps
    assert any("chat" in name for name in spans), spans  # of the step that was under way: nobody has worked since
    assert b"chat" in b"".join(body for path, body in sent_out if path == "/v1/traces")
    assert "ending" in serving.log.read_text()
    assert place.desk.audit_verify(place.admin)["ok"]


@contextmanager
def _collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """An OTLP/HTTP collector on loopback: its address, and the path and body of all it got."""
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            got.append((self.path, gzip.decompress(body) if packed else body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()
    thread.join(10)


def _is_ready(serving: Serving) -> bool:
    import requests

    try:
        return requests.get(f"{serving.address}/readyz", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False
