"""How alike two requests are, as a number: words by meaning, their neighbours, and letters. Pure Python; no model, no numpy.

numpy's import alone costs more than matching a library of hundreds; see docs/workflows.md for figures. The weights of
`confidence` are set on tests/workflows/tuning.jsonl and nothing else; `benchmarks/match.py` prints how honest they are there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.workflows.reading import Reading, Sort

Vector = Mapping[str, float]


def masked(reading: Reading) -> str:
    """The request with every mention replaced by its kind: what is compared letter by letter."""
    out, place = [], 0
    for mention in reading.mentions:
        out += [reading.text[place : mention.start], f"<{mention.kind.value}>"]
        place = mention.end
    return " ".join(("".join(out) + reading.text[place:]).lower().split())


def features(reading: Reading) -> Counter[str]:
    """Meanings, pairs of neighbouring meanings, and letter trigrams of the masked text."""
    symbols = [token.symbol for token in reading.tokens if token.sort is not Sort.STOP]
    content = [
        token.symbol
        for token in reading.tokens
        if token.sort in (Sort.ACTION, Sort.THING, Sort.MARK, Sort.MENTION, Sort.UNKNOWN)
    ]
    text = f" {masked(reading)} "
    counts: Counter[str] = Counter()
    counts.update({f"m:{symbol}": 2 for symbol in content})
    counts.update(f"b:{a}|{b}" for a, b in zip(content, content[1:], strict=False))
    counts.update(f"w:{symbol}" for symbol in symbols)
    counts.update(f"c:{text[at : at + 3]}" for at in range(len(text) - 2))
    return counts


@dataclass(frozen=True, slots=True)
class Index:
    """Weights of features by how few workflows have them, and the weighted, normalised examples of each."""

    weights: Mapping[str, float]
    vectors: Mapping[str, tuple[Vector, ...]]
    unseen: float

    @classmethod
    def of(cls, examples: Mapping[str, Sequence[Reading]]) -> Index:
        seen: Counter[str] = Counter()
        counted = {name: [features(reading) for reading in readings] for name, readings in examples.items()}
        for rows in counted.values():
            seen.update({feature for row in rows for feature in row})
        total = len(examples)
        weights = {feature: math.log((1 + total) / (1 + count)) + 0.1 for feature, count in seen.items()}
        unseen = math.log(1 + total) + 0.1
        index = cls(weights, {}, unseen)
        vectors = {name: tuple(index.vector(row) for row in rows) for name, rows in counted.items()}
        return cls(weights, vectors, unseen)

    def vector(self, counts: Mapping[str, int]) -> Vector:
        raw = {
            feature: (1 + math.log(count)) * self.weights.get(feature, self.unseen) for feature, count in counts.items()
        }
        norm = math.sqrt(sum(value * value for value in raw.values())) or 1.0
        return {feature: value / norm for feature, value in raw.items()}

    def similarity(self, vector: Vector, name: str) -> float:
        """Cosine to the nearest example of `name`, 0..1."""
        return max((_dot(vector, example) for example in self.vectors[name]), default=0.0)


def _dot(a: Vector, b: Vector) -> float:
    small, large = (a, b) if len(a) <= len(b) else (b, a)
    return sum(value * large[feature] for feature, value in small.items() if feature in large)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What speaks for one workflow: similarity 0..1, share of the request explained, share of an example's core present."""

    similarity: float
    explained: float
    core: float
    refusals: int  # structural reasons against it

    def row(self) -> tuple[float, float, float, float]:
        return (self.similarity, self.explained, self.core, float(min(self.refusals, 2)))


# Bias, similarity, explained, core, refusals: a request that is fully explained passes however it is worded, one with a single
# reason against it stays below the threshold at any.
WEIGHTS = (-7.9, 6.0, 4.0, 4.0, -2.5)


def confidence(evidence: Evidence, weights: Sequence[float] = WEIGHTS) -> float:
    """The calibrated probability that this workflow is what is meant."""
    return _logistic(
        weights[0] + sum(weight * value for weight, value in zip(weights[1:], evidence.row(), strict=True))
    )


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(-40.0, min(40.0, value))))
