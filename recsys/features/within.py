"""Features relative to the list they stand in: place, z-score and distance to the best of each column."""

import numpy as np
from numba import njit

from recsys.columns import Floats32, Ints

RELATIVE = 3  # columns made from each column


@njit(cache=True)
def within_list(features: Floats32, offsets: Ints, columns: int) -> Floats32:
    """Normalise the first ``columns`` of features (rows, width) within each list of rows ``offsets[i]:offsets[i + 1]``.

    Returns (rows, RELATIVE * columns): the share of the list that is smaller (ties count half), the z-score, and the
    difference to the list's maximum. A column that is constant in a list, as in a list of one, gives 0.5, 0 and 0.
    """
    out = np.empty((len(features), RELATIVE * columns), np.float32)
    for i in range(len(offsets) - 1):
        first, last = offsets[i], offsets[i + 1]
        for c in range(columns):
            _normalise(features[first:last, c], out[first:last, RELATIVE * c : RELATIVE * (c + 1)])
    return out


@njit(cache=True)
def _normalise(values: Floats32, out: Floats32) -> None:
    n = len(values)
    mean, best = 0.0, -np.inf
    for value in values:
        mean += float(value) / n  # in float64, also where this runs as plain Python
        best = max(best, value)
    variance = 0.0
    for value in values:
        variance += (float(value) - mean) ** 2 / n
    scale = 1.0 / np.sqrt(variance) if variance > 1e-10 else 0.0
    for i in range(n):
        smaller = 0.0
        for j in range(n):
            smaller += 1.0 if values[j] < values[i] else (0.5 if values[j] == values[i] else 0.0)
        out[i, 0] = smaller / n
        out[i, 1] = (float(values[i]) - mean) * scale
        out[i, 2] = values[i] - best
