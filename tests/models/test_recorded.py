"""Recorded replies: what was recorded comes again, anything else is an error and never a call."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from orchestrator.agents.models.protocol import ModelError
from orchestrator.agents.models.recorded import digest_of
from orchestrator.agents.models.registry import Models
from orchestrator.settings import Settings
from tests.models.peer import TOOLS, ask, models, peer, request, says

CALL = {"name": "mail_search", "arguments": '{"q": 1}'}


def record(tmp_path: Path, *requests: object) -> Path:
    """A file of replies to these requests."""
    file = tmp_path / "replies.jsonl"

    async def story() -> None:
        async with peer(says("first", [CALL]), says("second")) as server:
            built = models(tmp_path, server.url, model_record=file)
            for asked in requests:
                await built.role("task").reply(asked)  # type: ignore[arg-type]
            await built.aclose()

    asyncio.run(story())
    return file


def replay(file: Path, home: Path) -> Models:
    return Models.of(Settings.load(home=home, model=f"recorded:{file}"), environment={})


def test_what_was_recorded_comes_again(tmp_path: Path) -> None:
    """Text, calls, end and usage are the recorded ones; it costs nothing and calls nobody."""
    file = record(tmp_path, request(tools=TOOLS), request())
    heard: list[str] = []

    model = replay(file, tmp_path).role("supervisor")
    first = asyncio.run(model.reply(request(tools=TOOLS, max_tokens=9, timeout_s=1.0), on_text=heard.append))
    second = asyncio.run(model.reply(request()))

    assert (first.text, first.finish, first.calls[0].arguments) == ("first", "tool_calls", CALL["arguments"])
    assert (second.text, second.endpoint, second.cost_microusd) == ("second", "recorded", 0)
    assert (heard, first.usage.input_tokens, model.most_microusd(request())) == (["first"], 100, 0)


def test_a_request_nobody_recorded_is_an_error(tmp_path: Path) -> None:
    """It names the file and how to record."""
    file = record(tmp_path, request())

    with pytest.raises(ModelError) as caught:
        asyncio.run(replay(file, tmp_path).role("task").reply(request(tools=TOOLS)))

    assert (caught.value.code, caught.value.is_transient) == ("model_refused", False)
    assert "model_record" in caught.value.fix


def test_recordings_are_the_owners_alone(tmp_path: Path) -> None:
    """The file holds what models wrote."""
    file = record(tmp_path, request())

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, "not json\n", '{"request": "x", "reply": {"text": 1}}\n'])
def test_a_file_that_is_none_is_told(tmp_path: Path, content: str | None) -> None:
    """Missing or broken, with the line."""
    file = tmp_path / "replies.jsonl"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ModelError) as caught:
        asyncio.run(replay(file, tmp_path).role("task").reply(request()))

    assert str(file) in caught.value.message and caught.value.fix


def test_the_digest_is_of_what_decides_a_reply() -> None:
    """Messages, tools, choice and schema count, and where one message ends; limits do not."""
    base = digest_of(request())

    assert digest_of(request(max_tokens=1, timeout_s=1.0, secret=True)) == base
    others = [
        request(tools=TOOLS),
        request(tool_choice="none"),
        request(schema={"type": "object"}),
        request(messages=[b"{}", b"{}"]),
        request(messages=[b"{}{}"]),
    ]
    assert len({base, *map(digest_of, others)}) == 6


def test_recording_changes_nothing_for_the_caller(tmp_path: Path) -> None:
    """The recorder passes the reply on as it came."""

    async def story() -> tuple[str, str]:
        async with peer(says("same")) as server:
            plain = await ask(server.url, tmp_path)
            built = models(tmp_path, server.url, model_record=tmp_path / "x" / "r.jsonl")
            recorded = await built.role("judge").reply(request())
            await built.aclose()
            return plain.text, recorded.text

    assert asyncio.run(story()) == ("same", "same")
