"""What a test needs beyond Python: a missing service skips visibly, and fails where `DEPUTY_TEST_REQUIRE=all` is set.

`pytest_terminal_summary`, which conftest.py offers to pytest, prints at the end how many tests were skipped and for want of what.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

_PREFIX = "needs "


def need(name: str, available: bool) -> None:
    """Returns when `name` is available; else skips the test, or fails it where everything is required."""
    if available:
        return
    if os.environ.get("DEPUTY_TEST_REQUIRE") == "all":
        pytest.fail(f"{_PREFIX}{name}, and DEPUTY_TEST_REQUIRE=all forbids to skip it", pytrace=False)
    pytest.skip(f"{_PREFIX}{name}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line per missing service."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        counts[reason.removeprefix("Skipped: ")] += 1
    if counts:
        terminalreporter.section("skipped")
        for reason, count in sorted(counts.items()):
            terminalreporter.write_line(f"{count} tests skipped: {reason}")
