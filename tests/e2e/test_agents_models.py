"""A supervisor and three task agents end to end on a model server none of us wrote, on both wires, with every fault it can play."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.place import Place
from tests.models import aimock, strict

ODD = "Please look into how busy my week is and tell me in one line"
WEEK = {"start": "2026-11-23T00:00:00+00:00", "end": "2026-11-28T00:00:00+00:00"}
READS = {
    "mail": ("mail_search", {"limit": 3}),
    "calendar": ("calendar_list_events", WEEK),
    "chat": ("chat_list_channels", {}),
}
ANSWER = "A usual week: mail, calendar and chat were looked at."


def calls(*made: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"toolCalls": [{"name": name, "arguments": json.dumps(args)} for name, args in made]}


def said(of: str, turn: int, response: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "match": {"userMessage": of, "turnIndex": turn, **more.pop("match", {})},
        "response": dict(response),
        **more,
    }


def delegations() -> dict[str, Any]:
    return calls(
        *(
            (
                "agent_delegate",
                {
                    "name": name,
                    "goal": f"inspect the {name}",
                    "instructions": "You look.",
                    "tools": [tool.replace("_", ".", 1)],
                },
            )
            for name, (tool, _) in READS.items()
        )
    )


def story() -> list[dict[str, Any]]:
    """What everybody says, in aimock's own form."""
    told = [
        said(ODD, 0, delegations()),
        said(ODD, 1, calls(("worklist_wait", {"until": "all"}))),
        said(ODD, 2, calls(("finish", {"answer": ANSWER}))),
    ]
    for name, read in READS.items():
        told.append(said(f"inspect the {name}", 0, calls(read)))
        told.append(said(f"inspect the {name}", 1, calls(("finish", {"answer": f"{name}: looked at"}))))
    return told


def first(of: str, turn: int, **fault: Any) -> dict[str, Any]:
    """The first time this is asked, a fault; afterwards the story."""
    return said(of, turn, fault.pop("response", {"content": "never heard whole"}), match={"sequenceIndex": 0}, **fault)


ERROR = {"type": "server_error", "message": "oops"}
CUT = {"chunkSize": 2, "latency": 20}
FAULTS: dict[str, list[dict[str, Any]]] = {
    "429": [first(ODD, 1, response={"error": {"type": "rate_limit_error", "message": "slow down"}, "status": 429})],
    "500": [
        first(of, turn, response={"error": ERROR, "status": 500})
        for of, turn in ((ODD, 0), ("inspect the mail", 0), ("inspect the chat", 1), (ODD, 2))
    ],
    "cut": [first(of, 1, truncateAfterChunks=3, **CUT) for of in ("inspect the mail", "inspect the calendar", ODD)],
    "disconnect": [first(of, 0, disconnectAfterMs=60, **CUT) for of in ("inspect the mail", "inspect the chat", ODD)],
    "slow": [first("inspect the mail", 1, response=calls(("finish", {"answer": "mail: slowly"})), latency=150)],
}


@contextmanager
def server(place: Place, wire: str, told: Sequence[Mapping[str, Any]], *flags: str, stream: bool) -> Iterator[Any]:
    """aimock behind the settings of `place`: the thin client through the strict validator, Anthropic's wire by LangChain."""
    with aimock.running(told, place.home, "--strict", *flags) as mock:
        if wire == "anthropic":
            place.set(model="anthropic:claude-of-tests", model_stream=stream)
            yield mock
            return
        with strict.running(mock.openai_url) as proxy:
            place.set(model="openai:gpt-4o", model_base_url=proxy.url, model_stream=stream)
            yield mock
        assert proxy.violations == []


@pytest.fixture
def anthropic_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Points Anthropic's own client at an address, by its own variables."""

    def point(url: str) -> None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        monkeypatch.setenv("ANTHROPIC_API_URL", url)

    return point


def finished(place: Place, done: Mapping[str, Any], *, calls: int = 9) -> None:
    """The request ended as the story tells, every task with its read, every reply recorded once."""
    assert (done["state"], done["text"]) == ("done", ANSWER), (done["state"], done["error"], done["waiting_on"])
    assert len(done["children"]) == 3
    assert done["receipt"]["model_calls"] == calls
    for child in done["children"]:
        kinds = [step["kind"] for step in place.steps({"item_id": child})]
        assert kinds[:4] == ["agent", "reply", "read", "reply"], kinds


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_supervisor_three_tasks_answer(
    place: Place, anthropic_at: Callable[[str], None], wire: str, stream: bool
) -> None:
    """Nine model calls, three reads, one answer; nothing in any request that a strict endpoint would refuse."""
    with server(place, wire, story(), stream=stream) as mock:
        anthropic_at(mock.url)
        done = place.ask(ODD)
        journal = mock.journal()

    finished(place, done)
    assert len(journal) == 9
    assert done["receipt"]["input_tokens"] > 0


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_fault_of_the_model_server_is_passed_over(
    place: Place, anthropic_at: Callable[[str], None], wire: str, fault: str
) -> None:
    """The same answer as without it; what was heard in part is never acted upon, and the retries stand on the receipt."""
    with server(place, wire, [*FAULTS[fault], *story()], stream=fault in ("cut", "disconnect")) as mock:
        anthropic_at(mock.url)
        done = place.ask(ODD)

    finished(place, done)
    if fault != "slow":
        retries = [place.item(one)["receipt"].get("retries", 0) for one in (done["item_id"], *done["children"])]
        assert max(retries) >= 1, retries


@pytest.mark.parametrize("fault", ["malformed", "drop", "disconnect"])
def test_a_server_that_fails_every_third_time(place: Place, fault: str) -> None:
    """Bodies that are no JSON, answers that never come, connections that break, at random: the answer is the same."""
    with server(place, "openai", story(), f"--chaos-{fault}", "0.3", stream=False):
        place.set(model_retries=8)
        done = place.ask(ODD)

    finished(place, done)


@pytest.mark.parametrize(("status", "kind", "code"), [(401, "authentication_error", "model_auth"), (400, "invalid_request_error", "model_refused")])  # fmt: skip
def test_an_endpoint_that_refuses_ends_the_run_with_a_fix(place: Place, status: int, kind: str, code: str) -> None:
    """No retry helps: one request, failed with the code and what to do."""
    refusal = {"match": {"userMessage": ODD}, "response": {"error": {"type": kind, "message": "no"}, "status": status}}
    with server(place, "openai", [refusal], stream=False) as mock:
        done = place.ask(ODD)
        asked = len(mock.journal())

    assert (done["state"], done["error"]["code"]) == ("failed", code), done["error"]
    assert done["error"]["fix"]
    assert asked == 1
