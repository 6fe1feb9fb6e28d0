"""The types that the modules of the pages state in their comments hold, as TypeScript's compiler sees it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from orchestrator.surfaces import web
from tests.services import npm

VERSION = "7.0.2"


def test_the_modules_hold_their_types() -> None:
    """No error, with everything strict: editors read the same jsconfig.json."""
    compiler = npm.installed("typescript", VERSION) / "bin" / "tsc"

    done = subprocess.run(
        [str(npm.node()), str(compiler), "-p", str(Path(web.__file__).with_name("jsconfig.json"))],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
