"""Google and Slack as nobody here wrote them: emulate (npm, Apache-2.0), pinned, in memory, on a free loopback port.

What it lacks is listed by the tests that meet it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.services import npm

# The registry's `latest` is an unrelated package (1.0.2): never ask for it without a version.
PACKAGE = "emulate"
VERSION = "0.12.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulate:
    """A running service. `url` is its root, without a slash at the end."""

    service: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(service: str, seed: Mapping[str, Any], folder: Path) -> Iterator[Emulate]:
    """One service ("google", "slack") with a world of its own until the block ends. `folder` takes the seed and the log.

    `seed` is emulate's own form: {"tokens": {token: {"login", "scopes"}}, service: {...}}; the port is added here.
    """
    script = npm.installed(PACKAGE, VERSION) / "dist" / "index.js"
    port = npm.free_port()
    file = folder / f"{service}-{port}.yaml"
    world = {**seed, service: {**seed.get(service, {}), "port": port}}
    file.write_text(yaml.safe_dump(world, sort_keys=False), encoding="utf-8")
    words = ["start", "--service", service, "--seed", str(file)]
    with npm.running(script, words, port=port, log=folder / f"{service}-{port}.log"):
        yield Emulate(service=service, port=port)
