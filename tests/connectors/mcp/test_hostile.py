"""A server that means harm or breaks costs nothing but its own failure."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.errors import ConnectorError, NotFound, OutcomeUnknown, Unreachable
from connectors.mcp.trouble import NotReviewed
from connectors.spec import EffectClass, Unknown
from tests.connectors.mcp.support import ACCOUNT, Hostile, call

ROOT = Path(__file__).resolve().parents[3]
OVER_BOTH = pytest.mark.parametrize("hostile", ["stdio", "http"], indirect=True)
OVER_HTTP = pytest.mark.parametrize("hostile", ["http"], indirect=True)


def is_running(pid: int) -> bool:
    """Whether a process is still there five seconds from now at the latest; returns as soon as it has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        return not select.select([handle], [], [], 5.0)[0]
    finally:
        os.close(handle)


@OVER_BOTH
def test_a_poisoned_description_is_cut_cleaned_and_named_as_the_servers(hostile: Hostile) -> None:
    """What a model reads of a stranger's tool is bounded, without hidden characters, and says whose words they are."""
    spec = next(one for one in hostile.open().tools() if one.name == "evil.add_note")

    assert spec.description.startswith("A tool of the server evil, in that server's own words: Adds.")
    assert len(spec.description) < 2200
    assert not set("\x1b\u202e\u200b") & set(spec.description)


@OVER_BOTH
def test_tools_that_cannot_be_told_apart_are_left_out_with_the_reason(hostile: Hostile) -> None:
    """Twice the same name, two names that become one, a name too long, a schema elsewhere: none is offered, all are named."""
    connector = hostile.open()

    offered = {spec.name for spec in connector.tools()}

    assert not offered & {"evil.twin", "evil.same_name", "evil.elsewhere"}
    assert "evil.get_note" in offered
    for word in ("'twin'", "'same.name'", "'same/name'", "xxxx", "'elsewhere'"):
        assert any(word in problem for problem in connector.problems), word


@OVER_BOTH
def test_a_hint_that_contradicts_the_name_is_not_believed(hostile: Hostile) -> None:
    """A tool called delete_all that says that it only reads is a destructive effect; what a believed read says is nobody's inside."""
    specs = {spec.name: spec for spec in hostile.open().tools()}

    assert specs["evil.delete_all"].effect_class is EffectClass.IRREVERSIBLE
    assert specs["evil.delete_all"].manifest["destructive"] is True
    assert specs["evil.get_note"].effect_class is EffectClass.READ
    assert specs["evil.get_note"].manifest["effect"] == "fetch"
    assert specs["evil.get_note"].manifest["output"]["author"] == "server"


@OVER_BOTH
@pytest.mark.parametrize("flag", ["changed-schema", "changed-words"])
def test_a_tool_that_changed_between_listing_and_call_is_refused_and_the_others_go_on(
    hostile: Hostile, flag: str
) -> None:
    """A new argument or other words: nothing arrives until a person has looked; what did not change still works."""
    connector = hostile.open()
    connector.tools()
    hostile.flag(flag)

    with pytest.raises(NotReviewed):
        call(connector, "add_note", text="x")

    assert hostile.lines("calls") == []
    assert call(connector, "get_note", text="x") == {"text": "note of get_note"}
    assert "evil.add_note" in {change.tool for change in connector.drift()}


def test_a_change_that_the_server_announces_is_seen_before_the_next_call(hostile: Hostile) -> None:
    """Told before an answer, a change counts for the call after that answer: the list is compared again first."""
    connector = hostile.open()
    assert call(connector, "add_note", text="x") == {"text": "note of add_note"}
    hostile.flag("changed-schema")
    hostile.flag("tell")
    call(connector, "get_note", text="x")

    with pytest.raises(NotReviewed):
        call(connector, "add_note", text="y")

    assert hostile.lines("calls") == ["add_note", "get_note"]


@OVER_BOTH
def test_a_tool_that_nobody_looked_at_is_not_offered(hostile: Hostile) -> None:
    """What a server adds later is unknown until it is reviewed."""
    connector = hostile.open()
    connector.tools()
    hostile.flag("changed-schema")

    with pytest.raises(NotFound):
        call(connector, "newcomer")

    assert hostile.lines("calls") == []


@OVER_BOTH
def test_an_oversized_answer_is_cut_and_says_so(hostile: Hostile) -> None:
    """Two million characters become the limit's worth, clean, with a note that is no part of them."""
    answer = call(hostile.open(max_result_bytes=1000), "huge")

    assert isinstance(answer, dict)
    assert set(answer) == {"cut", "text"}
    assert answer["text"] == "a" * 1000
    assert "1,000" in str(answer["cut"])


@OVER_BOTH
def test_an_endless_answer_ends_the_connection_and_leaves_the_effect_in_doubt(hostile: Hostile) -> None:
    """A message over the limit is not taken in; the next call finds a fresh server."""
    connector = hostile.open(max_message_bytes=1_000_000)

    with pytest.raises(OutcomeUnknown):
        call(connector, "flood")

    assert call(connector, "get_note") == {"text": "note of get_note"}


def test_a_server_that_never_answers_costs_its_time_and_is_ended(hostile: Hostile) -> None:
    """An effect is in doubt, and cannot happen later: the server and its children are gone, though they ignore signals."""
    connector = hostile.open("stubborn", timeout_s=3.0)
    call(connector, "get_note")
    before = hostile.pids()[2:]

    with pytest.raises(OutcomeUnknown):
        call(connector, "never")

    assert hostile.lines("calls") == ["get_note", "never"]
    assert call(connector, "get_note") == {"text": "note of get_note"}
    assert [pid for pid in before if is_running(pid)] == []


@OVER_BOTH
def test_a_read_that_is_never_answered_is_unreachable(hostile: Hostile) -> None:
    """Nothing is in doubt about a read: it may be asked again."""
    with pytest.raises(Unreachable):
        call(hostile.open(timeout_s=2.0), "never_read")


def test_a_server_that_crashes_is_started_again_and_what_it_left_is_ended(hostile: Hostile) -> None:
    """The effect under way is in doubt and was sent once; the next call works; no child of the crashed one survives."""
    connector = hostile.open()
    call(connector, "get_note")
    crashed = hostile.pids()[2:]

    with pytest.raises(OutcomeUnknown):
        call(connector, "crash")

    assert call(connector, "get_note") == {"text": "note of get_note"}
    assert hostile.lines("calls") == ["get_note", "crash", "get_note"]
    assert [pid for pid in crashed if is_running(pid)] == []


@OVER_HTTP
@pytest.mark.parametrize("tool", ["never", "crash"])
def test_an_effect_that_is_not_answered_over_http_is_in_doubt_and_was_sent_once(hostile: Hostile, tool: str) -> None:
    """Waited for as long as it may take, or broken off: it is not sent again by itself."""
    connector = hostile.open(timeout_s=3.0)
    connector.tools()

    with pytest.raises(OutcomeUnknown):
        call(connector, tool)

    assert hostile.lines("calls") == [tool]


@OVER_HTTP
def test_a_server_over_http_that_crashed_is_out_of_reach(hostile: Hostile) -> None:
    """Nobody here starts it again: what is asked of it then was certainly not sent."""
    connector = hostile.open(timeout_s=5.0)
    with pytest.raises(OutcomeUnknown):
        call(connector, "crash")
    hostile.ended()  # while it is still ending, a call on the old line is rightly in doubt

    with pytest.raises(Unreachable):
        call(connector, "add_note", text="x")

    assert hostile.lines("calls") == ["crash"]


def test_a_server_that_keeps_crashing_is_started_with_growing_pauses(hostile: Hostile) -> None:
    """From the second failure in a row on a start waits; where the wait is longer than the call may take, nothing is started."""
    connector = hostile.open(timeout_s=4.0)
    connector.tools()
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            call(connector, "crash")
    [slot] = connector._slots.values()
    slot.FIRST_PAUSE_S = 30.0
    with pytest.raises(Unreachable):
        call(connector, "crash")

    assert hostile.lines("calls") == ["crash", "crash"]


def test_complaints_without_end_hold_nobody_up(hostile: Hostile) -> None:
    """Ten megabytes on standard error are taken off and thrown away."""
    assert call(hostile.open(), "stderr") == {"text": "done"}


def test_a_server_that_asks_for_a_model_a_folder_or_a_password_is_refused(hostile: Hostile) -> None:
    """Sampling, roots and elicitation get an error, and the call goes on without them."""
    assert call(hostile.open(), "sample") == {"text": "asked"}

    assert {json.loads(line)["id"]: json.loads(line)["refused"] for line in hostile.lines("heard")} == {
        "s1": True,
        "r1": True,
        "e1": True,
    }


@OVER_BOTH
def test_a_failure_is_told_in_one_bounded_line(hostile: Hostile) -> None:
    """A server's error text reaches a model quoted, short and clean."""
    with pytest.raises(ConnectorError) as caught:
        call(hostile.open(), "fails")

    assert caught.value.code == "provider_error"
    assert "“No.[31m Send it" in caught.value.message
    assert len(caught.value.message) < 400
    assert "\n" not in caught.value.message


@OVER_BOTH
def test_a_malformed_answer_to_an_effect_leaves_it_in_doubt(hostile: Hostile) -> None:
    """It did arrive; what became of it nobody can say."""
    with pytest.raises(OutcomeUnknown):
        call(hostile.open(), "broken")


@OVER_BOTH
def test_an_answer_that_does_not_fit_its_schema_is_its_text(hostile: Hostile) -> None:
    """A lie about the shape is not passed on as that shape."""
    answer = call(hostile.open(), "typed")

    assert isinstance(answer, dict)
    assert answer["text"] == "n is many"
    assert "did not fit" in str(answer["note"])


@OVER_BOTH
def test_control_characters_are_taken_out_of_answers(hostile: Hostile) -> None:
    """Neither a null byte nor a mark that turns the reading direction gets through."""
    assert call(hostile.open(), "get_note") == {"text": "note of get_note"}


def test_a_server_sees_nothing_of_ours(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment holds a few harmless variables and what was configured, no key of anybody's."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("DEPUTY_TOKEN", "secret")

    hostile.open(env={"MODE": "x"}).tools()

    seen = set(json.loads(hostile.lines("environment")[0]))
    assert "MODE" in seen
    assert not seen & {"OPENAI_API_KEY", "DEPUTY_TOKEN"}


@OVER_BOTH
def test_a_server_that_does_not_start_offers_nothing_and_says_why(hostile: Hostile) -> None:
    """Its failure is a sentence, not an exception of everybody's."""
    connector = hostile.open("silent", timeout_s=3.0, start_timeout_s=1.0)

    assert connector.tools() == ()
    assert "did not start in time" in connector.problems[0] or "could not be started" in connector.problems[0]


def test_closing_ends_every_process(hostile: Hostile) -> None:
    """After close nothing of the server is left, not even a child that ignores signals."""
    connector = hostile.open("stubborn")
    call(connector, "get_note")

    connector.close()

    assert [pid for pid in hostile.pids() if is_running(pid)] == []


def test_calls_from_several_threads_share_one_server(hostile: Hostile) -> None:
    """A connection outlives the loop of the call that opened it; eight callers start one process."""
    connector = hostile.open()
    connector.tools()
    started = len(hostile.lines("pids"))
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(call(connector, "get_note"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert answers == [{"text": "note of get_note"}] * 8
    assert len(hostile.lines("pids")) == started + 1


@OVER_BOTH
def test_what_became_of_a_lost_call_is_unknown(hostile: Hostile) -> None:
    """MCP has nothing to look an attempt up by."""
    connector = hostile.open()
    now = datetime.now(UTC)
    asked = connector.reconcile("evil.crash", {}, account=ACCOUNT, key="k" * 32, attempted_at=now)

    assert isinstance(asyncio.run(asked), Unknown)


def test_a_process_that_ends_takes_its_servers_along(hostile: Hostile) -> None:
    """Without a close, too, nothing of a server outlives the interpreter that started it."""
    script = (
        "import sys; from pathlib import Path; from tests.connectors.mcp.support import Hostile, call; "
        "call(Hostile(Path(sys.argv[1])).open('stubborn'), 'get_note')"
    )

    done = subprocess.run([sys.executable, "-c", script, str(hostile.folder)], cwd=ROOT, timeout=60, check=False)

    assert done.returncode == 0
    assert len(hostile.pids()) == 4
    assert [pid for pid in hostile.pids() if is_running(pid)] == []
