"""Reliability and ROC curves, against the figures that they must agree with."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from recsys.evaluation import metrics
from recsys.evaluation.bootstrap import bootstrap_mean
from recsys.evaluation.curves import GRID, mean_roc, reliability


def made_lists(lists: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(draw.integers(2, 15, lists))])
    labels = (draw.random(offsets[-1]) < 0.25).astype(np.float32)
    return offsets, labels, np.round(draw.random(offsets[-1]) + 0.4 * labels, 1)


def test_bins_add_up_to_the_calibration_error() -> None:
    draw = np.random.default_rng(1)
    chances, users = draw.random(500), draw.integers(0, 40, 500)
    labels = (draw.random(500) < chances**2).astype(float)
    bins = reliability(labels, chances, users)
    assert sum(one.rows for one in bins) == 500
    error = sum(one.rows * abs(one.clicked - one.predicted) for one in bins) / 500
    assert error == pytest.approx(metrics.ece(labels, chances))
    assert [one.predicted for one in bins] == sorted(one.predicted for one in bins)
    lowest = chances <= np.sort(chances)[bins[0].rows - 1]
    assert (bins[0].low, bins[0].high) == bootstrap_mean(labels[lowest], users[lowest])


def test_equal_probabilities_are_one_bin_and_nothing_is_none() -> None:
    (only,) = reliability([0, 1, 1, 1], [0.5] * 4, [1, 2, 3, 4])
    assert (only.rows, only.predicted, only.clicked) == (4, 0.5, 0.75)
    assert reliability([], [], []) == []


def test_the_area_under_the_mean_curve_is_the_mean_auc() -> None:
    offsets, labels, scores = made_lists()
    grid, found = mean_roc(offsets, labels, scores)
    assert grid.shape == found.shape == (GRID,)
    assert found.mean() == pytest.approx(metrics.mean(metrics.auc(offsets, labels, scores)), abs=0.004)
    assert (np.diff(found) >= 0).all()


def test_the_curve_of_one_list_is_that_of_scikit_learn() -> None:
    offsets, labels, scores = made_lists(1)
    taken, hits, _ = roc_curve(labels, scores, drop_intermediate=False)
    grid, found = mean_roc(offsets, labels, scores)
    off_the_steps = np.abs(grid[:, None] - taken[None]).min(axis=1) > 1e-9
    np.testing.assert_allclose(found[off_the_steps], np.interp(grid, taken, hits)[off_the_steps])


def test_lists_are_not_pooled() -> None:
    """Each list is in perfect order, on a scale of its own."""
    offsets, labels, scores = np.array([0, 2, 4]), np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.2, 0.1])
    np.testing.assert_array_equal(mean_roc(offsets, labels, scores)[1], 1.0)


def test_lists_without_a_pair_have_no_curve() -> None:
    offsets, scores = np.array([0, 2, 4]), np.array([0.1, 0.2, 0.3, 0.4])
    np.testing.assert_array_equal(
        mean_roc(offsets, np.array([0, 0, 0, 1]), scores)[1],
        mean_roc(np.array([0, 2]), np.array([0, 1]), scores[:2])[1],
    )
    assert np.isnan(mean_roc(offsets, np.zeros(4), scores)[1]).all()
