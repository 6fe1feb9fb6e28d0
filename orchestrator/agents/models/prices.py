"""What tokens cost. Deputy ships no prices: they change, and differ by contract; the person sets them in deputy.toml.

A call on a model without a price costs 0 and says so on its receipt ("price_unknown").
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.agents.models.protocol import ModelRequest, Usage
from orchestrator.model_settings import PriceSettings

UNKNOWN = "price_unknown"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, which are millionths of a dollar per token."""

    input: float
    output: float
    cached: float

    def microusd(self, usage: Usage) -> int:
        """Cost of a call, rounded up."""
        fresh = usage.input_tokens - usage.cached_tokens
        return math.ceil(
            fresh * self.input + usage.cached_tokens * self.cached + usage.output_tokens * self.output - 1e-9
        )

    def most_microusd(self, request: ModelRequest) -> int:
        """What a request can cost at most: each of its bytes a token, and every token it may be answered with."""
        return math.ceil(request.size * max(self.input, self.cached) + request.max_tokens * self.output)


def price_of(prices: Mapping[str, PriceSettings], *names: str) -> Price | None:
    """The price set for the first of `names` that has one; cached input costs as much as fresh where nothing is said."""
    for name in names:
        if (found := prices.get(name)) is not None:
            return Price(found.input, found.output, found.input if found.cached is None else found.cached)
    return None
