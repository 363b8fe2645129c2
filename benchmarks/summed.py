"""Late fusion with fixed weights: a sum of standardised scores, weighed by what was best on a development split."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import movielens
import numpy as np
from movielens import Events, Scores

from recsys.columns import Bools, Floats32
from recsys.pipeline.histories import Windows

STEPS = 10  # the weights are multiples of a tenth
LEAST_SPREAD = 1e-5  # scores that differ by less are equal but for rounding

Weights = tuple[float, ...]


@dataclass(frozen=True)
class Part:
    """Scores by one modality, and which articles have it."""

    scores: Scores
    there: Bools  # (size,)


def weighted(parts: Sequence[Part], weights: Weights, candidates: Bools) -> Scores:
    """The sum of the parts, each standardised over a user's candidates that have it, the others counting 0."""
    return lambda window: summed([standardised(part, window, candidates) for part in parts], weights)


def best_weights(parts: Sequence[Part], test: Events) -> Weights:
    """The weights with the highest nDCG@10 on these events."""
    blocks = [[standardised(part, window, test.candidates) for part in parts] for window in _windows(test)]

    def quality(weights: Weights) -> float:
        scores = iter([summed(block, weights) for block in blocks])  # in the order in which they will be asked for
        return movielens.measure(lambda _: next(scores), test).means["ndcg@10"]

    return best(len(parts), quality)


def best(parts: int, quality: Callable[[Weights], float]) -> Weights:
    """The weights of so many parts with the highest quality, the most even ones where several have it."""
    return max(simplex(parts), key=lambda weights: (quality(weights), -max(weights)))


def simplex(size: int) -> list[Weights]:
    """All weights that are multiples of 1 / STEPS and add up to 1."""
    cuts = (cut for cut in product(range(STEPS + 1), repeat=size - 1) if list(cut) == sorted(cut))
    return [tuple((b - a) / STEPS for a, b in pairwise((0, *cut, STEPS))) for cut in cuts]


def standardised(part: Part, window: Windows, candidates: Bools) -> Floats32:
    """Scores (batch, size) with mean 0 and deviation 1 over each row's candidates that have the part, 0 elsewhere."""
    counted = part.there & candidates
    scores = part.scores(window)
    if not counted.any():
        return np.zeros_like(scores)
    mean, spread = scores[:, counted].mean(axis=1, keepdims=True), scores[:, counted].std(axis=1, keepdims=True)
    told_apart = counted & (spread > LEAST_SPREAD)
    return np.where(told_apart, (scores - mean) / np.maximum(spread, LEAST_SPREAD), np.float32(0))


def summed(scores: Sequence[Floats32], weights: Weights) -> Floats32:
    """The weighted sum (batch, size)."""
    return np.asarray(sum(np.float32(weight) * some for weight, some in zip(weights, scores, strict=True)))


def _windows(test: Events) -> Iterator[Windows]:
    """The blocks in which ``movielens.measure`` asks."""
    for first in range(0, len(test), movielens.BLOCK):
        part = slice(first, first + movielens.BLOCK)
        yield test.histories.windows(test.start[part], test.end[part], test.at[part], movielens.HISTORY)
