"""How far what is served has moved from what was trained on: the population stability index of scores and inputs.

Training keeps the deciles of the ranking head's inputs and scores in its newest lists; a process compares the rows of
its newest answers with them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys.columns import Floats, Floats32
from recsys.pipeline.model import Model

REFERENCE = "reference"  # among a model's metrics
SCORE = "score"
DECILES = np.linspace(0.1, 0.9, 9)
FLOOR = 1e-3  # share that an empty bin counts as, so that one row beyond the training's range is no alarm
DIGITS = 6  # significant ones that an edge is kept with

Reference = dict[str, dict[str, list[float]]]  # by input: the edges of its bins, and the share of the rows in each


def reference(names: Sequence[str], rows: Floats32, scores: Floats32) -> Reference:
    """What is to be kept of rows (n, width) with these names and of their scores (n,)."""
    columns = {SCORE: scores, **dict(zip(names, rows.T, strict=True))}
    return {name: _binned(values[np.isfinite(values)]) for name, values in columns.items()}


def drift(kept: Reference, names: Sequence[str], rows: Floats32, scores: Floats32) -> dict[str, float]:
    """The index of each input and of the score, as far as the reference knows them, from rows (n, width)."""
    columns = {SCORE: scores, **dict(zip(names, rows.T, strict=True))}
    return {
        name: stability_index(np.array(bins["shares"]), _shares(columns[name], np.array(bins["edges"])))
        for name, bins in kept.items()
        if name in columns
    }


def stability_index(expected: Floats, actual: Floats) -> float:
    """Sum over the bins of (actual - expected) ln(actual / expected), from shares (bins,).

    The population stability index of Siddiqi, Credit Risk Scorecards (Wiley 2006), which is Jeffreys' divergence.
    By his rule of thumb below 0.1 nothing has moved, and above 0.25 the population is another.
    """
    p, q = np.maximum(actual, FLOOR), np.maximum(expected, FLOOR)
    return float(np.sum((p - q) * np.log(p / q)))


def reference_of(model: Model | None) -> Reference | None:
    """What training kept in a model's metrics; older programs kept nothing, and without a head there is nothing."""
    return None if model is None else model.metrics.get(REFERENCE)


def for_people(metrics: dict[str, Any]) -> dict[str, Any]:
    """A model's metrics without the reference, which has 2,000 numbers and stays in the snapshot."""
    return {name: figure for name, figure in metrics.items() if name != REFERENCE}


def _binned(values: Floats32) -> dict[str, list[float]]:
    """Bins by deciles, and one each for what lies below and above everything seen; equal edges are one."""
    if len(values) == 0:
        return {"edges": [], "shares": [1.0]}
    low, high = float(values.min()), float(values.max())
    between = np.quantile(values, DECILES, method="inverted_cdf")
    below = np.nextafter(np.float32(low), np.float32(-np.inf))
    edges = np.unique([_rounded(float(edge), up=edge != below) for edge in (below, *between, high)])
    return {"edges": edges.tolist(), "shares": [round(share, DIGITS) for share in _shares(values, edges).tolist()]}


def _rounded(edge: float, *, up: bool) -> float:
    """A decimal of few digits at or beyond an edge, so that a value that many rows share stays on its side of it."""
    if edge == 0:
        return 0.0
    short = float(f"{edge:.{DIGITS}g}")
    if (short >= edge) if up else (short <= edge):
        return short
    step = 10.0 ** (np.floor(np.log10(abs(edge))) - DIGITS + 1)
    return float(f"{short + (step if up else -step):.{DIGITS}g}")


def _shares(values: Floats32, edges: Floats) -> Floats:
    """Shares of the values (n,) in the bins (edges + 1,) up to each edge and behind the last; NaN counts as last."""
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    shares: Floats = counts / max(1, len(values))
    return shares
