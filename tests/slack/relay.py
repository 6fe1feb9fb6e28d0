"""Stands before emulate and changes what a test wants changed: emulate has neither guests nor pages of members, and never fails."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any, Self

import requests
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.slack.running import until

Change = Callable[[dict[str, Any], dict[str, str]], dict[str, Any]]  # the answer and the form → the answer


class Relay:
    """`changes`: method → what becomes of its answers; everything else passes as it is. `calls`: the methods, in order."""

    def __init__(self, behind: str) -> None:
        self._behind = behind
        self.changes: dict[str, Change] = {}
        self.calls: list[str] = []

    def __enter__(self) -> Self:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        routes = [Route("/api/{method}", self._pass, methods=["POST"])]
        config = uvicorn.Config(Starlette(routes=routes), log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]}, daemon=True)
        self._thread.start()
        until(lambda: self._server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)

    async def _pass(self, request: Request) -> Response:
        method, body = str(request.path_params["method"]), await request.body()
        self.calls.append(method)
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in ("authorization", "content-type", "accept")
        }
        answer = await run_in_threadpool(
            requests.post, f"{self._behind}/api/{method}", data=body, headers=headers, timeout=20
        )
        content = answer.content
        if method in self.changes:
            form = {name: str(value) for name, value in (await request.form()).items()}
            content = json.dumps(self.changes[method](answer.json(), form)).encode()
        return Response(content, answer.status_code, media_type=answer.headers.get("content-type"))
