"""A pytest suite that says whether a connector keeps the contract. Run it on yours:

    from connectors.conformance import *  # the test classes

    @pytest.fixture
    def provider(tmp_path) -> Provider:
        return Provider(connector=MyConnector(...), account=Account(...), ...)

Tests of families that the connector does not name, and of faults that it cannot provoke, are skipped; of families that it does
not name they are not even collected where the module says `OFFERS = ("mail",)`, see `collecting`. The suite writes to the accounts
it is given. Needs pytest and jsonschema; nothing of Deputy's imports it.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(
        f"connectors.conformance.suite_{name}"
        for name in ("calendar", "calls", "chat", "chat_files", "chat_scheduled", "directory", "mail", "tools")
    )
)

from connectors.conformance.provider import Provider  # noqa: E402
from connectors.conformance.suite_calendar import TestCalendar  # noqa: E402
from connectors.conformance.suite_calls import TestEffects, TestReads  # noqa: E402
from connectors.conformance.suite_chat import TestChat  # noqa: E402
from connectors.conformance.suite_chat_files import TestChatFiles  # noqa: E402
from connectors.conformance.suite_chat_scheduled import TestChatScheduled  # noqa: E402
from connectors.conformance.suite_directory import TestDirectory  # noqa: E402
from connectors.conformance.suite_mail import TestMail  # noqa: E402
from connectors.conformance.suite_tools import TestTools  # noqa: E402

__all__ = [
    "Provider",
    "TestCalendar",
    "TestChat",
    "TestChatFiles",
    "TestChatScheduled",
    "TestDirectory",
    "TestEffects",
    "TestMail",
    "TestReads",
    "TestTools",
]
