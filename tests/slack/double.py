"""A Slack of OUR OWN, for what nothing installable offers: Socket Mode, the agent pane, modals and whispers as they arrive.

It knows no rule of Slack's: it answers everything with ok and remembers what it was asked. What Slack would accept is tested on
emulate, which others wrote; here it is only told what the bot sent.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.slack.running import until

TEAM, BOT = "TDOUBLE00", "UBOT00000"


class Double:
    """`users`: address → id. Acknowledgements of deliveries are kept by their envelope."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self.users = dict(users)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.acks: dict[str, dict[str, Any]] = {}
        self.connections = 0
        self.holds: set[str] = set()  # methods that get no answer for now
        self.team, self.bot, self.channel = TEAM, BOT, "C0000TEAM"
        self._numbers = itertools.count(1)
        self._sockets: list[WebSocket] = []

    def direct(self, address: str) -> str:
        return f"D{self.users[address][1:]}"

    def sent(self, method: str) -> list[dict[str, Any]]:
        return [body for name, body in self.calls if name == method]

    def deliver(self, kind: str, payload: Mapping[str, Any]) -> str:
        """By the latest connection; the envelope's id."""
        envelope = f"env-{next(self._numbers)}"
        message = {"type": kind, "envelope_id": envelope, "payload": dict(payload), "accepts_response_payload": True}
        self._tell(message)
        return envelope

    def drop(self) -> None:
        """Slack asks for another connection, as it does every few hours."""
        self._tell({"type": "disconnect", "reason": "refresh_requested"})

    def acked(self, envelope: str) -> dict[str, Any]:
        return until(lambda: self.acks.get(envelope))

    def _tell(self, message: Mapping[str, Any]) -> None:
        until(lambda: self._sockets)
        going = asyncio.run_coroutine_threadsafe(self._sockets[-1].send_text(json.dumps(message)), self._loop)
        going.result(10)

    # ---- the server --------------------------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        routes = [Route("/api/{method}", self._answer, methods=["POST"]), WebSocketRoute("/link", self._link)]
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="error", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        until(lambda: self._server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)

    def _run(self) -> None:
        self._server.run(sockets=[self._listening])

    async def _link(self, link: WebSocket) -> None:
        await link.accept()
        self._loop = asyncio.get_running_loop()
        self._sockets.append(link)
        self.connections += 1
        try:
            while True:
                told = json.loads(await link.receive_text())
                if "envelope_id" in told:
                    self.acks[told["envelope_id"]] = told
        except (WebSocketDisconnect, ValueError):
            self._sockets.remove(link)

    async def _answer(self, request: Request) -> JSONResponse:
        method = request.path_params["method"]
        raw = await request.body()
        is_json = request.headers.get("content-type", "").startswith("application/json")
        form = (
            json.loads(raw or b"{}")
            if is_json
            else {name: str(value) for name, value in (await request.form()).items()}
        )
        self.calls.append((method, form))
        while method in self.holds:
            await asyncio.sleep(0.02)
        return JSONResponse({"ok": True} | self._told(method, form))

    def _told(self, method: str, form: Mapping[str, Any]) -> dict[str, Any]:
        match method:
            case "auth.test":
                return {"team_id": TEAM, "user_id": BOT, "bot_id": "B00000000"}
            case "apps.connections.open":
                return {"url": f"ws://127.0.0.1:{self.port}/link"}
            case "users.info":
                known = {user_id: address for address, user_id in self.users.items()}
                profile = {"email": known.get(str(form["user"]), "")}
                return {"user": {"id": form["user"], "team_id": TEAM, "profile": profile, "is_email_confirmed": True}}
            case "conversations.open":
                return {"channel": {"id": f"D{str(form['users'])[1:]}"}}
            case "chat.postMessage" | "chat.startStream":
                return {"ts": f"{time.time():.0f}.{next(self._numbers):06d}", "channel": form.get("channel")}
            case "conversations.history" | "conversations.replies":
                return {"messages": []}
        return {}
