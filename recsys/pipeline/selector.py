"""The final list: best utilities, but not many of one kind."""

import numpy as np
from numba import njit

from recsys.columns import Bools, Floats, Floats32, Ints


def select(
    utility: Floats32, vectors: Floats32, sections: Ints, limit: int, *, diversity: float, section_cap: int
) -> list[int]:
    """Choose ``limit`` of n candidates by maximal marginal relevance (Carbonell and Goldstein 1998).

    Args:
        utility: (n,) logits, higher is better; -inf is chosen only where the cap leaves no finite one.
        vectors: (n, dim) content vectors of any length; zeros are like nothing.
        sections: (n,) codes; a negative code is capped by nothing.
        limit: how many are wanted.
        diversity: weight of the highest cosine to what is chosen already, in units of the utilities' deviation.
        section_cap: most of one section in ten, relaxed where nothing else is left.

    Returns:
        rows of the candidates, first place first, without repetition.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    gain, finite = (1 - diversity) * _standardised(utility), np.isfinite(utility)
    likeness = diversity * np.maximum(unit @ unit.T, 0.0).astype(np.float64)
    chosen = _greedy(gain, likeness, finite, sections, min(limit, len(utility)), most_of_one(section_cap, limit))
    return [int(row) for row in chosen]


@njit(cache=True, nogil=True)
def _greedy(gain: Floats, likeness: Floats, finite: Bools, sections: Ints, limit: int, cap: int) -> Ints:
    """Rows by the highest gain (n,) less the highest likeness (n, n) to those that were taken before."""
    chosen, cost = np.empty(limit, np.int64), np.zeros(len(gain))
    free, full = np.ones(len(gain), np.bool_), np.zeros(len(gain), np.bool_)
    for place in range(limit):
        open_rows = free & ~full
        if not open_rows.any():
            open_rows = free.copy()
        if (open_rows & finite).any():
            open_rows &= finite
        row = int(np.where(open_rows, gain - cost, -np.inf).argmax())
        chosen[place] = row
        free[row] = False
        of_section = sections == sections[row]
        if sections[row] >= 0 and (of_section & ~free).sum() >= cap:
            full |= of_section
        cost = np.maximum(cost, likeness[row])
    return chosen


def most_of_one(section_cap: int, limit: int) -> int:
    """How many items of one section a list may hold; ``section_cap`` is that of ten."""
    return max(1, round(section_cap * limit / 10))


def _standardised(utility: Floats32) -> Floats:
    """Utilities in units of their deviation, in float64 and without a shift, so that no two of them become equal."""
    wide, finite = utility.astype(np.float64), np.isfinite(utility)
    if not finite.any():
        return np.zeros(len(utility))
    gain = wide / (float(wide[finite].std()) or 1.0)
    return np.where(finite, gain, gain[finite].min() - 10.0)
