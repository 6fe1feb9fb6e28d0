"""A model server that none of us wrote: aimock (npm, MIT), pinned, on a free loopback port."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.services import npm

PACKAGE = "@copilotkit/aimock"
VERSION = "1.43.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aimock:
    """A running server. `url` is its root, for the Anthropic wire; `openai_url` ends in /v1."""

    url: str

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    def journal(self) -> list[Any]:
        """Every request it has seen, in order, as it keeps them."""
        with urlopen(f"{self.url}/__aimock/journal", timeout=5) as response:
            told = json.load(response)
        return list(told)


@contextmanager
def running(fixtures: Sequence[Mapping[str, Any]], folder: Path, *flags: str) -> Iterator[Aimock]:
    """A server that answers by `fixtures` (aimock's own form) until the block ends. `folder` takes the fixtures and the log."""
    package = npm.installed(PACKAGE, VERSION)
    told = json.loads((package / "package.json").read_text(encoding="utf-8"))
    port = npm.free_port()
    file = folder / f"fixtures-{port}.json"
    file.write_text(json.dumps({"fixtures": list(fixtures)}), encoding="utf-8")
    words = ["-p", str(port), "-f", str(file), "--log-level", "warn", *flags]
    with npm.running(package / told["bin"]["llmock"], words, port=port, log=folder / f"aimock-{port}.log"):
        yield Aimock(url=f"http://127.0.0.1:{port}")
