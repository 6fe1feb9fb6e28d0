"""Manifests: what is derived from a bare tool, and what a wrong one is told."""

from __future__ import annotations

import pytest

from policies.manifest import ManifestError, derive, parse

TEXT = {"type": "string"}
LIST = {"type": "array", "items": TEXT}


@pytest.mark.parametrize(
    ("name", "args", "effect", "kind", "destructive", "roles"),
    [
        (
            "send_email",
            {"recipients": LIST, "subject": TEXT, "body": TEXT},
            "send",
            "email",
            False,
            {"recipients": "who", "body": "text"},
        ),
        (
            "create_calendar_event",
            {"participants": LIST, "start_time": TEXT},
            "create",
            "event",
            False,
            {"participants": "who", "start_time": "time"},
        ),
        (
            "add_calendar_event_participants",
            {"event_id": TEXT, "participants": LIST},
            "add",
            "participant",
            False,
            {"event_id": "what", "participants": "who"},
        ),
        (
            "invite_user_to_slack",
            {"user": TEXT, "user_email": TEXT},
            "invite",
            "user",
            False,
            {"user": "who", "user_email": "who"},
        ),
        ("get_webpage", {"url": TEXT}, "fetch", "webpage", False, {"url": "url"}),
        (
            "post_webpage",
            {"url": TEXT, "content": TEXT},
            "publish",
            "webpage",
            False,
            {"url": "url", "content": "text"},
        ),
        ("delete_file", {"file_id": TEXT}, "delete", "file", True, {"file_id": "what"}),
        ("calendar.cancelEvent", {"event_id": TEXT}, "delete", "event", True, {"event_id": "what"}),
        (
            "send_money",
            {"recipient": TEXT, "amount": {"type": "number"}},
            "pay",
            "payment",
            True,
            {"recipient": "who", "amount": "amount"},
        ),
        (
            "schedule_transaction",
            {"recipient": TEXT, "amount": {"type": "number"}},
            "pay",
            "payment",
            True,
            {"amount": "amount"},
        ),
        ("update_password", {"password": TEXT}, "rule", "password", True, {"password": "what"}),
        ("search_emails", {"query": TEXT, "sender": TEXT}, "read", "email", False, {"query": "query"}),
        ("remove_user_from_slack", {"user": TEXT}, "remove", "user", True, {"user": "who"}),
        (
            "reserve_hotel",
            {"hotel": TEXT, "start_day": TEXT},
            "create",
            "reservation",
            False,
            {"hotel": "what", "start_day": "time"},
        ),
        (
            "share_file",
            {"file_id": TEXT, "email": TEXT, "permission": TEXT},
            "share",
            "file",
            False,
            {"email": "who", "permission": "pick"},
        ),
        ("frobnicate", {"x": TEXT}, "rule", "frobnicate", True, {"x": "what"}),
    ],
)  # a row per kind of name; the last one is a verb nobody knows
def test_a_bare_tool_is_understood_with_caution(
    name: str, args: dict[str, object], effect: str, kind: str, destructive: bool, roles: dict[str, str]
) -> None:
    """Name and schema alone give effect, noun and roles; the unknown counts as destructive."""
    tool = derive(name, "", {"properties": args})

    assert (tool.effect, tool.kind, tool.destructive) == (effect, kind, destructive)
    assert {arg: tool.args[arg].role for arg in roles} == roles


def test_a_description_helps_where_the_name_does_not() -> None:
    """A verb that only the description has is taken from there."""
    assert derive("mailbox_v2", "Returns the mails of the inbox.", {}).effect == "rule"
    assert derive("mailbox_v2", "Lists the mails of the inbox.", {}).effect == "read"


@pytest.mark.parametrize(
    ("manifest", "part"),
    [
        ({"effect": "explode"}, "explode"),
        ({"effect": "send", "args": {"to": "whom"}}, "'to' has role 'whom'"),
        ({"effect": "read", "args": {}, "output": {"fields": {"body": "trusted"}}}, "'body' is 'trusted'"),
        ("send", "not a mapping"),
    ],
)  # effect · role · output trust · no mapping
def test_a_wrong_manifest_says_what_is_wrong(manifest: object, part: str) -> None:
    """A manifest that cannot be used stops the case from opening and says where."""
    with pytest.raises(ManifestError, match=part.replace("(", r"\(")):
        parse({"name": "t", "parameters": {}, "manifest": manifest})


def test_arguments_that_a_manifest_forgets_are_guessed() -> None:
    """A manifest that leaves an argument out does not make it invisible."""
    tool = parse(
        {
            "name": "mail.send",
            "parameters": {"properties": {"bcc": LIST}},
            "manifest": {"effect": "send", "noun": "email"},
        }
    )

    assert tool.args["bcc"].role == "who"
