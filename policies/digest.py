"""The digest that an approval is bound to: SHA-256 over canonical JSON of the call as it would go on the wire."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol


class Digestible(Protocol):
    @property
    def tool(self) -> str: ...

    @property
    def args(self) -> Mapping[str, Any]: ...


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, as UTF-8 text. Unicode is not normalised: a look-alike letter is another letter."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def of(call: Digestible) -> str:
    """ "sha256:…" of {"tool", "args"}. Apply a decision's `rewrite` before; ValueError for what JSON cannot say."""
    text = canonical({"tool": call.tool, "args": dict(call.args)})
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
