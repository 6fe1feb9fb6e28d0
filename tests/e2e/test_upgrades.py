"""What changes under a run that waits: rules, workflow files, tool schemas, the program itself. Done, or refused in so many words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.office import OfficeConnector
from connectors.spec import ToolSpec
from orchestrator import workflows
from orchestrator.errors import DeputyError
from orchestrator.surfaces.cli.exitcode import Exit
from tests.e2e.place import CALL, NOTHING, Place, tools, wrapped

NO_MAIL = """
// Protects a company that is being audited: nothing leaves by mail this week.
@id("no mail this week")
forbid (principal, action, resource == Tool::"mail.reply");
"""


def with_rules(place: Place, text: str) -> None:
    folder = place.home / "rules"
    folder.mkdir(exist_ok=True)
    (folder / "ours.cedar").write_text(text)
    place.set(policy_dir=folder)


def approve(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    for card in place.cards(asked):
        place.decide(card)
    place.work()
    return place.item(asked)


def test_a_rule_added_while_a_card_waits_closes_what_was_approved(any_place: Place) -> None:
    """Approved under the old rules, denied by the new ones: the gate is asked again before anything is sent."""
    asked = any_place.ask(CALL)
    for card in any_place.cards(asked):
        any_place.decide(card)
    with_rules(any_place, NO_MAIL)
    any_place.work()

    ended = any_place.item(asked)
    assert ended["state"] == "denied"
    assert ended["error"]["code"] == "denied"
    assert any_place.exit_code(ended) is Exit.DENIED
    assert any_place.diff() == NOTHING, "the refusal of the second comes before the first is sent"
    (refused,) = [e for e in ended["effects"] if e["tool"] == "mail.reply"]
    why = any_place.desk.why(any_place.me, refused["effect_id"])
    assert (why["decision"], why["rules"]) == ("deny", ["no mail this week"])
    heard = [e for e in any_place.desk.audit_tail(any_place.admin, limit=200) if e["effect_id"] == refused["effect_id"]]
    assert {"ask", "deny"} <= {e["body"].get("decision") for e in heard if e["kind"] == "decision"}


def test_each_decision_names_the_rules_it_was_made_with(place: Place) -> None:
    """Another bundle, another digest: the earlier run and the later one say which they met."""
    first = place.ask(CALL)
    with_rules(place, NO_MAIL)
    second = place.ask(CALL)

    digests = [place.desk.why(place.me, item["effects"][0]["effect_id"])["bundle_digest"] for item in (first, second)]
    assert digests[0] != digests[1]
    assert second["state"] == "denied"
    assert place.sent() == []


def test_a_bundle_that_permits_more_changes_nothing_for_an_approved_card(place: Place) -> None:
    """A build with the other profile: a card that was shown is still answered by its person, and sent once."""
    asked = place.ask(CALL)
    place.set(profile="delegated")
    place.restart()
    place.work()
    assert place.sent() == [], "a card that waits for a person is not overtaken by a looser profile"

    assert approve(place, asked)["state"] == "done"
    assert len(place.sent()) == 2


def test_what_policy_allows_is_sent_without_a_card_in_the_delegated_profile(any_place: Place) -> None:
    """The same request, earned trust: done in one go, and the ledger still names the rules."""
    any_place.set(profile="delegated")

    done = any_place.ask(CALL)

    assert done["state"] == "done"
    assert done["approvals"] == []
    assert {e["decision"] for e in done["effects"]} == {"allow"}
    assert all(e["rules"] for e in done["effects"])
    assert len(any_place.sent()) == 2


def test_a_tightened_profile_asks_about_what_was_held_back(place: Place) -> None:
    """Held as allowed while its twin waits for a person, then the profile tightens: it gets a card of its own."""
    place.set(profile="delegated")
    item_id = place.submit(CALL)
    place.desk.pause(place.me, item_id)
    place.work()
    place.set(profile="careful")
    place.desk.resume(place.me, item_id)
    place.work()

    asked = place.item(item_id)
    assert asked["waiting_on"] == ["approval"]
    assert place.sent() == []
    assert approve(place, asked)["state"] == "done"


def test_a_broken_bundle_closes_the_gate_and_loses_nothing(place: Place) -> None:
    """Rules that do not parse stop the worker with file and line; with them mended the waiting item goes on."""
    asked = place.ask(CALL)
    with_rules(place, "permit (principal, action, resource) when { context.nothing_like_this };")

    with pytest.raises((DeputyError, ValueError)) as refused:
        approve(place, asked)
    assert "ours.cedar" in str(refused.value)
    assert place.sent() == []

    place.set(policy_dir=None)
    place.work()
    assert place.item(asked)["state"] == "done"
    assert len(place.sent()) == 2


def test_a_changed_workflow_file_leaves_a_waiting_run_as_it_was(place: Place) -> None:
    """A run goes on with the content it was started with; the next request gets the new one."""
    asked = place.ask(CALL)
    place.settings.workflow_folder.mkdir(parents=True)
    shipped = (Path(workflows.SHIPPED) / "schedule-call-from-mail.yaml").read_text()
    changed = shipped.replace("version: 1.0.0", "version: 2.0.0").replace('title: "Call: ', 'title: "Talk: ')
    assert changed != shipped
    (place.settings.workflow_folder / "schedule-call-from-mail.yaml").write_text(changed)
    place.restart()

    done = approve(place, asked)

    assert done["state"] == "done"
    assert place.diff()["events"][0]["title"].startswith("Call: ")
    after = place.ask(CALL)
    assert after["match"]["version"] == "2.0.0"
    assert place.card(after, "calendar.create_event")["args"]["title"].startswith("Talk: ")


def test_a_workflow_file_that_is_gone_leaves_a_waiting_run_as_it_was(place: Place) -> None:
    """Even without its file, what was approved is carried out from what the run has pinned."""
    place.settings.workflow_folder.mkdir(parents=True)
    own = place.settings.workflow_folder / "call-me.yaml"
    shipped = (Path(workflows.SHIPPED) / "schedule-call-from-mail.yaml").read_text()
    own.write_text(shipped.replace("name: schedule-call-from-mail", "name: call-me"))
    place.restart()
    asked = place.ask(CALL, workflow="call-me")
    assert asked["route"] == "workflow", asked["error"]
    own.unlink()
    place.restart()

    assert approve(place, asked)["state"] == "done"


class Renamed(OfficeConnector):
    """The office of another build: a tool's schema has one more argument, another description."""

    def tools(self) -> Sequence[ToolSpec]:
        return tuple(
            replace(spec, description=f"{spec.description} Now with colours.") if spec.name == "mail.search" else spec
            for spec in super().tools()
        )


class Without(OfficeConnector):
    """The office of another build, which offers no replies any more."""

    def tools(self) -> Sequence[ToolSpec]:
        return tuple(spec for spec in super().tools() if spec.name != "mail.reply")


def test_cards_approved_across_a_changed_schema_are_done_or_refused(place: Place) -> None:
    """Arguments that a person approved are sent if the tool still takes them: here it does."""
    asked = place.ask(CALL)
    for card in place.cards(asked):
        place.decide(card)

    place.work_with(wrapped_class(place, Renamed))

    ended = place.item(asked)
    assert ended["state"] == "done"
    assert len(place.sent()) == 2


def test_a_new_plan_on_a_changed_schema_is_a_stated_refusal(place: Place) -> None:
    """A pinned tool that has changed is not called anew: the run ends as drifted and says what to do."""
    asked = place.ask(CALL)
    place.desk.nudge(place.me, asked["item_id"], "45 minutes")

    place.work_with(wrapped_class(place, Renamed))

    ended = place.item(asked)
    assert ended["state"] == "failed"
    assert ended["error"]["code"] == "drift"
    assert ended["error"]["fix"]
    assert place.sent() == []


def test_a_tool_that_is_gone_is_a_stated_refusal(place: Place) -> None:
    """The build no longer offers the reply: the invitation does not go out alone, and the reason is said."""
    asked = place.ask(CALL)
    for card in place.cards(asked):
        place.decide(card)

    place.work_with(wrapped_class(place, Without))

    ended = place.item(asked)
    assert ended["state"] in ("failed", "denied")
    assert ended["error"]["message"]
    assert "mail.reply" not in tools(ended, "done")
    assert place.sent() == []


def wrapped_class(place: Place, kind: type[OfficeConnector]) -> Callable[[Any], Any]:
    return wrapped(place, lambda connector: kind(connector.office))
