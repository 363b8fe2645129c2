"""Curves behind the figures: how often what was predicted comes true, and which errors buy which finds."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from recsys.columns import Bools, Floats, Ints
from recsys.evaluation.bootstrap import bootstrap_mean
from recsys.evaluation.metrics import BINS, equal_mass_bins

GRID = 200  # places at which ROC curves are read


@dataclass(frozen=True)
class Bin:
    """Rows whose probabilities are about the same."""

    rows: int
    predicted: float  # mean probability
    clicked: float  # share of the rows
    low: float  # 95% interval of ``clicked``, over users
    high: float


def reliability(labels: ArrayLike, probabilities: ArrayLike, users: ArrayLike, bins: int = BINS) -> list[Bin]:
    """The bins of ``metrics.ece``, lowest probability first; labels, probabilities and users are (rows,).

    Source: DeGroot and Fienberg, The Comparison and Evaluation of Forecasters, The Statistician, 1983.
    """
    clicked, chances, owner = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64), np.asarray(users)
    if not len(chances):
        return []
    place = equal_mass_bins(chances, bins)
    return [_bin(clicked[inside], chances[inside], owner[inside]) for inside in (place == b for b in np.unique(place))]


def mean_roc(offsets: Ints, labels: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """Mean over lists of the share of clicked found at each share of not clicked taken along: two (GRID,).

    Lists are never pooled: each has a curve of its own, read at the same places (vertical averaging: Fawcett, An
    introduction to ROC analysis, 2006), so that the area is the mean AUC but for the grid. Lists without a pair are
    left out; NaN where that leaves none. Rows of list i are ``offsets[i]:offsets[i + 1]``.
    """
    grid = (np.arange(GRID) + 0.5) / GRID
    clicked, values = np.asarray(labels) > 0, np.asarray(scores, np.float64)
    total, curves = np.zeros(GRID), 0
    for first, last in pairwise(offsets.tolist()):
        if 0 < clicked[first:last].sum() < last - first:
            total += _roc(clicked[first:last], values[first:last], grid)
            curves += 1
    return grid, total / curves if curves else np.full(GRID, np.nan)


def _bin(clicked: Floats, chances: Floats, users: Ints) -> Bin:
    low, high = bootstrap_mean(clicked, users)
    return Bin(len(clicked), float(chances.mean()), float(clicked.mean()), low, high)


def _roc(clicked: Bools, scores: Floats, grid: Floats) -> Floats:
    """One list's curve, read at the places of the grid; ties are a slope."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    found, taken = np.cumsum(clicked[order])[last], np.cumsum(~clicked[order])[last]
    curve: Floats = np.interp(grid, np.append(0, taken / taken[-1]), np.append(0, found / found[-1]))
    return curve
