"""Google and Slack as nobody here wrote them: emulate (npm, Apache-2.0), pinned, in memory, on a free loopback port.

What it lacks is listed by the tests that meet it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.services import npm

# The registry's `latest` is an unrelated package (1.0.2): never ask for it without a version.
PACKAGE = "emulate"
VERSION = "0.12.2"
CLOCK = Path(__file__).with_name("clock.cjs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulate:
    """A running service. `url` is its root, without a slash at the end."""

    service: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(service: str, seed: Mapping[str, Any], folder: Path, *, now: datetime | None = None) -> Iterator[Emulate]:
    """One service ("google", "slack") with a world of its own until the block ends. `folder` takes the seed and the log.

    `seed` is emulate's own form: {"tokens": {token: {"login", "scopes"}}, service: {...}}; the port is added here. With `now`
    its clock begins then, and follows the header X-Test-Time (clock.cjs); nothing else of it is changed.
    """
    script = npm.installed(PACKAGE, VERSION) / "dist" / "index.js"
    port = npm.free_port()
    file = folder / f"{service}-{port}.yaml"
    world = {**seed, service: {**seed.get(service, {}), "port": port}}
    file.write_text(json.dumps(world), encoding="utf-8")  # JSON is YAML
    words = ["start", "--service", service, "--seed", str(file)]
    variables = {} if now is None else {"NODE_OPTIONS": f"--require {CLOCK}", "DEPUTY_TEST_TIME": milliseconds(now)}
    with npm.running(script, words, port=port, log=folder / f"{service}-{port}.log", variables=variables):
        yield Emulate(service=service, port=port)


def milliseconds(moment: datetime) -> str:
    """As the clock of a server under `now` is told."""
    return str(int(moment.timestamp() * 1000))
