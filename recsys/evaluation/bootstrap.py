"""Confidence intervals by resampling users, since one user's impressions are not independent of each other.

The cluster bootstrap (Field and Welsh, Bootstrapping clustered data, JRSS B, 2007) with percentile intervals (Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13): users are drawn with replacement, each with all that is
theirs. With few users (below about 20) such intervals are too narrow.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys.domain import RecsysError

LEVEL = 0.95
FEWEST_USERS = 20  # below which an interval is not worth its name
BLOCK = 4_000_000  # users drawn at once, which bounds the memory at about 100 MB


def bootstrap_mean(values: ArrayLike, users: ArrayLike, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
    """95% interval of the mean of ``values`` (n,), whose users are ``users`` (n,): ids of any kind.

    NaN values are left out. Returns (NaN, NaN) for fewer than two users with a value, which say nothing of the spread
    between users. Raises RecsysError when lengths differ.
    """
    array, owner, count = _by_user(values, users)
    if count < 2:
        return float("nan"), float("nan")
    sums = np.asarray(np.bincount(owner, weights=array, minlength=count), dtype=np.float64)
    counts = np.bincount(owner, minlength=count)
    low, high = np.quantile(_resampled_means(sums, counts, draws, seed), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def paired_bootstrap(
    a: ArrayLike, b: ArrayLike, users: ArrayLike, draws: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of ``a - b`` over the same impressions (n,) and its 95% interval: (difference, low, high).

    Raises RecsysError when lengths differ, or when one side has a value (not NaN) where the other has none: then the
    two were not measured on the same impressions.
    """
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.shape != right.shape or (np.isnan(left) != np.isnan(right)).any():
        raise RecsysError(
            "the two sides of a comparison have values for different impressions: measure both on the same"
        )
    differences = left - right
    low, high = bootstrap_mean(differences, users, draws, seed)
    kept = differences[~np.isnan(differences)]
    return (float(kept.mean()) if kept.size else float("nan")), low, high


def _by_user(values: ArrayLike, users: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """The values that are there, the number of each one's user, and how many users there are."""
    array, names = np.asarray(values, dtype=np.float64), np.asarray(users)
    if array.ndim != 1 or names.shape != array.shape:
        raise RecsysError(f"values {array.shape} and users {names.shape} must be two columns of one length")
    there = ~np.isnan(array)
    unique, owner = np.unique(names[there], return_inverse=True)
    return array[there], owner, len(unique)


def _resampled_means(
    sums: NDArray[np.float64], counts: NDArray[np.int64], draws: int, seed: int
) -> NDArray[np.float64]:
    """Mean of each of ``draws`` samples of as many users as there are: (draws,)."""
    generator, size = np.random.default_rng(seed), len(sums)
    means = np.empty(draws)
    step = max(1, BLOCK // size)
    for start in range(0, draws, step):
        chosen = generator.integers(0, size, size=(min(step, draws - start), size))  # (block, users)
        means[start : start + step] = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    return means
