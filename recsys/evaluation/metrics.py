"""Figures of ranking and calibration: over shown lists, over large pools, and over single rows.

Shown lists are ragged: list i holds the rows ``offsets[i]:offsets[i + 1]`` of ``labels`` and ``scores``. Whatever is
measured per list (or per event) is NaN where it is not defined; means leave NaN out; ``with_value`` counts the rest.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys.domain import RecsysError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLIP = 1e-7  # a wrong certainty costs 16 nats instead of infinity
BINS = 15
NOT_A_NUMBER = "{} hold NaN or infinity: look for a diverged training or a broken feature"


def list_metrics(offsets: ArrayLike, labels: ArrayLike, scores: ArrayLike, seed: int = 0) -> dict[str, Floats]:
    """AUC, MRR, nDCG@5 and nDCG@10 of each shown list, by the definitions of the MIND challenge.

    ``offsets`` (lists + 1,), ``labels`` (rows,) of 0 and 1, ``scores`` (rows,), higher is better. Ties count half in
    AUC; for the others they are broken at random from ``seed``. Returns arrays (lists,) under ``auc``, ``mrr``,
    ``ndcg@5`` and ``ndcg@10``. Raises RecsysError for arrays that do not fit together, and for scores that are not
    finite.

    Source: Wu et al., MIND: A Large-scale Dataset for News Recommendation, ACL 2020, and the challenge's evaluation
    script.
    """
    bounds, clicked, values = _checked_lists(offsets, labels, scores)
    targets = np.concatenate(([0], np.cumsum(clicked)))[bounds]  # the same lists, as offsets into the clicked rows
    ranks = random_ranks(bounds, values, seed)[clicked]
    return {
        "auc": auc(bounds, clicked, values),
        "mrr": reciprocal_rank(ranks, targets),
        "ndcg@5": ndcg_at(ranks, 5, targets),
        "ndcg@10": ndcg_at(ranks, 10, targets),
    }


def auc(offsets: ArrayLike, labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Share of (clicked, not clicked) pairs in the right order, ties half: (lists,), NaN without such a pair.

    From the rank sum of the clicked rows with tied rows sharing their mean rank (Mann and Whitney, 1947; Hanley and
    McNeil, 1982). Raises RecsysError as ``list_metrics`` does.
    """
    bounds, clicked, values = _checked_lists(offsets, labels, scores)
    owner = _owners(bounds)
    ranks = _middle_ranks(owner, values) - bounds[owner]
    rank_sum = _sums(ranks[clicked], owner[clicked], len(bounds) - 1)
    positives = np.bincount(owner[clicked], minlength=len(bounds) - 1)
    return _ratio(rank_sum - positives * (positives - 1) / 2, positives * (np.diff(bounds) - positives))


def random_ranks(offsets: ArrayLike, scores: ArrayLike, seed: int = 0) -> Ints:
    """Rank of each row in its list, 1 for the highest score, ties in an order drawn from ``seed``: (rows,)."""
    values = _column(scores, "scores", finite=True)
    bounds = _offsets(offsets, len(values))
    owner = _owners(bounds)
    order = np.lexsort((np.random.default_rng(seed).random(len(values)), -values, owner))
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.arange(len(values)) - bounds[owner] + 1
    return ranks


def reciprocal_rank(ranks: ArrayLike, offsets: ArrayLike | None = None) -> Floats:
    """Sum of 1/rank over an event's targets divided by their number (MIND's MRR): (events,).

    ``ranks`` (targets,) from 1, halves and infinity (not found) allowed; ``offsets`` (events + 1,) groups the targets
    of one event, without it each target is an event. NaN for an event without targets.
    """
    places, owner, count = _targets(ranks, offsets)
    return _ratio(_sums(1 / places, owner, len(count)), count)


def recall_at(ranks: ArrayLike, k: int, offsets: ArrayLike | None = None) -> Floats:
    """Share of an event's targets among the first ``k``: (events,); arguments as in ``reciprocal_rank``."""
    places, owner, count = _targets(ranks, offsets)
    return _ratio(_sums(places <= k, owner, len(count)), count)


def ndcg_at(ranks: ArrayLike, k: int, offsets: ArrayLike | None = None) -> Floats:
    """nDCG of the first ``k`` places, over that of the best order: (events,); arguments as in ``reciprocal_rank``.

    The gain 2^rel - 1 is 1 for a target and 0 for the rest; the discount is log2(rank + 1) (Burges et al., Learning
    to Rank using Gradient Descent, ICML 2005; after Järvelin and Kekäläinen, 2002).
    """
    places, owner, count = _targets(ranks, offsets)
    gains = np.where(places <= k, 1 / np.log2(places + 1), 0.0)
    best = np.concatenate(([0.0], np.cumsum(1 / np.log2(np.arange(k) + 2))))
    return _ratio(_sums(gains, owner, len(count)), best[np.minimum(count, k)])


def mid_rank(scores: ArrayLike, target: ArrayLike) -> Floats:
    """Rank of the target among all candidates, ties at the middle of their places: 1 + higher + (equal others) / 2.

    ``scores`` (..., candidates) with -inf for what is no candidate of that event, ``target`` (...) its column.
    Returns (...). Large pools are best given a block of events at a time. Raises RecsysError for NaN, and for a target
    that is no candidate.
    """
    values, column = np.asarray(scores), np.asarray(target, dtype=np.int64)
    if np.isnan(values).any():
        raise RecsysError(NOT_A_NUMBER.format("scores"))
    if ((column < 0) | (column >= values.shape[-1])).any():
        raise RecsysError(f"a target is none of the {values.shape[-1]} columns of scores: leave its event out")
    own = np.take_along_axis(values, column[..., None], axis=-1)
    if not np.isfinite(own).all():
        raise RecsysError("a target has no finite score: leave its event out, or give it a score as a candidate")
    higher, equal = (values > own).sum(axis=-1), (values == own).sum(axis=-1)
    return np.asarray(1 + higher + (equal - 1) / 2, dtype=np.float64)


def auc_against(positives: ArrayLike, negatives: ArrayLike) -> Floats:
    """AUC of each event's positive (events,) against its negatives (events, n), ties half: (events,)."""
    values = _column(positives, "positives")[:, None]
    others = np.asarray(negatives, dtype=np.float64)
    if others.ndim != 2 or len(others) != len(values) or others.shape[1] == 0:
        raise RecsysError(f"{len(values)} positives need as many rows of negatives, not the shape {others.shape}")
    if np.isnan(others).any():
        raise RecsysError(NOT_A_NUMBER.format("negatives"))
    return np.asarray(((values > others) + 0.5 * (values == others)).mean(axis=1), dtype=np.float64)


def log_losses(labels: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Negative log-likelihood of each row in nats: (rows,); probabilities are clipped to [1e-7, 1 - 1e-7]."""
    clicked, chances = _checked_rows(labels, probabilities)
    chances = np.clip(chances, CLIP, 1 - CLIP)
    return -np.where(clicked, np.log(chances), np.log1p(-chances))


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of ``log_losses`` over all rows; NaN without rows."""
    return mean(log_losses(labels, probabilities))


def ece(labels: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error: mean over rows of |click rate - mean probability| of the row's bin.

    Bins have equal mass (the bins of Nguyen and O'Connor, EMNLP 2015, in the error of Naeini et al., AAAI 2015).
    Equal probabilities stay in one bin, so that the order of rows cannot matter; many ties make fewer bins.
    Even perfect probabilities give about 0.8 sqrt(bins * p * (1 - p) / rows).
    """
    clicked, chances = _checked_rows(labels, probabilities)
    if not len(chances):
        return float("nan")
    return float(np.abs(_sums(clicked - chances, equal_mass_bins(chances, bins), bins)).sum() / len(chances))


def equal_mass_bins(values: ArrayLike, bins: int = BINS) -> Ints:
    """The bin of each value (n,), 0 for the lowest: about as many in each, equal values in one."""
    column = np.asarray(values, dtype=np.float64)
    edges = np.sort(column)[np.arange(1, bins) * len(column) // bins]
    return np.asarray(np.searchsorted(edges, column, side="right"), dtype=np.int64)


def mean(values: ArrayLike) -> float:
    """Mean of the values that are not NaN; NaN when there are none."""
    array = np.asarray(values, dtype=np.float64)
    kept = array[~np.isnan(array)]
    return float(kept.mean()) if kept.size else float("nan")


def means(metrics: dict[str, Floats]) -> dict[str, float]:
    """The mean of each metric over the lists in which it has a value."""
    return {name: mean(values) for name, values in metrics.items()}


def with_value(metrics: dict[str, Floats]) -> dict[str, int]:
    """In how many lists each metric has a value: not where nothing is clicked, nor, for AUC, where everything is."""
    return {name: int((~np.isnan(values)).sum()) for name, values in metrics.items()}


def _middle_ranks(owner: Ints, values: Floats) -> Floats:
    """Place of each row by list and then value, lowest first, from 0; equal values of a list share their mean place."""
    order = np.lexsort((values, owner))
    lists, column = owner[order], values[order]
    first = np.flatnonzero(np.append(len(order) > 0, (lists[1:] != lists[:-1]) | (column[1:] != column[:-1])))
    size = np.diff(np.append(first, len(order)))
    ranks = np.empty(len(order))
    ranks[order] = np.repeat(first + (size - 1) / 2, size)
    return ranks


def _ratio(numerator: NDArray[np.generic], denominator: NDArray[np.generic]) -> Floats:
    """Quotient with NaN where the denominator is 0."""
    result = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def _sums(values: NDArray[np.generic], owner: Ints, count: int) -> Floats:
    return np.asarray(np.bincount(owner, weights=values.astype(np.float64), minlength=count), dtype=np.float64)


def _owners(offsets: Ints) -> Ints:
    """The list of each row."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _targets(ranks: ArrayLike, offsets: ArrayLike | None) -> tuple[Floats, Ints, Ints]:
    """Ranks, the event of each, and the number of targets of each event."""
    places = _column(ranks, "ranks")
    if (places < 1).any():
        raise RecsysError("ranks begin at 1: add 1 to ranks that are counted from 0")
    bounds = np.arange(len(places) + 1) if offsets is None else _offsets(offsets, len(places))
    return places, _owners(bounds), np.diff(bounds)


def _checked_lists(offsets: ArrayLike, labels: ArrayLike, scores: ArrayLike) -> tuple[Ints, NDArray[np.bool_], Floats]:
    values = _column(scores, "scores", finite=True)
    clicked = _clicked(labels, len(values))
    return _offsets(offsets, len(values)), clicked, values


def _checked_rows(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    chances = _column(probabilities, "probabilities")
    if ((chances < 0) | (chances > 1)).any():
        raise RecsysError("probabilities must lie between 0 and 1: calibrate the scores first")
    return _clicked(labels, len(chances)), chances


def _clicked(labels: ArrayLike, rows: int) -> NDArray[np.bool_]:
    array = np.asarray(labels)
    if array.shape != (rows,):
        raise RecsysError(f"labels have the shape {array.shape} where one label for each of {rows} rows is needed")
    if not ((array == 0) | (array == 1)).all():
        raise RecsysError("labels must be 0 (not clicked) or 1 (clicked): turn grades into clicks first")
    return array.astype(bool)


def _column(values: ArrayLike, name: str, *, finite: bool = False) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise RecsysError(f"{name} have the shape {array.shape} where one column is needed")
    if np.isnan(array).any() or (finite and not np.isfinite(array).all()):
        raise RecsysError(NOT_A_NUMBER.format(name))
    return array


def _offsets(offsets: ArrayLike, rows: int) -> Ints:
    bounds = np.asarray(offsets, dtype=np.int64)
    if bounds.ndim != 1 or not len(bounds) or bounds[0] != 0 or bounds[-1] != rows or (np.diff(bounds) < 0).any():
        raise RecsysError(f"offsets must rise from 0 to the number of rows, which is {rows}")
    return bounds
