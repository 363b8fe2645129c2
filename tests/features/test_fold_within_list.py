"""Normalisation within a list, against scipy and numpy."""

from itertools import pairwise

import numpy as np
import pytest
from fold_worlds import thorough
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import rankdata

from recsys.features.within import RELATIVE, within_list


def lists_of(lengths: list[int]) -> np.ndarray:
    return np.cumsum([0, *lengths], dtype=np.int64)


@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    columns=st.integers(1, 4),
    values=st.sampled_from((st.integers(-3, 3), st.floats(-12, 12, width=32))),
    data=st.data(),
)
@thorough(150)
def test_place_score_and_distance_within_each_list(
    lengths: list[int], columns: int, values: st.SearchStrategy[float], data: st.DataObject
) -> None:
    offsets = lists_of(lengths)
    features = data.draw(arrays.arrays(np.float32, (sum(lengths), columns + 1), elements=values))
    found = within_list(features, offsets, columns)
    assert found.shape == (offsets[-1], RELATIVE * columns)
    assert found.dtype == np.float32
    for first, last in pairwise(offsets):
        for c in range(columns):
            if last > first:
                check(features[first:last, c].astype(np.float64), found[first:last, RELATIVE * c : RELATIVE * (c + 1)])


def check(values: np.ndarray, found: np.ndarray) -> None:
    expected = (rankdata(values, method="average") - 0.5) / len(values)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-6)
    if values.std() > 1e-4:
        np.testing.assert_allclose(found[:, 1], (values - values.mean()) / values.std(), rtol=1e-3, atol=1e-3)
    elif values.std() == 0:
        np.testing.assert_array_equal(found[:, 1], 0.0)
    np.testing.assert_allclose(found[:, 2], values - values.max(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, -7.5, 0.1, 1 / 3, 1000.1])
@pytest.mark.parametrize("length", [1, 2, 3, 7, 500])
def test_a_constant_column_says_nothing(value: float, length: int) -> None:
    features = np.full((length, 2), value, np.float32)
    np.testing.assert_array_equal(within_list(features, lists_of([length]), 2), [[0.5, 0.0, 0.0] * 2] * length)


def test_lists_do_not_see_each_other() -> None:
    features = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    together = within_list(features, lists_of([4, 5]), 3)
    np.testing.assert_array_equal(together[:4], within_list(features[:4], lists_of([4]), 3))
    np.testing.assert_array_equal(together[4:], within_list(features[4:], lists_of([5]), 3))


def test_the_order_within_a_list_does_not_matter() -> None:
    draw = np.random.default_rng(1)
    features, order = draw.integers(0, 4, (12, 3)).astype(np.float32), draw.permutation(12)
    straight, shuffled = (within_list(f, lists_of([12]), 3) for f in (features, features[order]))
    np.testing.assert_allclose(shuffled, straight[order], rtol=1e-5, atol=1e-6)


def test_no_lists_give_no_rows() -> None:
    assert within_list(np.zeros((0, 4), np.float32), np.zeros(1, np.int64), 4).shape == (0, 12)
