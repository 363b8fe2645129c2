"""The final list: best utilities, but not many of one kind."""

import numpy as np

from recsys.columns import Floats32, Ints


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
    gain, finite = _standardised(utility), np.isfinite(utility)
    nearness = np.full(len(utility), -1.0)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cap = most_of_one(section_cap, limit)
    counts: dict[int, int] = {}
    chosen: list[int] = []
    free, full = np.ones(len(utility), np.bool_), np.zeros(len(utility), np.bool_)
    for _ in range(min(limit, len(utility))):
        open_rows = free & ~full
        open_rows = open_rows if open_rows.any() else free
        open_rows = open_rows & finite if (open_rows & finite).any() else open_rows
        value = (1 - diversity) * gain - diversity * np.maximum(nearness, 0.0)
        row = int(np.where(open_rows, value, -np.inf).argmax())
        chosen.append(row)
        free[row] = False
        section = int(sections[row])
        counts[section] = counts.get(section, 0) + 1
        if section >= 0 and counts[section] == cap:
            full |= sections == section
        nearness = np.maximum(nearness, unit @ unit[row])
    return chosen


def most_of_one(section_cap: int, limit: int) -> int:
    """How many items of one section a list may hold; ``section_cap`` is that of ten."""
    return max(1, round(section_cap * limit / 10))


def _standardised(utility: Floats32) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Utilities in units of their deviation, in float64 and without a shift, so that no two of them become equal."""
    wide, finite = utility.astype(np.float64), np.isfinite(utility)
    if not finite.any():
        return np.zeros(len(utility))
    gain = wide / (float(wide[finite].std()) or 1.0)
    return np.where(finite, gain, gain[finite].min() - 10.0)
