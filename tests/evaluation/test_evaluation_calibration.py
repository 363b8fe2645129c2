"""Log loss and calibration error against scikit-learn, plain bins, and cases whose answer is known."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss

from recsys.evaluation import metrics

quick = settings(deadline=None, max_examples=60)
probability = st.floats(1e-6, 1 - 1e-6)


@quick
@given(st.lists(st.tuples(st.booleans(), probability), min_size=1, max_size=40))
def test_log_loss_is_that_of_scikit_learn(rows):
    labels, chances = zip(*rows, strict=True)
    assert metrics.log_loss(labels, chances) == pytest.approx(sklearn_log_loss(labels, chances, labels=[0, 1]))
    assert metrics.log_losses(labels, chances).shape == (len(rows),)


def test_a_wrong_certainty_costs_a_finite_amount():
    assert metrics.log_losses([1, 0], [0.0, 1.0]) == pytest.approx(-math.log(1e-7))
    assert metrics.log_losses([0, 1], [0.0, 1.0]) == pytest.approx(0, abs=1e-6)


@quick
@given(st.integers(0, 2**31), st.integers(15, 400))
def test_ece_without_ties_is_that_of_sorted_equal_bins(seed, rows):
    generator = np.random.default_rng(seed)
    chances = generator.permutation(np.linspace(0.01, 0.99, rows))
    labels = generator.random(rows) < 0.4
    order = np.argsort(chances)
    bins = np.split(order, np.arange(1, 15) * rows // 15)
    expected = sum(len(b) / rows * abs(labels[b].mean() - chances[b].mean()) for b in bins)
    assert metrics.ece(labels, chances) == pytest.approx(expected)


def plain_ece(labels, chances, bins):
    """Rows in the order of their chances, cut where a bin ends, but never between two equal chances."""
    rows = sorted(zip(chances, labels, strict=True))
    ends = {k * len(rows) // bins for k in range(1, bins)}
    cuts = [
        i for i in range(1, len(rows)) if rows[i - 1][0] < rows[i][0] and any(rows[e][0] == rows[i][0] for e in ends)
    ]
    parts = [rows[a:b] for a, b in pairwise([0, *cuts, len(rows)])]
    return sum(abs(sum(label - chance for chance, label in part)) for part in parts) / len(rows)


@quick
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 0.9, 1.0])), min_size=1, max_size=60),
    st.sampled_from([1, 2, 3, 15]),
)
def test_ece_with_ties_is_that_of_plain_bins(rows, bins):
    labels, chances = zip(*rows, strict=True)
    assert metrics.ece(labels, chances, bins) == pytest.approx(plain_ece(labels, chances, bins))


def test_ece_has_fifteen_bins_unless_told_otherwise():
    generator = np.random.default_rng(8)
    chances, labels = generator.random(500), generator.random(500) < 0.5
    assert metrics.ece(labels, chances) == metrics.ece(labels, chances, 15) != metrics.ece(labels, chances, 14)


def test_ece_of_one_row_is_its_error():
    assert metrics.ece([1], [0.3]) == pytest.approx(0.7)
    assert metrics.ece([0], [0.3]) == pytest.approx(0.3)


@quick
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 1.0])), min_size=1), st.randoms())
def test_ece_does_not_depend_on_the_order_of_rows(rows, random):
    shuffled = random.sample(rows, len(rows))
    before, after = (metrics.ece(*zip(*some, strict=True)) for some in (rows, shuffled))
    assert before == pytest.approx(after)
    assert 0 <= before <= 1


def test_ece_of_calibrated_probabilities_is_small_and_of_others_is_their_error():
    generator = np.random.default_rng(5)
    chances = generator.beta(1, 8, size=200_000)
    labels = generator.random(200_000) < chances
    assert metrics.ece(labels, chances) < 0.004
    assert metrics.ece(labels, np.minimum(chances + 0.1, 1)) == pytest.approx(0.1, abs=0.004)
    assert metrics.ece(labels, 1 - chances) > 0.5


def test_ece_of_a_constant_is_its_distance_to_the_click_rate():
    labels = np.arange(1000) < 300  # sorted rows must not be split into bins of zeros and ones
    assert metrics.ece(labels, np.full(1000, 0.3)) == pytest.approx(0, abs=1e-12)
    assert metrics.ece(labels, np.full(1000, 0.5)) == pytest.approx(0.2)


def test_no_rows_have_no_calibration():
    assert math.isnan(metrics.ece([], []))
    assert math.isnan(metrics.log_loss([], []))
