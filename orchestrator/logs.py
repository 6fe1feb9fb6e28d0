"""What surprised us, one line each: JSON for programs, plain text on a terminal; who it was about rides along.

A line names item, run and trace, so that it can be laid beside the trace and the ledger. What looks like a secret, an address or a
URL's inner part is taken out, of tracebacks as well. Nothing is set up at import: a worker and a desk call `begin`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TextIO

from orchestrator import ids, telemetry

ROOT: Final = "deputy"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_about: ContextVar[Mapping[str, str]] = ContextVar("deputy_log_about", default=_NOTHING)
_FRAME: Final = re.compile(
    r'  File "[^"\n]+\.py", line \d+, in [\w<>.]+'
)  # where it happened is no secret, however long its path
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({})))


@contextmanager
def about(*, item_id: str, root_id: str, run_id: str | None = None) -> Iterator[None]:
    """What is logged inside the block, also by what it awaits, is about this item."""
    told = {"trace_id": ids.trace_id(root_id), "item_id": item_id}
    token = _about.set({**told, "run_id": run_id} if run_id is not None else told)
    try:
        yield
    finally:
        _about.reset(token)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, then trace_id, item_id, run_id, tenant, extra fields, exception."""

    def __init__(self, tenant: str) -> None:
        super().__init__()
        self._tenant = tenant

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": telemetry.redact(record.getMessage()),
            **_about.get(),
            "tenant": self._tenant,
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in told:
                told[name] = value if isinstance(value, bool | int | float) else telemetry.redact(str(value))
        if (trouble := _trouble(self, record)) is not None:
            told["exception"] = trouble
        return json.dumps(told, ensure_ascii=False)


class Plain(logging.Formatter):
    """For people: time, level, message, and the item it is about."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone()
        item = _about.get().get("item_id")
        text = f"{at:%H:%M:%S} {record.levelname.lower():<7} {telemetry.redact(record.getMessage())}"
        text += f"  ({item})" if item else ""
        trouble = _trouble(self, record)
        return text if trouble is None else f"{text}\n{trouble}"


def _trouble(formatter: logging.Formatter, record: logging.LogRecord) -> str | None:
    if record.exc_info and record.exc_info[0] is not None:
        told = formatter.formatException(record.exc_info).split("\n")
        return "\n".join(line if _FRAME.fullmatch(line) else telemetry.redact(line) for line in told)
    return None


def begin(*, level: str, form: str, tenant: str, stream: TextIO | None = None) -> None:
    """Sets the process's logging up, in place of what was there. form: auto | text | json. Ours from `level` on, others' warnings."""
    out = stream or sys.stderr
    is_json = form == "json" or (form == "auto" and not out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines(tenant) if is_json else Plain())
    root = logging.getLogger()
    for before in list(root.handlers):
        root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(ROOT).setLevel(level.upper())
    logging.captureWarnings(True)
