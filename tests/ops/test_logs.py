"""Log lines: JSON for programs, plain for people, about an item, and without what must not be in them."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import ids, logs

CANARIES = ("sk-canary0123456789abcdef", "xoxb-canary-0123456789", "someone.private@secret.example", "hunter2canary")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Tests of logging leave pytest's own as it was."""
    root, ours = logging.getLogger(), logging.getLogger(logs.ROOT)
    before = (list(root.handlers), root.level, ours.level)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    logging.captureWarnings(False)


def begun(form: str = "json", level: str = "info") -> io.StringIO:
    out = io.StringIO()
    logs.begin(level=level, form=form, tenant="acme", stream=out)
    return out


def test_a_line_says_what_it_is_about() -> None:
    """Inside the block trace, item and run; outside of it none; always tenant, time, level and logger."""
    out = begun()
    log = logging.getLogger("deputy.engine")

    with logs.about(item_id="item_1", root_id="item_0", run_id="run_9"):
        log.info("inside %d", 7)
    log.warning("outside", extra={"attempt": 3})

    inside, outside = map(json.loads, out.getvalue().splitlines())
    assert inside["message"] == "inside 7"
    assert (inside["trace_id"], inside["item_id"], inside["run_id"]) == (ids.trace_id("item_0"), "item_1", "run_9")
    assert (inside["level"], inside["logger"], inside["tenant"]) == ("info", "deputy.engine", "acme")
    assert inside["time"].endswith("+00:00")
    assert "item_id" not in outside
    assert outside["attempt"] == 3


def test_levels_are_ours_and_others() -> None:
    """Of ours from the level on; of other libraries warnings only."""
    out = begun(level="debug")

    logging.getLogger("deputy.http").debug("ours")
    logging.getLogger("somebody.else").info("theirs")
    logging.getLogger("somebody.else").warning("trouble")

    assert [json.loads(line)["message"] for line in out.getvalue().splitlines()] == ["ours", "trouble"]


def test_people_read_plain_lines() -> None:
    """Without a terminal auto means JSON; text is one readable line with the item."""
    plain, auto = begun("text"), None
    with logs.about(item_id="item_1", root_id="item_1"):
        logging.getLogger("deputy.engine").error("it stands still")
    auto = begun("auto")
    logging.getLogger("deputy.engine").error("again")

    assert plain.getvalue().rstrip().endswith("error   it stands still  (item_1)")
    assert json.loads(auto.getvalue())["message"] == "again"


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_secret_is_written(form: str) -> None:
    """Not in a message, not in an extra field, not in a traceback."""
    out = begun(form)
    log = logging.getLogger("deputy.engine")

    log.error("sent %s for %s", CANARIES[0], CANARIES[2], extra={"header": f"Bearer {CANARIES[1]}"})
    try:
        raise ValueError(f'{{"password": "{CANARIES[3]}"}} to https://user:{CANARIES[3]}@h.example/x?key={CANARIES[0]}')
    except ValueError:
        log.exception("failed with %s", CANARIES[1])

    assert "ValueError" in out.getvalue()
    assert [one for one in CANARIES if one in out.getvalue()] == []


def test_a_traceback_says_where() -> None:
    """A long path of a file is no secret: whoever is sent to the log finds the line. What the error quotes is still taken out."""
    out = begun()
    where = "/" + "somewhere_deep/" * 5 + "module.py"

    try:
        exec(compile(f"\nraise ValueError('{CANARIES[0]}')", where, "exec"))  # noqa: S102
    except ValueError:
        logging.getLogger("deputy.http").exception("failed")

    told = json.loads(out.getvalue())["exception"]
    assert f'File "{where}", line 2, in <module>' in told
    assert CANARIES[0] not in told


def test_a_worker_writes_no_secret_of_its_settings(tmp_path: Path) -> None:
    """Everything at its most talkative: a worker with keys everywhere, one request, an unreachable model."""
    home = tmp_path / "home"
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "token").write_text(CANARIES[0])
    (home / "deputy.toml").write_text(
        f'log_level = "debug"\nmodel = "openai:x"\nmodel_base_url = "http://127.0.0.1:9"\nmodel_api_key = "{CANARIES[0]}"\n'
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DEPUTY_")}
    environment |= {"DEPUTY_HOME": str(home)}
    command = [sys.executable, "-m", "orchestrator.surfaces.cli.main"]
    words = f"write to {CANARIES[2]} that hunter2canary is the word"

    asked = subprocess.run([*command, "ask", words, "--json"], env=environment, capture_output=True, text=True, timeout=150, check=False)  # fmt: skip
    subprocess.run([*command, "worker", "--until-idle"], env=environment, capture_output=True, timeout=150, check=False)

    written = (home / "worker.log").read_text() if (home / "worker.log").exists() else ""
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    assert asked.stdout
    assert all({"time", "level", "message", "tenant"} <= set(line) for line in lines)
    assert [one for one in CANARIES if one in written + asked.stderr] == []
