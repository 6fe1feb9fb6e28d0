"""Replies from a file instead of an endpoint, and the recorder that fills one. JSON Lines: request digest → reply.

A request that was never recorded is an error, never a call. The file holds what models wrote; it is made readable by its owner only.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.agents.models.protocol import Model, ModelError, ModelReply, ModelRequest, OnText, ToolAsk, Usage


def digest_of(request: ModelRequest) -> str:
    """Of what decides a reply: messages, tools, choice and schema. Limits of time and length are not part of it."""
    schema = "" if request.schema is None else json.dumps(request.schema, sort_keys=True)
    parts = [*request.messages, request.tools, request.tool_choice.encode(), schema.encode()]
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return f"sha256:{whole.hexdigest()}"


@dataclass(slots=True, kw_only=True)
class RecordedModel:
    """Replays `path`. Where a request was recorded more than once, its last reply counts."""

    name: str
    path: Path
    context_tokens: int
    _replies: Mapping[str, Mapping[str, Any]] | None = None

    async def reply(self, request: ModelRequest, *, on_text: OnText | None = None) -> ModelReply:
        if self._replies is None:
            self._replies = _read(self.path)
        digest = digest_of(request)
        told = self._replies.get(digest)
        if told is None:
            raise ModelError(
                "model_refused",
                f"{self.path} holds no reply to this request ({digest[:19]}…)",
                fix=f"record it: set model_record = {str(self.path)!r} with the real model, and run it again",
            )
        reply = _reply_of(told)
        if on_text is not None and reply.text:
            on_text(reply.text)
        return replace(reply, endpoint="recorded", cost_microusd=0, retries=0, wall_ms=0)

    def most_microusd(self, request: ModelRequest) -> int:
        return 0


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Passes everything through and appends each reply to `path`, one write a line."""

    model: Model
    path: Path

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def context_tokens(self) -> int:
        return self.model.context_tokens

    async def reply(self, request: ModelRequest, *, on_text: OnText | None = None) -> ModelReply:
        reply = await self.model.reply(request, on_text=on_text)
        line = json.dumps({"request": digest_of(request), "reply": _as_json(reply)}, ensure_ascii=True) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)
        return reply

    def most_microusd(self, request: ModelRequest) -> int:
        return self.model.most_microusd(request)


def _read(path: Path) -> dict[str, Mapping[str, Any]]:
    replies: dict[str, Mapping[str, Any]] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ModelError(
            "model_refused",
            f"the recording {path} cannot be read: {error.strerror}",
            fix="name a file written with model_record",
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            _reply_of(told["reply"])
            replies[told["request"]] = told["reply"]
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(
                "model_refused", f"{path}:{number} is no recorded reply", fix="remove the line, or record anew"
            ) from error
    return replies


def _as_json(reply: ModelReply) -> dict[str, Any]:
    usage = reply.usage
    return {
        "text": reply.text,
        "calls": [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in reply.calls],
        "finish": reply.finish,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "is_estimated": usage.is_estimated,
        },
        "model": reply.model,
        "sent_bytes": reply.sent_bytes,
        "dropped": list(reply.dropped),
    }


def _reply_of(told: Mapping[str, Any]) -> ModelReply:
    return ModelReply(
        text=told["text"],
        calls=tuple(ToolAsk(**call) for call in told["calls"]),
        finish=told["finish"],
        usage=Usage(**told["usage"]),
        model=told["model"],
        endpoint="recorded",
        sent_bytes=told["sent_bytes"],
        cost_microusd=0,
        retries=0,
        dropped=tuple(told["dropped"]),
        wall_ms=0,
    )
